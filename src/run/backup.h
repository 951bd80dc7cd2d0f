/* SPDX-License-Identifier: Apache-2.0
 *
 * run/backup.h - the engine behind `backup`: a recovery point, on stores off this host.
 *
 * One run (run/run.h). The instant is taken as for a snapshot (run/creation.h), but for an export; once everything is let go the
 * dump, the files, and the disks are read, in this order and each once, and written to all stores at the same time. Nothing of
 * them touches this host's disks. The manifest is the last thing that a store gets; then comes the catalog.
 *
 * Instant  of the disks, and with quiesce = lock of the dump too: its sessions begin under the same lock. Else the dump has its own
 *          position. Files have the time in which they were read. With rest-until = files the services rest from before the hold
 *          until both are read (run/at_rest.h).
 * Stores   one that fails, at whatever step, is out of the run and named in the report; the others count. None left: the run fails.
 *          No store is asked for anything while the VM is held. One that does not answer is waited for before that, for half a minute at
 *          most; while the disks are read it may hold the others up for its `patience`, and no longer.
 * Protected   everything was confirmed or read back from a store that is proven to be off the host, or for which the
 *          configuration says `off-host = assume`, which the report says too.
 * Crash    the guardian ends the export. What lies on stores without a manifest is no point; the next run uses its packs. When
 *          the manifest was put before the crash the point is whole, and `catalog rebuild` finds it.
 * ^C       ends it at any time before the manifests.
 */
#ifndef HF_RUN_BACKUP_H
#define HF_RUN_BACKUP_H

#include "net/json.h"
#include "run/env.h"

struct hf_backup {
    const char *vm;    /* section name */
    const char *store; /* only to this one; NULL: the policy's or the VM's stores, or all */
    const char *
        produce; /* a list of "image", "dump", "files", with image in it; NULL: what the policy says, else all that is configured */
};

/* *out_report is to be put: that of `snapshot create` (snapshot null) and "point", "protected", "artifacts", "stores": DESIGN section 7.
 * *out_degraded: the point is there, but its grade is below the required one, or it is not protected, or a store failed. */
int hf_run_backup(const struct hf_env *env, const struct hf_backup *req,
                  struct json_object **out_report, bool *out_degraded, struct hf_err *err)
    HF_CHECKED;

#endif
