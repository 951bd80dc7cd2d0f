/* SPDX-License-Identifier: Apache-2.0
 *
 * Values and what they mean for each other: types, ranges, defaults, contradictions.
 */
#include "base/buf.h"
#include "config/schema.h"
#include "harness/hf_test.h"

#include <stdlib.h>
#include <string.h>

/* A configuration whose [vm web01] begins in line 3 and has these keys from line 5 on. */
static struct hf_config *parse_vm(const char *keys, struct hf_err *err)
{
    HF_AUTOFREE char *text =
        hf_asprintf("[hypervisor lab]\nplugin = libvirt\n[vm web01]\nhypervisor = lab\n%s", keys);
    return hf_config_parse(text, strlen(text), "test.conf", err);
}

static struct hf_config *good_vm(const char *keys)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_config *c = parse_vm(keys, &err);
    assert_hf_got(c, &err);
    return c;
}

static void assert_refused(const char *keys, const char *message, const char *hint)
{
    struct hf_err err = HF_ERR_INIT;
    assert_null(parse_vm(keys, &err));
    assert_hf_err(&err, HF_E_CONFIG, message);
    assert_contains(err.hint, hint);
}

static void fills_in_defaults(void **state)
{
    (void)state;
    HF_AUTO(hf_config) struct hf_config *c = good_vm("");
    const struct hf_config_vm *vm = hf_config_vm_at(c, 0);
    assert_string_equal(vm->name, "web01");
    assert_int_equal(vm->guest, HF_GUEST_AGENT);
    assert_int_equal(vm->db.kind, HF_DB_NONE);
    assert_null(vm->db_defaults_file);
    assert_int_equal(vm->quiesce, HF_QUIESCE_NONE);
    assert_int_equal(vm->stall_budget, 2000);
    assert_int_equal(vm->quiesce_timeout, 60000);
    assert_int_equal(vm->hold_limit, 30000);
    assert_int_equal(vm->require, HF_GRADE_E);
    assert_int_equal(vm->quiesce_line, 0);
}

static void a_database_is_locked_by_default(void **state)
{
    (void)state;
    HF_AUTO(hf_config) struct hf_config *c = good_vm("db = tcp://db.example\n");
    const struct hf_config_vm *vm = hf_config_vm_at(c, 0);
    assert_int_equal(vm->db.port, 3306);
    assert_int_equal(vm->quiesce, HF_QUIESCE_LOCK);
    assert_int_equal(vm->require, HF_GRADE_B);
}

static void quiesce_none_needs_no_grade(void **state)
{
    (void)state;
    HF_AUTO(hf_config) struct hf_config *c = good_vm("db = tcp://db.example\nquiesce = none\n");
    assert_int_equal(hf_config_vm_at(c, 0)->require, HF_GRADE_E);
}

static void reads_database_addresses(void **state)
{
    static const struct {
        const char *text, *host;
        unsigned port;
    } cases[] = {
        {"tcp://10.0.0.5", "10.0.0.5", 3306}, {"tcp://db.example:33060", "db.example", 33060},
        {"tcp://[fd00::5]", "fd00::5", 3306}, {"tcp://[::1]:3307", "::1", 3307},
        {"tcp://h:65535", "h", 65535},
    };
    (void)state;
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        HF_AUTOFREE char *key = hf_asprintf("db = %s\n", cases[i].text);
        HF_AUTO(hf_config) struct hf_config *c = good_vm(key);
        assert_string_equal(hf_config_vm_at(c, 0)->db.host, cases[i].host);
        assert_int_equal(hf_config_vm_at(c, 0)->db.port, cases[i].port);
    }
}

