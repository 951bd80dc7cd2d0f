/* SPDX-License-Identifier: Apache-2.0
 *
 * Waiting for a server: one that answers, one that refuses, a port that nobody has, and one that says nothing.
 */
#include "db/ping.h"
#include "integration/db/case.h"

#include <arpa/inet.h>
#include <sys/socket.h>

static int ping(const struct hf_db_target *t, int64_t within_ms, struct hf_err *err)
{
    return hf_db_ping_until(t, now_ms() + within_ms, NULL, NULL, err);
}

static void a_server_that_is_up_answers(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_target tcp = hf_test_target(&server);
    struct hf_db_target local = {.socket = server.socket, .defaults_file = server.root_cnf};
    assert_hf_ok(ping(&tcp, 10000, &err), &err);
    assert_hf_ok(ping(&local, 10000, &err), &err);
}

static void a_wrong_password_is_told_at_once(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *file =
        hf_test_option_file(&server, "wrong.cnf", "[client]\nuser = nobody\npassword = x\n");
    struct hf_db_target t = {.host = "127.0.0.1", .port = server.port, .defaults_file = file};
    int64_t begin_ms = now_ms();
    assert_int_equal(ping(&t, 20000, &err), -1);
    assert_int_equal(err.cls, HF_E_AUTH);
    assert_in_range(now_ms() - begin_ms, 0, 5000);
}

static void a_port_that_nobody_has_is_given_up_in_time(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_target t = {
        .host = "127.0.0.1", .port = hf_test_free_port(), .defaults_file = server.root_cnf};
    int64_t begin_ms = now_ms();
    assert_int_equal(ping(&t, 2500, &err), -1);
    assert_int_equal(err.cls, HF_E_TIMEOUT);
    assert_in_range(now_ms() - begin_ms, 1400, 3500);
}

/* The kernel takes the connection and nobody reads it, as of a server that hangs in its start. */
static void a_server_that_says_nothing_is_given_up_in_time(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    HF_AUTOFD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    struct hf_db_target t = {
        .host = "127.0.0.1", .port = ntohs(a.sin_port), .defaults_file = server.root_cnf};
    int64_t begin_ms = now_ms();
    assert_int_equal(ping(&t, 4000, &err), -1);
    assert_int_equal(err.cls, HF_E_TIMEOUT);
    assert_in_range(now_ms() - begin_ms, 2000, 6000);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        DB_TEST(a_server_that_is_up_answers),
        DB_TEST(a_wrong_password_is_told_at_once),
        DB_TEST(a_port_that_nobody_has_is_given_up_in_time),
        DB_TEST(a_server_that_says_nothing_is_given_up_in_time),
    };
    struct hf_test_server_opts opts = {.flavour = hf_test_flavour(argc, argv)};
    hf_test_server_start(&server, &opts);
    int failed = HF_RUN_TESTS("db.ping", tests);
    hf_test_server_stop(&server);
    return failed;
}
