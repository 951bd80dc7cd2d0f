/* SPDX-License-Identifier: Apache-2.0
 *
 * A real database through the tunnel and a real sshd.
 */
#include "base/buf.h"
#include "guest/tunnel.h"
#include "harness/hf_test.h"
#include "integration/db/server.h"
#include "integration/guest/sshd.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TURNS 500

static struct hf_test_sshd sshd;
static struct hf_test_server server;

static int64_t now_ms(void)
{
    return hf_clock_mono_ms(hf_clock_system());
}

static struct hf_db_endpoint by_tcp(void)
{
    return (struct hf_db_endpoint){.host = "127.0.0.1", .port = server.port};
}

static struct hf_db_endpoint by_socket(void)
{
    return (struct hf_db_endpoint){.socket = server.socket};
}

static struct hf_tunnel *open_through(const struct hf_test_sshd *way, struct hf_db_endpoint to,
                                      const char *path)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_ssh_target t = hf_test_ssh_target(way);
    struct hf_tunnel *tunnel =
        hf_tunnel_ssh(&t, &to, path, hf_clock_system(), NULL, now_ms() + 20000, &err);
    assert_hf_got(tunnel, &err);
    return tunnel;
}

static struct hf_tunnel *open_tunnel(struct hf_db_endpoint to, const char *path)
{
    return open_through(&sshd, to, path);
}

static struct hf_db_conn *try_open(const char *path, struct hf_err *err)
{
    struct hf_db_target t = {.socket = path, .defaults_file = server.root_cnf};
    return hf_db_open(&t, err);
}

static struct hf_db_conn *open_db(const char *path)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_conn *c = try_open(path, &err);
    assert_hf_got(c, &err);
    return c;
}

/* ---- sessions --------------------------------------------------------------------------- */

static void assert_three_sessions(void **state, struct hf_db_endpoint to)
{
    const char *path = hf_test_path(state, "db");
    HF_AUTO(hf_tunnel) struct hf_tunnel *t = open_tunnel(to, path);
    struct hf_db_conn *c[3];
    for (int i = 0; i < 3; i++)
        c[i] = open_db(path);
    for (int turn = 0; turn < 20; turn++)
        for (int i = 0; i < 3; i++)
            assert_int_equal(hf_test_number(c[i], "SELECT CONNECTION_ID() + %d", turn),
                             hf_db_id(c[i]) + (unsigned)turn);
    for (int i = 0; i < 3; i++)
        hf_db_close(c[i]);
    struct hf_err err = HF_ERR_INIT;
    assert_false(hf_tunnel_trouble(t, &err));
}

static void three_sessions_at_a_time_by_tcp(void **state)
{
    assert_three_sessions(state, by_tcp());
}

static void three_sessions_at_a_time_by_socket(void **state)
{
    assert_three_sessions(state, by_socket());
}

/* ---- much data -------------------------------------------------------------------------- */

#define BIG_SQL                                                                                    \
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20) "               \
    "SELECT REPEAT(CHAR(64 + i), 1000000) FROM n"

static int64_t cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct sum {
    size_t bytes, rows;
    int64_t idle_cpu_ms; /* used while the first row was looked at for a second */
    bool is_slow;
};

static int add_row(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    struct sum *s = ctx;
    size_t len = n == 1 ? strlen(values[0]) : 0;
    if (len == 0 || values[0][0] != 'A' + (int)s->rows || values[0][len - 1] != values[0][0])
        return hf_fail(err, HF_E_CORRUPT, "row %zu", s->rows);
    if (s->is_slow && s->rows == 0) {
        int64_t begin_ms = cpu_ms();
        hf_clock_sleep_ms(hf_clock_system(), 1000);
        s->idle_cpu_ms = cpu_ms() - begin_ms;
    }
    s->bytes += len;
    s->rows++;
    return 0;
}

static void twenty_megabytes_come_through_whole(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const char *path = hf_test_path(state, "db");
    HF_AUTO(hf_tunnel) struct hf_tunnel *t = open_tunnel(by_tcp(), path);
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = open_db(path);
    struct sum s = {0};
    int64_t begin_ms = now_ms();
    assert_hf_ok(hf_db_query(c, BIG_SQL, add_row, &s, &err), &err);
    printf("  20 MB in %" PRId64 " ms\n", now_ms() - begin_ms);
    assert_int_equal(s.bytes, 20000000);
}

