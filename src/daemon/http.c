/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/http.h"

#include "daemon/http_document.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define GUESTS_MAX 16
#define GUESTS_OF_ONE_MAX 4
#define CONNECTIONS (2 * GUESTS_MAX) /* with those that were hung up on, and are not closed yet */
#define TIMEOUT_S 5
#define MEMORY_BYTES ((size_t)16 << 10)
#define BACKLOG 64
#define TEXT "text/plain; charset=utf-8"
#define METRICS "text/plain; version=0.0.4; charset=utf-8"

/* A connection; of libmicrohttpd's thread. */
struct guest {
    int fd;       /* -1: a free place */
    bool is_gone; /* hung up on */
    uint64_t number;
    struct in6_addr address;
};

struct hf_metrics_http {
    struct MHD_Daemon *mhd;
    struct guest guests[CONNECTIONS];
    uint64_t n_guests; /* so far */
    pthread_mutex_t lock;
    struct hf_document *document; /* under lock; NULL before the first */
    struct MHD_Response *healthy, *too_early, *no_path, *no_method;
};

/* ---- requests ---------------------------------------------------------------------------- */

static bool is_end(char c)
{
    return c == '\0' || c == ',' || c == ';' || c == ' ' || c == '\t';
}

/* Accept-Encoding has gzip, and not with q=0. */
static bool takes_gzip(struct MHD_Connection *c)
{
    const char *s =
        MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT_ENCODING);
    for (; s && *s; s += strcspn(s, ","), s += *s == ',') {
        s += strspn(s, " \t");
        if (strncasecmp(s, "gzip", 4) != 0 || !is_end(s[4]))
            continue;
        const char *q = s + 4 + strspn(s + 4, " \t;");
        return strncasecmp(q, "q=0", 3) != 0 || strcspn(q, "123456789") < strcspn(q, ",");
    }
    return false;
}

static struct MHD_Response *metrics(struct hf_metrics_http *h, bool as_gzip)
{
    pthread_mutex_lock(&h->lock);
    struct MHD_Response *a = h->document ? hf_document_answer(h->document, as_gzip) : NULL;
    pthread_mutex_unlock(&h->lock);
    if (a && (MHD_add_response_header(a, MHD_HTTP_HEADER_CONTENT_TYPE, METRICS) != MHD_YES ||
              MHD_add_response_header(a, MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ACCEPT_ENCODING) !=
                  MHD_YES)) {
        MHD_destroy_response(a);
        a = NULL;
    }
    return a;
}

static enum MHD_Result answer_metrics(struct hf_metrics_http *h, struct MHD_Connection *c)
{
    struct MHD_Response *a = metrics(h, takes_gzip(c));
    if (!a)
        return MHD_queue_response(c, MHD_HTTP_SERVICE_UNAVAILABLE, h->too_early);
    const enum MHD_Result rc = MHD_queue_response(c, MHD_HTTP_OK, a);
    MHD_destroy_response(a);
    return rc;
}

static bool has_body(struct MHD_Connection *c)
{
    return MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH) ||
           MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_TRANSFER_ENCODING);
}

/* Called with the header of a request, and once more where it is whole. What is answered at the first call is hung up on behind the
 * answer: what says that it has a body. */
static enum MHD_Result answer(void *ctx, struct MHD_Connection *c, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **request)
{
    struct hf_metrics_http *h = ctx;
    (void)version;
    (void)upload;
    (void)upload_size;
    if (!*request && !has_body(c)) {
        *request = h; /* anything but NULL */
        return MHD_YES;
    }
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return MHD_queue_response(c, MHD_HTTP_METHOD_NOT_ALLOWED, h->no_method);
    if (strcmp(url, "/metrics") == 0)
        return answer_metrics(h, c);
    if (strcmp(url, "/healthz") == 0)
        return MHD_queue_response(c, MHD_HTTP_OK, h->healthy);
    return MHD_queue_response(c, MHD_HTTP_NOT_FOUND, h->no_path);
}

/* ---- guests ------------------------------------------------------------------------------ */

