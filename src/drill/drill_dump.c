/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables that recovered, compared with the point's dump of the same instant: which there are, their rows, their content.
 *
 * Content is what a load compares, too (db/dump/content.h): each row as the dump writes it, summed up. So all rows go through the
 * guest's agent, which is slow; the smallest tables come first, and when drill-timeout is over the rest is only counted, and named.
 */
#include "base/buf.h"
#include "base/point.h"
#include "db/dump/content.h"
#include "db/dump/escape.h"
#include "db/load/folder.h"
#include "db/server.h"
#include "drill/drill_intern.h"
#include "drill/judge.h"

#include <stdlib.h>
#include <string.h>

#define MANIFEST_MAX ((size_t)192 << 20)
#define NAMED_MAX 20u
#define MANIFEST "holdfast.json"

struct list { /* of tables, in a sentence */
    struct hf_buf text;
    size_t n;
};

struct comparing {
    struct drill *d;
    struct hf_load_folder *dump;
    struct hf_load_table **tables; /* that have rows of their own, the smallest first */
    size_t n;
    struct list odd, other_rows, other_content, uncompared, plain;
    size_t n_rows, n_content;
    int64_t until_ms;
};

static void comparing_close(struct comparing *c)
{
    struct list *lists[] = {&c->odd, &c->other_rows, &c->other_content, &c->uncompared, &c->plain};
    for (size_t i = 0; i < HF_ARRAY_SIZE(lists); i++)
        hf_buf_free(&lists[i]->text);
    free(c->tables);
    hf_load_folder_close(c->dump);
}
HF_DEFINE_AUTO_VALUE(comparing, comparing_close)

static void add_to(struct list *l, const char *schema, const char *table, const char *fmt, ...)
    HF_PRINTF(4, 5);
static void add_to(struct list *l, const char *schema, const char *table, const char *fmt, ...)
{
    va_list ap;
    if (l->n++ >= NAMED_MAX)
        return;
    hf_buf_printf(&l->text, "%s%s.%s", l->text.len ? ", " : "", schema, table);
    va_start(ap, fmt);
    hf_buf_vprintf(&l->text, fmt, ap);
    va_end(ap);
}

static const char *more(const struct list *l)
{
    return l->n > NAMED_MAX ? ", ..." : "";
}

/* ---- what the dump says ----------------------------------------------------------------- */

static int read_dump(struct comparing *c, struct hf_err *err)
{
    const struct drill *d = c->d;
    char object[HF_POINT_NAME_MAX], name[HF_POINT_NAME_MAX];
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    if (hf_point_object_name(HF_POINT_DUMP, MANIFEST, d->point.at.site->is_encrypted, object, err) <
            0 ||
        hf_point_object_at(&d->m->point, object, name, err) < 0 ||
        hf_site_get_bytes(d->point.at.site, HF_SITE_DATA, name, MANIFEST_MAX, &text, err) < 0)
        return -1;
    c->dump = hf_load_folder_parse(hf_buf_str(&text), text.len, err);
    return c->dump ? 0 : -1;
}

static uint64_t bytes_of(const struct hf_load_table *t)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < t->n_files; i++)
        sum += t->files[i].bytes;
    return sum;
}

static int compare_sizes(const void *a, const void *b)
{
    uint64_t x = bytes_of(*(struct hf_load_table *const *)a),
             y = bytes_of(*(struct hf_load_table *const *)b);
    return (x > y) - (x < y);
}

/* Views, sequences, and what shows rows of others have no checksum. */
static int collect(struct comparing *c, struct hf_err *err)
{
    size_t most = 1;
    for (size_t i = 0; i < c->dump->n_schemas; i++)
        most += c->dump->schemas[i]->n_tables;
    c->tables = calloc(most, sizeof *c->tables);
    if (!c->tables)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < c->dump->n_schemas; i++) {
        const struct hf_load_schema *s = c->dump->schemas[i];
        for (size_t j = 0; j < s->n_tables; j++) {
            struct hf_load_table *t = s->tables[j];
            if (t->kind != HF_LOAD_TABLE)
                continue;
            if (t->is_of_no_instant)
                add_to(&c->plain, s->name, t->name, "%s", "");
            else if (!t->checksum[0])
                add_to(&c->uncompared, s->name, t->name, " (the dump has no checksum of it)");
            else
                c->tables[c->n++] = t;
        }
    }
    qsort(c->tables, c->n, sizeof(void *), compare_sizes);
    return 0;
}

/* ---- which tables there are ------------------------------------------------------------- */

