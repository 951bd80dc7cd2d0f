/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_guest.h"
#include "fake_units.h"
#include "guest/services.h"
#include "guest/units.h"

static struct fake_guest f;

static int show_of(struct hf_guest *g, struct hf_unit_list *out, struct hf_err *err,
                   const char *names)
{
    HF_AUTO(hf_strv) struct hf_strv v = HF_STRV_INIT;
    assert_int_equal(hf_strv_split(&v, names, ' '), 0);
    return hf_units_show(g, &v, 0, out, err);
}

static void reads_what_systemctl_says(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_unit_list) struct hf_unit_list l = HF_UNIT_LIST_INIT;
    struct hf_guest *g = fake_begin(&f, state);
    fake_step(
        &f, "systemctl show -p Id,Names,LoadState",
        (struct fake_end){.out = show("mariadb",
                                      RUNNING("7") "TriggeredBy=mariadb.socket\nBoundBy=x.service\n"
                                                   "RequiredBy=y.service z.service\nNew=1\n",
                                      "cron", DEAD(""), "gone", ABSENT, NULL)});
    assert_hf_ok(show_of(g, &l, &err, "mariadb.service cron.service gone.service"), &err);
    assert_contains(f.last, " -- mariadb.service cron.service gone.service");
    const struct hf_unit *u = &l.items[0];
    assert_int_equal(l.n, 3);
    assert_true(u->state == HF_UNIT_ACTIVE && hf_unit_runs(u) && !hf_unit_is_empty(u));
    assert_int_equal(u->tasks, 3);
    assert_string_equal(u->invocation, INV("7"));
    assert_string_equal(u->wakers.items[0], "mariadb.socket");
    assert_int_equal(u->dependents.n, 3);
    assert_true(hf_unit_is_idle(&l.items[1]) && hf_unit_is_empty(&l.items[1]));
    assert_int_equal(l.items[2].load, HF_UNIT_NOT_FOUND);
    fake_done(&f);
}

static void takes_names_out_of_their_quotes(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_unit_list) struct hf_unit_list l = HF_UNIT_LIST_INIT;
    const char text[] =
        "Id=x@a\\x2db.service\nNames=y.service \"x@a\\\\x2db.service\"\nLoadState=loaded\n"
        "ActiveState=active\nTriggeredBy=\"a\\\\\\\\b.timer\"\n";
    (void)state;
    assert_hf_ok(hf_units_parse(text, strlen(text), &l, &err), &err);
    assert_string_equal(l.items[0].names.items[1], "x@a\\x2db.service");
    assert_string_equal(l.items[0].wakers.items[0], "a\\\\b.timer");
}

static void refuses_an_answer_to_another_question(void **state)
{
    static const char *const answers[] = {"cron", "other"};
    struct hf_guest *g = fake_begin(&f, state);
    for (size_t i = 0; i < HF_ARRAY_SIZE(answers); i++) {
        struct hf_err err = HF_ERR_INIT;
        struct hf_unit_list l = HF_UNIT_LIST_INIT;
        fake_step(&f, "show", (struct fake_end){.out = show(answers[i], DEAD(""), NULL)});
        assert_int_equal(show_of(g, &l, &err, i ? "cron.service" : "cron.service ssh.service"), -1);
        assert_hf_err(&err, HF_E_CORRUPT, "told something else");
        assert_int_equal(l.n, 0);
    }
    struct hf_err err = HF_ERR_INIT;
    struct hf_unit_list l = HF_UNIT_LIST_INIT;
    fake_step(&f, "show", (struct fake_end){.out = show("cron", DEAD(""), "ssh", DEAD(""), NULL)});
    assert_int_equal(show_of(g, &l, &err, "cron.service"), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "nobody asked for");
    fake_done(&f);
}

static void refuses_what_systemd_would_not_say(void **state)
{
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"Id=a.service", "a unit without Names"},
        {"garbage\n", "not what systemd says"},
        {"Id=a.service\nId=a.service\n", "Id stands there twice"},
        {"Id=a b.service\n", "Id: not what"},
        {"Id=\n", "Id: not what"},
        {"Id=a\033[2J.service\n", "Id: not what"},
        {"Id=--now\n", "Id: not what"},
        {"Id=a.service\nNames=b.service\nLoadState=loaded\nActiveState=active\n", "not its own"},
        {"MainPID=-5\n", "MainPID: not what"},
        {"MainPID=99999999999999999999\n", "MainPID: not what"},
        {"MainPID= 5\n", "MainPID: not what"},
        {"MainPID=5x\n", "MainPID: not what"},
        {"InvocationID=abc\n", "InvocationID: not what"},
        {"InvocationID=" INV("a") "a\n", "InvocationID: not what"},
        {"InvocationID=" INV("g") "\n", "InvocationID: not what"},
        {"ActiveState=act\aive\n", "ActiveState: not what"},
        {"SubState=a-word-that-is-longer-than-any-of-them\n", "SubState: not what"},
        {"TasksCurrent=-1\n", "TasksCurrent: not what"},
        {"CanStart=maybe\n", "CanStart: not what"},
        {"TriggeredBy=\"\n", "TriggeredBy: not what"},
        {"TriggeredBy=\"\"\n", "TriggeredBy: not what"},
        {"TriggeredBy=\"a b\"\n", "TriggeredBy: not what"},
        {"TriggeredBy=a.socket ../b\n", "TriggeredBy: not what"},
        {"\n\nLoadState=loaded\n", "a unit without Id"},
    };
    (void)state;
    for (size_t i = 0; i < HF_ARRAY_SIZE(bad); i++) {
        struct hf_err err = HF_ERR_INIT;
        struct hf_unit_list l = HF_UNIT_LIST_INIT;
        assert_int_equal(hf_units_parse(bad[i].text, strlen(bad[i].text), &l, &err), -1);
        assert_hf_err(&err, HF_E_CORRUPT, bad[i].why);
        for (const char *p = err.message; *p; p++)
            assert_true((unsigned char)*p >= ' ');
        assert_null(l.items);
    }
}

