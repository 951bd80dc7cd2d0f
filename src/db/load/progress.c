/* SPDX-License-Identifier: Apache-2.0
 *
 * What of a dump is loaded, in the schema holdfast_load of the target itself: it is true there whatever dies here.
 *
 *     state   one row: which dump, with which options, and whether the drop of --replace is behind us
 *     files   a row per data file, written in the transaction of its rows
 */
#include "base/point.h"
#include "db/dump/escape.h"
#include "db/load/state.h"

#include <string.h>

#define STATE "`" HF_LOAD_SCHEMA "`.`state`"
#define FILES "`" HF_LOAD_SCHEMA "`.`files`"
#define FORGET_AT_ONCE 500 /* a statement that any server takes */

struct found {
    struct hf_load *l;
    bool is_there, is_dropped, is_same;
    struct hf_strv files; /* name and rows, one behind the other */
};

/* What has to be the same for a resume to make sense. */
static char *identity(const struct hf_load *l)
{
    const struct hf_load_opts *o = l->opts;
    return hf_asprintf("%s only=%s as=%s", l->folder->id, o->only ? o->only : "",
                       o->as ? o->as : "");
}

static int take_state(void *ctx, unsigned n, char *const *v, struct hf_err *err)
{
    struct found *f = ctx;
    HF_AUTOFREE char *own = identity(f->l);
    if (!own)
        return hf_fail_nomem(err);
    f->is_there = true;
    f->is_same = n >= 2 && v[0] && strcmp(v[0], own) == 0;
    f->is_dropped = n >= 2 && v[1] && strcmp(v[1], "1") == 0;
    return 0;
}

