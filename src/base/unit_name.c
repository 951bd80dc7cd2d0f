/* SPDX-License-Identifier: Apache-2.0 */
#include "base/unit_name.h"

#include <string.h>

bool hf_unit_name_is_valid(const char *s)
{
    static const char *const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "0123456789:-_.\\@";
    size_t len = strnlen(s, HF_UNIT_NAME_MAX + 1);
    return len > 0 && len <= HF_UNIT_NAME_MAX && *s != '-' && *s != '.' &&
           strspn(s, allowed) == len;
}

bool hf_unit_name_is_template(const char *s)
{
    return strstr(s, "@.") != NULL;
}
