/* SPDX-License-Identifier: Apache-2.0
 *
 * net/urlcode.h - percent-encoding.
 */
#ifndef HF_NET_URLCODE_H
#define HF_NET_URLCODE_H

#include "base/buf.h"

/* All bytes but A-Z a-z 0-9 - . _ ~ as %41, upper-case; of a path also '/' stays. Appends. */
void hf_url_encode(struct hf_buf *out, const char *text, bool is_path);
/* In place; plus_is_blank: as in a query. -1: not so encoded, or a NUL in it. */
int hf_url_decode(char *text, bool plus_is_blank) HF_CHECKED;

#endif
