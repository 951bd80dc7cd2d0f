/* SPDX-License-Identifier: Apache-2.0
 *
 * base/strv.h - a list of owned strings.
 */
#ifndef HF_BASE_STRV_H
#define HF_BASE_STRV_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct hf_strv {
    char **items; /* NULL-terminated once something was added, else NULL */
    size_t n, cap;
};

#define HF_STRV_INIT                                                                               \
    {                                                                                              \
        0                                                                                          \
    }

int hf_strv_add(struct hf_strv *v, const char *s) HF_CHECKED; /* copies; -1: no memory */
int hf_strv_add_all(struct hf_strv *v, const struct hf_strv *from) HF_CHECKED; /* likewise */
int hf_strv_take(struct hf_strv *v, char *owned)
    HF_CHECKED; /* takes ownership, also when it fails; NULL fails */
int hf_strv_split(struct hf_strv *v, const char *s, char sep)
    HF_CHECKED; /* trims blanks, drops empty parts */
bool hf_strv_has(const struct hf_strv *v, const char *s);
void hf_strv_free(struct hf_strv *v);

HF_DEFINE_AUTO_VALUE(hf_strv, hf_strv_free)

/* The candidate nearest to `word` by edit distance, or NULL when none is near
 * (more than a third of the letters differ). For "did you mean". */
const char *hf_nearest(const char *word, const char *const *candidates, size_t n);

#endif
