/* SPDX-License-Identifier: Apache-2.0 */
#include "db/load/load.h"

#include "base/point.h"
#include "db/load/state.h"

#include <string.h>

void hf_load_result_free(struct hf_load_result *r)
{
    hf_strv_free(&r->differences);
    hf_strv_free(&r->warnings);
}

static void close_all(struct hf_load *l)
{
    for (unsigned i = 0; i < HF_LOAD_THREADS_MAX; i++)
        hf_db_close(l->sessions[i]);
    hf_db_close(l->main);
    hf_load_folder_close(l->folder);
    hf_sql_rename_free(&l->rename);
    pthread_mutex_destroy(&l->lock);
}
HF_DEFINE_AUTO_VALUE(hf_load, close_all)

/* ---- before anything is changed ------------------------------------------------------------------ */

/* Two schemas that become one would overwrite each other. */
static int name_targets(struct hf_load *l, struct hf_err *err)
{
    struct hf_load_folder *f = l->folder;
    for (size_t i = 0; i < f->n_schemas; i++) {
        f->schemas[i]->target = strdup(hf_sql_rename_schema(&l->rename, f->schemas[i]->name));
        if (!f->schemas[i]->target)
            return hf_fail_nomem(err);
        if (strcmp(f->schemas[i]->target, HF_LOAD_SCHEMA) == 0)
            return hf_fail(err, HF_E_CONFIG, "the schema %s is the load's own", HF_LOAD_SCHEMA);
        for (size_t j = 0; j < i; j++)
            if (strcmp(f->schemas[j]->target, f->schemas[i]->target) == 0)
                return hf_fail(err, HF_E_CONFIG, "two schemas would be called %s on the target",
                               f->schemas[i]->target);
    }
    return 0;
}

static int read_folder(struct hf_load *l, struct hf_err *err)
{
    const struct hf_load_opts *o = l->opts;
    if ((o->as && hf_sql_rename_schemas(&l->rename, o->as, err)) ||
        (o->definer && hf_sql_rename_definers(&l->rename, o->definer, err)))
        return -1;
    l->folder = o->files ? hf_load_folder_read(o->files, o->force_incomplete, err)
                         : hf_load_folder_open(o->dir, o->force_incomplete, err);
    if (!l->folder || (o->only && hf_load_folder_select(l->folder, o->only, err)) ||
        name_targets(l, err))
        return -1;
    l->result->is_holdfast = l->folder->is_holdfast;
    for (size_t i = 0; i < l->folder->warnings.n; i++)
        if (hf_load_warn(l, err, "%s", l->folder->warnings.items[i]))
            return -1;
    return 0;
}

/* Each part that --force-incomplete let pass is a difference: what is missing is never "all right". */
static int note_lack(struct hf_load *l, const struct hf_load_file *file, const char *what,
                     const char *of, struct hf_err *err)
{
    if (!file->lack)
        return 0;
    return hf_load_differ(l, err, "%s: file of its %s: %s", of, what, file->lack);
}

static int note_table(struct hf_load *l, const struct hf_load_table *t, struct hf_err *err)
{
    HF_AUTOFREE char *name = hf_asprintf("%s.%s", t->schema->target, t->name);
    if (!name)
        return hf_fail_nomem(err);
    if (!t->create.name && !t->create.lack &&
        hf_load_differ(l, err, "%s: there is no file of its definition", name))
        return -1;
    for (size_t i = 0; i < t->n_files; i++)
        if (note_lack(l, &t->files[i], "rows", name, err))
            return -1;
    return note_lack(l, &t->create, "definition", name, err) ||
                   note_lack(l, &t->view, "view", name, err) ||
                   note_lack(l, &t->triggers, "triggers", name, err)
               ? -1
               : 0;
}

static int note_missing(struct hf_load *l, struct hf_err *err)
{
    for (size_t i = 0; i < l->folder->n_schemas; i++) {
        const struct hf_load_schema *s = l->folder->schemas[i];
        if (s->is_selected && (note_lack(l, &s->create, "defaults", s->target, err) ||
                               note_lack(l, &s->post, "routines and events", s->target, err) ||
                               note_lack(l, &s->triggers, "triggers", s->target, err)))
            return -1;
        for (size_t j = 0; j < s->n_tables; j++)
            if (s->tables[j]->is_selected && note_table(l, s->tables[j], err))
                return -1;
    }
    return l->opts->users ? note_lack(l, &l->folder->users, "accounts", "the server", err) : 0;
}

static int open_target(struct hf_load *l, struct hf_err *err)
{
    l->target = *l->opts->target;
    l->target.local_infile = true;
    if (!l->target.io_timeout_s)
        l->target.io_timeout_s = 24 * 3600; /* an ALTER of a large table sends nothing for long */
    l->main = hf_load_session(l, err);
    if (!l->main)
        return -1;
    l->server = hf_db_server(l->main);
    return hf_load_facts(l, err);
}

static void count_tables(struct hf_load *l)
{
    for (size_t i = 0; i < l->folder->n_schemas; i++) {
        const struct hf_load_schema *s = l->folder->schemas[i];
        for (size_t j = 0; j < s->n_tables; j++)
            l->result->tables += s->tables[j]->is_selected && s->tables[j]->kind == HF_LOAD_TABLE;
    }
}

/* ---- the load ------------------------------------------------------------------------------------- */

static int make_room(struct hf_load *l, struct hf_err *err)
{
    if (hf_load_progress_look(l, &l->result->was_resumed, err))
        return -1;
    if (l->result->was_resumed)
        return 0;
    if (hf_load_check_target(l, err) || hf_load_progress_begin(l, err))
        return -1;
    if (l->opts->replace && hf_load_drop(l, err))
        return -1;
    return hf_load_progress_dropped(l, err);
}

static int fill_target(struct hf_load *l, struct hf_err *err)
{
    const struct hf_load_opts *o = l->opts;
    if (hf_load_schemas(l, err) || hf_load_tables(l, err) || hf_load_data(l, err) ||
        hf_load_foreign_keys(l, err) || hf_load_objects(l, err))
        return -1;
    hf_log(o->log, HF_LOG_INFO, "load", "rows, keys and programs are in");
    if (o->verify != HF_LOAD_VERIFY_NONE && hf_load_verify(l, err))
        return -1;
    return hf_load_progress_end(l, err);
}

static int run(struct hf_load *l, struct hf_err *err)
{
    if (read_folder(l, err) || note_missing(l, err) || open_target(l, err) || make_room(l, err))
        return -1;
    count_tables(l);
    if (fill_target(l, err) == 0)
        return 0;
    return hf_left(err, "a load that is not finished, of which the schema " HF_LOAD_SCHEMA
                        " keeps track: go on with --resume");
}

int hf_load_run(const struct hf_load_opts *opts, struct hf_load_result *out, struct hf_err *err)
{
    HF_AUTO(hf_load)
    struct hf_load l = {.opts = opts,
                        .clock = opts->clock ? opts->clock : hf_clock_system(),
                        .result = out,
                        .threads = opts->threads ? opts->threads : HF_LOAD_THREADS,
                        .phase = "start"};
    pthread_mutex_init(&l.lock, NULL);
    int rc = run(&l, err);
    out->rows = atomic_load(&l.rows);
    out->bytes = atomic_load(&l.bytes);
    out->stored_bytes = atomic_load(&l.stored);
    return rc;
}
