/* SPDX-License-Identifier: Apache-2.0
 *
 * From argv to a verb: where options may stand, what their values are, and what each slip is
 * answered with.
 */
#include "cli/args.h"
#include "cli/help.h"
#include "harness/hf_test.h"

#include <string.h>

static const struct hf_cli_opt opts[] = {
    {.name = "label", .letter = 'l', .type = HF_OPT_STRING, .arg = "TEXT", .help = "Words."},
    {.name = "keep", .type = HF_OPT_DURATION, .arg = "TIME", .help = "How long."},
    {.name = "count", .type = HF_OPT_INT, .arg = "N", .help = "How many."},
    {.name = "dry-run", .letter = 'n', .help = "Change nothing."},
};
static const struct hf_verb create = {.name = "snapshot create",
                                      .args = "VM",
                                      .min_args = 1,
                                      .max_args = 1,
                                      .opts = opts,
                                      .n_opts = HF_ARRAY_SIZE(opts)};
static const struct hf_verb list = {.name = "snapshot list", .args = "[VM]", .max_args = 1};
static const struct hf_verb check = {.name = "check", .args = "[VM…]", .max_args = SIZE_MAX};
static const struct hf_verb hidden = {.name = "guardian", .hidden = true};
static const struct hf_verb *const verbs[] = {&create, &list, &check, &hidden, NULL};

/* One command line; the words of `line` are separated by single blanks. */
struct parsed {
    char text[256];
    char *argv[32];
    struct hf_cli_call call;
    struct hf_err err;
};

static int parse(struct parsed *p, const char *line)
{
    int argc = 0;
    memset(p, 0, sizeof(*p));
    p->err = (struct hf_err)HF_ERR_INIT;
    snprintf(p->text, sizeof(p->text), "%s", line);
    for (char *save = NULL, *w = strtok_r(p->text, " ", &save); w; w = strtok_r(NULL, " ", &save))
        p->argv[argc++] = w;
    return hf_cli_parse(verbs, argc, p->argv, &p->call, &p->err);
}

static const struct hf_cli_value *value(const struct parsed *p, const char *name)
{
    struct hf_cli_args args = {.values = p->call.values};
    return hf_cli_get(p->call.verb, &args, name);
}

static void assert_refused(const char *line, const char *message, const char *hint)
{
    struct parsed p;
    int rc = parse(&p, line);
    if (rc == 0)
        rc = hf_cli_check_words(verbs, &p.call, &p.err);
    hf_cli_call_free(&p.call);
    assert_int_equal(rc, -1);
    assert_hf_err(&p.err, HF_E_CONFIG, message);
    assert_contains(p.err.hint, hint);
}

static void reads_a_verb_of_two_words_and_its_options(void **state)
{
    struct parsed p;
    (void)state;
    assert_hf_ok(parse(&p, "hf snapshot create --label=a=b web01 --keep 24h --count -3"), &p.err);
    assert_ptr_equal(p.call.verb, &create);
    assert_null(p.call.group);
    assert_int_equal(p.call.n, 1);
    assert_string_equal(p.call.items[0], "web01");
    assert_null(p.call.items[1]);
    assert_string_equal(value(&p, "label")->text, "a=b");
    assert_int_equal(value(&p, "keep")->number, 24 * 3600 * 1000);
    assert_int_equal(value(&p, "count")->number, -3);
    assert_false(value(&p, "dry-run")->is_set);
    hf_cli_call_free(&p.call);
}

static void options_of_every_verb_may_stand_anywhere(void **state)
{
    static const char *const lines[] = {
        "hf -c x.conf --json -vv check a b",
        "hf check --json a -v b -v --config=x.conf",
        "hf -v -cx.conf check a b --json --verbose",
    };
    (void)state;
    for (size_t i = 0; i < HF_ARRAY_SIZE(lines); i++) {
        struct parsed p;
        assert_hf_ok(parse(&p, lines[i]), &p.err);
        assert_ptr_equal(p.call.verb, &check);
        assert_int_equal(p.call.n, 2);
        assert_true(p.call.global[HF_GLOBAL_JSON].is_set);
        assert_int_equal(p.call.global[HF_GLOBAL_VERBOSE].number, 2);
        assert_string_equal(p.call.global[HF_GLOBAL_CONFIG].text, "x.conf");
        hf_cli_call_free(&p.call);
    }
}

static void letters_may_be_joined(void **state)
{
    struct parsed p;
    (void)state;
    assert_hf_ok(parse(&p, "hf snapshot create -nql mine web01"), &p.err);
    assert_true(value(&p, "dry-run")->is_set);
    assert_true(p.call.global[HF_GLOBAL_QUIET].is_set);
    assert_string_equal(value(&p, "label")->text, "mine");
    hf_cli_call_free(&p.call);
}

