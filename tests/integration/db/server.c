/* SPDX-License-Identifier: Apache-2.0 */
#include "integration/db/server.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/path.h"
#include "base/proc.h"
#include "harness/hf_test.h"
#include "integration/caretaker.h"
#include "integration/need.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_WITHIN_MS 30000
#define ARGS_MAX 40

/* How a server is made and started: programs, and the root they see. */
struct recipe {
    char chroot[200]; /* "" or the MySQL tree */
    char program[256], init_program[256];
    const char *inner_dir; /* the data directory's parent as the server sees it */
    char init[ARGS_MAX][256], run[ARGS_MAX][256];
    int n_init, n_run;
};

enum hf_db_flavour hf_test_flavour(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "mariadb"))
        return HF_DB_MARIADB;
    if (argc == 2 && !strcmp(argv[1], "mysql"))
        return HF_DB_MYSQL;
    printf("usage: %s mariadb|mysql\n", argv[0]);
    exit(2);
}

static void run_program(const char *const *argv, const char *need, char *out, size_t out_size)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_proc_result) struct hf_proc_result r = {0};
    struct hf_proc_request req = {.argv = argv, .timeout_ms = 600000};
    if (hf_proc_run(&req, &r, &err))
        hf_need_missing(need, err.message);
    if (r.exit_code)
        hf_need_missing(need, hf_buf_str(&r.err));
    if (out)
        snprintf(out, out_size, "%.*s", (int)strcspn(hf_buf_str(&r.out), "\n"), hf_buf_str(&r.out));
}

unsigned hf_test_free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    HF_AUTOFD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&a, len) || getsockname(fd, (struct sockaddr *)&a, &len))
        hf_fixture_failed("free port", strerror(errno));
    return ntohs(a.sin_port);
}

static void add(char list[ARGS_MAX][256], int *n, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (*n >= ARGS_MAX)
        abort();
    vsnprintf(list[(*n)++], 256, fmt, ap);
    va_end(ap);
}

static void add_option(char list[ARGS_MAX][256], int *n, const char *option, const char *dir)
{
    const char *place = strstr(option, "@DIR@");
    if (place)
        add(list, n, "%.*s%s%s", (int)(place - option), option, dir, place + strlen("@DIR@"));
    else
        add(list, n, "%s", option);
}

static void make_dirs(const struct hf_test_server *s, const char *const *dirs)
{
    struct hf_err err = HF_ERR_INIT;
    for (int i = 0; dirs && dirs[i]; i++) {
        HF_AUTOFREE char *path = hf_path_join(s->dir, dirs[i]);
        if (!path || hf_path_mkdirs(path, 0755, &err))
            hf_fixture_failed(dirs[i], err.message);
    }
}

static void add_tls(struct recipe *r, const struct hf_test_server_opts *o)
{
    const char *cert = o->cert ? o->cert : "server";
    if (!o->tls) {
        /* MySQL makes itself a certificate, and MariaDB since 11.4. */
        if (o->flavour == HF_DB_MYSQL)
            add(r->run, &r->n_run, "--tls-version=");
        return;
    }
    add(r->run, &r->n_run, "--ssl-ca=%s/ca.pem", r->inner_dir);
    add(r->run, &r->n_run, "--ssl-cert=%s/%s-cert.pem", r->inner_dir, cert);
    add(r->run, &r->n_run, "--ssl-key=%s/%s-key.pem", r->inner_dir, cert);
}

