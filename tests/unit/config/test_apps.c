/* SPDX-License-Identifier: Apache-2.0
 *
 * Applications: what they add to a VM, where their sections come from, and which ones are refused.
 */
#include "base/buf.h"
#include "base/path.h"
#include "config/apps.h"
#include "config/config.h"
#include "harness/hf_test.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CMDB                                                                                       \
    "[app cmdb]\nservices = apache2\ncron = cron\nschemas = system, data\nfiles = /srv/cmdb\n"     \
    "config = /etc/apache2\nexclude = /srv/cmdb/temp\nprobe = unit apache2\n"

/* [vm web01] begins in line 3 and has these keys from line 5 on; more sections follow. */
static struct hf_config *parse_vm(const char *keys, const char *sections, struct hf_err *err)
{
    HF_AUTOFREE char *text = hf_asprintf(
        "[hypervisor lab]\nplugin = libvirt\n[vm web01]\nhypervisor = lab\n%s\n%s", keys, sections);
    return hf_config_parse(text, strlen(text), "test.conf", err);
}

static struct hf_config *good_vm(const char *keys, const char *sections)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_config *c = parse_vm(keys, sections, &err);
    assert_hf_got(c, &err);
    return c;
}

static void assert_refused(const char *keys, const char *sections, const char *message,
                           const char *hint)
{
    struct hf_err err = HF_ERR_INIT;
    assert_null(parse_vm(keys, sections, &err));
    assert_hf_err(&err, HF_E_CONFIG, message);
    assert_contains(err.hint, hint);
}

static void assert_list(const struct hf_strv *list, const char *expected)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    for (size_t i = 0; i < list->n; i++)
        hf_buf_printf(&text, "%s%s", i ? " " : "", list->items[i]);
    assert_string_equal(hf_buf_str(&text), expected);
}

/* No profiles but those that a test puts there. */
static const char *app_dir(void **state)
{
    const char *dir = hf_test_path(state, "apps");
    mkdir(dir, 0755);
    setenv("HOLDFAST_APP_DIR", dir, 1);
    return dir;
}

/* ---- merging ----------------------------------------------------------------------------- */

static void what_an_app_names_is_added_behind_the_vms_own(void **state)
{
    app_dir(state);
    HF_AUTO(hf_config)
    struct hf_config *c = good_vm("apps = cmdb\ndb = tcp://h\nservices = worker\nfiles = /etc/own\n"
                                  "exclude = *.log\nprobe = unit worker\n",
                                  CMDB);
    const struct hf_config_vm *vm = hf_config_vm_at(c, 0);
    assert_list(&vm->services, "worker.service cron.service apache2.service");
    assert_list(&vm->files, "/etc/own /srv/cmdb /etc/apache2");
    assert_list(&vm->exclude, "*.log /srv/cmdb/temp");
    assert_int_equal(vm->probe.n, 2);
    assert_string_equal(vm->probe.items[1].what, "apache2.service");
    assert_int_equal(vm->services_line, 7);
}

static void schedulers_of_all_apps_stop_before_the_services_of_any(void **state)
{
    app_dir(state);
    HF_AUTO(hf_config)
    struct hf_config *c =
        good_vm("apps = shop, wiki\n", "[app wiki]\nservices = php\ncron = anacron\n"
                                       "[app shop]\nservices = apache2\ncron = cron\n");
    const struct hf_config_vm *vm = hf_config_vm_at(c, 0);
    assert_list(&vm->services, "cron.service anacron.service apache2.service php.service");
    assert_int_equal(vm->services_line, 5);
}

static void what_two_name_is_there_once(void **state)
{
    app_dir(state);
    HF_AUTO(hf_config)
    struct hf_config *c = good_vm("apps = cmdb, wiki\ndb = tcp://h\nservices = apache2\n", CMDB
                                  "[app wiki]\nservices = apache2, cron\nschemas = data, wiki\n"
                                  "config = /etc/apache2\nprobe = unit apache2\n");
    const struct hf_config_vm *vm = hf_config_vm_at(c, 0);
    assert_list(&vm->services, "apache2.service cron.service");
    assert_list(&vm->files, "/srv/cmdb /etc/apache2");
    assert_list(&vm->dump.schemas, "system data wiki");
    assert_int_equal(vm->probe.n, 1);
}

static void a_vm_without_apps_has_what_it_says_itself(void **state)
{
    app_dir(state);
    HF_AUTO(hf_config) struct hf_config *c = good_vm("services = worker\n", CMDB);
    const struct hf_config_vm *vm = hf_config_vm_at(c, 0);
    assert_list(&vm->services, "worker.service");
    assert_int_equal(vm->files.n, 0);
    assert_int_equal(vm->dump.kind, HF_DUMPED_ALL);
}

