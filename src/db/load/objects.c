/* SPDX-License-Identifier: Apache-2.0
 *
 * Behind the rows, one after the other: accounts, routines, grants, views, triggers, events. Grants name routines, tables and views (of
 * which stand-ins are there), views need routines and the rights of their definers, and an event may run as soon as it is there.
 */
#include "base/point.h"
#include "db/dberr.h"
#include "db/load/state.h"

#include <string.h>

#define ROUTINES (HF_SQL_CREATE_ROUTINE | HF_SQL_DROP)

static int post(struct hf_load *l, bool events, struct hf_err *err)
{
    for (size_t i = 0; i < l->folder->n_schemas; i++) {
        const struct hf_load_schema *s = l->folder->schemas[i];
        const unsigned run = HF_SQL_CREATE_ROUTINE, other = HF_SQL_CREATE_EVENT;
        struct hf_load_script script = {.file = &s->post,
                                        .schema = s->target,
                                        .run = events ? other : run,
                                        .skip = HF_SQL_DROP | (events ? run : other),
                                        .has_own_modes = !l->folder->is_holdfast};
        if (s->is_selected && hf_load_script(l, l->main, &script, err))
            return hf_wrap(err, "%s of schema %s", events ? "events" : "routines", s->target);
    }
    return 0;
}

static int trigger_file(struct hf_load *l, const struct hf_load_schema *s,
                        const struct hf_load_file *file, struct hf_err *err)
{
    struct hf_load_script script = {.file = file,
                                    .schema = s->target,
                                    .run = HF_SQL_CREATE_TRIGGER,
                                    .skip = HF_SQL_DROP,
                                    .has_own_modes = !l->folder->is_holdfast};
    return hf_load_script(l, l->main, &script, err) ? hf_wrap(err, "triggers of %s", s->target) : 0;
}

static int triggers(struct hf_load *l, struct hf_err *err)
{
    for (size_t i = 0; i < l->folder->n_schemas; i++) {
        const struct hf_load_schema *s = l->folder->schemas[i];
        if (s->is_selected && trigger_file(l, s, &s->triggers, err))
            return -1;
        for (size_t j = 0; j < s->n_tables; j++)
            if (s->tables[j]->is_selected && trigger_file(l, s, &s->tables[j]->triggers, err))
                return -1;
    }
    return 0;
}

/* ---- views -------------------------------------------------------------------------------------- */

static int one_view(struct hf_load *l, const struct hf_load_table *t, struct hf_err *err)
{
    struct hf_load_script script = {.file = &t->view,
                                    .schema = t->schema->target,
                                    .name = t->name,
                                    .run = HF_SQL_DROP | HF_SQL_CREATE_VIEW};
    return hf_load_script(l, l->main, &script, err)
               ? hf_wrap(err, "view %s.%s", t->schema->target, t->name)
               : 0;
}

/* A table, column, routine or view that may still come: its stand-in has columns of other types. */
static bool may_come(unsigned code)
{
    return code == 1146 || code == 1054 || code == 1305 || code == 1356 || code == 1347 ||
           code == 1267;
}

/* All that can be made now; *left: how many could not, err says why the last of them. */
static int pass(struct hf_load *l, bool *is_made, size_t *made, size_t *left, struct hf_err *err)
{
    size_t n = 0;
    *made = *left = 0;
    for (size_t i = 0; i < l->folder->n_schemas; i++) {
        const struct hf_load_schema *s = l->folder->schemas[i];
        for (size_t j = 0; j < s->n_tables; j++) {
            const struct hf_load_table *t = s->tables[j];
            if (t->kind != HF_LOAD_VIEW || !t->is_selected)
                continue;
            size_t k = n++;
            struct hf_err own = HF_ERR_INIT;
            if (is_made[k])
                continue;
            is_made[k] = one_view(l, t, &own) == 0;
            *made += is_made[k];
            *left += !is_made[k];
            if (is_made[k])
                continue;
            hf_err_copy(err, &own);
            if (!may_come(hf_db_errno(l->main)))
                return -1;
        }
    }
    return 0;
}

/* Every view was a table with its columns until now, so any order works as far as names go; what needs more is tried again when
 * others are there. */
static int views(struct hf_load *l, struct hf_err *err)
{
    size_t n = 1, made = 0, left = 0;
    for (size_t i = 0; i < l->folder->n_schemas; i++)
        n += l->folder->schemas[i]->n_tables;
    HF_AUTOFREE bool *is_made = calloc(n, sizeof *is_made);
    if (!is_made)
        return hf_fail_nomem(err);
    do {
        if (pass(l, is_made, &made, &left, err))
            return -1;
        l->result->views += made;
    } while (left > 0 && made > 0);
    if (left > 0)
        return -1;
    hf_err_clear(err);
    return 0;
}

/* ---- accounts ------------------------------------------------------------------------------------ */

static int accounts(struct hf_load *l, bool grants, struct hf_err *err)
{
    const unsigned first = HF_SQL_ACCOUNT, second = HF_SQL_GRANT;
    struct hf_load_script script = {.file = &l->folder->users,
                                    .run = grants ? second : first,
                                    .skip = HF_SQL_DROP | (grants ? first : second)};
    if (!l->opts->users)
        return 0;
    return hf_load_script(l, l->main, &script, err) ? hf_wrap(err, grants ? "grants" : "accounts")
                                                    : 0;
}

int hf_load_objects(struct hf_load *l, struct hf_err *err)
{
    if (l->opts->users && !l->folder->users.name &&
        hf_load_warn(l, err, "the dump holds no accounts"))
        return -1;
    HF_POINT("load.before_objects");
    return accounts(l, false, err) || post(l, false, err) || accounts(l, true, err) ||
                   views(l, err) || triggers(l, err) || post(l, true, err)
               ? -1
               : 0;
}