static const struct hf_load_schema *find_schema(const struct comparing *c, const char *name)
{
    for (size_t i = 0; i < c->dump->n_schemas; i++)
        if (strcmp(c->dump->schemas[i]->name, name) == 0)
            return c->dump->schemas[i];
    return NULL;
}

/* Its type, as the server tells it; NULL: there is none. */
static const char *find_type(const struct drill *d, const struct hf_load_table *t)
{
    for (size_t i = 0; i < d->tables.n; i++)
        if (strcmp(d->tables.items[i], t->name) == 0 &&
            strcmp(d->schemas.items[i], t->schema->name) == 0)
            return d->types.items[i];
    return NULL;
}

static void compare_names(struct comparing *c)
{
    const struct drill *d = c->d;
    for (size_t i = 0; i < c->dump->n_schemas; i++)
        for (size_t j = 0; j < c->dump->schemas[i]->n_tables; j++) {
            const struct hf_load_table *t = c->dump->schemas[i]->tables[j];
            if (t->kind == HF_LOAD_TABLE && !find_type(d, t))
                add_to(&c->odd, t->schema->name, t->name, " is missing");
        }
    for (size_t i = 0; i < d->tables.n; i++) {
        const struct hf_load_schema *s = find_schema(c, d->schemas.items[i]);
        if (s && !hf_load_schema_find(s, d->tables.items[i]))
            add_to(&c->odd, d->schemas.items[i], d->tables.items[i], " is not in the dump");
    }
}

/* ---- one table -------------------------------------------------------------------------- */

static int count(struct comparing *c, const struct hf_load_table *t, int64_t *out,
                 struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf sql = HF_BUF_INIT;
    HF_AUTOFREE char *value = NULL;
    hf_buf_str_add(&sql, "SELECT COUNT(*) FROM ");
    hf_sql_add_names(&sql, t->schema->name, t->name);
    if (!hf_buf_ok(&sql))
        return hf_fail_nomem(err);
    if (hf_db_value(c->d->db, hf_buf_str(&sql), &value, err) < 0)
        return -1;
    *out = value ? strtoll(value, NULL, 10) : -1;
    return 0;
}

static void judge_rows(struct comparing *c, const struct hf_load_table *t, int64_t rows)
{
    c->n_rows++;
    if (rows != t->rows)
        add_to(&c->other_rows, t->schema->name, t->name, ": %" PRId64 ", the dump has %" PRId64,
               rows, t->rows);
}

static int compare_content(struct comparing *c, const struct hf_load_table *t, struct hf_err *err)
{
    struct hf_content there;
    char sum[17];
    /* The history is in the dump where the server can load one. */
    bool has_history = hf_db_is_mariadb(hf_db_server(c->d->db), 101100) &&
                       strcmp(find_type(c->d, t), "SYSTEM VERSIONED") == 0;
    if (hf_content_read(c->d->db, t->schema->name, t->name, has_history, &there, err) < 0)
        return -1;
    snprintf(sum, sizeof sum, "%016" PRIx64, there.sum);
    judge_rows(c, t, there.rows);
    c->n_content++;
    if (strcmp(sum, t->checksum) != 0)
        add_to(&c->other_content, t->schema->name, t->name, ": %s, the dump has %s", sum,
               t->checksum);
    return 0;
}

/* The server itself ends what takes longer; 0: nothing does. */
static int limit_statements(struct comparing *c, int64_t ms, struct hf_err *err)
{
    bool is_mariadb = hf_db_server(c->d->db)->flavour == HF_DB_MARIADB;
    HF_AUTOFREE char *sql =
        is_mariadb ? hf_asprintf("SET SESSION max_statement_time = %" PRId64, (ms + 999) / 1000)
                   : hf_asprintf("SET SESSION max_execution_time = %" PRId64, ms);
    return sql ? hf_db_exec(c->d->db, sql, err) : hf_fail_nomem(err);
}

/* 1: drill-timeout was over meanwhile. */
static int try_content(struct comparing *c, const struct hf_load_table *t, struct hf_err *err)
{
    int left_ms = hf_clock_left_ms(c->d->env->clock, c->until_ms);
    if (left_ms == 0)
        return 1;
    if (limit_statements(c, left_ms, err) < 0)
        return -1;
    int rc = compare_content(c, t, err);
    if (rc < 0 && err->cls == HF_E_TIMEOUT && hf_clock_is_past(c->d->env->clock, c->until_ms)) {
        hf_err_clear(err);
        rc = 1;
    }
    return rc < 0 || limit_statements(c, 0, err) < 0 ? -1 : rc;
}

