/* SPDX-License-Identifier: Apache-2.0
 *
 * db/dump/program.h - objects whose meaning depends on the session that made them: views, triggers, routines, events.
 *
 * The server keeps sql_mode, character set and collation of that session (for an event its time zone) with each, and the
 * text in that character set. So it has to be read unconverted (the sessions of a dump have character_set_results = binary),
 * and made again under the same settings.
 */
#ifndef HF_DB_DUMP_PROGRAM_H
#define HF_DB_DUMP_PROGRAM_H

#include "base/buf.h"
#include "db/conn.h"

#include <stdbool.h>

struct hf_program {
    char *text;           /* changed when definers are stripped */
    const char *sql_mode; /* NULL: '' */
    const char *charset, *collation;
    const char *time_zone; /* NULL: not an event */
    /* The schema's collation when it was made, and now: differ when ALTER DATABASE came between. NULL: does not count. */
    const char *schema_collation, *default_collation;
};

/* Makes the schema the session's own, so that servers leave its name out of the texts they show. */
int hf_program_use(struct hf_db_conn *c, const char *schema, struct hf_err *err) HF_CHECKED;

/* Appends settings and statement. */
int hf_program_add(struct hf_buf *b, const struct hf_program *p, bool strip_definer,
                   struct hf_err *err) HF_CHECKED;

#endif