static void reads_addresses_behind_the_guest_channel(void **state)
{
    static const struct {
        const char *text, *host, *socket;
        enum hf_db_kind kind;
        unsigned port;
    } cases[] = {
        {"ssh", "127.0.0.1", NULL, HF_DB_SSH, 3306},
        {"ssh://[::1]:3307", "::1", NULL, HF_DB_SSH, 3307},
        {"ssh:///run/mysqld/mysqld.sock", NULL, "/run/mysqld/mysqld.sock", HF_DB_SSH, 3306},
        {"agent", "127.0.0.1", NULL, HF_DB_AGENT, 3306},
        {"agent://127.0.0.1:3307", "127.0.0.1", NULL, HF_DB_AGENT, 3307},
    };
    (void)state;
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        HF_AUTOFREE char *key = hf_asprintf("ssh = web01\ndb = %s\n", cases[i].text);
        HF_AUTO(hf_config) struct hf_config *c = good_vm(key);
        const struct hf_db_address *db = &hf_config_vm_at(c, 0)->db;
        assert_int_equal(db->kind, cases[i].kind);
        assert_int_equal(db->port, cases[i].port);
        assert_string_equal(db->host ? db->host : "-", cases[i].host ? cases[i].host : "-");
        assert_string_equal(db->socket ? db->socket : "-", cases[i].socket ? cases[i].socket : "-");
    }
}

static void refuses_wrong_database_addresses(void **state)
{
    static const char *const wrong[] = {
        "10.0.0.5",
        "tcp://",
        "tcp://:3306",
        "tcp://h:",
        "tcp://h:0",
        "tcp://h:65536",
        "tcp://h:33x",
        "tcp://h:-1",
        "tcp://fd00::5",
        "tcp://[fd00::5",
        "tcp://[]:1",
        "tcp://[::1]x",
        "tcp://root@h:3306",
        "tcp://h/shop",
        "tcp",
        "tcp://h:99999999999999999999",
        "tcp://a b",
        "TCP://h",
        "agent:///x",
        "sshd",
        "ssh:",
        "ssh://",
        "tcp:///x",
        "ssh://h:x",
    };
    (void)state;
    for (size_t i = 0; i < HF_ARRAY_SIZE(wrong); i++) {
        HF_AUTOFREE char *key = hf_asprintf("db = %s\n", wrong[i]);
        assert_refused(key, "test.conf:5: db: ", "tcp://HOST:PORT such as tcp://10.0.0.5:3306");
    }
}

static void says_what_a_value_should_look_like(void **state)
{
    (void)state;
    assert_refused("stall-budget = 2\n", "test.conf:5: stall-budget: '2' is not a duration",
                   "such as 250ms, 2s or 10m");
    assert_refused("db-defaults-file = web01.cnf\ndb = none\n",
                   "'web01.cnf' is not an absolute path", "begins with '/'");
    assert_refused("require = b\n", "test.conf:5: require: 'b'", "from A (best) to E");
}

static void words_of_later_versions_list_what_is_accepted(void **state)
{
    (void)state;
    assert_refused("quiesce = pause\n", "quiesce: 'pause' is not accepted by this version",
                   "stop, lock, light or none");
    assert_refused("guest = rsh\n", "guest: 'rsh' is not accepted", "agent, ssh or none");

    static const char mysql[] = "[defaults]\ncatalog = mysql://h/hf\n";
    struct hf_err err = HF_ERR_INIT;
    assert_null(hf_config_parse(mysql, strlen(mysql), "test.conf", &err));
    assert_hf_err(&err, HF_E_CONFIG, "catalog: 'mysql://h/hf' is not accepted");
    assert_contains(err.hint, "sqlite");
}

static void refuses_amounts_that_are_none_or_out_of_range(void **state)
{
    (void)state;
    assert_refused("min-free = 100%\n", "min-free: 100% is out of range", "");
    assert_refused("min-free = much\n", "'much' is not a size", "");
    assert_refused("min-free = x%\n", "not a whole number of percent", "");
    assert_refused("max-snapshots = 0\n", "max-snapshots: 0 is out of range", "");
    assert_refused("max-chain = -1\n", "'-1' is not a number", "");
    const struct hf_share ten = {.is_percent = true, .value = 10}, size = {.value = 4096};
    assert_int_equal(hf_share_of(&ten, 1005), 100);
    assert_int_equal(hf_share_of(&ten, UINT64_MAX), UINT64_MAX / 10);
    assert_int_equal(hf_share_of(&size, 5), 4096);
}

