/* SPDX-License-Identifier: Apache-2.0
 *
 * store/address.h - [USER@]HOST[:PORT]/PATH of a store's url.
 */
#ifndef HF_STORE_ADDRESS_H
#define HF_STORE_ADDRESS_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stdbool.h>

struct hf_store_address {
    char *user; /* NULL: none */
    char *host; /* without brackets */
    unsigned port;
    char *
        path; /* "/a/b": absolute, nothing in it that needs quoting, no "." or ".."; "" for the root */
};

/* What stands behind "://". usual_port: without one. CONFIG: what is wrong with it. */
int hf_store_address_parse(const char *text, unsigned usual_port, struct hf_store_address *out,
                           struct hf_err *err) HF_CHECKED;
void hf_store_address_free(struct hf_store_address *a);
HF_DEFINE_AUTO_VALUE(hf_store_address, hf_store_address_free)

/* "HOST[:PORT]", "[::1]:22". */
bool hf_store_host_is_valid(const char *host);

#endif
