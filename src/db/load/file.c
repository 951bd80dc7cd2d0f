/* SPDX-License-Identifier: Apache-2.0
 *
 * The rows: one transaction per data file, its row of progress in it.
 *
 * By LOAD DATA LOCAL where that means the same (db/load/infile.h). It skips duplicates and bends values that do not fit, and
 * says how many; then everything is rolled back and the file is loaded by its own statements, which fail where they should.
 */
#include "base/point.h"
#include "db/dberr.h"
#include "db/load/infile.h"
#include "db/load/lex.h"
#include "db/load/local.h"
#include "db/load/split.h"
#include "db/load/state.h"
#include "db/redact.h"
#include "io/read.h"

#include <string.h>

#define ATTEMPTS 6
#define BACK_OFF_MS 50

/* One file under way. */
struct loading {
    struct hf_load *l;
    struct hf_db_conn *c;
    struct hf_load_table *t;
    struct hf_load_file *file;
    struct hf_io_read *r;
    struct hf_sql_split *split;
    bool is_binary, has_escapes; /* character_set_client, sql_mode: as LOAD DATA reads */
    uint64_t rows, seen_stored, seen_content;
    /* The statement at hand, and what of it (and of those behind it that are alike) goes to LOAD DATA. */
    struct hf_sql_statement st;
    int have; /* 1: st is one, 0: the end, -1: failed, as err says */
    struct hf_buf lines, head;
    size_t lines_at;
    char quote;
    uint64_t fed;
    bool is_odd;  /* something that LOAD DATA would read otherwise */
    bool is_bent; /* LOAD DATA did something else: to be done again by its own statements */
    struct hf_err *err;
};

static void count(struct loading *x)
{
    uint64_t stored = hf_io_read_stored(x->r), content = hf_io_read_content(x->r);
    atomic_fetch_add(&x->l->stored, stored - x->seen_stored);
    atomic_fetch_add(&x->l->bytes, content - x->seen_content);
    x->seen_stored = stored;
    x->seen_content = content;
}

static void uncount(struct loading *x)
{
    atomic_fetch_sub(&x->l->stored, x->seen_stored);
    atomic_fetch_sub(&x->l->bytes, x->seen_content);
    atomic_fetch_sub(&x->l->rows, x->rows);
}

static int fill(void *ctx, void *buf, size_t len, size_t *out_n, struct hf_err *err)
{
    struct loading *x = ctx;
    if (hf_cancel_check(x->l->opts->cancel, err) || hf_io_read_some(x->r, buf, len, out_n, err))
        return -1;
    count(x);
    return 0;
}

static int next(struct loading *x)
{
    return x->have = hf_sql_split_next(x->split, &x->st, x->err);
}

/* ---- LOAD DATA ------------------------------------------------------------------------------------ */

/* Makes lines of the statement at hand, if it is like the first one, and goes on to the next. */
static int more_lines(struct loading *x)
{
    struct hf_infile_head head;
    hf_buf_clear(&x->lines);
    x->lines_at = 0;
    if (x->have <= 0 || hf_infile_head(x->st.text, x->st.len, &head) != 0 ||
        head.values_at != x->head.len || memcmp(x->st.text, x->head.data, x->head.len) != 0)
        return 0;
    char quote = x->quote;
    uint64_t rows = 0;
    int rc = hf_infile_rows(x->st.text + head.values_at, x->st.len - head.values_at, &quote,
                            &x->lines, &rows, x->err);
    if (rc < 0)
        x->have = -1;
    if (rc != 0 || (x->quote && quote != x->quote)) {
        x->is_odd = true;
        hf_buf_clear(&x->lines);
        return 0;
    }
    x->fed += rows;
    return next(x) < 0 ? 0 : 1;
}

static int feed(void *ctx, char *buf, unsigned len)
{
    struct loading *x = ctx;
    if (x->lines_at == x->lines.len && !more_lines(x))
        return x->have < 0 ? -1 : 0;
    size_t n = x->lines.len - x->lines_at < len ? x->lines.len - x->lines_at : len;
    memcpy(buf, x->lines.data + x->lines_at, n);
    x->lines_at += n;
    return (int)n;
}

static char *load_statement(const struct loading *x, const struct hf_infile_head *head)
{
    HF_AUTOFREE char *table = hf_load_full_name(x->t);
    return table ? hf_asprintf(
                       "LOAD DATA LOCAL INFILE 'rows' INTO TABLE %s CHARACTER SET binary FIELDS "
                       "TERMINATED BY ',' OPTIONALLY ENCLOSED BY '%s' ESCAPED BY '\\\\' LINES "
                       "TERMINATED BY '\\n' %.*s",
                       table, x->quote == '"' ? "\"" : "\\'", (int)head->columns_len,
                       head->columns ? head->columns : "")
                 : NULL;
}