static void refuses_durations_out_of_range(void **state)
{
    (void)state;
    assert_refused("stall-budget = 49ms\n", "stall-budget: 49ms is out of range",
                   "Accepted: 50ms to 60s.");
    assert_refused("stall-budget = 61s\n", "out of range", "");
    assert_refused("hold-limit = 999ms\n", "test.conf:5: hold-limit: 999ms is out of range", "");
    assert_refused("hold-limit = 11m\n", "out of range", "");
    assert_refused("quiesce-timeout = 2h\n", "quiesce-timeout: 2h is out of range", "");
    HF_AUTO(hf_config) struct hf_config *low = good_vm("stall-budget = 50ms\nhold-limit = 1s\n");
    HF_AUTO(hf_config) struct hf_config *high = good_vm("stall-budget = 60s\nhold-limit = 10m\n");
    assert_int_equal(hf_config_vm_at(low, 0)->stall_budget, 50);
    assert_int_equal(hf_config_vm_at(high, 0)->hold_limit, 600000);
}

static void refuses_a_timeout_below_the_budget(void **state)
{
    (void)state;
    assert_refused("stall-budget = 5s\nquiesce-timeout = 4s\n",
                   "test.conf:6: quiesce-timeout (4s) is shorter than stall-budget (5s)",
                   "All attempts together");
    assert_refused("quiesce-timeout = 1s\n", "test.conf:5: quiesce-timeout (1s)", "");
}

static void refuses_a_lock_without_a_database(void **state)
{
    (void)state;
    assert_refused("quiesce = lock\n",
                   "test.conf:5: quiesce = lock, but [vm web01] has no database",
                   "tcp://HOST:PORT");
    assert_refused("quiesce = lock\ndb = none\n", "no database to lock", "'quiesce = none'");
}

static void the_required_grade_follows_from_the_way_to_rest(void **state)
{
    static const struct {
        const char *keys;
        enum hf_grade require;
    } rows[] = {
        {"quiesce = stop\n", HF_GRADE_A},
        {"quiesce = lock\ndb = ssh\nssh = web01\n", HF_GRADE_B},
        {"quiesce = light\ndb = tcp://h\n", HF_GRADE_C},
        {"freeze = yes\n", HF_GRADE_D},
        {"freeze = no\n", HF_GRADE_E},
        {"quiesce = stop\nrequire = B\n", HF_GRADE_B},
    };
    (void)state;
    for (size_t i = 0; i < HF_ARRAY_SIZE(rows); i++) {
        HF_AUTO(hf_config) struct hf_config *c = good_vm(rows[i].keys);
        assert_int_equal(hf_config_vm_at(c, 0)->require, rows[i].require);
    }
}

static void reads_ssh_addresses(void **state)
{
    (void)state;
    HF_AUTO(hf_config) struct hf_config *c = good_vm("ssh = backup@[fd00::5]:2222\n");
    HF_AUTO(hf_config) struct hf_config *plain = good_vm("ssh = web01\n");
    const struct hf_ssh_address *ssh = &hf_config_vm_at(c, 0)->ssh;
    assert_string_equal(ssh->user, "backup");
    assert_string_equal(ssh->host, "fd00::5");
    assert_int_equal(ssh->port, 2222);
    ssh = &hf_config_vm_at(plain, 0)->ssh;
    assert_string_equal(ssh->user, "root");
    assert_int_equal(ssh->port, 22);
    assert_refused("ssh = @web01\n", "test.conf:5: ssh: '@web01' has no valid user name",
                   "root@web01:22");
    assert_refused("ssh = -oProxyCommand=x@web01\n", "has no valid user name", "");
    assert_refused("ssh = root@-x\n", "has no valid host name", "");
}

static void units_are_names_and_nothing_else(void **state)
{
    (void)state;
    HF_AUTO(hf_config)
    struct hf_config *c = good_vm("services = apache2, cron.service , x@1.socket\n");
    const struct hf_strv *units = &hf_config_vm_at(c, 0)->services;
    assert_int_equal(units->n, 3);
    assert_string_equal(units->items[0], "apache2.service");
    assert_string_equal(units->items[1], "cron.service");
    assert_string_equal(units->items[2], "x@1.socket");
    assert_refused("services = a;reboot\n", "'a;reboot' is not the name of a systemd unit",
                   "apache2, cron");
    assert_refused("services = $(reboot)\n", "is not the name of a systemd unit", "");
    assert_refused("services = --now\n", "is not the name of a systemd unit", "");
    assert_refused("services = cron, cron.service\n", "'cron.service' stands there twice", "");
    assert_refused("files = /etc, var/www\n", "'var/www' is not an absolute path", "");
}

