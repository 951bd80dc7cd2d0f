/* SPDX-License-Identifier: Apache-2.0
 *
 * A machine whose restore died with its guardian, and somebody begins something else, perhaps hours later: one that runs by then has
 * written what nobody wants to lose unasked.
 */
#include "run/effects_intern.h"

#include <string.h>

#define LOOK_MS (60 * 1000)
#define PING_MS 5000

/* *out: this run's machine, which runs; to be freed. NULL: it has none, or one that is off. */
static int find_running(struct hf_undo *u, const char *run_id, char **out, struct hf_err *err)
{
    HF_AUTO(hf_machine_list) struct hf_machine_list list = {0};
    struct hf_hv_call call = hf_env_call(u->env, run_id, LOOK_MS);
    if (hf_hv_machine_list(u->hv, &call, &list, err) < 0)
        return hf_wrap(err, "whether the machine of run %s runs", run_id);
    for (size_t i = 0; i < list.n; i++) {
        const struct hf_machine_copy *m = &list.items[i];
        if (strcmp(m->run, run_id) != 0 || m->state == HF_VM_OFF || m->state == HF_VM_CRASHED)
            continue;
        *out = strdup(m->vm_id);
        return *out ? 0 : hf_fail_nomem(err);
    }
    return 0;
}

/* The restore itself would have decided by the same. */
static int decide(struct hf_undo *u, struct hf_journal *j, struct json_object *data,
                  struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    struct hf_effect_machine m = {0};
    const char *run_id = hf_journal_run_id(j);
    HF_AUTOFREE char *vm_id = NULL;
    if (hf_effect_read_machine(data, &m, err) < 0 || hf_undo_need_hv_of(u, m.hypervisor, err) < 0 ||
        find_running(u, run_id, &vm_id, err) < 0)
        return -1;
    if (!vm_id)
        return 0;
    struct hf_hv_call call = hf_env_call(u->env, run_id, PING_MS);
    if (hf_hv_guest_ping(u->hv, &call, vm_id, &why) == 0)
        return hf_effect_machine_decided(j, &m, err);
    hf_fail(err, HF_E_BUSY, "the machine %s%s%s runs, and its guest does not answer",
            *m.dir ? "with disks in '" : "on ", *m.dir ? m.dir : m.hypervisor, *m.dir ? "'" : "");
    return hf_hint(err, "When it answers it is taken for restored. `holdfast recover` ends it, and "
                        "undoes its restore.");
}

int hf_effect_decide_machine(struct hf_undo *u, struct hf_journal *j, struct hf_err *err)
{
    for (size_t i = 0; !hf_undo_rolls_forward(j) && i < hf_journal_count(j); i++) {
        const struct hf_journal_entry *e = hf_journal_at(j, i);
        if (!e->is_undone && strcmp(e->kind, HF_EFFECT_MACHINE) == 0 &&
            decide(u, j, e->data, err) < 0)
            return -1;
    }
    return 0;
}
