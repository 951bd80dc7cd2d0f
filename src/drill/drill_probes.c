/* SPDX-License-Identifier: Apache-2.0
 *
 * The VM's own probes, those that lead into the guest: the others would ask the VM itself.
 */
#include "base/buf.h"
#include "base/point.h"
#include "drill/drill_intern.h"
#include "run/probe.h"

static void note(struct drill *d, const char *text, enum hf_drill_result result, const char *why)
{
    HF_AUTOFREE char *name = hf_asprintf("probe %s", text);
    hf_drill_note(&d->checks, name ? name : "probe", result, *why ? "%s" : NULL, why);
}

static void note_others(struct drill *d)
{
    const struct hf_vm_probes *all = &d->run.vm->probe;
    for (size_t i = 0; i < all->n; i++)
        if (all->items[i].kind == HF_PROBE_HTTP || all->items[i].kind == HF_PROBE_COMMAND)
            note(d, all->items[i].text, HF_DRILL_SKIPPED,
                 "it is asked from this host, and the machine has no network");
}

int drill_probe(struct drill *d, struct hf_err *err)
{
    HF_AUTO(hf_probing) struct hf_probing p = {0};
    if (HF_POINT_ERR("drill.before_probes", err) < 0)
        return -1;
    note_others(d);
    if (d->vm.probe.n == 0)
        return 0;
    if (hf_probing_init(&p, d->env, &d->vm, d->plan.vm_id, d->run.id, err) < 0)
        return -1;
    (void)hf_probing_run(&p, d->vm.probe_grace);
    if (hf_cancel_check(d->env->cancel, err) < 0)
        return -1;
    for (size_t i = 0; i < d->vm.probe.n; i++)
        note(d, p.results[i].probe->text, p.results[i].ok ? HF_DRILL_OK : HF_DRILL_FAILED,
             p.results[i].message);
    return 0;
}
