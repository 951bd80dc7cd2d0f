/* SPDX-License-Identifier: Apache-2.0 */
#include "db/load/statement.h"

#include "base/cleanup.h"
#include "db/load/lex.h"

#include <string.h>
#include <strings.h>

/* [IF [NOT] EXISTS] [schema.]name */
static void read_name(struct hf_sql_lex *lex, struct hf_sql_what *w)
{
    if (hf_sql_accept(lex, "IF")) {
        (void)hf_sql_accept(lex, "NOT");
        (void)hf_sql_accept(lex, "EXISTS");
    }
    struct hf_sql_token t = hf_sql_lex_next(lex);
    w->name = t.text;
    w->name_len = t.len;
    if (hf_sql_accept_char(lex, '.')) {
        w->schema = t.text;
        w->schema_len = t.len;
        t = hf_sql_lex_next(lex);
        w->name = t.text;
        w->name_len = t.len;
    }
}

static const struct object {
    const char *word;
    enum hf_sql_kind kind; /* of its CREATE */
} objects[] = {
    {"DATABASE", HF_SQL_CREATE_SCHEMA},
    {"SCHEMA", HF_SQL_CREATE_SCHEMA},
    {"TABLE", HF_SQL_CREATE_TABLE},
    {"SEQUENCE", HF_SQL_CREATE_SEQUENCE},
    {"VIEW", HF_SQL_CREATE_VIEW},
    {"PROCEDURE", HF_SQL_CREATE_ROUTINE},
    {"FUNCTION", HF_SQL_CREATE_ROUTINE},
    {"PACKAGE", HF_SQL_CREATE_ROUTINE},
    {"TRIGGER", HF_SQL_CREATE_TRIGGER},
    {"EVENT", HF_SQL_CREATE_EVENT},
    {"USER", HF_SQL_ACCOUNT},
    {"ROLE", HF_SQL_ACCOUNT},
};

static enum hf_sql_kind object_kind(const struct hf_sql_token *t)
{
    for (size_t i = 0; i < HF_ARRAY_SIZE(objects); i++)
        if (hf_sql_is(t, objects[i].word))
            return objects[i].kind;
    return HF_SQL_OTHERWISE;
}

static void look_at_create(struct hf_sql_lex *lex, struct hf_sql_what *w)
{
    (void)hf_sql_skip_create(lex);
    struct hf_sql_token t = hf_sql_lex_next(lex);
    w->kind = object_kind(&t);
    if (hf_sql_is(&t, "PACKAGE"))
        (void)hf_sql_accept(lex, "BODY");
    if (w->kind != HF_SQL_OTHERWISE)
        read_name(lex, w);
}

static void look_at_drop(struct hf_sql_lex *lex, struct hf_sql_what *w)
{
    (void)hf_sql_accept(lex, "DROP");
    (void)hf_sql_accept(lex, "TEMPORARY");
    struct hf_sql_token t = hf_sql_lex_next(lex);
    enum hf_sql_kind kind = object_kind(&t);
    if (kind == HF_SQL_OTHERWISE || kind == HF_SQL_CREATE_SCHEMA || kind == HF_SQL_ACCOUNT)
        return;
    if (hf_sql_is(&t, "PACKAGE"))
        (void)hf_sql_accept(lex, "BODY");
    w->kind = HF_SQL_DROP;
    read_name(lex, w);
    if (hf_sql_lex_peek(lex).kind != HF_SQL_END) /* several at once: no dump does */
        w->kind = HF_SQL_OTHERWISE;
}

static void look_at_insert(struct hf_sql_lex *lex, struct hf_sql_what *w)
{
    (void)hf_sql_lex_next(lex);
    while (hf_sql_accept(lex, "IGNORE") || hf_sql_accept(lex, "LOW_PRIORITY") ||
           hf_sql_accept(lex, "DELAYED") || hf_sql_accept(lex, "HIGH_PRIORITY"))
        continue;
    (void)hf_sql_accept(lex, "INTO");
    w->kind = HF_SQL_INSERT;
    read_name(lex, w);
}

/* ---- SET ------------------------------------------------------------------------------------- */

static bool is_variable_of(const struct hf_sql_token *t, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (hf_sql_is(t, names[i]))
            return true;
    return false;
}

/* One assignment's target, lex behind it. */
static void look_at_target(struct hf_sql_lex *lex, struct hf_sql_what *w)
{
    static const char *const ours[] = {"sql_log_bin",    "gtid_purged",    "gtid_seq_no",
                                       "gtid_domain_id", "gtid_slave_pos", "autocommit"};
    static const char *const session[] = {"names",
                                          "character_set_client",
                                          "character_set_results",
                                          "character_set_connection",
                                          "collation_connection",
                                          "character_set_database",
                                          "sql_mode",
                                          "time_zone",
                                          "foreign_key_checks",
                                          "unique_checks",
                                          "check_constraint_checks",
                                          "sql_notes",
                                          "system_versioning_insert_history",
                                          "system_versioning_alter_history",
                                          "sql_quote_show_create",
                                          "note_verbosity",
                                          "explicit_defaults_for_timestamp",
                                          "default_storage_engine",
                                          "innodb_strict_mode",
                                          "sql_big_selects",
                                          "lock_wait_timeout",
                                          "net_read_timeout",
                                          "net_write_timeout",
                                          "wait_timeout",
                                          "charset",
                                          "restrict_fk_on_non_standard_key",
                                          "show_create_table_skip_secondary_engine",
                                          "sql_require_primary_key",
                                          "sql_generate_invisible_primary_key"};
    if (hf_sql_accept_char(lex, '@')) {
        if (!hf_sql_accept_char(lex, '@')) {
            (void)hf_sql_lex_next(lex); /* a variable of the session's own */
            return;
        }
    }
    bool is_scoped = hf_sql_accept(lex, "SESSION") || hf_sql_accept(lex, "LOCAL");
    bool is_global = !is_scoped && hf_sql_accept(lex, "GLOBAL");
    (void)hf_sql_accept_char(lex, '.');
    struct hf_sql_token t = hf_sql_lex_next(lex);
    if (is_variable_of(&t, ours, HF_ARRAY_SIZE(ours)))
        w->kind = HF_SQL_SET_SKIPPED;
    else if (is_global || !is_variable_of(&t, session, HF_ARRAY_SIZE(session)))
        w->kind = HF_SQL_OTHERWISE;
    w->has_sql_mode = w->has_sql_mode || hf_sql_is(&t, "sql_mode");
    w->has_charset = w->has_charset || hf_sql_is(&t, "names") || hf_sql_is(&t, "charset") ||
                     hf_sql_is(&t, "character_set_client");
}

