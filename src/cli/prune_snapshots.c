/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/prune_snapshots.h"

#include "run/expiry.h"
#include "run/report.h"
#include "run/snapshot.h"

#include <stdio.h>
#include <string.h>

enum { QUERY_MS = 15000 };

struct expiring {
    const struct hf_env *env;
    struct hf_expiry_now now;
    bool is_dry, is_silent, is_cancelled;
    const struct hf_config_vm *vm;
    struct json_object *pruned, *kept, *failed; /* of the document */
};

static struct json_object *add_row(struct expiring *p, struct json_object *to, const char *snapshot)
{
    struct json_object *row = hf_json_append_object(to);
    return !row || hf_json_add_string(row, "vm", p->vm->label) < 0 ||
                   hf_json_add_string(row, "snapshot", snapshot) < 0
               ? NULL
               : row;
}

static int tell_kept(struct expiring *p, const char *snapshot, const char *why, struct hf_err *err)
{
    struct json_object *row = add_row(p, p->kept, snapshot);
    if (!row || hf_json_add_string(row, "why", why) < 0)
        return hf_fail_nomem(err);
    return 0;
}

/* snapshot NULL: the VM itself could not be asked. */
static int tell_failed(struct expiring *p, const char *snapshot, const struct hf_err *what,
                       struct hf_err *err)
{
    HF_AUTOJSON struct json_object *doc = hf_report_error(what);
    struct json_object *row = add_row(p, p->failed, snapshot), *error = NULL;
    if (!doc || !row || !json_object_object_get_ex(doc, "error", &error) ||
        hf_json_add(row, "error", json_object_get(error)) < 0)
        return hf_fail_nomem(err);
    hf_log(p->env->log, HF_LOG_ERROR, "prune", "%s%s%s: %s", p->vm->label, snapshot ? " " : "",
           snapshot ? snapshot : "", what->message);
    return 0;
}

static int tell_pruned(struct expiring *p, const struct hf_known *k, struct hf_err *err)
{
    char at[HF_TIME_MAX];
    struct json_object *row = add_row(p, p->pruned, k->name);
    hf_time_rfc3339(k->expires_us, at);
    if (!row || hf_json_add_string(row, "expired_at", at) < 0)
        return hf_fail_nomem(err);
    if (!p->is_silent)
        printf("%s %s of %s, expired %s\n", p->is_dry ? "would delete" : "deleted", k->name,
               p->vm->label, at);
    return 0;
}

static int delete_due(struct expiring *p, const struct hf_known *k, struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    HF_AUTOJSON struct json_object *doc = NULL;
    if (p->is_dry || hf_run_snapshot_delete(p->env, p->vm->label, k->name, &doc, &what) == 0)
        return tell_pruned(p, k, err);
    if (what.cls == HF_E_BUSY && !what.left[0]) {
        hf_log(p->env->log, HF_LOG_WARN, "prune", "%s of %s stays until next time: %s", k->name,
               p->vm->label, what.message);
        return tell_kept(p, k->name, "busy", err);
    }
    return tell_failed(p, k->name, &what, err);
}

static int judge(struct expiring *p, const struct hf_snapshot_copy *s, const struct hf_known *k,
                 struct hf_err *err)
{
    if (!s->is_ours)
        return tell_kept(p, s->name, "foreign", err);
    if (!k)
        return tell_kept(p, s->name, "unknown", err);
    switch (hf_expiry_judge(k, &p->now)) {
    case HF_EXPIRY_DUE:
        return delete_due(p, k, err);
    case HF_EXPIRY_CLOCK:
        hf_log(p->env->log, HF_LOG_WARN, "prune",
               "%s of %s stays: its times do not fit this host's clock", s->name, p->vm->label);
        return tell_kept(p, s->name, "clock", err);
    case HF_EXPIRY_NOT_DUE:
        return tell_kept(p, s->name, "not-due", err);
    case HF_EXPIRY_NEVER:
        break;
    }
    return tell_kept(p, s->name, "no-expiry", err);
}

struct asked { /* of one VM */
    struct hf_vm_copy found;
    struct hf_snapshot_list list; /* oldest first */
    struct hf_known_list known;
    struct hf_catalog *catalog;
};

static void asked_drop(struct asked *a)
{
    hf_vm_copy_free(&a->found);
    hf_snapshot_list_free(&a->list);
    hf_known_list_free(&a->known);
    hf_catalog_close(a->catalog);
}
HF_DEFINE_AUTO_VALUE(asked, asked_drop)

