/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions: who gets in, over TLS or not, and what is said when not. Two servers, with TLS and
 * without.
 */
#include "base/buf.h"
#include "db/position.h"
#include "integration/db/case.h"

#include <stdio.h>
#include <string.h>

static struct hf_test_server plain;

/* Opens with an option file of this text ("%s" in it is the server's directory). */
static struct hf_db_conn *open_with(const struct hf_test_server *s, const char *host,
                                    const char *text, struct hf_err *err)
{
    HF_AUTOFREE char *full = hf_asprintf(text, s->dir);
    HF_AUTOFREE char *path = hf_test_option_file(s, "case.cnf", full);
    struct hf_db_target t = {
        .host = host, .port = s->port, .socket = s->socket, .defaults_file = path};
    return hf_db_open(&t, err);
}

static void tls_is_used_when_it_is_offered(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_db_conn)
    struct hf_db_conn *c = open_with(&server, "127.0.0.1", "[client]\nuser=root\n", &err);
    assert_hf_got(c, &err);
    assert_true(hf_db_server(c)->tls);
    HF_AUTO(hf_db_conn)
    struct hf_db_conn *p = open_with(&plain, "127.0.0.1", "[client]\nuser=root\n", &err);
    assert_hf_got(p, &err);
    assert_false(hf_db_server(p)->tls);
}

static void the_right_authority_is_accepted(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_db_conn)
    struct hf_db_conn *c =
        open_with(&server, "127.0.0.1", "[client]\nuser=root\nssl-ca=%s/ca.pem\n", &err);
    assert_hf_got(c, &err);
    assert_true(hf_db_server(c)->tls);
    /* Without a host name to check: the end of a tunnel. */
    HF_AUTO(hf_db_conn)
    struct hf_db_conn *s =
        open_with(&server, NULL, "[client]\nuser=root\nssl-ca=%s/ca.pem\n", &err);
    assert_hf_got(s, &err);
    assert_true(hf_db_server(s)->tls);
}

static void a_wrong_authority_is_refused(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    assert_null(
        open_with(&server, "127.0.0.1", "[client]\nuser=root\nssl-ca=%s/wrong-ca.pem\n", &err));
    assert_hf_err(&err, HF_E_AUTH, "database 127.0.0.1:");
    assert_contains(err.message, "certificate");
    assert_contains(err.hint, "ssl-ca");
    assert_null(open_with(&server, NULL, "[client]\nuser=root\nssl-ca=%s/wrong-ca.pem\n", &err));
    assert_hf_err(&err, HF_E_AUTH, "certificate");
}

/* The certificate is for 127.0.0.1; this name leads there too. */
static void another_host_name_is_refused(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    assert_null(open_with(&server, "localhost", "[client]\nuser=root\nssl-ca=%s/ca.pem\n", &err));
    assert_hf_err(&err, HF_E_AUTH, "database localhost:");
    /* Asked only for the signature, it is good enough. */
    HF_AUTO(hf_db_conn)
    struct hf_db_conn *c = open_with(
        &server, "localhost", "[client]\nuser=root\nssl-ca=%s/ca.pem\nssl-mode=VERIFY_CA\n", &err);
    assert_hf_got(c, &err);
}

static void plain_text_is_refused_when_tls_is_asked_for(void **state)
{
    (void)state;
    static const char *const files[] = {"[client]\nuser=root\nssl-ca=%s/../ca.pem\n",
                                        "[client]\nuser=root\nssl-mode=REQUIRED\n",
                                        "[holdfast]\nuser=root\nssl-verify-server-cert\n"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(files); i++) {
        struct hf_err err = HF_ERR_INIT;
        assert_null(open_with(&plain, "127.0.0.1", files[i], &err));
        assert_int_equal(err.cls, HF_E_AUTH);
    }
}

/* All of these would win over the program if the client library read the file. */
static void the_file_cannot_lead_elsewhere(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_db_conn)
    struct hf_db_conn *c = open_with(&server, "localhost",
                                     "[client]\nuser=root\nhost=10.9.9.9\nport=9\nprotocol=socket\n"
                                     "socket=/nonexistent\ninit-command=SELECT nothing\n",
                                     &err);
    assert_hf_got(c, &err);
    HF_AUTO(hf_db_conn)
    struct hf_db_conn *s = open_with(
        &plain, NULL, "[client]\nuser=root\nprotocol=tcp\nport=9\nlocal-infile=1\n", &err);
    assert_hf_got(s, &err);
    hf_test_sql(s, "CREATE TABLE IF NOT EXISTS t.lines (a TEXT)");
    assert_int_equal(hf_db_exec(s, "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE t.lines", &err),
                     -1);
}

