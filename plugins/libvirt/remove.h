/* SPDX-License-Identifier: Apache-2.0
 *
 * remove.h - a snapshot is merged away: each of its overlays is committed into the layer below.
 *
 * Order per disk: commit (and pivot, when it is the active layer), look at the live chain, only
 * then remove the file. The snapshot's metadata goes last, so that an interrupted deletion finds
 * its way on. What to do is always read from the live chain, never from memory of an earlier
 * attempt: a disk that was merged before is simply not there any more.
 *
 * A commit writes newer data into the snapshot's own state. From its start on the snapshot is no
 * way back, even when it is stopped and the chain is as it was.
 */
#ifndef HF_LIBVIRT_REMOVE_H
#define HF_LIBVIRT_REMOVE_H

#include "chain.h"
#include "lv.h"
#include "snapshot_xml.h"

/* Merges and removes the overlays of snapshot `name` of a running domain. Not in any chain: only
 * removed. Everything is checked before the first commit. left says when the snapshot's state is
 * spoiled. */
int lv_merge(struct hf_instance *in, const struct hf_call *call, virDomainPtr dom,
             const struct lv_overlays *overlays, const struct lv_snaps *snaps, const char *name,
             struct hf_err *err) HF_CHECKED;
/* Drops the metadata of our snapshot; not there: fine. */
int lv_drop_metadata(virDomainPtr dom, const char *name, struct hf_err *err) HF_CHECKED;
bool lv_snap_descends(const struct lv_snaps *snaps, const struct lv_snap *s, const char *name);
/* CONFLICT when a snapshot of somebody else descends from `name`. */
int lv_check_descendants(const struct lv_snaps *snaps, const char *name, struct hf_err *err)
    HF_CHECKED;

int libvirt_snapshot_delete(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                            const char *name, struct hf_err *err);

#endif