/* The catalog first: what it knows was there before the hypervisor is asked. */
static int ask(struct expiring *p, struct asked *a, struct hf_err *err)
{
    const struct hf_env *env = p->env;
    const struct hf_config_hypervisor *h =
        hf_config_find_hypervisor(env->config, p->vm->hypervisor, err);
    HF_AUTO(hf_hv) struct hf_hv *hv = h ? hf_env_open_hv(env, h, err) : NULL;
    struct hf_hv_call call = hf_env_call(env, NULL, QUERY_MS);
    if (!hv || hf_hv_vm_find(hv, &call, p->vm->name, &a->found, err) < 0)
        return -1;
    a->catalog = hf_catalog_open(hf_env_state(env), env->clock, err);
    if (!a->catalog || hf_known_load(a->catalog, NULL, a->found.id, &a->known, err) < 0 ||
        hf_hv_snapshot_list(hv, &call, a->found.id, &a->list, err) < 0)
        return -1;
    hf_snapshot_list_sort(&a->list);
    return 0;
}

static bool is_there(const struct hf_snapshot_list *list, const char *name)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->items[i].name, name) == 0)
            return true;
    return false;
}

/* Somebody took it away by other means: the catalog need not wait for its time any more. */
static int forget_gone(struct expiring *p, struct asked *a, struct hf_err *err)
{
    for (size_t i = 0; i < a->known.n; i++) {
        const struct hf_known *k = &a->known.items[i];
        struct hf_err what = HF_ERR_INIT;
        if (strcmp(k->hypervisor, p->vm->hypervisor) != 0 || is_there(&a->list, k->name))
            continue;
        if (!p->is_dry &&
            hf_catalog_snapshot_set_state(a->catalog, a->found.id, k->name, "deleted", &what) < 0)
            hf_log_err(p->env->log, HF_LOG_WARN, "prune", &what);
        else if (tell_kept(p, k->name, "gone", err) < 0)
            return -1;
    }
    return 0;
}

/* 1: this VM, or what is left of it, is not looked at any more, and that is told. */
static int stop_if_cancelled(struct expiring *p, struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    if (hf_cancel_check(p->env->cancel, &what) == 0)
        return 0;
    p->is_cancelled = true;
    return tell_failed(p, NULL, &what, err) < 0 ? -1 : 1;
}

/* One that fails does not stop the others; -1: nothing can be told any more. */
static int prune_vm(struct expiring *p, const struct hf_config_vm *vm, struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    HF_AUTO(asked) struct asked a = {0};
    int stops;
    p->vm = vm;
    if ((stops = stop_if_cancelled(p, err)) != 0)
        return stops < 0 ? -1 : 0;
    if (ask(p, &a, &what) < 0)
        return tell_failed(p, NULL, &what, err);
    for (size_t i = 0; i < a.list.n; i++) {
        const struct hf_snapshot_copy *s = &a.list.items[i];
        if ((stops = stop_if_cancelled(p, err)) != 0)
            return stops < 0 ? -1 : 0;
        if (judge(p, s, hf_known_find(&a.known, s->name), err) < 0)
            return -1;
    }
    return forget_gone(p, &a, err);
}

static int prune_all(struct expiring *p, const struct hf_config *config, const struct hf_strv *vms,
                     struct hf_err *err)
{
    const size_t n = vms->n ? vms->n : hf_config_vm_count(config);
    for (size_t i = 0; i < n && !p->is_cancelled; i++) {
        const struct hf_config_vm *vm =
            vms->n ? hf_config_find_vm(config, vms->items[i], err) : hf_config_vm_at(config, i);
        if (!vm || prune_vm(p, vm, err) < 0)
            return -1;
    }
    return 0;
}

int hf_cli_prune_snapshots(const struct hf_env *env, const struct hf_strv *vms, bool is_dry,
                           bool is_silent, struct json_object *doc, struct hf_err *err)
{
    struct expiring p = {.env = env,
                         .now = hf_expiry_now(env->clock),
                         .is_dry = is_dry,
                         .is_silent = is_silent,
                         .pruned = json_object_new_array(),
                         .kept = json_object_new_array(),
                         .failed = json_object_new_array()};
    if ((hf_json_add(doc, "pruned", p.pruned) | hf_json_add(doc, "kept", p.kept) |
         hf_json_add(doc, "failed", p.failed)) < 0)
        return hf_fail_nomem(err);
    return prune_all(&p, env->config, vms, err);
}
