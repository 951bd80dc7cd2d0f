/* SPDX-License-Identifier: Apache-2.0
 *
 * The way into a session: options, TLS, the first word.
 *
 * The two client libraries differ most here. What Connector/C 3.3.20 does, seen against servers
 * with TLS on, off and with a foreign certificate: without any option no TLS is asked for;
 * SSL_ENFORCE uses TLS when it is offered and goes on in plain text when not, and then *sends a
 * caching_sha2 password as it is*; a CA alone checks the chain but likewise goes on in plain text;
 * SSL_VERIFY_SERVER_CERT requires TLS and checks chain and host name. Hence the two steps in
 * hf_db_connect.
 */
#include "base/buf.h"
#include "db/dberr.h"
#include "db/optfile.h"
#include "db/session.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define DEFAULT_CONNECT_S 10
#define DEFAULT_IO_S 60
/* A host that vanished is noticed by unacknowledged data, not only by the read timeout. */
#define UNACKNOWLEDGED_MS 10000

/* The modes in which sessions here work, whatever the server's defaults are: text is escaped the
 * same way everywhere, and reading system tables leaves no transaction open. */
#define FIRST_STATEMENT "SET SESSION sql_mode = '', autocommit = 1"

static void set_timeouts(MYSQL *m, const struct hf_db_target *t)
{
    unsigned connect_s = t->connect_timeout_s ? t->connect_timeout_s : DEFAULT_CONNECT_S;
    unsigned io_s = t->io_timeout_s ? t->io_timeout_s : DEFAULT_IO_S;
    mysql_options(m, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
    mysql_options(m, MYSQL_OPT_READ_TIMEOUT, &io_s);
    mysql_options(m, MYSQL_OPT_WRITE_TIMEOUT, &io_s);
    if (t->max_row_bytes)
        mysql_options(m, MYSQL_OPT_MAX_ALLOWED_PACKET, &t->max_row_bytes);
}

static int refuse_begin(void **handle, const char *file, void *ctx)
{
    (void)file, (void)ctx;
    *handle = NULL;
    return 1;
}

static int refuse_read(void *handle, char *buf, unsigned len)
{
    (void)handle, (void)buf, (void)len;
    return -1;
}

static void refuse_end(void *handle)
{
    (void)handle;
}

static int refuse_error(void *handle, char *text, unsigned len)
{
    (void)handle;
    snprintf(text, len, "the server asked for a file of this host");
    return 2000;
}

void hf_db_refuse_infile(MYSQL *m)
{
    mysql_set_local_infile_handler(m, refuse_begin, refuse_read, refuse_end, refuse_error, NULL);
}

/* "localhost" means a socket to the libraries unless the protocol is named. */
static void set_manners(MYSQL *m, const struct hf_db_target *t)
{
    unsigned protocol = t->host ? MYSQL_PROTOCOL_TCP : MYSQL_PROTOCOL_SOCKET;
    unsigned local_infile = t->local_infile;
    mysql_options(m, MYSQL_OPT_PROTOCOL, &protocol);
    mysql_options(m, MYSQL_OPT_LOCAL_INFILE, &local_infile);
    if (t->compress)
        mysql_options(m, MYSQL_OPT_COMPRESS, NULL);
    mysql_options(m, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_options(m, MYSQL_INIT_COMMAND, FIRST_STATEMENT);
#ifdef MARIADB_BASE_VERSION
    /* Oracle's library never reconnects by itself since 8.3 and warns about the option. */
    my_bool off = 0;
    mysql_options(m, MYSQL_OPT_RECONNECT, &off);
#endif
}

static void set_tls_files(MYSQL *m, const struct hf_optfile *f)
{
    const struct {
        enum mysql_option option;
        const char *value;
    } files[] = {{MYSQL_OPT_SSL_CA, f->ssl_ca},           {MYSQL_OPT_SSL_CAPATH, f->ssl_capath},
                 {MYSQL_OPT_SSL_CERT, f->ssl_cert},       {MYSQL_OPT_SSL_KEY, f->ssl_key},
                 {MYSQL_OPT_SSL_CIPHER, f->ssl_cipher},   {MYSQL_OPT_SSL_CRL, f->ssl_crl},
                 {MYSQL_OPT_SSL_CRLPATH, f->ssl_crlpath}, {MYSQL_OPT_TLS_VERSION, f->tls_version},
                 {MYSQL_PLUGIN_DIR, f->plugin_dir}};
    for (size_t i = 0; i < HF_ARRAY_SIZE(files); i++)
        if (files[i].value)
            mysql_options(m, files[i].option, files[i].value);
}

/* A unix socket has no host name to check: it is this host's own, or the end of an ssh tunnel whose
 * host key was checked. */
static enum hf_tls_demand tls_demand(const struct hf_db_target *t, const struct hf_optfile *f)
{
    return !t->host && f->tls == HF_TLS_IDENTITY ? HF_TLS_CA : f->tls;
}

static int socket_of(MYSQL *m)
{
#ifdef MARIADB_BASE_VERSION
    return (int)mysql_get_socket(m);
#else
    return (int)m->net.fd;
#endif
}

int hf_db_session_fd(const struct hf_db_conn *c)
{
    return socket_of(c->mysql);
}

static void watch_network(MYSQL *m, const struct hf_db_target *t)
{
    int on = 1, idle_s = 10, unacknowledged_ms = UNACKNOWLEDGED_MS;
    int fd = socket_of(m);
    if (!t->host || fd < 0)
        return;
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms,
                     sizeof unacknowledged_ms);
}

static int fail_no_tls(struct hf_db_conn *c, struct hf_err *err)
{
    hf_fail(err, HF_E_AUTH, "database %s: the server does not offer TLS", c->name);
    return hf_hint(err,
                   "The option file asks for it: set up TLS on the server, or remove ssl-* there.");
}

/* Plain text although more was asked for: Connector/C lets it pass. */
static int check_tls(struct hf_db_conn *c, enum hf_tls_demand tls, struct hf_err *err)
{
    c->server.tls = mysql_get_ssl_cipher(c->mysql) != NULL;
    return c->server.tls || tls == HF_TLS_OFFERED ? 0 : fail_no_tls(c, err);
}

static int begin(struct hf_db_conn *c, const struct hf_db_target *t, const struct hf_optfile *f,
                 struct hf_err *err)
{
    if (c->mysql)
        mysql_close(c->mysql);
    c->mysql = mysql_init(NULL);
    if (!c->mysql)
        return hf_fail_nomem(err);
    set_timeouts(c->mysql, t);
    set_manners(c->mysql, t);
    set_tls_files(c->mysql, f);
    hf_db_refuse_infile(c->mysql);
    return 0;
}

static int log_in(struct hf_db_conn *c, const struct hf_db_target *t, const struct hf_optfile *f,
                  struct hf_err *err)
{
    if (!mysql_real_connect(c->mysql, t->host ? t->host : "localhost", f->user,
                            f->password ? f->password : "", NULL, t->host ? t->port : 0,
                            t->host ? NULL : t->socket, 0)) {
        c->last_errno = mysql_errno(c->mysql);
        return hf_db_fail(err, c->name, c->last_errno, mysql_error(c->mysql));
    }
    watch_network(c->mysql, t);
    return 0;
}

#ifdef MARIADB_BASE_VERSION
/* Ways to prove a password without telling it, and those that need the server's RSA key or TLS. */
#define TELL_NOTHING "mysql_native_password,client_ed25519,parsec,auth_gssapi_client"
#define TELL_RSA TELL_NOTHING ",caching_sha2_password,sha256_password"
#define PLUGIN_NOT_ALLOWED 5010

static void set_tls_mode(MYSQL *m, enum hf_tls_demand tls)
{
    my_bool on = 1;
    mysql_options(
        m, tls == HF_TLS_IDENTITY ? MYSQL_OPT_SSL_VERIFY_SERVER_CERT : MYSQL_OPT_SSL_ENFORCE, &on);
}

/* The account wants to tell its password. Now that the server's greeting is known: under TLS when
 * it is offered, else under the server's RSA key, for which the library must not believe that it
 * has TLS. */
static int log_in_again(struct hf_db_conn *c, const struct hf_db_target *t,
                        const struct hf_optfile *f, enum hf_tls_demand tls, struct hf_err *err)
{
    static const struct hf_optfile no_tls_files = HF_OPTFILE_INIT;
    bool is_offered = c->mysql->server_capabilities & CLIENT_SSL;
    if (!is_offered && tls != HF_TLS_OFFERED)
        return fail_no_tls(c, err);
    if (begin(c, t, is_offered ? f : &no_tls_files, err))
        return -1;
    if (is_offered)
        set_tls_mode(c->mysql, tls);
    else
        mysql_options(c->mysql, MARIADB_OPT_RESTRICTED_AUTH, TELL_RSA);
    return log_in(c, t, f, err);
}

static int connect_by(struct hf_db_conn *c, const struct hf_db_target *t,
                      const struct hf_optfile *f, enum hf_tls_demand tls, struct hf_err *err)
{
    struct hf_err refused = HF_ERR_INIT;
    if (begin(c, t, f, err))
        return -1;
    set_tls_mode(c->mysql, tls);
    if (tls != HF_TLS_IDENTITY)
        mysql_options(c->mysql, MARIADB_OPT_RESTRICTED_AUTH, TELL_NOTHING);
    if (log_in(c, t, f, &refused) == 0)
        return 0;
    if (c->last_errno == PLUGIN_NOT_ALLOWED)
        return log_in_again(c, t, f, tls, err);
    hf_err_copy(err, &refused);
    return -1;
}
#else
static int connect_by(struct hf_db_conn *c, const struct hf_db_target *t,
                      const struct hf_optfile *f, enum hf_tls_demand tls, struct hf_err *err)
{
    static const enum mysql_ssl_mode modes[] = {
        [HF_TLS_OFFERED] = SSL_MODE_PREFERRED,
        [HF_TLS_REQUIRED] = SSL_MODE_REQUIRED,
        [HF_TLS_CA] = SSL_MODE_VERIFY_CA,
        [HF_TLS_IDENTITY] = SSL_MODE_VERIFY_IDENTITY,
    };
    unsigned mode = modes[tls];
    bool on = true;
    if (begin(c, t, f, err))
        return -1;
    mysql_options(c->mysql, MYSQL_OPT_SSL_MODE, &mode);
    mysql_options(c->mysql, MYSQL_OPT_GET_SERVER_PUBLIC_KEY, &on);
    return log_in(c, t, f, err);
}
#endif

int hf_db_connect(struct hf_db_conn *c, const struct hf_db_target *t, struct hf_err *err)
{
    HF_AUTO(hf_optfile) struct hf_optfile f = HF_OPTFILE_INIT;
    if (t->defaults_file && hf_optfile_read(t->defaults_file, &f, err))
        return -1;
    c->name = t->host ? hf_asprintf("%s:%u", t->host, t->port) : strdup(t->socket);
    if (!c->name)
        return hf_fail_nomem(err);
    enum hf_tls_demand tls = tls_demand(t, &f);
    if (connect_by(c, t, &f, tls, err))
        return -1;
    return check_tls(c, tls, err);
}
