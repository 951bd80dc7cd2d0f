/* SPDX-License-Identifier: Apache-2.0
 *
 * The form is that of mydumper 1.0; 0.10 only looks whether the file is there. Section names are those of files; a real name
 * is a value, and cannot be the end of its line.
 */
#include "db/dump/manifest.h"
#include "db/dump/out.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

static void add_time(struct hf_buf *b, const char *what, int64_t wall_us)
{
    char text[32];
    time_t t = (time_t)(wall_us / 1000000);
    struct tm tm;
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", gmtime_r(&t, &tm));
    hf_buf_printf(b, "# %s dump at: %s\n", what, text);
}

/* As mydumper does with line breaks and backquotes. */
static void add_value(struct hf_buf *b, const char *value)
{
    for (; *value; value++) {
        if (*value == '\n')
            hf_buf_str_add(b, "\xe1\x80\x80"
                              "0");
        else
            hf_buf_add(b, value, 1);
        if (*value == '`')
            hf_buf_add(b, value, 1);
    }
}

static void add_position(struct hf_buf *b, const struct hf_db_position *p)
{
    if (!p || !p->has_binlog)
        return;
    hf_buf_printf(b,
                  "[source]\n# executed_gtid_set = \"%s\"\n# SOURCE_LOG_FILE = \"%s\"\n"
                  "# SOURCE_LOG_POS = %" PRIu64 "\n\n",
                  p->gtid ? p->gtid : "", p->file ? p->file : "", p->offset);
}

static void add_table(struct hf_buf *b, const struct hf_dump_table *t)
{
    const char *dot = strchr(t->file, '.');
    hf_buf_printf(b, "[`%.*s`.`%s`]\nreal_table_name=", (int)(dot - t->file), t->file, dot + 1);
    add_value(b, t->name);
    hf_buf_printf(b, "\nrows = %" PRIu64 "\n", t->rows);
    if (t->kind == HF_DUMP_VIEW)
        hf_buf_str_add(b, "is_view = 1\n");
    if (t->kind == HF_DUMP_SEQUENCE)
        hf_buf_str_add(b, "is_sequence = 1\n");
    hf_buf_str_add(b, "\n");
}

int hf_dump_metadata_write(struct hf_dump *d, const struct hf_db_position *position,
                           struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    struct hf_dump_file file = {0};
    add_time(&text, "Started", d->started_us);
    hf_buf_str_add(&text,
                   "[config]\nquote-character = BACKTICK\n\n"
                   "[myloader_session_variables]\nSQL_MODE='NO_AUTO_VALUE_ON_ZERO' /*!40101\n\n");
    add_position(&text, position);
    for (size_t i = 0; i < d->n_tables; i++)
        add_table(&text, &d->tables[i]);
    add_time(&text, "Finished", hf_clock_wall_us(d->opts.clock));
    int rc = hf_dump_out_text(d, "metadata", &text, &file, err);
    hf_dump_file_free(&file);
    return rc;
}