static void look_at_set(struct hf_sql_lex *lex, struct hf_sql_what *w)
{
    (void)hf_sql_accept(lex, "SET");
    w->kind = HF_SQL_SET;
    if (hf_sql_accept(lex, "DEFAULT")) {
        w->kind = hf_sql_accept(lex, "ROLE") ? HF_SQL_GRANT : HF_SQL_OTHERWISE;
        return;
    }
    int depth = 0;
    look_at_target(lex, w);
    for (;;) {
        struct hf_sql_token t = hf_sql_lex_next(lex);
        if (t.kind == HF_SQL_END)
            return;
        depth += hf_sql_is_char(&t, '(') - hf_sql_is_char(&t, ')');
        if (depth == 0 && hf_sql_is_char(&t, ',') && w->kind == HF_SQL_SET)
            look_at_target(lex, w);
    }
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void look_at_alter(struct hf_sql_lex *lex, struct hf_sql_what *w)
{
    (void)hf_sql_accept(lex, "ALTER");
    if (hf_sql_accept(lex, "USER") || hf_sql_accept(lex, "ROLE")) {
        w->kind = HF_SQL_ACCOUNT;
    } else if (hf_sql_accept(lex, "SEQUENCE")) {
        w->kind = HF_SQL_SETVAL;
        read_name(lex, w);
    } else if (hf_sql_accept(lex, "TABLE")) {
        read_name(lex, w);
        bool is_keys = hf_sql_accept(lex, "DISABLE") || hf_sql_accept(lex, "ENABLE");
        if (is_keys && hf_sql_accept(lex, "KEYS") && hf_sql_lex_peek(lex).kind == HF_SQL_END)
            w->kind = HF_SQL_TABLE_KEYS;
    }
}

/* DO SETVAL(name, …) and SELECT SETVAL(name, …) */
static void look_at_do(struct hf_sql_lex *lex, struct hf_sql_what *w)
{
    (void)hf_sql_lex_next(lex);
    if (!hf_sql_accept(lex, "SETVAL") || !hf_sql_accept_char(lex, '('))
        return;
    read_name(lex, w);
    for (struct hf_sql_token t = hf_sql_lex_next(lex); t.kind != HF_SQL_END;
         t = hf_sql_lex_next(lex))
        if (hf_sql_is_char(&t, '(') ||
            (hf_sql_is_char(&t, ')') && hf_sql_lex_peek(lex).kind != HF_SQL_END))
            return;
    w->kind = HF_SQL_SETVAL;
}

static void look_at_use(struct hf_sql_lex *lex, struct hf_sql_what *w)
{
    (void)hf_sql_accept(lex, "USE");
    w->kind = HF_SQL_USE;
    read_name(lex, w);
}

static void set_kind(struct hf_sql_what *w, enum hf_sql_kind kind)
{
    w->kind = kind;
}

struct hf_sql_what hf_sql_look(const char *text, size_t len)
{
    struct hf_sql_what w = {.kind = HF_SQL_OTHERWISE};
    struct hf_sql_lex lex = {text, text + len};
    struct hf_sql_token t = hf_sql_lex_peek(&lex);
    if (t.kind == HF_SQL_END)
        set_kind(&w, HF_SQL_NOTHING);
    else if (hf_sql_is(&t, "SET"))
        look_at_set(&lex, &w);
    else if (hf_sql_is(&t, "INSERT") || hf_sql_is(&t, "REPLACE"))
        look_at_insert(&lex, &w);
    else if (hf_sql_is(&t, "CREATE"))
        look_at_create(&lex, &w);
    else if (hf_sql_is(&t, "DROP"))
        look_at_drop(&lex, &w);
    else if (hf_sql_is(&t, "ALTER"))
        look_at_alter(&lex, &w);
    else if (hf_sql_is(&t, "DO") || hf_sql_is(&t, "SELECT"))
        look_at_do(&lex, &w);
    else if (hf_sql_is(&t, "USE"))
        look_at_use(&lex, &w);
    else if (hf_sql_is(&t, "GRANT") || hf_sql_is(&t, "REVOKE"))
        set_kind(&w, HF_SQL_GRANT);
    else if (hf_sql_is(&t, "LOCK") || hf_sql_is(&t, "UNLOCK"))
        set_kind(&w, HF_SQL_TABLE_KEYS);
    else if (hf_sql_is(&t, "START") || hf_sql_is(&t, "COMMIT") || hf_sql_is(&t, "BEGIN"))
        set_kind(&w, HF_SQL_TRANSACTION);
    return w;
}
