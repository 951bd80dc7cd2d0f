/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/options.h"

#include "base/strv.h"

#include <getopt.h>
#include <string.h>

#define DEFAULT_CONFIG "/etc/holdfast/holdfast.conf"
#define FIRST_VALUE 256 /* of getopt: above all letters */
#define NAME_COLUMNS 24
#define HELP_COLUMNS 100

const struct hf_daemon_option_row hf_daemon_options[HF_DAEMON_OPTIONS] = {
    [HF_DAEMON_CONFIG] = {"config", 'c', "FILE",
                          "Read this configuration file instead of the one named by "
                          "HOLDFAST_CONFIG, or of /etc/holdfast/holdfast.conf."},
    [HF_DAEMON_CHECK] = {"check", 0, NULL,
                         "Only look whether the configuration and its policies are good, and say "
                         "so by the exit status."},
    [HF_DAEMON_VERBOSE] = {"verbose", 'v', NULL, "Log each item."},
    [HF_DAEMON_HELP] = {"help", 'h', NULL, "Show this help."},
    [HF_DAEMON_VERSION] = {"version", 0, NULL, "Show the version."},
};

/* ---- parser ------------------------------------------------------------------------------ */

struct tables {
    struct option longs[HF_DAEMON_OPTIONS + 1];
    char letters[2 * HF_DAEMON_OPTIONS + 2];
};

static void make_tables(struct tables *t)
{
    char *to = t->letters;
    *to++ = ':'; /* a value that is missing is told from an unknown option */
    for (int i = 0; i < HF_DAEMON_OPTIONS; i++) {
        const struct hf_daemon_option_row *o = &hf_daemon_options[i];
        t->longs[i] = (struct option){o->name, o->arg ? required_argument : no_argument, NULL,
                                      FIRST_VALUE + i};
        if (!o->letter)
            continue;
        *to++ = o->letter;
        if (o->arg)
            *to++ = ':';
    }
    *to = '\0';
    t->longs[HF_DAEMON_OPTIONS] = (struct option){0};
}

/* -1: no such option. */
static int index_of(int value)
{
    for (int i = 0; i < HF_DAEMON_OPTIONS; i++)
        if (value == FIRST_VALUE + i || (hf_daemon_options[i].letter == value && value != 0))
            return i;
    return -1;
}

static int refuse(int value, const char *word, struct hf_err *err)
{
    const char *names[HF_DAEMON_OPTIONS];
    for (int i = 0; i < HF_DAEMON_OPTIONS; i++)
        names[i] = hf_daemon_options[i].name;
    if (value == ':')
        hf_fail(err, HF_E_CONFIG, "option %s has no value", word);
    else
        hf_fail(err, HF_E_CONFIG, "unknown option '%s'", word);
    const char *near = hf_nearest(word + strspn(word, "-"), names, HF_DAEMON_OPTIONS);
    return near ? hf_hint(err, "Did you mean '--%s'?", near)
                : hf_hint(err, "`holdfastd --help` lists the options.");
}

static const char *default_config(void)
{
    const char *from_env = secure_getenv("HOLDFAST_CONFIG");
    return from_env && *from_env ? from_env : DEFAULT_CONFIG;
}

int hf_daemon_options_parse(int argc, char **argv, struct hf_daemon_call *call, struct hf_err *err)
{
    struct tables t;
    int value;
    *call = (struct hf_daemon_call){.config = default_config()};
    make_tables(&t);
    opterr = 0;
    optind = 0; /* glibc: from the beginning, whatever was parsed before */
    for (int at = 1; (value = getopt_long(argc, argv, t.letters, t.longs, NULL)) != -1;
         at = optind) {
        int i = value == '?' || value == ':' ? -1 : index_of(value);
        if (i < 0)
            return refuse(value, argv[at < argc ? at : argc - 1], err);
        call->is_set[i] = true;
        if (i == HF_DAEMON_CONFIG)
            call->config = optarg;
    }
    if (optind == argc)
        return 0;
    hf_fail(err, HF_E_CONFIG, "holdfastd takes no arguments, here '%s'", argv[optind]);
    return hf_hint(err, "`holdfastd --help` lists the options.");
}

/* ---- help -------------------------------------------------------------------------------- */

/* Words from `column` on, with later lines indented to NAME_COLUMNS. */
static void add_wrapped(struct hf_buf *out, const char *text)
{
    size_t at = NAME_COLUMNS;
    while (*text) {
        size_t len = strcspn(text, " ");
        if (at + len >= HELP_COLUMNS) {
            hf_buf_printf(out, "\n%*s", NAME_COLUMNS, "");
            at = NAME_COLUMNS;
        }
        hf_buf_printf(out, "%s%.*s", at > NAME_COLUMNS ? " " : "", (int)len, text);
        at += len + 1;
        text += len + strspn(text + len, " ");
    }
    hf_buf_str_add(out, "\n");
}

void hf_daemon_options_help(struct hf_buf *out)
{
    hf_buf_str_add(out, "Usage: holdfastd [OPTION…]\n\n"
                        "Runs the policies of the configuration when they are due, until it is "
                        "told to end.\n\nOptions:\n");
    for (int i = 0; i < HF_DAEMON_OPTIONS; i++) {
        const struct hf_daemon_option_row *o = &hf_daemon_options[i];
        char letter[] = {'-', o->letter, ',', ' ', '\0'}, name[64];
        snprintf(name, sizeof name, "  %s--%s%s%s", o->letter ? letter : "    ", o->name,
                 o->arg ? " " : "", o->arg ? o->arg : "");
        hf_buf_printf(out, "%-*s", NAME_COLUMNS, name);
        add_wrapped(out, o->help);
    }
    hf_buf_str_add(out, "\nSignals: SIGHUP reads the configuration again; SIGTERM and SIGINT end "
                        "it. Runs that go on are not\ntouched by either.\n"
                        "Exit status: 0 ended as told, 1 failed, 2 usage or configuration, 4 there "
                        "is one already.\n");
}
