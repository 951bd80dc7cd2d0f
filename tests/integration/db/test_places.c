/* SPDX-License-Identifier: Apache-2.0
 *
 * A server whose files lie all over the place says where.
 */
#include "base/buf.h"
#include "db/places.h"
#include "integration/db/case.h"

#include <string.h>

static void assert_place(const struct hf_db_places *p, const char *what, const char *dir)
{
    HF_AUTOFREE char *path = hf_asprintf("%s%s%s", server.inner_dir, *dir ? "/" : "", dir);
    for (size_t i = 0; i < p->n; i++)
        if (!strcmp(p->items[i].path, path)) {
            assert_string_equal(p->items[i].what, what);
            return;
        }
    for (size_t i = 0; i < p->n; i++)
        print_message("  %s=%s\n", p->items[i].what, p->items[i].path);
    fail_msg("no place %s", path);
}

static void each_place_is_told(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_db_places) struct hf_db_places p = HF_DB_PLACES_INIT;
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    hf_test_sql(c, "CREATE DATABASE t");
    for (int i = 0; i < 3; i++)
        hf_test_sql(c, "CREATE TABLE t.far%d (i INT) ENGINE = InnoDB DATA DIRECTORY = '%s/ext'", i,
                    server.inner_dir);
    hf_test_sql(c, "CREATE TABLE t.near (i INT) ENGINE = InnoDB");
    assert_hf_ok(hf_db_places(c, &p, &err), &err);
    assert_string_equal(p.items[0].what, "datadir");
    assert_place(&p, "datadir", "data");
    assert_place(&p, "innodb data", "system");
    assert_place(&p, "redo", "redo");
    assert_place(&p, "undo", "undo");
    assert_place(&p, "binlog", "logs");
    assert_place(&p, "relay log", "relay");
    assert_place(&p, "tmp", "tmp");
    assert_place(&p, "tablespace", "ext/t");
    if (is_mysql())
        assert_place(&p, "doublewrite", "dw");
    else
        assert_place(&p, "aria log", "aria");
    assert_int_equal(p.n, 9);
    assert_false(p.more || p.tablespaces_unknown);
}

static void without_the_right_the_tablespaces_are_unknown(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_db_places) struct hf_db_places p = HF_DB_PLACES_INIT;
    HF_AUTOFREE char *file =
        hf_test_option_file(&server, "poor.cnf", "[client]\nuser = poor\npassword = p\n");
    struct hf_db_target target = {.host = "127.0.0.1", .port = server.port, .defaults_file = file};
    HF_AUTO(hf_db_conn) struct hf_db_conn *root = hf_test_open(&server);
    hf_test_sql(root, "CREATE USER poor@localhost IDENTIFIED BY 'p'");
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_db_open(&target, &err);
    assert_hf_got(c, &err);
    assert_hf_ok(hf_db_places(c, &p, &err), &err);
    assert_true(p.tablespaces_unknown);
    assert_place(&p, "redo", "redo");
    hf_test_sql(root, "GRANT PROCESS ON *.* TO poor@localhost");
    hf_db_places_free(&p);
    /* A session knows the global rights it began with. */
    HF_AUTO(hf_db_conn) struct hf_db_conn *again = hf_db_open(&target, &err);
    assert_hf_got(again, &err);
    assert_hf_ok(hf_db_places(again, &p, &err), &err);
    assert_false(p.tablespaces_unknown);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        DB_TEST(each_place_is_told),
        DB_TEST(without_the_right_the_tablespaces_are_unknown),
    };
    static const char *const dirs[] = {"system", "redo", "undo", "dw",  "logs",
                                       "relay",  "aria", "tmp",  "ext", NULL};
    static const char *const mysql_args[] = {"--innodb-data-home-dir=@DIR@/system",
                                             "--innodb-log-group-home-dir=@DIR@/redo",
                                             "--innodb-undo-directory=@DIR@/undo",
                                             "--innodb-doublewrite-dir=@DIR@/dw",
                                             "--innodb-directories=@DIR@/ext",
                                             "--log-bin=@DIR@/logs/binlog",
                                             "--relay-log=@DIR@/relay/relay",
                                             "--tmpdir=@DIR@/tmp",
                                             NULL};
    static const char *const mariadb_args[] = {"--innodb-data-home-dir=@DIR@/system",
                                               "--innodb-log-group-home-dir=@DIR@/redo",
                                               "--innodb-undo-directory=@DIR@/undo",
                                               "--aria-log-dir-path=@DIR@/aria",
                                               "--log-bin=@DIR@/logs/binlog",
                                               "--relay-log=@DIR@/relay/relay",
                                               "--tmpdir=@DIR@/tmp",
                                               NULL};
    enum hf_db_flavour flavour = hf_test_flavour(argc, argv);
    struct hf_test_server_opts opts = {.flavour = flavour,
                                       .args = flavour == HF_DB_MYSQL ? mysql_args : mariadb_args,
                                       .dirs = dirs,
                                       .args_at_init = true};
    hf_test_server_start(&server, &opts);
    int failed = HF_RUN_TESTS("db.places", tests);
    hf_test_server_stop(&server);
    return failed;
}
