/* SPDX-License-Identifier: Apache-2.0 */
#include "files/tar.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#define CHUNK ((size_t)256 << 10)
/* Two blocks of zeros end a tar. */
#define END_BYTES 1024

struct hf_tar {
    const struct hf_tar_source *source;
    const struct hf_cancel *cancel;
    struct archive *a;
    struct hf_sha256 *sha;
    struct hf_tar_totals totals;
    struct hf_err failed; /* of the source: libarchive only knows that it failed */
    bool has_failed, is_at_end;
    uint64_t zeros; /* at the end of what was read */
    char chunk[CHUNK];
};

static const char zeros[65536];

/* ---- bytes ------------------------------------------------------------------------------ */

static void count_zeros(struct hf_tar *t, size_t n)
{
    size_t at = n;
    while (at > 0 && t->chunk[at - 1] == 0)
        at--;
    t->zeros = at == 0 ? t->zeros + n : n - at;
}

static la_ssize_t read_chunk(struct archive *a, void *ctx, const void **out)
{
    struct hf_tar *t = ctx;
    if (t->is_at_end)
        return 0;
    ssize_t n = t->source->read(t->source->ctx, t->chunk, CHUNK, &t->failed);
    if (n < 0) {
        t->has_failed = true;
        archive_set_error(a, EIO, "%s", t->failed.message);
        return -1;
    }
    t->is_at_end = n == 0;
    t->totals.tar_bytes += (uint64_t)n;
    count_zeros(t, (size_t)n);
    *out = t->chunk;
    return n;
}

/* What the source said, else what libarchive did. */
static int fail(struct hf_tar *t, struct archive *a, struct hf_err *err)
{
    if (t->has_failed) {
        hf_err_copy(err, &t->failed);
        return -1;
    }
    const char *said = archive_error_string(a);
    return hf_fail(err, HF_E_CORRUPT, "not a whole tar: %s", said ? said : "unknown");
}

void hf_tar_close(struct hf_tar *t)
{
    if (!t)
        return;
    archive_read_free(t->a);
    hf_sha256_free(t->sha);
    free(t);
}

struct hf_tar *hf_tar_open(const struct hf_tar_source *source, const struct hf_cancel *cancel,
                           struct hf_err *err)
{
    HF_AUTO(hf_tar) struct hf_tar *t = calloc(1, sizeof *t);
    if (!t || !(t->a = archive_read_new())) {
        hf_fail_nomem(err);
        return NULL;
    }
    if (!(t->sha = hf_sha256_new(err)))
        return NULL;
    t->source = source;
    t->cancel = cancel;
    t->failed = (struct hf_err)HF_ERR_INIT;
    if (archive_read_support_format_tar(t->a) != ARCHIVE_OK ||
        archive_read_open2(t->a, t, NULL, read_chunk, NULL, NULL) != ARCHIVE_OK) {
        fail(t, t->a, err);
        return NULL;
    }
    return HF_STEAL(t);
}

/* ---- entries ---------------------------------------------------------------------------- */

/* libarchive stops at the end of the tar, and takes it for one when there is nothing behind an entry; what its writer
 * pads it with has to be read, and to be nothing. */
static int read_rest(struct hf_tar *t, struct hf_err *err)
{
    const void *ignored;
    la_int64_t end = archive_read_header_position(t->a);
    while (!t->is_at_end) {
        if (hf_cancel_check(t->cancel, err) < 0)
            return -1;
        if (read_chunk(t->a, t, &ignored) < 0)
            return fail(t, t->a, err);
    }
    uint64_t behind = t->totals.tar_bytes - (uint64_t)end;
    if (behind < END_BYTES)
        return hf_fail(err, HF_E_CORRUPT, "not a whole tar: it has no end");
    return t->zeros >= behind ? 0
                              : hf_fail(err, HF_E_CORRUPT, "not a whole tar: bytes behind its end");
}

static int type_of(struct archive_entry *e, enum hf_entry_type *out)
{
    if (archive_entry_hardlink(e)) {
        *out = HF_ENTRY_HARDLINK;
        return 0;
    }
    switch (archive_entry_filetype(e)) {
    case AE_IFREG:
        *out = HF_ENTRY_FILE;
        return 0;
    case AE_IFLNK:
        *out = HF_ENTRY_SYMLINK;
        return 0;
    case AE_IFDIR:
        *out = HF_ENTRY_DIR;
        return 0;
    case AE_IFIFO:
        *out = HF_ENTRY_FIFO;
        return 0;
    case AE_IFCHR:
        *out = HF_ENTRY_CHAR;
        return 0;
    case AE_IFBLK:
        *out = HF_ENTRY_BLOCK;
        return 0;
    default:
        return -1;
    }
}

