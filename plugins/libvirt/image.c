/* SPDX-License-Identifier: Apache-2.0 */
#include "image.h"

#include "base/path.h"
#include "base/point.h"
#include "base/proc.h"
#include "net/json.h"

#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>

#define INFO_MAX ((size_t)4 << 20)
#define QEMU_IMG_MS 20000

static int64_t timeout_of(struct hf_instance *in, const struct hf_call *call)
{
    int64_t left = lv_left_ms(in, call);
    return left < QEMU_IMG_MS ? left : QEMU_IMG_MS;
}

/* The format is always told: of a raw disk the guest decides what a probe would find. */
static struct json_object *image_info(struct hf_instance *in, const struct hf_call *call,
                                      const struct lv_layer *layer, bool chain, struct hf_err *err)
{
    const char *const argv[] = {"qemu-img",
                                "info",
                                "--force-share",
                                "--output=json",
                                "-f",
                                layer->format ? layer->format : "raw",
                                layer->path,
                                chain ? "--backing-chain" : NULL,
                                NULL};
    struct hf_proc_request req = {
        .argv = argv, .timeout_ms = timeout_of(in, call), .max_output_bytes = INFO_MAX};
    HF_AUTO(hf_proc_result) struct hf_proc_result res = {0};
    if (hf_proc_check(&req, &res, err) != 0)
        return NULL;
    return hf_json_parse(hf_buf_str(&res.out), res.out.len, err);
}

static bool has_snapshots(struct json_object *info)
{
    struct json_object *list = NULL;
    return json_object_object_get_ex(info, "snapshots", &list) &&
           json_object_is_type(list, json_type_array) && json_object_array_length(list) > 0;
}

/* Also a raw file has a "format-specific" part, of another type. */
static bool is_version_3(struct json_object *info)
{
    struct hf_err ignored = HF_ERR_INIT;
    struct json_object *specific, *data;
    const char *type, *compat;
    return hf_json_get_object(info, "format-specific", &specific, &ignored) == 0 &&
           hf_json_get_string(specific, "type", &type, &ignored) == 0 &&
           strcmp(type, "qcow2") == 0 && hf_json_get_object(specific, "data", &data, &ignored) == 0 &&
           hf_json_get_string(data, "compat", &compat, &ignored) == 0 && strcmp(compat, "0.10") != 0;
}

static struct json_object *chain_info(struct hf_instance *in, const struct hf_call *call,
                                      const struct lv_layer *top, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *layers = image_info(in, call, top, true, err);
    if (layers && !json_object_is_type(layers, json_type_array)) {
        hf_fail(err, HF_E_CORRUPT, "qemu-img info: a list was expected");
        return NULL;
    }
    return HF_STEAL(layers);
}

int lv_image_chain(struct hf_instance *in, const struct hf_call *call, const struct lv_layer *top,
                   struct lv_chain_info *out, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *layers = chain_info(in, call, top, err);
    if (!layers)
        return -1;
    *out = (struct lv_chain_info){.depth = (uint32_t)json_object_array_length(layers)};
    struct json_object *first = json_object_array_get_idx(layers, 0);
    int64_t bytes = 0;
    if (hf_json_get_int(first, "virtual-size", &bytes, err) != 0)
        return hf_wrap(err, "qemu-img info");
    out->size_bytes = (uint64_t)bytes;
    out->takes_bitmaps = is_version_3(first);
    for (size_t i = 0; i < out->depth; i++)
        out->has_snapshots |= has_snapshots(json_object_array_get_idx(layers, i));
    return 0;
}

int lv_image_stands_on(struct hf_instance *in, const struct hf_call *call,
                       const struct lv_layer *top, const char *path, bool *out, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *layers = chain_info(in, call, top, err);
    if (!layers)
        return -1;
    *out = false;
    for (size_t i = 0; i < json_object_array_length(layers); i++) {
        const char *file;
        if (hf_json_get_string(json_object_array_get_idx(layers, i), "filename", &file, err) != 0)
            return hf_wrap(err, "qemu-img info");
        *out |= strcmp(file, path) == 0;
    }
    return 0;
}

