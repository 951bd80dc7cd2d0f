/* SPDX-License-Identifier: Apache-2.0 */
#include "chain.h"

#include "base/buf.h"
#include "base/id.h"
#include "base/path.h"
#include "base/point.h"
#include "disks.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where the last ".hf-…" of the first len characters begins; len: there is none. */
static size_t before_suffix(const char *file, size_t len)
{
    for (size_t at = len; at-- > 1;)
        if (len - at >= 4 && strncmp(file + at, ".hf-", 4) == 0)
            return at;
    return len;
}

/* Length of the file name without an earlier overlay's suffix; that of a rollback has two (rollback.h). */
static size_t stem_length(const char *file)
{
    size_t len = before_suffix(file, strlen(file));
    size_t shorter = before_suffix(file, len);
    char id[HF_ID_MAX] = "";
    if (len - shorter > 4 && len - shorter - 4 < sizeof id)
        memcpy(id, file + shorter + 4, len - shorter - 4);
    return hf_id_is_valid(id) ? shorter : len;
}

char *lv_overlay_path(const struct hf_instance *in, const struct lv_vm *vm, const char *target,
                      const char *base, const char *name, struct hf_err *err)
{
    const char *slash = strrchr(base, '/');
    char *path;
    if (in->overlay_dir)
        path = hf_asprintf("%s/%s-%s.%s", in->overlay_dir, vm->uuid, target, name);
    else
        path = hf_asprintf("%.*s/%.*s.%s", (int)(slash - base), base, (int)stem_length(slash + 1),
                           slash + 1, name);
    if (!path) {
        hf_fail_nomem(err);
        return NULL;
    }
    if (strlen(strrchr(path, '/') + 1) <= NAME_MAX)
        return path;
    hf_fail(err, HF_E_UNSUPPORTED, "the file name of an overlay over '%s' would be too long", base);
    free(path);
    return NULL;
}

bool lv_overlay_is_of(const char *path, const char *name)
{
    size_t path_len = strlen(path), name_len = strlen(name);
    return *path == '/' && name_len && path_len > name_len + 1 &&
           path[path_len - name_len - 1] == '.' && strcmp(path + path_len - name_len, name) == 0;
}

/* QEMU 2.10+ marks an open image by locks on the bytes 100 to 299 (docs/system/images.rst, "image locking"). */
static int check_not_open(const char *path, struct hf_err *err)
{
    struct flock look = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 100, .l_len = 200};
    HF_AUTOFD int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fcntl(fd, F_OFD_GETLK, &look) != 0)
        return hf_fail_sys(err, errno, "look at '%s'", path);
    if (look.l_type == F_UNLCK)
        return 0;
    return hf_fail(err, HF_E_BUSY, "a QEMU process has '%s' open", path);
}

/* Out of the way under another name first: from then on no snapshot call that is still on its way can open it.
 * One that opened it before is seen by its lock, and gets it back: its guest writes there. */
static int retire(const char *path, const char *aside, struct hf_err *err)
{
    if (rename(path, aside) != 0 && errno != ENOENT)
        return hf_fail_sys(err, errno, "rename '%s'", path);
    if (access(aside, F_OK) != 0 && errno == ENOENT)
        return 0;
    if (check_not_open(aside, err) != 0) {
        if (rename(aside, path) != 0)
            hf_left(err, "file '%s', which belongs at '%s'", aside, path);
        return -1;
    }
    if (unlink(aside) != 0 && errno != ENOENT)
        return hf_fail_sys(err, errno, "remove '%s'", aside);
    return 0;
}

int lv_overlay_unlink(const char *path, const char *name, struct hf_err *err)
{
    struct stat st;
    HF_AUTOFREE char *copy = strdup(path);
    HF_AUTOFREE char *aside = hf_asprintf("%s.removed", path);
    if (!copy || !aside)
        return hf_fail_nomem(err);
    /* A kill between rename and unlink leaves the other name only. */
    if (lstat(path, &st) != 0 && (errno != ENOENT || lstat(aside, &st) != 0))
        return errno == ENOENT ? 0 : hf_fail_sys(err, errno, "overlay '%s'", path);
    if (!S_ISREG(st.st_mode) || !lv_overlay_is_of(path, name)) {
        hf_fail(err, HF_E_CONFLICT, "'%s' is no overlay of '%s': it stays", path, name);
        return hf_left(err, "file '%s'", path);
    }
    if (HF_POINT_ERR("libvirt.before_unlink", err) != 0 || retire(path, aside, err) != 0 ||
        HF_POINT_ERR("libvirt.after_unlink", err) != 0)
        return -1;
    return hf_path_sync_dir(dirname(copy), err);
}

void lv_overlays_free(struct lv_overlays *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->items[i].target);
        free(l->items[i].path);
    }
    free(l->items);
    *l = (struct lv_overlays){0};
}

int lv_overlays_add(struct lv_overlays *l, const char *target, const char *path)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->items[i].path, path) == 0)
            return 0;
    struct lv_overlay *grown = reallocarray(l->items, l->n + 1, sizeof *grown);
    if (!grown)
        return -1;
    l->items = grown;
    struct lv_overlay *o = &l->items[l->n++];
    *o = (struct lv_overlay){.target = strdup(target), .path = strdup(path)};
    return o->target && o->path ? 0 : -1;
}

int lv_overlays_of_snap(struct lv_overlays *l, const struct lv_snap *snap, const char *name,
                        struct hf_err *err)
{
    for (size_t i = 0; i < snap->n_disks; i++) {
        const struct lv_snap_disk *d = &snap->disks[i];
        if (strcmp(d->kind, "external") != 0 || !d->source)
            continue;
        if (!lv_overlay_is_of(d->source, name))
            return hf_fail(err, HF_E_CONFLICT, "snapshot '%s' names '%s', which we did not make",
                           name, d->source);
        if (lv_overlays_add(l, d->target, d->source) != 0)
            return hf_fail_nomem(err);
    }
    return 0;
}

int lv_overlays_of_chains(struct lv_overlays *l, const struct lv_vm *vm, const char *name,
                          struct hf_err *err)
{
    for (size_t i = 0; i < vm->n_disks; i++)
        for (size_t k = 0; k < vm->disks[i].n_layers; k++) {
            const char *path = vm->disks[i].layers[k].path;
            if (path && lv_overlay_is_of(path, name) &&
                lv_overlays_add(l, vm->disks[i].target, path) != 0)
                return hf_fail_nomem(err);
        }
    return 0;
}

static int add_if_there(struct lv_overlays *l, const struct hf_instance *in, const struct lv_vm *vm,
                        const struct lv_disk *d, const char *base, const char *name,
                        struct hf_err *err)
{
    HF_AUTOFREE char *path = lv_overlay_path(in, vm, d->target, base, name, err);
    struct stat st;
    if (!path)
        return -1;
    if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return 0;
    return lv_overlays_add(l, d->target, path) == 0 ? 0 : hf_fail_nomem(err);
}

int lv_overlays_of_files(struct lv_overlays *l, const struct hf_instance *in,
                         const struct lv_vm *vm, const char *name, struct hf_err *err)
{
    for (size_t i = 0; i < vm->n_disks; i++) {
        const struct lv_disk *d = &vm->disks[i];
        for (size_t k = 0; !lv_disk_skipped(d) && k < d->n_layers; k++)
            if (d->layers[k].path && *d->layers[k].path == '/' &&
                add_if_there(l, in, vm, d, d->layers[k].path, name, err) != 0)
                return -1;
    }
    return 0;
}
