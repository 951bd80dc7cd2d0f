/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/disk_record.h"

#include "base/hex.h"
#include "net/json.h"

#include <string.h>

#define FORMAT 1

const char *const hf_disk_formats[HF_DISK_FORMATS] = {"raw", "qcow2", "vmdk"};

void hf_disk_record_free(struct hf_disk_record *r)
{
    free(r->point);
    free(r->disk);
    hf_chunk_set_free(&r->durable);
    *r = (struct hf_disk_record){0};
}

/* ---- written ---------------------------------------------------------------------------- */

static int add_range(struct json_object *list, uint64_t from, uint64_t to)
{
    struct json_object *pair = json_object_new_array_ext(2);
    if (!pair || json_object_array_add(list, pair) != 0)
        return -1;
    struct json_object *a = json_object_new_int64((int64_t)from);
    struct json_object *b = json_object_new_int64((int64_t)to);
    return a && b && json_object_array_add(pair, a) == 0 && json_object_array_add(pair, b) == 0
               ? 0
               : -1;
}

static struct json_object *ranges_of(const struct hf_chunk_set *s)
{
    HF_AUTOJSON struct json_object *list = json_object_new_array();
    uint64_t from = 0, to = 0;
    for (unsigned n = 0; list && n < HF_DISK_RECORD_RANGES && hf_chunk_set_run(s, to, &from, &to);
         n++)
        if (add_range(list, from, to) < 0)
            return NULL;
    return HF_STEAL(list);
}

int hf_disk_record_write(const struct hf_disk_record *r, struct hf_buf *out, struct hf_err *err)
{
    char root[HF_IMAGE_ID_HEX];
    HF_AUTOJSON struct json_object *o = json_object_new_object();
    hf_hex(r->root, HF_IMAGE_ID, root);
    if (!o || hf_json_add_int(o, "format", FORMAT) < 0 ||
        hf_json_add_string(o, "point", r->point) < 0 ||
        hf_json_add_string(o, "disk", r->disk) < 0 || hf_json_add_string(o, "root", root) < 0 ||
        hf_json_add_string(o, "image", hf_disk_formats[r->format]) < 0 ||
        hf_json_add_int(o, "bytes", (int64_t)r->shape.disk_bytes) < 0 ||
        hf_json_add_int(o, "chunk_bytes", r->shape.chunk_bytes) < 0 ||
        hf_json_add_int(o, "inode", (int64_t)r->inode) < 0 ||
        (r->whole_ns ? hf_json_add_int(o, "whole_ns", r->whole_ns)
                     : hf_json_add_string(o, "whole_ns", NULL)) < 0 ||
        hf_json_add(o, "durable", ranges_of(&r->durable)) < 0)
        return hf_fail_nomem(err);
    hf_buf_printf(out, "%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
    return hf_buf_ok(out) ? 0 : hf_fail_nomem(err);
}

/* ---- read ------------------------------------------------------------------------------- */

static int odd(struct hf_err *err, const char *what)
{
    return hf_fail(err, HF_E_CORRUPT, "the record's %s makes no sense", what);
}

static int read_format(struct json_object *o, struct hf_disk_record *out, struct hf_err *err)
{
    const char *text;
    if (hf_json_get_string(o, "image", &text, err) < 0)
        return -1;
    for (int i = 0; i < HF_DISK_FORMATS; i++)
        if (strcmp(text, hf_disk_formats[i]) == 0) {
            out->format = (enum hf_disk_format)i;
            return 0;
        }
    return odd(err, "image");
}

static int read_shape(struct json_object *o, struct hf_image_shape *out, struct hf_err *err)
{
    int64_t bytes, chunk_bytes;
    if (hf_json_get_int(o, "bytes", &bytes, err) < 0 ||
        hf_json_get_int(o, "chunk_bytes", &chunk_bytes, err) < 0)
        return -1;
    if (bytes < 0 || chunk_bytes < HF_IMAGE_CHUNK_MIN || chunk_bytes > HF_IMAGE_CHUNK_MAX ||
        !hf_image_chunk_bytes_is_valid((uint32_t)chunk_bytes))
        return odd(err, "size");
    *out = (struct hf_image_shape){(uint64_t)bytes, (uint32_t)chunk_bytes};
    return hf_image_segments_n(out) <= HF_IMAGE_SEGMENTS_MAX ? 0 : odd(err, "size");
}

static bool read_pair(struct json_object *pair, uint64_t least, uint64_t most, uint64_t *from,
                      uint64_t *to)
{
    if (!json_object_is_type(pair, json_type_array) || json_object_array_length(pair) != 2)
        return false;
    struct json_object *a = json_object_array_get_idx(pair, 0);
    struct json_object *b = json_object_array_get_idx(pair, 1);
    if (!json_object_is_type(a, json_type_int) || !json_object_is_type(b, json_type_int))
        return false;
    int64_t x = json_object_get_int64(a), y = json_object_get_int64(b);
    *from = (uint64_t)x;
    *to = (uint64_t)y;
    return x >= 0 && y > x && *from >= least && *to <= most;
}

static int read_ranges(struct json_object *o, struct hf_chunk_set *out, struct hf_err *err)
{
    struct json_object *list;
    uint64_t from, to = 0;
    if (hf_json_get_array(o, "durable", &list, err) < 0)
        return -1;
    size_t n = json_object_array_length(list);
    if (n > HF_DISK_RECORD_RANGES)
        return odd(err, "ranges");
    for (size_t i = 0; i < n; i++) {
        if (!read_pair(json_object_array_get_idx(list, i), to, out->n, &from, &to))
            return odd(err, "ranges");
        hf_chunk_set_add(out, from, to);
    }
    return 0;
}

static int read_names(struct json_object *o, struct hf_disk_record *out, struct hf_err *err)
{
    const char *point, *disk, *root;
    if (hf_json_get_string(o, "point", &point, err) < 0 ||
        hf_json_get_string(o, "disk", &disk, err) < 0 ||
        hf_json_get_string(o, "root", &root, err) < 0)
        return -1;
    if (hf_unhex(root, out->root, HF_IMAGE_ID) < 0)
        return odd(err, "root");
    out->point = strdup(point);
    out->disk = strdup(disk);
    return out->point && out->disk ? 0 : hf_fail_nomem(err);
}

int hf_disk_record_parse(const char *text, size_t len, struct hf_disk_record *out,
                         struct hf_err *err)
{
    int64_t format, inode;
    HF_AUTOJSON struct json_object *o = hf_json_parse(text, len, err);
    if (!o || hf_json_get_int(o, "format", &format, err) < 0)
        return -1;
    if (format != FORMAT)
        return odd(err, "format");
    if (read_names(o, out, err) < 0 || read_format(o, out, err) < 0 ||
        read_shape(o, &out->shape, err) < 0 || hf_json_get_int(o, "inode", &inode, err) < 0 ||
        hf_json_opt_int(o, "whole_ns", &out->whole_ns, err) < 0 ||
        hf_chunk_set_init(&out->durable, hf_image_chunks_n(&out->shape), err) < 0)
        return -1;
    out->inode = (uint64_t)inode;
    return read_ranges(o, &out->durable, err);
}
