/* SPDX-License-Identifier: Apache-2.0
 *
 * run/restore_ask.h - what the guest is asked before a restore writes there.
 *
 *     its tar           has to be GNU's                                                             UNSUPPORTED
 *     the target        is a folder, or is made one (0700)                                          PLUGIN
 *     the listing       names that are there already, without overwrite                             CONFLICT
 *                       whatever is in a folder's place and no folder, or a folder in a file's      CONFLICT
 *     room              for what is to come, on the file systems it goes to                         NOSPACE
 *
 * A symlink in a folder's place is no folder: nothing is written through it. Who can write in the target himself may still put
 * one there between question and write.
 * Names      go to xargs by its standard input, 1 MiB at a time, each ended by a NUL, and from there as arguments to a script of ours:
 *            no shell parses them.
 * Room       the smaller of the files' sizes and the tar's; not asked for with overwrite, where what goes makes room for what comes.
 */
#ifndef HF_RUN_RESTORE_ASK_H
#define HF_RUN_RESTORE_ASK_H

#include "files/plan.h"
#include "guest/guest.h"

/* Does hf_plan_check on the way. target is in the guest. */
int hf_restore_ask(struct hf_guest *guest, const struct hf_clock *clock, struct hf_plan *plan,
                   struct hf_err *err) HF_CHECKED;

#endif