static void fill_recipe(struct recipe *r, const struct hf_test_server *s,
                        const struct hf_test_server_opts *o)
{
    const char *dir = r->inner_dir;
    bool is_mysql = o->flavour == HF_DB_MYSQL;
    add(r->init, &r->n_init, "%s", r->init_program);
    add(r->init, &r->n_init, "--no-defaults");
    add(r->init, &r->n_init, "--datadir=%s/data", dir);
    add(r->init, &r->n_init, "--user=root");
    add(r->init, &r->n_init,
        is_mysql ? "--initialize-insecure" : "--auth-root-authentication-method=normal");
    add(r->run, &r->n_run, "%s", r->program);
    add(r->run, &r->n_run, "--no-defaults");
    add(r->run, &r->n_run, "--datadir=%s/data", dir);
    /* As root: to change the user would clear the server's "die with the caretaker". */
    add(r->run, &r->n_run, "--user=root");
    add(r->run, &r->n_run, "--port=%u", s->port);
    add(r->run, &r->n_run, "--bind-address=127.0.0.1");
    add(r->run, &r->n_run, "--socket=%s/sock", dir);
    add(r->run, &r->n_run, "--pid-file=%s/pid", dir);
    add(r->run, &r->n_run, "--innodb-buffer-pool-size=32M");
    add(r->run, &r->n_run, "--server-id=1");
    add(r->run, &r->n_run, o->no_binlog ? "--skip-log-bin" : "--log-bin=binlog");
    if (is_mysql)
        add(r->run, &r->n_run, "--mysqlx=OFF");
    if (is_mysql)
        add(r->run, &r->n_run, "--secure-file-priv=NULL");
    add_tls(r, o);
    for (int i = 0; o->args && o->args[i]; i++) {
        add_option(r->run, &r->n_run, o->args[i], dir);
        if (o->args_at_init)
            add_option(r->init, &r->n_init, o->args[i], dir);
    }
}

/* ---- the caretaker: only system calls from here on, it is a fork of the test ---------------- */

static pid_t spawn(const struct recipe *r, const char list[ARGS_MAX][256], int n, const char *log)
{
    const char *argv[ARGS_MAX + 1] = {0};
    for (int i = 0; i < n; i++)
        argv[i] = list[i];
    pid_t caretaker = getpid(), pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600), null = open("/dev/null", O_RDONLY);
    dup2(null, 0);
    dup2(fd, 1);
    dup2(fd, 2);
    if (getppid() != caretaker || (r->chroot[0] && (chroot(r->chroot) || chdir("/"))))
        _exit(126);
    /* A starting server removes what looks like its temporary tables: /tmp is not for two of them. */
    setenv("TMPDIR", r->inner_dir, 1);
    execv(argv[0], (char *const *)argv);
    _exit(127);
}

struct cared { /* what the caretaker needs */
    const struct recipe *r;
    const struct hf_test_server *s;
};

static void take_care(const void *ctx, int fd)
{
    const struct cared *c = ctx;
    char log[340];
    int status = 0;
    snprintf(log, sizeof log, "%s/log", c->s->dir);
    waitpid(spawn(c->r, c->r->init, c->r->n_init, log), &status, 0);
    pid_t server = status ? -1 : spawn(c->r, c->r->run, c->r->n_run, log);
    hf_caretaker_wait(fd);
    if (server > 0) {
        kill(server, SIGKILL);
        waitpid(server, NULL, 0);
    }
    hf_caretaker_remove(c->s->dir);
}

/* ---- the test's side ------------------------------------------------------------------------- */

static void wait_for_server(struct hf_test_server *s)
{
    int64_t deadline_ms = hf_clock_mono_ms(hf_clock_system()) + START_WITHIN_MS;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_target t = {.socket = s->socket, .defaults_file = s->root_cnf};
    while (!hf_clock_is_past(hf_clock_system(), deadline_ms)) {
        HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_db_open(&t, &err);
        if (c)
            return;
        hf_clock_sleep_ms(hf_clock_system(), 50);
    }
    HF_AUTOFREE char *path = hf_path_join(s->dir, "log");
    size_t len = 0;
    struct hf_err ignored = HF_ERR_INIT;
    HF_AUTOFREE char *log = path ? hf_path_read(path, 1 << 20, &len, &ignored) : NULL;
    printf("%s\n", log ? log : "");
    hf_fixture_failed("the server does not answer", err.message);
}

static void find_programs(struct recipe *r, enum hf_db_flavour flavour)
{
    if (flavour == HF_DB_MARIADB) {
        hf_need_program("mariadb", "mariadbd", r->program, sizeof r->program);
        hf_need_program("mariadb", "mariadb-install-db", r->init_program, sizeof r->init_program);
        return;
    }
    const char *source = getenv("HOLDFAST_SOURCE_DIR");
    HF_AUTOFREE char *script = hf_path_join(source ? source : ".", "tests/integration/mysql-sid");
    const char *const argv[] = {script, NULL};
    run_program(argv, "mysql", r->chroot, sizeof r->chroot);
    snprintf(r->program, sizeof r->program, "/usr/sbin/mysqld");
    snprintf(r->init_program, sizeof r->init_program, "/usr/sbin/mysqld");
}

