/* SPDX-License-Identifier: Apache-2.0 */
#include "db/load/ddl.h"

#include "db/load/lex.h"

#include <string.h>

#define ITEMS_MAX 8192 /* a table has at most 4096 columns and 64 keys */

enum item_kind { COLUMN, PRIMARY, KEY, ODD_KEY, FOREIGN };

struct item {
    const char *text;
    size_t len;
    enum item_kind kind;
    struct hf_sql_token first_column; /* of a key; the name of a column */
    bool is_auto_increment;
};

struct items {
    struct item *list;
    size_t n;
    const char *open, *close; /* the parentheses of the table */
};

void hf_sql_ddl_free(struct hf_sql_ddl *d)
{
    hf_buf_free(&d->create);
    hf_buf_free(&d->keys);
    hf_buf_free(&d->fks);
}

/* ---- the list between the parentheses ---------------------------------------------------------- */

static struct hf_sql_token key_column(struct hf_sql_lex lex)
{
    struct hf_sql_token t = hf_sql_lex_next(&lex);
    while (t.kind != HF_SQL_END && !hf_sql_is_char(&t, '('))
        t = hf_sql_lex_next(&lex);
    return hf_sql_lex_next(&lex);
}

static void look_at_item(struct item *it)
{
    struct hf_sql_lex lex = {it->text, it->text + it->len};
    if (hf_sql_accept(&lex, "CONSTRAINT")) {
        struct hf_sql_token t = hf_sql_lex_peek(&lex);
        if (!hf_sql_is(&t, "FOREIGN") && !hf_sql_is(&t, "UNIQUE") && !hf_sql_is(&t, "CHECK"))
            (void)hf_sql_lex_next(&lex);
    }
    it->first_column = key_column(lex);
    struct hf_sql_token t = hf_sql_lex_next(&lex);
    if (hf_sql_is(&t, "PRIMARY"))
        it->kind = PRIMARY;
    else if (hf_sql_is(&t, "FOREIGN"))
        it->kind = FOREIGN;
    else if (hf_sql_is(&t, "FULLTEXT") || hf_sql_is(&t, "SPATIAL") || hf_sql_is(&t, "VECTOR") ||
             hf_sql_is(&t, "PERIOD"))
        it->kind = ODD_KEY;
    else if (hf_sql_is(&t, "KEY") || hf_sql_is(&t, "INDEX") || hf_sql_is(&t, "UNIQUE"))
        it->kind = KEY;
    else
        it->first_column = t;
    for (; it->kind == COLUMN && t.kind != HF_SQL_END; t = hf_sql_lex_next(&lex))
        it->is_auto_increment = it->is_auto_increment || hf_sql_is(&t, "AUTO_INCREMENT");
}

static int add_item(struct items *items, const char *from, const char *to, struct hf_err *err)
{
    if (items->n == ITEMS_MAX)
        return hf_fail(err, HF_E_CORRUPT, "a table with more than %d columns and keys", ITEMS_MAX);
    if (items->n % 64 == 0) {
        struct item *list = realloc(items->list, (items->n + 64) * sizeof *list);
        if (!list)
            return hf_fail_nomem(err);
        items->list = list;
    }
    struct item *it = &items->list[items->n++];
    *it = (struct item){.text = from, .len = (size_t)(to - from)};
    look_at_item(it);
    return 0;
}

/* Cuts what stands between the first parenthesis and its counterpart at the commas. */
static int cut(const char *text, size_t len, struct items *items, struct hf_err *err)
{
    struct hf_sql_lex lex = {text, text + len};
    struct hf_sql_token t = hf_sql_lex_next(&lex);
    while (t.kind != HF_SQL_END && !hf_sql_is_char(&t, '('))
        t = hf_sql_lex_next(&lex);
    items->open = t.text;
    const char *from = lex.at;
    for (int depth = t.kind == HF_SQL_END ? 0 : 1; depth > 0;) {
        t = hf_sql_lex_next(&lex);
        if (t.kind == HF_SQL_END)
            return hf_fail(err, HF_E_CORRUPT, "a CREATE TABLE that does not end");
        depth += hf_sql_is_char(&t, '(') - hf_sql_is_char(&t, ')');
        if (depth == 0 || (depth == 1 && hf_sql_is_char(&t, ','))) {
            if (add_item(items, from, t.text, err))
                return -1;
            from = lex.at;
            items->close = t.text;
        }
    }
    return 0;
}

