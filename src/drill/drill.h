/* SPDX-License-Identifier: Apache-2.0
 *
 * drill/drill.h - `verify --drill`: a point is booted in isolation, and its database compared with what was recorded.
 *
 * Promise    one run of its own (run/run.h, apart): the VM itself is neither asked nor touched, and may be gone. The machine is
 *            transient and has no network; its disks are served straight from the store, and what it writes lies in memory
 *            (restore/serve.h). Nothing on the store is changed.
 * Pushed     where the point's disks are in a backup that the hypervisor keeps, the hypervisor restores it: a machine of its own, links
 *            down, that does not start with the node, on disks that are deleted with it. Then the drill takes as long as that copy.
 * Compared   position (drill/judge.h), CHECK TABLE of every table, rows and content with the dump of the same instant, the VM's
 *            probes that lead into the guest. What cannot be compared is said, and is no pass: without the position and without
 *            CHECK TABLE a drill has failed.
 * Errors     -1: no drill was made, and nothing is known of the point: AUTH (an encrypted store without identity-file), NOT_FOUND,
 *            CONFIG, UNSUPPORTED (no way into the guest, no database), the hypervisor's. A point that does not come up, or whose data
 *            cannot be read, is a failed drill, not an error.
 * Crash      guardian, next drill of the VM, or `recover`: the machine is destroyed, the sockets removed; the servers of the disks
 *            end by themselves. ^C: the same by us, and the error is CANCELLED.
 * Threads    one. Time: until the database answers, drill-timeout; as long again for content.
 */
#ifndef HF_DRILL_DRILL_H
#define HF_DRILL_DRILL_H

#include "net/json.h"
#include "run/env.h"

struct hf_drill {
    const char *point;      /* an id, its beginning, or VM/ID */
    const char *store;      /* NULL: the first that has it */
    const char *hypervisor; /* label; NULL: drill-hypervisor of the VM's section, or its own */
};

/* {"run","point","vm","store","passed","why"|null,"recovery_ms"|null,"duration_ms","checks":[{"name","result":"ok|failed|skipped",
 * "why"|null,"expected"|null,"found"|null}],"phases":{…_ms},"warnings":[]}, to be put. It is recorded in the catalog. */
int hf_drill_run(const struct hf_env *env, const struct hf_drill *req, struct json_object **out,
                 bool *out_passed, struct hf_err *err) HF_CHECKED;

#endif
