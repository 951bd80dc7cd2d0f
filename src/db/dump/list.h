/* SPDX-License-Identifier: Apache-2.0
 *
 * db/dump/list.h - what there is to dump: schemas, tables with their size, triggers; and whether the account sees it all.
 */
#ifndef HF_DB_DUMP_LIST_H
#define HF_DB_DUMP_LIST_H

#include "db/dump/state.h"

/* The account may read all that is selected: what it may not see would be missing without a word. AUTH, with the GRANT as hint. */
int hf_dump_check_rights(struct hf_dump *d, struct hf_db_conn *c, struct hf_err *err) HF_CHECKED;

/* Fills schemas, tables, order, variables. NOT_FOUND: something that `only` names. */
int hf_dump_list(struct hf_dump *d, struct hf_db_conn *c, struct hf_err *err) HF_CHECKED;
/* Again, after attach: CONFLICT when a table has gone or come since. */
int hf_dump_compare(struct hf_dump *d, struct hf_db_conn *c, struct hf_err *err) HF_CHECKED;
void hf_dump_list_free(struct hf_dump *d);

#endif