static void dump_is_the_schemas_of_the_apps_unless_it_is_set(void **state)
{
    static const struct {
        const char *keys;
        enum hf_dumped_kind kind;
        const char *schemas;
    } cases[] = {
        {"apps = cmdb\ndb = tcp://h\n", HF_DUMPED_SCHEMAS, "system data"},
        {"apps = cmdb\ndb = tcp://h\ndump = all\n", HF_DUMPED_ALL, ""},
        {"apps = cmdb\ndump = none\n", HF_DUMPED_NONE, ""},
        {"apps = cmdb\ndb = tcp://h\ndump = data, log\n", HF_DUMPED_SCHEMAS, "data log"},
        {"apps = plain\ndb = tcp://h\n", HF_DUMPED_ALL, ""},
    };
    app_dir(state);
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        HF_AUTO(hf_config)
        struct hf_config *c = good_vm(cases[i].keys, CMDB "[app plain]\nservices = x\n");
        const struct hf_config_vm *vm = hf_config_vm_at(c, 0);
        assert_int_equal(vm->dump.kind, cases[i].kind);
        assert_list(&vm->dump.schemas, cases[i].schemas);
    }
}

static void conflicts_say_what_to_do(void **state)
{
    HF_AUTO(hf_buf) struct hf_buf many = HF_BUF_INIT;
    app_dir(state);
    assert_refused("apps = cmdb\n", CMDB, "test.conf:5: [vm web01]: there are schemas to dump",
                   "dump = none");
    assert_refused("dump = shop\n", "", "there are schemas to dump", "dump = none");
    assert_refused("apps = cmdb\ndump = none\nguest = none\n", CMDB,
                   "test.conf:5: [vm web01]: services need a way into the guest", "guest = agent");
    assert_refused("apps = db\ndb-service = mariadb\n", "[app db]\nservices = mariadb\n",
                   "a unit of db-service stands in services", "leave it to db-service");
    hf_buf_str_add(&many, "[app a]\nfiles = /0");
    for (int i = 1; i < HF_CONFIG_LIST_MAX; i++)
        hf_buf_printf(&many, ", /%d", i);
    HF_AUTO(hf_config)
    struct hf_config *fits = good_vm("apps = a\nfiles = /1\n", hf_buf_str(&many));
    assert_int_equal(hf_config_vm_at(fits, 0)->files.n, HF_CONFIG_LIST_MAX);
    assert_refused("apps = a\nfiles = /own\n", hf_buf_str(&many), "more than 64 values of files",
                   "fewer apps");
}

/* ---- names ------------------------------------------------------------------------------- */

static void an_unknown_app_is_named_with_the_nearest_one(void **state)
{
    app_dir(state);
    hf_test_file(state, "apps/wordpress.conf", "[app wordpress]\n", 0644);
    assert_refused("apps = cmbd\n", CMDB, "test.conf:5: apps: there is no section [app cmbd]",
                   "Did you mean 'cmdb'?");
    assert_refused("apps = wordpres\n", CMDB, "test.conf:5: ", "Did you mean 'wordpress'?");
    assert_refused("apps = zzz\n", CMDB, "test.conf:5: ", "There are: wordpress, cmdb.");
}

static void a_name_cannot_leave_the_directory(void **state)
{
    static const char *const names[] = {"../evil", "..", "/etc/passwd", "a/b",    "a.b",
                                        "Cmdb",    "-a", "_a",          "cmdb%2f"};
    app_dir(state);
    hf_test_file(state, "evil.conf", "[app evil]\n", 0644);
    for (size_t i = 0; i < HF_ARRAY_SIZE(names); i++) {
        HF_AUTOFREE char *keys = hf_asprintf("apps = %s\n", names[i]);
        assert_refused(keys, "", "is not the name of an app", "names of apps");
    }
    assert_refused("apps = a, a\n", "", "'a' stands there twice", "");
    assert_refused("", "[app Cmdb]\n", "test.conf:6: 'Cmdb' cannot be the name of an app",
                   "a to z");
}

static void schemas_are_names(void **state)
{
    static const char *const names[] = {"a.b", "a b", "a`b", "a'b", "a/b"};
    app_dir(state);
    for (size_t i = 0; i < HF_ARRAY_SIZE(names); i++) {
        HF_AUTOFREE char *keys = hf_asprintf("db = tcp://h\ndump = %s\n", names[i]);
        assert_refused(keys, "", "is not the name of a schema", "all, none");
    }
    assert_refused("db = tcp://h\ndump = shop, all\n", "", "stand alone", "");
}

/* ---- profiles ---------------------------------------------------------------------------- */

static void a_profile_is_read_when_the_file_has_no_section(void **state)
{
    app_dir(state);
    hf_test_file(state, "apps/wiki.conf", "[app wiki]\nservices = apache2\n", 0644);
    HF_AUTO(hf_config) struct hf_config *c = good_vm("apps = wiki\n", "");
    struct hf_err err = HF_ERR_INIT;
    const struct hf_config_app *app = hf_config_find_app(c, "wiki", &err);
    assert_hf_got(app, &err);
    assert_contains(app->file, "apps/wiki.conf");
    assert_list(&hf_config_vm_at(c, 0)->services, "apache2.service");
}

