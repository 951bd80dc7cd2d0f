/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/backup_all.h"

#include "base/buf.h"
#include "cli/cli.h"
#include "cli/made_good.h"
#include "cli/output.h"
#include "cli/point_text.h"
#include "cli/report_text.h"
#include "policy/select.h"
#include "run/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum ending { DONE, DEGRADED, BUSY, FAILED, ENDINGS }; /* the worst last */
static const int statuses[ENDINGS] = {[DEGRADED] = 3, [BUSY] = 4, [FAILED] = 1};

struct all {
    struct hf_env env;
    struct hf_backup req;
    const char **vms; /* labels, by name */
    size_t n;
    size_t ended[ENDINGS];
    struct json_object *runs; /* NULL: text is wanted */
};

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int select_vms(struct all *all, struct hf_err *err)
{
    const struct hf_config *c = all->env.config;
    all->vms = calloc(hf_config_vm_count(c) + 1, sizeof *all->vms);
    if (!all->vms)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < hf_config_vm_count(c); i++) {
        const struct hf_config_vm *vm = hf_config_vm_at(c, i);
        if (hf_select_has(&all->env.policy->vms, vm, hf_config_hypervisor_of(c, vm)))
            all->vms[all->n++] = vm->label;
    }
    qsort(all->vms, all->n, sizeof *all->vms, by_name);
    if (all->n > 0)
        return 0;
    hf_fail(err, HF_E_CONFIG, "policy %s selects no VM", all->env.policy->label);
    return hf_hint(err, "`holdfast policies` shows whom each policy selects.");
}

/* {"vm","policy","error"}; why is emptied. NULL: no memory. */
static struct json_object *error_doc(const struct all *all, struct hf_err *why)
{
    HF_AUTOJSON struct json_object *doc = hf_report_error(why);
    hf_err_clear(why);
    if (!doc || hf_json_add_string(doc, "vm", all->req.vm) < 0 ||
        hf_json_add_string(doc, "policy", all->env.policy->label) < 0)
        return NULL;
    return HF_STEAL(doc);
}

/* The run of req.vm; *out NULL: no memory to tell of it. */
static enum ending run_one(struct all *all, struct json_object **out)
{
    struct hf_err why = HF_ERR_INIT;
    bool is_degraded = false;
    if (hf_cancel_check(all->env.cancel, &why) == 0 &&
        hf_run_backup(&all->env, &all->req, out, &is_degraded, &why) == 0) {
        if (!is_degraded)
            hf_cli_made_good(&all->env, all->req.vm, *out);
        return is_degraded ? DEGRADED : DONE;
    }
    enum ending how = why.cls == HF_E_BUSY ? BUSY : FAILED;
    *out = error_doc(all, &why);
    return how;
}

static int tell(struct all *all, struct json_object *doc, struct hf_err *err)
{
    if (!doc)
        return hf_fail_nomem(err);
    if (all->runs)
        return json_object_array_add(all->runs, json_object_get(doc)) == 0 ? 0 : hf_fail_nomem(err);
    if (hf_cli_text(doc, "point"))
        hf_cli_print_point(doc);
    if (hf_cli_print_report(doc, err) < 0)
        return -1;
    putchar('\n');
    return hf_cli_flush(err);
}

/* What cannot be told of one is no reason to leave the others without a backup: the first such error is kept in err. */
static int run_each(struct all *all, struct hf_err *err)
{
    int rc = 0;
    for (size_t i = 0; i < all->n; i++) {
        struct hf_err untold = HF_ERR_INIT;
        HF_AUTOJSON struct json_object *doc = NULL;
        HF_AUTOFREE char *which = hf_asprintf("%s (%zu of %zu)", all->vms[i], i + 1, all->n);
        all->req.vm = all->vms[i];
        all->env.progress_ctx = which;
        hf_log(all->env.log, HF_LOG_INFO, "policy", "%s: %s", all->env.policy->label,
               which ? which : all->vms[i]);
        all->ended[run_one(all, &doc)]++;
        if (tell(all, doc, &untold) < 0 && rc == 0) {
            hf_err_copy(err, &untold);
            rc = -1;
        }
    }
    all->env.progress_ctx = NULL;
    return rc;
}

static int print_sum(const struct all *all, struct hf_err *err)
{
    printf("policy %s: %zu VM%s: %zu done, %zu degraded, %zu busy, %zu failed\n",
           all->env.policy->label, all->n, all->n == 1 ? "" : "s", all->ended[DONE],
           all->ended[DEGRADED], all->ended[BUSY], all->ended[FAILED]);
    return hf_cli_flush(err);
}

static int run_all(struct all *all, struct json_object *doc, struct hf_err *err)
{
    if (select_vms(all, err) < 0 || run_each(all, err) < 0 ||
        (doc ? hf_cli_print_json(doc, err) : print_sum(all, err)) < 0)
        return -1;
    size_t worst = ENDINGS - 1;
    while (worst > DONE && all->ended[worst] == 0)
        worst--;
    return statuses[worst];
}

int hf_cli_backup_all(const struct hf_env *env, const struct hf_backup *req, bool as_json,
                      struct hf_err *err)
{
    struct all all = {.env = *env, .req = *req};
    if (req->store && !hf_config_find_store(env->config, req->store, err))
        return -1;
    HF_AUTOJSON struct json_object *doc = as_json ? json_object_new_object() : NULL;
    if (as_json) {
        all.runs = json_object_new_array();
        if (!doc || hf_json_add_string(doc, "policy", env->policy->label) < 0 ||
            hf_json_add(doc, "runs", all.runs) < 0)
            return hf_fail_nomem(err);
    }
    int status = run_all(&all, doc, err);
    free(all.vms);
    return status;
}
