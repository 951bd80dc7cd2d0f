/* SPDX-License-Identifier: Apache-2.0
 *
 * Is on the target what the dump says? Rows are counted; where the dump has a checksum of a table's content, the table is read as a
 * dump would read it and its rows are summed up the same way (docs/dump-format.md, "The checksum of a table").
 */
#include "db/dump/content.h"
#include "db/load/state.h"

#include <stdio.h>
#include <string.h>

static int compare_rows(struct hf_load *l, const struct hf_load_table *t, int64_t there,
                        struct hf_err *err)
{
    int64_t loaded = 0;
    for (size_t i = 0; i < t->n_files; i++)
        loaded += t->files[i].loaded;
    const char *schema = t->schema->target, *name = t->name;
    if (there != loaded)
        return hf_load_differ(l, err, "%s.%s has %" PRId64 " rows, %" PRId64 " were loaded", schema,
                              name, there, loaded);
    if (t->rows != HF_LOAD_ROWS_UNKNOWN && there != t->rows)
        return hf_load_differ(l, err, "%s.%s has %" PRId64 " rows, the dump says %" PRId64, schema,
                              name, there, t->rows);
    return 0;
}

static int count_rows(struct hf_load *l, struct hf_db_conn *c, const struct hf_load_table *t,
                      struct hf_err *err)
{
    HF_AUTOFREE char *name = hf_load_full_name(t);
    HF_AUTOFREE char *sql = name ? hf_asprintf("SELECT COUNT(*) FROM %s", name) : NULL;
    HF_AUTOFREE char *value = NULL;
    if (!sql)
        return hf_fail_nomem(err);
    if (hf_db_value(c, sql, &value, err))
        return -1;
    return compare_rows(l, t, value ? strtoll(value, NULL, 10) : -1, err);
}

static int compare_content(struct hf_load *l, struct hf_db_conn *c, const struct hf_load_table *t,
                           struct hf_err *err)
{
    struct hf_content there;
    char text[17];
    if (hf_load_session_reset(l, c, t->schema->target, err) || hf_content_prepare(c, err) ||
        hf_content_read(c, t->schema->target, t->name, t->is_versioned, &there, err) ||
        compare_rows(l, t, there.rows, err))
        return -1;
    snprintf(text, sizeof text, "%016" PRIx64, there.sum);
    if (strcmp(text, t->checksum) != 0)
        return hf_load_differ(l, err, "%s.%s has the checksum %s, the dump says %s",
                              t->schema->target, t->name, text, t->checksum);
    return 0;
}

static int verify_table(struct hf_load *l, struct hf_db_conn **c, void *job, struct hf_err *err)
{
    const struct hf_load_table *t = job;
    int rc = l->opts->verify == HF_LOAD_VERIFY_FULL && t->checksum[0]
                 ? compare_content(l, *c, t, err)
                 : count_rows(l, *c, t, err);
    return rc ? hf_wrap(err, "comparing %s.%s", t->schema->target, t->name) : 0;
}

static int compare_tables(const void *a, const void *b)
{
    const struct hf_load_table *x = *(void *const *)a, *y = *(void *const *)b;
    return (x->stored < y->stored) - (x->stored > y->stored);
}

int hf_load_verify(struct hf_load *l, struct hf_err *err)
{
    size_t n = 0, most = 1;
    for (size_t i = 0; i < l->folder->n_schemas; i++)
        most += l->folder->schemas[i]->n_tables;
    HF_AUTOFREE void **jobs = calloc(most, sizeof *jobs);
    if (!jobs)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < l->folder->n_schemas; i++) {
        const struct hf_load_schema *s = l->folder->schemas[i];
        for (size_t j = 0; j < s->n_tables; j++) {
            struct hf_load_table *t = s->tables[j];
            if (!t->is_selected || t->kind != HF_LOAD_TABLE || t->is_window)
                continue;
            jobs[n++] = t;
            l->result->compared_rows++;
            l->result->compared_checksums +=
                l->opts->verify == HF_LOAD_VERIFY_FULL && t->checksum[0] != '\0';
        }
    }
    qsort(jobs, n, sizeof *jobs, compare_tables);
    return hf_load_pool(l, "comparison", verify_table, jobs, n, err);
}
