/* SPDX-License-Identifier: Apache-2.0
 *
 * db/redact.h - a statement as it may be shown: without anybody's data.
 */
#ifndef HF_DB_REDACT_H
#define HF_DB_REDACT_H

#include <stddef.h>

#define HF_DB_REDACTED_MAX 64

/* Strings, numbers, hex and bit literals become '?', comments go, blanks are joined, and the result
 * is cut at HF_DB_REDACTED_MAX characters ("…" at the end). A literal that does not end (the server
 * cuts long statements) swallows the rest. To be freed; NULL: no memory. */
char *hf_db_redact(const char *sql);

#endif
