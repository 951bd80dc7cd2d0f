/* SPDX-License-Identifier: Apache-2.0 */
/* Is a recovered database exactly the instant it claims to be? Compares the rows in it with the
 * writer's log (writerlog.h) by set inclusion, commit by commit:
 *
 *   missing   acknowledged before --present-before, and not there
 *   extra     sent after --absent-after, and there
 *   leaked    sent and acknowledged inside --held: the hold did not hold (whether there or not)
 *   torn      some rows of a transaction are there, others are not
 *   unknown   there, but nobody ever sent it
 *   hole      not there, though a later commit of the same thread and engine is
 *   unreadable (tables, not commits) the server refuses the table: all that was in it is missing
 *
 * What lies between the two instants, was sent but never acknowledged, or failed, is undetermined:
 * it may be there, but only whole. Prints JSON. Exit 0 equal, 1 violations, 2 nothing proven: not
 * readable, or no commit that had to be there, or none that had to be missing.
 *
 * Build: cc -O2 $(pkg-config --cflags libmariadb) compare.c -o compare $(pkg-config --libs
 * libmariadb) */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "writerlog.h"

#include <getopt.h>
#include <mysql.h>

static struct {
    const char *log, *rows_file, *socket, *defaults_file, *user, *schema;
    int64_t present_before, absent_after, held_from, held_to;
    unsigned ignored_tables; /* bit per enum table */
    bool allow_empty;
    unsigned max_listed;
} opt = {.schema = "hf_test",
         .present_before = INT64_MIN,
         .absent_after = INT64_MAX,
         .held_from = INT64_MAX,
         .held_to = INT64_MIN,
         .max_listed = 20};

struct row {
    uint64_t txn;
    enum table table;
    unsigned part, parts;
};

struct rows {
    struct row *v;
    size_t n, cap;
};

enum violation { MISSING, EXTRA, LEAKED, TORN, UNKNOWN, HOLE, UNREADABLE, VIOLATION_COUNT };

static const char *const violation_names[VIOLATION_COUNT] = {
    "missing", "extra", "leaked", "torn", "unknown", "hole", "unreadable"};

static struct {
    size_t had_to_be_there, had_to_be_absent, undetermined, present, commits;
    size_t violations[VIOLATION_COUNT];
} result;

/* --- the rows of the recovered database --- */

static void rows_add(struct rows *rows, struct row row)
{
    if (rows->n == rows->cap) {
        rows->cap = rows->cap ? 2 * rows->cap : 4096;
        rows->v = realloc(rows->v, rows->cap * sizeof(*rows->v));
        if (rows->v == NULL)
            abort();
    }
    rows->v[rows->n++] = row;
}

/* A table that the server cannot open or read is a finding; a lost server (2000 and above are the
 * client library's own errors) is none. */
static bool table_failed(MYSQL *conn, enum table table)
{
    fprintf(stderr, "compare: unreadable: %s: %s\n", table_names[table], mysql_error(conn));
    if (mysql_errno(conn) >= 2000 && mysql_errno(conn) < 3000)
        return false;
    result.violations[UNREADABLE]++;
    return true;
}

static bool rows_read_table(struct rows *rows, MYSQL *conn, enum table table)
{
    char sql[128];
    /* IGNORE INDEX: an index that a crash left behind its table must not hide rows. */
    snprintf(sql, sizeof(sql), "SELECT txn, part, parts FROM %s IGNORE INDEX (PRIMARY)",
             table_names[table]);
    if (mysql_query(conn, sql) != 0) {
        if (mysql_errno(conn) == 1146) /* no such table: that engine was not written to */
            return true;
        return table_failed(conn, table);
    }
    MYSQL_RES *res = mysql_use_result(conn);
    for (MYSQL_ROW r; res != NULL && (r = mysql_fetch_row(res)) != NULL;) {
        rows_add(rows, (struct row){.txn = strtoull(r[0], NULL, 10),
                                    .table = table,
                                    .part = strtoul(r[1], NULL, 10),
                                    .parts = strtoul(r[2], NULL, 10)});
    }
    mysql_free_result(res);
    return mysql_errno(conn) == 0 || table_failed(conn, table);
}

static bool rows_from_server(struct rows *rows)
{
    MYSQL *conn = mysql_init(NULL);
    if (conn == NULL)
        return false;
    if (opt.defaults_file != NULL)
        mysql_options(conn, MYSQL_READ_DEFAULT_FILE, opt.defaults_file);
    mysql_options(conn, MYSQL_READ_DEFAULT_GROUP, "client");
    bool ok = mysql_real_connect(conn, NULL, opt.user, NULL, opt.schema, 0, opt.socket, 0) != NULL;
    if (!ok)
        fprintf(stderr, "compare: %s\n", mysql_error(conn));
    for (int t = 0; ok && t < TABLE_COUNT; t++) {
        if (!(opt.ignored_tables & 1u << t))
            ok = rows_read_table(rows, conn, (enum table)t);
    }
    mysql_close(conn);
    return ok;
}

