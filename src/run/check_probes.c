/* SPDX-License-Identifier: Apache-2.0 */
#include "run/checking.h"
#include "run/probe.h"

#include <inttypes.h>

/* A snapshot does not need them, so that none is a failure here; `maintain` refuses where one does not pass. */
int check_probes(struct checking *c, struct hf_err *err)
{
    HF_AUTO(hf_probing) struct hf_probing p = {0};
    if (!c->vm->probe.n)
        return 0;
    if (hf_probing_init(&p, c->env, c->vm, c->found.id, c->id, err) < 0)
        return -1;
    hf_probing_run(&p, 0);
    for (size_t i = 0; i < c->vm->probe.n; i++) {
        const struct hf_probe_result *r = &p.results[i];
        HF_AUTOFREE char *text =
            r->ok ? hf_asprintf("%s: passes, in %" PRId64 " ms", r->probe->text, r->took_ms)
                  : hf_asprintf("%s: does not pass: %s", r->probe->text, r->message);
        if (!text)
            return hf_fail_nomem(err);
        if (check_tell(c, HF_FINDING_PROBES, r->ok ? HF_FINDING_OK : HF_FINDING_WARN, text,
                       "`holdfast maintain` refuses to begin a change before all probes pass.",
                       err) < 0)
            return -1;
    }
    return 0;
}
