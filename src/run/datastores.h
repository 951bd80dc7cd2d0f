/* SPDX-License-Identifier: Apache-2.0
 *
 * run/datastores.h - where the disks of a VM lie, by names that runs are counted by.
 *
 * A filesystem of this host by where it is mounted, first, so that it has one name however it is reached; anything else as the
 * hypervisor calls it: a pool, a datastore, a directory of another host.
 */
#ifndef HF_RUN_DATASTORES_H
#define HF_RUN_DATASTORES_H

#include "base/strv.h"
#include "hypervisor/hv.h"

/* Added to out, each name once. A disk of which nothing is known adds none, and one that is not captured neither. */
int hf_datastores_add(struct hf_strv *out, const struct hf_disk_list *disks, struct hf_err *err)
    HF_CHECKED;

#endif
