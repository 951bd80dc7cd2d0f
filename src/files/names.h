/* SPDX-License-Identifier: Apache-2.0
 *
 * files/names.h - a set of names, each of which can be marked: what a restore has to remember of a listing.
 *
 * Filled first (add), then sorted once (ready), then asked. Memory grows with the names that are added: those of symlinks and
 * of what hard links lead to, not those of all entries.
 */
#ifndef HF_FILES_NAMES_H
#define HF_FILES_NAMES_H

#include "base/strv.h"

struct hf_names {
    struct hf_strv v;
    bool *is_marked; /* one per name; NULL before ready */
};

int hf_names_add(struct hf_names *s, const char *name, struct hf_err *err) HF_CHECKED;
int hf_names_ready(struct hf_names *s, struct hf_err *err) HF_CHECKED;
/* NULL: it is not in the set. */
bool *hf_names_find(const struct hf_names *s, const char *name);
/* The first folder above `name` that is in the set, into out; false: none is. name: not longer than HF_ENTRY_NAME_MAX. */
bool hf_names_find_above(const struct hf_names *s, const char *name, char *out, size_t size);
void hf_names_free(struct hf_names *s);
HF_DEFINE_AUTO_VALUE(hf_names, hf_names_free)

#endif
