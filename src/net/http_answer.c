/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http.h"

#include <curl/curl.h>
#include <string.h>
#include <strings.h>

void hf_http_answer_free(struct hf_http_answer *a)
{
    hf_buf_free(&a->body);
    hf_buf_free(&a->headers);
    memset(a, 0, sizeof *a);
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
