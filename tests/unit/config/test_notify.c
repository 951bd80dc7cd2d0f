/* SPDX-License-Identifier: Apache-2.0
 *
 * [notify NAME] and where metrics go: what the keys hold, and every mistake with its line and its way out.
 */
#include "parsing.h"

#include <string.h>

#define HOOK "[notify admins]\nwebhook = https://alerts.example.org/x?y=1\n"
#define MAIL "[notify admins]\nmail-to = a@example.org\nmail-from = hf@example.org\n"

static void reads_a_webhook(void **state)
{
    (void)state;
    HF_AUTO(hf_config)
    struct hf_config *c =
        parse(HOOK "token-file = /etc/t\nca-file = /etc/ca\non = failed, daemon\n");
    assert_int_equal(hf_config_notify_count(c), 1);
    const struct hf_config_notify *n = hf_config_notify_at(c, 0);
    assert_string_equal(n->label, "admins");
    assert_string_equal(n->webhook, "https://alerts.example.org/x?y=1");
    assert_string_equal(n->token_file, "/etc/t");
    assert_string_equal(n->ca_file, "/etc/ca");
    assert_int_equal(n->on.n, 2);
    assert_true(hf_strv_has(&n->on, "daemon"));
}

static void reads_mail_with_its_defaults(void **state)
{
    (void)state;
    HF_AUTO(hf_config) struct hf_config *c = parse(MAIL);
    const struct hf_config_notify *n = hf_config_notify_at(c, 0);
    assert_string_equal(n->mail_to.items[0], "a@example.org");
    assert_string_equal(n->mail_from, "hf@example.org");
    assert_string_equal(n->smtp, "smtp://127.0.0.1:25");
    assert_int_equal(n->on.n, 6);
}

static void assert_smtp(const char *value, const char *expected)
{
    char text[256];
    snprintf(text, sizeof text, MAIL "smtp = %s\n", value);
    HF_AUTO(hf_config) struct hf_config *c = parse(text);
    assert_string_equal(hf_config_notify_at(c, 0)->smtp, expected);
}

static void a_mail_server_has_its_usual_port(void **state)
{
    (void)state;
    assert_smtp("smtp://localhost", "smtp://localhost:25");
    assert_smtp("smtp://[::1]", "smtp://[::1]:25");
    assert_smtp("smtp://mail.example.org", "smtp://mail.example.org:587");
    assert_smtp("smtps://mail.example.org", "smtps://mail.example.org:465");
    assert_smtp("smtp://mail.example.org:2525", "smtp://mail.example.org:2525");
}

static void a_section_says_one_way(void **state)
{
    (void)state;
    assert_refused("[notify x]\non = failed\n", "test.conf:1: [notify x]: neither webhook nor",
                   "webhook = https://");
    assert_refused(HOOK "mail-to = a@b\nmail-from = c@d\n", "webhook and mail-to", "two sections");
    assert_refused("[notify x]\nmail-to = a@b\n", "no mail-from", "mail-from = ");
}

static void keys_of_the_other_way_are_refused(void **state)
{
    (void)state;
    assert_refused(MAIL "token-file = /x\n", "test.conf:4: [notify admins]: token-file is a key",
                   "Remove it");
    assert_refused(HOOK "mail-from = a@b\n", "mail-from is a key of mail-to", "Remove it");
    assert_refused(HOOK "smtp = smtps://x\n", "smtp is a key of mail-to", "Remove it");
    assert_refused(HOOK "smtp-user = x\n", "smtp-user is a key of mail-to", "Remove it");
    assert_refused(HOOK "smtp-password-file = /x\n", "smtp-password-file is a key", "Remove it");
    assert_refused(MAIL "smtp-user = x\n", "one of smtp-user and", "belong together");
    assert_refused(MAIL "smtp-password-file = /x\n", "one of smtp-user and", "belong together");
}

static void nothing_goes_into_the_open(void **state)
{
    (void)state;
    assert_refused("[notify x]\nwebhook = http://alerts.example.org/\n", "loopback addresses only",
                   "https://");
    assert_refused("[notify x]\nwebhook = http://127.0.0.1.example.org/\n", "loopback", "https://");
    assert_refused("[notify x]\nwebhook = http://127.0.0.1/\nca-file = /x\n", "checked without TLS",
                   "Remove ca-file");
    assert_refused(MAIL "ca-file = /x\n", "checked without TLS", "Remove ca-file");
    HF_AUTO(hf_config) struct hf_config *c = parse("[notify x]\nwebhook = http://[::1]:8080/a\n");
    assert_string_equal(hf_config_notify_at(c, 0)->webhook, "http://[::1]:8080/a");
    HF_AUTO(hf_config)
    struct hf_config *tls = parse(MAIL "smtp = smtp://mail.example.org\nca-file = /x\n");
    assert_string_equal(hf_config_notify_at(tls, 0)->ca_file, "/x");
}