static void two_dashes_end_the_options(void **state)
{
    struct parsed p;
    (void)state;
    assert_hf_ok(parse(&p, "hf check -v -- --json - -x"), &p.err);
    assert_int_equal(p.call.n, 3);
    assert_string_equal(p.call.items[0], "--json");
    assert_string_equal(p.call.items[1], "-");
    assert_false(p.call.global[HF_GLOBAL_JSON].is_set);
    hf_cli_call_free(&p.call);
}

static void json_is_known_before_the_first_mistake(void **state)
{
    struct parsed p;
    (void)state;
    assert_int_equal(parse(&p, "hf chekc --nonsense --json"), -1);
    assert_true(p.call.global[HF_GLOBAL_JSON].is_set);
    hf_cli_call_free(&p.call);
}

static void names_the_nearest_verb(void **state)
{
    (void)state;
    assert_refused("hf chekc", "there is no verb 'chekc'", "Did you mean 'check'?");
    assert_refused("hf snapshot craete web01", "there is no verb 'snapshot craete'",
                   "Did you mean 'snapshot create'?");
    assert_refused("hf snapshot vaporise", "no verb 'snapshot vaporise'",
                   "There are: snapshot create, snapshot list.");
    assert_refused("hf zzz", "there is no verb 'zzz'", "`holdfast help`");
    assert_refused("hf gardian", "there is no verb 'gardian'", "`holdfast help`");
}

static void names_the_nearest_option(void **state)
{
    (void)state;
    assert_refused("hf snapshot create --lable=x web01",
                   "unknown option '--lable' of 'holdfast snapshot create'",
                   "Did you mean '--label'?");
    assert_refused("hf check --jsno", "unknown option '--jsno'", "'--json'");
    assert_refused("hf check -x", "unknown option '-x' of 'holdfast check'", "check --help");
    assert_refused("hf --label=x check", "unknown option '--label'", "behind the verb");
}

static void long_names_are_not_guessed(void **state)
{
    (void)state;
    assert_refused("hf check --verb", "unknown option '--verb'", "'--verbose'");
    assert_refused("hf snapshot create --lab=x web01", "unknown option '--lab'", "'--label'");
}

static void refuses_options_without_or_with_too_much_of_a_value(void **state)
{
    (void)state;
    assert_refused("hf snapshot create web01 --label", "option --label has no value",
                   "--label=TEXT");
    assert_refused("hf snapshot create web01 --label --json", "option --label has no value", "");
    assert_refused("hf snapshot create web01 --label=", "option --label has no value", "");
    assert_refused("hf check --json=yes", "option --json takes no value, here 'yes'", "");
    assert_refused("hf snapshot create web01 -l a --label b", "option --label is given twice", "");
}

static void refuses_values_of_the_wrong_type(void **state)
{
    (void)state;
    assert_refused("hf snapshot create web01 --keep 24", "option --keep: '24' is not a duration",
                   "unit");
    assert_refused("hf snapshot create web01 --count 3x", "--count: '3x' is not a whole number",
                   "");
    assert_refused("hf snapshot create web01 --count 99999999999999999999", "--count: ", "");
}

static void counts_the_words_behind_the_verb(void **state)
{
    (void)state;
    assert_refused("hf", "no verb given", "--help");
    assert_refused("hf snapshot", "'snapshot' is only the first word of a verb",
                   "There are: snapshot create, snapshot list.");
    assert_refused("hf snapshot create", "'snapshot create' lacks an argument",
                   "Usage: holdfast snapshot create VM [--label TEXT] [--keep TIME] [--count N] "
                   "[--dry-run]");
    assert_refused("hf snapshot list a b", "unexpected argument 'b' of 'snapshot list'", "[VM]");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(reads_a_verb_of_two_words_and_its_options),
        HF_TEST(options_of_every_verb_may_stand_anywhere),
        HF_TEST(letters_may_be_joined),
        HF_TEST(two_dashes_end_the_options),
        HF_TEST(json_is_known_before_the_first_mistake),
        HF_TEST(names_the_nearest_verb),
        HF_TEST(names_the_nearest_option),
        HF_TEST(long_names_are_not_guessed),
        HF_TEST(refuses_options_without_or_with_too_much_of_a_value),
        HF_TEST(refuses_values_of_the_wrong_type),
        HF_TEST(counts_the_words_behind_the_verb),
    };
    return HF_RUN_TESTS("cli.args", tests);
}
