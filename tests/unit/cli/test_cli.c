/* SPDX-License-Identifier: Apache-2.0
 *
 * The frame around a verb: exit statuses, errors as text and as JSON, configuration, signals, a
 * broken stdout.
 */
#include "cli_run.h"
#include "net/json.h"

#include <poll.h>
#include <signal.h>

/* ---- verbs of the test ------------------------------------------------------------------ */

static int run_ok(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    (void)args;
    hf_log(cli->log, HF_LOG_INFO, "test", "info line");
    hf_log(cli->log, HF_LOG_WARN, "test", "warn line");
    hf_log(cli->log, HF_LOG_DETAIL, "test", "detail line");
    hf_log(cli->log, HF_LOG_DEBUG, "test", "debug line");
    HF_AUTOJSON struct json_object *doc = json_object_new_object();
    if (hf_json_add_string(doc, "self", cli->self) != 0)
        return hf_fail_nomem(err);
    return hf_cli_print_json(doc, err);
}

static int run_degraded(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    (void)cli, (void)args, (void)err;
    return 3;
}

static int run_busy(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    (void)cli, (void)args;
    hf_fail(err, HF_E_BUSY, "another run holds the VM");
    hf_hint(err, "Try again later.");
    hf_left(err, "snapshot 'a' remains");
    return hf_left(err, "mariadb is stopped");
}

static int run_silent(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    (void)cli, (void)args, (void)err;
    return -1;
}

static int run_config(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    (void)args;
    HF_AUTO(hf_table) struct hf_table *t = hf_table_new(2);
    if (!t || hf_table_row(t, "VM", "STATE") != 0 ||
        hf_table_row(t, "wéb", hf_config_get_defaults(cli->config)->state) != 0 ||
        hf_table_row(t, "database01", NULL) != 0)
        return hf_fail_nomem(err);
    return hf_table_print(t, err);
}

/* Sends itself as many signals as it has words, each waited for; ends when the last one has come.
 */
static int run_signalled(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    for (size_t i = 0; i < args->n; i++)
        raise(atoi(args->items[i]));
    struct pollfd p = {.fd = hf_cancel_fd(cli->cancel), .events = POLLIN};
    if (poll(&p, 1, 0) != 1)
        return 0;
    return hf_cancel_check(cli->cancel, err);
}

static const struct hf_verb ok = {.name = "ok", .args = "", .summary = "works", .run = run_ok};
static const struct hf_verb degraded = {
    .name = "degraded", .args = "", .summary = "half", .run = run_degraded};
static const struct hf_verb busy = {
    .name = "busy", .args = "", .summary = "refused", .run = run_busy};
static const struct hf_verb silent = {
    .name = "silent", .args = "", .summary = "a bug", .run = run_silent};
static const struct hf_verb config = {
    .name = "config", .args = "", .summary = "table", .needs_config = true, .run = run_config};
static const struct hf_verb signalled = {
    .name = "signalled", .args = "N…", .max_args = 9, .summary = "waits", .run = run_signalled};
static const struct hf_verb *const verbs[] = {&ok,     &degraded,  &busy, &silent,
                                              &config, &signalled, NULL};

/* ---- cases ------------------------------------------------------------------------------ */

static void statuses_are_those_of_the_contract(void **state)
{
    static const struct {
        const char *line;
        int status;
    } cases[] = {
        {"holdfast -q ok", 0},       {"holdfast silent", 1},    {"holdfast", 2},
        {"holdfast nix", 2},         {"holdfast ok x", 2},      {"holdfast ok -x", 2},
        {"holdfast degraded", 3},    {"holdfast busy", 4},      {"holdfast --help", 0},
        {"holdfast busy --help", 0}, {"holdfast --version", 0},
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        HF_AUTO(cli_run) struct cli_run r = cli_run(state, verbs, cases[i].line);
        assert_int_equal(r.status, cases[i].status);
    }
}

static void an_error_is_three_lines_on_stderr(void **state)
{
    HF_AUTO(cli_run) struct cli_run r = cli_run(state, verbs, "holdfast busy");
    assert_string_equal(r.out, "");
    assert_string_equal(r.err, "holdfast: another run holds the VM\n"
                               "hint: Try again later.\n"
                               "left: snapshot 'a' remains; mariadb is stopped\n");
}

static void an_error_asked_for_as_json_is_one_document(void **state)
{
    HF_AUTO(cli_run) struct cli_run r = cli_run(state, verbs, "holdfast busy --json");
    assert_string_equal(r.err, "");
    assert_string_equal(r.out, "{\"error\":{\"class\":\"busy\",\"message\":\"another run holds the "
                               "VM\",\"hint\":\"Try again later.\",\"left\":[\"snapshot 'a' "
                               "remains\",\"mariadb is stopped\"]}}\n");
}

static void a_usage_error_is_json_too(void **state)
{
    HF_AUTO(cli_run) struct cli_run r = cli_run(state, verbs, "holdfast bsuy --json");
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOJSON struct json_object *doc = hf_json_parse(r.out, strlen(r.out), &err);
    struct json_object *error = NULL;
    const char *cls = NULL;
    assert_hf_got(doc, &err);
    assert_hf_ok(hf_json_get_object(doc, "error", &error, &err), &err);
    assert_hf_ok(hf_json_get_string(error, "class", &cls, &err), &err);
    assert_string_equal(cls, "config");
    assert_string_equal(r.err, "");
}

