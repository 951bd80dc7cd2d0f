/* SPDX-License-Identifier: Apache-2.0
 *
 * The tunnel through a guest agent, with real bridges in a guest that is played.
 */
#include "unit/guest/bridged.h"

/* ---- bytes ------------------------------------------------------------------------------ */

static void every_byte_goes_both_ways(void **state)
{
    static struct scene s;
    begin(&s, state, 20000);
    int client = client_of(&s), server = server_of(&s);
    assert_says(server, client, "hello");
    assert_says(client, server, "a question \\x41 %s\n");
    assert_much_goes_both_ways(client, server);
    close(client);
    assert_ended(server);
    close(server);
    end(&s);
}

static void calls_that_are_made_again_double_nothing(void **state)
{
    static struct scene s;
    begin(&s, state, 20000);
    int client = client_of(&s), server = server_of(&s);
    s.guest.lies_every = 3;
    assert_much_goes_both_ways(client, server);
    for (int i = 0; i < 20; i++) {
        assert_says(client, server, i % 2 ? "again" : "and again");
        assert_says(server, client, "yes");
    }
    s.guest.lies_every = 0;
    assert_says(client, server, "end");
    close(client);
    close(server);
    end(&s);
}

static void what_comes_between_two_attempts_is_not_lost(void **state)
{
    static struct scene s;
    char buf[8];
    begin(&s, state, 20000);
    int client = client_of(&s), server = server_of(&s);
    s.guest.lies_every = 1;
    assert_says(client, server, "one");
    assert_int_equal(write(client, "two", 3), 3);
    usleep(50000);
    s.guest.lies_every = 0;
    wait_for(server, POLLIN);
    assert_int_equal(recv(server, buf, sizeof buf, 0), 3);
    assert_memory_equal(buf, "two", 3);
    close(client);
    close(server);
    end(&s);
}

static void a_line_is_bounded_whatever_is_in_it(void **state)
{
    static const char zeros[100000], letters[] = "a\\b c\x01\x7f\xff\n";
    HF_AUTO(hf_buf) struct hf_buf line = HF_BUF_INIT;
    (void)state;
    assert_int_equal(hf_bridge_line(&line, 7, 3, letters, sizeof letters - 1), 9);
    assert_string_equal(line.data, "7 3 a\\x5cb\\x20c\\x01\\x7f\xff\\x0a\n");
    hf_buf_clear(&line);
    assert_in_range(hf_bridge_line(&line, 7, 3, zeros, sizeof zeros), 10000, 15000);
    assert_in_range(line.len, 40000, 49152);
}

static void three_at_a_time_are_kept_apart(void **state)
{
    static struct scene s;
    int client[3], server[3];
    begin(&s, state, 20000);
    for (int i = 0; i < 3; i++) {
        client[i] = client_of(&s);
        server[i] = server_of(&s);
    }
    for (int i = 0; i < 3; i++)
        assert_says(client[i], server[i], "question");
    close(client[1]);
    assert_ended(server[1]);
    wait_for_bridges(&s, 2);
    assert_says(server[2], client[2], "third");
    assert_says(server[0], client[0], "first");
    for (int i = 0; i < 3; i++)
        close(server[i]);
    end(&s);
    assert_ended(client[0]);
    close(client[0]);
    close(client[2]);
}

/* ---- ends ------------------------------------------------------------------------------- */

static void the_last_words_of_either_side_arrive(void **state)
{
    static struct scene s;
    char buf[8];
    begin(&s, state, 20000);
    int client = client_of(&s), server = server_of(&s);
    assert_says(client, server, "go on");
    assert_int_equal(write(server, "killed", 6), 6);
    close(server);
    wait_for(client, POLLIN);
    assert_int_equal(recv(client, buf, sizeof buf, 0), 6);
    assert_ended(client);
    close(client);
    client = client_of(&s);
    server = server_of(&s);
    assert_int_equal(write(client, "quit", 4), 4);
    close(client);
    wait_for(server, POLLIN);
    assert_int_equal(recv(server, buf, sizeof buf, 0), 4);
    assert_ended(server);
    close(server);
    end(&s);
}

