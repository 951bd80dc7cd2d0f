/* SPDX-License-Identifier: Apache-2.0
 *
 * The process that holds the lock dies, or stops for good. How long does the site wait? The figures
 * are in docs/notes-mysql.md.
 */
#include "integration/db/case.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct holder {
    pid_t pid;
    int fd; /* a byte comes when it is held */
};

/* In a process of its own: takes the lock and never lets go. */
static void hold(const struct hf_db_lock_opts *opts, int fd)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_lock_timing timing;
    struct hf_db_lock *lock = hf_db_lock_prepare(opts, &err);
    if (!lock || write(fd, "p", 1) != 1 ||
        hf_db_lock_acquire(lock, HF_NO_DEADLINE, &timing, &err)) {
        fprintf(stderr, "holder: %s\n", err.message);
        _exit(1);
    }
    if (write(fd, "h", 1) != 1)
        _exit(1);
    for (;;)
        pause();
}

static void holder_start(struct holder *h, const struct hf_db_lock_opts *opts)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    h->pid = fork();
    if (h->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(fds[0]);
        hold(opts, fds[1]);
    }
    close(fds[1]);
    h->fd = fds[0];
}

static void holder_wait_for(struct holder *h, char what)
{
    char byte;
    do {
        struct pollfd p = {.fd = h->fd, .events = POLLIN};
        assert_int_equal(poll(&p, 1, 10000), 1);
        assert_int_equal(read(h->fd, &byte, 1), 1);
    } while (byte != what);
}

static void holder_end(struct holder *h)
{
    kill(h->pid, SIGKILL);
    waitpid(h->pid, NULL, 0);
    close(h->fd);
}

/* Milliseconds from now until an insert into `table` is acknowledged. */
static int64_t time_until_a_commit(const char *table)
{
    int64_t begin_us = hf_clock_mono_us(hf_clock_system());
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    hf_test_sql(c, "INSERT INTO %s (sent) VALUES (1)", table);
    return (hf_clock_mono_us(hf_clock_system()) - begin_us) / 1000;
}

static void killed_while_it_holds(void **state)
{
    (void)state;
    struct hf_db_target target = hf_test_target(&server);
    struct hf_db_lock_opts opts = lock_opts(&target);
    int64_t worst_ms = 0;
    for (int i = 0; i < 10; i++) {
        struct holder h;
        holder_start(&h, &opts);
        holder_wait_for(&h, 'h');
        holder_end(&h);
        int64_t ms = time_until_a_commit("t.b");
        worst_ms = ms > worst_ms ? ms : worst_ms;
    }
    printf("  SIGKILL: commits again after %" PRId64 " ms at the most (10 runs)\n", worst_ms);
    assert_in_range(worst_ms, 0, 500);
    assert_nothing_is_held();
}

/* MariaDB looks once a second whether the client of a waiting session is still there. MySQL does
 * not: there lock_wait_timeout ends the wait, the second line behind the stall budget. */
static void killed_while_it_waits_for_the_lock(void **state)
{
    (void)state;
    static struct hf_blocker in_the_way;
    struct holder h;
    struct hf_db_target target = hf_test_target(&server);
    struct hf_db_lock_opts opts = lock_opts(&target);
    opts.stall_budget_ms = 2000;
    opts.quiesce_timeout_ms = 20000;
    hf_blocker_start(&in_the_way, &server, "SET timestamp = UNIX_TIMESTAMP() + 3600",
                     is_mysql() ? "SELECT *, SLEEP(60) FROM t.a LIMIT 1"
                                : "INSERT INTO t.m (sent) SELECT SLEEP(60)");
    sleep_ms(200);
    holder_start(&h, &opts);
    holder_wait_for(&h, 'p');
    sleep_ms(300);
    holder_end(&h);
    int64_t ms = time_until_a_commit(is_mysql() ? "t.b" : "t.n");
    printf("  SIGKILL inside the wait, stall-budget 2 s: writes again after %" PRId64 " ms\n", ms);
    assert_in_range(ms, 0, 2000 + 1000 + 500);
    hf_blocker_end(&in_the_way, &server);
    assert_nothing_is_held();
}

static void killed_while_it_waits_and_undone_by_the_mark(void **state)
{
    (void)state;
    static struct hf_blocker in_the_way;
    struct holder h;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_target target = hf_test_target(&server);
    struct hf_db_lock_opts opts = lock_opts(&target);
    opts.stall_budget_ms = 8000;
    opts.quiesce_timeout_ms = 20000;
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    hf_blocker_start(&in_the_way, &server, "SET timestamp = UNIX_TIMESTAMP() + 3600",
                     is_mysql() ? "SELECT *, SLEEP(60) FROM t.a LIMIT 1"
                                : "INSERT INTO t.m (sent) SELECT SLEEP(60)");
    sleep_ms(200);
    holder_start(&h, &opts);
    holder_wait_for(&h, 'p');
    sleep_ms(300);
    holder_end(&h);
    int64_t begin_ms = now_ms();
    assert_hf_ok(hf_db_lock_kill(c, RUN_ID, &err), &err);
    int64_t ms = time_until_a_commit(is_mysql() ? "t.b" : "t.n");
    printf("  … and with its session killed by the mark: after %" PRId64 " ms\n",
           now_ms() - begin_ms);
    assert_in_range(ms, 0, 1000);
    hf_blocker_end(&in_the_way, &server);
    assert_nothing_is_held();
}

