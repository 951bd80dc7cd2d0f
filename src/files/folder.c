/* SPDX-License-Identifier: Apache-2.0 */
#include "files/folder.h"

#include "base/path.h"
#include "io/frames.h"
#include "io/pack.h"
#include "net/json.h"

#include <stdlib.h>
#include <string.h>

#define ABOUT_MAX ((size_t)4 << 20)
#define CHUNK ((size_t)64 << 10)

static char *read_about(struct hf_io_files *f, size_t *out_len, struct hf_err *err)
{
    HF_AUTO(hf_io_source) struct hf_io_source *s = hf_io_files_open(f, HF_ARCHIVE_ABOUT, true, err);
    if (!s)
        return NULL;
    if (s->size > ABOUT_MAX) {
        hf_fail(err, HF_E_CORRUPT, "'%s/" HF_ARCHIVE_ABOUT "' is larger than any such file",
                f->label);
        return NULL;
    }
    HF_AUTOFREE char *text = malloc((size_t)s->size + 1);
    if (!text) {
        hf_fail_nomem(err);
        return NULL;
    }
    if (hf_io_read_at(s, 0, text, (size_t)s->size, err) < 0)
        return NULL;
    *out_len = (size_t)s->size;
    return HF_STEAL(text);
}

int hf_archive_about(struct hf_io_files *f, struct hf_archive_about *out, struct hf_err *err)
{
    const char *tar = NULL, *listing = NULL;
    size_t len = 0;
    int64_t tar_bytes = 0;
    HF_AUTOFREE char *text = read_about(f, &len, err);
    if (!text && err->cls != HF_E_NOT_FOUND && err->cls != HF_E_CORRUPT) /* it may well be one */
        return hf_wrap(err, "archive '%s'", f->label);
    HF_AUTOJSON struct json_object *doc = text ? hf_json_parse(text, len, err) : NULL;
    if (!doc || hf_json_get_string(doc, "tar_sha256", &tar, err) < 0 ||
        hf_json_get_string(doc, "listing_sha256", &listing, err) < 0 ||
        hf_json_opt_int(doc, "tar_bytes", &tar_bytes, err) < 0)
        return hf_wrap(err, "'%s' is no archive", f->label);
    out->tar_bytes = tar_bytes > 0 ? (uint64_t)tar_bytes : 0;
    snprintf(out->tar_sha256, sizeof out->tar_sha256, "%s", tar);
    snprintf(out->listing_sha256, sizeof out->listing_sha256, "%s", listing);
    return 0;
}

/* Its name however it is packed, to be freed. NULL: NOT_FOUND. */
static char *find_packed(struct hf_io_files *f, const char *name, enum hf_io_packing *how,
                         struct hf_err *err)
{
    static const enum hf_io_packing packings[] = {HF_IO_ZSTD, HF_IO_GZIP, HF_IO_PLAIN};
    for (size_t i = 0; i < HF_ARRAY_SIZE(packings); i++) {
        enum hf_io_seen seen;
        uint64_t bytes;
        HF_AUTOFREE char *file = hf_asprintf("%s%s", name, hf_io_packing_suffix(packings[i]));
        if (!file) {
            hf_fail_nomem(err);
            return NULL;
        }
        if (hf_io_files_look(f, file, &seen, &bytes, err) < 0)
            return NULL;
        *how = packings[i];
        if (seen != HF_IO_SEEN_NONE)
            return HF_STEAL(file);
    }
    hf_fail(err, HF_E_NOT_FOUND, "there is no '%s' in '%s'", name, f->label);
    return NULL;
}

struct hf_io_read *hf_archive_open(struct hf_io_files *f, const char *name, struct hf_err *err)
{
    enum hf_io_packing how;
    HF_AUTOFREE char *file = find_packed(f, name, &how, err);
    return file ? hf_io_files_read(f, file, false, true, err) : NULL;
}

int hf_archive_open_tar_at(struct hf_io_files *f, struct hf_io_source **out, struct hf_err *err)
{
    enum hf_io_packing how;
    HF_AUTOFREE char *file = find_packed(f, HF_ARCHIVE_TAR, &how, err);
    *out = NULL;
    if (!file || how == HF_IO_GZIP)
        return file ? 0 : -1;
    HF_AUTOFREE char *path = hf_path_join(f->label, file);
    if (!path)
        return hf_fail_nomem(err);
    struct hf_io_source *stored = hf_io_files_open(f, file, false, err);
    if (!stored)
        return -1;
    if (how == HF_IO_ZSTD)
        return hf_io_frames_open(stored, path, out, err);
    *out = stored;
    return 1;
}