static void assert_trouble(struct scene *s, enum hf_err_class cls, const char *piece)
{
    struct hf_err err = HF_ERR_INIT;
    for (int i = 0; !hf_tunnel_trouble(s->tunnel, &err) && i < 100; i++)
        usleep(10000);
    assert_hf_err(&err, cls, piece);
}

static void a_bridge_that_is_killed_closes_its_client(void **state)
{
    static struct scene s;
    struct hf_err err = HF_ERR_INIT;
    begin(&s, state, 60000);
    int client = client_of(&s), server = server_of(&s);
    assert_says(server, client, "hello");
    HF_AUTO(hf_guest) struct hf_guest *g = guest_of(&s.guest);
    assert_hf_ok(hf_tunnel_agent_end(g, "hf-20261123T030000Z-00000000", now_ms() + SOON_MS, &err),
                 &err);
    assert_says(client, server, "not of that run");
    int64_t begin_ms = now_ms();
    assert_hf_ok(hf_tunnel_agent_end(g, RUN, now_ms() + SOON_MS, &err), &err);
    assert_ended(server);
    assert_ended(client);
    assert_in_range(now_ms() - begin_ms, 0, 15000); /* lifetime_ms is 60 s */
    assert_int_equal(n_bridges(&s), 0);
    assert_trouble(&s, HF_E_UNREACHABLE, "is gone");
    assert_hf_ok(hf_tunnel_agent_end(g, RUN, now_ms() + SOON_MS, &err), &err);
    close(client);
    close(server);
    end(&s);
}

static void a_refused_connection_is_told(void **state)
{
    static struct scene s;
    struct hf_err err = HF_ERR_INIT;
    begin(&s, state, 20000);
    close(s.listener);
    int client = client_of(&s);
    assert_ended(client);
    assert_trouble(&s, HF_E_UNREACHABLE, "Connection refused");
    close(client);
    hf_tunnel_close(s.tunnel);
    assert_null(try_open(&s, 20000, &err));
    assert_hf_err(&err, HF_E_UNREACHABLE, "nobody listens");
    wait_for_bridges(&s, 0);
}

static void what_the_guest_lacks_is_named(void **state)
{
    static struct scene s;
    struct hf_err err = HF_ERR_INIT;
    prepare(&s, state);
    s.guest.exit_code = 10;
    assert_null(try_open(&s, 20000, &err));
    assert_hf_err(&err, HF_E_UNSUPPORTED, "no bash");
    s.guest.exit_code = 13;
    assert_null(try_open(&s, 20000, &err));
    assert_hf_err(&err, HF_E_UNSUPPORTED, "/dev/tcp");
    s.guest.exit_code = 99;
    assert_null(try_open(&s, 20000, &err));
    assert_hf_err(&err, HF_E_PLUGIN, "does not say");
    s.guest.exit_code = 0;
    s.guest.has_no_files = 1;
    assert_null(try_open(&s, 20000, &err));
    assert_hf_err(&err, HF_E_UNSUPPORTED, "disabled");
    s.guest.has_no_files = 0;
    s.to = (struct hf_db_endpoint){.socket = "/run/mysqld/mysqld.sock"};
    assert_null(try_open(&s, 20000, &err));
    assert_hf_err(&err, HF_E_UNSUPPORTED, "not to a socket");
    close(s.listener);
}

/* ---- an agent in trouble ---------------------------------------------------------------- */