static void two_large_results_and_a_small_one_share_the_way(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const char *path = hf_test_path(state, "db");
    HF_AUTO(hf_tunnel) struct hf_tunnel *t = open_tunnel(by_socket(), path);
    HF_AUTO(hf_db_conn) struct hf_db_conn *small = open_db(path);
    pid_t pids[2];
    for (int i = 0; i < 2; i++)
        if ((pids[i] = fork()) == 0) {
            struct sum s = {0};
            struct hf_db_conn *c = try_open(path, &err);
            _exit(!c || hf_db_query(c, BIG_SQL, add_row, &s, &err) || s.bytes != 20000000);
        }
    for (int i = 0; i < 200; i++)
        assert_int_equal(hf_test_number(small, "SELECT %d", i), i);
    for (int i = 0; i < 2; i++) {
        int status = -1;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
}

#define LARGE_BYTES ((size_t)8000000)

static bool put_large(struct hf_db_conn *c)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *text = malloc(LARGE_BYTES + 1), *sql = NULL, *value = NULL;
    memset(text, 'x', LARGE_BYTES);
    text[LARGE_BYTES] = '\0';
    sql = hf_asprintf("SELECT LENGTH('%s')", text);
    return hf_db_value(c, sql, &value, &err) == 0 && atol(value) == (long)LARGE_BYTES;
}

/* More than the connection takes at once, from several channels. */
static void large_statements_go_in_side_by_side(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const char *path = hf_test_path(state, "db");
    HF_AUTO(hf_tunnel) struct hf_tunnel *t = open_tunnel(by_tcp(), path);
    HF_AUTO(hf_db_conn) struct hf_db_conn *small = open_db(path);
    pid_t pids[6];
    for (size_t i = 0; i < HF_ARRAY_SIZE(pids); i++)
        if ((pids[i] = fork()) == 0) {
            struct hf_db_conn *c = try_open(path, &err);
            _exit(!c || !put_large(c) || !put_large(c));
        }
    for (int i = 0; i < 500; i++)
        assert_int_equal(hf_test_number(small, "SELECT %d", i), i);
    for (size_t i = 0; i < HF_ARRAY_SIZE(pids); i++) {
        int status = -1;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
}

static void who_waits_costs_no_processor(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const char *path = hf_test_path(state, "db");
    HF_AUTO(hf_tunnel) struct hf_tunnel *t = open_tunnel(by_tcp(), path);
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = open_db(path);
    int64_t begin_ms = cpu_ms();
    hf_clock_sleep_ms(hf_clock_system(), 1000);
    assert_in_range(cpu_ms() - begin_ms, 0, 150);
    struct sum s = {.is_slow = true};
    assert_hf_ok(hf_db_query(c, BIG_SQL, add_row, &s, &err), &err);
    assert_in_range(s.idle_cpu_ms, 0, 300);
}

/* ---- time ------------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int64_t median_us(struct hf_db_conn *c)
{
    int64_t us[TURNS];
    struct hf_err err = HF_ERR_INIT;
    for (int i = 0; i < TURNS; i++) {
        int64_t begin_us = hf_clock_mono_us(hf_clock_system());
        assert_hf_ok(hf_db_exec(c, "SELECT 1", &err), &err);
        us[i] = hf_clock_mono_us(hf_clock_system()) - begin_us;
    }
    qsort(us, TURNS, sizeof us[0], by_size);
    return us[TURNS / 2];
}

static void a_round_trip_is_short(void **state)
{
    const char *path = hf_test_path(state, "db");
    HF_AUTO(hf_tunnel) struct hf_tunnel *t = open_tunnel(by_tcp(), path);
    HF_AUTO(hf_db_conn) struct hf_db_conn *direct = hf_test_open(&server);
    HF_AUTO(hf_db_conn) struct hf_db_conn *through = open_db(path);
    int64_t direct_us = median_us(direct), through_us = median_us(through);
    printf("  SELECT 1: %" PRId64 " us direct, %" PRId64 " us through the tunnel (median of %d)\n",
           direct_us, through_us, TURNS);
    /* Nagle's algorithm or a polling loop would show as tens of milliseconds. */
    assert_in_range(through_us, 0, 20 * direct_us + 5000);
}

