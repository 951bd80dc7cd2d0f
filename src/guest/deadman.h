/* SPDX-License-Identifier: Apache-2.0
 *
 * guest/deadman.h - timers inside the guest that undo a hold by themselves when holdfast and its host are gone.
 *
 * A dead-man is a transient systemd unit named holdfast-deadman-RUN-WHAT. It needs nothing of ours once it is armed. Armed
 * before its hold is taken, disarmed after the hold was let go. To arm one for a new time: arm another WHAT, then disarm
 * the first, so that there is always one.
 *
 *     start   a timer that starts units (systemctl start), accurate to 100 ms: one after the other, so that what needs
 *             the database finds it; one that hangs or fails delays the next by half a minute at the most. While it is
 *             armed, systemd remembers the units (services.h, verify).
 *     thaw    a process, running already because a frozen system should start none, that sleeps and then thaws each mount
 *             (fsfreeze --unfreeze), again and again until there was nothing to thaw for some seconds: a freeze that is
 *             still on its way goes from mount to mount. The guest agent goes on believing that it is frozen: send it a
 *             thaw afterwards.
 *
 * A dead-man that fired voids what the hold proves. Whether it did, a mark says: a file in the guest's /run/holdfast, which
 * it empties before it does anything else (that needs no space and no disk). It is made when it is armed and removed when
 * it is disarmed; a guest that was restarted has none, and that reads as fired. Crash: an armed one fires, which is
 * harmless when the hold is gone already: units that run are not started twice, mounts that are not frozen stay as they
 * are; its empty mark stays until it is disarmed or the guest is restarted.
 */
#ifndef HF_GUEST_DEADMAN_H
#define HF_GUEST_DEADMAN_H

#include "base/strv.h"
#include "guest/guest.h"

#include <stdbool.h>

#define HF_DEADMAN_MAX 128

/* "holdfast-deadman-RUN-WHAT" */
void hf_deadman_name(char out[HF_DEADMAN_MAX], const char *run_id, const char *what);

/* Fires after_ms from now, on the guest's clock. A name that is armed already, or has fired and was not disarmed: PLUGIN,
 * and that one stays as it is. After TIMEOUT or UNREACHABLE it may be armed: disarm it. */
int hf_deadman_arm_start(struct hf_guest *g, const char *name, const struct hf_strv *units,
                         int64_t after_ms, int64_t deadline_ms, struct hf_err *err) HF_CHECKED;
int hf_deadman_arm_thaw(struct hf_guest *g, const char *name, const struct hf_strv *mounts,
                        int64_t after_ms, int64_t deadline_ms, struct hf_err *err) HF_CHECKED;
/* Idempotent; ends one that is at work, too, so let the hold go first. *out_fired: it had begun its work (or the guest was
 * restarted, or it was never armed). */
int hf_deadman_disarm(struct hf_guest *g, const char *name, int64_t deadline_ms, bool *out_fired,
                      struct hf_err *err) HF_CHECKED;
/* Adds the names of all that are armed or at work now, whoever armed them; run_id NULL: of all runs. */
int hf_deadman_list(struct hf_guest *g, const char *run_id, struct hf_strv *out,
                    int64_t deadline_ms, struct hf_err *err) HF_CHECKED;
/* For `check`: arms one that does nothing and measures how late it fires, in ms by the guest's own clock (to 10 ms). Waits
 * after_ms and a little; TIMEOUT: it had not fired by the deadline. */
int hf_deadman_measure(struct hf_guest *g, const char *name, int64_t after_ms, int64_t deadline_ms,
                       int64_t *out_late_ms, struct hf_err *err) HF_CHECKED;

#endif
