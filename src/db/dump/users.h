/* SPDX-License-Identifier: Apache-2.0
 *
 * db/dump/users.h - accounts, roles and what they may do, as statements: holdfast-users.sql.txt.txt.
 *
 * First every role and account (IF NOT EXISTS: an account that is there keeps its password), then all grants, then default
 * roles, since each needs what is before it. The server's own accounts are left out. Passwords are in it as the server
 * stores them.
 */
#ifndef HF_DB_DUMP_USERS_H
#define HF_DB_DUMP_USERS_H

#include "db/dump/state.h"

int hf_dump_users(struct hf_dump *d, struct hf_db_conn *c, struct hf_err *err) HF_CHECKED;

/* Takes `DEFAULT ROLE …` out of SHOW CREATE USER's text, in place (MySQL: the role may not be there yet). */
void hf_users_strip_default_role(char *text);

#endif
