/* SPDX-License-Identifier: Apache-2.0
 *
 * Any two texts (with a NUL between them) as subject and body: one header, short lines, nothing but printable ASCII and CR LF.
 */
#include "daemon/mail.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge(const char *mail, const char *end)
{
    size_t line = 0;
    for (const char *s = mail; *s; s++) {
        assert(*s == '\r'   ? s[1] == '\n'
               : *s == '\n' ? s > mail && s[-1] == '\r'
                            : *s >= ' ' && *s <= '~');
        line = *s == '\n' ? 0 : line + 1;
        assert(line <= 998);
        if (s < end && *s == '\n') /* the next line is a header of ours, or goes on */
            assert(s[1] == ' ' || strchr("DFTMSAC", s[1]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char ops[] = "ops@example.org", *to[] = {ops, NULL};
    const struct hf_strv list = {.items = to, .n = 1, .cap = 2};
    HF_AUTOFREE char *text = strndup((const char *)data, size);
    size_t len = text ? strlen(text) : 0;
    HF_AUTOFREE char *body =
        len < size ? strndup((const char *)data + len + 1, size - len - 1) : strdup("");
    if (!text || !body)
        return 0;
    const struct hf_mail m = {.from = "holdfast@example.org",
                              .to = &list,
                              .subject = text,
                              .body = body,
                              .at_us = (int64_t)size * 1000003,
                              .id = "holdfast.1.2"};
    HF_AUTO(hf_buf) struct hf_buf out = HF_BUF_INIT;
    hf_mail_compose(&m, &out);
    assert(hf_buf_ok(&out) && strlen(out.data) == out.len);
    const char *end = strstr(out.data, "\r\n\r\n");
    assert(end);
    judge(out.data, end);
    return 0;
}