void hf_test_server_start(struct hf_test_server *s, const struct hf_test_server_opts *opts)
{
    struct recipe *r = calloc(1, sizeof *r);
    *s = (struct hf_test_server){.flavour = opts->flavour, .port = hf_test_free_port()};
    find_programs(r, opts->flavour);
    snprintf(s->dir, sizeof s->dir, "%s/tmp/hf-db-XXXXXX", r->chroot);
    if (!mkdtemp(s->dir))
        hf_fixture_failed(s->dir, strerror(errno));
    r->inner_dir = s->dir + strlen(r->chroot);
    snprintf(s->inner_dir, sizeof s->inner_dir, "%s", r->inner_dir);
    make_dirs(s, opts->dirs);
    snprintf(s->socket, sizeof s->socket, "%s/sock", s->dir);
    if (opts->tls)
        hf_test_certificates(s->dir);
    HF_AUTOFREE char *cnf = hf_test_option_file(s, "root.cnf", "[client]\nuser = root\n");
    snprintf(s->root_cnf, sizeof s->root_cnf, "%s", cnf);
    fill_recipe(r, s, opts);
    s->caretaker_fd = hf_caretaker_start(take_care, &(struct cared){.r = r, .s = s});
    wait_for_server(s);
    free(r);
}

void hf_test_server_stop(struct hf_test_server *s)
{
    char byte;
    shutdown(s->caretaker_fd, SHUT_WR);
    while (read(s->caretaker_fd, &byte, 1) > 0)
        continue;
    close(s->caretaker_fd);
}

struct hf_db_target hf_test_target(const struct hf_test_server *s)
{
    return (struct hf_db_target){
        .host = "127.0.0.1", .port = s->port, .defaults_file = s->root_cnf};
}

struct hf_db_conn *hf_test_open(const struct hf_test_server *s)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_target t = hf_test_target(s);
    struct hf_db_conn *c = hf_db_open(&t, &err);
    assert_hf_got(c, &err);
    return c;
}

void hf_test_sql(struct hf_db_conn *c, const char *fmt, ...)
{
    struct hf_err err = HF_ERR_INIT;
    char sql[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(sql, sizeof sql, fmt, ap);
    va_end(ap);
    assert_hf_ok(hf_db_exec(c, sql, &err), &err);
}

long long hf_test_number(struct hf_db_conn *c, const char *fmt, ...)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *value = NULL;
    char sql[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(sql, sizeof sql, fmt, ap);
    va_end(ap);
    assert_hf_ok(hf_db_value(c, sql, &value, &err), &err);
    return value ? atoll(value) : -1;
}

char *hf_test_option_file(const struct hf_test_server *s, const char *name, const char *text)
{
    struct hf_err err = HF_ERR_INIT;
    char *path = hf_path_join(s->dir, name);
    if (!path || hf_path_write(path, text, strlen(text), 0600, &err))
        hf_fixture_failed(name, err.message);
    return path;
}

void hf_test_certificates(const char *dir)
{
    static const char script[] =
        "set -e; cd \"$1\"; umask 022\n"
        "for ca in ca wrong-ca; do openssl req -x509 -newkey rsa:2048 -nodes -days 30 "
        "-subj /CN=holdfast-test-$ca -keyout $ca-key.pem -out $ca.pem; done\n"
        "cert() { openssl req -newkey rsa:2048 -nodes -subj /CN=$1 -keyout $1-key.pem -out $1.csr; "
        "printf 'subjectAltName=%s' \"$2\" >$1.ext; openssl x509 -req -days 30 -in $1.csr -CA "
        "ca.pem "
        "-CAkey ca-key.pem -CAcreateserial -extfile $1.ext -out $1-cert.pem; }\n"
        "cert server IP:127.0.0.1; cert elsewhere DNS:elsewhere.invalid\n";
    const char *const argv[] = {"sh", "-c", script, "sh", dir, NULL};
    run_program(argv, "openssl", NULL, 0);
}
