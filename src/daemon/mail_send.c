/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"
#include "daemon/mail.h"

#include <curl/curl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECT_MS 10000L
#define ALL_MS 30000L
#define LOOK_MS 250
#define SOCKETS 4 /* one for IPv4, one for IPv6; they are tried side by side */

struct sending {
    CURL *easy;
    CURLM *multi;
    struct curl_slist *to;
    struct hf_buf text;
    size_t at;            /* of it, sent */
    int sockets[SOCKETS]; /* that are open; -1: a free place */
    char why[CURL_ERROR_SIZE];
};

static void sending_free(struct sending *s)
{
    if (s->multi && s->easy)
        (void)curl_multi_remove_handle(s->multi, s->easy);
    curl_easy_cleanup(s->easy);
    curl_multi_cleanup(s->multi);
    curl_slist_free_all(s->to);
    hf_buf_free(&s->text);
}
HF_DEFINE_AUTO_VALUE(sending, sending_free)

/* ---- its sockets, to hang up ------------------------------------------------------------- */

static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *a)
{
    struct sending *s = ctx;
    (void)purpose;
    const int fd = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
    for (size_t i = 0; fd >= 0 && i < SOCKETS; i++) {
        if (s->sockets[i] >= 0)
            continue;
        s->sockets[i] = fd;
        break;
    }
    return fd;
}

static int close_socket(void *ctx, curl_socket_t fd)
{
    struct sending *s = ctx;
    for (size_t i = 0; i < SOCKETS; i++)
        if (s->sockets[i] == fd)
            s->sockets[i] = -1;
    return close(fd);
}

/* Or libcurl would say good-bye, and wait for the answer of a server that does not answer. */
static void hang_up(const struct sending *s)
{
    for (size_t i = 0; i < SOCKETS; i++)
        if (s->sockets[i] >= 0)
            (void)shutdown(s->sockets[i], SHUT_RDWR);
}

/* ---- what is sent ------------------------------------------------------------------------ */

static size_t give(char *into, size_t one, size_t n, void *ctx)
{
    struct sending *s = ctx;
    size_t left = s->text.len - s->at, len = n * one < left ? n * one : left;
    memcpy(into, s->text.data + s->at, len);
    s->at += len;
    return len;
}

static int add_recipients(struct sending *s, const struct hf_strv *to, struct hf_err *err)
{
    for (size_t i = 0; i < to->n; i++) {
        HF_AUTOFREE char *one = hf_asprintf("<%s>", to->items[i]);
        struct curl_slist *more = one ? curl_slist_append(s->to, one) : NULL;
        if (!more)
            return hf_fail_nomem(err);
        s->to = more;
    }
    return 0;
}

/* Where the other end is this host itself, TLS would have to be trusted for nothing. */
static void set_trust(CURL *e, const struct hf_mail_server *server)
{
    bool is_open = strncmp(server->url, "smtp:", 5) == 0 && hf_url_is_loopback(server->url);
    curl_easy_setopt(e, CURLOPT_USE_SSL, is_open ? (long)CURLUSESSL_NONE : (long)CURLUSESSL_ALL);
    curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (server->ca_file)
        curl_easy_setopt(e, CURLOPT_CAINFO, server->ca_file);
    if (!server->pin)
        return;
    curl_easy_setopt(e, CURLOPT_PINNEDPUBLICKEY, server->pin);
    if (!server->ca_file) {
        curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

static void set_bounds(CURL *e)
{
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L); /* a name server that hangs holds nobody up */
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(e, CURLOPT_PROXY, "");
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, ALL_MS);
}

static int set_all(struct sending *s, const struct hf_mail_server *server, const struct hf_mail *m,
                   struct hf_err *err)
{
    HF_AUTOFREE char *from = hf_asprintf("<%s>", m->from);
    CURL *e = s->easy;
    if (!from || !hf_buf_ok(&s->text) || add_recipients(s, m->to, err) < 0 ||
        curl_easy_setopt(e, CURLOPT_URL, server->url) != CURLE_OK ||
        curl_easy_setopt(e, CURLOPT_MAIL_FROM, from) != CURLE_OK)
        return hf_fail_nomem(err);
    set_bounds(e);
    set_trust(e, server);
    curl_easy_setopt(e, CURLOPT_MAIL_RCPT, s->to);
    curl_easy_setopt(e, CURLOPT_MAIL_RCPT_ALLLOWFAILS, server->is_lenient ? 1L : 0L);
    curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(e, CURLOPT_READFUNCTION, give);
    curl_easy_setopt(e, CURLOPT_READDATA, s);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, s->why);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, s);
    curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, s);
    if (server->user &&
        (curl_easy_setopt(e, CURLOPT_USERNAME, server->user) != CURLE_OK ||
         curl_easy_setopt(e, CURLOPT_PASSWORD, hf_secret_reveal(server->password)) != CURLE_OK))
        return hf_fail_nomem(err);
    return 0;
}

static int fail_sending(const struct sending *s, CURLcode rc, struct hf_err *err)
{
    enum hf_err_class cls = rc == CURLE_OPERATION_TIMEDOUT         ? HF_E_TIMEOUT
                            : rc == CURLE_PEER_FAILED_VERIFICATION ? HF_E_AUTH
                            : rc == CURLE_SSL_PINNEDPUBKEYNOTMATCH ? HF_E_AUTH
                            : rc == CURLE_LOGIN_DENIED             ? HF_E_AUTH
                            : rc == CURLE_SSL_CACERT_BADFILE       ? HF_E_CONFIG
                                                                   : HF_E_UNREACHABLE;
    return hf_fail(err, cls, "%s", s->why[0] ? s->why : curl_easy_strerror(rc));
}

/* ---- sent -------------------------------------------------------------------------------- */

static int run(struct sending *s, const struct hf_cancel *cancel, struct hf_err *err)
{
    struct curl_waitfd stop = {.fd = hf_cancel_fd(cancel), .events = CURL_WAIT_POLLIN};
    int running = 1, left = 0;
    CURLMcode rc = curl_multi_add_handle(s->multi, s->easy);
    while (rc == CURLM_OK && (rc = curl_multi_perform(s->multi, &running)) == CURLM_OK && running) {
        if (hf_cancel_check(cancel, err) < 0) {
            hang_up(s);
            return -1;
        }
        rc = curl_multi_poll(s->multi, &stop, cancel ? 1 : 0, LOOK_MS, NULL);
    }
    const CURLMsg *m = rc == CURLM_OK ? curl_multi_info_read(s->multi, &left) : NULL;
    if (!m || m->msg != CURLMSG_DONE)
        return hf_fail(err, HF_E_INTERNAL, "libcurl: %s", curl_multi_strerror(rc));
    return m->data.result == CURLE_OK ? 0 : fail_sending(s, m->data.result, err);
}

int hf_mail_send(const struct hf_mail_server *server, const struct hf_mail *m,
                 const struct hf_cancel *cancel, struct hf_err *err)
{
    HF_AUTO(sending)
    struct sending s = {
        .easy = curl_easy_init(), .multi = curl_multi_init(), .sockets = {-1, -1, -1, -1}};
    if (!s.easy || !s.multi)
        return hf_fail_nomem(err);
    hf_mail_compose(m, &s.text);
    return set_all(&s, server, m, err) < 0 ? -1 : run(&s, cancel, err);
}
