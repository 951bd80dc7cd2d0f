/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_tls.h"

#include <ctype.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <string.h>

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int hf_http_fingerprint(const char *text, unsigned char out[HF_FINGERPRINT_BYTES],
                        struct hf_err *err)
{
    size_t n = 0;
    for (const char *p = text; *p && n <= HF_FINGERPRINT_BYTES; p += 2, n++) {
        if (n && *p == ':')
            p++;
        int high = hex_value(p[0]), low = high < 0 ? -1 : hex_value(p[1]);
        if (low < 0 || n == HF_FINGERPRINT_BYTES)
            break;
        out[n] = (unsigned char)(high << 4 | low);
        if (n + 1 == HF_FINGERPRINT_BYTES && !p[2])
            return 0;
    }
    hf_fail(err, HF_E_CONFIG, "'%s' is no SHA-256 fingerprint", text);
    return hf_hint(err, "It has 32 bytes in hexadecimal: AA:BB:CC and so on.");
}

static int judge(X509_STORE_CTX *store, void *fingerprint)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    X509 *cert = X509_STORE_CTX_get0_cert(store);
    bool is_it = cert && X509_digest(cert, EVP_sha256(), digest, &len) == 1 &&
                 len == HF_FINGERPRINT_BYTES && memcmp(digest, fingerprint, len) == 0;
    X509_STORE_CTX_set_error(store, is_it ? X509_V_OK : X509_V_ERR_CERT_REJECTED);
    return is_it;
}

static CURLcode verify_by_fingerprint(CURL *curl, void *ssl_ctx, void *fingerprint)
{
    (void)curl;
    SSL_CTX_set_verify(ssl_ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(ssl_ctx, judge, fingerprint);
    return CURLE_OK;
}

int hf_http_set_trust(CURL *c, const struct hf_http_trust *t, struct hf_err *err)
{
    CURLcode rc = curl_easy_setopt(c, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
    if (t->ca_file)
        rc |= curl_easy_setopt(c, CURLOPT_CAINFO, t->ca_file);
    if (t->pin)
        rc |= curl_easy_setopt(c, CURLOPT_PINNEDPUBLICKEY, t->pin);
    if (t->pin &&
        !t->ca_file) { /* libcurl compares the pin all the same: the key itself is the proof, whoever signed it */
        rc |= curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
        rc |= curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (t->fingerprint) {
        /* A resumed session is not judged again. */
        rc |= curl_easy_setopt(c, CURLOPT_SSL_SESSIONID_CACHE, 0L);
        rc |= curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
        rc |= curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
        rc |= curl_easy_setopt(c, CURLOPT_CAINFO, NULL);
        rc |= curl_easy_setopt(c, CURLOPT_CAPATH, NULL);
        rc |= curl_easy_setopt(c, CURLOPT_SSL_CTX_FUNCTION, verify_by_fingerprint);
        rc |= curl_easy_setopt(c, CURLOPT_SSL_CTX_DATA, (void *)(uintptr_t)t->fingerprint);
    }
    if (rc == CURLE_OK)
        return 0;
    return hf_fail(err, HF_E_UNSUPPORTED, "this libcurl cannot check a certificate so (%s)",
                   curl_easy_strerror(rc));
}
