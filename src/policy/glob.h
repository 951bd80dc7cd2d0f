/* SPDX-License-Identifier: Apache-2.0
 *
 * policy/glob.h - patterns of the key vms: * is any text, ? one character.
 *
 * fnmatch(3) knows more (brackets, the locale), and takes exponential time for some patterns.
 */
#ifndef HF_POLICY_GLOB_H
#define HF_POLICY_GLOB_H

#include <stdbool.h>

bool hf_glob_matches(const char *pattern, const char *text);

#endif
