/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mail.h"

#include "base/base64.h"
#include "base/civil.h"
#include "base/utf8.h"

#include <string.h>

#define SUBJECT_MAX 60 /* longer ones are encoded, and folded */
#define WORD_BYTES 42  /* of an encoded word: 12 and 56 characters of at most 75 */
#define LINE_MAX_7BIT 900
#define BASE64_LINE 57 /* bytes: 76 characters */

/* ---- header ------------------------------------------------------------------------------ */

static void add_date(struct hf_buf *out, int64_t at_us)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    int64_t s = hf_div_floor(at_us, 1000000), day = hf_div_floor(s, HF_DAY_S);
    int of_day = (int)hf_mod_floor(s, HF_DAY_S);
    struct hf_date d = hf_civil_date(day);
    hf_buf_printf(out, "Date: %s, %u %s %04d %02d:%02d:%02d +0000\r\n", days[hf_civil_weekday(day)],
                  d.day, months[d.month - 1], d.year, of_day / 3600, of_day / 60 % 60, of_day % 60);
}

static bool is_plain(const char *line)
{
    for (const char *s = line; *s; s++)
        if (*s < ' ' || *s > '~')
            return false;
    return strlen(line) <= SUBJECT_MAX && !strstr(line, "=?");
}

/* Encoded words (RFC 2047), each of whole characters. */
static void add_words(struct hf_buf *out, const char *line)
{
    for (bool is_first = true; *line; is_first = false) {
        const size_t len = hf_utf8_fit(line, WORD_BYTES);
        hf_buf_str_add(out, is_first ? "=?UTF-8?B?" : "\r\n =?UTF-8?B?");
        hf_base64_encode(out, line, len);
        hf_buf_str_add(out, "?=");
        line += len;
    }
}

static void add_subject(struct hf_buf *out, const char *subject)
{
    HF_AUTO(hf_buf) struct hf_buf line = HF_BUF_INIT;
    hf_utf8_add_line(&line, subject);
    out->failed = out->failed || !hf_buf_ok(&line);
    hf_buf_str_add(out, "Subject: ");
    if (is_plain(hf_buf_str(&line)))
        hf_buf_str_add(out, hf_buf_str(&line));
    else
        add_words(out, hf_buf_str(&line));
    hf_buf_str_add(out, "\r\n");
}

static void add_header(struct hf_buf *out, const struct hf_mail *m)
{
    const char *at = strchr(m->from, '@');
    add_date(out, m->at_us);
    hf_buf_printf(out, "From: <%s>\r\nTo: ", m->from);
    for (size_t i = 0; i < m->to->n; i++)
        hf_buf_printf(out, "%s<%s>", i ? ",\r\n " : "", m->to->items[i]);
    hf_buf_printf(out, "\r\nMessage-ID: <%s@%s>\r\n", m->id, at ? at + 1 : "localhost");
    add_subject(out, m->subject);
    hf_buf_str_add(out, "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
                        "Content-Type: text/plain; charset=utf-8\r\n");
}

/* ---- body -------------------------------------------------------------------------------- */

static void add_7bit(struct hf_buf *out, const char *text)
{
    hf_buf_str_add(out, "Content-Transfer-Encoding: 7bit\r\n\r\n");
    for (; *text; text++)
        hf_buf_add(out, *text == '\n' ? "\r\n" : text, *text == '\n' ? 2 : 1);
}

static void add_base64(struct hf_buf *out, const char *text, size_t len)
{
    hf_buf_str_add(out, "Content-Transfer-Encoding: base64\r\n\r\n");
    for (size_t at = 0; at < len; at += BASE64_LINE) {
        hf_base64_encode(out, text + at, len - at < BASE64_LINE ? len - at : BASE64_LINE);
        hf_buf_str_add(out, "\r\n");
    }
}

static bool is_7bit(const char *text)
{
    size_t line = 0;
    for (; *text; text++) {
        line = *text == '\n' ? 0 : line + 1;
        if (line > LINE_MAX_7BIT || (*text != '\n' && (*text < ' ' || *text > '~')))
            return false;
    }
    return true;
}

void hf_mail_compose(const struct hf_mail *m, struct hf_buf *out)
{
    add_header(out, m);
    if (is_7bit(m->body))
        add_7bit(out, m->body);
    else
        add_base64(out, m->body, strlen(m->body));
}
