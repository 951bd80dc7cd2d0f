/* SPDX-License-Identifier: Apache-2.0
 *
 * A letter on its way: by a webhook or as mail.
 */
#include "base/secret.h"
#include "daemon/deliver_intern.h"
#include "daemon/mail.h"
#include "net/http.h"
#include "net/json.h"

#include <ctype.h>
#include <string.h>

#define CONNECT_MS 10000
#define ALL_MS 30000
#define LENIENT_TRIES 3 /* greylisting is over by then */

/* ---- webhook ----------------------------------------------------------------------------- */

/* A token that is no header's value would begin another header. */
static int bearer(const struct way *w, struct hf_buf *out, struct hf_err *err)
{
    if (!w->token_file)
        return 0;
    HF_AUTO(hf_secret) struct hf_secret *token = hf_secret_read(w->token_file, err);
    if (!token)
        return -1;
    for (const char *s = hf_secret_reveal(token); *s; s++)
        if (!isgraph((unsigned char)*s))
            return hf_fail(err, HF_E_CONFIG, "token-file '%s' holds more than a token",
                           w->token_file);
    hf_buf_printf(out, "Authorization: Bearer %s", hf_secret_reveal(token));
    return hf_buf_ok(out) ? 0 : hf_fail_nomem(err);
}

static int post(const struct way *w, const char *body, const char *authorization,
                const struct hf_cancel *cancel, struct hf_err *err)
{
    const struct hf_http_opts opts = {
        .ca_file = w->ca_file, .pin = w->pin, .connect_ms = CONNECT_MS, .cancel = cancel};
    const char *const headers[] = {"Content-Type: application/json",
                                   *authorization ? authorization : NULL, NULL};
    const struct hf_http_request req = {.method = "POST",
                                        .url = w->webhook,
                                        .headers = headers,
                                        .body = body,
                                        .body_len = strlen(body),
                                        .timeout_ms = ALL_MS,
                                        .is_single = true};
    HF_AUTO(hf_http_answer) struct hf_http_answer a = {0};
    HF_AUTO(hf_http) struct hf_http *h = hf_http_new(&opts, err);
    if (!h)
        return -1;
    const int rc = hf_http_run(h, &req, &a, err);
    if (a.status / 100 == 2) {
        hf_err_clear(err); /* it has it, whatever it says then, and be that without end */
        return 0;
    }
    return rc < 0 ? rc : hf_fail(err, HF_E_UNREACHABLE, "the server answers %ld", a.status);
}

static int send_webhook(const struct way *w, const struct hf_message *const *m, size_t n,
                        const char *host, const struct hf_cancel *cancel, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *doc = deliver_document(m, n, host);
    struct hf_buf authorization = HF_BUF_INIT;
    if (!doc)
        return hf_fail_nomem(err);
    int rc = bearer(w, &authorization, err);
    if (rc == 0)
        rc = post(w, json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PLAIN),
                  hf_buf_str(&authorization), cancel, err);
    if (authorization.data)
        hf_wipe(authorization.data, authorization.cap);
    hf_buf_free(&authorization);
    return rc;
}

/* ---- mail -------------------------------------------------------------------------------- */

static int send_mail(const struct way *w, const struct hf_message *const *m, size_t n,
                     const char *host, const struct hf_cancel *cancel, struct hf_err *err)
{
    char id[64];
    HF_AUTO(hf_buf) struct hf_buf subject = HF_BUF_INIT;
    HF_AUTO(hf_buf) struct hf_buf body = HF_BUF_INIT;
    HF_AUTO(hf_secret)
    struct hf_secret *password =
        w->smtp_password_file ? hf_secret_read(w->smtp_password_file, err) : NULL;
    if (w->smtp_password_file && !password)
        return -1;
    deliver_subject(m, n, host, &subject);
    deliver_body(m, n, host, &body);
    if (!hf_buf_ok(&subject) || !hf_buf_ok(&body))
        return hf_fail_nomem(err);
    snprintf(id, sizeof id, "holdfast.%lld.%lld", (long long)m[0]->at_us, (long long)m[0]->id);
    const struct hf_mail mail = {.from = w->mail_from,
                                 .to = &w->mail_to,
                                 .subject = hf_buf_str(&subject),
                                 .body = hf_buf_str(&body),
                                 .at_us = m[0]->at_us,
                                 .id = id};
    const struct hf_mail_server server = {.url = w->smtp,
                                          .ca_file = w->ca_file,
                                          .pin = w->pin,
                                          .user = w->smtp_user,
                                          .password = password,
                                          .is_lenient = m[0]->tries >= LENIENT_TRIES};
    return hf_mail_send(&server, &mail, cancel, err);
}

int deliver_send(const struct way *w, const struct hf_message *const *m, size_t n, const char *host,
                 const struct hf_cancel *cancel, struct hf_err *err)
{
    return w->webhook ? send_webhook(w, m, n, host, cancel, err)
                      : send_mail(w, m, n, host, cancel, err);
}