/* ---- death ------------------------------------------------------------------------------ */

/* In a process of its own: locks through a tunnel of its own, says so, and never lets go. */
static void hold(const char *path, int fd)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_ssh_target target = hf_test_ssh_target(&sshd);
    struct hf_db_endpoint to = by_tcp();
    struct hf_tunnel *t =
        hf_tunnel_ssh(&target, &to, path, hf_clock_system(), NULL, now_ms() + 20000, &err);
    struct hf_db_conn *c = t ? try_open(path, &err) : NULL;
    if (!c || hf_db_exec(c, "FLUSH TABLES WITH READ LOCK", &err) || write(fd, "h", 1) != 1) {
        fprintf(stderr, "holder: %s\n", err.message);
        _exit(1);
    }
    for (;;)
        pause();
}

static void killed_while_it_holds_the_lock(void **state)
{
    const char *path = hf_test_path(state, "db");
    int64_t worst_ms = 0;
    for (int i = 0; i < 5; i++) {
        int fds[2];
        char byte;
        HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
        assert_int_equal(pipe(fds), 0);
        pid_t pid = fork();
        if (pid == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            hold(path, fds[1]);
        }
        struct pollfd p = {.fd = fds[0], .events = POLLIN};
        assert_int_equal(poll(&p, 1, 20000), 1);
        assert_int_equal(read(fds[0], &byte, 1), 1);
        int64_t begin_ms = now_ms();
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        hf_test_sql(c, "INSERT INTO t.a VALUES (%d)", i);
        int64_t ms = now_ms() - begin_ms;
        worst_ms = ms > worst_ms ? ms : worst_ms;
        close(fds[0]);
        close(fds[1]);
    }
    printf("  SIGKILL: commits again after %" PRId64 " ms at the most (5 runs)\n", worst_ms);
    assert_in_range(worst_ms, 0, 3000);
}

static void wait_until_removed(const char *path)
{
    int64_t deadline_ms = now_ms() + 10000;
    while (access(path, F_OK) == 0 && now_ms() < deadline_ms)
        hf_clock_sleep_ms(hf_clock_system(), 10);
    assert_int_equal(access(path, F_OK), -1);
}

static void when_sshd_dies_sessions_are_lost_at_once(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const char *path = hf_test_path(state, "db");
    HF_AUTO(hf_tunnel) struct hf_tunnel *t = open_tunnel(by_tcp(), path);
    HF_AUTO(hf_db_conn) struct hf_db_conn *a = open_db(path);
    HF_AUTO(hf_db_conn) struct hf_db_conn *b = open_db(path);
    int64_t begin_ms = now_ms();
    hf_test_sshd_cut(&sshd);
    assert_int_equal(hf_db_exec(a, "SELECT SLEEP(20)", &err), -1);
    assert_int_equal(err.cls, HF_E_UNREACHABLE);
    assert_int_equal(hf_db_exec(b, "SELECT SLEEP(20)", &err), -1);
    assert_int_equal(err.cls, HF_E_UNREACHABLE);
    assert_in_range(now_ms() - begin_ms, 0, 5000);
    assert_true(hf_tunnel_trouble(t, &err));
    assert_hf_err(&err, HF_E_UNREACHABLE, "connection lost");
    wait_until_removed(path);
    assert_null(try_open(path, &err));
}

static void a_lost_way_is_noticed_without_a_client(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const char *path = hf_test_path(state, "db");
    HF_AUTO(hf_tunnel) struct hf_tunnel *t = open_tunnel(by_tcp(), path);
    hf_test_sshd_cut(&sshd);
    wait_until_removed(path);
    assert_true(hf_tunnel_trouble(t, &err));
}

/* ---- refusals --------------------------------------------------------------------------- */

static void a_database_that_is_not_there_is_named(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const char *path = hf_test_path(state, "db");
    struct hf_db_endpoint to = {.host = "127.0.0.1", .port = hf_test_free_port()};
    HF_AUTO(hf_tunnel) struct hf_tunnel *t = open_tunnel(to, path);
    assert_null(try_open(path, &err));
    assert_true(hf_tunnel_trouble(t, &err));
    assert_hf_err(&err, HF_E_UNREACHABLE, "connect failed");
    assert_contains(err.message, "127.0.0.1:");
    HF_AUTO(hf_tunnel)
    struct hf_tunnel *by_path =
        open_tunnel((struct hf_db_endpoint){.socket = "/none.sock"}, hf_test_path(state, "two"));
    assert_null(try_open(hf_test_path(state, "two"), &err));
    assert_true(hf_tunnel_trouble(by_path, &err));
    assert_hf_err(&err, HF_E_UNREACHABLE, "/none.sock");
}

