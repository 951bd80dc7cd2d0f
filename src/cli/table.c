/* SPDX-License-Identifier: Apache-2.0 */
#include "base/strv.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/text.h"

#include <stdarg.h>
#include <string.h>

#define GAP "  "

struct hf_table {
    size_t columns;
    struct hf_strv cells; /* row by row */
};

struct hf_table *hf_table_new(size_t columns)
{
    struct hf_table *t = calloc(1, sizeof(*t));
    if (t)
        t->columns = columns;
    return t;
}

void hf_table_free(struct hf_table *t)
{
    if (!t)
        return;
    hf_strv_free(&t->cells);
    free(t);
}

int hf_table_row(struct hf_table *t, ...)
{
    int rc = 0;
    va_list ap;
    va_start(ap, t);
    for (size_t i = 0; i < t->columns; i++) {
        const char *cell = va_arg(ap, const char *);
        if (rc == 0)
            rc = hf_strv_add(&t->cells, cell ? cell : "-");
    }
    va_end(ap);
    return rc;
}

static size_t column_width(const struct hf_table *t, size_t column)
{
    size_t max = 0;
    for (size_t i = column; i < t->cells.n; i += t->columns) {
        size_t width = hf_text_columns(t->cells.items[i]);
        max = width > max ? width : max;
    }
    return max;
}

int hf_table_print(struct hf_table *t, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf out = HF_BUF_INIT;
    HF_AUTOFREE size_t *widths = calloc(t->columns, sizeof *widths);
    if (!widths)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < t->columns; i++)
        widths[i] = column_width(t, i);
    for (size_t i = 0; i < t->cells.n; i++) {
        size_t column = i % t->columns;
        if (column + 1 == t->columns) { /* the last one needs no blanks behind it */
            hf_buf_printf(&out, "%s\n", t->cells.items[i]);
            continue;
        }
        hf_text_pad(&out, t->cells.items[i], widths[column]);
        hf_buf_str_add(&out, GAP);
    }
    return hf_cli_print(&out, err);
}