static void passwords_mean_what_they_mean_to_mysqls_programs(void **state)
{
    (void)state;
    /* As written in the file, and what it is. */
    static const char *const pairs[][2] = {
        {"simple", "simple"},       {"\"with # hash\"", "with # hash"},
        {"cut#here", "cut"},        {"a\\\\b\\sc", "a\\\\b c"},
        {"  'quoted'  ", "quoted"}, {"semi;colon=x", "semi;colon=x"}};
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_db_conn) struct hf_db_conn *root = hf_test_open(&server);
    hf_test_sql(root, "DROP USER IF EXISTS p@localhost");
    hf_test_sql(root, "CREATE USER p@localhost");
    for (size_t i = 0; i < HF_ARRAY_SIZE(pairs); i++) {
        HF_AUTOFREE char *text = hf_asprintf("[client]\nuser=p\npassword=%s\n", pairs[i][0]);
        hf_test_sql(root, "ALTER USER p@localhost IDENTIFIED BY '%s'", pairs[i][1]);
        HF_AUTO(hf_db_conn) struct hf_db_conn *c = open_with(&server, NULL, text, &err);
        assert_hf_got(c, &err);
        assert_int_equal(err.cls, HF_E_NONE);
    }
}

/* MySQL's default accounts want to tell their password: never in plain text (Connector/C would). */
static void a_password_is_not_told_without_tls(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_db_conn) struct hf_db_conn *root = hf_test_open(&plain);
    hf_test_sql(root, "DROP USER IF EXISTS p@localhost");
    hf_test_sql(root, "CREATE USER p@localhost IDENTIFIED BY 'told'");
    for (int i = 0; i < 2; i++) {
        /* The second time MySQL has it cached. */
        HF_AUTO(hf_db_conn)
        struct hf_db_conn *c =
            open_with(&plain, "127.0.0.1", "[client]\nuser=p\npassword=told\n", &err);
        assert_hf_got(c, &err);
        assert_int_equal(err.cls,
                         HF_E_NONE); /* a first attempt that led to a second is no failure */
        assert_false(hf_db_server(c)->tls);
    }
    assert_null(open_with(&plain, "127.0.0.1",
                          "[client]\nuser=p\npassword=told\nssl-mode=REQUIRED\n", &err));
    assert_hf_err(&err, HF_E_AUTH, "does not offer TLS");
}

static void a_wrong_password_is_told_without_it(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    assert_null(open_with(&server, "127.0.0.1", "[client]\nuser=root\npassword=s3cret\n", &err));
    assert_hf_err(&err, HF_E_AUTH, "Access denied for user 'root'@'localhost'");
    assert_contains(err.hint, "password in the option file");
    assert_lacks(err.message, "s3cret");
    assert_false(err.retryable);
}

static void an_option_file_that_others_can_read_is_refused(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_target t = hf_test_target(&server);
    t.defaults_file = hf_test_file(state, "open.cnf", "[client]\nuser=root\n", 0644);
    assert_null(hf_db_open(&t, &err));
    assert_int_equal(err.cls, HF_E_CONFIG);
    t.defaults_file = hf_test_path(state, "none.cnf");
    assert_null(hf_db_open(&t, &err));
    assert_int_not_equal(err.cls, HF_E_NONE);
}

static void nobody_listens(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_target t = hf_test_target(&server);
    t.port = 1;
    assert_null(hf_db_open(&t, &err));
    assert_hf_err(&err, HF_E_UNREACHABLE, "database 127.0.0.1:1: ");
    assert_true(err.retryable);
    t = (struct hf_db_target){.socket = "/nonexistent/sock", .defaults_file = server.root_cnf};
    assert_null(hf_db_open(&t, &err));
    assert_hf_err(&err, HF_E_UNREACHABLE, "database /nonexistent/sock: ");
}

static void a_full_server_is_busy(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_db_conn) struct hf_db_conn *root = hf_test_open(&server);
    hf_test_sql(root, "DROP USER IF EXISTS full@localhost");
    hf_test_sql(root, "CREATE USER full@localhost WITH MAX_USER_CONNECTIONS 1");
    HF_AUTO(hf_db_conn)
    struct hf_db_conn *first = open_with(&server, NULL, "[client]\nuser=full\n", &err);
    assert_hf_got(first, &err);
    assert_null(open_with(&server, NULL, "[client]\nuser=full\n", &err));
    assert_hf_err(&err, HF_E_BUSY, "max_user_connections");
    assert_true(err.retryable);
}

static void a_lost_session_stays_lost(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_db_conn) struct hf_db_conn *root = hf_test_open(&server);
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    hf_test_sql(root, "KILL %llu", (unsigned long long)hf_db_id(c));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(hf_db_exec(c, "SELECT 1", &err), -1);
        assert_int_equal(err.cls, HF_E_UNREACHABLE);
    }
}

