/* SPDX-License-Identifier: Apache-2.0
 *
 * restore/vm.h - `holdfast restore vm`: a machine from a point, on a hypervisor of this configuration, under a name of its own.
 *
 * Before    the hypervisor plans the machine from the point's definition: what is changed, left out or not here is told, and what it
 *           refuses is refused, before a byte of a disk is fetched. So are a name or folder that is taken.
 * While     the disks come into DIR/.NAME-POINT.holdfast-part, one by one (restore/disk.h); interrupted, the same command goes on there, with
 *           disks that are exactly as they were restored: what a machine has written into by then is restored again.
 * Then      that folder becomes DIR/NAME, in one rename; the machine is defined, and started if asked for; the decision is journalled;
 *           the hypervisor's mark that it is ours to take away goes.
 * In place  instead of a new name: the machine that was backed up, which has to be off, gets the new disks (in DIR/NAME-POINT), is started,
 *           and has to answer by its agent within boot_ms. Until then its former disks and definition are a failure away; after it
 *           the disks are left where they are, and told.
 * Pushed    where the point's disks are in a backup that the hypervisor keeps, that hypervisor makes the machine itself, for as long as the
 *           copying takes (run/pushed_machine.h): no folder, no part of it here, nothing to go on with after a failure.
 * OVF       instead of a machine: DIR/NAME with the disks, an envelope that others import and its manifest, for a point whose definition
 *           is one of net/machine_doc.h. No hypervisor is asked, none need be there; nothing is journalled: killed anywhere, DIR/NAME
 *           is whole or not there, and the same command goes on with the disks that were whole.
 * Failure   the machine is taken away, the folder has its former name: the same command begins there. `left` says what is not.
 * Crash     before the decision the guardian does the same, within a second of our death; after it, it finishes (run/effects.h). Where both died:
 *           `recover`, or who begins something on that machine next, who ends none that runs (run/recover.h).
 * Errors    those of the point (run/point_open.h), of the plan (hypervisor/hv.h), of the disks; CONFLICT: DIR/NAME exists; NOT_FOUND:
 *           the point has no definition, or DIR is not there.
 */
#ifndef HF_RESTORE_VM_H
#define HF_RESTORE_VM_H

#include "net/json.h"
#include "restore/disk_record.h"
#include "run/env.h"

struct hf_restore_vm {
    const char *point;
    const char *store; /* NULL: any that has it */
    const char *name;  /* of the machine; NULL, in place: as its section says */
    const char *dir;   /* its disks come into DIR/NAME; absolute. Not of a pushed one */
    const char
        *storage; /* of the hypervisor, for the disks of a pushed one; NULL: where they were */
    const char *hypervisor; /* section; NULL: the point's, or the only one */
    enum hf_disk_format format;
    bool has_format; /* was asked for */
    uint32_t flags;  /* HF_MACHINE_NO_NETWORK, KEEP_UUID, KEEP_MAC, ARGUMENTS */
    bool start;
    bool in_place;
    bool is_ovf;     /* no machine: its disks with an envelope; flags: KEEP_MAC at most */
    bool is_instant; /* restore/instant.h; its sockets come into DIR/holdfast-NAME-DIGITS */
    int64_t boot_ms; /* in place; 0: not waited for */
    bool dry_run;    /* the plan alone */
};

/* {"point","vm","store","name","hypervisor","id","dir","disks":[{"disk","file","bytes","written","fetched","resumed"}],
 * "findings":[{"kind","about","text"}],"former_disks":[FILE…],"kept_disks":[FILE…],"backup":REF|null,"ovf":FILE|null,"started","instant","dry_run","duration_ms"}, to be put.
 * Also when it fails *out may be set: then to the findings so far, which say why. */
int hf_restore_vm(const struct hf_env *env, const struct hf_restore_vm *req,
                  struct json_object **out, struct hf_err *err) HF_CHECKED;

#endif
