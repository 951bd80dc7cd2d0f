/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line of holdfastd, and that help and man page say what its table says.
 */
#include "base/path.h"
#include "daemon/options.h"
#include "harness/hf_test.h"

#include <string.h>

static struct hf_daemon_call parse(const char *const *words)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_daemon_call call;
    int n = 0;
    while (words[n])
        n++;
    assert_hf_ok(hf_daemon_options_parse(n, (char **)(uintptr_t)words, &call, &err), &err);
    return call;
}
#define PARSE(...) parse((const char *[]){"holdfastd", ##__VA_ARGS__, NULL})

static void assert_refused(const char *word, const char *second, const char *message,
                           const char *hint)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_daemon_call call;
    const char *words[] = {"holdfastd", word, second, NULL};
    assert_int_equal(
        hf_daemon_options_parse(second ? 3 : 2, (char **)(uintptr_t)words, &call, &err), -1);
    assert_hf_err(&err, HF_E_CONFIG, message);
    assert_contains(err.hint, hint);
}

static void options_are_read_long_and_short(void **state)
{
    (void)state;
    unsetenv("HOLDFAST_CONFIG");
    assert_string_equal(PARSE().config, "/etc/holdfast/holdfast.conf");
    setenv("HOLDFAST_CONFIG", "/srv/env.conf", 1);
    assert_string_equal(PARSE().config, "/srv/env.conf");
    assert_string_equal(PARSE("-c", "/a").config, "/a");
    assert_string_equal(PARSE("--config=/b").config, "/b");
    unsetenv("HOLDFAST_CONFIG");
    struct hf_daemon_call call = PARSE("--check", "-v");
    assert_true(call.is_set[HF_DAEMON_CHECK] && call.is_set[HF_DAEMON_VERBOSE]);
    assert_false(call.is_set[HF_DAEMON_HELP] || call.is_set[HF_DAEMON_VERSION]);
    assert_true(PARSE("--version").is_set[HF_DAEMON_VERSION]);
    assert_true(PARSE("-h").is_set[HF_DAEMON_HELP]);
}

static void others_are_refused_by_name(void **state)
{
    (void)state;
    assert_refused("--chekc", NULL, "unknown option '--chekc'", "--check");
    assert_refused("-x", NULL, "unknown option '-x'", "holdfastd --help");
    assert_refused("--config", NULL, "option --config has no value", "");
    assert_refused("start", NULL, "takes no arguments, here 'start'", "--help");
    assert_refused("--check", "now", "here 'now'", "--help");
}

/* The page as plain text: roff's escapes and font changes taken out. To be freed. */
static char *read_page(void)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *path = hf_asprintf("%s/docs/man/holdfastd.8", getenv("HOLDFAST_BUILD_DIR"));
    char *text = hf_path_read(path, 1 << 20, NULL, &err), *to = text;
    assert_hf_got(text, &err);
    for (const char *from = text; *from; from++) {
        if (from[0] == '\\' && from[1] == 'f' && from[2] != '\0')
            from += 2;
        else if (from[0] == '\\' && (from[1] == '&' || from[1] == '\\' || from[1] == '-'))
            *to = *++from, to += *from != '&';
        else
            *to++ = *from;
    }
    *to = '\0';
    return text;
}

static void help_and_man_page_have_every_option(void **state)
{
    HF_AUTO(hf_buf) struct hf_buf help = HF_BUF_INIT;
    HF_AUTOFREE char *page = read_page();
    (void)state;
    hf_daemon_options_help(&help);
    for (int i = 0; i < HF_DAEMON_OPTIONS; i++) {
        const struct hf_daemon_option_row *o = &hf_daemon_options[i];
        HF_AUTOFREE char *name =
            hf_asprintf("--%s%s%s", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
        assert_contains(hf_buf_str(&help), name);
        assert_contains(page, name);
        assert_contains(page, o->help);
    }
}

static void help_fits_a_terminal(void **state)
{
    HF_AUTO(hf_buf) struct hf_buf help = HF_BUF_INIT;
    (void)state;
    hf_daemon_options_help(&help);
    for (const char *line = hf_buf_str(&help); *line; line += strcspn(line, "\n") + 1)
        assert_in_range(strcspn(line, "\n"), 0, 104);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(options_are_read_long_and_short),
        HF_TEST(others_are_refused_by_name),
        HF_TEST(help_and_man_page_have_every_option),
        HF_TEST(help_fits_a_terminal),
    };
    return HF_RUN_TESTS("daemon.options", tests);
}
