/* SPDX-License-Identifier: Apache-2.0
 *
 * restore/instant.h - `holdfast restore vm --instant`: a machine that boots at once, from disks that are served straight from the store.
 *
 * Before    as restore/vm.h: planned, told and refused before anything is done.
 * While     each disk is served (restore/serve.h), writable: what the machine writes is kept in memory, and in no file. It is a transient
 *           machine of the hypervisor's, not in isolation: with the networks that were asked for.
 * Memory    the tmpfs that what is written lies in is looked at once a second: told at 50 and 80 percent, and at 90 the machine is ended, before
 *           its writes fail. NOSPACE: it is as full before.
 * End       cancel; the machine stops by itself; a server ends by itself. Then the machine is destroyed, the servers end, and nothing
 *           is left: what was written is lost.
 * Sockets   in DIR/holdfast-NAME-DIGITS (of the run's id), mode 0711, each of 0600: ours, and given to the hypervisor's user by a plugin that knows him.
 * Crash     the servers end within two seconds; the guardian takes machine and folder away, or the next restore of that name, or `recover`.
 * Errors    as restore/vm.h and restore/serve.h.
 */
#ifndef HF_RESTORE_INSTANT_H
#define HF_RESTORE_INSTANT_H

#include "restore/vm.h"

/* It runs. doc: as of hf_restore_vm, borrowed; the file of a disk is its socket. -1: it is ended. */
typedef int (*hf_instant_up_cb)(void *ctx, struct json_object *doc, struct hf_err *err);

/* Until it has ended. *out: to be put; of a dry run, or, when it fails before it runs, the findings so far. 0: it ended because
 * somebody asked for it, or by itself; 1: it ran, and what went wrong then is in the log; -1: it never ran, and nothing is left but
 * what err says. */
int hf_restore_instant(const struct hf_env *env, const struct hf_restore_vm *req,
                       hf_instant_up_cb up, void *ctx, struct json_object **out, struct hf_err *err)
    HF_CHECKED;

#endif