/* "table txn part parts" per line, for tests without a server. */
static bool rows_from_file(struct rows *rows)
{
    FILE *f = fopen(opt.rows_file, "re");
    char name[32];
    struct row row;
    if (f == NULL) {
        perror(opt.rows_file);
        return false;
    }
    while (fscanf(f, "%31s %" SCNu64 " %u %u", name, &row.txn, &row.part, &row.parts) == 4) {
        for (row.table = 0; row.table < TABLE_COUNT; row.table++) {
            if (strcmp(name, table_names[row.table]) == 0)
                break;
        }
        if (row.table < TABLE_COUNT && !(opt.ignored_tables & 1u << row.table))
            rows_add(rows, row);
    }
    bool ok = feof(f) != 0;
    fclose(f);
    if (!ok)
        fprintf(stderr, "compare: %s: cannot read a line\n", opt.rows_file);
    return ok;
}

static int by_txn(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    if (x->txn != y->txn)
        return x->txn < y->txn ? -1 : 1;
    return (x->part > y->part) - (x->part < y->part);
}

/* Index of the first row of txn in the sorted rows, or of where it would be. */
static size_t rows_lower_bound(const struct rows *rows, uint64_t txn)
{
    size_t low = 0, high = rows->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (rows->v[mid].txn < txn)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* --- the comparison --- */

static void report(enum violation kind, uint64_t txn, const struct commit *c)
{
    if (result.violations[kind]++ >= opt.max_listed)
        return;
    fprintf(stderr, "compare: %s: txn %" PRIu64, violation_names[kind], txn);
    if (c != NULL) {
        char sent[32], acked[32];
        fprintf(stderr, " thread %u %s rows %u sent %s acked %s", c->thread, kind_names[c->kind],
                c->rows, rfc3339(c->sent_real, sent),
                c->acked_real ? rfc3339(c->acked_real, acked) : "never");
    }
    fputc('\n', stderr);
}

static bool is_ignored(const struct commit *c)
{
    static const unsigned tables[KIND_COUNT] = {[KIND_SINGLE] = 1u << TABLE_INNODB,
                                                [KIND_MULTI] =
                                                    1u << TABLE_INNODB | 1u << TABLE_INNODB2,
                                                [KIND_MYISAM] = 1u << TABLE_MYISAM,
                                                [KIND_ARIA] = 1u << TABLE_ARIA};
    return (opt.ignored_tables & tables[c->kind]) != 0;
}

/* Returns whether anything of the commit is there. */
static bool check_rows(const struct commit *c, const struct rows *rows, bool *seen)
{
    size_t first = rows_lower_bound(rows, c->txn), n = 0;
    bool torn = false;
    for (size_t i = first; i < rows->n && rows->v[i].txn == c->txn; i++, n++) {
        seen[i] = true;
        torn |= rows->v[i].part != n || rows->v[i].parts != c->rows;
    }
    if (n != 0 && (torn || n != c->rows))
        report(TORN, c->txn, c);
    return n != 0;
}

static void check_commit(const struct commit *c, bool present)
{
    bool must = c->acked_real != 0 && c->acked_real < opt.present_before;
    bool must_not = c->sent_real > opt.absent_after;
    result.commits++;
    result.present += present;
    result.had_to_be_there += must;
    result.had_to_be_absent += must_not;
    result.undetermined += !must && !must_not;
    if (must && !present)
        report(MISSING, c->txn, c);
    if (must_not && present)
        report(EXTRA, c->txn, c);
    if (c->acked_real != 0 && c->sent_real > opt.held_from && c->acked_real < opt.held_to)
        report(LEAKED, c->txn, c);
}

static int by_thread_and_engine(const void *a, const void *b)
{
    const struct commit *x = a, *y = b;
    int ex = x->kind == KIND_MULTI ? KIND_SINGLE : x->kind;
    int ey = y->kind == KIND_MULTI ? KIND_SINGLE : y->kind;
    if (x->thread != y->thread)
        return x->thread < y->thread ? -1 : 1;
    if (ex != ey)
        return ex - ey;
    return (x->sent_mono > y->sent_mono) - (x->sent_mono < y->sent_mono);
}

/* Each thread sends one commit after the other, so what is there of an engine is a prefix. */
static void check_order(struct commits *log, const struct rows *rows)
{
    bool later_present = false;
    qsort(log->v, log->n, sizeof(*log->v), by_thread_and_engine);
    for (size_t i = log->n; i-- > 0;) {
        const struct commit *c = &log->v[i], *next = i + 1 < log->n ? &log->v[i + 1] : NULL;
        bool same = next != NULL && next->thread == c->thread &&
                    (next->kind <= KIND_MULTI) == (c->kind <= KIND_MULTI) &&
                    (c->kind <= KIND_MULTI || next->kind == c->kind);
        if (!same)
            later_present = false;
        if (is_ignored(c))
            continue;
        size_t at = rows_lower_bound(rows, c->txn);
        bool present = at < rows->n && rows->v[at].txn == c->txn;
        if (!present && later_present && c->acked_real != 0)
            report(HOLE, c->txn, c);
        later_present |= present;
    }
}

static size_t compare(struct commits *log, struct rows *rows)
{
    bool *seen = calloc(rows->n + 1, sizeof(*seen));
    size_t sum = 0;
    if (seen == NULL)
        abort();
    qsort(rows->v, rows->n, sizeof(*rows->v), by_txn);
    for (size_t i = 0; i < log->n; i++) {
        if (!is_ignored(&log->v[i]))
            check_commit(&log->v[i], check_rows(&log->v[i], rows, seen));
    }
    for (size_t i = 0; i < rows->n; i++) {
        if (!seen[i])
            report(UNKNOWN, rows->v[i].txn, NULL);
    }
    check_order(log, rows);
    for (int i = 0; i < VIOLATION_COUNT; i++)
        sum += result.violations[i];
    free(seen);
    return sum;
}

static int print_result(size_t violations)
{
    bool empty = result.had_to_be_there == 0 || result.had_to_be_absent == 0;
    int status = violations ? 1 : empty && !opt.allow_empty ? 2 : 0;
    printf("{\"result\":\"%s\",\"commits\":%zu,\"present\":%zu,\"had_to_be_there\":%zu,"
           "\"had_to_be_absent\":%zu,\"undetermined\":%zu,\"violations\":{",
           status == 0   ? "equal"
           : status == 1 ? "different"
                         : "nothing proven",
           result.commits, result.present, result.had_to_be_there, result.had_to_be_absent,
           result.undetermined);
    for (int i = 0; i < VIOLATION_COUNT; i++)
        printf("%s\"%s\":%zu", i ? "," : "", violation_names[i], result.violations[i]);
    printf("}}\n");
    return status;
}

static int usage(void)
{
    fputs(
        "usage: compare --log FILE (--socket S [--user root] | --defaults-file F | --rows FILE)\n"
        "               (--locked T | --present-before T --absent-after T) [--held T1 T2]\n"
        "               [--schema hf_test] [--ignore-table NAME]… [--allow-empty] [--max-listed "
        "20]\n"
        "--locked T: the hold was granted at T, nothing commits from then on: --present-before T\n"
        "            --absent-after T. Where writers go on (light): --present-before the begin of\n"
        "            the capture, --absent-after its end.\n"
        "--held T1 T2: T2 is before the release was sent, e.g. the end of the capture.\n"
        "T: nanoseconds since 1970 or RFC 3339, both with an optional +MILLISECONDS.\n",
        stderr);
    return 2;
}

static bool ignore_table(const char *name)
{
    for (int t = 0; t < TABLE_COUNT; t++) {
        if (strcmp(name, table_names[t]) == 0) {
            opt.ignored_tables |= 1u << t;
            return true;
        }
    }
    return false;
}

static bool parse_options(int argc, char **argv)
{
    static const struct option options[] = {
        {"log", required_argument, NULL, 'l'},
        {"rows", required_argument, NULL, 'r'},
        {"socket", required_argument, NULL, 's'},
        {"user", required_argument, NULL, 'u'},
        {"defaults-file", required_argument, NULL, 'f'},
        {"schema", required_argument, NULL, 'S'},
        {"locked", required_argument, NULL, 'L'},
        {"present-before", required_argument, NULL, 'P'},
        {"absent-after", required_argument, NULL, 'A'},
        {"held", required_argument, NULL, 'H'},
        {"ignore-table", required_argument, NULL, 'i'},
        {"allow-empty", no_argument, NULL, 'e'},
        {"max-listed", required_argument, NULL, 'm'},
        {NULL, 0, NULL, 0},
    };
    bool ok = true;
    for (int c; ok && (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 'l':
            opt.log = optarg;
            break;
        case 'r':
            opt.rows_file = optarg;
            break;
        case 's':
            opt.socket = optarg;
            break;
        case 'u':
            opt.user = optarg;
            break;
        case 'f':
            opt.defaults_file = optarg;
            break;
        case 'S':
            opt.schema = optarg;
            break;
        case 'L':
            ok = parse_instant(optarg, &opt.present_before);
            opt.absent_after = opt.present_before;
            break;
        case 'P':
            ok = parse_instant(optarg, &opt.present_before);
            break;
        case 'A':
            ok = parse_instant(optarg, &opt.absent_after);
            break;
        case 'H':
            ok = optind < argc && parse_instant(optarg, &opt.held_from) &&
                 parse_instant(argv[optind++], &opt.held_to);
            break;
        case 'i':
            ok = ignore_table(optarg);
            break;
        case 'e':
            opt.allow_empty = true;
            break;
        case 'm':
            opt.max_listed = atoi(optarg);
            break;
        default:
            ok = false;
        }
    }
    return ok && optind == argc && opt.log != NULL && opt.present_before != INT64_MIN &&
           opt.absent_after != INT64_MAX && (opt.rows_file || opt.socket || opt.defaults_file);
}

int main(int argc, char **argv)
{
    struct commits log = {0};
    struct rows rows = {0};
    if (!parse_options(argc, argv))
        return usage();
    if (!commits_load(&log, opt.log) ||
        !(opt.rows_file ? rows_from_file(&rows) : rows_from_server(&rows)))
        return 2;
    int status = print_result(compare(&log, &rows));
    free(log.v);
    free(rows.v);
    return status;
}