/* "./a/" as "a". A copy, bounded. */
static char *copy_name(const char *name, bool is_link, struct hf_err *err)
{
    size_t len = name ? strlen(name) : 0;
    if (len == 0 || len > HF_ENTRY_NAME_MAX) {
        hf_fail(err, HF_E_CORRUPT, "a name of %zu bytes in the tar", len);
        return NULL;
    }
    while (!is_link && len > 2 && strncmp(name, "./", 2) == 0)
        name += 2, len -= 2;
    while (!is_link && len > 1 && name[len - 1] == '/')
        len--;
    char *copy = strndup(len ? name : ".", len ? len : 1);
    if (!copy)
        hf_fail_nomem(err);
    return copy;
}

static int fill(struct archive_entry *raw, struct hf_entry *e, struct hf_err *err)
{
    if (type_of(raw, &e->type) < 0)
        return hf_fail(err, HF_E_CORRUPT, "an entry of an unknown type in the tar");
    if (!(e->name = copy_name(archive_entry_pathname(raw), false, err)))
        return -1;
    const char *link = e->type == HF_ENTRY_HARDLINK  ? archive_entry_hardlink(raw)
                       : e->type == HF_ENTRY_SYMLINK ? archive_entry_symlink(raw)
                                                     : NULL;
    if ((link || e->type == HF_ENTRY_SYMLINK) &&
        !(e->link = copy_name(link, e->type == HF_ENTRY_SYMLINK, err)))
        return -1;
    int64_t size = e->type == HF_ENTRY_FILE ? archive_entry_size(raw) : 0;
    int64_t uid = archive_entry_uid(raw), gid = archive_entry_gid(raw);
    if (size < 0 || (uint64_t)size > HF_ENTRY_SIZE_MAX || uid < 0 || gid < 0)
        return hf_fail(err, HF_E_CORRUPT, "'%s': a size or owner that cannot be", e->name);
    e->size = (uint64_t)size;
    e->uid = (uint64_t)uid;
    e->gid = (uint64_t)gid;
    e->mode = archive_entry_perm(raw) & 07777;
    e->mtime_s = archive_entry_mtime(raw);
    e->mtime_ns = archive_entry_mtime_nsec(raw);
    return 0;
}

int hf_tar_next(struct hf_tar *t, struct hf_entry *out, struct archive_entry **raw,
                struct hf_err *err)
{
    struct archive_entry *e = NULL;
    hf_entry_free(out);
    if (hf_cancel_check(t->cancel, err) < 0)
        return -1;
    int rc = archive_read_next_header(t->a, &e);
    if (rc == ARCHIVE_EOF)
        return read_rest(t, err);
    /* A warning is an odd character in a name, which is as good as any. */
    if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
        return fail(t, t->a, err);
    if (fill(e, out, err) < 0)
        return -1;
    out->at = (uint64_t)archive_read_header_position(t->a);
    out->has_at = true;
    t->totals.entries++;
    t->totals.by_type[out->type]++;
    t->totals.content_bytes += out->size;
    if (raw)
        *raw = e;
    return 1;
}

/* ---- content ---------------------------------------------------------------------------- */

static int digest_hole(struct hf_tar *t, uint64_t from, uint64_t to, struct hf_err *err)
{
    for (size_t n; from < to; from += n) {
        n = to - from < sizeof zeros ? (size_t)(to - from) : sizeof zeros;
        if (hf_cancel_check(t->cancel, err) < 0 || hf_sha256_add(t->sha, zeros, n, err) < 0)
            return -1;
    }
    return 0;
}

static int copy_blocks(struct hf_tar *t, const struct hf_entry *e, const struct hf_tar_taker *to,
                       struct hf_err *err)
{
    const void *data;
    size_t len;
    la_int64_t offset = 0;
    uint64_t at = 0;
    int rc;
    while ((rc = archive_read_data_block(t->a, &data, &len, &offset)) == ARCHIVE_OK) {
        if (offset < 0 || (uint64_t)offset < at || (uint64_t)offset > e->size ||
            len > e->size - (uint64_t)offset)
            return hf_fail(err, HF_E_CORRUPT, "'%s': a sparse file out of order", e->name);
        if (digest_hole(t, at, (uint64_t)offset, err) < 0 ||
            hf_sha256_add(t->sha, data, len, err) < 0)
            return -1;
        at = (uint64_t)offset + len;
        if (to && len && to->take(to->ctx, e, data, len, (uint64_t)offset, err) < 0)
            return -1;
    }
    return rc == ARCHIVE_EOF ? digest_hole(t, at, e->size, err) : fail(t, t->a, err);
}

int hf_tar_content(struct hf_tar *t, struct hf_entry *e, const struct hf_tar_taker *to,
                   struct hf_err *err)
{
    return hf_sha256_begin(t->sha, err) < 0 || copy_blocks(t, e, to, err) < 0
               ? -1
               : hf_sha256_end(t->sha, e->sha256, err);
}

struct hf_tar_totals hf_tar_totals(const struct hf_tar *t)
{
    return t->totals;
}
