/* SPDX-License-Identifier: Apache-2.0 */
#include "run/release.h"

#include "base/buf.h"
#include "base/id.h"
#include "db/lock.h"
#include "guest/deadman.h"
#include "guest/services.h"
#include "run/effects.h"
#include "run/rest_units.h"

#include <string.h>

#define LOOKUP_MS 10000
#define THAW_MS 20000
#define COMMAND_MS 15000
#define CONNECT_S 5

struct releasing {
    const struct hf_env *env;
    const struct hf_config_vm *vm;
    struct hf_hv *hv;
    struct hf_vm_copy found;
    struct hf_way way;
    char id[HF_ID_MAX]; /* of this release, for what it opens */
    struct hf_strv *did;
    struct hf_err failed; /* the first cause, and every left; class NONE: none */
};

static void releasing_close(struct releasing *r)
{
    hf_way_close(&r->way);
    hf_vm_copy_free(&r->found);
    hf_hv_close(r->hv);
}
HF_DEFINE_AUTO_VALUE(releasing, releasing_close)

HF_PRINTF(2, 3) static void did(struct releasing *r, const char *fmt, ...)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    hf_buf_vprintf(&text, fmt, ap);
    va_end(ap);
    if (!hf_buf_ok(&text) || hf_strv_add(r->did, hf_buf_str(&text)) < 0)
        hf_fail_nomem(&r->failed);
}

static int open_way(struct releasing *r, int what, struct hf_err *why)
{
    return hf_way_open(&r->way, r->env, r->vm, r->found.id, r->id, what, why);
}

/* Without an agent nothing of ours can have frozen it. */
static void thaw(struct releasing *r)
{
    struct hf_err why = HF_ERR_INIT;
    struct hf_hv_call call = hf_env_call(r->env, NULL, THAW_MS);
    if (!(r->found.can & HF_CAN_GUEST_FREEZE)) {
        did(r, "no guest agent is connected: nothing was thawed");
        return;
    }
    if (open_way(r, HF_WAY_AGENT, &why) == 0 &&
        hf_hv_guest_thaw(r->way.hv, &call, r->found.id, &why) == 0) {
        did(r, "filesystems are thawed");
        return;
    }
    hf_left(&why, "filesystems of %s, if they are frozen", r->vm->label);
    hf_also(&r->failed, &why);
}

static int unlock(struct releasing *r, struct hf_err *why)
{
    unsigned ended = 0;
    if (r->vm->db.kind == HF_DB_NONE)
        return 0;
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = NULL;
    if (open_way(r, HF_WAY_DB, why) == 0) {
        struct hf_db_target target = hf_way_db_target(&r->way);
        target.connect_timeout_s = CONNECT_S;
        c = hf_db_open(&target, why);
    }
    if (!c || hf_db_lock_kill_all(c, &ended, why) < 0)
        return -1;
    did(r,
        ended ? "%u database session%s of holdfast ended"
              : "no database session of holdfast is left",
        ended, ended == 1 ? "" : "s");
    return 0;
}

/* Journals of other machines, or that nobody can read, are not ours to touch. */
static void restore_variables(struct releasing *r)
{
    struct hf_err why = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv ids = HF_STRV_INIT;
    if (hf_journal_list(hf_env_state(r->env), &ids, &why) < 0)
        return;
    for (size_t i = 0; i < ids.n; i++) {
        const char *vm_id = NULL;
        struct hf_err one = HF_ERR_INIT;
        HF_AUTO(hf_journal)
        struct hf_journal *j =
            hf_journal_open(hf_env_state(r->env), ids.items[i], r->env->clock, &one);
        if (!j || hf_json_get_string(hf_journal_run_data(j), "vm_id", &vm_id, &one) < 0 ||
            strcmp(vm_id, r->found.id) != 0)
            continue;
        HF_AUTO(hf_undo) struct hf_undo undo = {.env = r->env, .vm = r->vm, .vm_id = r->found.id};
        if (hf_undo_variables(&undo, j, &one) < 0)
            hf_also(&r->failed, &one);
        for (size_t k = 0; k < undo.actions.n; k++)
            did(r, "%s", undo.actions.items[k]);
    }
}

