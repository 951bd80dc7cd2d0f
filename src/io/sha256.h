/* SPDX-License-Identifier: Apache-2.0
 *
 * io/sha256.h - the SHA-256 of bytes that come by and by, as lower-case hex.
 *
 * Errors: INTERNAL, libcrypto refuses; NOMEM. Threads: one at a time per digest.
 */
#ifndef HF_IO_SHA256_H
#define HF_IO_SHA256_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stddef.h>

#define HF_SHA256_HEX 65 /* with the NUL */

struct hf_sha256;

/* Begun. NULL: see err. */
struct hf_sha256 *hf_sha256_new(struct hf_err *err) HF_CHECKED;
void hf_sha256_free(struct hf_sha256 *s);
HF_DEFINE_AUTO(hf_sha256, hf_sha256_free)

/* Forgets what was added. */
int hf_sha256_begin(struct hf_sha256 *s, struct hf_err *err) HF_CHECKED;
int hf_sha256_add(struct hf_sha256 *s, const void *data, size_t len, struct hf_err *err) HF_CHECKED;
/* Of what was added since it was begun; once. */
int hf_sha256_end(struct hf_sha256 *s, char out[HF_SHA256_HEX], struct hf_err *err) HF_CHECKED;

#endif
