/* SPDX-License-Identifier: Apache-2.0
 *
 * db/dberr.h - what an error number of a server or of the client library means to us.
 *
 * One table, no connection needed: the numbers are the same in MySQL and MariaDB where both have
 * them.
 */
#ifndef HF_DB_DBERR_H
#define HF_DB_DBERR_H

#include "base/err.h"

#include <stdbool.h>

enum hf_err_class hf_db_errno_class(unsigned code);
/* The remedy as a sentence, or NULL. */
const char *hf_db_errno_hint(unsigned code);
/* The session is gone, and with it every lock it held. */
bool hf_db_errno_is_lost(unsigned code);
/* A statement that waited was ended: by a timeout, by KILL QUERY, as a deadlock's victim. */
bool hf_db_errno_is_interrupted(unsigned code);

/* "database NAME: text", class, hint and retryable from the number. Returns -1. */
int hf_db_fail(struct hf_err *err, const char *name, unsigned code, const char *text);

#endif