/* ---- what follows from it ---------------------------------------------------------------------- */

static bool names_equal(const struct hf_sql_token *a, const struct hf_sql_token *b)
{
    return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

/* Must the keys stay? */
static bool keys_stay(const struct items *items)
{
    const struct item *primary = NULL, *automatic = NULL;
    for (size_t i = 0; i < items->n; i++) {
        const struct item *it = &items->list[i];
        if (it->kind == ODD_KEY)
            return true;
        primary = it->kind == PRIMARY ? it : primary;
        automatic = it->is_auto_increment ? it : automatic;
    }
    if (!primary)
        return true;
    return automatic && !names_equal(&automatic->first_column, &primary->first_column);
}

/* What stands behind the parentheses: engine, versioning. */
static void look_at_options(const char *from, const char *end, struct hf_sql_ddl *out,
                            bool *is_versioned)
{
    struct hf_sql_lex lex = {from, end};
    for (struct hf_sql_token t = hf_sql_lex_next(&lex); t.kind != HF_SQL_END;
         t = hf_sql_lex_next(&lex)) {
        if (hf_sql_is(&t, "ENGINE")) {
            (void)hf_sql_accept_char(&lex, '=');
            t = hf_sql_lex_next(&lex);
            out->is_innodb = hf_sql_is(&t, "InnoDB");
        } else if (hf_sql_is(&t, "SEQUENCE")) {
            out->is_sequence = hf_sql_accept_char(&lex, '=') && hf_sql_accept(&lex, "1");
        } else if (hf_sql_is(&t, "VERSIONING")) {
            *is_versioned = true;
        } else if (hf_sql_is(&t, "PARTITION")) {
            break; /* partitions name the engine again */
        }
    }
}

static void add_to(struct hf_buf *list, const struct item *it)
{
    const char *p = it->text;
    size_t n = it->len;
    while (n > 0 && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) {
        p++;
        n--;
    }
    hf_buf_str_add(list, list->len ? ", ADD " : "ADD ");
    hf_buf_add(list, p, n);
}

static void put_together(const char *text, size_t len, const struct items *items, bool takes_keys,
                         struct hf_sql_ddl *out)
{
    size_t kept = 0;
    bool is_last_kept = true;
    hf_buf_add(&out->create, text, (size_t)(items->open + 1 - text));
    for (size_t i = 0; i < items->n; i++) {
        const struct item *it = &items->list[i];
        is_last_kept = false;
        if (it->kind == FOREIGN) {
            add_to(&out->fks, it);
        } else if (it->kind == KEY && takes_keys) {
            add_to(&out->keys, it);
        } else {
            hf_buf_str_add(&out->create, kept++ ? "," : "");
            hf_buf_add(&out->create, it->text, it->len);
            is_last_kept = true;
        }
    }
    hf_buf_str_add(&out->create, is_last_kept ? "" : "\n");
    hf_buf_add(&out->create, items->close, (size_t)(text + len - items->close));
}

int hf_sql_ddl_split(const char *text, size_t len, bool default_innodb, bool with_keys,
                     struct hf_sql_ddl *out, struct hf_err *err)
{
    struct items items = {0};
    bool is_versioned = false;
    out->is_innodb = default_innodb;
    int rc = cut(text, len, &items, err);
    HF_AUTOFREE struct item *list = items.list;
    if (rc)
        return -1;
    look_at_options(items.close ? items.close + 1 : text, text + len, out, &is_versioned);
    if (!items.close || !out->is_innodb || out->is_sequence)
        hf_buf_add(&out->create, text, len);
    else
        put_together(text, len, &items, !with_keys && !is_versioned && !keys_stay(&items), out);
    (void)list;
    return hf_buf_ok(&out->create) && hf_buf_ok(&out->keys) && hf_buf_ok(&out->fks)
               ? 0
               : hf_fail_nomem(err);
}
