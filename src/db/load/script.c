/* SPDX-License-Identifier: Apache-2.0
 *
 * The small files of a dump: one statement after the other, each of a kind that belongs there.
 */
#include "db/load/lex.h"
#include "db/load/local.h"
#include "db/load/split.h"
#include "db/load/state.h"
#include "db/redact.h"
#include "io/read.h"

#include <string.h>
#include <strings.h>

static int fill(void *ctx, void *buf, size_t len, size_t *out_n, struct hf_err *err)
{
    return hf_io_read_some(ctx, buf, len, out_n, err);
}

int hf_load_at(struct hf_err *err, const struct hf_load_file *file, uint64_t offset)
{
    return hf_wrap(err, "%s, byte %llu", file->name, (unsigned long long)offset);
}

bool hf_load_is_name(const char *text, size_t len, const char *name)
{
    struct hf_sql_lex lex = {text, text + len};
    struct hf_sql_token t = hf_sql_lex_next(&lex);
    HF_AUTOFREE char *plain = hf_sql_name(&t);
    return plain && strcmp(plain, name) == 0;
}

/* Already there: routine, trigger, event, view, sequence or table, account. */
static bool is_there_already(unsigned code)
{
    return code == 1304 || code == 1359 || code == 1537 || code == 1050 || code == 1396;
}

/* "DROP PROCEDURE `x`" of the object whose CREATE was refused as there already. */
static int drop_it(struct hf_db_conn *c, const struct hf_sql_what *w, const char *text, size_t len,
                   struct hf_err *err)
{
    struct hf_sql_lex lex = {text, text + len};
    (void)hf_sql_skip_create(&lex);
    struct hf_sql_token word = hf_sql_lex_next(&lex);
    bool is_body = hf_sql_is(&word, "PACKAGE") && hf_sql_accept(&lex, "BODY");
    return hf_load_sql(c, err, "DROP %.*s%s %.*s", (int)word.len, word.text, is_body ? " BODY" : "",
                       (int)w->name_len, w->name);
}

static int create(struct hf_load *l, struct hf_db_conn *c, const struct hf_sql_what *w,
                  const char *text, size_t len, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf sql = HF_BUF_INIT;
    if (hf_sql_rewrite(&l->rename, text, len, &sql, err))
        return -1;
    if (hf_db_run(c, sql.data, sql.len, NULL, err) == 0)
        return 0;
    if (!is_there_already(hf_db_errno(c)) ||
        !(w->kind & (HF_SQL_CREATE_ROUTINE | HF_SQL_CREATE_TRIGGER | HF_SQL_CREATE_EVENT)))
        return -1;
    /* A run that was interrupted made it, or it is to be replaced. */
    if (!l->opts->resume && !l->opts->replace)
        return -1;
    struct hf_err again = HF_ERR_INIT;
    if (drop_it(c, w, sql.data, sql.len, &again) || hf_db_run(c, sql.data, sql.len, NULL, &again)) {
        hf_err_copy(err, &again);
        return -1;
    }
    hf_err_clear(err);
    return 0;
}

static int refuse(const char *text, size_t len, struct hf_err *err)
{
    HF_AUTOFREE char *copy = strndup(text, len < 400 ? len : 400);
    HF_AUTOFREE char *shown = copy ? hf_db_redact(copy) : NULL;
    hf_fail(err, HF_E_CORRUPT, "a statement that has no place in such a file: %s",
            shown ? shown : "");
    return hf_hint(err, "It was not executed. If it is meant, run it by hand.");
}

/* The object of a CREATE or DROP has to be the one the file is named after, in the schema the file is named after. */
static bool is_its_own(const struct hf_load_script *s, const struct hf_sql_what *w)
{
    const unsigned named =
        HF_SQL_CREATE_TABLE | HF_SQL_CREATE_SEQUENCE | HF_SQL_CREATE_VIEW | HF_SQL_DROP;
    if (w->schema && w->kind != HF_SQL_USE)
        return false;
    return !s->name || !(w->kind & named) || hf_load_is_name(w->name, w->name_len, s->name);
}