/* In the order of starting: the database first. */
static int list_units(struct releasing *r, struct hf_strv *units, struct hf_err *err)
{
    struct hf_hv_call call = hf_env_call(r->env, NULL, COMMAND_MS);
    struct hf_err none = HF_ERR_INIT;
    if (hf_rest_units_db(r->vm, r->way.guest, call.deadline_ms, units, &none) < 0 &&
        none.cls != HF_E_NOT_FOUND) {
        hf_err_copy(err, &none);
        return -1;
    }
    for (size_t i = r->vm->services.n; i-- > 0;)
        if (hf_strv_add(units, r->vm->services.items[i]) < 0)
            return hf_fail_nomem(err);
    return 0;
}

static void start(struct releasing *r)
{
    struct hf_err why = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv units = HF_STRV_INIT;
    if (r->vm->guest == HF_GUEST_NONE)
        return;
    if (open_way(r, HF_WAY_GUEST, &why) == 0 && list_units(r, &units, &why) == 0) {
        struct hf_hv_call call = hf_env_call(r->env, NULL, r->vm->start_timeout);
        if (hf_units_start(r->way.guest, &units, r->env->clock, call.deadline_ms, &why) == 0) {
            for (size_t i = 0; i < units.n; i++)
                did(r, "%s runs", units.items[i]);
            return;
        }
    }
    if (!why.left[0])
        hf_left(&why, "services of %s, if they are stopped", r->vm->label);
    hf_also(&r->failed, &why);
}

/* Only when all else is well: until then they are the last hope. */
static void disarm(struct releasing *r)
{
    struct hf_err why = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv names = HF_STRV_INIT;
    struct hf_hv_call call = hf_env_call(r->env, NULL, COMMAND_MS);
    if (!r->way.guest || r->failed.cls != HF_E_NONE)
        return;
    if (hf_deadman_list(r->way.guest, NULL, &names, call.deadline_ms, &why) < 0) {
        hf_also(&r->failed, &why);
        return;
    }
    for (size_t i = 0; i < names.n; i++) {
        bool fired = false;
        call = hf_env_call(r->env, NULL, COMMAND_MS);
        if (hf_deadman_disarm(r->way.guest, names.items[i], call.deadline_ms, &fired, &why) < 0) {
            hf_also(&r->failed, &why);
            return;
        }
        did(r, "dead-man %s is disarmed", names.items[i]);
    }
}

/* A server that is stopped cannot be asked, and keeps nobody waiting: it is asked again once it runs. */
static void unlock_and_start(struct releasing *r)
{
    struct hf_err first = HF_ERR_INIT, why = HF_ERR_INIT;
    bool is_reached = unlock(r, &first) == 0;
    if (is_reached)
        restore_variables(r);
    start(r);
    if (is_reached)
        return;
    if (unlock(r, &why) < 0) {
        hf_left(&why, "a database lock in %s, if one is held", r->vm->label);
        hf_also(&r->failed, &why);
    }
    restore_variables(r);
}

static int find_machine(struct releasing *r, const char *vm_label, struct hf_err *err)
{
    r->vm = hf_config_find_vm(r->env->config, vm_label, err);
    const struct hf_config_hypervisor *h =
        r->vm ? hf_config_find_hypervisor(r->env->config, r->vm->hypervisor, err) : NULL;
    if (!h || hf_id_new(r->env->clock, r->id, err) < 0)
        return -1;
    struct hf_hv_call call = hf_env_call(r->env, NULL, LOOKUP_MS);
    r->hv = hf_env_open_hv(r->env, h, err);
    if (!r->hv || hf_hv_vm_find(r->hv, &call, r->vm->name, &r->found, err) < 0)
        return hf_wrap(err, "vm %s", r->vm->label);
    return 0;
}

int hf_release_vm(const struct hf_env *env, const char *vm_label, struct hf_strv *did_list,
                  struct hf_err *err)
{
    HF_AUTO(releasing) struct releasing r = {.env = env, .did = did_list, .failed = HF_ERR_INIT};
    if (find_machine(&r, vm_label, err) < 0)
        return -1;
    thaw(&r);
    unlock_and_start(&r);
    disarm(&r);
    if (r.failed.cls == HF_E_NONE)
        return 0;
    hf_err_copy(err, &r.failed);
    return -1;
}
