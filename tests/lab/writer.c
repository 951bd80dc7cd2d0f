/* SPDX-License-Identifier: Apache-2.0 */
/* Writes into a database and records every commit (see writerlog.h), or says what such a log tells
 * about stalls. Build: cc -O2 $(pkg-config --cflags libmariadb) writer.c -o writer
 *                        $(pkg-config --libs libmariadb) -lpthread */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "writerlog.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <mysql.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <unistd.h>

enum { MAX_THREADS = 64, MAX_PARTS = 16, MAX_PAYLOAD = 60000 };

static struct {
    const char *defaults_file, *socket, *schema, *log;
    unsigned threads, rows, every, payload, pause_us, duration_s, read_timeout_s;
    bool myisam, aria, append;
    int log_fd;
} opt = {.schema = "hf_test",
         .threads = 2,
         .rows = 4,
         .every = 4,
         .payload = 200,
         .read_timeout_s = 60,
         .log_fd = -1};

static atomic_bool stopping;
static atomic_uint errors, reconnects;

struct worker {
    pthread_t thread;
    unsigned number;
    MYSQL *conn;
    uint64_t next_txn;
    int64_t worst_ns; /* of the statements of the transaction at hand */
    char *payload, *statement;
};

/* One write(2) per record: neither threads nor a kill can tear a line. */
__attribute__((format(printf, 1, 2))) static void record(const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof(line) - 1, format, args);
    va_end(args);
    if (n > (int)sizeof(line) - 2)
        n = sizeof(line) - 2;
    line[n++] = '\n';
    if (write(opt.log_fd, line, n) != n) {
        perror(opt.log);
        _exit(1); /* a log with a hole would accuse the innocent */
    }
}

/* --- talking to the server --- */

static MYSQL *connect_once(bool complain)
{
    MYSQL *conn = mysql_init(NULL);
    unsigned connect_timeout = 2;
    if (conn == NULL)
        return NULL;
    mysql_options(conn, MYSQL_OPT_CONNECT_TIMEOUT, &connect_timeout);
    mysql_options(conn, MYSQL_OPT_READ_TIMEOUT, &opt.read_timeout_s);
    mysql_options(conn, MYSQL_OPT_WRITE_TIMEOUT, &opt.read_timeout_s);
    if (opt.defaults_file != NULL)
        mysql_options(conn, MYSQL_READ_DEFAULT_FILE, opt.defaults_file);
    mysql_options(conn, MYSQL_READ_DEFAULT_GROUP, "client");
    if (mysql_real_connect(conn, NULL, NULL, NULL, opt.schema, 0, opt.socket, 0) != NULL)
        return conn;
    if (complain)
        fprintf(stderr, "writer: %s\n", mysql_error(conn));
    mysql_close(conn);
    return NULL;
}

static void reconnect(struct worker *w)
{
    mysql_close(w->conn);
    w->conn = NULL;
    /* One complaint is enough: a restarting server refuses hundreds of times. */
    for (bool first = true; !stopping && (w->conn = connect_once(first)) == NULL; first = false)
        usleep(50000);
    atomic_fetch_add(&reconnects, 1);
}

static bool execute(struct worker *w, const char *sql)
{
    int64_t start = clock_ns(CLOCK_MONOTONIC);
    bool ok = mysql_real_query(w->conn, sql, strlen(sql)) == 0;
    int64_t took = clock_ns(CLOCK_MONOTONIC) - start;
    if (took > w->worst_ns)
        w->worst_ns = took;
    return ok;
}

static bool create_tables(void)
{
    static const char *const engines[TABLE_COUNT] = {"InnoDB", "InnoDB", "MyISAM",
                                                     "Aria TRANSACTIONAL=0"};
    bool wanted[TABLE_COUNT] = {true, true, opt.myisam, opt.aria};
    struct worker w = {.conn = connect_once(true)};
    bool ok = w.conn != NULL;
    char sql[512];
    for (int i = 0; ok && i < TABLE_COUNT; i++) {
        snprintf(sql, sizeof(sql), "DROP TABLE IF EXISTS %s", table_names[i]);
        if (!opt.append)
            ok = execute(&w, sql);
        if (!ok || !wanted[i])
            continue;
        snprintf(sql, sizeof(sql),
                 "CREATE TABLE IF NOT EXISTS %s (txn BIGINT UNSIGNED NOT NULL, part INT UNSIGNED "
                 "NOT NULL, parts INT UNSIGNED NOT NULL, payload VARBINARY(%d) NOT NULL, "
                 "PRIMARY KEY (txn, part)) ENGINE=%s",
                 table_names[i], MAX_PAYLOAD, engines[i]);
        ok = execute(&w, sql);
    }
    if (w.conn != NULL && !ok)
        fprintf(stderr, "writer: %s\n", mysql_error(w.conn));
    mysql_close(w.conn);
    return ok;
}

