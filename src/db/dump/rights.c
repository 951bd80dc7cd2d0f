/* SPDX-License-Identifier: Apache-2.0 */
#include "db/dump/escape.h"
#include "db/dump/list.h"
#include "db/grants.h"

#include <string.h>

static const char *const needed[] = {"SELECT", "SHOW VIEW", "TRIGGER", "EVENT"};

struct asking {
    const char *right;
    bool has;
};

static int keep_right(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    struct asking *a = ctx;
    (void)err;
    a->has |= n > 0 && values[0] && !strcmp(values[0], a->right);
    return 0;
}

/* On this schema alone. */
static int has_on_schema(struct hf_db_conn *c, const char *schema, const char *right, bool *out,
                         struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf sql = HF_BUF_INIT;
    struct asking a = {.right = right};
    hf_buf_str_add(&sql, "SELECT PRIVILEGE_TYPE FROM information_schema.SCHEMA_PRIVILEGES WHERE ");
    hf_sql_add_text(&sql, schema);
    hf_buf_str_add(&sql, " LIKE TABLE_SCHEMA");
    if (!hf_buf_ok(&sql))
        return hf_fail_nomem(err);
    if (hf_db_query(c, hf_buf_str(&sql), keep_right, &a, err) < 0)
        return -1;
    *out = a.has;
    return 0;
}

static int fail_missing(struct hf_db_conn *c, const char *right, const char *schema,
                        struct hf_err *err)
{
    HF_AUTOFREE char *account = NULL;
    struct hf_err ignored = HF_ERR_INIT;
    (void)!hf_db_value(c, "SELECT CURRENT_USER()", &account, &ignored);
    hf_fail(err, HF_E_AUTH,
            "database %s: the account has no right %s on %s%s: what it cannot see would be missing "
            "from the dump",
            hf_db_name(c), right, schema ? "schema " : "everything", schema ? schema : "");
    const char *at = account ? strrchr(account, '@') : NULL;
    HF_AUTO(hf_buf) struct hf_buf on = HF_BUF_INIT;
    hf_buf_str_add(&on, "*");
    if (schema) {
        hf_buf_clear(&on);
        hf_sql_add_name(&on, schema);
    }
    return hf_hint(err, "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON %s.* TO '%.*s'@'%s';",
                   hf_buf_str(&on), at ? (int)(at - account) : 0, account ? account : "",
                   at ? at + 1 : "%");
}

int hf_dump_check_rights(struct hf_dump *d, struct hf_db_conn *c, struct hf_err *err)
{
    HF_AUTO(hf_grants) struct hf_grants g = HF_GRANTS_INIT;
    if (hf_grants_read(c, &g, err) < 0)
        return -1;
    bool is_part = d->opts.only && d->opts.only->n > 0;
    for (size_t i = 0; i < HF_ARRAY_SIZE(needed); i++) {
        if (g.all || hf_grants_has(&g, needed[i]))
            continue;
        if (!is_part)
            return fail_missing(c, needed[i], NULL, err);
        for (size_t k = 0; k < d->n_schemas; k++) {
            bool has = false;
            if (has_on_schema(c, d->schemas[k].name, needed[i], &has, err) < 0)
                return -1;
            if (!has)
                return fail_missing(c, needed[i], d->schemas[k].name, err);
        }
    }
    return 0;
}
