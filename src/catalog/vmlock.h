/* SPDX-License-Identifier: Apache-2.0
 *
 * catalog/vmlock.h - one run per VM on this host: an flock on STATE/locks/KEY.lock.
 *
 * The lock lives in the open file description: a guardian that inherits the descriptor keeps it
 * when the coordinator dies, so nobody else works on the VM before the undo is finished; when both
 * are dead the kernel lets go. The descriptor is close-on-exec; who starts the guardian clears that
 * in the child. The file names run id, pid and time for the message of the one who waits, and is
 * never deleted: a lock on a file that was just unlinked would exclude nobody.
 */
#ifndef HF_CATALOG_VMLOCK_H
#define HF_CATALOG_VMLOCK_H

#include "base/cleanup.h"
#include "base/err.h"

struct hf_vmlock;

/* `key` is free text (hypervisor and VM id); it is made into a safe file name. BUSY names the
 * holder. Never waits. */
struct hf_vmlock *hf_vmlock_take(const char *state_dir, const char *key, const char *run_id,
                                 struct hf_err *err) HF_CHECKED;
/* Whether somebody has it: 1, 0, or -1. */
int hf_vmlock_is_taken(const char *state_dir, const char *key, struct hf_err *err) HF_CHECKED;
/* Takes over an inherited descriptor (guardian) and makes it close-on-exec again. BUSY: another one
 * holds the lock, so this is not the descriptor it came with. On failure fd stays the caller's. */
struct hf_vmlock *hf_vmlock_adopt(int fd, struct hf_err *err) HF_CHECKED;
/* Another holder of the same lock, for a run inside the one that has it (run/run.h, within). */
struct hf_vmlock *hf_vmlock_share(const struct hf_vmlock *l, struct hf_err *err) HF_CHECKED;
int hf_vmlock_fd(const struct hf_vmlock *l);
/* Lets go of this holder's share: the VM is free when the last process that has the descriptor is
 * gone. */
void hf_vmlock_release(struct hf_vmlock *l);
HF_DEFINE_AUTO(hf_vmlock, hf_vmlock_release)

#endif
