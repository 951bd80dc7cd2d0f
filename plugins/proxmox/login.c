/* SPDX-License-Identifier: Apache-2.0 */
#include "login.h"

#include <string.h>

#define TICKET_RENEW_MS (90 * 60 * 1000) /* of two hours */
#define TICKET_SPARE_MS (30 * 60 * 1000) /* so long none is renewed that is good now */

/* ---- what a request carries -------------------------------------------------------------------------- */

void pve_lines_wipe(struct hf_strv *lines)
{
    for (size_t i = 0; i < lines->n; i++)
        hf_wipe(lines->items[i], strlen(lines->items[i]));
    hf_strv_free(lines);
}

static int add_secret_line(struct hf_strv *lines, const char *before, const char *secret,
                           bool encode)
{
    HF_AUTO(hf_buf) struct hf_buf line = HF_BUF_INIT;
    hf_buf_str_add(&line, before);
    if (encode)
        hf_url_encode(&line, secret, false);
    else
        hf_buf_str_add(&line, secret);
    return hf_buf_ok(&line) ? hf_strv_take(lines, hf_buf_steal(&line)) : -1;
}

int pve_identity_add(struct hf_instance *in, bool is_get, struct hf_strv *lines)
{
    if (in->token_file)
        return add_secret_line(lines, "Authorization: PVEAPIToken=", hf_secret_reveal(in->secret),
                               false);
    if (!in->ticket)
        return 0;
    if (add_secret_line(lines, "Cookie: PVEAuthCookie=", hf_secret_reveal(in->ticket), true) != 0)
        return -1;
    return is_get
               ? 0
               : add_secret_line(lines, "CSRFPreventionToken: ", hf_secret_reveal(in->csrf), false);
}

static struct hf_secret *secret_of(const char *text)
{
    return text && !text[strcspn(text, "\r\n")] ? hf_secret_new(text, strlen(text)) : NULL;
}

static void drop_ticket(struct hf_instance *in)
{
    hf_secret_free(in->ticket);
    hf_secret_free(in->csrf);
    in->ticket = in->csrf = NULL;
}

static int take_ticket(struct hf_instance *in, struct json_object *data, struct hf_err *err)
{
    if (pve_bool(data, "NeedTFA")) {
        hf_fail(err, HF_E_AUTH, "'%s' has a second factor", in->user);
        return hf_hint(err, "Use an API token (token-file).");
    }
    drop_ticket(in);
    in->ticket = secret_of(pve_text(data, "ticket"));
    in->csrf = secret_of(pve_text(data, "CSRFPreventionToken"));
    in->ticket_until_ms = pve_now_ms(in) + TICKET_RENEW_MS;
    if (in->ticket && in->csrf)
        return 0;
    drop_ticket(in); /* one without the other is of no use */
    return hf_fail(err, HF_E_CORRUPT, "the log-in gave no ticket");
}

/* By the old ticket while it lasts, else by the password. */
static int log_in(struct hf_instance *in, const struct hf_call *call, bool by_ticket,
                  struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf params = HF_BUF_INIT;
    HF_AUTOJSON struct json_object *data = NULL;
    HF_AUTOFREE char *old = by_ticket ? strdup(hf_secret_reveal(in->ticket)) : NULL;
    struct pve_req req = {.method = "POST", .path = "/access/ticket", .params = &params};
    pve_param(&params, "username", in->user);
    pve_param(&params, "password", old ? old : hf_secret_reveal(in->secret));
    if (!hf_buf_ok(&params))
        return hf_fail_nomem(err);
    in->ticket_until_ms = INT64_MAX; /* not again from within */
    int rc = pve_request(in, call, &req, &data, err);
    hf_wipe(params.data, params.len);
    if (old)
        hf_wipe(old, strlen(old));
    return rc == 0 ? take_ticket(in, data, err) : hf_wrap(err, "log-in as '%s'", in->user);
}

int pve_log_in(struct hf_instance *in, const struct hf_call *call, struct hf_err *err)
{
    return log_in(in, call, false, err);
}