/* --- one transaction --- */

static enum kind pick_kind(const struct worker *w)
{
    uint64_t turn = w->next_txn;
    if (opt.every != 0 && turn % opt.every == 0)
        return KIND_MULTI;
    if (opt.myisam && turn % 5 == 1)
        return KIND_MYISAM;
    if (opt.aria && turn % 5 == 2)
        return KIND_ARIA;
    return KIND_SINGLE;
}

static const char *insert_sql(struct worker *w, enum table table, unsigned part, unsigned parts)
{
    sprintf(w->statement, "INSERT INTO %s VALUES (%" PRIu64 ", %u, %u, '%s')", table_names[table],
            w->next_txn, part, parts, w->payload);
    return w->statement;
}

/* The rows of a MULTI transaction before its COMMIT. */
static bool insert_parts(struct worker *w)
{
    if (!execute(w, "START TRANSACTION"))
        return false;
    for (unsigned part = 0; part < opt.rows; part++) {
        if (!execute(w, insert_sql(w, part % 2 ? TABLE_INNODB2 : TABLE_INNODB, part, opt.rows)))
            return false;
    }
    return true;
}

static const char *committing_sql(struct worker *w, enum kind kind)
{
    static const enum table tables[KIND_COUNT] = {
        [KIND_SINGLE] = TABLE_INNODB, [KIND_MYISAM] = TABLE_MYISAM, [KIND_ARIA] = TABLE_ARIA};
    return kind == KIND_MULTI ? "COMMIT" : insert_sql(w, tables[kind], 0, 1);
}

static void note_failure(struct worker *w)
{
    atomic_fetch_add(&errors, 1);
    fprintf(stderr, "writer: thread %u: %s\n", w->number, mysql_error(w->conn));
    reconnect(w); /* also the simplest rollback */
}

static void one_transaction(struct worker *w)
{
    enum kind kind = pick_kind(w);
    unsigned rows = kind == KIND_MULTI ? opt.rows : 1;
    int64_t begun = clock_ns(CLOCK_MONOTONIC);
    w->worst_ns = 0;
    if (kind == KIND_MULTI && !insert_parts(w)) {
        note_failure(w); /* COMMIT was never sent: cannot be in any picture, so not in the log */
        return;
    }
    const char *sql = committing_sql(w, kind);
    int64_t sent_mono = clock_ns(CLOCK_MONOTONIC), sent_real = clock_ns(CLOCK_REALTIME);
    char head[128];
    snprintf(head, sizeof(head), "%" PRIu64 " %u %s %u %" PRId64 " %" PRId64, w->next_txn,
             w->number, kind_names[kind], rows, sent_mono, sent_real);
    record("S %s", head);
    bool ok = execute(w, sql);
    int64_t mono = clock_ns(CLOCK_MONOTONIC), real = clock_ns(CLOCK_REALTIME);
    if (ok) {
        record("A %s %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64, head, mono, real, begun,
               w->worst_ns);
        return;
    }
    record("F %s %" PRId64 " %" PRId64 " %u %s", head, mono, real, mysql_errno(w->conn),
           mysql_error(w->conn));
    note_failure(w);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    mysql_thread_init();
    reconnect(w);
    atomic_fetch_sub(&reconnects, 1); /* the first one is none */
    while (!stopping) {
        w->next_txn++;
        one_transaction(w);
        if (opt.pause_us != 0)
            usleep(opt.pause_us);
    }
    mysql_close(w->conn);
    mysql_thread_end();
    return NULL;
}

static bool worker_start(struct worker *w, unsigned number)
{
    w->number = number;
    /* The clock as a base: no number comes twice, not in a second writer either. */
    w->next_txn = (uint64_t)number << 54 | (uint64_t)(clock_ns(CLOCK_REALTIME) / 1000);
    w->payload = calloc(1, opt.payload + 1);
    w->statement = malloc(opt.payload + 256);
    if (w->payload == NULL || w->statement == NULL)
        return false;
    for (unsigned i = 0; i < opt.payload; i++)
        w->payload[i] = "0123456789abcdef"[random() & 15];
    return pthread_create(&w->thread, NULL, worker_main, w) == 0;
}

/* --- what a log tells about stalls --- */