static void a_failure_without_words_is_reported_as_a_bug(void **state)
{
    HF_AUTO(cli_run) struct cli_run r = cli_run(state, verbs, "holdfast silent");
    assert_contains(r.err, "holdfast: failed without saying why");
}

static void a_full_disk_is_no_success(void **state)
{
    HF_AUTO(cli_run) struct cli_run r = cli_run_to(state, verbs, "holdfast -q ok", "/dev/full");
    assert_int_equal(r.status, 1);
    assert_contains(r.err, "writing to standard output: No space left on device");
}

static void log_levels_follow_the_options(void **state)
{
    HF_AUTO(cli_run) struct cli_run plain = cli_run(state, verbs, "holdfast ok");
    assert_contains(plain.err, "info line");
    assert_lacks(plain.err, "detail line");
    HF_AUTO(cli_run) struct cli_run quiet = cli_run(state, verbs, "holdfast ok -q");
    assert_lacks(quiet.err, "info line");
    assert_contains(quiet.err, "warn line");
    HF_AUTO(cli_run) struct cli_run verbose = cli_run(state, verbs, "holdfast ok -v");
    assert_contains(verbose.err, "detail line");
    assert_lacks(verbose.err, "debug line");
    HF_AUTO(cli_run) struct cli_run debug = cli_run(state, verbs, "holdfast -vv ok --log-json");
    assert_contains(debug.err, "debug line");
    assert_int_equal(debug.err[0], '{');
    assert_contains(debug.out, "{\"self\":\"/");
}

static void the_configuration_comes_from_option_then_environment(void **state)
{
    const char *one = hf_test_file(state, "one.conf", "[defaults]\nstate = /one\n", 0600);
    const char *two = hf_test_file(state, "two.conf", "[defaults]\nstate = /two\n", 0600);
    HF_AUTOFREE char *line = hf_asprintf("holdfast config --config=%s", one);
    setenv("HOLDFAST_CONFIG", two, 1);
    HF_AUTO(cli_run) struct cli_run by_option = cli_run(state, verbs, line);
    HF_AUTO(cli_run) struct cli_run by_environment = cli_run(state, verbs, "holdfast config");
    unsetenv("HOLDFAST_CONFIG");
    assert_string_equal(by_option.out, "VM          STATE\n"
                                       "wéb         /one\n"
                                       "database01  -\n");
    assert_contains(by_environment.out, "/two");
}

static void a_configuration_that_cannot_be_read_is_status_2(void **state)
{
    HF_AUTOFREE char *line = hf_asprintf("holdfast config -c %s", hf_test_path(state, "none.conf"));
    HF_AUTO(cli_run) struct cli_run r = cli_run(state, verbs, line);
    assert_int_equal(r.status, 2);
    assert_contains(r.err, "none.conf' does not exist");
    assert_contains(r.err, "hint: Name another one with --config");
}

static void signals_ask_instead_of_killing(void **state)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < HF_ARRAY_SIZE(numbers); i++) {
        HF_AUTOFREE char *line = hf_asprintf("holdfast --json signalled %d", numbers[i]);
        HF_AUTO(cli_run) struct cli_run r = cli_run(state, verbs, line);
        assert_int_equal(r.status, 1);
        assert_contains(r.out, "\"class\":\"cancelled\"");
        assert_string_equal(r.err, "");
    }
}

static void further_signals_are_answered_once(void **state)
{
    HF_AUTOFREE char *line =
        hf_asprintf("holdfast --json signalled %d %d %d %d", SIGINT, SIGINT, SIGTERM, SIGINT);
    HF_AUTO(cli_run) struct cli_run r = cli_run(state, verbs, line);
    assert_int_equal(r.status, 1);
    assert_string_equal(r.err,
                        "holdfast: already stopping; what was changed is being undone first\n");
}

static void a_signal_that_was_ignored_stays_ignored(void **state)
{
    HF_AUTOFREE char *line = hf_asprintf("holdfast signalled %d %d", SIGHUP, SIGPIPE);
    signal(SIGHUP, SIG_IGN);
    HF_AUTO(cli_run) struct cli_run r = cli_run(state, verbs, line);
    signal(SIGHUP, SIG_DFL);
    assert_int_equal(r.status, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(statuses_are_those_of_the_contract),
        HF_TEST(an_error_is_three_lines_on_stderr),
        HF_TEST(an_error_asked_for_as_json_is_one_document),
        HF_TEST(a_usage_error_is_json_too),
        HF_TEST(a_failure_without_words_is_reported_as_a_bug),
        HF_TEST(a_full_disk_is_no_success),
        HF_TEST(log_levels_follow_the_options),
        HF_TEST(the_configuration_comes_from_option_then_environment),
        HF_TEST(a_configuration_that_cannot_be_read_is_status_2),
        HF_TEST(signals_ask_instead_of_killing),
        HF_TEST(further_signals_are_answered_once),
        HF_TEST(a_signal_that_was_ignored_stays_ignored),
    };
    return HF_RUN_TESTS("cli.cli", tests);
}