/* IPv4 as IPv6 has it. */
static struct in6_addr address_of_guest(const struct sockaddr *a)
{
    struct in6_addr out = IN6ADDR_ANY_INIT;
    if (a->sa_family == AF_INET6)
        memcpy(&out, &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr, sizeof out);
    if (a->sa_family == AF_INET)
        memcpy(&out.s6_addr[12], &((const struct sockaddr_in *)(const void *)a)->sin_addr, 4);
    return out;
}

/* How many there are, those of one address or all (NULL), and the oldest of them. */
static size_t count(struct hf_metrics_http *h, const struct in6_addr *of, struct guest **oldest)
{
    size_t n = 0;
    for (size_t i = 0; i < CONNECTIONS; i++) {
        struct guest *g = &h->guests[i];
        if (g->fd < 0 || g->is_gone || (of && memcmp(&g->address, of, sizeof *of) != 0))
            continue;
        if (n++ == 0 || g->number < (*oldest)->number)
            *oldest = g;
    }
    return n;
}

/* Hung up on are the oldest ones, not the new: who asks and reads the answer is gone in milliseconds, and who dawdles keeps nobody out. */
static void make_room(struct hf_metrics_http *h, const struct in6_addr *of, size_t max)
{
    struct guest *oldest = NULL;
    if (count(h, of, &oldest) <= max)
        return;
    oldest->is_gone = true;
    (void)shutdown(oldest->fd, SHUT_RDWR);
}

static struct guest *place_of(struct hf_metrics_http *h, int fd)
{
    for (size_t i = 0; i < CONNECTIONS; i++)
        if (h->guests[i].fd == fd)
            return &h->guests[i];
    return NULL;
}

static void guest_comes_or_goes(void *ctx, struct MHD_Connection *c, void **socket_ctx,
                                enum MHD_ConnectionNotificationCode what)
{
    struct hf_metrics_http *h = ctx;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (*socket_ctx)
            ((struct guest *)*socket_ctx)->fd = -1;
        return;
    }
    int fd = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    const struct sockaddr *from =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    struct guest *g = place_of(h, -1);
    if (!g)
        return; /* there are as many places as connections */
    *g = (struct guest){.fd = fd, .number = h->n_guests++, .address = address_of_guest(from)};
    *socket_ctx = g;
    make_room(h, &g->address, GUESTS_OF_ONE_MAX);
    make_room(h, NULL, GUESTS_MAX);
}

/* libmicrohttpd's own lines tell of what clients do: a client must not fill the log. */
static void be_silent(void *ctx, const char *format, va_list args)
{
    (void)ctx;
    (void)format;
    (void)args;
}

/* ---- fixed answers ----------------------------------------------------------------------- */

static struct MHD_Response *fixed(const char *text)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text,
                                                             MHD_RESPMEM_PERSISTENT);
    if (r)
        (void)MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, TEXT);
    return r;
}

static int make_answers(struct hf_metrics_http *h, struct hf_err *err)
{
    h->healthy = fixed("ok\n");
    h->too_early = fixed("nothing is known yet\n");
    h->no_path = fixed("there is /metrics and /healthz\n");
    h->no_method = fixed("GET and HEAD only\n");
    if (!h->healthy || !h->too_early || !h->no_path || !h->no_method ||
        MHD_add_response_header(h->no_method, MHD_HTTP_HEADER_ALLOW, "GET, HEAD") != MHD_YES)
        return hf_fail_nomem(err);
    return 0;
}

static void drop(struct MHD_Response *r)
{
    if (r)
        MHD_destroy_response(r);
}

void hf_metrics_http_close(struct hf_metrics_http *h)
{
    if (!h)
        return;
    if (h->mhd)
        MHD_stop_daemon(h->mhd);
    hf_document_release(h->document);
    drop(h->healthy);
    drop(h->too_early);
    drop(h->no_path);
    drop(h->no_method);
    pthread_mutex_destroy(&h->lock);
    free(h);
}