/* As a host that vanished without a word: the session is open and silent. */
static void stopped_while_it_holds(void **state)
{
    (void)state;
    struct holder h;
    struct hf_db_target target = hf_test_target(&server);
    struct hf_db_lock_opts opts = lock_opts(&target);
    opts.hold_limit_ms = 1000;
    holder_start(&h, &opts);
    holder_wait_for(&h, 'h');
    kill(h.pid, SIGSTOP);
    int64_t ms = time_until_a_commit("t.b");
    printf("  SIGSTOP with hold-limit 1 s (wait_timeout 4): commits again after %" PRId64 " ms\n",
           ms);
    assert_in_range(ms, 900, 5500);
    holder_end(&h);
    assert_nothing_is_held();
}

static void stopped_and_undone_by_the_mark(void **state)
{
    (void)state;
    struct holder h;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_target target = hf_test_target(&server);
    struct hf_db_lock_opts opts = lock_opts(&target);
    opts.hold_limit_ms = 30000;
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    holder_start(&h, &opts);
    holder_wait_for(&h, 'h');
    kill(h.pid, SIGSTOP);
    int64_t begin_ms = now_ms();
    assert_hf_ok(hf_db_lock_kill(c, RUN_ID, &err), &err);
    (void)time_until_a_commit("t.b");
    printf("  stopped and killed by the mark: commits again after %" PRId64 " ms\n",
           now_ms() - begin_ms);
    assert_in_range(now_ms() - begin_ms, 0, 1000);
    holder_end(&h);
    assert_nothing_is_held();
}

/* ---- a connection that is cut on our side only ------------------------------------------------ */

/* Passes bytes on between clients and the server. A firewall that resets the client and tells the server nothing:
 * `cut` closes the client's end of the first connection that is open, and keeps the server's. */
static struct relay {
    pthread_t thread;
    int listener, stop[2], cut[2];
    unsigned port;
} relay;

static int dial(unsigned port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to))
        abort();
    return fd;
}

static bool pass_on(int from, int to)
{
    char chunk[4096];
    ssize_t n = read(from, chunk, sizeof chunk);
    return n > 0 && send(to, chunk, (size_t)n, MSG_NOSIGNAL) == n;
}

static void *relay_run(void *arg)
{
    struct pollfd p[3 + 16] = {{.fd = relay.stop[0], .events = POLLIN},
                               {.fd = relay.cut[0], .events = POLLIN},
                               {.fd = relay.listener, .events = POLLIN}};
    nfds_t n = 3; /* then pairs: client, server */
    (void)arg;
    while (poll(p, n, -1) >= 0 && !p[0].revents) {
        if (p[1].revents) {
            nfds_t first = 3; /* a client may have tried twice to log in */
            while (first < n && p[first].fd < 0)
                first += 2;
            if (first >= n)
                abort();
            close(p[first].fd);
            p[1].fd = p[first].fd = p[first + 1].fd =
                -1; /* what the server would say is heard by nobody */
            continue;
        }
        for (nfds_t i = 3; i < n; i++) {
            nfds_t other = i & 1 ? i + 1 : i - 1;
            if (p[i].fd < 0 || !p[i].revents || pass_on(p[i].fd, p[other].fd))
                continue;
            close(p[i].fd);
            close(p[other].fd);
            p[i].fd = p[other].fd = -1;
        }
        if (p[2].revents && n + 2 <= HF_ARRAY_SIZE(p)) {
            p[n++] = (struct pollfd){.fd = accept(relay.listener, NULL, NULL), .events = POLLIN};
            p[n++] = (struct pollfd){.fd = dial(server.port), .events = POLLIN};
        }
    }
    for (nfds_t i = 3; i < n; i++)
        if (p[i].fd >= 0)
            close(p[i].fd);
    return NULL;
}

static void relay_start(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    relay.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(relay.listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(relay.listener, 8), 0);
    assert_int_equal(getsockname(relay.listener, (struct sockaddr *)&at, &len), 0);
    relay.port = ntohs(at.sin_port);
    assert_int_equal(pipe(relay.stop) | pipe(relay.cut), 0);
    assert_int_equal(pthread_create(&relay.thread, NULL, relay_run, NULL), 0);
}

static void relay_stop(void)
{
    close(relay.stop[1]);
    pthread_join(relay.thread, NULL);
    close(relay.stop[0]);
    close(relay.cut[0]);
    close(relay.listener);
}

/* To the server the session is as healthy as ever, until its wait_timeout. */
static void cut_off_while_it_holds(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_lock_timing timing;
    struct hf_db_target target = hf_test_target(&server);
    relay_start();
    target.port = relay.port;
    struct hf_db_lock_opts opts = lock_opts(&target);
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = hf_db_lock_prepare(&opts, &err);
    assert_hf_got(lock, &err);
    assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &timing, &err), &err);
    close(relay.cut[1]);
    sleep_ms(100);
    assert_int_equal(hf_db_lock_release(lock, &err), -1);
    assert_hf_err(&err, HF_E_UNREACHABLE, "the session that held the lock is gone");
    int64_t ms = time_until_a_commit("t.b");
    printf("  cut off on our side: commits again after %" PRId64 " ms\n", ms);
    assert_in_range(ms, 0, 1000);
    relay_stop();
    assert_nothing_is_held();
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        DB_TEST(killed_while_it_holds),
        DB_TEST(cut_off_while_it_holds),
        DB_TEST(killed_while_it_waits_for_the_lock),
        DB_TEST(killed_while_it_waits_and_undone_by_the_mark),
        DB_TEST(stopped_while_it_holds),
        DB_TEST(stopped_and_undone_by_the_mark),
    };
    struct hf_test_server_opts opts = {.flavour = hf_test_flavour(argc, argv)};
    hf_test_server_start(&server, &opts);
    make_tables();
    int failed = HF_RUN_TESTS("db.death", tests);
    hf_test_server_stop(&server);
    return failed;
}
