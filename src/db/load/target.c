/* SPDX-License-Identifier: Apache-2.0
 *
 * What is on the target before the load, and making room for it.
 */
#include "base/point.h"
#include "db/dump/escape.h"
#include "db/load/state.h"

#include <string.h>

#define DROP_AT_ONCE 100

struct looking {
    struct hf_load *l;
    struct hf_load_schema *schema;
    struct hf_strv tables, views, sequences; /* `schema`.`name` of those that are in the way */
    struct hf_strv keys;                     /* foreign keys from outside, in words */
    struct hf_strv dangling;                 /* the same, of tables that are not there yet */
};

static void looking_free(struct looking *x)
{
    hf_strv_free(&x->tables);
    hf_strv_free(&x->views);
    hf_strv_free(&x->sequences);
    hf_strv_free(&x->keys);
    hf_strv_free(&x->dangling);
}
HF_DEFINE_AUTO_VALUE(looking, looking_free)

static struct hf_load_table *find(const struct hf_load_schema *s, const char *name)
{
    struct hf_load_table *t = hf_load_schema_find(s, name);
    return t && t->is_selected ? t : NULL;
}

static struct hf_load_schema *find_target(const struct hf_load_folder *f, const char *name)
{
    for (size_t i = 0; i < f->n_schemas; i++)
        if (strcmp(f->schemas[i]->target, name) == 0)
            return f->schemas[i];
    return NULL;
}

/* TABLE_NAME, TABLE_TYPE */
static int take_table(void *ctx, unsigned n, char *const *v, struct hf_err *err)
{
    struct looking *x = ctx;
    struct hf_load_table *t = n >= 2 && v[0] && v[1] ? find(x->schema, v[0]) : NULL;
    if (!t)
        return 0;
    t->is_there = true;
    struct hf_strv *list = strcmp(v[1], "VIEW") == 0       ? &x->views
                           : strcmp(v[1], "SEQUENCE") == 0 ? &x->sequences
                                                           : &x->tables;
    return hf_strv_take(list, hf_load_full_name(t)) ? hf_fail_nomem(err) : 0;
}

/* CONSTRAINT_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, REFERENCED_TABLE_NAME */
static int take_key(void *ctx, unsigned n, char *const *v, struct hf_err *err)
{
    struct looking *x = ctx;
    struct hf_load_table *to =
        n >= 4 && v[0] && v[1] && v[2] && v[3] ? find(x->schema, v[3]) : NULL;
    if (!to)
        return 0;
    const struct hf_load_schema *from = find_target(x->l->folder, v[0]);
    if (from && find(from, v[1]))
        return 0;
    struct hf_strv *list = to->is_there ? &x->keys : &x->dangling;
    return hf_strv_take(
               list, hf_asprintf("%s of %s.%s to %s.%s", v[2], v[0], v[1], x->schema->target, v[3]))
               ? hf_fail_nomem(err)
               : 0;
}

static int look_at_schema(struct looking *x, struct hf_load_schema *s, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf name = HF_BUF_INIT;
    x->schema = s;
    for (size_t i = 0; i < s->n_tables; i++)
        s->tables[i]->is_there = false;
    hf_sql_add_text(&name, s->target);
    if (!hf_buf_ok(&name))
        return hf_fail_nomem(err);
    return hf_load_query(x->l->main,
                         hf_asprintf("SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES "
                                     "WHERE TABLE_SCHEMA = %s",
                                     hf_buf_str(&name)),
                         take_table, x, err) ||
                   hf_load_query(
                       x->l->main,
                       hf_asprintf("SELECT CONSTRAINT_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, "
                                   "REFERENCED_TABLE_NAME FROM "
                                   "information_schema.REFERENTIAL_CONSTRAINTS WHERE "
                                   "UNIQUE_CONSTRAINT_SCHEMA = %s",
                                   hf_buf_str(&name)),
                       take_key, x, err)
               ? -1
               : 0;
}

static int look(struct hf_load *l, struct looking *x, struct hf_err *err)
{
    x->l = l;
    for (size_t i = 0; i < l->folder->n_schemas; i++)
        if (look_at_schema(x, l->folder->schemas[i], err))
            return -1;
    return 0;
}

