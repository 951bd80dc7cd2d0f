/* SPDX-License-Identifier: Apache-2.0
 *
 * A point whose disks are in a backup that the hypervisor keeps: it makes the machine itself, and no byte comes through this host.
 */
#include "restore/vm_intern.h"
#include "run/pushed_machine.h"

static struct hf_pushed_machine machine_of(const struct restoring *r)
{
    return (struct hf_pushed_machine){
        .env = r->env, .hv = r->hv, .run_id = r->id, .area = "restore", .m = &r->point.manifest};
}

static int fail_option(const struct restoring *r, const char *option, struct hf_err *err)
{
    hf_fail(err, HF_E_CONFIG, "%s is in a backup of its hypervisor, so %s has no meaning",
            r->point.manifest.point.id, option);
    return hf_hint(err, "Its disks come to lie on a storage of the hypervisor: --storage NAME, by "
                        "default where they were.");
}

int restoring_check_pushed(const struct restoring *r, struct hf_err *err)
{
    const struct hf_restore_vm *req = r->req;
    if (!r->pushed && req->storage)
        return hf_fail(err, HF_E_CONFIG,
                       "--storage is for points whose disks are in a backup of their hypervisor");
    if (!r->pushed && !req->dir)
        return hf_fail(err, HF_E_CONFIG,
                       "restore vm needs --dir DIR, where the disks of %s come to lie",
                       r->point.manifest.point.id);
    if (!r->pushed)
        return 0;
    if (req->is_ovf)
        return hf_fail(err, HF_E_UNSUPPORTED,
                       "%s is in a backup of its hypervisor: no OVF can be made of it",
                       r->point.manifest.point.id);
    if (req->is_instant || req->in_place) {
        hf_fail(err, HF_E_UNSUPPORTED,
                "%s is in a backup of its hypervisor, which makes a new machine of it, %s",
                r->point.manifest.point.id,
                req->in_place ? "never one in the place of another" : "and boots none from it");
        return hf_hint(err, "Without --%s, and with a --name.",
                       req->in_place ? "in-place" : "instant");
    }
    return req->dir          ? fail_option(r, "--dir", err)
           : req->has_format ? fail_option(r, "--format", err)
                             : 0;
}

int restoring_plan_pushed(struct restoring *r, struct hf_err *err)
{
    const struct hf_pushed_machine p = machine_of(r);
    int rc = hf_pushed_machine_look(&p, r->damage, err);
    if (rc < 0)
        return -1;
    if (rc == 0)
        return hf_fail(err, HF_E_CONFLICT, "%s", r->damage);
    if (r->damage[0]) /* perhaps all that there is: it is tried, and told */
        hf_log(r->env->log, HF_LOG_WARN, "restore", "%s", r->damage);
    return hf_pushed_machine_plan(&p, r->name, "restore", r->req->flags, r->req->storage, &r->plan,
                                  err);
}

int restoring_make_pushed(struct restoring *r, struct hf_err *err)
{
    const struct hf_pushed_machine p = machine_of(r);
    return hf_pushed_machine_make(&p, &r->plan, err);
}