static void bounds_what_it_reads(void **state)
{
    HF_AUTO(hf_buf) struct hf_buf many = HF_BUF_INIT, names = HF_BUF_INIT, big = HF_BUF_INIT;
    struct hf_unit_list l = HF_UNIT_LIST_INIT;
    struct hf_err err = HF_ERR_INIT;
    (void)state;
    for (int i = 0; i <= HF_UNITS_MAX; i++) {
        hf_buf_printf(&many,
                      "Id=a.service\nNames=a.service\nLoadState=loaded\nActiveState=active\n\n");
        hf_buf_printf(&names, "%s%d.service", i ? " " : "Names=", i);
    }
    while (big.len < 1 << 20)
        hf_buf_str_add(&big, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    assert_int_equal(hf_units_parse(many.data, many.len, &l, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "more than 128 units");
    assert_int_equal(hf_units_parse(names.data, names.len, &l, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "more than 128 names");
    assert_int_equal(hf_units_parse(big.data, big.len, &l, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "not what systemd says");
    assert_int_equal(hf_units_parse("Id=a.service\n\0\n", 15, &l, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "not what systemd says");
    assert_hf_ok(hf_units_parse("", 0, &l, &err), &err);
    assert_int_equal(l.n, 0);
}

static void refuses_a_cut_answer(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_unit_list l = HF_UNIT_LIST_INIT;
    struct hf_guest *g = fake_begin(&f, state);
    fake_step(&f, "show",
              (struct fake_end){.out = show("cron", DEAD(""), NULL), .truncated = true});
    assert_int_equal(show_of(g, &l, &err, "cron.service"), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "more than");
    fake_done(&f);
}

static void asks_for_names_only(void **state)
{
    static const char *const bad[] = {"a;b.service", "-H", "mariadb@.service", "../x"};
    struct hf_unit_list l = HF_UNIT_LIST_INIT;
    struct hf_guest *g = fake_begin(&f, state);
    for (size_t i = 0; i < HF_ARRAY_SIZE(bad); i++) {
        struct hf_err err = HF_ERR_INIT;
        assert_int_equal(show_of(g, &l, &err, bad[i]), -1);
        assert_hf_err(&err, HF_E_CONFIG, "is not the name of a systemd unit");
    }
    fake_done(&f);
}

static void knows_a_guest_without_systemd(void **state)
{
    static const struct fake_end ends[] = {
        {.fails = HF_E_PLUGIN,
         .err = "Failed to execute child process (No such file or directory)"},
        {.status = 127, .err = "bash: systemctl: command not found\n"},
        {.status = 1, .err = "System has not been booted with systemd as init system (PID 1)."},
    };
    struct hf_unit_list l = HF_UNIT_LIST_INIT;
    struct hf_guest *g = fake_begin(&f, state);
    for (size_t i = 0; i < HF_ARRAY_SIZE(ends); i++) {
        struct hf_err err = HF_ERR_INIT;
        fake_step(&f, "show", ends[i]);
        assert_int_equal(show_of(g, &l, &err, "cron.service"), -1);
        assert_hf_err(&err, HF_E_UNSUPPORTED, "the guest has no systemd");
    }
    fake_done(&f);
}

static void finds_databases_once_the_running_ones_first(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv out = HF_STRV_INIT;
    struct hf_guest *g = fake_begin(&f, state);
    const char *aliased = "Names=mariadb.service mysql.service mysqld.service\n" DEAD("");
    fake_step(&f,
              "mariadb.service mysql.service mysqld.service mariadb@*.service mysqld@*.service "
              "mysql@*.service",
              (struct fake_end){
                  .out = show("mariadb", aliased, "mariadb", aliased, "mysqld@old",
                              "LoadState=loaded\nActiveState=inactive\nUnitFileState=disabled\n",
                              "mysqld@b", RUNNING("8"), "mysqld@m",
                              "LoadState=masked\nActiveState=active\n", NULL)});
    assert_hf_ok(hf_units_find_db(g, &out, 0, &err), &err);
    assert_int_equal(out.n, 2);
    assert_string_equal(out.items[0], "mysqld@b.service");
    assert_string_equal(out.items[1], "mariadb.service");
    fake_done(&f);
}

static void says_where_no_database_is(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv out = HF_STRV_INIT;
    struct hf_guest *g = fake_begin(&f, state);
    fake_step(
        &f, "show",
        (struct fake_end){.out = show("mariadb", ABSENT, "mysql", ABSENT, "mysqld", ABSENT, NULL)});
    assert_int_equal(hf_units_find_db(g, &out, 0, &err), -1);
    assert_hf_err(&err, HF_E_NOT_FOUND, "no unit of a MySQL or MariaDB server");
    assert_hf_err(&err, HF_E_NOT_FOUND, "db-service");
    fake_done(&f);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(reads_what_systemctl_says),
        HF_TEST(takes_names_out_of_their_quotes),
        HF_TEST(refuses_an_answer_to_another_question),
        HF_TEST(refuses_what_systemd_would_not_say),
        HF_TEST(bounds_what_it_reads),
        HF_TEST(refuses_a_cut_answer),
        HF_TEST(asks_for_names_only),
        HF_TEST(knows_a_guest_without_systemd),
        HF_TEST(finds_databases_once_the_running_ones_first),
        HF_TEST(says_where_no_database_is),
    };
    return HF_RUN_TESTS("guest.units", tests);
}
