/* SPDX-License-Identifier: Apache-2.0
 *
 * What is taken of each limit. One that has a claim is not asked whether it fits while it has it.
 */
#include "base/strv.h"
#include "policy/plan_intern.h"

#include <string.h>

/* ---- slots ------------------------------------------------------------------------------ */

bool hf_plan_has_room(const struct hf_plan_slots *s)
{
    return s->running + s->claimed < s->limit;
}

static void run(struct hf_plan_slots *s, bool is_begun)
{
    s->running = is_begun ? s->running + 1 : s->running - 1;
}

static const struct hf_plan_slots *first_full(const struct hf_plan_set *set)
{
    for (size_t i = 0; set && i < set->n; i++)
        if (!hf_plan_has_room(set->items[i]))
            return set->items[i];
    return NULL;
}

/* A drill wants the point that a run is making. It never touches the VM: no run waits for it. */
static const struct hf_plan_slots *full_of_vm(const struct hf_plan_pair *pair)
{
    const struct hf_plan_vm *vm = pair->vm;
    if (!hf_plan_has_room(&vm->runs))
        return &vm->runs;
    return pair->is_drill && !hf_plan_has_room(&vm->drills) ? &vm->drills : NULL;
}

bool hf_plan_waits_for_vm(const struct hf_plan_pair *pair)
{
    return pair->vm->runs.running > 0 || (pair->is_drill && pair->vm->drills.running > 0);
}

static struct hf_plan_slots *own_of_vm(const struct hf_plan_pair *pair)
{
    return pair->is_drill ? &pair->vm->drills : &pair->vm->runs;
}

const struct hf_plan_slots *hf_plan_blocked_by(const struct hf_plan_pair *pair)
{
    const struct hf_plan_vm *vm = pair->vm;
    const struct hf_plan_slots *full = full_of_vm(pair);
    if (full)
        return full;
    if (vm->on && !hf_plan_has_room(vm->on))
        return vm->on;
    /* A drill reads stores, not the VM's disks. */
    for (size_t i = 0; i < vm->n_datastores && !pair->is_drill; i++)
        if (!hf_plan_has_room(&vm->datastores[i]->slots))
            return &vm->datastores[i]->slots;
    return first_full(pair->stores);
}

static void change(struct hf_plan *p, struct hf_plan_pair *pair, bool is_begun)
{
    struct hf_plan_vm *vm = pair->vm;
    run(&p->all, is_begun);
    run(own_of_vm(pair), is_begun);
    if (vm->on)
        run(vm->on, is_begun);
    for (size_t i = 0; i < vm->n_datastores && !pair->is_drill; i++)
        run(&vm->datastores[i]->slots, is_begun);
    for (size_t i = 0; pair->stores && i < pair->stores->n; i++)
        run(pair->stores->items[i], is_begun);
}

void hf_plan_take(struct hf_plan *p, struct hf_plan_pair *pair)
{
    change(p, pair, true);
}

void hf_plan_release(struct hf_plan *p, struct hf_plan_pair *pair)
{
    change(p, pair, false);
}

/* ---- claims ----------------------------------------------------------------------------- */

void hf_plan_claim(struct hf_plan *p, const struct hf_plan_pair *pair)
{
    p->claimant = pair;
    own_of_vm(pair)->claimed = 1;
    if (pair->vm->on)
        pair->vm->on->claimed = 1;
    for (size_t i = 0; i < pair->vm->n_datastores && !pair->is_drill; i++)
        pair->vm->datastores[i]->slots.claimed = 1;
    for (size_t i = 0; pair->stores && i < pair->stores->n; i++)
        pair->stores->items[i]->claimed = 1;
}