static int execute(struct hf_load *l, struct hf_db_conn *c, const struct hf_load_script *s,
                   const struct hf_sql_statement *st, struct hf_sql_split *split,
                   struct hf_err *err)
{
    struct hf_sql_what w = hf_sql_look(st->text, st->len);
    const unsigned needless =
        HF_SQL_NOTHING | HF_SQL_SET_SKIPPED | HF_SQL_USE | HF_SQL_TABLE_KEYS | HF_SQL_TRANSACTION;
    if (w.kind & (needless | s->skip))
        return 0;
    if (!(w.kind & (s->run | s->taken | HF_SQL_SET)) || !is_its_own(s, &w))
        return refuse(st->text, st->len, err);
    if (w.kind & s->taken)
        return s->take(s->ctx, &w, st->text, st->len, err);
    if (w.kind & (HF_SQL_CREATE_VIEW | HF_SQL_CREATE_ROUTINE | HF_SQL_CREATE_TRIGGER |
                  HF_SQL_CREATE_EVENT | HF_SQL_CREATE_TABLE))
        return create(l, c, &w, st->text, st->len, err);
    if (hf_db_run(c, st->text, st->len, NULL, err))
        return -1;
    if (w.has_sql_mode) {
        HF_AUTOFREE char *modes = NULL;
        if (hf_db_value(c, "SELECT @@sql_mode", &modes, err))
            return -1;
        hf_sql_split_modes(split, modes && strstr(modes, "NO_BACKSLASH_ESCAPES"),
                           modes && strstr(modes, "ANSI_QUOTES"));
    }
    return 0;
}

/* A small file is read whole before anything of it is executed: a damaged one changes nothing. */
static int check_digest(struct hf_load *l, const struct hf_load_file *file, bool is_look,
                        struct hf_err *err)
{
    char sum[HF_SHA256_HEX], buf[16384];
    size_t n = 1;
    if (!file->sha256[0])
        return 0;
    HF_AUTO(hf_io_read)
    struct hf_io_read *r = hf_io_files_read(l->folder->files, file->name, false, true, err);
    while (r && n > 0)
        if (hf_io_read_some(r, buf, sizeof buf, &n, err))
            return -1;
    if (!r || hf_io_read_sha256(r, sum, err))
        return -1;
    if (strcmp(sum, file->sha256) == 0)
        return 0;
    if (l->opts->force_incomplete)
        return is_look ? 0 : hf_load_differ(l, err, "%s is damaged", file->name);
    return hf_fail(err, HF_E_CORRUPT, "%s is damaged: its SHA-256 is not the manifest's",
                   file->name);
}

int hf_load_script(struct hf_load *l, struct hf_db_conn *c, const struct hf_load_script *s,
                   struct hf_err *err)
{
    struct hf_sql_statement st;
    if (!s->file->name)
        return 0;
    if (check_digest(l, s->file, s->is_look, err) || hf_load_session_reset(l, c, s->schema, err))
        return -1;
    if (s->has_own_modes &&
        hf_db_exec(
            c, "SET SESSION sql_mode = @@GLOBAL.sql_mode, SESSION time_zone = @@GLOBAL.time_zone",
            err))
        return -1;
    HF_AUTO(hf_io_read)
    struct hf_io_read *r = hf_io_files_read(l->folder->files, s->file->name, false, false, err);
    HF_AUTO(hf_sql_split)
    struct hf_sql_split *split = r ? hf_sql_split_new(fill, r, l->max_packet - 1, err) : NULL;
    int rc = split ? 1 : -1;
    while (rc > 0 && (rc = hf_sql_split_next(split, &st, err)) > 0) {
        if (hf_cancel_check(l->opts->cancel, err))
            return -1;
        if (execute(l, c, s, &st, split, err))
            return hf_load_at(err, s->file, st.offset);
    }
    return rc < 0 ? hf_wrap(err, "%s", s->file->name) : 0;
}
