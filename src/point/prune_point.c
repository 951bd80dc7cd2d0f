/* SPDX-License-Identifier: Apache-2.0
 *
 * One point removed, by this prune or in place of one that died; and what backups left that never got a manifest.
 */
#include "base/many.h"
#include "base/point.h"
#include "point/prune_intern.h"

#include <stdlib.h>
#include <string.h>

#define ENTRY "point"
#define BATCH 1000        /* names of a folder that are in memory at once */
#define ENTRIES_MAX 4096u /* of a journal, which has a limit too */

/* ---- its folder ------------------------------------------------------------------------- */

struct batch {
    struct hf_prune *prune;
    struct hf_strv names;
};

static int take_name(void *batch, const struct hf_store_object *o, struct hf_err *err)
{
    struct batch *b = batch;
    if (hf_strv_add(&b->names, o->name) < 0)
        return hf_fail_nomem(err);
    return b->names.n == BATCH;
}

static int remove_nth(void *batch, size_t i, struct hf_err *err)
{
    const struct batch *b = batch;
    HF_POINT("prune.before_object");
    return hf_store_remove(b->prune->site->store, b->names.items[i], err);
}

/* 1: there may be more. */
static int clear_some(struct hf_prune *p, const char *prefix, struct hf_err *err)
{
    const struct hf_store_list what = {.prefix = prefix};
    struct batch b = {.prune = p};
    int rc = hf_store_list(p->site->store, &what, take_name, &b, err);
    if (rc >= 0 && hf_many(b.names.n, HF_PRUNE_THREADS, remove_nth, &b, err) < 0)
        rc = -1;
    hf_strv_free(&b.names);
    return rc;
}

int hf_prune_clear(struct hf_prune *p, const struct hf_point_name *n, struct hf_err *err)
{
    char prefix[HF_POINT_NAME_MAX];
    int rc = hf_point_prefix(n, prefix, err);
    do
        rc = rc < 0 ? -1 : clear_some(p, prefix, err);
    while (rc > 0);
    return rc;
}

/* ---- a point ---------------------------------------------------------------------------- */

static int remove_manifest(struct hf_prune *p, const struct hf_point_name *n, struct hf_err *err)
{
    if (HF_POINT_ERR("prune.before_manifest", err) < 0 || hf_point_withdraw(p->site, n, err) < 0)
        return -1;
    HF_POINT("prune.after_manifest");
    return 0;
}

/* From when its manifest is gone. */
static int finish(struct hf_prune *p, struct hf_journal *j, uint64_t seq,
                  const struct hf_point_name *n, struct hf_err *err)
{
    if (hf_prune_clear(p, n, err) < 0 || HF_POINT_ERR("prune.before_forget", err) < 0 ||
        p->opts.forget(p->opts.ctx, n, err) < 0)
        return -1;
    HF_POINT("prune.after_forget");
    return hf_journal_undone(j, seq, err);
}

/* A new one when the last is full: nothing of it is open then. */
static int open_journal(struct hf_prune *p, struct hf_err *err)
{
    char id[HF_ID_MAX];
    if (p->journal && hf_journal_count(p->journal) < ENTRIES_MAX)
        return 0;
    if (p->journal &&
        (hf_journal_end(p->journal, "done", err) < 0 || hf_journal_finish(p->journal, err) < 0))
        return -1;
    hf_journal_close(HF_STEAL(p->journal));
    if (hf_id_new(p->site->clock, id, err) < 0)
        return -1;
    p->journal = hf_journal_create(p->site->dir, id, NULL, p->site->clock, err);
    return p->journal ? 0 : -1;
}

static int note(struct hf_prune *p, const struct hf_point_name *n, uint64_t *seq,
                struct hf_err *err)
{
    HF_AUTOJSON struct json_object *data = json_object_new_object();
    if (!data || hf_json_add_string(data, "vm", n->vm) < 0 ||
        hf_json_add_string(data, "point", n->id) < 0)
        return hf_fail_nomem(err);
    return open_journal(p, err) < 0 ? -1 : hf_journal_intent(p->journal, ENTRY, data, seq, err);
}

int hf_prune_delete(struct hf_prune *p, const struct hf_prune_point *point, struct hf_err *err)
{
    uint64_t seq = 0;
    const struct hf_point_name *n = &point->name;
    if (hf_points_add(&p->deleted, n, err) < 0)
        return -1;
    if (p->opts.is_dry)
        return 0;
    if (note(p, n, &seq, err) == 0 && remove_manifest(p, n, err) == 0 &&
        finish(p, p->journal, seq, n, err) == 0)
        return 0;
    p->deleted.n--; /* perhaps its manifest is still there: what it needs counts */
    return hf_wrap(err, "point %s/%s", n->vm, n->id);
}

/* ---- a dead prune ----------------------------------------------------------------------- */

/* With its manifest it was not begun, and is judged anew: somebody may have killed that prune because it was wrong. */
static int finish_entry(struct hf_prune *p, struct hf_journal *j, const struct hf_journal_entry *e,
                        struct hf_err *err)
{
    const char *vm = NULL, *id = NULL;
    char name[HF_POINT_NAME_MAX];
    struct hf_err why = HF_ERR_INIT;
    struct hf_store_object o;
    struct hf_point_name n;
    if (hf_json_get_string(e->data, "vm", &vm, err) < 0 ||
        hf_json_get_string(e->data, "point", &id, err) < 0 ||
        hf_point_name_set(&n, vm, id, err) < 0 ||
        hf_point_manifest_name(&n, p->site->is_encrypted, name, err) < 0)
        return -1;
    if (hf_store_head(p->site->store, name, &o, &why) == 0)
        return hf_journal_undone(j, e->seq, err);
    if (why.cls == HF_E_NOT_FOUND)
        return finish(p, j, e->seq, &n, err);
    hf_err_copy(err, &why);
    return -1;
}

static int finish_journal(struct hf_prune *p, const char *id, struct hf_err *err)
{
    HF_AUTO(hf_journal)
    struct hf_journal *j = hf_journal_open(p->site->dir, id, p->site->clock, err);
    if (!j)
        return -1;
    for (size_t i = 0; i < hf_journal_count(j); i++) {
        const struct hf_journal_entry *e = hf_journal_at(j, i);
        if (!e->is_undone && strcmp(e->kind, ENTRY) == 0 && finish_entry(p, j, e, err) < 0)
            return -1;
    }
    if (!hf_journal_is_ended(j) && hf_journal_end(j, "done", err) < 0)
        return -1;
    return hf_journal_finish(j, err);
}

int hf_prune_finish_dead(struct hf_prune *p, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv ids = HF_STRV_INIT;
    if (hf_journal_list(p->site->dir, &ids, err) < 0)
        return -1;
    for (size_t i = 0; i < ids.n; i++)
        if (finish_journal(p, ids.items[i], err) < 0)
            return hf_wrap(err, "what a dead prune (%s) began", ids.items[i]);
    return 0;
}
