/* SPDX-License-Identifier: Apache-2.0
 *
 * base/hex.h - bytes as lower-case hexadecimal digits.
 */
#ifndef HF_BASE_HEX_H
#define HF_BASE_HEX_H

#include "base/err.h"

#include <stddef.h>

void hf_hex(const void *data, size_t len, char *out); /* 2 × len, and a NUL */
/* Lower case only; -1: not 2 × len such digits, and no more. */
int hf_unhex(const char *text, void *out, size_t len) HF_CHECKED;

#endif
