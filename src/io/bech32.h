/* SPDX-License-Identifier: Apache-2.0
 *
 * io/bech32.h - BIP 173, as age writes its 32-byte keys: prefix, '1', data, six letters of checksum.
 *
 * No limit of 90 characters, as in age. Pure functions; what they leave on the stack is wiped, for they handle secrets.
 */
#ifndef HF_IO_BECH32_H
#define HF_IO_BECH32_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define HF_BECH32_KEY 32
/* prefix up to 16, '1', 52 + 6, NUL */
#define HF_BECH32_MAX 80

/* prefix in lower case, at most 16 characters; upper: the whole in capitals. */
void hf_bech32_encode(const char *prefix, bool upper, const unsigned char key[HF_BECH32_KEY],
                      char out[HF_BECH32_MAX]);
/* -1: not this prefix, another case, another length, or a wrong checksum. */
int hf_bech32_decode(const char *prefix, bool upper, const char *text, size_t len,
                     unsigned char out[HF_BECH32_KEY]) HF_CHECKED;

#endif
