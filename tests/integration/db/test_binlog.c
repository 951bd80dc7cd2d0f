/* SPDX-License-Identifier: Apache-2.0
 *
 * The writes since a position, saved, and read back by the server's own mysqlbinlog.
 */
#include "base/buf.h"
#include "base/path.h"
#include "base/proc.h"
#include "db/binlog.h"
#include "db/position.h"
#include "integration/db/case.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define ROOMY ((uint64_t)1 << 30)

/* A new directory in the server's, where a chrooted program finds it, too. */
static char *new_dir(const char *name)
{
    struct hf_err err = HF_ERR_INIT;
    char *dir = hf_asprintf("%s/%s", server.dir, name);
    assert_hf_ok(hf_path_mkdirs(dir, 0700, &err), &err);
    return dir;
}

/* What mysqlbinlog says of all files, as text with the rows decoded; every checksum is looked at. */
static char *decode(const char *name, const struct hf_strv *files)
{
    struct hf_err err = HF_ERR_INIT;
    const char *argv[32] = {"chroot"};
    size_t n = 1, cut = strlen(server.dir) - strlen(server.inner_dir);
    HF_AUTOFREE char *root = strndup(server.dir, cut);
    HF_AUTO(hf_strv) struct hf_strv paths = HF_STRV_INIT;
    argv[n++] = cut ? root : "/";
    argv[n++] = "mysqlbinlog";
    argv[n++] = "--no-defaults";
    argv[n++] = "--verify-binlog-checksum";
    argv[n++] = "-v";
    for (size_t i = 0; i < files->n; i++)
        assert_int_equal(
            hf_strv_take(&paths, hf_asprintf("%s/%s/%s", server.inner_dir, name, files->items[i])),
            0);
    for (size_t i = 0; i < paths.n; i++)
        argv[n++] = paths.items[i];
    HF_AUTO(hf_proc_result) struct hf_proc_result r = {0};
    struct hf_proc_request req = {
        .argv = argv, .timeout_ms = 60000, .max_output_bytes = (size_t)64 << 20};
    assert_hf_ok(hf_proc_check(&req, &r, &err), &err);
    return hf_buf_steal(&r.out);
}

static void what_was_written_since_is_saved_over_several_files(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    make_tables();
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    HF_AUTO(hf_db_position) struct hf_db_position from = HF_DB_POSITION_INIT;
    hf_test_sql(c, "CREATE TABLE t.words (id INT PRIMARY KEY, word VARCHAR(50)) ENGINE = InnoDB");
    hf_test_sql(c, "INSERT INTO t.words VALUES (1, 'before-all')");
    assert_hf_ok(hf_db_position_read(c, &from, &err), &err);
    hf_test_sql(c, "INSERT INTO t.words VALUES (2, 'first-since')");
    hf_test_sql(c, "FLUSH BINARY LOGS");
    hf_test_sql(c, "UPDATE t.words SET word = 'in-the-second-file' WHERE id = 1");
    hf_test_sql(c, "FLUSH BINARY LOGS");
    hf_test_sql(c, "DROP TABLE t.words");

    HF_AUTOFREE char *dir = new_dir("saved");
    HF_AUTO(hf_strv) struct hf_strv files = HF_STRV_INIT;
    uint64_t bytes = 0;
    struct hf_db_target target = hf_test_target(&server);
    struct hf_db_binlog what = {
        .file = from.file, .offset = from.offset, .dir = dir, .max_bytes = ROOMY};
    assert_hf_ok(hf_db_binlog_save(&target, &what, &files, &bytes, &err), &err);
    assert_int_equal(files.n, 3);
    assert_string_equal(files.items[0], from.file);
    assert_true(bytes > 300);
    for (size_t i = 0; i < files.n; i++) {
        struct stat st;
        HF_AUTOFREE char *path = hf_path_join(dir, files.items[i]);
        assert_return_code(stat(path, &st), errno);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
    HF_AUTOFREE char *text = decode("saved", &files);
    assert_contains(text, "first-since");
    assert_contains(text, "in-the-second-file");
    assert_contains(text, "DROP TABLE");
    assert_lacks(text, "INSERT INTO `t`.`words`\n### SET\n###   @1=1");
}

static void nothing_acknowledged_comes_after_the_hold(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_db_conn) struct hf_db_conn *holder = hf_test_open(&server);
    HF_AUTO(hf_db_conn) struct hf_db_conn *writer = hf_test_open(&server);
    make_tables();
    assert_hf_ok(hf_db_binlog_hold(holder, 5, &err), &err);
    hf_test_sql(writer, "SET SESSION lock_wait_timeout = 1");
    assert_int_equal(hf_db_exec(writer, "INSERT INTO t.a VALUES ()", &err), -1);
    hf_db_close(HF_STEAL(holder));
    assert_nothing_is_held();
}