static void a_section_of_the_file_wins(void **state)
{
    app_dir(state);
    hf_test_file(state, "apps/wiki.conf", "not even a profile", 0644);
    HF_AUTO(hf_config)
    struct hf_config *c = good_vm("apps = wiki\n", "[app wiki]\nservices = own\n");
    assert_list(&hf_config_vm_at(c, 0)->services, "own.service");
}

static void mistakes_in_a_profile_are_told_with_its_name(void **state)
{
    app_dir(state);
    hf_test_file(state, "apps/a.conf", "[app a]\nservice = x\n", 0644);
    hf_test_file(state, "apps/b.conf", "[app a]\n", 0644);
    hf_test_file(state, "apps/c.conf", "[app c]\n[vm evil]\nhypervisor = lab\n", 0644);
    hf_test_file(state, "apps/d.conf", "", 0644);
    assert_refused("apps = a\n", "", "apps/a.conf:2: unknown key 'service'", "services");
    assert_refused("apps = b\n", "", "b.conf: not a profile: it must have one section, [app b]",
                   "");
    assert_refused("apps = c\n", "", "c.conf: not a profile", "");
    assert_refused("apps = d\n", "", "d.conf: not a profile", "");
}

static void a_profile_that_others_can_write_is_refused(void **state)
{
    if (geteuid() != 0)
        skip();
    app_dir(state);
    const char *path = hf_test_file(state, "apps/wiki.conf", "[app wiki]\n", 0644);
    assert_int_equal(chmod(path, 0646), 0);
    assert_refused("apps = wiki\n", "", "can be written by others than root", "chmod go-w");
}

static void app_dir_can_be_set_in_the_file(void **state)
{
    const char *dir = app_dir(state);
    struct hf_err err = HF_ERR_INIT;
    hf_test_file(state, "apps/wiki.conf", "[app wiki]\n", 0644);
    unsetenv("HOLDFAST_APP_DIR");
    HF_AUTOFREE char *section = hf_asprintf("[defaults]\napp-dir = %s\n", dir);
    HF_AUTO(hf_config) struct hf_config *c = good_vm("apps = wiki\n", section);
    assert_hf_got(hf_config_find_app(c, "wiki", &err), &err);
    assert_refused("apps = wiki\n", "[defaults]\napp-dir = /nowhere\n",
                   "no such profile in /nowhere", "[app wiki]");
}

/* As it would be installed, whoever owns the source. */
static void install(void **state, const char *from, const char *entry)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *path = hf_path_join(from, entry);
    HF_AUTOFREE char *text = hf_path_read(path, 1 << 20, NULL, &err);
    HF_AUTOFREE char *to = hf_asprintf("apps/%s", entry);
    assert_hf_got(text, &err);
    hf_test_file(state, to, text, 0644);
}

static void every_profile_that_is_shipped_fits_a_vm(void **state)
{
    HF_AUTOFREE char *from = hf_path_join(getenv("HOLDFAST_SOURCE_DIR"), "apps");
    DIR *dir = opendir(from);
    size_t n = 0;
    app_dir(state);
    assert_non_null(dir);
    for (const struct dirent *e; (e = readdir(dir));) {
        if (e->d_name[0] == '.')
            continue;
        install(state, from, e->d_name);
        HF_AUTOFREE char *name = strndup(e->d_name, strcspn(e->d_name, "."));
        HF_AUTOFREE char *keys = hf_asprintf("apps = %s\ndb = tcp://h\n", name);
        HF_AUTO(hf_config) struct hf_config *c = good_vm(keys, "");
        const struct hf_config_vm *vm = hf_config_vm_at(c, 0);
        assert_true(vm->services.n && vm->files.n && vm->probe.n && vm->dump.schemas.n);
        n++;
    }
    closedir(dir);
    assert_int_equal(n, 2);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(what_an_app_names_is_added_behind_the_vms_own),
        HF_TEST(schedulers_of_all_apps_stop_before_the_services_of_any),
        HF_TEST(what_two_name_is_there_once),
        HF_TEST(a_vm_without_apps_has_what_it_says_itself),
        HF_TEST(dump_is_the_schemas_of_the_apps_unless_it_is_set),
        HF_TEST(conflicts_say_what_to_do),
        HF_TEST(an_unknown_app_is_named_with_the_nearest_one),
        HF_TEST(a_name_cannot_leave_the_directory),
        HF_TEST(schemas_are_names),
        HF_TEST(a_profile_is_read_when_the_file_has_no_section),
        HF_TEST(a_section_of_the_file_wins),
        HF_TEST(mistakes_in_a_profile_are_told_with_its_name),
        HF_TEST(a_profile_that_others_can_write_is_refused),
        HF_TEST(app_dir_can_be_set_in_the_file),
        HF_TEST(every_profile_that_is_shipped_fits_a_vm),
    };
    return HF_RUN_TESTS("config.apps", tests);
}