/* The quotes of a file are those of its first string. */
static char first_quote(const struct hf_sql_statement *st, size_t at)
{
    for (; at < st->len; at++)
        if (st->text[at] == '\'' || st->text[at] == '"')
            return st->text[at];
    return '\'';
}

/* 1: loaded, x->st is the first statement behind; 0: not for LOAD DATA, nothing happened; -1: failed, or (slow is set) to be
 * done again by its own statements. */
static int try_infile(struct loading *x)
{
    struct hf_infile_head head;
    struct hf_db_local_result got;
    if (!x->l->can_infile || x->t->needs_sql || !x->t->is_plain || !x->t->is_transactional ||
        atomic_load(&x->t->slow) || !x->is_binary || !x->has_escapes ||
        hf_infile_head(x->st.text, x->st.len, &head) != 0)
        return 0;
    hf_buf_clear(&x->head);
    hf_buf_add(&x->head, x->st.text, head.values_at);
    x->quote = first_quote(&x->st, head.values_at);
    HF_AUTOFREE char *sql = load_statement(x, &head);
    if (!sql || !hf_buf_ok(&x->head))
        return hf_fail_nomem(x->err);
    x->fed = 0;
    x->is_odd = false;
    if (hf_db_load_local(x->c, sql, feed, x, &got, x->err))
        return -1;
    if (x->have < 0 && !x->is_odd)
        return -1;
    if (x->is_odd || got.rows != x->fed || got.skipped || got.warnings) {
        atomic_store(&x->t->slow, true);
        x->is_bent = true;
        return hf_fail(x->err, HF_E_CONFLICT, "LOAD DATA does not load it as it is");
    }
    x->rows += got.rows;
    atomic_fetch_add(&x->l->rows, got.rows);
    return 1;
}

/* ---- statements ------------------------------------------------------------------------------------ */

static int take_modes(void *ctx, unsigned n, char *const *v, struct hf_err *err)
{
    struct loading *x = ctx;
    (void)err;
    if (n < 2 || !v[0] || !v[1])
        return 0;
    x->has_escapes = !strstr(v[0], "NO_BACKSLASH_ESCAPES");
    x->is_binary = strcmp(v[1], "binary") == 0;
    hf_sql_split_modes(x->split, !x->has_escapes, strstr(v[0], "ANSI_QUOTES") != NULL);
    return 0;
}

static int insert(struct loading *x)
{
    uint64_t rows = 0;
    if (hf_db_run(x->c, x->st.text, x->st.len, &rows, x->err))
        return -1;
    x->rows += rows;
    atomic_fetch_add(&x->l->rows, rows);
    return 0;
}

static int refuse(struct loading *x)
{
    HF_AUTOFREE char *copy = strndup(x->st.text, x->st.len < 400 ? x->st.len : 400);
    HF_AUTOFREE char *shown = copy ? hf_db_redact(copy) : NULL;
    hf_fail(x->err, HF_E_CORRUPT, "a statement that has no place among rows: %s",
            shown ? shown : "");
    return hf_hint(x->err, "It was not executed. If it is meant, run it by hand.");
}

/* Executes st and makes the next one st. */
static int execute(struct loading *x)
{
    struct hf_sql_what w = hf_sql_look(x->st.text, x->st.len);
    const unsigned needless =
        HF_SQL_NOTHING | HF_SQL_SET_SKIPPED | HF_SQL_USE | HF_SQL_TABLE_KEYS | HF_SQL_TRANSACTION;
    int rc = 0;
    if (w.kind == HF_SQL_INSERT) {
        if (w.schema || !hf_load_is_name(w.name, w.name_len, x->t->name))
            return hf_fail(x->err, HF_E_CORRUPT, "rows for another table than %s", x->t->name);
        rc = try_infile(x);
        if (rc != 0)
            return rc < 0 ? -1 : 0;
        rc = insert(x);
    } else if (w.kind == HF_SQL_SET) {
        rc = hf_db_run(x->c, x->st.text, x->st.len, NULL, x->err);
        if (rc == 0 && (w.has_sql_mode || w.has_charset))
            rc = hf_db_query(x->c, "SELECT @@sql_mode, @@character_set_client", take_modes, x,
                             x->err);
    } else if (w.kind == HF_SQL_SETVAL) {
        rc = hf_db_run(x->c, x->st.text, x->st.len, NULL, x->err);
    } else if (!(w.kind & needless)) {
        rc = refuse(x);
    }
    if (rc)
        return -1;
    return next(x) < 0 ? -1 : 0;
}