int lv_image_has_snapshots(struct hf_instance *in, const struct hf_call *call,
                           const struct lv_layer *layer, bool *out, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *info = image_info(in, call, layer, false, err);
    if (!info)
        return -1;
    *out = has_snapshots(info);
    return 0;
}

static int add_below(struct lv_disk *d, struct json_object *info, struct hf_err *err)
{
    const char *path, *format;
    if (hf_json_get_string(info, "filename", &path, err) != 0 ||
        hf_json_get_string(info, "format", &format, err) != 0)
        return hf_wrap(err, "qemu-img info");
    struct lv_layer layer = {.path = strdup(path), .format = strdup(format), .index = -1};
    return layer.path && lv_disk_add_layer(d, &layer) == 0 ? 0 : hf_fail_nomem(err);
}

int lv_image_fill(struct hf_instance *in, const struct hf_call *call, struct lv_disk *d,
                  struct hf_err *err)
{
    HF_AUTOJSON struct json_object *layers = chain_info(in, call, &d->layers[0], err);
    if (!layers)
        return -1;
    lv_disk_cut_layers(d, 1);
    for (size_t i = 1; i < json_object_array_length(layers); i++)
        if (add_below(d, json_object_array_get_idx(layers, i), err) != 0)
            return -1;
    return 0;
}

int lv_image_size(struct hf_instance *in, const struct hf_call *call, const struct lv_layer *layer,
                  uint64_t *out_bytes, struct hf_err *err)
{
    int64_t bytes;
    HF_AUTOJSON struct json_object *info = image_info(in, call, layer, false, err);
    if (!info || hf_json_get_int(info, "virtual-size", &bytes, err) != 0)
        return -1;
    *out_bytes = (uint64_t)bytes;
    return 0;
}

/* The list of qcow2's own part of the info; NULL: it has none. */
static struct json_object *bitmaps_of(struct json_object *info)
{
    static const char *const steps[] = {"format-specific", "data", "bitmaps"};
    for (size_t i = 0; info && i < HF_ARRAY_SIZE(steps); i++)
        if (!json_object_object_get_ex(info, steps[i], &info))
            return NULL;
    return json_object_is_type(info, json_type_array) ? info : NULL;
}

static int look_for_bitmap(struct hf_instance *in, const struct hf_call *call,
                           const struct lv_layer *layer, const char *name, bool must_be_whole,
                           bool *out, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *info = image_info(in, call, layer, false, err);
    if (!info)
        return -1;
    struct json_object *list = bitmaps_of(info);
    *out = false;
    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        const char *is;
        HF_AUTO(hf_strv) struct hf_strv flags = HF_STRV_INIT;
        struct json_object *one = json_object_array_get_idx(list, i);
        if (hf_json_get_string(one, "name", &is, err) != 0 ||
            hf_json_get_strings(one, "flags", &flags, err) != 0)
            return hf_wrap(err, "qemu-img info");
        *out |= strcmp(is, name) == 0 && !(must_be_whole && hf_strv_has(&flags, "in-use"));
    }
    return 0;
}

int lv_image_has_bitmap(struct hf_instance *in, const struct hf_call *call,
                        const struct lv_layer *layer, const char *name, bool *out,
                        struct hf_err *err)
{
    return look_for_bitmap(in, call, layer, name, false, out, err);
}

int lv_image_has_whole_bitmap(struct hf_instance *in, const struct hf_call *call,
                              const struct lv_layer *layer, const char *name, bool *out,
                              struct hf_err *err)
{
    return look_for_bitmap(in, call, layer, name, true, out, err);
}

int lv_image_drop_bitmap(struct hf_instance *in, const struct hf_call *call,
                         const struct lv_layer *layer, const char *name, struct hf_err *err)
{
    const char *const argv[] = {"qemu-img",    "bitmap", "--remove", "-f",
                                layer->format, layer->path, name,     NULL};
    struct hf_proc_request req = {.argv = argv, .timeout_ms = timeout_of(in, call)};
    HF_AUTO(hf_proc_result) struct hf_proc_result res = {0};
    return hf_proc_check(&req, &res, err);
}

