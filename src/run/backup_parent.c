/* SPDX-License-Identifier: Apache-2.0
 *
 * The point that a backup is incremental to. The hypervisor tells its checkpoints, and each is called after the run whose point it
 * belongs to: so what was kept of it here does not matter. The first, from the newest on, whose point every store of the run has
 * counts. A store that lacks it would have to be compared, which means reading all, and then the others are compared just as well.
 */
#include "base/buf.h"
#include "base/id.h"
#include "run/backup_intern.h"

#include <stdlib.h>
#include <string.h>

#define ASK_MS 30000
#define LOOK_AT 4    /* checkpoints; there is one, or one that a dead run left beside it */
#define PREFIX "hf-" /* creation.h: name */

void backup_parent_free(struct backup *b)
{
    free(b->parent.checkpoint);
    free(b->parent.why);
}

/* The first reason counts: it is that of the newest. */
static int because(struct backup *b, bool is_lost, char *why, struct hf_err *err)
{
    if (!why)
        return hf_fail_nomem(err);
    if (b->parent.why) {
        free(why);
        return 0;
    }
    b->parent.why = why;
    b->parent.is_lost = is_lost;
    return 0;
}

/* ---- one checkpoint ---------------------------------------------------------------------- */

/* Its manifest on one store. */
static int look_on(struct backup *b, struct backup_store *s, const struct hf_point_name *point,
                   const char *checkpoint, struct hf_err *err)
{
    hf_manifest_free(&s->parent);
    if (hf_point_read(s->at.site, point, &s->parent, err) < 0)
        return err->cls == HF_E_NOT_FOUND
                   ? hf_fail(err, HF_E_NOT_FOUND,
                             "point %s, of which the hypervisor knows the changes, "
                             "is not there",
                             point->id)
                   : -1;
    if (!s->parent.checkpoint || strcmp(s->parent.checkpoint, checkpoint) != 0 ||
        !s->parent.vm_id || strcmp(s->parent.vm_id, b->run->found.id) != 0)
        return hf_fail(err, HF_E_CONFLICT, "point %s is of another machine", point->id);
    return 0;
}

/* The point that it is called after; false: it is called otherwise. */
static bool point_of(const struct backup *b, const char *checkpoint, struct hf_point_name *out)
{
    struct hf_err ignored = HF_ERR_INIT;
    if (strncmp(checkpoint, PREFIX, strlen(PREFIX)) != 0)
        return false;
    const char *id = checkpoint + strlen(PREFIX);
    return hf_id_is_valid(id) && hf_point_name_set(out, b->run->vm->label, id, &ignored) == 0;
}

/* 1: every store of the run has its point. 0: not, and why is kept. */
static int look_at(struct backup *b, const char *checkpoint, struct hf_err *err)
{
    if (!point_of(b, checkpoint, &b->parent.point))
        return 0;
    for (size_t i = 0; i < b->n_stores; i++) {
        struct hf_err why = HF_ERR_INIT;
        struct backup_store *s = &b->stores[i];
        if (!backup_store_is_in(s) || look_on(b, s, &b->parent.point, checkpoint, &why) == 0)
            continue;
        if (why.cls == HF_E_CANCELLED) {
            hf_err_copy(err, &why);
            return -1;
        }
        hf_log_err(b->run->env->log, HF_LOG_DETAIL, "backup", &why);
        return because(b, true, hf_asprintf("store %s: %s", s->config->label, why.message), err);
    }
    b->parent.checkpoint = strdup(checkpoint);
    return b->parent.checkpoint ? 1 : hf_fail_nomem(err);
}

/* ---- without one ------------------------------------------------------------------------- */

struct newest {
    bool is_known;
    char *checkpoint; /* NULL: it left none */
};

static int keep_newest(void *ctx, const struct hf_catalog_point *p, struct hf_err *err)
{
    struct newest *n = ctx;
    if (n->is_known)
        return 0;
    n->is_known = true;
    n->checkpoint = p->checkpoint ? strdup(p->checkpoint) : NULL;
    return n->checkpoint || !p->checkpoint ? 0 : hf_fail_nomem(err);
}

/* Was there one? The catalog remembers what the hypervisor does not. */
static int note_none(struct backup *b, struct hf_err *err)
{
    struct newest last = {0};
    int rc = hf_catalog_points(b->run->catalog, b->run->vm->label, 0, keep_newest, &last, err);
    HF_AUTOFREE char *name = last.checkpoint;
    if (rc < 0)
        return -1;
    if (!name)
        return because(b, false, strdup("the point before left no checkpoint"), err);
    return because(
        b, true,
        hf_asprintf("the hypervisor has lost checkpoint %s of the point before: the VM was "
                    "redefined, restored or rolled back",
                    name),
        err);
}

static int choose(struct backup *b, const struct hf_strv *checkpoints, struct hf_err *err)
{
    for (size_t i = 0; i < checkpoints->n && i < LOOK_AT; i++) {
        int rc = look_at(b, checkpoints->items[i], err);
        if (rc != 0)
            return rc < 0 ? -1 : 0;
    }
    return b->parent.why ? 0 : note_none(b, err);
}

int backup_choose_parent(struct backup *b, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv checkpoints = HF_STRV_INIT;
    struct hf_hv_call call = hf_env_call(b->run->env, b->run->id, ASK_MS);
    if (b->run->vm->checkpoint == HF_CHECKPOINT_NEVER)
        return because(b, false, strdup("checkpoint = never"), err);
    if (hf_hv_checkpoint_list(b->run->hv, &call, b->run->found.id, &checkpoints, &why) < 0) {
        if (why.cls == HF_E_UNSUPPORTED)
            return because(b, false, strdup("the hypervisor does not know what changed"), err);
        hf_err_copy(err, &why);
        return hf_wrap(err, "the list of checkpoints");
    }
    if (choose(b, &checkpoints, err) < 0)
        return -1;
    b->creation->parent = b->parent.checkpoint;
    return 0;
}