static void a_hold_that_somebody_blocks_is_given_up(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    make_tables();
    HF_AUTO(hf_db_conn) struct hf_db_conn *blocker = hf_test_open(&server);
    HF_AUTO(hf_db_conn) struct hf_db_conn *holder = hf_test_open(&server);
    hf_test_sql(blocker, "LOCK TABLES t.a WRITE");
    assert_int_equal(hf_db_binlog_hold(holder, 1, &err), -1);
    hf_db_close(HF_STEAL(blocker));
    hf_db_close(HF_STEAL(holder));
    assert_nothing_is_held();
}

static void what_is_too_much_is_refused(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    HF_AUTO(hf_db_position) struct hf_db_position now = HF_DB_POSITION_INIT;
    assert_hf_ok(hf_db_position_read(c, &now, &err), &err);
    HF_AUTOFREE char *dir = new_dir("small");
    HF_AUTO(hf_strv) struct hf_strv files = HF_STRV_INIT;
    uint64_t bytes = 0;
    struct hf_db_target target = hf_test_target(&server);
    struct hf_db_binlog what = {.file = now.file, .offset = 4, .dir = dir, .max_bytes = 50};
    assert_int_equal(hf_db_binlog_save(&target, &what, &files, &bytes, &err), -1);
    assert_hf_err(&err, HF_E_NOSPACE, "more than 50 bytes");
    hf_err_clear(&err);
    hf_strv_free(&files);
    what.file = "binlog.999999";
    what.max_bytes = ROOMY;
    assert_int_equal(hf_db_binlog_save(&target, &what, &files, &bytes, &err), -1);
    assert_contains(err.message, "saving the writes since binlog.999999:4");
}

static void a_missing_right_is_the_grant_to_run(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_db_conn) struct hf_db_conn *root = hf_test_open(&server);
    assert_hf_ok(hf_db_binlog_check(root, &err), &err);
    hf_test_sql(root, "CREATE USER poor@localhost IDENTIFIED BY 'p'");
    HF_AUTOFREE char *cnf =
        hf_test_option_file(&server, "poor.cnf", "[client]\nuser = poor\npassword = p\n");
    struct hf_db_target target = hf_test_target(&server);
    target.defaults_file = cnf;
    HF_AUTO(hf_db_conn) struct hf_db_conn *poor = hf_db_open(&target, &err);
    assert_hf_got(poor, &err);
    assert_int_equal(hf_db_binlog_check(poor, &err), -1);
    assert_hf_err(&err, HF_E_AUTH, "may not read the binlog");
    assert_contains(err.hint, "GRANT REPLICATION SLAVE ON *.* TO 'poor'@'localhost'");
    hf_err_clear(&err);
    hf_test_sql(root, "GRANT REPLICATION SLAVE ON *.* TO poor@localhost");
    HF_AUTO(hf_db_conn) struct hf_db_conn *better = hf_db_open(&target, &err);
    assert_hf_got(better, &err);
    assert_hf_ok(hf_db_binlog_check(better, &err), &err);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        DB_TEST(what_was_written_since_is_saved_over_several_files),
        DB_TEST(nothing_acknowledged_comes_after_the_hold),
        DB_TEST(a_hold_that_somebody_blocks_is_given_up),
        DB_TEST(what_is_too_much_is_refused),
        DB_TEST(a_missing_right_is_the_grant_to_run),
    };
    struct hf_test_server_opts opts = {.flavour = hf_test_flavour(argc, argv)};
    hf_test_server_start(&server, &opts);
    int failed = HF_RUN_TESTS("db.binlog", tests);
    hf_test_server_stop(&server);
    return failed;
}
