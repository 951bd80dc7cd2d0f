/* SPDX-License-Identifier: Apache-2.0
 *
 * The VM's services begin to work as soon as its guest is up: jobs, mails, sessions. Those that rest in a backup rest here, too, so that
 * the tables are still those of the dump when they are read. The agent answers long before the database does.
 */
#include "base/buf.h"
#include "drill/drill_intern.h"

#include <stdlib.h>

#define STOP_MS 30000

static int systemctl(struct drill *d, const char *verb, int64_t within_ms, struct hf_err *err)
{
    const struct hf_strv *units = &d->vm.services;
    HF_AUTOFREE const char **argv = calloc(units->n + 4, sizeof *argv);
    size_t n = 0;
    if (!argv)
        return hf_fail_nomem(err);
    argv[n++] = "systemctl";
    argv[n++] = verb;
    argv[n++] = "--";
    for (size_t i = 0; i < units->n; i++)
        argv[n++] = units->items[i];
    if (hf_way_open(&d->way, d->env, &d->vm, d->plan.vm_id, d->run.id, HF_WAY_GUEST, err) < 0)
        return -1;
    const struct hf_guest_cmd cmd = {.argv = argv,
                                     .deadline_ms = hf_clock_mono_ms(d->env->clock) + within_ms};
    return hf_guest_run(d->way.guest, &cmd, NULL, err);
}

static void warn(struct drill *d, const char *what, const struct hf_err *why)
{
    HF_AUTOFREE char *text = hf_asprintf("%s: %s", what, why->message);
    if (!text || hf_strv_add(&d->warnings, text) < 0)
        d->checks.is_nomem = true;
}

void drill_quiet(struct drill *d)
{
    struct hf_err why = HF_ERR_INIT;
    if (d->vm.services.n == 0)
        return;
    d->is_quiet = true;
    if (systemctl(d, "stop", STOP_MS, &why) < 0)
        warn(d, "the services of the guest could not be stopped", &why);
}

void drill_wake(struct drill *d)
{
    struct hf_err why = HF_ERR_INIT;
    if (d->is_quiet && systemctl(d, "start", d->vm.start_timeout, &why) < 0)
        warn(d, "the services of the guest do not start again", &why);
}