struct span {
    int64_t ns, from_real, to_real;
    unsigned thread;
};

static void span_keep_longest(struct span *best, struct span other)
{
    if (other.ns > best->ns)
        *best = other;
}

static void span_print(const char *name, const struct span *s, const char *tail)
{
    char from[32], to[32];
    printf("\"%s\":{\"ms\":%.3f,\"thread\":%u,\"from\":\"%s\",\"to\":\"%s\","
           "\"from_ns\":%" PRId64 ",\"to_ns\":%" PRId64 "}%s",
           name, s->ns / 1e6, s->thread, rfc3339(s->from_real, from), rfc3339(s->to_real, to),
           s->from_real, s->to_real, tail);
}

static int by_acked(const void *a, const void *b)
{
    const struct commit *x = a, *y = b;
    return (x->acked_mono > y->acked_mono) - (x->acked_mono < y->acked_mono);
}

static int by_value(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Intervals count whole when they touch the window [from, to]. A statement's end is taken for the
 * transaction's, which is late by the statements after it: good enough to find the window. */
static void analyse(struct commits *log, int64_t from, int64_t to)
{
    struct span latency = {0}, gap = {0}, thread_gap[MAX_THREADS] = {0},
                thread_latency[MAX_THREADS] = {0};
    const struct commit *last = NULL, *thread_last[MAX_THREADS] = {0};
    int64_t *usual = calloc(log->n + 1, sizeof(*usual));
    size_t n = 0;
    unsigned per_thread[MAX_THREADS] = {0};
    if (usual == NULL)
        abort();
    qsort(log->v, log->n, sizeof(*log->v), by_acked);
    for (size_t i = 0; i < log->n; i++) {
        const struct commit *c = &log->v[i];
        if (c->acked_mono == 0 || c->thread >= MAX_THREADS)
            continue;
        int64_t begun_real = c->acked_real - (c->acked_mono - c->begun_mono);
        if (begun_real <= to && c->acked_real >= from) {
            struct span s = {c->worst_ns, begun_real, c->acked_real, c->thread};
            span_keep_longest(&latency, s);
            span_keep_longest(&thread_latency[c->thread], s);
            usual[n++] = c->worst_ns;
            per_thread[c->thread]++;
        }
        const struct commit *before[] = {last, thread_last[c->thread]};
        struct span *best[] = {&gap, &thread_gap[c->thread]};
        for (int k = 0; k < 2; k++) {
            if (before[k] == NULL || before[k]->acked_real > to || c->acked_real < from)
                continue;
            span_keep_longest(best[k],
                              (struct span){c->acked_mono - before[k]->acked_mono,
                                            before[k]->acked_real, c->acked_real, c->thread});
        }
        last = thread_last[c->thread] = c;
    }
    qsort(usual, n, sizeof(*usual), by_value);
    printf("\"commits\":%zu,\"median_latency_ms\":%.3f,\"p99_latency_ms\":%.3f,", n,
           usual[n / 2] / 1e6, usual[n * 99 / 100] / 1e6);
    span_print("longest_latency", &latency, ",");
    span_print("longest_gap", &gap, ",\"threads\":[");
    const char *comma = "";
    for (unsigned t = 0; t < MAX_THREADS; t++) {
        if (per_thread[t] == 0)
            continue;
        printf("%s{\"thread\":%u,\"commits\":%u,", comma, t, per_thread[t]);
        span_print("longest_latency", &thread_latency[t], ",");
        span_print("longest_gap", &thread_gap[t], "}");
        comma = ",";
    }
    printf("]");
    free(usual);
}

static int print_gaps(int64_t from, int64_t to)
{
    struct commits log = {0};
    if (!commits_load(&log, opt.log))
        return 2;
    printf("{");
    analyse(&log, from, to);
    printf("}\n");
    free(log.v);
    return 0;
}

/* --- the run --- */

static void wait_for_end(const sigset_t *signals)
{
    struct timespec limit = {.tv_sec = opt.duration_s ? opt.duration_s : 1000000};
    while (sigtimedwait(signals, NULL, &limit) < 0 && errno == EINTR)
        ;
}

static int write_until_stopped(void)
{
    static struct worker workers[MAX_THREADS];
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); /* before the threads, which inherit it */

    opt.log_fd = open(opt.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (opt.log_fd < 0) {
        perror(opt.log);
        return 2;
    }
    if (!create_tables())
        return 1;
    char when[32];
    int64_t started = clock_ns(CLOCK_REALTIME);
    record("# holdfast writer, started %s, threads %u", rfc3339(started, when), opt.threads);
    for (unsigned i = 0; i < opt.threads; i++) {
        if (!worker_start(&workers[i], i))
            return 1;
    }
    wait_for_end(&signals);
    stopping = true;
    /* A statement that still waits may wait for long; what it did is undetermined, and recorded so.
     */
    struct timespec limit;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += 5;
    for (unsigned i = 0; i < opt.threads; i++)
        pthread_timedjoin_np(workers[i].thread, NULL, &limit);

    int64_t ended = clock_ns(CLOCK_REALTIME);
    struct commits log = {0};
    if (!commits_load(&log, opt.log))
        return 1;
    printf("{\"started\":\"%s\",", rfc3339(started, when));
    printf("\"ended\":\"%s\",\"errors\":%u,\"reconnects\":%u,", rfc3339(ended, when), errors,
           reconnects);
    analyse(&log, started, ended);
    printf("}\n");
    fflush(stdout);
    _exit(0); /* threads that still wait must not use what exit() takes apart */
}

static int usage(void)
{
    fputs(
        "usage: writer --log FILE --defaults-file F [--socket S] [--schema hf_test] [--threads 2]\n"
        "              [--duration SECONDS] [--rows 4] [--every 4] [--payload 200] [--pause-us 0]\n"
        "              [--myisam] [--aria] [--append] [--read-timeout 60]\n"
        "       writer --log FILE --gaps [--gaps-between T1 T2]\n"
        "Writes until SIGTERM or the end of the duration, then prints a summary as JSON. Each\n"
        "EVERYth transaction has ROWS rows in two tables, the others are autocommit inserts.\n"
        "T1, T2: nanoseconds since 1970 or RFC 3339, both with an optional +MILLISECONDS.\n",
        stderr);
    return 2;
}

int main(int argc, char **argv)
{
    enum { O_SCHEMA = 256, O_PAUSE, O_GAPS, O_BETWEEN, O_READ_TIMEOUT };
    static const struct option options[] = {
        {"log", required_argument, NULL, 'l'},
        {"defaults-file", required_argument, NULL, 'f'},
        {"socket", required_argument, NULL, 's'},
        {"schema", required_argument, NULL, O_SCHEMA},
        {"threads", required_argument, NULL, 't'},
        {"duration", required_argument, NULL, 'd'},
        {"rows", required_argument, NULL, 'r'},
        {"every", required_argument, NULL, 'e'},
        {"payload", required_argument, NULL, 'p'},
        {"pause-us", required_argument, NULL, O_PAUSE},
        {"read-timeout", required_argument, NULL, O_READ_TIMEOUT},
        {"myisam", no_argument, NULL, 'm'},
        {"aria", no_argument, NULL, 'a'},
        {"append", no_argument, NULL, 'A'},
        {"gaps", no_argument, NULL, O_GAPS},
        {"gaps-between", required_argument, NULL, O_BETWEEN},
        {NULL, 0, NULL, 0},
    };
    int64_t from = INT64_MIN, to = INT64_MAX;
    bool gaps = false;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 'l':
            opt.log = optarg;
            break;
        case 'f':
            opt.defaults_file = optarg;
            break;
        case 's':
            opt.socket = optarg;
            break;
        case O_SCHEMA:
            opt.schema = optarg;
            break;
        case 't':
            opt.threads = atoi(optarg);
            break;
        case 'd':
            opt.duration_s = atoi(optarg);
            break;
        case 'r':
            opt.rows = atoi(optarg);
            break;
        case 'e':
            opt.every = atoi(optarg);
            break;
        case 'p':
            opt.payload = atoi(optarg);
            break;
        case O_PAUSE:
            opt.pause_us = atoi(optarg);
            break;
        case O_READ_TIMEOUT:
            opt.read_timeout_s = atoi(optarg);
            break;
        case 'm':
            opt.myisam = true;
            break;
        case 'a':
            opt.aria = true;
            break;
        case 'A':
            opt.append = true;
            break;
        case O_GAPS:
            gaps = true;
            break;
        case O_BETWEEN:
            gaps = true;
            if (optind >= argc || !parse_instant(optarg, &from) ||
                !parse_instant(argv[optind++], &to))
                return usage();
            break;
        default:
            return usage();
        }
    }
    if (optind != argc || opt.log == NULL || opt.threads < 1 || opt.threads > MAX_THREADS ||
        opt.rows < 1 || opt.rows > MAX_PARTS || opt.payload > MAX_PAYLOAD)
        return usage();
    return gaps ? print_gaps(from, to) : write_until_stopped();
}
