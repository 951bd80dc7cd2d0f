/* SPDX-License-Identifier: Apache-2.0
 *
 * base/secret.h - a password or key: wiped when freed, never formatted.
 */
#ifndef HF_BASE_SECRET_H
#define HF_BASE_SECRET_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stddef.h>

struct hf_secret;

struct hf_secret *hf_secret_new(const char *text, size_t len); /* NULL: no memory */
/* First line of a private file (hf_path_check_private), without its newline, 1 byte to 4 KiB. */
struct hf_secret *hf_secret_read(const char *path, struct hf_err *err) HF_CHECKED;
void hf_secret_free(struct hf_secret *s);
HF_DEFINE_AUTO(hf_secret, hf_secret_free)

/* For the one call that needs it; valid until free. */
const char *hf_secret_reveal(const struct hf_secret *s);
size_t hf_secret_len(const struct hf_secret *s);

/* Wipes memory in a way the compiler keeps. */
void hf_wipe(void *p, size_t len);

#endif
