/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "run/probe.h"

#include <curl/curl.h>

#define BODY_MAX ((size_t)1 << 20)

static void easy_free(CURL **curl)
{
    curl_easy_cleanup(*curl);
}

/* The status is all that counts. Past the bound the transfer is broken off, with the status known. */
static size_t drop(char *data, size_t size, size_t n, void *seen)
{
    size_t *bytes = seen;
    (void)data;
    *bytes += size * n;
    return *bytes > BODY_MAX ? 0 : size * n;
}

static int set_up(CURL *curl, const char *url, int64_t timeout_ms, size_t *seen, char *why)
{
    CURLcode rc = curl_easy_setopt(curl, CURLOPT_URL, url);
    rc = rc ? rc : curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
    rc = rc ? rc : curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    rc = rc ? rc
            : curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* not by a detour of the environment */
    rc = rc ? rc : curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    rc = rc ? rc : curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    rc = rc ? rc : curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    rc = rc ? rc : curl_easy_setopt(curl, CURLOPT_USERAGENT, "holdfast");
    rc = rc ? rc : curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop);
    rc = rc ? rc : curl_easy_setopt(curl, CURLOPT_WRITEDATA, seen);
    return rc ? -1 : 0;
}

int hf_probe_http(const char *url, int64_t timeout_ms, long *out_status, struct hf_err *err)
{
    char why[CURL_ERROR_SIZE] = "";
    size_t seen = 0;
    __attribute__((cleanup(easy_free))) CURL *curl = curl_easy_init();
    if (!curl || set_up(curl, url, timeout_ms, &seen, why) < 0)
        return hf_fail(err, HF_E_INTERNAL, "the HTTP library does not start");
    *out_status = 0;
    CURLcode rc = curl_easy_perform(curl);
    if (rc == CURLE_OK || seen > BODY_MAX)
        rc = curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, out_status);
    if (rc == CURLE_OK)
        return 0;
    return hf_fail(err, rc == CURLE_OPERATION_TIMEDOUT ? HF_E_TIMEOUT : HF_E_UNREACHABLE, "%s",
                   why[0] ? why : curl_easy_strerror(rc));
}