static void ways_into_the_guest_have_to_be_there(void **state)
{
    (void)state;
    assert_refused("guest = none\nquiesce = stop\n", "quiesce = stop needs a way into the guest",
                   "guest = agent");
    assert_refused("guest = none\nservices = cron\n", "services need a way into the guest", "");
    assert_refused("guest = none\nfreeze = yes\n", "freeze = yes needs a way into the guest", "");
    assert_refused("guest = ssh\n", "there is no key 'ssh'", "ssh = root@HOST");
    assert_refused("db = ssh\n", "there is no key 'ssh'", "");
    assert_refused("services = mariadb\ndb-service = mariadb\n", "stands in services as well",
                   "db-service");
}

/* Somebody forgot 'db': without this the VM would silently be captured with its database running.
 */
static void refuses_credentials_without_a_database(void **state)
{
    (void)state;
    assert_refused("db-defaults-file = /etc/x.cnf\n",
                   "test.conf:5: db-defaults-file is set, but [vm web01] has no key 'db'",
                   "'db = none'");
    HF_AUTO(hf_config) struct hf_config *c = good_vm("db-defaults-file = /etc/x.cnf\ndb = none\n");
    assert_int_equal(hf_config_vm_at(c, 0)->quiesce, HF_QUIESCE_NONE);
}

static void names_missing_keys(void **state)
{
    static const char no_hypervisor[] = "\n[vm web01]\nguest = none\n";
    static const char no_plugin[] = "[hypervisor lab]\nuri = x\n";
    struct hf_err err = HF_ERR_INIT;
    (void)state;
    assert_null(hf_config_parse(no_hypervisor, strlen(no_hypervisor), "test.conf", &err));
    assert_hf_err(&err, HF_E_CONFIG, "test.conf:2: [vm web01] has no key 'hypervisor'");
    assert_contains(err.hint, "hypervisor = lab");
    assert_null(hf_config_parse(no_plugin, strlen(no_plugin), "test.conf", &err));
    assert_hf_err(&err, HF_E_CONFIG, "test.conf:1: [hypervisor lab] has no key 'plugin'");
}

static void refuses_a_vm_on_an_unknown_hypervisor(void **state)
{
    static const char near[] = "[hypervisor lab]\nplugin = libvirt\n[vm a]\nhypervisor = lap\n";
    static const char none[] = "[vm a]\nhypervisor = lab\n";
    struct hf_err err = HF_ERR_INIT;
    (void)state;
    assert_null(hf_config_parse(near, strlen(near), "test.conf", &err));
    assert_hf_err(&err, HF_E_CONFIG,
                  "test.conf:4: hypervisor: there is no section [hypervisor lap]");
    assert_contains(err.hint, "Did you mean 'lab'?");
    assert_null(hf_config_parse(none, strlen(none), "test.conf", &err));
    assert_contains(err.hint, "no section [hypervisor NAME] at all");
    static const char drill[] = "[hypervisor lab]\nplugin = libvirt\n[vm a]\nhypervisor = lab\n"
                                "drill-hypervisor = lap\n";
    assert_null(hf_config_parse(drill, strlen(drill), "test.conf", &err));
    assert_hf_err(&err, HF_E_CONFIG,
                  "test.conf:5: drill-hypervisor: there is no section [hypervisor lap]");
}

static void an_unknown_vm_is_the_callers_mistake(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    (void)state;
    HF_AUTO(hf_config) struct hf_config *c = good_vm("");
    assert_null(hf_config_find_vm(c, "web02", &err));
    assert_hf_err(&err, HF_E_CONFIG, "there is no section [vm web02] in test.conf");
    assert_contains(err.hint, "Did you mean 'web01'?");
    assert_null(hf_config_find_vm(c, "mail", &err));
    assert_contains(err.hint, "There are: web01.");
    assert_int_equal(hf_err_exit_status(&err), 2);
}

