/* SPDX-License-Identifier: Apache-2.0
 *
 * `probe`: kinds, words, several of them, and what each needs.
 */
#include "base/buf.h"
#include "config/config.h"
#include "harness/hf_test.h"

#include <string.h>

#define DB "db = tcp://10.0.0.5\n"

/* [vm web01] with these keys from line 5 on. */
static struct hf_config *parse_vm(const char *keys, struct hf_err *err)
{
    HF_AUTOFREE char *text =
        hf_asprintf("[hypervisor lab]\nplugin = libvirt\n[vm web01]\nhypervisor = lab\n%s", keys);
    return hf_config_parse(text, strlen(text), "test.conf", err);
}

static void assert_refused(const char *keys, const char *message, const char *hint)
{
    struct hf_err err = HF_ERR_INIT;
    assert_null(parse_vm(keys, &err));
    assert_hf_err(&err, HF_E_CONFIG, message);
    assert_contains(err.hint, hint);
}

static void several_lines_are_several_probes_in_their_order(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_config)
    struct hf_config *c = parse_vm(DB "probe = sql select COUNT(*) > 0 FROM shop.orders\n"
                                      "probe-grace = 2m\n"
                                      "probe = http http://127.0.0.1:8080/health\n"
                                      "probe = http https://web01/gone 410\n"
                                      "probe = unit apache2\n"
                                      "probe = guest /usr/local/bin/selftest --name 'a b' \"\"\n"
                                      "probe = command /usr/local/bin/check-site a\"b c\"d\n",
                                   &err);
    assert_hf_got(c, &err);
    const struct hf_config_vm *vm = hf_config_vm_at(c, 0);
    const struct hf_vm_probe *p = vm->probe.items;
    assert_int_equal(vm->probe.n, 6);
    assert_int_equal(vm->probe_line, 6);
    assert_int_equal(vm->probe_grace, 120000);
    assert_int_equal(vm->probe_timeout, 10000);
    assert_int_equal(p[0].kind, HF_PROBE_SQL);
    assert_string_equal(p[0].what, "select COUNT(*) > 0 FROM shop.orders");
    assert_string_equal(p[0].text, "sql select COUNT(*) > 0 FROM shop.orders");
    assert_int_equal(p[1].status, 0);
    assert_string_equal(p[2].what, "https://web01/gone");
    assert_int_equal(p[2].status, 410);
    assert_string_equal(p[3].what, "apache2.service");
    assert_int_equal(p[4].argv.n, 4);
    assert_string_equal(p[4].argv.items[2], "a b");
    assert_string_equal(p[4].argv.items[3], "");
    assert_int_equal(p[5].kind, HF_PROBE_COMMAND);
    assert_string_equal(p[5].argv.items[1], "ab cd");
    assert_string_equal(hf_probe_kind_name(p[5].kind), "command");
}

static void each_mistake_is_named_with_its_line(void **state)
{
    (void)state;
    static const char expected[] = "sql QUERY, http URL [STATUS]";
    assert_refused(DB "probe = htp http://a/\n", "test.conf:6: probe: 'htp' is no kind of probe",
                   "Did you mean 'http'?");
    assert_refused("probe = frobnicate\n", "'frobnicate' is no kind of probe", expected);
    assert_refused("probe = http\n", "http what?", expected);
    assert_refused(DB "probe = sql DELETE FROM shop.orders\n", "is no query", expected);
    assert_refused(DB "probe = sql SELECTED\n", "is no query", expected);
    assert_refused("probe = http ftp://web01/\n", "does not begin with http:// or https://",
                   expected);
    assert_refused("probe = http http:///health\n", "names no host", expected);
    assert_refused("probe = http http://me:secret@web01/\n",
                   "a user or password in a URL is refused", expected);
    assert_refused("probe = http http://web01/ 600\n", "'600' is no HTTP status", expected);
    assert_refused("probe = http http://web01/ 2xx\n", "'2xx' is no HTTP status", expected);
    assert_refused("probe = http http://web01/ 200 now\n", "text behind URL and status: 'now'",
                   expected);
    assert_refused("probe = unit apache2 cron\n", "is not the name of a systemd unit", expected);
    assert_refused("probe = guest selftest\n", "'selftest' is not an absolute path", expected);
    assert_refused("probe = command /bin/true 'a\n", "a quote without its end", expected);
    assert_refused("prob = unit cron\n", "unknown key 'prob'", "Did you mean 'probe'?");
}

static void a_probe_needs_the_way_to_what_it_looks_at(void **state)
{
    (void)state;
    assert_refused("probe = sql SELECT 1\n", "a probe asks the database, and there is no 'db'",
                   "Add 'db");
    assert_refused("guest = none\nprobe = unit cron\n", "a probe looks into the guest",
                   "Set 'guest");
    assert_refused("guest = none\nprobe = guest /bin/true\n", "a probe looks into the guest",
                   "Set 'guest");
}

static void their_number_is_bounded(void **state)
{
    (void)state;
    HF_AUTO(hf_buf) struct hf_buf keys = HF_BUF_INIT;
    for (int i = 0; i < 33; i++)
        hf_buf_str_add(&keys, "probe = unit cron\n");
    assert_refused(hf_buf_str(&keys), "test.conf:37: probe: more than 32 probes", "");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(several_lines_are_several_probes_in_their_order),
        HF_TEST(each_mistake_is_named_with_its_line),
        HF_TEST(a_probe_needs_the_way_to_what_it_looks_at),
        HF_TEST(their_number_is_bounded),
    };
    return HF_RUN_TESTS("config.probe", tests);
}
