/* SPDX-License-Identifier: Apache-2.0 */
#include "db/load/rewrite.h"

#include "db/dump/escape.h"
#include "db/load/lex.h"

#include <string.h>

static const char *find(const struct hf_strv *pairs, const char *old)
{
    for (size_t i = 0; i + 1 < pairs->n; i += 2)
        if (strcmp(pairs->items[i], old) == 0 || strcmp(pairs->items[i], "*") == 0)
            return pairs->items[i + 1];
    return NULL;
}

static int add_pair(struct hf_strv *pairs, const char *old, size_t len, const char *new_,
                    struct hf_err *err)
{
    return hf_strv_take(pairs, strndup(old, len)) || hf_strv_add(pairs, new_) ? hf_fail_nomem(err)
                                                                              : 0;
}

static int read_pairs(struct hf_strv *pairs, const char *text, const char *option,
                      struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv parts = HF_STRV_INIT;
    if (hf_strv_split(&parts, text, ','))
        return hf_fail_nomem(err);
    for (size_t i = 0; i < parts.n; i++) {
        const char *eq = strchr(parts.items[i], '=');
        if (!eq || eq == parts.items[i] || !eq[1])
            return hf_fail(err, HF_E_CONFIG, "%s: '%s' is not OLD=NEW", option, parts.items[i]);
        if (add_pair(pairs, parts.items[i], (size_t)(eq - parts.items[i]), eq + 1, err))
            return -1;
    }
    return 0;
}

int hf_sql_rename_schemas(struct hf_sql_rename *r, const char *text, struct hf_err *err)
{
    return read_pairs(&r->schemas, text, "--as", err);
}

int hf_sql_rename_definers(struct hf_sql_rename *r, const char *text, struct hf_err *err)
{
    if (strcmp(text, "none") == 0)
        return add_pair(&r->definers, "*", 1, "", err);
    if (!strchr(text, '='))
        return add_pair(&r->definers, "*", 1, text, err);
    return read_pairs(&r->definers, text, "--definer", err);
}

void hf_sql_rename_free(struct hf_sql_rename *r)
{
    hf_strv_free(&r->schemas);
    hf_strv_free(&r->definers);
}

const char *hf_sql_rename_schema(const struct hf_sql_rename *r, const char *name)
{
    const char *other = find(&r->schemas, name);
    return other ? other : name;
}

/* ---- definers -------------------------------------------------------------------------------- */

/* `user`@`host` from "user@host"; a role has no host. */
static void add_account(struct hf_buf *out, const char *account)
{
    const char *at = strrchr(account, '@');
    HF_AUTOFREE char *user = at ? strndup(account, (size_t)(at - account)) : strdup(account);
    hf_sql_add_name(out, user ? user : "");
    if (at) {
        hf_buf_str_add(out, "@");
        hf_sql_add_name(out, at + 1);
    }
}

static char *unquoted(const struct hf_sql_token *t)
{
    return t->kind == HF_SQL_STRING && t->len >= 2 ? strndup(t->text + 1, t->len - 2)
                                                   : hf_sql_name(t);
}

/* lex is behind DEFINER; reads "= user@host" and says what it is, to be freed. */
static char *read_account(struct hf_sql_lex *lex)
{
    (void)hf_sql_accept_char(lex, '=');
    struct hf_sql_token user = hf_sql_lex_next(lex), host = {HF_SQL_END, NULL, 0};
    if (hf_sql_accept_char(lex, '@'))
        host = hf_sql_lex_next(lex);
    HF_AUTOFREE char *u = unquoted(&user);
    HF_AUTOFREE char *h = host.kind == HF_SQL_END ? NULL : unquoted(&host);
    return u ? hf_asprintf(h ? "%s@%s" : "%s", u, h) : NULL;
}

/* Copies up to the DEFINER clause and the clause as it shall be; *from moves behind it. */
static void rewrite_definer(const struct hf_sql_rename *r, const struct hf_sql_token *word,
                            struct hf_sql_lex *lex, const char **from, struct hf_buf *out)
{
    HF_AUTOFREE char *old = read_account(lex);
    const char *other = old ? find(&r->definers, old) : NULL;
    if (!other)
        return; /* also what is no account: the server will say so */
    hf_buf_add(out, *from, (size_t)(word->text - *from));
    if (*other) {
        hf_buf_str_add(out, "DEFINER=");
        add_account(out, other);
    }
    *from = lex->at;
}

/* ---- schemas --------------------------------------------------------------------------------- */

static int rewrite_schema(const struct hf_sql_rename *r, const struct hf_sql_token *name,
                          const struct hf_sql_lex *lex, const char **from, struct hf_buf *out,
                          struct hf_err *err)
{
    struct hf_sql_token dot = hf_sql_lex_peek(lex);
    if (!hf_sql_is_char(&dot, '.'))
        return 0;
    HF_AUTOFREE char *old = hf_sql_name(name);
    if (!old)
        return hf_fail_nomem(err);
    const char *other = find(&r->schemas, old);
    if (!other)
        return 0;
    hf_buf_add(out, *from, (size_t)(name->text - *from));
    hf_sql_add_name(out, other);
    *from = name->text + name->len;
    return 0;
}

/* "old`.`t" with a dot in front is a column `old`, not a schema. */
int hf_sql_rewrite(const struct hf_sql_rename *r, const char *text, size_t len, struct hf_buf *out,
                   struct hf_err *err)
{
    struct hf_sql_lex lex = {text, text + len};
    const char *from = text;
    bool is_create = hf_sql_lex_peek(&lex).kind == HF_SQL_WORD, after_dot = false,
         did_definer = false;
    struct hf_sql_token t = hf_sql_lex_next(&lex);
    is_create = is_create && hf_sql_is(&t, "CREATE");
    for (; t.kind != HF_SQL_END; t = hf_sql_lex_next(&lex)) {
        int rc = 0;
        if (is_create && !did_definer && r->definers.n && hf_sql_is(&t, "DEFINER")) {
            struct hf_sql_token next = hf_sql_lex_peek(&lex);
            did_definer = hf_sql_is_char(&next, '=');
            if (did_definer)
                rewrite_definer(r, &t, &lex, &from, out);
        } else if (t.kind == HF_SQL_NAME && r->schemas.n && !after_dot) {
            rc = rewrite_schema(r, &t, &lex, &from, out, err);
        }
        if (rc)
            return -1;
        after_dot = hf_sql_is_char(&t, '.');
    }
    hf_buf_add(out, from, (size_t)(text + len - from));
    return hf_buf_ok(out) ? 0 : hf_fail_nomem(err);
}