static void the_environment_overrides_the_plugin_directory(void **state)
{
    static const char text[] = "[defaults]\nplugin-dir = /a\n";
    struct hf_err err = HF_ERR_INIT;
    (void)state;
    setenv("HOLDFAST_PLUGIN_DIR", "/from/env", 1);
    HF_AUTO(hf_config) struct hf_config *over = hf_config_parse(text, strlen(text), "t", &err);
    unsetenv("HOLDFAST_PLUGIN_DIR");
    HF_AUTO(hf_config) struct hf_config *file = hf_config_parse(text, strlen(text), "t", &err);
    HF_AUTO(hf_config) struct hf_config *built = hf_config_parse("", 0, "t", &err);
    assert_string_equal(hf_config_get_defaults(over)->plugin_dir, "/from/env");
    assert_string_equal(hf_config_get_defaults(file)->plugin_dir, "/a");
    assert_string_equal(hf_config_get_defaults(built)->plugin_dir, HF_PLUGIN_DIR);
}

static void grades_compare(void **state)
{
    (void)state;
    assert_true(hf_grade_meets(HF_GRADE_A, HF_GRADE_B));
    assert_true(hf_grade_meets(HF_GRADE_B, HF_GRADE_B));
    assert_false(hf_grade_meets(HF_GRADE_C, HF_GRADE_B));
    assert_false(hf_grade_meets(HF_GRADE_NONE, HF_GRADE_E));
    assert_true(hf_grade_meets(HF_GRADE_NONE, HF_GRADE_NONE));
    assert_string_equal(hf_grade_name(HF_GRADE_A), "A");
    assert_string_equal(hf_grade_name(HF_GRADE_E), "E");
    assert_null(hf_grade_name(HF_GRADE_NONE));
    assert_string_equal(hf_quiesce_name(HF_QUIESCE_LOCK), "lock");
    assert_string_equal(hf_quiesce_name(HF_QUIESCE_NONE), "none");
}

/* One value more or less than the type has room for must not go unnoticed. */
static void every_option_of_the_table_is_sound(void **state)
{
    (void)state;
    for (size_t s = 0; s < HF_SECTION_COUNT; s++) {
        for (size_t i = 0; i < hf_sections[s].n_options; i++) {
            const struct hf_option *o = &hf_sections[s].options[i];
            struct hf_err err = HF_ERR_INIT;
            _Alignas(16) char field[64] = {0};
            assert_hf_ok(o->type->parse(o->example, field, &err), &err);
            if (o->range)
                assert_hf_ok(o->type->check_range(o->range, field, &err), &err);
            if (o->type->clear)
                o->type->clear(field);
            assert_true(!o->is_required || !o->fallback);
            assert_true(o->offset >= sizeof(struct hf_config_head));
            assert_true(o->help[strlen(o->help) - 1] == '.');
        }
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(fills_in_defaults),
        HF_TEST(a_database_is_locked_by_default),
        HF_TEST(quiesce_none_needs_no_grade),
        HF_TEST(reads_database_addresses),
        HF_TEST(reads_addresses_behind_the_guest_channel),
        HF_TEST(refuses_wrong_database_addresses),
        HF_TEST(says_what_a_value_should_look_like),
        HF_TEST(words_of_later_versions_list_what_is_accepted),
        HF_TEST(refuses_amounts_that_are_none_or_out_of_range),
        HF_TEST(refuses_durations_out_of_range),
        HF_TEST(refuses_a_timeout_below_the_budget),
        HF_TEST(refuses_a_lock_without_a_database),
        HF_TEST(the_required_grade_follows_from_the_way_to_rest),
        HF_TEST(reads_ssh_addresses),
        HF_TEST(units_are_names_and_nothing_else),
        HF_TEST(ways_into_the_guest_have_to_be_there),
        HF_TEST(refuses_credentials_without_a_database),
        HF_TEST(names_missing_keys),
        HF_TEST(refuses_a_vm_on_an_unknown_hypervisor),
        HF_TEST(an_unknown_vm_is_the_callers_mistake),
        HF_TEST(the_environment_overrides_the_plugin_directory),
        HF_TEST(grades_compare),
        HF_TEST(every_option_of_the_table_is_sound),
    };
    return HF_RUN_TESTS("config.check", tests);
}
