/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines, headings and keys: what is read, and every mistake with its line and its way out.
 */
#include "base/buf.h"
#include "parsing.h"

#include <stdlib.h>
#include <string.h>

#define LAB "[hypervisor lab]\nplugin = libvirt\n"

static void reads_every_key(void **state)
{
    (void)state;
    HF_AUTO(hf_config)
    struct hf_config *c = parse("[defaults]\n"
                                "state = /srv/state\n"
                                "catalog = sqlite\n" LAB "uri = qemu:///system\n"
                                "[vm web01]\n"
                                "hypervisor = lab\n"
                                "name = WEB 01\n"
                                "guest = none\n"
                                "db = tcp://10.0.0.5:3307\n"
                                "db-defaults-file = /etc/web01.cnf\n"
                                "quiesce = lock\n"
                                "stall-budget = 250ms\n"
                                "quiesce-timeout = 1m30s\n"
                                "hold-limit = 5s\n"
                                "require = C\n");
    struct hf_err err = HF_ERR_INIT;
    const struct hf_config_vm *vm = hf_config_find_vm(c, "web01", &err);
    assert_hf_got(vm, &err);
    assert_string_equal(hf_config_get_defaults(c)->state, "/srv/state");
    assert_string_equal(vm->label, "web01");
    assert_string_equal(vm->hypervisor, "lab");
    assert_string_equal(vm->name, "WEB 01");
    assert_int_equal(vm->guest, HF_GUEST_NONE);
    assert_int_equal(vm->db.kind, HF_DB_TCP);
    assert_string_equal(vm->db.host, "10.0.0.5");
    assert_int_equal(vm->db.port, 3307);
    assert_string_equal(vm->db_defaults_file, "/etc/web01.cnf");
    assert_int_equal(vm->quiesce, HF_QUIESCE_LOCK);
    assert_int_equal(vm->stall_budget, 250);
    assert_int_equal(vm->quiesce_timeout, 90000);
    assert_int_equal(vm->hold_limit, 5000);
    assert_int_equal(vm->require, HF_GRADE_C);
    assert_int_equal(vm->line, 7);
    assert_int_equal(vm->stall_budget_line, 14);
}

static void keeps_the_plugins_keys_with_their_lines(void **state)
{
    (void)state;
    HF_AUTO(hf_config)
    struct hf_config *c = parse("[hypervisor lab]\nuri = qemu:///system\nplugin = libvirt\n"
                                "; a comment\ntoken-id = root@pam!hf\n");
    const struct hf_config_hypervisor *h = hf_config_hypervisor_at(c, 0);
    assert_int_equal(hf_config_hypervisor_count(c), 1);
    assert_string_equal(h->plugin, "libvirt");
    assert_int_equal(h->n_kv, 2);
    assert_string_equal(h->kv[0].key, "uri");
    assert_string_equal(h->kv[0].value, "qemu:///system");
    assert_int_equal(h->kv_lines[0], 2);
    assert_string_equal(h->kv[1].key, "token-id");
    assert_int_equal(h->kv_lines[1], 5);
    assert_string_equal(h->file, "test.conf");
}

static void accepts_comments_indentation_crlf_and_a_bom(void **state)
{
    (void)state;
    HF_AUTO(hf_config)
    struct hf_config *c = parse("\xef\xbb\xbf# first\r\n"
                                "[ hypervisor \t lab ]  ; the lab\r\n"
                                "\tplugin=libvirt\t; what it is\r\n"
                                "   uri : qemu:///system;x\r\n\r\n"
                                "[vm web01] # last\r\n  hypervisor = lab");
    assert_string_equal(hf_config_hypervisor_at(c, 0)->plugin, "libvirt");
    assert_string_equal(hf_config_hypervisor_at(c, 0)->kv[0].value, "qemu:///system;x");
    assert_string_equal(hf_config_vm_at(c, 0)->hypervisor, "lab");
}

static void accepts_an_empty_file(void **state)
{
    (void)state;
    HF_AUTO(hf_config) struct hf_config *c = parse("");
    assert_int_equal(hf_config_vm_count(c), 0);
    assert_string_equal(hf_config_get_defaults(c)->state, "/var/lib/holdfast");
}

static void names_the_nearest_key(void **state)
{
    (void)state;
    assert_refused(LAB "[vm web01]\nhypervisor = lab\nstal-budget = 2s\n",
                   "test.conf:5: unknown key 'stal-budget' in [vm web01]",
                   "Did you mean 'stall-budget'?");
    assert_refused(LAB "[vm web01]\nstall_budget = 2s\n", "unknown key", "'stall-budget'");
    assert_refused(LAB "[vm web01]\nzzzzzzzzzz = 2s\n", "unknown key",
                   "The keys of [vm] are: hypervisor, name,");
}

static void refuses_keys_of_later_versions(void **state)
{
    (void)state;
    assert_refused(LAB "[vm web01]\nschedule = daily\n", "unknown key 'schedule'", "keys of [vm]");
    assert_refused(LAB "[vm web01]\ncheckpoint = yes\n", "checkpoint", "auto, always or never");
    assert_refused("[fleet west]\nhosts = 3\n", "test.conf:1: unknown section [fleet]",
                   "sample-config");
}

static void names_the_nearest_section(void **state)
{
    (void)state;
    assert_refused("\n[hypervizor lab]\n", "test.conf:2: unknown section [hypervizor]",
                   "'hypervisor'");
}