void hf_plan_claim_drop(struct hf_plan *p)
{
    const struct hf_plan_pair *pair = p->claimant;
    if (!pair)
        return;
    p->claimant = NULL;
    own_of_vm(pair)->claimed = 0;
    if (pair->vm->on)
        pair->vm->on->claimed = 0;
    for (size_t i = 0; i < pair->vm->n_datastores && !pair->is_drill; i++)
        pair->vm->datastores[i]->slots.claimed = 0;
    for (size_t i = 0; pair->stores && i < pair->stores->n; i++)
        pair->stores->items[i]->claimed = 0;
}

/* ---- datastores ------------------------------------------------------------------------- */

/* FNV-1a */
static struct hf_plan_datastore **bucket_of(struct hf_plan *p, const char *name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
    return &p->buckets[(hash ^ hash >> 32) % HF_PLAN_BUCKETS];
}

/* Found or made; NULL: no memory. */
static struct hf_plan_datastore *datastore_get(struct hf_plan *p, const struct hf_plan_vm *vm,
                                               const char *name)
{
    struct hf_plan_datastore **bucket = bucket_of(p, name), *d = *bucket;
    while (d && (d->hypervisor != vm->hypervisor || strcmp(d->name, name) != 0))
        d = d->next;
    if (!d) {
        d = calloc(1, sizeof *d);
        if (!d || !(d->name = strdup(name))) {
            free(d);
            return NULL;
        }
        d->hypervisor = vm->hypervisor;
        d->slots.limit = vm->hypervisor ? vm->hypervisor->max_runs_datastore : UINT32_MAX;
        d->next = *bucket;
        *bucket = d;
    }
    d->refs++;
    return d;
}

static void datastore_put(struct hf_plan *p, struct hf_plan_datastore *d)
{
    struct hf_plan_datastore **at = bucket_of(p, d->name);
    if (--d->refs > 0)
        return;
    while (*at != d)
        at = &(*at)->next;
    *at = d->next;
    free(d->name);
    free(d);
}

static void put_all(struct hf_plan *p, struct hf_plan_datastore **all, size_t n)
{
    for (size_t i = 0; i < n; i++)
        datastore_put(p, all[i]);
    free(all);
}

/* The names, each once; NULL: no memory. */
static struct hf_plan_datastore **get_all(struct hf_plan *p, const struct hf_plan_vm *vm,
                                          const char *names, size_t *out_n)
{
    HF_AUTO(hf_strv) struct hf_strv list = HF_STRV_INIT;
    size_t n = 0;
    if (hf_strv_split(&list, names, '\n') != 0)
        return NULL;
    struct hf_plan_datastore **all = calloc(list.n + 1, sizeof(struct hf_plan_datastore *));
    for (size_t i = 0; all && i < list.n; i++) {
        bool is_known = false;
        for (size_t k = 0; k < i; k++)
            is_known = is_known || strcmp(list.items[k], list.items[i]) == 0;
        if (is_known)
            continue;
        all[n] = datastore_get(p, vm, list.items[i]);
        if (!all[n]) {
            put_all(p, all, n);
            return NULL;
        }
        n++;
    }
    *out_n = n;
    return all;
}

static bool are_known(const struct hf_plan_vm *vm, struct hf_plan_datastore *const *all, size_t n)
{
    bool are = n == vm->n_datastores;
    for (size_t i = 0; are && i < n; i++)
        are = all[i] == vm->datastores[i];
    return are;
}

void hf_plan_datastores_set(struct hf_plan *p, struct hf_plan_vm *vm, const char *names)
{
    size_t n = 0;
    struct hf_plan_datastore **all = get_all(p, vm, names, &n);
    if (!all)
        return;
    if (are_known(vm, all, n)) {
        put_all(p, all, n);
        return;
    }
    hf_plan_claim_drop(p); /* it may be of the old ones */
    hf_plan_forget_blocks(p);
    for (size_t i = 0; i < n; i++)
        all[i]->slots.running += vm->runs.running;
    for (size_t i = 0; i < vm->n_datastores; i++)
        vm->datastores[i]->slots.running -= vm->runs.running;
    put_all(p, vm->datastores, vm->n_datastores);
    vm->datastores = all;
    vm->n_datastores = n;
}