int lv_image_forget_bitmap(struct hf_instance *in, const struct hf_call *call,
                           const struct lv_layer *layer, const char *name, struct hf_err *err)
{
    bool is_there = false;
    if (lv_image_has_bitmap(in, call, layer, name, &is_there, err) != 0)
        return -1;
    return is_there ? lv_image_drop_bitmap(in, call, layer, name, err) : 0;
}

/* Reserves the name before qemu-img writes to it: that would empty any file that is there already.
 */
static int reserve(const char *path, const char *like, struct hf_err *err)
{
    struct stat st;
    if (stat(like, &st) != 0)
        return hf_fail_sys(err, errno, "'%s'", like);
    HF_AUTOFD int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && errno == EEXIST)
        return hf_fail(err, HF_E_CONFLICT, "'%s' exists already", path);
    if (fd < 0)
        return hf_fail_sys(err, errno, "create '%s'", path);
    /* A device node's owner says nothing about files; libvirt labels the overlay itself (DAC,
     * AppArmor). */
    bool is_file = S_ISREG(st.st_mode);
    if (is_file && (fchown(fd, st.st_uid, st.st_gid) != 0 || fchmod(fd, st.st_mode & 0777) != 0) &&
        geteuid() == 0) {
        int saved = errno;
        unlink(path);
        return hf_fail_sys(err, saved, "owner and mode of '%s'", path);
    }
    return 0;
}

static int run_create(struct hf_instance *in, const struct hf_call *call, const char *path,
                      const struct lv_layer *base, uint64_t size_bytes, struct hf_err *err)
{
    char size[32];
    snprintf(size, sizeof size, "%llu", (unsigned long long)size_bytes);
    /* -u: the base is not opened; size and format are known from libvirt. -F keeps QEMU from
     * probing. */
    const char *const argv[] = {"qemu-img", "create", "-q",         "-f", "qcow2", "-u", "-b",
                                base->path, "-F",     base->format, path, size,    NULL};
    struct hf_proc_request req = {.argv = argv, .timeout_ms = timeout_of(in, call)};
    HF_AUTO(hf_proc_result) struct hf_proc_result res = {0};
    return hf_proc_check(&req, &res, err);
}

/* After a power cut between the snapshot and the next flush a guest must find its overlay. */
static int make_durable(const char *path, struct hf_err *err)
{
    HF_AUTOFREE char *copy = strdup(path);
    HF_AUTOFD int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (!copy)
        return hf_fail_nomem(err);
    if (fd < 0 || fsync(fd) != 0)
        return hf_fail_sys(err, errno, "sync '%s'", path);
    return hf_path_sync_dir(dirname(copy), err);
}

int lv_image_create(struct hf_instance *in, const struct hf_call *call, const char *path,
                    const struct lv_layer *base, uint64_t size_bytes, struct hf_err *err)
{
    if (HF_POINT_ERR("libvirt.before_overlay_create", err) != 0)
        return -1;
    if (reserve(path, base->path, err) != 0)
        return -1;
    HF_POINT("libvirt.after_overlay_reserve");
    if (run_create(in, call, path, base, size_bytes, err) != 0 || make_durable(path, err) != 0) {
        unlink(path);
        return -1;
    }
    return HF_POINT_ERR("libvirt.after_overlay_create", err);
}

int lv_image_create_scratch(struct hf_instance *in, const struct hf_call *call, const char *path,
                            const char *like, uint64_t size_bytes, struct hf_err *err)
{
    char size[32];
    snprintf(size, sizeof size, "%llu", (unsigned long long)size_bytes);
    const char *const argv[] = {"qemu-img", "create", "-q", "-f", "qcow2", path, size, NULL};
    struct hf_proc_request req = {.argv = argv, .timeout_ms = timeout_of(in, call)};
    HF_AUTO(hf_proc_result) struct hf_proc_result res = {0};
    if (reserve(path, like, err) != 0)
        return -1;
    return hf_proc_check(&req, &res, err);
}
