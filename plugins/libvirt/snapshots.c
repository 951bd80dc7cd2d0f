/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshots.h"

#include "domain_xml.h"
#include "snapshot_xml.h"

#include <string.h>
#include <sys/stat.h>

static uint64_t allocated_bytes(const struct lv_snap *s)
{
    uint64_t sum = 0;
    struct stat st;
    for (size_t i = 0; i < s->n_disks; i++)
        if (s->disks[i].source && stat(s->disks[i].source, &st) == 0 && S_ISREG(st.st_mode))
            sum += (uint64_t)st.st_blocks * 512;
    return sum;
}

/* All its overlays are active layers. Internal ones create no layer: libvirt's own word counts. */
static bool is_current(virDomainPtr dom, const struct lv_vm *vm, const struct lv_snap *s)
{
    size_t active = 0, external = 0;
    for (size_t i = 0; i < s->n_disks; i++) {
        const struct lv_disk *d = lv_vm_disk(vm, s->disks[i].target);
        if (!s->disks[i].source)
            continue;
        external++;
        active += d && lv_disk_layer(d, s->disks[i].source) == 0;
    }
    if (external)
        return active == external;
    LV_AUTOSNAPSHOT virDomainSnapshotPtr snap = virDomainSnapshotLookupByName(dom, s->name, 0);
    return snap && virDomainSnapshotIsCurrent(snap, 0) == 1;
}

int libvirt_snapshot_list(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                          hf_snapshot_cb emit, void *ctx, struct hf_err *err)
{
    LV_AUTODOMAIN virDomainPtr dom = NULL;
    HF_AUTO(lv_snaps) struct lv_snaps snaps = {0};
    if (lv_enter(in, call, err) != 0 || lv_domain(in, vm_id, &dom, err) != 0 ||
        lv_snaps_load(dom, &snaps, err) != 0)
        return -1;
    HF_AUTO(lv_vm) struct lv_vm *vm = lv_vm_load(dom, 0, err);
    if (!vm)
        return -1;
    for (size_t i = 0; i < snaps.n; i++) {
        const struct lv_snap *s = &snaps.items[i];
        struct hf_snapshot out = {.struct_size = sizeof out,
                                  .is_ours = s->is_ours,
                                  .is_current = is_current(dom, vm, s),
                                  .is_memory = s->is_memory,
                                  .created_at_s = s->created_at_s,
                                  .overlay_bytes = allocated_bytes(s),
                                  .name = s->name,
                                  .parent = s->parent,
                                  .description = s->description};
        if (emit(ctx, &out) != 0)
            return -1;
    }
    return 0;
}