static void a_short_trouble_of_the_agent_is_waited_out(void **state)
{
    static struct scene s;
    char buf[8];
    begin(&s, state, 120000);
    int client = client_of(&s), server = server_of(&s);
    assert_says(server, client, "hello");
    s.guest.fails = HF_E_UNREACHABLE;
    assert_int_equal(write(client, "ask", 3), 3);
    usleep(300000);
    s.guest.fails = HF_E_CONFLICT; /* frozen: that may be long */
    s.later_us = 60 * 1000000LL;
    usleep(300000);
    s.guest.fails = 0;
    wait_for(server, POLLIN);
    assert_int_equal(recv(server, buf, sizeof buf, 0), 3);
    assert_says(server, client, "answer");
    close(client);
    close(server);
    end(&s);
}

static void an_agent_that_stays_away_loses_its_clients(void **state)
{
    static struct scene s;
    begin(&s, state, 60000);
    int client = client_of(&s), server = server_of(&s);
    assert_says(server, client, "hello");
    s.guest.fails = HF_E_UNREACHABLE;
    usleep(500000);
    s.later_us = 9 * 1000000LL;
    assert_ended(client);
    assert_trouble(&s, HF_E_UNREACHABLE, "the agent is in frozen state");
    s.guest.fails = 0;
    close(client);
    hf_tunnel_close(s.tunnel);
    assert_ended(server); /* what could not be told to end was ended with the tunnel */
    wait_for_bridges(&s, 0);
    close(server);
    close(s.listener);
}

static void files_without_end_close_the_stream(void **state)
{
    static struct scene s;
    begin(&s, state, 20000);
    int client = client_of(&s), server = server_of(&s);
    assert_says(server, client, "hello");
    s.guest.is_endless = 1;
    assert_ended(client);
    assert_trouble(&s, HF_E_CORRUPT, "longer than");
    s.guest.is_endless = 0;
    close(client);
    close(server);
    end(&s);
}

static void who_waits_asks_seldom(void **state)
{
    static struct scene s;
    begin(&s, state, 20000);
    int client = client_of(&s), server = server_of(&s);
    assert_says(server, client, "hello");
    usleep(3000000);
    int before = s.guest.n_calls;
    usleep(1000000);
    assert_in_range(s.guest.n_calls - before, 1, 8);
    close(client);
    close(server);
    end(&s);
}

static void a_bridge_ends_by_itself_when_it_hears_nothing_and_no_sooner(void **state)
{
    static struct scene s;
    struct hf_err err = HF_ERR_INIT;
    begin(&s, state, 2000);
    int client = client_of(&s), server = server_of(&s);
    assert_says(server, client, "hello");
    HF_AUTO(hf_guest) struct hf_guest *g = guest_of(&s.guest);
    int64_t begin_ms = now_ms();
    assert_hf_ok(hf_bridge_start(g, "holdfast-bridge-forgotten", "token", &s.to, 2000,
                                 now_ms() + SOON_MS, &err),
                 &err);
    int forgotten = server_of(&s);
    assert_ended(forgotten);
    assert_in_range(now_ms() - begin_ms, 1000, 10000);
    wait_for_bridges(&s, 1);
    assert_says(client, server, "still there");
    close(forgotten);
    close(client);
    close(server);
    end(&s);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(every_byte_goes_both_ways),
        HF_TEST(calls_that_are_made_again_double_nothing),
        HF_TEST(what_comes_between_two_attempts_is_not_lost),
        HF_TEST(a_line_is_bounded_whatever_is_in_it),
        HF_TEST(three_at_a_time_are_kept_apart),
        HF_TEST(the_last_words_of_either_side_arrive),
        HF_TEST(a_bridge_that_is_killed_closes_its_client),
        HF_TEST(a_refused_connection_is_told),
        HF_TEST(what_the_guest_lacks_is_named),
        HF_TEST(a_short_trouble_of_the_agent_is_waited_out),
        HF_TEST(an_agent_that_stays_away_loses_its_clients),
        HF_TEST(files_without_end_close_the_stream),
        HF_TEST(who_waits_asks_seldom),
        HF_TEST(a_bridge_ends_by_itself_when_it_hears_nothing_and_no_sooner),
    };
    return HF_RUN_TESTS("guest.tunnel_agent", tests);
}
