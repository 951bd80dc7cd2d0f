/* SPDX-License-Identifier: Apache-2.0
 *
 * Types of options.def for who is told, and who may ask.
 */
#include "config/schema.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define METRICS_PORT 9469
#define URL_MAX 2048
#define MAIL_MAX 254 /* RFC 5321 */

/* ---- hosts ------------------------------------------------------------------------------- */

bool hf_host_is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, host, &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6);
    return strcmp(host, "localhost") == 0;
}

/* HOST[:PORT] of SCHEME://HOST[:PORT][/…], to be freed. */
static char *authority_of(const char *url)
{
    const char *rest = strstr(url, "://");
    rest = rest ? rest + 3 : url;
    return strndup(rest, strcspn(rest, "/?#"));
}

static int endpoint_of(const char *url, char **host, unsigned *port, struct hf_err *err)
{
    HF_AUTOFREE char *authority = authority_of(url);
    return authority ? hf_config_endpoint_parse(authority, url, host, port, err)
                     : hf_fail_nomem(err);
}

bool hf_url_is_loopback(const char *url)
{
    struct hf_err none = HF_ERR_INIT;
    HF_AUTOFREE char *host = NULL;
    unsigned port = 0;
    return endpoint_of(url, &host, &port, &none) == 0 && hf_host_is_loopback(host);
}

static int listen_parse(const char *text, void *field, struct hf_err *err)
{
    struct hf_listen *out = field;
    unsigned char address[sizeof(struct in6_addr)];
    out->port = METRICS_PORT;
    if (hf_config_endpoint_parse(text, text, &out->host, &out->port, err) != 0)
        return -1;
    if (inet_pton(AF_INET, out->host, address) == 1 || inet_pton(AF_INET6, out->host, address) == 1)
        return 0;
    return hf_fail(err, HF_E_CONFIG, "'%s' is not an address", out->host);
}

static void listen_clear(void *field)
{
    struct hf_listen *l = field;
    free(l->host);
    *l = (struct hf_listen){0};
}

/* ---- urls -------------------------------------------------------------------------------- */

static bool is_printable(const char *s)
{
    for (; *s; s++)
        if (*s <= ' ' || *s > '~')
            return false;
    return true;
}

/* The url is not repeated: with some services whoever knows it may post. */
static int url_check(const char *text, struct hf_err *err)
{
    HF_AUTOFREE char *host = NULL;
    unsigned port = 0;
    if (strlen(text) > URL_MAX || !is_printable(text) || strpbrk(text, "\"<>\\^`{|}#"))
        return hf_fail(err, HF_E_CONFIG, "it is too long, or has characters that need quoting");
    if (endpoint_of(text, &host, &port, err) == 0)
        return 0;
    hf_err_clear(err);
    return hf_fail(err, HF_E_CONFIG, "it has no valid host name or address");
}

static int webhook_parse(const char *text, void *field, struct hf_err *err)
{
    char **out = field;
    bool is_plain = strncmp(text, "http://", 7) == 0;
    if (!is_plain && strncmp(text, "https://", 8) != 0)
        return hf_fail(err, HF_E_CONFIG, "it is no URL of https://");
    if (url_check(text, err) != 0)
        return -1;
    if (is_plain && !hf_url_is_loopback(text))
        return hf_fail(err, HF_E_CONFIG, "http:// is for loopback addresses only");
    return (*out = strdup(text)) ? 0 : hf_fail_nomem(err);
}

static int smtp_parse(const char *text, void *field, struct hf_err *err)
{
    char **out = field;
    bool is_tls = strncmp(text, "smtps://", 8) == 0;
    if (!is_tls && strncmp(text, "smtp://", 7) != 0)
        return hf_fail(err, HF_E_CONFIG, "it is no URL of smtp:// or smtps://");
    HF_AUTOFREE char *host = NULL;
    unsigned port = is_tls ? 465 : hf_url_is_loopback(text) ? 25 : 587;
    if (url_check(text, err) != 0 || endpoint_of(text, &host, &port, err) != 0)
        return -1;
    if (strpbrk(strstr(text, "://") + 3, "/?"))
        return hf_fail(err, HF_E_CONFIG, "'%s' has a path", text);
    bool is_v6 = strchr(host, ':') != NULL;
    *out = hf_asprintf("%s://%s%s%s:%u", is_tls ? "smtps" : "smtp", is_v6 ? "[" : "", host,
                       is_v6 ? "]" : "", port);
    return *out ? 0 : hf_fail_nomem(err);
}

/* ---- mail -------------------------------------------------------------------------------- */

/* What can stand in a header and behind RCPT TO without quoting. */
static bool mail_is_valid(const char *s)
{
    const char *at = strchr(s, '@');
    if (!at || at == s || !at[1] || strchr(at + 1, '@') || strlen(s) > MAIL_MAX || *s == '-')
        return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr("@.!#$%&'*+-/=?^_`{|}~", *s))
            return false;
    return true;
}

static int mail_parse(const char *text, void *field, struct hf_err *err)
{
    char **out = field;
    if (!mail_is_valid(text))
        return hf_fail(err, HF_E_CONFIG, "'%s' is not an address of mail", text);
    return (*out = strdup(text)) ? 0 : hf_fail_nomem(err);
}

static int mails_parse(const char *text, void *field, struct hf_err *err)
{
    return hf_config_names_parse(text, mail_is_valid, "an address of mail", field, err);
}

/* ---- kinds of alarms --------------------------------------------------------------------- */

static bool alarm_is_valid(const char *s)
{
    static const char *const kinds[] = {"failed",       "degraded",      "missed",
                                        "drill-failed", "drill-overdue", "daemon"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(kinds); i++)
        if (strcmp(s, kinds[i]) == 0)
            return true;
    return false;
}

static int alarms_parse(const char *text, void *field, struct hf_err *err)
{
    return hf_config_names_parse(text, alarm_is_valid, "a kind of alarm", field, err);
}

const struct hf_type hf_type_LISTEN = {.name = "address",
                                       .expects =
                                           "ADDRESS[:PORT], such as 127.0.0.1:9469 or [::1]:9469",
                                       .parse = listen_parse,
                                       .clear = listen_clear};
const struct hf_type hf_type_WEBHOOK = {
    .name = "url",
    .expects = "https://HOST[:PORT]/PATH, without user, password and #",
    .parse = webhook_parse,
    .clear = hf_config_text_clear};
const struct hf_type hf_type_SMTP = {.name = "url",
                                     .expects = "smtp://HOST[:PORT] or smtps://HOST[:PORT]",
                                     .parse = smtp_parse,
                                     .clear = hf_config_text_clear};
const struct hf_type hf_type_MAIL = {.name = "address",
                                     .expects =
                                         "an address without a name, such as ops@example.org",
                                     .parse = mail_parse,
                                     .clear = hf_config_text_clear};
const struct hf_type hf_type_MAILS = {
    .name = "addresses",
    .expects = "addresses without names, separated by commas, such as ops@example.org",
    .parse = mails_parse,
    .clear = hf_config_list_clear};
const struct hf_type hf_type_ALARMS = {
    .name = "words",
    .expects =
        "failed, degraded, missed, drill-failed, drill-overdue or daemon, separated by commas",
    .parse = alarms_parse,
    .clear = hf_config_list_clear};
