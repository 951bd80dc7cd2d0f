/* SPDX-License-Identifier: Apache-2.0
 *
 * What `check` says of a VM's applications: a guest and a database by script.
 */
#include "base/buf.h"
#include "harness/hf_test.h"
#include "run/checking.h"

#include <stdio.h>
#include <string.h>

#define APPS                                                                                       \
    "[app cmdb]\nservices = apache2\ncron = cron\nschemas = system, data\nfiles = /srv/cmdb\n"     \
    "config = /etc/apache2, /etc/php\n[app wiki]\nservices = apache2\nschemas = wiki\n"            \
    "files = /srv/wiki\n[app empty]\n"

static struct {
    const char *no_units, *no_paths, *no_schemas; /* "apache2.service /srv/cmdb" */
    const char *extra;                            /* what stat prints besides */
    const char *said;                             /* on its stderr */
    int stat_status;                              /* instead */
    bool is_cut;
    enum hf_err_class exec_fails, query_fails;
    unsigned n_stats, n_queries;
    struct hf_buf told;
    struct hf_config *config;
    struct hf_env env;
    struct checking c;
} world;

static bool is_among(const char *list, const char *name)
{
    HF_AUTO(hf_strv) struct hf_strv v = HF_STRV_INIT;
    return list && hf_strv_split(&v, list, ' ') == 0 && hf_strv_has(&v, name);
}

/* ---- a guest ----------------------------------------------------------------------------- */

static void play_stat(const char *const *argv, struct hf_hv_exec_result *out)
{
    world.n_stats++;
    assert_string_equal(argv[2], "stat");
    assert_string_equal(argv[5], "--");
    for (size_t i = 6; argv[i]; i++) {
        if (is_among(world.no_paths, argv[i]))
            out->exit_code = 1;
        else
            hf_buf_printf(&out->out, "%s\n", argv[i]);
    }
    hf_buf_str_add(&out->out, world.extra ? world.extra : "");
    hf_buf_str_add(&out->err, world.said ? world.said : "");
    out->truncated = world.is_cut;
    if (world.stat_status)
        out->exit_code = world.stat_status;
}

static void play_show(const char *const *argv, struct hf_hv_exec_result *out)
{
    for (size_t i = 5; argv[i]; i++)
        hf_buf_printf(&out->out, "%sId=%s\nNames=%s\nLoadState=%s\nActiveState=active\n",
                      i > 5 ? "\n" : "", argv[i], argv[i],
                      is_among(world.no_units, argv[i]) ? "not-found" : "loaded");
}

static int play_exec(void *self, const struct hf_guest_cmd *cmd, struct hf_hv_exec_result *out,
                     struct hf_err *err)
{
    (void)self;
    if (world.exec_fails)
        return hf_fail(err, world.exec_fails, "the guest does not answer");
    if (strcmp(cmd->argv[0], "systemctl") == 0)
        play_show(cmd->argv, out);
    else
        play_stat(cmd->argv, out);
    return 0;
}

static void play_close(void *self)
{
    (void)self;
}

/* ---- a database -------------------------------------------------------------------------- */

char *__wrap_hf_db_quote(struct hf_db_conn *c, const char *text);
char *__wrap_hf_db_quote(struct hf_db_conn *c, const char *text)
{
    (void)c;
    return hf_asprintf("'%s'", text);
}

int __wrap_hf_db_query(struct hf_db_conn *c, const char *sql, hf_db_row_cb emit, void *ctx,
                       struct hf_err *err);
int __wrap_hf_db_query(struct hf_db_conn *c, const char *sql, hf_db_row_cb emit, void *ctx,
                       struct hf_err *err)
{
    static char names[][8] = {"system", "data", "wiki"};
    (void)c;
    world.n_queries++;
    if (world.query_fails)
        return hf_fail(err, world.query_fails, "gone away");
    assert_contains(sql, "information_schema.schemata WHERE schema_name IN ('");
    for (size_t i = 0; i < HF_ARRAY_SIZE(names); i++)
        if (!is_among(world.no_schemas, names[i]) &&
            emit(ctx, 1, (char *const[]){names[i]}, err) < 0)
            return -1;
    return 0;
}

/* ---- checks ------------------------------------------------------------------------------ */

static int note(void *ctx, const struct hf_finding *f, struct hf_err *err)
{
    (void)ctx;
    (void)err;
    assert_string_equal(f->area, "apps");
    hf_buf_printf(&world.told, "%s %s\n", hf_finding_level_name(f->level), f->message);
    return 0;
}

static void set_up(void **state, const char *keys)
{
    static const struct hf_guest_ops ops = {
        .name = "script", .exec = play_exec, .close = play_close};
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *text =
        hf_asprintf("[hypervisor lab]\nplugin = x\n[vm web01]\nhypervisor = lab\n"
                    "db = tcp://h\n%s\n" APPS,
                    keys);
    world.config = hf_config_parse(text, strlen(text), "test.conf", &err);
    assert_hf_got(world.config, &err);
    world.env = (struct hf_env){.config = world.config, .clock = &hf_test_clock(state)->clock};
    world.c =
        (struct checking){.env = &world.env, .vm = hf_config_vm_at(world.config, 0), .emit = note};
    world.c.way.guest = hf_guest_new(&ops, &world, &err);
    assert_hf_got(world.c.way.guest, &err);
}