static void errors_carry_the_servers_words_and_number(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    assert_int_equal(hf_db_exec(c, "SELECT * FROM t.nowhere", &err), -1);
    assert_hf_err(&err, HF_E_NOT_FOUND, "Table 't.nowhere' doesn't exist");
    assert_int_equal(hf_db_errno(c), 1146);
    assert_hf_ok(hf_db_exec(c, "SELECT 1", &err), &err);
    assert_int_equal(hf_db_errno(c), 0);
    /* A failure in the second of several, and the session is still in step. */
    assert_hf_ok(hf_db_allow_several(c, &err), &err);
    assert_int_equal(hf_db_exec(c, "SELECT 1; SELECT * FROM t.nowhere; SELECT 2", &err), -1);
    assert_int_equal(hf_test_number(c, "SELECT 7"), 7);
    HF_AUTOFREE char *quoted = hf_db_quote(c, "it's \\ \"");
    HF_AUTOFREE char *sql = hf_asprintf("SELECT LENGTH(%s)", quoted);
    assert_int_equal(hf_test_number(c, "%s", sql), 8);
}

static void the_server_says_who_it_is(void **state)
{
    (void)state;
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    const struct hf_db_server *s = hf_db_server(c);
    printf("  %s (%u)\n", s->text, s->version);
    assert_int_equal(s->flavour, server.flavour);
    assert_true(s->version > 50000);
    assert_int_equal(hf_test_number(c, "SELECT CONNECTION_ID()"), hf_db_id(c));
}

static void a_position_follows_the_writes_and_is_none_without_a_binlog(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_db_position)
    struct hf_db_position a = HF_DB_POSITION_INIT, b = HF_DB_POSITION_INIT,
                          none = HF_DB_POSITION_INIT;
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    HF_AUTO(hf_db_conn) struct hf_db_conn *p = hf_test_open(&plain);
    assert_hf_ok(hf_db_position_read(c, &a, &err), &err);
    hf_test_sql(c, "CREATE DATABASE IF NOT EXISTS another");
    hf_test_sql(c, "DROP DATABASE another");
    assert_hf_ok(hf_db_position_read(c, &b, &err), &err);
    assert_true(a.has_binlog && b.has_binlog);
    assert_contains(a.file, "binlog.0");
    assert_true(b.offset > a.offset);
    assert_false(hf_db_position_equal(&a, &b));
    assert_hf_ok(hf_db_position_read(p, &none, &err), &err);
    assert_false(none.has_binlog);
    assert_string_equal(none.gtid, "");
}

/* What unlocks stands behind what reads: a refused reading leaves the lock. */
static void behind_a_refused_statement_the_packet_ends(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    assert_hf_ok(hf_db_allow_several(c, &err), &err);
    hf_test_sql(c, "SET @a = 0, @b = 0");
    assert_int_equal(hf_db_exec(c, "SET @a = 1; SELECT * FROM t.none; SET @b = 1", &err), -1);
    assert_int_equal(err.cls, HF_E_NOT_FOUND);
    assert_int_equal(hf_test_number(c, "SELECT @a"), 1);
    assert_int_equal(hf_test_number(c, "SELECT @b"), 0);
}

/* Only the session proves then. */
static void a_lock_without_a_binlog_has_no_position(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_target target = hf_test_target(&plain);
    struct hf_db_lock_opts opts = lock_opts(&target);
    struct hf_db_lock_timing timing;
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = hf_db_lock_prepare(&opts, &err);
    assert_hf_got(lock, &err);
    assert_false(hf_db_lock_get_plan(lock)->has_binlog);
    assert_hf_ok(hf_db_lock_acquire(lock, &timing, &err), &err);
    assert_false(hf_db_lock_position(lock)->has_binlog);
    assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    assert_hf_ok(hf_db_lock_verify(lock, &err), &err);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(tls_is_used_when_it_is_offered),
        HF_TEST(the_right_authority_is_accepted),
        HF_TEST(a_wrong_authority_is_refused),
        HF_TEST(another_host_name_is_refused),
        HF_TEST(plain_text_is_refused_when_tls_is_asked_for),
        HF_TEST(the_file_cannot_lead_elsewhere),
        HF_TEST(passwords_mean_what_they_mean_to_mysqls_programs),
        HF_TEST(a_password_is_not_told_without_tls),
        HF_TEST(a_wrong_password_is_told_without_it),
        HF_TEST(an_option_file_that_others_can_read_is_refused),
        HF_TEST(nobody_listens),
        HF_TEST(a_full_server_is_busy),
        HF_TEST(a_lost_session_stays_lost),
        HF_TEST(errors_carry_the_servers_words_and_number),
        HF_TEST(the_server_says_who_it_is),
        HF_TEST(a_position_follows_the_writes_and_is_none_without_a_binlog),
        HF_TEST(behind_a_refused_statement_the_packet_ends),
        HF_TEST(a_lock_without_a_binlog_has_no_position),
    };
    enum hf_db_flavour flavour = hf_test_flavour(argc, argv);
    struct hf_test_server_opts opts = {.flavour = flavour, .no_binlog = true};
    hf_test_server_start(&plain, &opts);
    opts = (struct hf_test_server_opts){.flavour = flavour, .tls = true};
    hf_test_server_start(&server, &opts);
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&plain);
    hf_test_sql(c, "CREATE DATABASE t");
    make_tables();
    int failed = HF_RUN_TESTS("db.conn", tests);
    hf_test_server_stop(&server);
    hf_test_server_stop(&plain);
    return failed;
}
