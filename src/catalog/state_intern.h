/* SPDX-License-Identifier: Apache-2.0
 *
 * catalog/state_intern.h - the state directory and private directories below it.
 *
 * Its journals say what is undone, so nobody else may write there: not ours or root's, or
 * writable by group or others, is refused.
 */
#ifndef HF_CATALOG_STATE_INTERN_H
#define HF_CATALOG_STATE_INTERN_H

#include "base/err.h"

/* Makes STATE (0700) if need be; CONFIG, with the chmod to run, when others could write there. */
int hf_state_dir(const char *state_dir, struct hf_err *err) HF_CHECKED;
/* STATE/name as a path to be freed; the directory is there, mode 0700 and durable. */
char *hf_state_subdir(const char *state_dir, const char *name, struct hf_err *err) HF_CHECKED;

#endif