/* "a, b, c", cut where an error's text ends; all of them go to the log. */
static char *join(struct hf_load *l, const struct hf_strv *list, const char *what)
{
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    for (size_t i = 0; i < list->n; i++) {
        hf_buf_printf(&b, "%s%s", i ? ", " : "", list->items[i]);
        hf_log(l->opts->log, HF_LOG_WARN, "load", "%s: %s", what, list->items[i]);
    }
    return hf_buf_steal(&b);
}

/* A load that was killed behind its last act, which leaves nothing to go on from: all is in, but that cannot be told from a server
 * that had it before. */
static int refuse_resume(size_t n, const char *names, struct hf_err *err)
{
    hf_fail(err, HF_E_CONFLICT,
            "no load is interrupted here: the one to be resumed had ended, or had not begun; "
            "%zu of what is to be loaded is there already: %s",
            n, names);
    return hf_hint(err,
                   "Nothing was changed. A load drops the schema " HF_LOAD_SCHEMA
                   " last of all, when everything is in and compared: one that was killed then "
                   "is whole. --replace loads all of it again.");
}

static int refuse_existing(struct hf_load *l, struct looking *x, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv all = HF_STRV_INIT;
    const struct hf_strv *lists[] = {&x->tables, &x->views, &x->sequences};
    if (hf_load_find_programs(l, &all, err))
        return -1;
    for (size_t k = 0; k < HF_ARRAY_SIZE(lists); k++)
        if (hf_strv_add_all(&all, lists[k]) < 0)
            return hf_fail_nomem(err);
    if (all.n == 0)
        return 0;
    HF_AUTOFREE char *names = join(l, &all, "there already");
    if (l->opts->resume)
        return refuse_resume(all.n, names ? names : "", err);
    hf_fail(err, HF_E_CONFLICT, "%zu of what is to be loaded is there already: %s", all.n,
            names ? names : "");
    return hf_hint(
        err, "Nothing was changed. --replace drops them first, --as OLD=NEW loads beside them, "
             "--only leaves them out.");
}

static int refuse_keys(struct hf_load *l, struct looking *x, struct hf_err *err)
{
    HF_AUTOFREE char *names = join(l, &x->keys, "foreign key from outside");
    hf_fail(err, HF_E_CONFLICT,
            "foreign keys of tables that are not loaded point to tables that would be "
            "dropped: %s",
            names ? names : "");
    return hf_hint(
        err, "Nothing was changed. Load those tables too, or drop these keys first and add them "
             "again afterwards.");
}

int hf_load_check_target(struct hf_load *l, struct hf_err *err)
{
    HF_AUTO(looking) struct looking x = {.l = l};
    if (look(l, &x, err))
        return -1;
    for (size_t i = 0; i < x.dangling.n; i++)
        if (hf_load_warn(l, err, "foreign key %s waits on the target for this table",
                         x.dangling.items[i]))
            return -1;
    if (!l->opts->replace)
        return refuse_existing(l, &x, err);
    return x.keys.n ? refuse_keys(l, &x, err) : 0;
}

/* DROP WHAT a, b, … by the hundred. */
static int drop_all(struct hf_load *l, const char *what, const struct hf_strv *list,
                    struct hf_err *err)
{
    for (size_t i = 0; i < list->n;) {
        HF_AUTO(hf_buf) struct hf_buf sql = HF_BUF_INIT;
        hf_buf_printf(&sql, "DROP %s IF EXISTS ", what);
        for (size_t k = 0; k < DROP_AT_ONCE && i < list->n; k++, i++)
            hf_buf_printf(&sql, "%s%s", k ? ", " : "", list->items[i]);
        HF_POINT("load.before_drop");
        if (!hf_buf_ok(&sql))
            return hf_fail_nomem(err);
        if (hf_cancel_check(l->opts->cancel, err) || hf_db_exec(l->main, hf_buf_str(&sql), err))
            return -1;
    }
    return 0;
}

/* Foreign keys are not looked at by this session, so the order among tables does not matter; and all go before the first one comes:
 * no old child is left that a new parent does not fit (errno 150). */
int hf_load_drop(struct hf_load *l, struct hf_err *err)
{
    HF_AUTO(looking) struct looking x = {.l = l};
    if (look(l, &x, err))
        return -1;
    return drop_all(l, "VIEW", &x.views, err) || drop_all(l, "TABLE", &x.tables, err) ||
                   drop_all(l, "SEQUENCE", &x.sequences, err)
               ? -1
               : 0;
}
