/* SPDX-License-Identifier: Apache-2.0
 *
 * net/http_tls.h - the server's certificate judged by its fingerprint, inside the handshake.
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
/* CURLOPT_SSL_CTX_FUNCTION; its data is the 32 bytes, which outlive the connection. */
CURLcode hf_http_verify_by_fingerprint(CURL *curl, void *ssl_ctx, void *fingerprint);

#endif