static int compare_table(struct comparing *c, const struct hf_load_table *t, struct hf_err *err)
{
    int64_t rows = 0;
    int rc = try_content(c, t, err);
    if (rc <= 0)
        return rc;
    if (count(c, t, &rows, err) < 0)
        return -1;
    judge_rows(c, t, rows);
    add_to(&c->uncompared, t->schema->name, t->name, " (drill-timeout was over)");
    return 0;
}

/* 1: the rest cannot be compared. */
static int compare_one(struct comparing *c, const struct hf_load_table *t, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    if (!find_type(c->d, t) || compare_table(c, t, &why) == 0)
        return 0;
    add_to(&c->other_content, t->schema->name, t->name, ": cannot be read: %.300s", why.message);
    if (drill_heed(c->d, &why, err) < 0)
        return -1;
    return c->d->db ? 0 : 1;
}

static int compare_tables(struct comparing *c, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    c->until_ms = hf_clock_mono_ms(c->d->env->clock) + c->d->vm.drill_timeout;
    if (hf_content_prepare(c->d->db, &why) < 0) {
        hf_drill_note(&c->d->checks, "content", HF_DRILL_FAILED, "%s", why.message);
        return drill_heed(c->d, &why, err);
    }
    for (size_t i = 0; i < c->n; i++) {
        int rc = compare_one(c, c->tables[i], err);
        if (rc != 0)
            return rc < 0 ? -1 : 0;
        if (hf_cancel_check(c->d->env->cancel, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- the whole -------------------------------------------------------------------------- */

static void note_list(struct drill *d, const char *name, const struct list *bad, size_t n_good,
                      const char *of, const struct list *left)
{
    enum hf_drill_result good = n_good ? HF_DRILL_OK : HF_DRILL_SKIPPED;
    if (bad->n)
        hf_drill_note(&d->checks, name, HF_DRILL_FAILED, "%zu of %zu tables: %s%s%s", bad->n,
                      n_good > bad->n ? n_good : bad->n, hf_buf_str(&bad->text), more(bad),
                      d->is_written ? "; something in the guest wrote before they were read: name "
                                      "what does in `services`, and drill again"
                                    : "");
    else if (left && left->n)
        hf_drill_note(&d->checks, name, good, "%zu tables %s; not compared: %s%s", n_good, of,
                      hf_buf_str(&left->text), more(left));
    else
        hf_drill_note(&d->checks, name, good, "%zu tables %s", n_good, of);
}

static int note_all(struct comparing *c, struct hf_err *err)
{
    struct drill *d = c->d;
    note_list(d, "tables", &c->odd, d->tables.n, "as in the dump", NULL);
    note_list(d, "rows", &c->other_rows, c->n_rows, "with the rows of the dump", NULL);
    note_list(d, "content", &c->other_content, c->n_content, "with the checksum of the dump",
              &c->uncompared);
    if (c->plain.n == 0)
        return 0;
    HF_AUTOFREE char *text = hf_asprintf("the dump's rows of these are of no one instant (they "
                                         "know no transactions), and were not compared: %s%s",
                                         hf_buf_str(&c->plain.text), more(&c->plain));
    return text && hf_strv_add(&d->warnings, text) == 0 ? 0 : hf_fail_nomem(err);
}

static void skip(struct drill *d, const char *why)
{
    static const char *const names[] = {"tables", "rows", "content"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(names); i++)
        hf_drill_note(&d->checks, names[i], HF_DRILL_SKIPPED, "%s", why);
}

int drill_compare_dump(struct drill *d, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    HF_AUTO(comparing) struct comparing c = {.d = d};
    const struct hf_point_artifact *dump = hf_manifest_find(d->m, HF_POINT_DUMP);
    if (HF_POINT_ERR("drill.before_content", err) < 0)
        return -1;
    const char *reason = !dump ? "the point has no dump"
                         : !hf_drill_is_same_instant(d->m, dump)
                             ? "the dump took a lock of its own, later: it shows another instant"
                         : !d->db ? "the session with the database was lost"
                                  : NULL;
    if (reason) {
        skip(d, reason);
        return 0;
    }
    if (read_dump(&c, &why) < 0) {
        d->found_damage = d->found_damage || why.cls == HF_E_CORRUPT || why.cls == HF_E_NOT_FOUND;
        hf_drill_note(&d->checks, "content", HF_DRILL_FAILED, "the dump's manifest: %s",
                      why.message);
        return hf_cancel_check(d->env->cancel, err);
    }
    if (collect(&c, err) < 0)
        return -1;
    compare_names(&c);
    return compare_tables(&c, err) < 0 ? -1 : note_all(&c, err);
}
