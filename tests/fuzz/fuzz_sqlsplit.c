/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a file of a dump: however the stream is cut into pieces the statements are the same, each is what stands there,
 * and whatever looks at one (its kind, keys, rows, names) stays inside it.
 */
#include "db/load/ddl.h"
#include "db/load/infile.h"
#include "db/load/rewrite.h"
#include "db/load/split.h"
#include "db/load/statement.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct source {
    const uint8_t *data;
    size_t size, at, step;
};

static int fill(void *ctx, void *buf, size_t len, size_t *out_n, struct hf_err *err)
{
    struct source *s = ctx;
    (void)err;
    size_t n = s->size - s->at < s->step ? s->size - s->at : s->step;
    *out_n = n < len ? n : len;
    memcpy(buf, s->data + s->at, *out_n);
    s->at += *out_n;
    return 0;
}

static void look(const struct hf_sql_rename *r, const char *text, size_t len)
{
    struct hf_err err = HF_ERR_INIT;
    /* A copy of its very size: a read behind its end is seen. */
    HF_AUTOFREE char *own = malloc(len ? len : 1);
    memcpy(own, text, len);
    struct hf_sql_what w = hf_sql_look(own, len);
    assert(!w.name || (w.name >= own && w.name + w.name_len <= own + len));
    HF_AUTO(hf_buf) struct hf_buf out = HF_BUF_INIT;
    assert(hf_sql_rewrite(r, own, len, &out, &err) == 0);
    HF_AUTO(hf_sql_ddl) struct hf_sql_ddl ddl = HF_SQL_DDL_INIT;
    (void)!hf_sql_ddl_split(own, len, true, false, &ddl, &err);
    struct hf_infile_head head;
    HF_AUTO(hf_buf) struct hf_buf lines = HF_BUF_INIT;
    char quote = 0;
    uint64_t rows = 0;
    if (hf_infile_head(own, len, &head) == 0 &&
        hf_infile_rows(own + head.values_at, len - head.values_at, &quote, &lines, &rows, &err) ==
            0)
        assert(rows > 0 && lines.len <= len);
}

/* A hash of all statements and their places; is_looked: each is looked at. */
static uint64_t run(const uint8_t *data, size_t size, size_t step, bool no_backslash,
                    const struct hf_sql_rename *r)
{
    struct hf_err err = HF_ERR_INIT;
    struct source src = {data, size, 0, step};
    struct hf_sql_statement st;
    HF_AUTO(hf_sql_split) struct hf_sql_split *s = hf_sql_split_new(fill, &src, 4096, &err);
    assert(s);
    hf_sql_split_modes(s, no_backslash, false);
    uint64_t sum = 0;
    int rc;
    while ((rc = hf_sql_split_next(s, &st, &err)) > 0) {
        assert(st.len > 0 && st.len <= 4096 && st.offset + st.len <= size);
        assert(memcmp(data + st.offset, st.text, st.len) == 0);
        sum = sum * 31 + st.offset * 7 + st.len;
        if (r)
            look(r, st.text, st.len);
    }
    assert(rc == 0 || err.cls != HF_E_NONE);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hf_err err = HF_ERR_INIT;
    if (size == 0 || size > 8192)
        return 0;
    struct hf_sql_rename r = {.schemas = HF_STRV_INIT};
    assert(hf_sql_rename_schemas(&r, "a=b`c", &err) == 0 &&
           hf_sql_rename_definers(&r, "x@y", &err) == 0);
    bool no_backslash = data[0] & 1;
    uint64_t whole = run(data + 1, size - 1, size, no_backslash, &r);
    assert(run(data + 1, size - 1, 1 + data[0] / 2 % 13, no_backslash, NULL) == whole);
    hf_sql_rename_free(&r);
    return 0;
}
