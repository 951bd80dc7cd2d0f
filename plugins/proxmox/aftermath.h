/* SPDX-License-Identifier: Apache-2.0
 *
 * aftermath.h - what a task of the server left in the guest. A freeze or thaw that failed inside it is a line of its log and
 * no failure of it, and the guest may stand still ever after.
 */
#ifndef HF_PROXMOX_AFTERMATH_H
#define HF_PROXMOX_AFTERMATH_H

#include "pve.h"

/* After a task that went well: its log is read, what it says of freeze and thaw is told, and a guest that is frozen though
 * nobody had frozen it before is thawed. Version 8 does not even tell an error of the freeze: so the guest is asked. Where
 * the host froze it before, a freeze that the task failed to do or skipped is no warning. */
int pve_after_task(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                   const struct pve_task *task, bool host_freezes, struct hf_err *err) HF_CHECKED;
/* In an undo, of a task that ended: the guest is thawed only if the task had trouble with it, or was killed or stopped. */
int pve_after_dead_task(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                        const struct pve_task *task, struct hf_err *err) HF_CHECKED;
/* The same of the newest snapshot task of ours. Without one: nothing. */
int pve_after_lost_task(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                        struct hf_err *err) HF_CHECKED;

#endif
