/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/report_text.h - a run's JSON document as people read it (create, show).
 */
#ifndef HF_CLI_REPORT_TEXT_H
#define HF_CLI_REPORT_TEXT_H

#include "base/err.h"
#include "base/units.h"
#include "net/json.h"
#include "run/report.h"

#include <stdio.h>

/* On stdout. Missing members are left out. -1: stdout is gone or full. */
int hf_cli_print_report(struct json_object *doc, struct hf_err *err) HF_CHECKED;

/* A member as text, borrowed; NULL: absent or null. */
const char *hf_cli_text(struct json_object *doc, const char *key);
/* A member as people read a size, in out; NULL: absent or null. */
const char *hf_cli_size(struct json_object *doc, const char *key, char out[HF_UNITS_MAX]);
/* A member as a number; 0: absent or null. */
int64_t hf_cli_number(struct json_object *doc, const char *key);
/* "stopped    apache2.service, mariadb.service", in the order of stopping; nothing where nothing was. */
void hf_cli_print_stopped(struct json_object *doc);
/* "fetched    1.2 MiB of point POINT from store NAME"; nothing where no store was read. */
void hf_cli_print_fetched(struct json_object *doc);
/* "NAME       FILE:OFFSET, GTID …"; nothing where KEY is absent or null. */
void hf_cli_print_position(struct json_object *doc, const char *name, const char *key);
/* Each item of a list; nothing where there is no such list. */
void hf_cli_print_each(struct json_object *doc, const char *key,
                       void (*print)(struct json_object *item));
/* Each text of a list on a line of its own, behind `before`; nothing where there is no such list. */
void hf_cli_print_lines(FILE *to, struct json_object *doc, const char *before, const char *key);
/* The same on stdout, "NAME  TEXT". */
void hf_cli_print_list(struct json_object *doc, const char *name, const char *key);

#endif
