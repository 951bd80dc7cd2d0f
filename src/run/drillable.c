/* SPDX-License-Identifier: Apache-2.0 */
#include "run/drillable.h"

/* Nobody drills a VM this often without one that passes. */
#define LOOK_BACK 1000

static int refuse(const struct hf_config_vm *vm, const char *why, const char *key,
                  struct hf_err *err)
{
    hf_fail(err, HF_E_UNSUPPORTED, "no drill of %s: %s", vm->label, why);
    return hf_hint(
        err,
        "A drill compares the database of the machine that it boots: position, CHECK "
        "TABLE, rows and content, probes. None of that can be made so; set %s in [vm %s].",
        key, vm->label);
}

int hf_drillable(const struct hf_config_vm *vm, struct hf_err *err)
{
    if (vm->guest == HF_GUEST_NONE)
        return refuse(vm, "guest = none, and the guest's agent is the only way into it",
                      "guest = agent", err);
    if (vm->db.kind == HF_DB_NONE && vm->drill_db.kind == HF_DB_NONE)
        return refuse(vm, "it has no database (db = none)", "db", err);
    if (vm->drill_db.kind != HF_DB_NONE && vm->drill_db.kind != HF_DB_AGENT)
        return refuse(vm, "drill-db is not by the agent, and the machine has no network",
                      "drill-db = agent", err);
    return 0;
}

bool hf_drillable_lacks_key(const struct hf_config_store *store)
{
    return store->recipients.n > 0 && !store->identity_file;
}

struct looking {
    struct hf_drill_age *age;
    int64_t now_us;
};

/* Newest first. One from the future, when the clock was wrong, would keep quiet about all that follow. */
static int keep_passed(void *ctx, const struct hf_catalog_drill *d, struct hf_err *err)
{
    const struct looking *l = ctx;
    (void)err;
    if (!d->has_passed || l->age->has_passed || d->started_us > l->now_us)
        return 0;
    l->age->has_passed = true;
    l->age->since_us = d->started_us;
    return 0;
}

int hf_drill_age(struct hf_catalog *c, const struct hf_config_vm *vm, int64_t now_us,
                 struct hf_drill_age *out, struct hf_err *err)
{
    struct looking l = {.age = out, .now_us = now_us};
    *out = (struct hf_drill_age){0};
    if (hf_catalog_first_backup(c, vm->label, &out->since_us, err) < 0)
        return -1;
    if (!out->since_us)
        return 0;
    if (hf_catalog_drills(c, NULL, vm->label, LOOK_BACK, keep_passed, &l, err) < 0)
        return -1;
    out->is_overdue = vm->drill_every > 0 && now_us - out->since_us > vm->drill_every * 1000;
    return 0;
}
