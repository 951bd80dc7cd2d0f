/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mail.h"
#include "harness/hf_test.h"

#include <string.h>

#define NOW INT64_C(1795402800000000) /* 2026-11-23T03:00:00Z, a Monday */

static char *compose(const char *subject, const char *body)
{
    static char ops[] = "ops@example.org", oncall[] = "oncall@example.org";
    char *to[] = {ops, oncall, NULL};
    const struct hf_strv list = {.items = to, .n = 2, .cap = 3};
    const struct hf_mail m = {.from = "holdfast@example.org",
                              .to = &list,
                              .subject = subject,
                              .body = body,
                              .at_us = NOW,
                              .id = "holdfast.1.2"};
    struct hf_buf out = HF_BUF_INIT;
    hf_mail_compose(&m, &out);
    return hf_buf_steal(&out);
}

static void an_ordinary_mail_is_plain(void **state)
{
    (void)state;
    HF_AUTOFREE char *mail = compose("failed: nightly/web01", "no space\n\nvm web01\n");
    assert_string_equal(mail, "Date: Mon, 23 Nov 2026 03:00:00 +0000\r\n"
                              "From: <holdfast@example.org>\r\n"
                              "To: <ops@example.org>,\r\n <oncall@example.org>\r\n"
                              "Message-ID: <holdfast.1.2@example.org>\r\n"
                              "Subject: failed: nightly/web01\r\n"
                              "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
                              "Content-Type: text/plain; charset=utf-8\r\n"
                              "Content-Transfer-Encoding: 7bit\r\n\r\n"
                              "no space\r\n\r\nvm web01\r\n");
}

/* What a server or a mail program could take for the end of a header or of the mail. */
static void nothing_makes_a_header(void **state)
{
    (void)state;
    static const char *const evil[] = {"a\r\nBcc: x@y",
                                       "a\nBcc: x@y",
                                       "a\rBcc: x@y",
                                       "\r\n\r\nbody",
                                       "a\x01\x7f"
                                       "b\n.\n",
                                       "=?UTF-8?Q?=0ABcc:_x?=",
                                       "\xff\xfe\nBcc: x",
                                       "\xc3"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(evil); i++) {
        HF_AUTOFREE char *mail = compose(evil[i], evil[i]);
        char *end = strstr(mail, "\r\n\r\n");
        assert_non_null(end);
        for (const char *s = mail; *s; s++) {
            assert_false(*s == '\n' && (s == mail || s[-1] != '\r'));
            assert_false(*s == '\r' && s[1] != '\n');
            assert_true(*s == '\r' || *s == '\n' || (*s >= ' ' && *s <= '~'));
        }
        *end = '\0'; /* the body may say what it likes */
        assert_lacks(mail, "\nBcc");
        assert_contains(mail, "Content-Transfer-Encoding: ");
        assert_contains(mail, "Subject: ");
    }
}

static void a_subject_in_any_language_is_encoded_in_whole_characters(void **state)
{
    (void)state;
    HF_AUTOFREE char *one = compose("h\xc3\xa4lt", "x\n");
    assert_contains(one, "Subject: =?UTF-8?B?aMOkbHQ=?=\r\n");
    char longer[200] = "";
    for (size_t i = 0; i < 60; i++)
        memcpy(longer + 3 * i, "\xe2\x82\xac", 4); /* the euro sign */
    HF_AUTOFREE char *many = compose(longer, "x\n");
    const char *subject = strstr(many, "Subject: ");
    size_t words = 0;
    for (const char *w = subject; (w = strstr(w, "=?UTF-8?B?")); w++, words++) {
        const char *end = strstr(w, "?=");
        assert_true(end - w <= 73);
        /* 14 characters of 3 bytes: a multiple of 4 without a rest */
        assert_true(strncmp(w + 10, "4oKs", 4) == 0);
        assert_true(memchr(w + 10, '=', (size_t)(end - w - 10)) == NULL);
    }
    assert_int_equal(words, 5);
}

static void a_long_line_of_the_body_is_folded_by_base64(void **state)
{
    (void)state;
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    HF_AUTOFREE char *mail = compose("s", text);
    assert_contains(mail, "Content-Transfer-Encoding: base64\r\n\r\neHh4");
    for (char *line = mail, *end; (end = strstr(line, "\r\n")); line = end + 2)
        assert_true(end - line <= 78);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(an_ordinary_mail_is_plain),
        HF_TEST(nothing_makes_a_header),
        HF_TEST(a_subject_in_any_language_is_encoded_in_whole_characters),
        HF_TEST(a_long_line_of_the_body_is_folded_by_base64),
    };
    return HF_RUN_TESTS("daemon.mail", tests);
}