/* ---- the socket -------------------------------------------------------------------------- */

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static socklen_t address_of(const struct hf_listen *l, union address *out)
{
    *out = (union address){.v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)l->port)}};
    if (inet_pton(AF_INET6, l->host, &out->v6.sin6_addr) == 1)
        return sizeof out->v6;
    *out = (union address){.v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)l->port)}};
    return inet_pton(AF_INET, l->host, &out->v4.sin_addr) == 1 ? sizeof out->v4 : 0;
}

static int bind_fail(const struct hf_listen *l, struct hf_err *err)
{
    hf_fail_sys(err, errno, "metrics-listen: cannot listen at %s port %u", l->host, l->port);
    return hf_hint(err, "Name an address of this host and a port that is free.");
}

static int listen_at(const struct hf_listen *l, struct hf_err *err)
{
    union address at;
    socklen_t len = address_of(l, &at);
    const int one = 1;
    if (!len)
        return hf_fail(err, HF_E_CONFIG, "metrics-listen: '%s' is not an address", l->host);
    HF_AUTOFD int fd =
        socket(at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        (len == sizeof at.v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) < 0) ||
        bind(fd, &at.any, len) < 0 || listen(fd, BACKLOG) < 0)
        return bind_fail(l, err);
    return HF_STEAL_FD(fd);
}

/* The descriptor goes to libmicrohttpd. By poll, for with epoll its 0.9.75 misses the end of a connection that came with the request:
 * its place would be free 5 s later. */
static int start(struct hf_metrics_http *h, int fd, struct hf_err *err)
{
    h->mhd = MHD_start_daemon(MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG, 0, NULL, NULL,
                              answer, h, MHD_OPTION_EXTERNAL_LOGGER, be_silent, NULL,
                              MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
                              (unsigned)CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
                              (unsigned)TIMEOUT_S, MHD_OPTION_NOTIFY_CONNECTION,
                              guest_comes_or_goes, h, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                              MEMORY_BYTES, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    return h->mhd ? 0 : hf_fail(err, HF_E_INTERNAL, "metrics-listen: libmicrohttpd does not start");
}

struct hf_metrics_http *hf_metrics_http_open(const struct hf_listen *l, struct hf_log *log,
                                             struct hf_err *err)
{
    HF_AUTO(hf_metrics_http) struct hf_metrics_http *h = calloc(1, sizeof *h);
    if (!h || pthread_mutex_init(&h->lock, NULL) != 0) {
        free(HF_STEAL(h));
        hf_fail_nomem(err);
        return NULL;
    }
    for (size_t i = 0; i < CONNECTIONS; i++)
        h->guests[i].fd = -1;
    HF_AUTOFD int fd = make_answers(h, err) < 0 ? -1 : listen_at(l, err);
    if (fd < 0 || start(h, fd, err) < 0)
        return NULL;
    fd = -1;
    if (!hf_host_is_loopback(l->host))
        hf_log(log, HF_LOG_WARN, "metrics",
               "metrics-listen = %s: whoever reaches that address can read the metrics", l->host);
    return HF_STEAL(h);
}

unsigned hf_metrics_http_port(const struct hf_metrics_http *h)
{
    union address at = {0};
    socklen_t len = sizeof at;
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(h->mhd, MHD_DAEMON_INFO_LISTEN_FD);
    if (!info || getsockname(info->listen_fd, &at.any, &len) < 0)
        return 0;
    return ntohs(at.any.sa_family == AF_INET6 ? at.v6.sin6_port : at.v4.sin_port);
}

int hf_metrics_http_put(struct hf_metrics_http *h, const struct hf_buf *doc, struct hf_err *err)
{
    struct hf_document *fresh = hf_document_new(hf_buf_str(doc), doc->len, err);
    if (!fresh)
        return -1;
    pthread_mutex_lock(&h->lock);
    struct hf_document *old = h->document;
    h->document = fresh;
    pthread_mutex_unlock(&h->lock);
    hf_document_release(old);
    return 0;
}

int hf_metrics_http_document(const struct hf_metrics_http *h, struct hf_buf *out,
                             struct hf_err *err)
{
    return h->document ? hf_document_text(h->document, out, err) : 0;
}
