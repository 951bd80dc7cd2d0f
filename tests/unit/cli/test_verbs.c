/* SPDX-License-Identifier: Apache-2.0
 *
 * The real verb tables: sound in themselves, complete in the help; the verbs that only speak.
 */
#include "base/buf.h"
#include "catalog/catalog.h"
#include "cli/args.h"
#include "cli/help.h"
#include "cli/text.h"
#include "cli_run.h"
#include "net/json.h"

static void every_table_is_sound(void **state)
{
    (void)state;
    for (size_t i = 0; hf_verbs[i]; i++) {
        const struct hf_verb *v = hf_verbs[i];
        assert_non_null(v->run);
        assert_non_null(v->args);
        assert_true(v->min_args <= v->max_args);
        assert_true(v->max_args == 0 ? *v->args == '\0' : *v->args != '\0');
        assert_true(strlen(v->summary) > 0 && v->summary[strlen(v->summary) - 1] != '.');
        assert_ptr_equal(hf_cli_find_verb(hf_verbs, v->name), v);
        assert_false(hf_cli_is_group(hf_verbs, v->name)); /* or its second word could not be told */
    }
}

/* An option of a verb that has the name or letter of a global one would hide it. */
static void every_option_has_a_name_and_letter_of_its_own(void **state)
{
    (void)state;
    for (size_t i = 0; hf_verbs[i]; i++) {
        const struct hf_verb *v = hf_verbs[i];
        size_t n = v->n_opts + HF_GLOBAL_COUNT;
        for (size_t a = 0; a < n; a++) {
            const struct hf_cli_opt *x =
                a < v->n_opts ? &v->opts[a] : &hf_cli_globals[a - v->n_opts];
            assert_int_equal(x->type == HF_OPT_FLAG, x->arg == NULL);
            assert_int_equal(x->help[strlen(x->help) - 1], '.');
            for (size_t b = a + 1; b < n; b++) {
                const struct hf_cli_opt *y =
                    b < v->n_opts ? &v->opts[b] : &hf_cli_globals[b - v->n_opts];
                assert_string_not_equal(x->name, y->name);
                assert_true(!x->letter || x->letter != y->letter);
            }
        }
    }
}

