/* SPDX-License-Identifier: Apache-2.0
 *
 * run/release.h - `holdfast release VM`: whatever state the guest is in, let it go.
 *
 * For the bad night. Needs neither catalog nor journal, and takes no lock: a run that is under way loses its hold, and
 * with it its grade. In this order, each tried whatever became of the one before:
 *
 *   thaw     through the hypervisor's agent, always sent
 *   unlock   every session of holdfast's database account but our own is ended: a lock dies with its session
 *   restore  what journals of this VM say about server variables
 *   start    every unit of `services` and every database service that does not run
 *   disarm   the dead-men in the guest, when all runs again
 *
 * Snapshots, overlays and journals are `recover`'s.
 */
#ifndef HF_RUN_RELEASE_H
#define HF_RUN_RELEASE_H

#include "base/strv.h"
#include "run/env.h"

/* One sentence per thing that was done, into `did`. -1: something could not be done, all else was; left names what may
 * still be held. */
int hf_release_vm(const struct hf_env *env, const char *vm_label, struct hf_strv *did,
                  struct hf_err *err) HF_CHECKED;

#endif
