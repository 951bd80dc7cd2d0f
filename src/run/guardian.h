/* SPDX-License-Identifier: Apache-2.0
 *
 * run/guardian.h - the small process that undoes a run within a second of its coordinator's death.
 *
 * Started before the first effect as `holdfast guardian RUN` in a session of its own, deaf to
 * SIGINT, SIGTERM and SIGHUP. It opens its own connections to hypervisor and database, says
 * "ready", and then waits on a pipe:
 *
 *     a byte 'B'      the run ended in order: leave
 *     end of file     the coordinator is dead: undo the run's journal (run/recover.h), then leave
 *
 * It inherits the VM's lock (an flock on the open file description), so nobody works on the VM
 * before the undo is done. When host and guardian die together, the lock's session and wait_timeout
 * release the database, and the journal is replayed by the next run on the VM or by `holdfast
 * recover`.
 */
#ifndef HF_RUN_GUARDIAN_H
#define HF_RUN_GUARDIAN_H

#include "run/env.h"

#include <stdbool.h>

struct hf_guardian;

/* Descriptors that the guardian process finds open. */
enum { HF_GUARDIAN_FD_LIFE = 3, HF_GUARDIAN_FD_READY = 4, HF_GUARDIAN_FD_LOCK = 5 };

/* The journal of run_id must exist. Returns at once; the guardian gets ready meanwhile. */
struct hf_guardian *hf_guardian_start(const struct hf_env *env, const char *run_id, int lock_fd,
                                      struct hf_err *err) HF_CHECKED;
/* 0: it is alive and ready. */
int hf_guardian_wait(struct hf_guardian *g, int64_t deadline_ms, struct hf_err *err) HF_CHECKED;
/* Says good-bye, waits for its end, frees. Takes NULL. */
void hf_guardian_dismiss(struct hf_guardian *g);

/* The other side: the whole life of the guardian process. Returns its exit status. */
int hf_guardian_main(const struct hf_env *env, const char *run_id, struct hf_err *err);

#endif
