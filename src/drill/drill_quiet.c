/* SPDX-License-Identifier: Apache-2.0
 *
 * The VM's services begin to work as soon as its guest is up: jobs, mails, sessions. Those that rest in a backup rest here, too, so that
 * the tables are still those of the dump when they are read. The agent answers long before the database does, so the stop is only asked
 * for: it takes the place of a start that has not come yet, and a guest that boots would keep us waiting.
 */
#include "base/buf.h"
#include "drill/drill_intern.h"

#include <stdlib.h>

#define ASK_MS 15000

static int systemctl(struct drill *d, const char *verb, struct hf_err *err)
{
    const struct hf_strv *units = &d->vm.services;
    HF_AUTOFREE const char **argv = calloc(units->n + 5, sizeof *argv);
    size_t n = 0;
    if (!argv)
        return hf_fail_nomem(err);
    argv[n++] = "systemctl";
    argv[n++] = verb;
    argv[n++] = "--no-block";
    argv[n++] = "--";
    for (size_t i = 0; i < units->n; i++)
        argv[n++] = units->items[i];
    if (hf_way_open(&d->way, d->env, &d->vm, d->plan.vm_id, d->run.id, HF_WAY_GUEST, err) < 0)
        return -1;
    const struct hf_guest_cmd cmd = {.argv = argv,
                                     .deadline_ms = hf_clock_mono_ms(d->env->clock) + ASK_MS};
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
    if (systemctl(d, "stop", &why) < 0)
        warn(d, "the services of the guest could not be stopped", &why);
}

void drill_wake(struct drill *d)
{
    struct hf_err why = HF_ERR_INIT;
    if (d->is_quiet && systemctl(d, "start", &why) < 0)
        warn(d, "the services of the guest do not start again", &why);
}