static void tear_down(void)
{
    check_looked_free(&world.c.units);
    check_looked_free(&world.c.paths);
    check_looked_free(&world.c.schemas);
    hf_guest_close(world.c.way.guest);
    hf_config_free(world.config);
    hf_buf_free(&world.told);
    memset(&world, 0, sizeof world);
}

/* All that check_apps and its two looks say. */
static void assert_told(void **state, const char *keys, const char *expected)
{
    struct hf_err err = HF_ERR_INIT;
    set_up(state, keys);
    assert_hf_ok(check_apps_guest(&world.c, &err), &err);
    assert_hf_ok(check_apps_schemas(&world.c, NULL, &err), &err);
    assert_hf_ok(check_apps(&world.c, &err), &err);
    assert_string_equal(hf_buf_str(&world.told), expected);
}

static void an_app_that_is_all_there_is_one_line(void **state)
{
    assert_told(state, "apps = cmdb, wiki, empty",
                "ok app cmdb: 2 units, 2 schemas, 3 paths: all found\n"
                "ok app wiki: 1 unit, 1 schema, 1 path: all found\n"
                "ok app empty: names nothing to look for\n");
    assert_int_equal(world.n_stats, 1);
    assert_int_equal(world.n_queries, 1);
    tear_down();
}

static void each_missed_thing_is_named_with_its_app(void **state)
{
    world.no_units = "cron.service";
    world.no_paths = "/etc/php /srv/wiki";
    world.no_schemas = "data";
    assert_told(state, "apps = cmdb, wiki",
                "fail app cmdb: no unit 'cron.service'\nfail app cmdb: no schema 'data'\n"
                "fail app cmdb: no path '/etc/php'\nfail app wiki: no path '/srv/wiki'\n");
    tear_down();
}

static void what_several_apps_miss_is_told_with_each(void **state)
{
    world.no_units = "apache2.service";
    assert_told(
        state, "apps = cmdb, wiki",
        "fail app cmdb: no unit 'apache2.service'\nfail app wiki: no unit 'apache2.service'\n");
    assert_int_equal(world.c.units.missing.n, 1);
    tear_down();
}

static void a_missing_path_warns_where_the_archive_does(void **state)
{
    world.no_paths = "/etc/php";
    assert_told(state, "apps = cmdb, wiki\nunreadable = warn",
                "warn app cmdb: no path '/etc/php'\n"
                "ok app wiki: 1 unit, 1 schema, 1 path: all found\n");
    tear_down();
}

static void lines_that_nobody_asked_for_find_nothing(void **state)
{
    world.no_paths = "/etc/php";
    world.extra = "/etc\n/etc/php/..\n/etc/phpx\n\n\033[2J\n";
    assert_told(state, "apps = cmdb, wiki",
                "fail app cmdb: no path '/etc/php'\n"
                "ok app wiki: 1 unit, 1 schema, 1 path: all found\n");
    tear_down();
}

static void what_nobody_could_look_for_is_no_success(void **state)
{
    world.exec_fails = HF_E_TIMEOUT;
    world.query_fails = HF_E_UNREACHABLE;
    assert_told(state, "apps = wiki",
                "fail gone away\n"
                "warn app wiki: nobody could look for its 1 unit, 1 schema, 1 path\n");
    assert_int_equal(world.n_stats, 0);
    tear_down();
}

static void a_stat_that_could_not_look_everywhere_misses_nothing(void **state)
{
    static const struct {
        const char *said;
        int status;
        bool is_cut;
        const char *told;
    } cases[] = {
        {"stat: cannot statx '/srv/wiki': Permission denied\n", 1, false, "cannot look at all"},
        {"stat: not found\n", 127, false, "status 127"},
        {NULL, 0, true, "more than 65536 bytes"},
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        struct hf_err err = HF_ERR_INIT;
        set_up(state, "apps = wiki");
        world.no_paths = "/srv/wiki";
        world.said = cases[i].said;
        world.stat_status = cases[i].status;
        world.is_cut = cases[i].is_cut;
        assert_hf_ok(check_apps_guest(&world.c, &err), &err);
        assert_contains(hf_buf_str(&world.told), cases[i].told);
        assert_false(world.c.paths.done);
        assert_int_equal(world.c.paths.missing.n, 0);
        tear_down();
    }
}

static void a_vm_without_apps_asks_nothing(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    world.exec_fails = HF_E_TIMEOUT;
    set_up(state, "");
    assert_hf_ok(check_apps_guest(&world.c, &err), &err);
    assert_hf_ok(check_apps_schemas(&world.c, NULL, &err), &err);
    assert_hf_ok(check_apps(&world.c, &err), &err);
    assert_int_equal(world.told.len, 0);
    assert_int_equal(world.n_queries, 0);
    tear_down();
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(an_app_that_is_all_there_is_one_line),
        HF_TEST(each_missed_thing_is_named_with_its_app),
        HF_TEST(what_several_apps_miss_is_told_with_each),
        HF_TEST(a_missing_path_warns_where_the_archive_does),
        HF_TEST(lines_that_nobody_asked_for_find_nothing),
        HF_TEST(what_nobody_could_look_for_is_no_success),
        HF_TEST(a_stat_that_could_not_look_everywhere_misses_nothing),
        HF_TEST(a_vm_without_apps_asks_nothing),
    };
    return HF_RUN_TESTS("run.check_apps", tests);
}