static void what_is_no_address_is_refused(void **state)
{
    (void)state;
    static const char *const mails[] = {"ops",       "@b",         "a@",    "a@b@c",
                                        "Ops <a@b>", "-f@b",       "a b@c", "a@b>",
                                        "\"a\"@b",   "\xc3\xa4@b", "a@b:25"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(mails); i++) {
        char text[256];
        snprintf(text, sizeof text, "[notify x]\nmail-from = a@b\nmail-to = %s\n", mails[i]);
        assert_refused(text, "is not an address of mail", "ops@example.org");
    }
}

/* Nor is what was written repeated: a password may be in it. */
static void what_is_no_url_is_refused(void **state)
{
    (void)state;
    static const char *const urls[] = {"webhook = ftp://sesame/",
                                       "webhook = https://",
                                       "webhook = https://u:sesame@h/",
                                       "webhook = https://u@sesame/",
                                       "webhook = https:///sesame",
                                       "webhook = https://h/a sesame",
                                       "webhook = https://h:0/sesame",
                                       "webhook = https://h/#sesame",
                                       "mail-to = a@b\nmail-from = a@b\nsmtp = smtp://u:sesame@h",
                                       "mail-to = a@b\nmail-from = a@b\nsmtp = http://sesame"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(urls); i++) {
        char text[256];
        struct hf_err err = HF_ERR_INIT;
        snprintf(text, sizeof text, "[notify x]\n%s\n", urls[i]);
        assert_null(hf_config_parse(text, strlen(text), "test.conf", &err));
        assert_int_equal(err.cls, HF_E_CONFIG);
        assert_lacks(err.message, "sesame");
    }
    assert_refused(MAIL "smtp = smtps://h/x\n", "has a path", "smtps://HOST");
}

static void kinds_of_alarms_are_checked(void **state)
{
    (void)state;
    assert_refused(HOOK "on = failed, late\n", "'late' is not a kind of alarm", "drill-overdue");
    assert_refused(HOOK "on = failed, failed\n", "twice", "drill-overdue");
}

static void metrics_listen_is_an_address(void **state)
{
    (void)state;
    HF_AUTO(hf_config) struct hf_config *none = parse("[defaults]\n");
    assert_null(hf_config_get_defaults(none)->metrics_listen.host);
    assert_null(hf_config_get_defaults(none)->metrics_file);
    HF_AUTO(hf_config)
    struct hf_config *c =
        parse("[defaults]\nmetrics-listen = [::1]:1234\nmetrics-file = /x/y.prom\n");
    assert_string_equal(hf_config_get_defaults(c)->metrics_listen.host, "::1");
    assert_int_equal(hf_config_get_defaults(c)->metrics_listen.port, 1234);
    assert_string_equal(hf_config_get_defaults(c)->metrics_file, "/x/y.prom");
    HF_AUTO(hf_config) struct hf_config *d = parse("[defaults]\nmetrics-listen = 0.0.0.0\n");
    assert_int_equal(hf_config_get_defaults(d)->metrics_listen.port, 9469);
    assert_refused("[defaults]\nmetrics-listen = localhost:1\n", "is not an address", "127.0.0.1");
    assert_refused("[defaults]\nmetrics-listen = 127.0.0.1:0\n", "not a port", "127.0.0.1");
}

static void loopback_is_nothing_else(void **state)
{
    (void)state;
    assert_true(hf_host_is_loopback("127.0.0.1"));
    assert_true(hf_host_is_loopback("127.9.9.9"));
    assert_true(hf_host_is_loopback("::1"));
    assert_true(hf_host_is_loopback("localhost"));
    assert_false(hf_host_is_loopback("128.0.0.1"));
    assert_false(hf_host_is_loopback("::"));
    assert_false(hf_host_is_loopback("0.0.0.0"));
    assert_false(hf_host_is_loopback("localhost.example.org"));
    assert_true(hf_url_is_loopback("http://[::1]:1/x"));
    assert_false(hf_url_is_loopback("http://127.0.0.1@example.org/"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(reads_a_webhook),
        HF_TEST(reads_mail_with_its_defaults),
        HF_TEST(a_mail_server_has_its_usual_port),
        HF_TEST(a_section_says_one_way),
        HF_TEST(keys_of_the_other_way_are_refused),
        HF_TEST(nothing_goes_into_the_open),
        HF_TEST(what_is_no_address_is_refused),
        HF_TEST(what_is_no_url_is_refused),
        HF_TEST(kinds_of_alarms_are_checked),
        HF_TEST(metrics_listen_is_an_address),
        HF_TEST(loopback_is_nothing_else),
    };
    return HF_RUN_TESTS("config.notify", tests);
}
