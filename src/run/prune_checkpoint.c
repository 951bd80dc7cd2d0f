/* SPDX-License-Identifier: Apache-2.0 */
#include "base/point.h"
#include "run/prune_intern.h"
#include "run/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DROP_MS 60000

/* Newest first: the hypervisor has that of the newest point that left one, and none of those before it. */
static int take_newest(void *ctx, const struct hf_catalog_point *point, struct hf_err *err)
{
    struct prune_checkpoint *c = ctx;
    (void)err;
    if (!c->point[0] && point->checkpoint)
        snprintf(c->point, sizeof c->point, "%s", point->id);
    return 0;
}

int prune_checkpoint_of(struct pruning *p, const struct hf_config_vm *vm,
                        struct prune_checkpoint *out, struct hf_err *err)
{
    *out = (struct prune_checkpoint){.vm = vm};
    return hf_catalog_points(p->catalog, vm->label, 0, take_newest, out, err);
}

struct looking {
    const char *id;
    bool is_there;
};

static int look(void *ctx, const struct hf_catalog_point *point, struct hf_err *err)
{
    struct looking *l = ctx;
    (void)err;
    l->is_there = l->is_there || strcmp(point->id, l->id) == 0;
    return 0;
}

static int take_name(void *ctx, const struct hf_catalog_point *point, struct hf_err *err)
{
    char **name = ctx;
    if (*name || !point->checkpoint)
        return 0;
    *name = strdup(point->checkpoint);
    return *name ? 0 : hf_fail_nomem(err);
}

/* A backup may have come and gone since the points were judged: what the newest point has left stays. */
static int drop(struct hf_run *run, struct hf_err *err)
{
    HF_AUTOFREE char *keep = NULL;
    HF_AUTO(hf_strv) struct hf_strv dropped = HF_STRV_INIT;
    struct hf_hv_call call = hf_env_call(run->env, run->id, DROP_MS);
    if (hf_catalog_points(run->catalog, run->vm->label, 0, take_name, &keep, err) < 0)
        return -1;
    HF_POINT("prune.before_checkpoint");
    if (hf_hv_checkpoint_drop(run->hv, &call, run->found.id, keep, &dropped, err) < 0)
        return -1;
    for (size_t i = 0; i < dropped.n; i++)
        hf_log(run->env->log, HF_LOG_INFO, "prune", "checkpoint %s of %s is deleted",
               dropped.items[i], run->vm->label);
    return 0;
}

/* In a run, for a backup that is under way has a checkpoint which no point tells of yet. */
static int drop_in_run(struct pruning *p, const char *vm, struct hf_err *err)
{
    HF_AUTO(hf_run) struct hf_run run = {0};
    HF_AUTOJSON struct json_object *doc = json_object_new_object();
    if (!doc)
        return hf_fail_nomem(err);
    if (hf_run_begin_unguarded(&run, p->env, "prune", vm, err) < 0)
        return -1;
    if (drop(&run, err) < 0)
        return hf_run_fail(&run, err);
    hf_run_end(&run, "done", doc, "The checkpoint is deleted");
    return 0;
}

int prune_checkpoint_drop(struct pruning *p, const struct prune_checkpoint *c, struct hf_err *err)
{
    struct looking l = {.id = c->point};
    struct hf_err why = HF_ERR_INIT;
    if (!c->point[0] || p->req->is_dry)
        return 0;
    if (hf_catalog_points(p->catalog, c->vm->label, 0, look, &l, err) < 0)
        return -1;
    if (!l.is_there && drop_in_run(p, c->vm->label, &why) < 0) {
        hf_wrap(&why, "the checkpoint of a point that is no more stays until the next backup");
        hf_log_err(p->env->log, HF_LOG_WARN, "prune", &why);
    }
    return 0;
}
