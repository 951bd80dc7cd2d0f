/* SPDX-License-Identifier: Apache-2.0
 *
 * net/http_tls.h - which server is the right one, decided inside the handshake: by CA, key or fingerprint.
 */
#ifndef HF_NET_HTTP_TLS_H
#define HF_NET_HTTP_TLS_H

#include "base/err.h"

#include <curl/curl.h>
#include <stdbool.h>

#define HF_FINGERPRINT_BYTES 32

/* "AA:BB:…" or without colons, 32 bytes in hexadecimal; else CONFIG. */
int hf_http_fingerprint(const char *text, unsigned char out[HF_FINGERPRINT_BYTES],
                        struct hf_err *err) HF_CHECKED;

/* TLS 1.2 or later. Each may be NULL; all of them: the system's CAs. The fingerprint's bytes outlive the connection. */
struct hf_http_trust {
    const char *ca_file, *pin;
    const unsigned char *fingerprint;
};
int hf_http_set_trust(CURL *curl, const struct hf_http_trust *trust, struct hf_err *err) HF_CHECKED;

#endif
