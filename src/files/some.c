/* SPDX-License-Identifier: Apache-2.0 */
#include "files/some.h"

struct hf_some {
    struct hf_io_source *source;
    const struct hf_cancel *cancel;
    struct hf_tar_source bytes;
    struct hf_tar *tar;        /* of entries that follow each other, or NULL */
    uint64_t begin, next, end; /* of those; next: what was not read yet; end: of the last one */
};

static ssize_t read_bytes(void *ctx, void *buf, size_t size, struct hf_err *err)
{
    struct hf_some *s = ctx;
    size_t n = s->end - s->next < size ? (size_t)(s->end - s->next) : size;
    if (hf_io_read_at(s->source, s->next, buf, n, err) < 0)
        return -1;
    s->next += n;
    return (ssize_t)n;
}

struct hf_some *hf_some_open(struct hf_io_source *tar, const struct hf_cancel *cancel,
                             struct hf_err *err)
{
    struct hf_some *s = calloc(1, sizeof *s);
    if (!s) {
        hf_io_source_close(tar);
        hf_fail_nomem(err);
        return NULL;
    }
    s->source = tar;
    s->cancel = cancel;
    s->bytes = (struct hf_tar_source){read_bytes, s};
    return s;
}

void hf_some_close(struct hf_some *s)
{
    if (!s)
        return;
    hf_tar_close(s->tar);
    hf_io_source_close(s->source);
    free(s);
}

static int leap(struct hf_some *s, uint64_t at, struct hf_err *err)
{
    hf_tar_close(HF_STEAL(s->tar));
    s->begin = s->next = at;
    s->tar = hf_tar_open(&s->bytes, s->cancel, err);
    return s->tar ? 0 : -1;
}

struct hf_tar *hf_some_next(struct hf_some *s, uint64_t at, uint64_t end, struct hf_entry *out,
                            struct archive_entry **raw, struct hf_err *err)
{
    bool goes_on = s->tar && at == s->end;
    if (at >= end || end > s->source->size) {
        hf_fail(err, HF_E_CORRUPT, "an entry that does not lie in the tar");
        return NULL;
    }
    s->end = end;
    if (!goes_on && leap(s, at, err) < 0)
        return NULL;
    int rc = hf_tar_next(s->tar, out, raw, err);
    if (rc < 0)
        return NULL;
    if (rc == 0 || s->begin + out->at != at) {
        hf_fail(err, HF_E_CORRUPT, "the tar has no entry where the listing says");
        return NULL;
    }
    out->at = at;
    return s->tar;
}
