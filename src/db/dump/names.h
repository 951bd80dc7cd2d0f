/* SPDX-License-Identifier: Apache-2.0
 *
 * db/dump/names.h - from names of schemas and tables, which are anybody's, to names of files.
 *
 * A name that is harmless in every respect stays (docs/dump-format.md, "File names"); any other becomes mydumper_N. The same
 * name gets the same N. Threads: one at a time; all names are given out before the workers start.
 */
#ifndef HF_DB_DUMP_NAMES_H
#define HF_DB_DUMP_NAMES_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stdbool.h>

struct hf_dump_names;

struct hf_dump_names *hf_dump_names_new(struct hf_err *err) HF_CHECKED;
void hf_dump_names_free(struct hf_dump_names *n);
HF_DEFINE_AUTO(hf_dump_names, hf_dump_names_free)

/* Belongs to n; NULL: no memory. */
const char *hf_dump_names_get(struct hf_dump_names *n, const char *name);

bool hf_dump_name_is_harmless(const char *name);

#endif
