/* SPDX-License-Identifier: Apache-2.0 */
#include "disks.h"

#include "base/buf.h"
#include "image.h"
#include "vm.h"

#include <string.h>
#include <sys/statvfs.h>

static bool is(const char *a, const char *b)
{
    return a && strcmp(a, b) == 0;
}

const char *lv_disk_skipped(const struct lv_disk *d)
{
    if (is(d->device, "cdrom"))
        return "a CD-ROM drive";
    if (is(d->device, "floppy"))
        return "a floppy drive";
    if (is(d->snapshot, "no"))
        return "snapshot=no: not part of the capture";
    if (d->is_readonly)
        return "read-only: the guest cannot change it";
    return NULL;
}

static const char *refused_source(const struct lv_disk *d, bool has_overlay_dir)
{
    const struct lv_layer *l = &d->layers[0];
    if (is(l->type, "block"))
        return has_overlay_dir
                   ? NULL
                   : "a block device: overlays need the key overlay-dir, a directory to lie in";
    if (!is(l->type, "file"))
        return "its source is neither a file nor a block device of this host";
    return l->path && *l->path == '/' ? NULL : "its source has no absolute path";
}

const char *lv_disk_refused(const struct lv_disk *d, bool has_overlay_dir)
{
    if (is(d->device, "lun"))
        return "a SCSI device passed through: it takes no overlay";
    if (!d->n_layers)
        return "it has no source";
    if (d->is_shared)
        return "shared with other VMs: a snapshot in one of them cuts off the others";
    if (d->is_transient)
        return "transient: its changes are thrown away at shutdown";
    if (d->is_encrypted)
        return "encrypted: an overlay would hold plain text";
    if (d->is_sliced)
        return "a slice of a larger file";
    if (d->snapshot && !is(d->snapshot, "external"))
        return "its definition asks for another kind of snapshot";
    if (!is(d->layers[0].format, "qcow2") && !is(d->layers[0].format, "raw"))
        return "its format is neither qcow2 nor raw";
    return refused_source(d, has_overlay_dir);
}

bool lv_disk_is_captured(const struct lv_disk *d)
{
    return !lv_disk_skipped(d);
}

size_t lv_disks_captured(const struct lv_vm *vm)
{
    size_t n = 0;
    for (size_t i = 0; i < vm->n_disks; i++)
        n += lv_disk_is_captured(&vm->disks[i]);
    return n;
}

static enum hf_disk_kind kind_of(const struct lv_disk *d)
{
    return is(d->device, "cdrom")    ? HF_DISK_CDROM
           : is(d->device, "floppy") ? HF_DISK_FLOPPY
           : is(d->device, "lun")    ? HF_DISK_LUN
                                     : HF_DISK_DISK;
}

/* A drive may be empty or its file gone: then there is nothing to tell, and that is no error. */
static void fill_sizes(virDomainPtr dom, const struct lv_disk *d, struct hf_disk *out)
{
    virDomainBlockInfo info = {0};
    if (d->n_layers && virDomainGetBlockInfo(dom, d->target, &info, 0) == 0) {
        out->capacity_bytes = info.capacity;
        out->allocated_bytes = info.allocation;
    }
}

/* Where its next overlay lies: beside the active layer, unless a directory was given. *dir: to be freed. The active
 * layer of a block device lies nowhere that could fill up with overlays. */
static int fill_store(const struct hf_instance *in, const struct lv_disk *d, struct hf_disk *out,
                      char **dir, struct hf_err *err)
{
    struct statvfs fs;
    if (out->skipped || out->refused || !d->n_layers)
        return 0;
    const char *beside = d->layers[0].path, *slash = strrchr(beside, '/');
    *dir = in->overlay_dir     ? strdup(in->overlay_dir)
           : slash == beside   ? strdup("/")
                               : strndup(beside, (size_t)(slash - beside));
    if (!*dir)
        return hf_fail_nomem(err);
    out->store = *dir;
    if (statvfs(*dir, &fs) != 0)
        return 0; /* unknown, which is no error */
    out->store_total_bytes = (uint64_t)fs.f_blocks * fs.f_frsize;
    out->store_free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    return 0;
}

static int fill_chain(struct hf_instance *in, const struct hf_call *call, const struct lv_disk *d,
                      struct hf_disk *out, struct hf_err *err)
{
    struct lv_chain_info chain = {0};
    if (!lv_disk_is_captured(d) || out->refused)
        return 0;
    if (lv_image_chain(in, call, &d->layers[0], &chain, err) != 0)
        return hf_wrap(err, "disk %s", d->target);
    out->chain_depth = chain.depth;
    if (chain.has_snapshots)
        out->flags |= HF_DISK_INTERNAL_SNAPSHOTS;
    return 0;
}

static int emit_disk(struct hf_instance *in, const struct hf_call *call, virDomainPtr dom,
                     const struct lv_disk *d, hf_disk_cb emit, void *ctx, struct hf_err *err)
{
    struct hf_disk out = {.struct_size = sizeof out,
                          .kind = kind_of(d),
                          .chain_depth = (uint32_t)d->n_layers,
                          .target = d->target,
                          .serial = d->serial,
                          .address = d->address,
                          .skipped = lv_disk_skipped(d)};
    if (d->n_layers) {
        out.source = d->layers[0].path;
        out.format = d->layers[0].format;
    }
    if (!out.skipped)
        out.refused = lv_disk_refused(d, in->overlay_dir);
    out.flags = (d->is_readonly ? HF_DISK_READONLY : 0) | (d->is_shared ? HF_DISK_SHARED : 0) |
                (d->is_transient ? HF_DISK_TRANSIENT : 0);
    fill_sizes(dom, d, &out);
    HF_AUTOFREE char *dir = NULL;
    if (fill_chain(in, call, d, &out, err) != 0 || fill_store(in, d, &out, &dir, err) != 0)
        return -1;
    return emit(ctx, &out) ? -1 : 0;
}

int libvirt_vm_disks(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                     hf_disk_cb emit, void *ctx, struct hf_err *err)
{
    LV_AUTODOMAIN virDomainPtr dom = NULL;
    if (lv_enter(in, call, err) != 0 || lv_domain(in, vm_id, &dom, err) != 0)
        return -1;
    HF_AUTO(lv_vm) struct lv_vm *vm = lv_vm_load(dom, 0, err);
    if (!vm)
        return -1;
    for (size_t i = 0; i < vm->n_disks; i++)
        if (emit_disk(in, call, dom, &vm->disks[i], emit, ctx, err) != 0)
            return -1;
    return 0;
}
