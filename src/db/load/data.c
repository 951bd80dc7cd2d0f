/* SPDX-License-Identifier: Apache-2.0
 *
 * Which rows are loaded when: biggest table first, its files side by side; a table without transactions by one worker.
 */
#include "db/load/state.h"

struct job {
    struct hf_load_table *table;
    struct hf_load_file *file; /* NULL: all of the table's */
};

/* ---- jobs -------------------------------------------------------------------------------------------- */

/* Without transactions: whatever an interrupted run brought is taken out first. */
static int load_plain(struct hf_load *l, struct hf_db_conn **c, struct hf_load_table *t,
                      struct hf_err *err)
{
    HF_AUTOFREE char *name = hf_load_full_name(t);
    if (!name)
        return hf_fail_nomem(err);
    if (t->is_there && ((t->is_plain && hf_load_sql(*c, err, "TRUNCATE TABLE %s", name)) ||
                        hf_load_progress_forget(*c, t, err)))
        return -1;
    for (size_t i = 0; i < t->n_files; i++)
        if (t->files[i].name && hf_load_file(l, c, t, &t->files[i], err))
            return -1;
    return 0;
}

static int run_job(struct hf_load *l, struct hf_db_conn **c, void *ptr, struct hf_err *err)
{
    struct job *j = ptr;
    int rc = 0;
    if (j->file)
        rc = hf_load_file(l, c, j->table, j->file, err);
    else if (!j->table->is_transactional)
        rc = load_plain(l, c, j->table, err);
    if (rc) {
        if (!j->table->is_transactional)
            hf_left(err, "part of %s.%s, which has no transactions; --resume loads it anew",
                    j->table->schema->target, j->table->name);
        return hf_wrap(err, "rows of %s.%s", j->table->schema->target, j->table->name);
    }
    if (atomic_fetch_sub(&j->table->files_left, 1) == 1)
        return hf_load_keys(l, *c, j->table, err);
    return 0;
}

static bool all_done(const struct hf_load_table *t)
{
    for (size_t i = 0; i < t->n_files; i++)
        if (t->files[i].name && !t->files[i].is_done)
            return false;
    return true;
}

/* Biggest table first, files in their order: a table's rows come in the order of its primary key. */
static int compare_tables(const void *a, const void *b)
{
    const struct hf_load_table *x = *(void *const *)a, *y = *(void *const *)b;
    return (x->stored < y->stored) - (x->stored > y->stored);
}

static size_t add_jobs(struct hf_load *l, struct hf_load_table *t, struct job *jobs)
{
    size_t n = 0;
    if (!t->is_transactional && !all_done(t))
        jobs[n++] = (struct job){.table = t};
    for (size_t i = 0; t->is_transactional && i < t->n_files; i++) {
        if (t->files[i].name && !t->files[i].is_done)
            jobs[n++] = (struct job){t, &t->files[i]};
    }
    if (n == 0 && t->keys.len) /* only its keys are missing */
        jobs[n++] = (struct job){.table = t};
    atomic_store(&t->files_left, n);
    for (size_t i = 0; n && i < t->n_files; i++)
        l->stored_total += t->files[i].is_done && t->is_transactional ? 0 : t->files[i].stored;
    return n;
}

static size_t count_files(const struct hf_load *l, struct hf_load_table **tables, size_t *n_tables)
{
    size_t n = 0;
    *n_tables = 0;
    for (size_t i = 0; i < l->folder->n_schemas; i++) {
        const struct hf_load_schema *s = l->folder->schemas[i];
        for (size_t j = 0; j < s->n_tables; j++) {
            struct hf_load_table *t = s->tables[j];
            if (!t->is_selected || t->kind == HF_LOAD_VIEW)
                continue;
            if (tables)
                tables[*n_tables] = t;
            (*n_tables)++;
            n += t->n_files + 1;
        }
    }
    return n;
}

int hf_load_data(struct hf_load *l, struct hf_err *err)
{
    size_t n_tables = 0, n = 0, most = count_files(l, NULL, &n_tables);
    HF_AUTOFREE struct hf_load_table **tables = calloc(n_tables + 1, sizeof *tables);
    HF_AUTOFREE struct job *jobs = calloc(most + 1, sizeof *jobs);
    HF_AUTOFREE void **list = calloc(most + 1, sizeof *list);
    if (!tables || !jobs || !list)
        return hf_fail_nomem(err);
    (void)count_files(l, tables, &n_tables);
    qsort(tables, n_tables, sizeof *tables, compare_tables);
    for (size_t i = 0; i < n_tables; i++)
        n += add_jobs(l, tables[i], jobs + n);
    for (size_t i = 0; i < n; i++)
        list[i] = &jobs[i];
    return hf_load_pool(l, "rows", run_job, list, n, err);
}