static int run_statements(struct loading *x)
{
    next(x);
    while (x->have > 0) {
        uint64_t offset = x->st.offset;
        if (execute(x))
            return hf_load_at(x->err, x->file, offset);
    }
    return x->have < 0 ? hf_wrap(x->err, "%s", x->file->name) : 0;
}

/* ---- a file ------------------------------------------------------------------------------------------ */

static int check_whole(struct loading *x)
{
    char sum[HF_SHA256_HEX];
    if (!x->file->sha256[0])
        return 0;
    if (hf_io_read_sha256(x->r, sum, x->err))
        return -1;
    if (strcmp(sum, x->file->sha256) == 0)
        return 0;
    if (x->l->opts->force_incomplete)
        return hf_load_differ(x->l, x->err, "%s is damaged", x->file->name);
    return hf_fail(x->err, HF_E_CORRUPT,
                   "%s is damaged: its SHA-256 is not the manifest's; its rows were not loaded",
                   x->file->name);
}

static int run_file(struct loading *x)
{
    x->r = hf_io_files_read(x->l->folder->files, x->file->name, false, x->file->sha256[0] != '\0',
                            x->err);
    x->split = x->r ? hf_sql_split_new(fill, x, x->l->max_packet - 1, x->err) : NULL;
    x->has_escapes = true;
    return !x->split || run_statements(x) || check_whole(x) ? -1 : 0;
}

static void loading_free(struct loading *x)
{
    hf_sql_split_free(x->split);
    hf_io_read_close(x->r);
    hf_buf_free(&x->lines);
    hf_buf_free(&x->head);
}
HF_DEFINE_AUTO_VALUE(loading, loading_free)

/* Everything of it or, after a rollback, nothing. */
static int attempt(struct hf_load *l, struct hf_db_conn *c, struct hf_load_table *t,
                   struct hf_load_file *file, bool *is_bent, unsigned *code, struct hf_err *err)
{
    HF_AUTO(loading) struct loading x = {.l = l, .c = c, .t = t, .file = file, .err = err};
    struct hf_err second = HF_ERR_INIT;
    if (hf_load_session_reset(l, c, t->schema->target, err) ||
        hf_db_exec(c, "START TRANSACTION", err))
        return -1;
    int rc = run_file(&x);
    file->loaded = (int64_t)x.rows;
    HF_POINT("load.before_commit");
    if (rc == 0)
        rc = hf_load_progress_file(c, file, err) || hf_db_exec(c, "COMMIT", err) ? -1 : 0;
    HF_POINT("load.after_commit");
    if (rc) {
        *code = hf_db_errno(c);
        *is_bent = x.is_bent;
        uncount(&x);
        if (!hf_db_errno_is_lost(*code))
            (void)!hf_db_exec(c, "ROLLBACK", &second);
    }
    return rc;
}

/* After a session was lost: another one, and was the transaction committed? 1: it was; its rows count. */
static int reopen(struct hf_load *l, struct hf_db_conn **c, const struct hf_load_file *file,
                  struct hf_err *err)
{
    struct hf_err again = HF_ERR_INIT;
    bool is_done = false;
    hf_db_close(*c);
    *c = hf_load_session(l, &again);
    if (!*c || hf_load_progress_has(*c, file, &is_done, &again))
        return hf_also(err, &again);
    return is_done;
}

/* What stopped the file, when it may go away by itself. */
static bool is_passing(unsigned code)
{
    return code == 1213 || code == 1205 || hf_db_errno_is_lost(code);
}

int hf_load_file(struct hf_load *l, struct hf_db_conn **c, struct hf_load_table *t,
                 struct hf_load_file *file, struct hf_err *err)
{
    for (int i = 1;; i++) {
        bool is_bent = false;
        unsigned code = 0;
        if (attempt(l, *c, t, file, &is_bent, &code, err) == 0)
            return 0;
        bool is_lost = hf_db_errno_is_lost(code);
        if (i == ATTEMPTS || (!is_bent && !is_passing(code)) || atomic_load(&l->stop) ||
            (is_lost && !t->is_transactional))
            return -1;
        int rc = is_lost ? reopen(l, c, file, err) : 0;
        if (rc < 0)
            return -1;
        if (rc > 0) {
            atomic_fetch_add(&l->rows, (uint64_t)file->loaded);
            hf_err_clear(err);
            return 0;
        }
        if (!is_bent)
            hf_clock_sleep_ms(l->clock, BACK_OFF_MS * i);
        hf_err_clear(err);
    }
}
