/* SPDX-License-Identifier: Apache-2.0 */
#include "db/places.h"
#include "unit/db/script.h"

static const struct hf_db_target target = {.socket = "/scripted/sock"};

static int read_places(const char *version, const char *settings, const char *tablespaces,
                       struct hf_db_places *out, struct hf_err *err)
{
    script_begin(version);
    script_add((struct rule){.piece = "SHOW GLOBAL VARIABLES", .rows = settings});
    script_add((struct rule){.piece = "information_schema.INNODB_", .rows = tablespaces});
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_db_open(&target, err);
    return hf_db_places(c, out, err);
}

static char *text_of(const struct hf_db_places *p)
{
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    for (size_t i = 0; i < p->n; i++)
        hf_buf_printf(&b, "%s%s=%s", i ? "; " : "", p->items[i].what, p->items[i].path);
    return hf_buf_steal(&b);
}

static void each_setting_is_made_absolute_and_told_once(void **state)
{
    (void)state;
    static const struct {
        const char *settings, *tablespaces, *wanted;
    } cases[] = {
        /* Debian's MariaDB, MySQL */
        {"datadir|/var/lib/mysql/"
         "\ninnodb_data_home_dir|\ninnodb_data_file_path|ibdata1:12M:autoextend\n"
         "innodb_log_group_home_dir|./\ninnodb_undo_directory|./\naria_log_dir_path|/var/lib/mysql/"
         "\n"
         "log_bin|ON\nlog_bin_basename|/var/lib/mysql/binlog\nrelay_log_basename|\ntmpdir|/tmp",
         "", "datadir=/var/lib/mysql; tmp=/tmp"},
        {"datadir|/d//x/../\ninnodb_data_home_dir|/home/\ninnodb_data_file_path|"
         "a:1G;sub/b:1G;/raw/sdb1:3Gnewraw;/fast/c:5M:autoextend\ninnodb_log_group_home_dir|../"
         "redo\n"
         "innodb_undo_directory|/undo/\ninnodb_doublewrite_dir|/dw\nlog_bin|1\n"
         "log_bin_basename|/logs/bin/name\nrelay_log_basename|relay/r\naria_log_dir_path|/aria\n"
         "tmpdir|/t1:/t2::/t1\ninnodb_tmpdir|/t3",
         "/ext/a/\n/ext/b/\n/undo/\n../gone/x/\n/d/inside/\n",
         "datadir=/d; innodb data=/home; innodb data=/home/sub; innodb data=/raw/sdb1; innodb "
         "data=/fast; "
         "redo=/redo; undo=/undo; doublewrite=/dw; binlog=/logs/bin; relay log=/d/relay; aria "
         "log=/aria; "
         "tmp=/t1; tmp=/t2; tmp=/t3; tablespace=/ext/a; tablespace=/ext/b; tablespace=/gone/x"},
        /* log_bin off: the name counts for nothing */
        {"log_bin|OFF\nlog_bin_basename|/logs/bin\ndatadir|/", "", "datadir=/"},
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_db_places) struct hf_db_places p = HF_DB_PLACES_INIT;
        assert_hf_ok(read_places("9.7.4", cases[i].settings, cases[i].tablespaces, &p, &err), &err);
        HF_AUTOFREE char *text = text_of(&p);
        assert_string_equal(text, cases[i].wanted);
        assert_false(p.more || p.tablespaces_unknown);
    }
}

static void what_is_no_path_is_refused(void **state)
{
    (void)state;
    static char many[6000];
    memset(many, 'y', 5000);
    HF_AUTOFREE char *too_long = hf_asprintf("datadir|/d\ntmpdir|/%s", many);
    const struct {
        const char *settings, *tablespaces, *what;
    } cases[] = {
        {"", "", "datadir"},
        {"datadir|", "", "datadir"},
        {"datadir|./data", "", "datadir"},
        {"datadir|C:\\ProgramData\\MySQL", "", "datadir"},
        {"datadir|/d\x1b[2J", "", "datadir"},
        {"datadir|/d\ninnodb_undo_directory|/u\x07", "", "undo"},
        {too_long, "", "tmp"},
        {"datadir|/d", "/ext/\x01/", "tablespace"},
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_db_places) struct hf_db_places p = HF_DB_PLACES_INIT;
        assert_int_equal(read_places("9.7.4", cases[i].settings, cases[i].tablespaces, &p, &err),
                         -1);
        HF_AUTOFREE char *wanted = hf_asprintf("what it calls its %s is no path", cases[i].what);
        assert_hf_err(&err, HF_E_CORRUPT, wanted);
        assert_lacks(err.message, "\x1b");
    }
}

static void no_more_than_so_many_are_kept(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf dirs = HF_BUF_INIT, temps = HF_BUF_INIT;
    hf_buf_str_add(&temps, "datadir|/d\ntmpdir|/t0");
    for (int i = 0; i < HF_DB_PLACES_TABLESPACES_MAX + 1; i++)
        hf_buf_printf(&dirs, "/ext/%d/\n", i);
    for (int i = 1; i < HF_DB_PLACES_MAX + 5; i++)
        hf_buf_printf(&temps, ":/t%d", i);
    HF_AUTO(hf_db_places) struct hf_db_places p = HF_DB_PLACES_INIT, q = HF_DB_PLACES_INIT;
    assert_hf_ok(read_places("9.7.4", "datadir|/d", hf_buf_str(&dirs), &p, &err), &err);
    assert_int_equal(p.n, 1 + HF_DB_PLACES_TABLESPACES_MAX);
    assert_true(p.more);
    assert_hf_ok(read_places("9.7.4", hf_buf_str(&temps), "", &q, &err), &err);
    assert_int_equal(q.n, HF_DB_PLACES_MAX);
    assert_true(q.more);
}

static void tablespaces_that_cannot_be_listed_are_unknown(void **state)
{
    (void)state;
    static const struct {
        const char *version, *asks;
        unsigned code;
    } cases[] = {
        {"9.7.4", "PATH, '/', -1))) FROM information_schema.INNODB_DATAFILES", 1227},
        {"5.7.44-log", "FROM information_schema.INNODB_SYS_DATAFILES", 3024},
        {"10.11.19-MariaDB", "FILENAME, '/', -1))) FROM information_schema.INNODB_SYS_TABLESPACES",
         1969},
        {"10.5.20-MariaDB", "PATH, '/', -1))) FROM information_schema.INNODB_SYS_DATAFILES", 1227},
        {"10.11.19-MariaDB", "INNODB_SYS_TABLESPACES", 2013},
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_db_places) struct hf_db_places p = HF_DB_PLACES_INIT;
        script_begin(cases[i].version);
        script_add((struct rule){.piece = "SHOW GLOBAL VARIABLES", .rows = "datadir|/d"});
        script_add((struct rule){.piece = cases[i].asks, .code = cases[i].code});
        HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_db_open(&target, &err);
        int rc = hf_db_places(c, &p, &err);
        assert_true(p.tablespaces_unknown);
        assert_int_equal(rc, cases[i].code == 2013 ? -1 : 0);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(each_setting_is_made_absolute_and_told_once),
        HF_TEST(what_is_no_path_is_refused),
        HF_TEST(no_more_than_so_many_are_kept),
        HF_TEST(tablespaces_that_cannot_be_listed_are_unknown),
    };
    return HF_RUN_TESTS("db.places", tests);
}
