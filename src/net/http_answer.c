/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define AFTER_MAX_S 3600

void hf_http_answer_free(struct hf_http_answer *a)
{
    hf_buf_free(&a->body);
    hf_buf_free(&a->headers);
    memset(a, 0, sizeof *a);
}

void hf_http_reason(const struct hf_http_answer *a, char *out, size_t size)
{
    const char *line = hf_buf_str(&a->headers), *end = strchrnul(line, '\n');
    for (int blanks = 0; line < end && blanks < 2; line++)
        blanks += *line == ' ';
    snprintf(out, size, "%.*s", (int)(end - line), line);
}

bool hf_http_header(const struct hf_http_answer *a, const char *name, char *out, size_t size)
{
    size_t len = strlen(name);
    for (const char *line = hf_buf_str(&a->headers); *line;) {
        const char *end = strchrnul(line, '\n');
        if ((size_t)(end - line) > len && strncasecmp(line, name, len) == 0 && line[len] == ':') {
            const char *value = line + len + 1;
            value += strspn(value, " \t");
            size_t n = end > value ? (size_t)(end - value) : 0;
            n = n < size - 1 ? n : size - 1;
            memcpy(out, value, n);
            out[n] = '\0';
            return true;
        }
        line = *end ? end + 1 : end;
    }
    return false;
}

int64_t hf_http_date(const struct hf_http_answer *a, const char *name)
{
    char text[64];
    return hf_http_header(a, name, text, sizeof text) ? (int64_t)curl_getdate(text, NULL) : -1;
}

static int64_t within_an_hour(int64_t seconds)
{
    return seconds < 0 ? 0 : (seconds < AFTER_MAX_S ? seconds : AFTER_MAX_S) * 1000;
}

int64_t hf_http_retry_after_ms(const struct hf_http_answer *a)
{
    char text[64];
    if (!hf_http_header(a, "Retry-After", text, sizeof text))
        return 0;
    size_t digits = strspn(text, "0123456789");
    if (digits > 0 && !text[digits])
        return within_an_hour(digits < 10 ? strtol(text, NULL, 10) : AFTER_MAX_S);
    int64_t then = hf_http_date(a, "Retry-After"), now = hf_http_date(a, "Date"); /* by its clock */
    return then > 0 && now > 0 ? within_an_hour(then - now) : 0;
}

/* "bytes 0-99/1234" */
static bool is_range(const struct hf_http_answer *a, uint64_t at, uint64_t *out_total)
{
    char text[80];
    uint64_t first = 0, last = 0;
    return hf_http_header(a, "Content-Range", text, sizeof text) &&
           sscanf(text, "bytes %" SCNu64 "-%" SCNu64 "/%" SCNu64, &first, &last, out_total) == 3 &&
           first == at && last - first + 1 == a->into_have;
}

int hf_http_judge_range(void *range, const struct hf_http_answer *a, struct hf_err *err)
{
    const struct hf_http_range *r = range;
    uint64_t total = a->into_have;
    bool is_whole = a->status == 200 && r->at == 0; /* of who knows no ranges, or a proxy */
    if (!is_whole && (a->status != 206 || !is_range(a, r->at, &total))) {
        hf_fail(err, HF_E_CORRUPT, "the store answers other bytes than were asked for");
        err->retryable = true;
        return -1;
    }
    if (a->into_have == r->len)
        return 0;
    hf_fail(err, HF_E_CORRUPT, "it ends at byte %" PRIu64 ": truncated", total);
    err->retryable = total >= r->at + r->len;
    return -1;
}

int hf_http_judge_date(void *out_s, const struct hf_http_answer *a, struct hf_err *err)
{
    int64_t *s = out_s;
    *s = hf_http_date(a, "Date");
    return *s > 0 ? 0 : hf_fail(err, HF_E_CORRUPT, "the store's answer has no date");
}

int hf_http_judge_head(const struct hf_http_answer *a, uint64_t *out_bytes, int64_t *out_changed_s,
                       struct hf_err *err)
{
    char text[32];
    char *end = NULL;
    errno = 0;
    if (hf_http_header(a, "Content-Length", text, sizeof text) && isdigit((unsigned char)text[0])) {
        *out_bytes = strtoull(text, &end, 10);
        int64_t changed = hf_http_date(a, "Last-Modified");
        *out_changed_s = changed > 0 ? changed : 0;
        if (!*end && errno == 0 && *out_bytes <= INT64_MAX)
            return 0;
    }
    hf_fail(err, HF_E_CORRUPT, "the store does not say how long it is");
    err->retryable = true;
    return -1;
}
