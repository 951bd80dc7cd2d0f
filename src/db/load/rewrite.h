/* SPDX-License-Identifier: Apache-2.0
 *
 * db/load/rewrite.h - other definers, other schema names.
 */
#ifndef HF_DB_LOAD_REWRITE_H
#define HF_DB_LOAD_REWRITE_H

#include "base/buf.h"
#include "base/strv.h"

/* Pairs, old and new one behind the other. */
struct hf_sql_rename {
    struct hf_strv schemas; /* names without quotes */
    struct hf_strv
        definers; /* "user@host"; an old one of "*": all; a new one of "": the clause goes */
};

/* "old=new,old2=new2"; CONFIG when it is none. */
int hf_sql_rename_schemas(struct hf_sql_rename *r, const char *text, struct hf_err *err) HF_CHECKED;
/* "none", "user@host" for all, or "old@host=new@host,…". */
int hf_sql_rename_definers(struct hf_sql_rename *r, const char *text, struct hf_err *err)
    HF_CHECKED;
void hf_sql_rename_free(struct hf_sql_rename *r);

/* What the schema is called on the target (name itself when it is not renamed). */
const char *hf_sql_rename_schema(const struct hf_sql_rename *r, const char *name);

/* The statement with other names, appended to out. In a program's body only names in backquotes with a dot behind them are
 * looked at, as everywhere: text of people stays. -1: no memory. */
int hf_sql_rewrite(const struct hf_sql_rename *r, const char *text, size_t len, struct hf_buf *out,
                   struct hf_err *err) HF_CHECKED;

#endif