static void an_sshd_that_forwards_nothing_is_named(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_test_sshd strict;
    const char *path = hf_test_path(state, "db");
    hf_test_sshd_start(&strict, "AllowTcpForwarding no");
    struct hf_tunnel *t = open_through(&strict, by_tcp(), path);
    assert_null(try_open(path, &err));
    bool is_there = hf_tunnel_trouble(t, &err);
    hf_tunnel_close(t);
    hf_test_sshd_stop(&strict);
    assert_true(is_there);
    assert_hf_err(&err, HF_E_UNREACHABLE, "prohibited");
    assert_contains(err.hint, "AllowTcpForwarding");
}

/* ---- again and again -------------------------------------------------------------------- */

static void nothing_is_left_of_many_sessions_and_tunnels(void **state)
{
    const char *path = hf_test_path(state, "db");
    int before = hf_test_count_fds();
    for (int i = 0; i < 5; i++) {
        HF_AUTO(hf_tunnel) struct hf_tunnel *t = open_tunnel(i % 2 ? by_tcp() : by_socket(), path);
        int within = hf_test_count_fds();
        for (int k = 0; k < 80; k++) {
            HF_AUTO(hf_db_conn) struct hf_db_conn *c = open_db(path);
            assert_int_equal(hf_test_number(c, "SELECT %d", k), k);
        }
        for (int wait = 0; hf_test_count_fds() != within && wait < 500; wait++)
            usleep(10000);
        assert_int_equal(hf_test_count_fds(), within);
    }
    assert_int_equal(hf_test_count_fds(), before);
}

static void the_end_is_quick_with_sessions_open(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const char *path = hf_test_path(state, "db");
    struct hf_tunnel *t = open_tunnel(by_tcp(), path);
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = open_db(path);
    int64_t begin_ms = now_ms();
    hf_tunnel_close(t);
    assert_in_range(now_ms() - begin_ms, 0, 2000);
    assert_int_equal(hf_db_exec(c, "SELECT 1", &err), -1);
    assert_int_equal(err.cls, HF_E_UNREACHABLE);
    assert_int_equal(access(path, F_OK), -1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(three_sessions_at_a_time_by_tcp),
        HF_TEST(three_sessions_at_a_time_by_socket),
        HF_TEST(twenty_megabytes_come_through_whole),
        HF_TEST(two_large_results_and_a_small_one_share_the_way),
        HF_TEST(large_statements_go_in_side_by_side),
        HF_TEST(who_waits_costs_no_processor),
        HF_TEST(a_round_trip_is_short),
        HF_TEST(killed_while_it_holds_the_lock),
        HF_TEST(when_sshd_dies_sessions_are_lost_at_once),
        HF_TEST(a_lost_way_is_noticed_without_a_client),
        HF_TEST(a_database_that_is_not_there_is_named),
        HF_TEST(an_sshd_that_forwards_nothing_is_named),
        HF_TEST(nothing_is_left_of_many_sessions_and_tunnels),
        HF_TEST(the_end_is_quick_with_sessions_open),
    };
    struct hf_err err = HF_ERR_INIT;
    struct hf_test_server_opts opts = {.flavour = HF_DB_MARIADB, .no_binlog = true};
    if (hf_ssh_library_init(&err))
        return 1;
    hf_test_server_start(&server, &opts);
    hf_test_sshd_start(&sshd, "");
    struct hf_db_conn *c = hf_test_open(&server);
    hf_test_sql(c, "CREATE DATABASE t");
    hf_test_sql(c, "CREATE TABLE t.a (i INT)");
    hf_db_close(c);
    int failed = HF_RUN_TESTS("guest.tunnel", tests);
    hf_test_sshd_stop(&sshd);
    hf_test_server_stop(&server);
    hf_ssh_library_end();
    return failed;
}