int hf_archive_check(struct hf_io_read *r, const char *name, const char *sha256, struct hf_err *err)
{
    char found[HF_SHA256_HEX];
    if (hf_io_read_sha256(r, found, err) < 0)
        return -1;
    return strcmp(found, sha256) == 0
               ? 0
               : hf_fail(err, HF_E_CORRUPT,
                         "'%s' is not what " HF_ARCHIVE_ABOUT " says: SHA-256 %s", name, found);
}

/* ---- the listing ------------------------------------------------------------------------ */

void hf_listing_kept_free(struct hf_listing_kept *k)
{
    free(k->path);
    free(k->data);
    *k = (struct hf_listing_kept){0};
}

/* 0: it is too large for that. */
static int keep(struct hf_io_files *f, const char *file, struct hf_listing_kept *k,
                struct hf_err *err)
{
    HF_AUTO(hf_io_source) struct hf_io_source *s = hf_io_files_open(f, file, false, err);
    if (!s || s->size > HF_LISTING_KEPT_MAX)
        return s ? 0 : -1;
    HF_AUTOFREE char *path = hf_path_join(f->label, file);
    HF_AUTOFREE char *data = malloc((size_t)s->size + 1);
    if (!path || !data)
        return hf_fail_nomem(err);
    for (size_t at = 0, n; at < s->size; at += n) {
        n = s->size - at < CHUNK ? (size_t)s->size - at : CHUNK;
        if (hf_io_read_at(s, at, data + at, n, err) < 0)
            return -1;
    }
    *k = (struct hf_listing_kept){HF_STEAL(path), HF_STEAL(data), (size_t)s->size};
    return 1;
}

int hf_listing_open(struct hf_listing *l, struct hf_io_files *f, struct hf_listing_kept *kept,
                    struct hf_err *err)
{
    enum hf_io_packing how;
    HF_AUTOFREE char *file = kept->path ? NULL : find_packed(f, HF_ARCHIVE_LISTING, &how, err);
    int rc = kept->path ? 1 : file ? keep(f, file, kept, err) : -1;
    if (rc < 0)
        return -1;
    struct hf_io_source *s = rc ? hf_io_source_memory(kept->data, kept->len, err) : NULL;
    l->r = s         ? hf_io_read_new(s, kept->path, true, err)
           : rc == 0 ? hf_io_files_read(f, file, false, true, err)
                     : NULL;
    return l->r ? 0 : -1;
}

void hf_listing_close(struct hf_listing *l)
{
    hf_io_read_close(l->r);
    hf_buf_free(&l->text);
}

/* What was read already goes; more comes behind the rest. */
static int read_more(struct hf_listing *l, struct hf_err *err)
{
    char chunk[CHUNK];
    size_t n = 0, rest = l->text.len - l->at;
    if (rest > HF_ENTRY_LINE_MAX)
        return hf_fail(err, HF_E_CORRUPT, "a line of more than %zu bytes in the listing",
                       HF_ENTRY_LINE_MAX);
    if (hf_io_read_some(l->r, chunk, sizeof chunk, &n, err) < 0)
        return -1;
    l->is_at_end = n == 0;
    if (l->at)
        memmove(l->text.data, l->text.data + l->at, rest);
    l->text.len = rest;
    l->at = 0;
    hf_buf_add(&l->text, chunk, n);
    return hf_buf_ok(&l->text) ? 0 : hf_fail_nomem(err);
}

int hf_listing_next(struct hf_listing *l, struct hf_entry *out, struct hf_err *err)
{
    hf_entry_free(out);
    for (;;) {
        size_t rest = l->text.len - l->at;
        char *line = rest ? l->text.data + l->at : NULL;
        char *end = rest ? memchr(line, '\n', rest) : NULL;
        if (end) {
            l->at += (size_t)(end - line) + 1;
            return hf_entry_parse(line, (size_t)(end - line), out, err) < 0 ? -1 : 1;
        }
        if (l->is_at_end)
            return rest ? hf_fail(err, HF_E_CORRUPT, "the listing ends in the middle of a line")
                        : 0;
        if (read_more(l, err) < 0)
            return -1;
    }
}