static int take_file(void *ctx, unsigned n, char *const *v, struct hf_err *err)
{
    struct found *f = ctx;
    if (n < 2 || !v[0] || !v[1])
        return 0;
    return hf_strv_add(&f->files, v[0]) || hf_strv_add(&f->files, v[1]) ? hf_fail_nomem(err) : 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Marks the files of the folder that are in the list (sorted by the server, binary). */
static void mark(struct hf_load *l, const struct found *f)
{
    for (size_t i = 0; i < l->folder->n_schemas; i++) {
        struct hf_load_schema *s = l->folder->schemas[i];
        for (size_t j = 0; j < s->n_tables; j++) {
            struct hf_load_table *t = s->tables[j];
            for (size_t k = 0; k < t->n_files && f->files.n; k++) {
                char **hit = t->files[k].name ? bsearch(&t->files[k].name, f->files.items,
                                                        f->files.n / 2, 2 * sizeof(char *), compare)
                                              : NULL;
                t->files[k].is_done = hit != NULL;
                t->files[k].loaded = hit ? strtoll(hit[1], NULL, 10) : 0;
            }
        }
    }
}

static int read_progress(struct hf_load *l, struct found *f, struct hf_err *err)
{
    HF_AUTOFREE char *there = NULL;
    if (hf_db_value(l->main,
                    "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = '" HF_LOAD_SCHEMA
                    "' AND TABLE_NAME = 'state'",
                    &there, err))
        return -1;
    if (!there)
        return 0;
    return hf_db_query(l->main, "SELECT dump, dropped FROM " STATE, take_state, f, err) ||
                   hf_db_query(l->main, "SELECT name, `rows` FROM " FILES " ORDER BY name",
                               take_file, f, err)
               ? -1
               : 0;
}

int hf_load_progress_look(struct hf_load *l, bool *is_resumed, struct hf_err *err)
{
    struct found f = {.l = l};
    int rc = read_progress(l, &f, err);
    HF_AUTO(hf_strv) struct hf_strv files = f.files;
    (void)files;
    *is_resumed = false;
    if (rc)
        return hf_wrap(err, "what an earlier load left in the schema " HF_LOAD_SCHEMA);
    if (!f.is_there) {
        if (l->opts->resume)
            return hf_load_warn(l, err, "nothing to resume: the load begins anew");
        return 0;
    }
    if (l->opts->resume && !f.is_same) {
        hf_fail(err, HF_E_CONFLICT,
                "the load that was interrupted is of another dump, or had other --only or --as");
        return hf_hint(err,
                       "Resume with that dump and those options, or drop the schema " HF_LOAD_SCHEMA
                       " and what was loaded.");
    }
    if (!l->opts->resume && !l->opts->replace) {
        hf_fail(err, HF_E_CONFLICT, "a load into this server was interrupted");
        return hf_hint(err, "Go on with --resume, or begin anew with --replace.");
    }
    *is_resumed = l->opts->resume && f.is_dropped;
    if (*is_resumed)
        mark(l, &f);
    return 0;
}

int hf_load_progress_begin(struct hf_load *l, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf insert = HF_BUF_INIT;
    HF_AUTOFREE char *own = identity(l);
    hf_buf_str_add(&insert, "REPLACE INTO " STATE " VALUES (1, ");
    hf_sql_add_text(&insert, own ? own : "");
    hf_buf_str_add(&insert, ", 0)");
    if (!own || !hf_buf_ok(&insert))
        return hf_fail_nomem(err);
    HF_POINT("load.before_progress");
    if (hf_db_exec(l->main, "DROP DATABASE IF EXISTS `" HF_LOAD_SCHEMA "`", err) ||
        hf_db_exec(l->main, "CREATE DATABASE `" HF_LOAD_SCHEMA "` CHARACTER SET utf8mb4", err) ||
        hf_db_exec(l->main,
                   "CREATE TABLE " FILES
                   " (name VARBINARY(255) NOT NULL PRIMARY KEY, `rows` BIGINT "
                   "NOT NULL) ENGINE = InnoDB",
                   err) ||
        hf_db_exec(l->main,
                   "CREATE TABLE " STATE " (one INT NOT NULL PRIMARY KEY, dump TEXT NOT NULL, "
                   "dropped INT NOT NULL) ENGINE = InnoDB",
                   err) ||
        hf_db_exec(l->main, hf_buf_str(&insert), err))
        return hf_wrap(err, "making the schema " HF_LOAD_SCHEMA " that a resume needs");
    return 0;
}

int hf_load_progress_dropped(struct hf_load *l, struct hf_err *err)
{
    return hf_db_exec(l->main, "UPDATE " STATE " SET dropped = 1", err);
}

int hf_load_progress_file(struct hf_db_conn *c, const struct hf_load_file *file, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf sql = HF_BUF_INIT;
    hf_buf_str_add(&sql, "INSERT INTO " FILES " VALUES (");
    hf_sql_add_text(&sql, file->name);
    hf_buf_printf(&sql, ", %lld)", (long long)file->loaded);
    return hf_buf_ok(&sql) ? hf_db_exec(c, hf_buf_str(&sql), err) : hf_fail_nomem(err);
}

/* Those from file *i on, at most FORGET_AT_ONCE; *i is behind them then. */
static int forget_some(struct hf_db_conn *c, const struct hf_load_table *t, size_t *i,
                       struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf sql = HF_BUF_INIT;
    size_t n = 0;
    hf_buf_str_add(&sql, "DELETE FROM " FILES " WHERE name IN (");
    for (; *i < t->n_files && n < FORGET_AT_ONCE; (*i)++) {
        if (!t->files[*i].name)
            continue;
        hf_buf_str_add(&sql, n++ ? ", " : "");
        hf_sql_add_text(&sql, t->files[*i].name);
    }
    hf_buf_str_add(&sql, ")");
    if (!hf_buf_ok(&sql))
        return hf_fail_nomem(err);
    return n ? hf_db_exec(c, hf_buf_str(&sql), err) : 0;
}

int hf_load_progress_forget(struct hf_db_conn *c, const struct hf_load_table *t, struct hf_err *err)
{
    for (size_t i = 0; i < t->n_files;)
        if (forget_some(c, t, &i, err))
            return -1;
    return 0;
}

int hf_load_progress_has(struct hf_db_conn *c, const struct hf_load_file *file, bool *out,
                         struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf sql = HF_BUF_INIT;
    HF_AUTOFREE char *hit = NULL;
    hf_buf_str_add(&sql, "SELECT 1 FROM " FILES " WHERE name = ");
    hf_sql_add_text(&sql, file->name);
    if (!hf_buf_ok(&sql))
        return hf_fail_nomem(err);
    if (hf_db_value(c, hf_buf_str(&sql), &hit, err))
        return -1;
    *out = hit != NULL;
    return 0;
}

int hf_load_progress_end(struct hf_load *l, struct hf_err *err)
{
    HF_POINT("load.before_end");
    return hf_db_exec(l->main, "DROP DATABASE IF EXISTS `" HF_LOAD_SCHEMA "`", err);
}
