/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a tar, written again by files/retar.h: what comes out is a whole tar of the same entries with the same content, or an
 * entry was refused and what had come out has no end.
 */
#include "files/retar.h"
#include "harness/bytes.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A hole of a tebibyte takes its time, and shows nothing. */
#define SIZE_MAX_HERE ((uint64_t)1 << 20)

static int keep(void *ctx, const void *data, size_t len, struct hf_err *err)
{
    (void)err;
    hf_buf_add(ctx, data, len);
    return 0;
}

/* Where an entry lies is the one thing that another writer may do otherwise. */
static int note(struct hf_entry *e, struct hf_buf *list, struct hf_err *err)
{
    e->has_at = false;
    return hf_entry_print(e, list, err);
}

static int write_entry(const struct hf_plan_sink *sink, struct hf_tar *t, struct hf_entry *e,
                       struct archive_entry *raw, struct hf_buf *list, struct hf_err *err)
{
    const struct hf_tar_taker taker = {sink->take, sink->ctx};
    archive_entry_copy_pathname(raw, e->name);
    if (e->type == HF_ENTRY_HARDLINK) {
        archive_entry_copy_hardlink(raw, e->link);
        archive_entry_unset_size(raw);
    }
    if (!hf_entry_name_is_safe(e->name) || e->size >= SIZE_MAX_HERE)
        return hf_fail(err, HF_E_CORRUPT, "not a name for a target");
    if (sink->begin(sink->ctx, e, raw, err) < 0 ||
        (e->type == HF_ENTRY_FILE && hf_tar_content(t, e, &taker, err) < 0) ||
        sink->end(sink->ctx, e, err) < 0)
        return -1;
    return note(e, list, err);
}

/* sink NULL: into the list alone. */
static int walk(const void *data, size_t size, const struct hf_plan_sink *sink, struct hf_buf *list,
                struct hf_err *err)
{
    struct bytes b = {data, size, 0};
    const struct hf_tar_source source = {bytes_read, &b};
    struct archive_entry *raw = NULL;
    HF_AUTO(hf_entry) struct hf_entry e = {0};
    HF_AUTO(hf_tar) struct hf_tar *t = hf_tar_open(&source, NULL, err);
    int rc = t ? 1 : -1;
    while (rc == 1 && (rc = hf_tar_next(t, &e, &raw, err)) == 1) {
        if (sink && write_entry(sink, t, &e, raw, list, err) < 0)
            return -1;
        if (!sink && ((e.type == HF_ENTRY_FILE && hf_tar_content(t, &e, NULL, err) < 0) ||
                      note(&e, list, err) < 0))
            return -1;
    }
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hf_err err = HF_ERR_INIT, second = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf out = HF_BUF_INIT, before = HF_BUF_INIT, after = HF_BUF_INIT;
    struct hf_retar *t = hf_retar_new(keep, &out, &err);
    assert(t);
    const struct hf_plan_sink sink = hf_retar_sink(t);
    bool is_whole = walk(data, size, &sink, &before, &err) == 0 && hf_retar_finish(t, &err) == 0;
    hf_retar_close(t);
    int rc = walk(out.data, out.len, NULL, &after, &second);
    assert(is_whole == (rc == 0));
    if (is_whole)
        assert(strcmp(hf_buf_str(&before), hf_buf_str(&after)) == 0);
    return 0;
}