static void assert_fits(const char *text)
{
    HF_AUTOFREE char *copy = strdup(text);
    for (char *save = NULL, *l = strtok_r(copy, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
        assert_true(hf_text_columns(l) <= HF_TEXT_WIDTH);
}

static void help_names_every_verb_and_option(void **state)
{
    HF_AUTO(cli_run) struct cli_run all = cli_run(state, hf_verbs, "holdfast --help");
    assert_fits(all.out);
    for (size_t i = 0; hf_verbs[i]; i++) {
        const struct hf_verb *v = hf_verbs[i];
        if (v->hidden) {
            assert_lacks(all.out, v->name);
            continue;
        }
        HF_AUTOFREE char *entry = hf_asprintf("\n  %s", v->name);
        HF_AUTOFREE char *line = hf_asprintf("holdfast %s --help", v->name);
        HF_AUTO(cli_run) struct cli_run one = cli_run(state, hf_verbs, line);
        assert_contains(all.out, entry);
        assert_int_equal(one.status, 0);
        assert_contains(one.out, v->name);
        assert_fits(one.out);
        for (size_t o = 0; o < v->n_opts + HF_GLOBAL_COUNT; o++) {
            HF_AUTO(hf_buf) struct hf_buf name = HF_BUF_INIT;
            hf_help_option_name(&name,
                                o < v->n_opts ? &v->opts[o] : &hf_cli_globals[o - v->n_opts]);
            assert_contains(one.out, hf_buf_str(&name));
        }
    }
}

static void help_of_a_first_word_lists_its_verbs(void **state)
{
    HF_AUTO(cli_run)
    struct cli_run by_option = cli_run(state, hf_verbs, "holdfast snapshot --help");
    HF_AUTO(cli_run) struct cli_run by_verb = cli_run(state, hf_verbs, "holdfast help snapshot");
    assert_contains(by_option.out, "snapshot create VM");
    assert_lacks(by_option.out, "sample-config  ");
    assert_string_equal(by_option.out, by_verb.out);
}

static void help_is_a_verb_too(void **state)
{
    HF_AUTO(cli_run) struct cli_run a = cli_run(state, hf_verbs, "holdfast help snapshot create");
    HF_AUTO(cli_run) struct cli_run b = cli_run(state, hf_verbs, "holdfast snapshot create --help");
    HF_AUTO(cli_run) struct cli_run wrong = cli_run(state, hf_verbs, "holdfast help snapshot x");
    assert_string_equal(a.out, b.out);
    assert_int_equal(wrong.status, 2);
}

static void help_as_json_lists_verbs_with_their_options(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct json_object *list = NULL;
    HF_AUTO(cli_run) struct cli_run r = cli_run(state, hf_verbs, "holdfast help --json");
    HF_AUTOJSON struct json_object *doc = hf_json_parse(r.out, strlen(r.out), &err);
    assert_hf_got(doc, &err);
    assert_hf_ok(hf_json_get_array(doc, "verbs", &list, &err), &err);
    size_t listed = 0;
    for (size_t i = 0; hf_verbs[i]; i++)
        listed += !hf_verbs[i]->hidden;
    assert_int_equal(json_object_array_length(list), listed);
}

static void the_sample_configuration_parses(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(cli_run) struct cli_run r = cli_run(state, hf_verbs, "holdfast sample-config");
    HF_AUTO(hf_config)
    struct hf_config *c = hf_config_parse(r.out, strlen(r.out), "sample", &err);
    assert_hf_got(c, &err);
    assert_int_equal(hf_config_vm_count(c), 1);
    assert_fits(r.out);
}

/* A key of another kind of store than the one that the sample shows, or of mail beside the webhook. */
static bool is_of_another_kind(const char *line, char section)
{
    static const struct {
        char section; /* its first letter */
        const char *key;
    } keys[] = {
        {'s', ";ssh-key "},       {'s', ";ssh-known-hosts "}, {'s', ";user "},
        {'s', ";password-file "}, {'n', ";mail-to "},         {'n', ";mail-from "},
        {'n', ";smtp "},          {'n', ";smtp-user "},       {'n', ";smtp-password-file "}};
    for (size_t i = 0; i < HF_ARRAY_SIZE(keys); i++)
        if (keys[i].section == section && strncmp(line, keys[i].key, strlen(keys[i].key)) == 0)
            return true;
    return false;
}

/* … and so does everything that it shows behind a ';'. */
static void every_example_of_the_sample_is_accepted(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    HF_AUTO(cli_run) struct cli_run r = cli_run(state, hf_verbs, "holdfast sample-config");
    char section = 0;
    for (char *save = NULL, *l = strtok_r(r.out, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
        const char *heading = l + (l[0] == ';');
        section = heading[0] == '[' ? heading[1] : section;
        bool is_shown = l[0] == ';' && l[1] != ' ' && !is_of_another_kind(l, section);
        hf_buf_printf(&text, "%s\n", is_shown ? l + 1 : l);
    }
    HF_AUTO(hf_config) struct hf_config *c = hf_config_parse(text.data, text.len, "sample", &err);
    assert_hf_got(c, &err);
    assert_int_equal(hf_config_vm_at(c, 0)->quiesce, HF_QUIESCE_LOCK);
    assert_true(hf_config_vm_at(c, 0)->require_line > 0);
}

/* ---- status and show, of a state directory of their own ----------------------------------- */

/* "holdfast -c FILE" of a configuration with one VM, web01, on a hypervisor for which there is no plugin. */
static struct cli_run run_with_state(void **state, const char *line)
{
    HF_AUTOFREE char *text = hf_asprintf("[defaults]\nstate = %s/state\n[hypervisor lab]\nplugin = "
                                         "none\n[vm web01]\nhypervisor = lab\n",
                                         hf_test_dir(state));
    const char *path = hf_test_file(state, "holdfast.conf", text, 0600);
    HF_AUTOFREE char *whole = hf_asprintf("holdfast -c %s %s", path, line);
    return cli_run(state, hf_verbs, whole);
}

static void record(void **state, const char *outcome, const char *report)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *dir = hf_asprintf("%s/state", hf_test_dir(state));
    HF_AUTO(hf_catalog) struct hf_catalog *c = hf_catalog_open(dir, hf_clock_system(), &err);
    assert_hf_got(c, &err);
    struct hf_catalog_run run = {.id = "20261123T030000Z-7f3a9c21",
                                 .verb = "snapshot create",
                                 .vm = "web01",
                                 .hypervisor = "lab",
                                 .vm_id = "u",
                                 .outcome = outcome,
                                 .report = report,
                                 .started_us = 1000000,
                                 .ended_us = 2000000};
    assert_hf_ok(hf_catalog_run_end(c, &run, &err), &err);
}

static void monitoring_gets_its_line_and_status_whatever_happens(void **state)
{
    HF_AUTO(cli_run)
    struct cli_run absent = cli_run(state, hf_verbs, "holdfast status --check -c /nonexistent");
    assert_int_equal(absent.status, 3);
    assert_contains(absent.out, "HOLDFAST UNKNOWN - configuration file '/nonexistent'");
    HF_AUTO(cli_run)
    struct cli_run json =
        cli_run(state, hf_verbs, "holdfast status --check --json -c /nonexistent");
    assert_int_equal(json.status, 3);
    assert_contains(json.out, "{\"error\":{\"class\":");
    /* Nobody knows whether a limit is exceeded, and that is told. */
    HF_AUTO(cli_run) struct cli_run unasked = run_with_state(state, "status --check");
    assert_int_equal(unasked.status, 1);
    assert_string_equal(
        unasked.out,
        "HOLDFAST WARNING - 1 VM, last run failed on 0, below its grade on 0, "
        "drill failed on 0, overdue on 0, over a limit or overdue 0, not reached 1, "
        "nothing to go back to on 1, in no policy any more 0, 0 runs open"
        " | vms=1 duties=0 overdue=0 failed=0 interrupted=0 degraded=0 busy=0 unfollowed=0 "
        "alarms=0 bare=1\n");
    record(state, "failed", NULL);
    HF_AUTO(cli_run) struct cli_run failed = run_with_state(state, "status --check --json");
    assert_int_equal(failed.status, 2);
    assert_contains(failed.out, "\"outcome\":\"failed\"");
    HF_AUTO(cli_run) struct cli_run plain = run_with_state(state, "--json status");
    assert_int_equal(plain.status, 0);
}

static void status_has_every_member_also_of_a_vm_without_runs(void **state)
{
    HF_AUTO(cli_run) struct cli_run r = run_with_state(state, "--json status");
    assert_string_equal(
        r.out, "{\"vms\":[{\"vm\":\"web01\",\"last_run\":null,\"verb\":null,\"outcome\":null,"
               "\"started_at\":null,\"newest\":null,\"grade\":null,\"stall_ms\":null,"
               "\"snapshots\":0,\"oldest_at\":null,\"last_drill\":null,\"drill_every_ms\":null,"
               "\"drill_since\":null,\"drill_overdue\":false,\"points\":0,\"last_point\":"
               "null,\"overlay_bytes\":null,\"chain\":null,"
               "\"store\":null,\"store_free_bytes\":null,\"store_total_bytes\":null,"
               "\"hypervisor_error\":\"hypervisor lab: no plugin 'none'\","
               "\"next_expiry_at\":null,\"overdue\":[],\"overdue_ms\":0,\"limits\":[]}],"
               "\"open_runs\":[],\"undecided\":[],\"stores\":[],\"policies\":[],\"alarms\":[],"
               "\"forgotten\":[],\"holdfastd_runs\":null}\n");
}

static void show_tells_why_a_run_failed_also_when_it_was_undone_later(void **state)
{
    record(state, "failed",
           "{\"error\":{\"class\":\"timeout\",\"message\":\"hold-limit passed\",\"hint\":null,"
           "\"left\":[\"snapshot s\",\"file f\"]}}");
    HF_AUTO(cli_run) struct cli_run failed = run_with_state(state, "show 2026");
    assert_int_equal(failed.status, 0);
    assert_contains(failed.out, "outcome    failed\n");
    assert_contains(failed.out,
                    "error      hold-limit passed\nleft       snapshot s\nleft       file f\n");
    assert_lacks(failed.out, "hint");
    record(state, "undone", NULL);
    HF_AUTO(cli_run) struct cli_run undone = run_with_state(state, "show 2026");
    assert_contains(undone.out, "outcome    undone: ");
    assert_contains(undone.out, "error      hold-limit passed\n");
}

static void show_of_nothing_names_where_to_look(void **state)
{
    HF_AUTO(cli_run) struct cli_run r = run_with_state(state, "show hf-x");
    assert_int_equal(r.status, 1);
    assert_contains(r.err, "holdfast: no run 'x': at least 4 characters of its id are needed\n");
    assert_contains(r.err, "hint: `holdfast snapshot list`");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(every_table_is_sound),
        HF_TEST(every_option_has_a_name_and_letter_of_its_own),
        HF_TEST(help_names_every_verb_and_option),
        HF_TEST(help_of_a_first_word_lists_its_verbs),
        HF_TEST(help_is_a_verb_too),
        HF_TEST(help_as_json_lists_verbs_with_their_options),
        HF_TEST(the_sample_configuration_parses),
        HF_TEST(every_example_of_the_sample_is_accepted),
        HF_TEST(monitoring_gets_its_line_and_status_whatever_happens),
        HF_TEST(status_has_every_member_also_of_a_vm_without_runs),
        HF_TEST(show_tells_why_a_run_failed_also_when_it_was_undone_later),
        HF_TEST(show_of_nothing_names_where_to_look),
    };
    return HF_RUN_TESTS("cli.verbs", tests);
}
