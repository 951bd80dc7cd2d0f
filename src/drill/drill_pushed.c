/* SPDX-License-Identifier: Apache-2.0
 *
 * The machine of a drill from a backup that the hypervisor keeps: it restores it under another number, with its links down, and the
 * machine's disks go with it. Nothing is read by this host, so what is wrong with the backup shows in the restore, or not at all.
 */
#include "base/buf.h"
#include "drill/drill_intern.h"
#include "run/pushed_machine.h"

static struct hf_pushed_machine machine_of(const struct drill *d)
{
    return (struct hf_pushed_machine){
        .env = d->env, .hv = d->run.hv, .run_id = d->run.id, .area = "drill", .m = d->m};
}

/* What `verify` would call damage is a drill that failed, without a machine made of it. */
static int look(struct drill *d, const struct hf_pushed_machine *p, struct hf_err *err)
{
    char damage[HF_ERR_MESSAGE_MAX];
    if (hf_pushed_machine_look(p, damage, err) < 0)
        return drill_blame_point(d, err);
    if (!damage[0])
        return 0;
    hf_fail(err, HF_E_CORRUPT, "%s", damage);
    return drill_blame_point(d, err);
}

int drill_plan_pushed(struct drill *d, struct hf_err *err)
{
    const struct hf_pushed_machine p = machine_of(d);
    if (look(d, &p, err) < 0)
        return -1;
    if (drill_has_failed(d))
        return 0;
    int rc = hf_pushed_machine_plan(&p, d->name, HF_VERB_DRILL, HF_MACHINE_ISOLATED, NULL, &d->plan,
                                    err);
    drill_log_findings(d);
    if (rc == 0)
        return 0;
    hf_wrap(err, "machine %s", d->name);
    return err->cls == HF_E_CORRUPT ? drill_blame_point(d, err) : -1;
}

int drill_create_pushed(struct drill *d, struct hf_err *err)
{
    const struct hf_pushed_machine p = machine_of(d);
    return hf_pushed_machine_make(&p, &d->plan, err);
}
