/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys of [notify NAME] that contradict another one.
 */
#include "config/parse.h"

#include <string.h>

static int contradiction(const struct hf_config_notify *n, unsigned line, const char *what,
                         const char *hint, struct hf_err *err)
{
    hf_fail(err, HF_E_CONFIG, "%s:%u: [notify %s]: %s", n->file, line, n->label, what);
    return hf_hint(err, "%s", hint);
}

static int check_way(const struct hf_config_notify *n, struct hf_err *err)
{
    if (!n->webhook && !n->mail_to.n)
        return contradiction(n, n->line, "neither webhook nor mail-to says who is told",
                             "Add 'webhook = https://…', or 'mail-to' and 'mail-from'.", err);
    if (n->webhook && n->mail_to.n)
        return contradiction(n, n->mail_to_line, "there are webhook and mail-to",
                             "Make two sections of it: each is tried again by itself.", err);
    if (n->mail_to.n && !n->mail_from)
        return contradiction(n, n->mail_to_line, "there is no mail-from",
                             "Add 'mail-from = holdfast@…', an address that the server accepts.",
                             err);
    return 0;
}

static int check_kind(const struct hf_config_notify *n, struct hf_err *err)
{
    const struct {
        unsigned line;
        bool is_of_mail;
        const char *what;
    } keys[] = {
        {n->token_file_line, false, "token-file is a key of webhook"},
        {n->mail_from_line, true, "mail-from is a key of mail-to"},
        {n->smtp_line, true, "smtp is a key of mail-to"},
        {n->smtp_user_line, true, "smtp-user is a key of mail-to"},
        {n->smtp_password_file_line, true, "smtp-password-file is a key of mail-to"},
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(keys); i++)
        if (keys[i].line && keys[i].is_of_mail == (n->webhook != NULL))
            return contradiction(n, keys[i].line, keys[i].what, "Remove it.", err);
    return 0;
}

static bool has_tls(const struct hf_config_notify *n)
{
    return n->webhook ? strncmp(n->webhook, "https:", 6) == 0
                      : strncmp(n->smtp, "smtps:", 6) == 0 || !hf_url_is_loopback(n->smtp);
}

static int check_notify(const struct hf_config_notify *n, struct hf_err *err)
{
    unsigned tls_line = n->ca_file_line ? n->ca_file_line : n->pin_line;
    if (check_way(n, err) < 0 || check_kind(n, err) < 0)
        return -1;
    if (tls_line && !has_tls(n))
        return contradiction(n, tls_line, "nothing is checked without TLS, and there is none",
                             "Remove ca-file and pin, or name a server with TLS.", err);
    if (!n->smtp_user_line == !n->smtp_password_file_line)
        return 0;
    return contradiction(n, n->smtp_user_line ? n->smtp_user_line : n->smtp_password_file_line,
                         "one of smtp-user and smtp-password-file is missing",
                         "They belong together.", err);
}

int hf_config_check_notify(const struct hf_config *c, struct hf_err *err)
{
    for (size_t i = 0; i < hf_config_notify_count(c); i++)
        if (check_notify(hf_config_notify_at(c, i), err) != 0)
            return -1;
    return 0;
}
