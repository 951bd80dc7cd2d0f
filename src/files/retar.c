/* SPDX-License-Identifier: Apache-2.0 */
#include "files/retar.h"

#include <stdlib.h>
#include <string.h>

#define RECORD (64 << 10)

struct hf_retar {
    struct archive *a;
    struct archive_entry *raw; /* of the entry at hand */
    int (*write)(void *ctx, const void *data, size_t len, struct hf_err *err);
    void *ctx;
    struct hf_err failed; /* of write: libarchive only knows that it failed */
    bool has_failed, is_over;
    bool has_map; /* of holes; its piece at hand, the next ones are raw's */
    uint64_t map_from, map_until;
    uint64_t at, bytes;
};

static const char zeros[65536];

static la_ssize_t write_out(struct archive *a, void *ctx, const void *data, size_t len)
{
    struct hf_retar *t = ctx;
    /* archive_write_free ends the tar when nobody has, and then it would look whole. */
    if (t->is_over) {
        archive_set_error(a, ECANCELED, "not finished");
        return -1;
    }
    if (t->write(t->ctx, data, len, &t->failed) < 0) {
        t->has_failed = t->is_over = true;
        archive_set_error(a, EIO, "%s", t->failed.message);
        return -1;
    }
    t->bytes += len;
    return (la_ssize_t)len;
}

/* What the writer said, else what libarchive did. */
static int check(struct hf_retar *t, int rc, const char *name, struct hf_err *err)
{
    if (t->has_failed) {
        hf_err_copy(err, &t->failed);
        return -1;
    }
    /* A warning is a name that is no text, which goes as it is. */
    if (rc == ARCHIVE_OK || rc == ARCHIVE_WARN)
        return 0;
    const char *said = archive_error_string(t->a);
    return hf_fail(err, HF_E_INTERNAL, "cannot send '%s': %s", name, said ? said : "unknown");
}

void hf_retar_close(struct hf_retar *t)
{
    if (!t)
        return;
    t->is_over = true;
    archive_write_free(t->a);
    free(t);
}

struct hf_retar *hf_retar_new(int (*write)(void *ctx, const void *data, size_t len,
                                           struct hf_err *err),
                              void *ctx, struct hf_err *err)
{
    HF_AUTO(hf_retar) struct hf_retar *t = calloc(1, sizeof *t);
    if (!t || !(t->a = archive_write_new())) {
        hf_fail_nomem(err);
        return NULL;
    }
    t->write = write;
    t->ctx = ctx;
    t->failed = (struct hf_err)HF_ERR_INIT;
    if (archive_write_set_format_pax(t->a) != ARCHIVE_OK ||
        archive_write_set_format_option(t->a, NULL, "xattrheader", "SCHILY") != ARCHIVE_OK ||
        archive_write_set_format_option(t->a, NULL, "hdrcharset", "BINARY") != ARCHIVE_OK ||
        archive_write_set_bytes_per_block(t->a, RECORD) != ARCHIVE_OK ||
        archive_write_set_bytes_in_last_block(t->a, 1) != ARCHIVE_OK ||
        archive_write_open(t->a, t, NULL, write_out, NULL) != ARCHIVE_OK) {
        check(t, ARCHIVE_FATAL, "a tar", err);
        return NULL;
    }
    return HF_STEAL(t);
}

/* ---- entries ---------------------------------------------------------------------------- */

static int begin_entry(void *ctx, const struct hf_entry *e, struct archive_entry *raw,
                       struct hf_err *err)
{
    struct hf_retar *t = ctx;
    archive_entry_set_uname(raw, NULL);
    archive_entry_set_gname(raw, NULL);
    archive_entry_set_fflags(raw, 0, 0);
    archive_entry_unset_atime(raw);
    archive_entry_unset_ctime(raw);
    archive_entry_unset_birthtime(raw);
    if (e->type == HF_ENTRY_SYMLINK)
        archive_entry_copy_symlink(raw, e->link);
    if (e->type != HF_ENTRY_FILE)
        archive_entry_sparse_clear(raw);
    int rc = archive_write_header(t->a, raw);
    t->raw = raw;
    t->has_map = archive_entry_sparse_reset(raw) > 0;
    t->at = t->map_from = t->map_until = 0;
    return check(t, rc, e->name, err);
}

static int write_all(struct hf_retar *t, const struct hf_entry *e, const char *data, uint64_t len,
                     struct hf_err *err)
{
    while (len > 0) {
        const char *from = data ? data : zeros;
        size_t n = data || len < sizeof zeros ? (size_t)len : sizeof zeros;
        la_ssize_t written = archive_write_data(t->a, from, n);
        if (written <= 0 || (size_t)written > n)
            return check(t, ARCHIVE_FATAL, e->name, err);
        data = data ? data + written : NULL;
        len -= (uint64_t)written;
        t->at += (uint64_t)written;
    }
    return 0;
}

/* libarchive's writer leaves out what the map of the entry calls a hole, so it has to call data all that is. */
static int check_map(struct hf_retar *t, const struct hf_entry *e, uint64_t offset, size_t len,
                     struct hf_err *err)
{
    while (t->has_map && offset >= t->map_until) {
        la_int64_t from = 0, n = 0;
        if (archive_entry_sparse_next(t->raw, &from, &n) != ARCHIVE_OK)
            break;
        t->map_from = (uint64_t)from;
        t->map_until = (uint64_t)from + (uint64_t)n;
    }
    if (!t->has_map || (offset >= t->map_from && offset + len <= t->map_until))
        return 0;
    return hf_fail(err, HF_E_CORRUPT, "'%s': data where its map of holes has none", e->name);
}

static int write_data(void *ctx, const struct hf_entry *e, const void *data, size_t len,
                      uint64_t offset, struct hf_err *err)
{
    struct hf_retar *t = ctx;
    if (check_map(t, e, offset, len, err) < 0 || write_all(t, e, NULL, offset - t->at, err) < 0)
        return -1;
    return write_all(t, e, data, len, err);
}

static int end_entry(void *ctx, const struct hf_entry *e, struct hf_err *err)
{
    struct hf_retar *t = ctx;
    if (e->type == HF_ENTRY_FILE && write_all(t, e, NULL, e->size - t->at, err) < 0)
        return -1;
    return check(t, archive_write_finish_entry(t->a), e->name, err);
}

struct hf_plan_sink hf_retar_sink(struct hf_retar *t)
{
    return (struct hf_plan_sink){begin_entry, write_data, end_entry, t};
}

int hf_retar_finish(struct hf_retar *t, struct hf_err *err)
{
    int rc = archive_write_close(t->a);
    t->is_over = true;
    return check(t, rc, "the end", err);
}

uint64_t hf_retar_bytes(const struct hf_retar *t)
{
    return t->bytes;
}
