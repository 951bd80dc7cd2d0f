/* SPDX-License-Identifier: Apache-2.0
 *
 * db/dump/escape.h - bytes as the inside of a quoted SQL string, and names in backquotes.
 *
 * Byte by byte, for statements that are read with character_set_client = binary or UTF-8: there no byte of a longer
 * character is a quote or a backslash. Escaped are NUL \n \r \ ' and Ctrl-Z, so that an escaped string has no line break.
 */
#ifndef HF_DB_DUMP_ESCAPE_H
#define HF_DB_DUMP_ESCAPE_H

#include "base/buf.h"

#include <stddef.h>

/* Room that `to` needs for len bytes: up to twice as many, and a block more that is written ahead. */
#define HF_SQL_ESCAPE_ROOM(len) (2 * (size_t)(len) + 16)

/* The end of what was written to `to`. No quotes around it. */
char *hf_sql_escape(char *to, const char *from, size_t len);

/* `name`, with backquotes in it doubled. */
void hf_sql_add_name(struct hf_buf *b, const char *name);
/* `schema`.`name` */
void hf_sql_add_names(struct hf_buf *b, const char *schema, const char *name);
/* 'text' */
void hf_sql_add_text(struct hf_buf *b, const char *text);

#endif