static void refuses_what_stands_there_twice(void **state)
{
    (void)state;
    assert_refused("[defaults]\nstate = /a\nstate = /b\n",
                   "test.conf:3: key 'state' stands here a second time in [defaults]", "line 2");
    assert_refused(LAB "uri = a\nuri = b\n", "test.conf:4: key 'uri'", "line 3");
    assert_refused(LAB "[vm a]\nhypervisor = lab\n[vm a]\n",
                   "test.conf:5: section [vm a] stands here a second time", "line 3");
    assert_refused("[defaults]\n[defaults]\n", "section [defaults] stands", "line 1");
}

static void refuses_headings_that_say_nothing_clear(void **state)
{
    (void)state;
    assert_refused("[vm]\n", "section [vm] has no name", "[vm NAME]");
    assert_refused("[defaults x]\n", "takes no name, here 'x'", "");
    assert_refused("[vm web 01]\n", "'web 01' cannot be the name", "key 'name'");
    assert_refused("[vm -x]\n", "'-x' cannot be the name", "letters");
    assert_refused("[vm ../x]\n", "cannot be the name", "letters");
    assert_refused("[vm web01\n", "test.conf:1: section heading without its ']'", "");
    assert_refused("[vm web01] hypervisor = lab\n", "unexpected text behind", "");
}

static void long_names_of_sections_are_not_cut(void **state)
{
    (void)state;
    /* libinih keeps 49 bytes of "vm NAME": these two would be the same to it */
    HF_AUTO(hf_config)
    struct hf_config *c = parse(
        LAB "[vm aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1]\nhypervisor = lab\n"
            "[vm aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa2]\nhypervisor = lab\n");
    assert_int_equal(hf_config_vm_count(c), 2);
    assert_int_equal(strlen(hf_config_vm_at(c, 1)->label), 55);
    assert_refused("[vm aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]\n",
                   "cannot be the name", "at most 64");
}

static void refuses_lines_that_are_no_assignment(void **state)
{
    (void)state;
    assert_refused("state = /x\n", "test.conf:1: key 'state' stands before the first", "");
    assert_refused("[defaults]\nstate /x\n", "test.conf:2: neither 'key = value'", "comments");
    assert_refused("[defaults]\n = /x\n", "test.conf:2: '=' without a key", "");
    assert_refused("[defaults]\nstate =\n", "test.conf:2: key 'state' has no value", "default");
    assert_refused("[defaults]\nstate = ; none\n", "key 'state' has no value", "default");
    assert_refused(LAB "uri =\n", "key 'uri' has no value", "");
}

static void an_indented_line_is_no_continuation(void **state)
{
    (void)state;
    assert_refused("[defaults]\nstate = /a\n  /b\n", "test.conf:3: neither", "next line");
}

static void the_first_mistake_is_reported(void **state)
{
    (void)state;
    assert_refused("[defaults]\nnonsense\nstat = /x\n", "test.conf:2: neither", "");
    assert_refused("[defaults]\nstat = /x\nnonsense\n", "test.conf:2: unknown key 'stat'", "state");
}

static void a_hash_behind_a_value_is_no_comment(void **state)
{
    (void)state;
    assert_refused("[defaults]\nstate = /x # here\n", "'#' inside the value of 'state'", "' ;'");
    HF_AUTO(hf_config) struct hf_config *c = parse("[defaults]\nstate = /x#y\n");
    assert_string_equal(hf_config_get_defaults(c)->state, "/x#y");
}

static void refuses_control_characters(void **state)
{
    (void)state;
    static const char nul[] = "[defaults]\nstate = /x\0y\n";
    struct hf_err err = HF_ERR_INIT;
    assert_null(hf_config_parse(nul, sizeof(nul) - 1, "test.conf", &err));
    assert_hf_err(&err, HF_E_CONFIG, "test.conf:2: control character 0x00 in column 11");
    assert_refused("[defaults]\n\nstate = /x\x1b[2J\n", "test.conf:3: control character 0x1b", "");
}

/* 4096 bytes for libinih's buffer, less newline and NUL. */
static void a_line_is_read_whole_or_refused(void **state)
{
    (void)state;
    for (size_t total = 4090; total < 4100; total++) {
        struct hf_err err = HF_ERR_INIT;
        char line[4200];
        memset(line, 'x', sizeof(line));
        memcpy(line, "state = /", 9);
        line[total] = '\0';
        HF_AUTOFREE char *text = hf_asprintf("[defaults]\n%s\n", line);
        HF_AUTO(hf_config)
        struct hf_config *c = hf_config_parse(text, strlen(text), "test.conf", &err);
        if (total <= 4094) {
            assert_hf_got(c, &err);
            assert_int_equal(strlen(hf_config_get_defaults(c)->state), total - 8);
        } else {
            assert_null(c);
            assert_hf_err(&err, HF_E_CONFIG, "test.conf:2: line longer than 4094 bytes");
        }
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(reads_every_key),
        HF_TEST(keeps_the_plugins_keys_with_their_lines),
        HF_TEST(accepts_comments_indentation_crlf_and_a_bom),
        HF_TEST(accepts_an_empty_file),
        HF_TEST(names_the_nearest_key),
        HF_TEST(refuses_keys_of_later_versions),
        HF_TEST(names_the_nearest_section),
        HF_TEST(refuses_what_stands_there_twice),
        HF_TEST(refuses_headings_that_say_nothing_clear),
        HF_TEST(long_names_of_sections_are_not_cut),
        HF_TEST(refuses_lines_that_are_no_assignment),
        HF_TEST(an_indented_line_is_no_continuation),
        HF_TEST(the_first_mistake_is_reported),
        HF_TEST(a_hash_behind_a_value_is_no_comment),
        HF_TEST(refuses_control_characters),
        HF_TEST(a_line_is_read_whole_or_refused),
    };
    return HF_RUN_TESTS("config.parse", tests);
}