/* The old ticket may have run out while nobody asked: then by the password. */
static int renew(struct hf_instance *in, const struct hf_call *call, struct hf_err *err)
{
    struct hf_err old = HF_ERR_INIT;
    if (in->ticket && log_in(in, call, true, &old) == 0)
        return 0;
    if (in->ticket && old.cls != HF_E_AUTH) {
        hf_err_copy(err, &old);
        return -1;
    }
    return log_in(in, call, false, err);
}

bool pve_is_login(const struct pve_req *req)
{
    return strcmp(req->path, "/access/ticket") == 0;
}

int pve_renew_if_due(struct hf_instance *in, const struct hf_call *call, const struct pve_req *req,
                     struct hf_err *err)
{
    if (in->token_file || pve_is_login(req) || (in->ticket && pve_now_ms(in) < in->ticket_until_ms))
        return 0;
    return renew(in, call, err);
}

int pve_freshen(struct hf_instance *in, const struct hf_call *call, struct hf_err *err)
{
    in->was_refused = true; /* inside a hold nothing is waited for */
    if (in->token_file || !in->ticket || pve_now_ms(in) < in->ticket_until_ms - TICKET_SPARE_MS)
        return 0;
    return renew(in, call, err);
}

/* ---- what the configuration says --------------------------------------------------------------------- */

static int check_keys(const struct hf_instance *in, struct hf_err *err)
{
    if (!in->uri)
        return hf_fail(err, HF_E_CONFIG, "the key 'uri' is missing");
    if (in->token_file && (in->user || in->password_file))
        return hf_fail(err, HF_E_CONFIG, "token-file, or user and password-file: not both");
    if (!in->token_file && !(in->user && in->password_file)) {
        hf_fail(err, HF_E_CONFIG, "either token-file, or user and password-file");
        return hf_hint(err, "A token is what `pveum user token add` makes.");
    }
    return 0;
}

/* USER@REALM!TOKENID, and what goes into a header: no blank, no line end, no colon. */
static bool is_token(const char *text)
{
    const char *at = strchr(text, '@'), *bang = at ? strchr(at, '!') : NULL;
    const char *equals = bang ? strchr(bang, '=') : NULL;
    return at && at != text && bang && equals > bang + 1 && equals[1] &&
           !strpbrk(text, " \t\r\n:/");
}

/* The file holds the whole token, or where token-id names it the secret alone. */
static int join_token(struct hf_instance *in, struct hf_err *err)
{
    const char *text = hf_secret_reveal(in->secret);
    if (!in->token_id || strchr(text, '!'))
        return 0;
    HF_AUTOFREE char *whole = hf_asprintf("%s=%s", in->token_id, text);
    struct hf_secret *joined = whole ? hf_secret_new(whole, strlen(whole)) : NULL;
    if (whole)
        hf_wipe(whole, strlen(whole));
    if (!joined)
        return hf_fail_nomem(err);
    hf_secret_free(in->secret);
    in->secret = joined;
    return 0;
}

static int read_secret(struct hf_instance *in, struct hf_err *err)
{
    in->secret = hf_secret_read(in->token_file ? in->token_file : in->password_file, err);
    if (!in->secret)
        return -1;
    if (!in->token_file)
        return 0;
    if (join_token(in, err) != 0)
        return -1;
    const char *text = hf_secret_reveal(in->secret);
    size_t len = in->token_id ? strlen(in->token_id) : 0;
    if (len && (strncmp(text, in->token_id, len) != 0 || text[len] != '='))
        return hf_fail(err, HF_E_CONFIG, "'%s' holds another token than token-id names",
                       in->token_file);
    if (is_token(text))
        return 0;
    hf_fail(err, HF_E_CONFIG, "'%s' holds no API token", in->token_file);
    return hf_hint(err,
                   "token-id is USER@REALM!TOKENID, and the file holds the secret; or the file "
                   "holds USER@REALM!TOKENID=SECRET.");
}

int pve_identity_read(struct hf_instance *in, struct hf_err *err)
{
    return check_keys(in, err) == 0 && read_secret(in, err) == 0 ? 0 : -1;
}