/* ---- from the configuration ------------------------------------------------------------- */

static int set_add(struct hf_plan_set *set, struct hf_plan_slots *s)
{
    struct hf_plan_slots **items =
        realloc(set->items, (set->n + 1) * sizeof(struct hf_plan_slots *));
    if (!items)
        return -1;
    set->items = items;
    set->items[set->n++] = s;
    return 0;
}

/* names empty: the set stays empty. */
static int set_of(struct hf_plan *p, const struct hf_strv *names, struct hf_plan_set *out)
{
    for (size_t i = 0; names->n && i < hf_config_store_count(p->config); i++)
        if (hf_strv_has(names, hf_config_store_at(p->config, i)->label) &&
            set_add(out, &p->stores[i]) != 0)
            return -1;
    return 0;
}

static int vm_init(struct hf_plan *p, size_t i)
{
    struct hf_plan_vm *vm = &p->vms[i];
    vm->config = hf_config_vm_at(p->config, i);
    vm->runs.limit = vm->drills.limit = 1;
    vm->hypervisor = hf_config_hypervisor_of(p->config, vm->config);
    for (size_t h = 0; h < hf_config_hypervisor_count(p->config); h++)
        if (vm->hypervisor == hf_config_hypervisor_at(p->config, h))
            vm->on = &p->hypervisors[h];
    return set_of(p, &vm->config->stores, &vm->stores);
}

static int fill(struct hf_plan *p)
{
    const struct hf_config *c = p->config;
    for (size_t i = 0; i < hf_config_hypervisor_count(c); i++)
        p->hypervisors[i].limit = hf_config_hypervisor_at(c, i)->max_runs;
    for (size_t i = 0; i < hf_config_store_count(c); i++) {
        p->stores[i].limit = hf_config_store_at(c, i)->max_runs;
        if (set_add(&p->all_stores, &p->stores[i]) != 0)
            return -1;
    }
    for (size_t i = 0; i < p->n_policies; i++)
        if (set_of(p, &hf_config_policy_at(c, i)->stores, &p->policy_stores[i]) != 0)
            return -1;
    for (size_t i = 0; i < p->n_vms; i++)
        if (vm_init(p, i) != 0)
            return -1;
    return 0;
}

int hf_plan_limits_init(struct hf_plan *p, struct hf_err *err)
{
    p->all.limit = hf_config_get_defaults(p->config)->max_runs;
    p->hypervisors = calloc(hf_config_hypervisor_count(p->config) + 1, sizeof *p->hypervisors);
    p->stores = calloc(hf_config_store_count(p->config) + 1, sizeof *p->stores);
    p->policy_stores = calloc(p->n_policies + 1, sizeof *p->policy_stores);
    p->vms = calloc(p->n_vms + 1, sizeof *p->vms);
    if (!p->hypervisors || !p->stores || !p->policy_stores || !p->vms || fill(p) != 0)
        return hf_fail_nomem(err);
    return 0;
}

void hf_plan_limits_free(struct hf_plan *p)
{
    for (size_t i = 0; p->vms && i < p->n_vms; i++) {
        put_all(p, p->vms[i].datastores, p->vms[i].n_datastores);
        free(p->vms[i].stores.items);
    }
    for (size_t i = 0; p->policy_stores && i < p->n_policies; i++)
        free(p->policy_stores[i].items);
    free(p->all_stores.items);
    free(p->policy_stores);
    free(p->vms);
    free(p->stores);
    free(p->hypervisors);
}

const struct hf_plan_set *hf_plan_stores_of(const struct hf_plan *p, size_t policy,
                                            const struct hf_plan_vm *vm)
{
    if (hf_config_policy_at(p->config, policy)->produce == HF_PRODUCE_SNAPSHOT)
        return NULL;
    const struct hf_plan_set *own = &p->policy_stores[policy];
    return own->n ? own : vm->stores.n ? &vm->stores : &p->all_stores;
}
