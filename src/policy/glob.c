/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/glob.h"

#include <stddef.h>

/* Only the last star has to give way: what an earlier one would take, the last one can take. */
bool hf_glob_matches(const char *pattern, const char *text)
{
    const char *star = NULL, *taken = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            taken = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++taken;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}
