/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/help.h"

#include "cli/args.h"
#include "cli/text.h"

#include <string.h>

#define OPTION_COLUMN 28
#define OPTION_PREFIX "                            "
_Static_assert(sizeof(OPTION_PREFIX) - 1 == OPTION_COLUMN, "help texts begin in one column");

void hf_help_option_name(struct hf_buf *out, const struct hf_cli_opt *opt)
{
    if (opt->letter)
        hf_buf_printf(out, "-%c, ", opt->letter);
    hf_buf_printf(out, "--%s%s%s", opt->name, opt->arg ? " " : "", opt->arg ? opt->arg : "");
}

void hf_help_synopsis(struct hf_buf *out, const struct hf_verb *verb)
{
    hf_buf_printf(out, "holdfast %s%s%s", verb->name, *verb->args ? " " : "", verb->args);
    for (size_t i = 0; i < verb->n_opts; i++)
        hf_buf_printf(out, " [--%s%s%s]", verb->opts[i].name, verb->opts[i].arg ? " " : "",
                      verb->opts[i].arg ? verb->opts[i].arg : "");
}

/* "  NAME   text", the text on a line of its own when the name is too wide. */
static void entry(struct hf_buf *out, const char *name, const char *text)
{
    size_t width = 2 + hf_text_columns(name);
    hf_buf_str_add(out, "  ");
    if (width + 2 > OPTION_COLUMN) {
        hf_buf_printf(out, "%s\n", name);
        hf_text_wrap(out, OPTION_PREFIX, 0, text);
        return;
    }
    hf_text_pad(out, name, OPTION_COLUMN - 2);
    hf_text_wrap(out, OPTION_PREFIX, OPTION_COLUMN, text);
}

static void options(struct hf_buf *out, const struct hf_cli_opt *opts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        HF_AUTO(hf_buf) struct hf_buf name = HF_BUF_INIT;
        if (!opts[i].letter) /* below the names that have one */
            hf_buf_str_add(&name, "    ");
        hf_help_option_name(&name, &opts[i]);
        entry(out, hf_buf_str(&name), opts[i].help);
    }
}

void hf_help_verb(struct hf_buf *out, const struct hf_verb *verb)
{
    HF_AUTO(hf_buf) struct hf_buf synopsis = HF_BUF_INIT;
    hf_help_synopsis(&synopsis, verb);
    hf_buf_str_add(out, "Usage: ");
    hf_text_wrap(out, "       ", strlen("Usage: "), hf_buf_str(&synopsis));
    hf_buf_str_add(out, "\n");
    hf_text_wrap(out, "", 0, verb->summary);
    if (verb->help) {
        hf_buf_str_add(out, "\n");
        hf_text_wrap(out, "", 0, verb->help);
    }
    if (verb->n_opts > 0) {
        hf_buf_str_add(out, "\nOptions:\n");
        options(out, verb->opts, verb->n_opts);
    }
    hf_buf_str_add(out, "\nOptions of every verb:\n");
    options(out, hf_cli_globals, HF_GLOBAL_COUNT);
}

static bool is_listed(const struct hf_verb *verb, const char *group)
{
    size_t len = group ? strlen(group) : 0;
    if (verb->hidden)
        return false;
    return !group || (strncmp(verb->name, group, len) == 0 && verb->name[len] == ' ');
}

void hf_help_all(struct hf_buf *out, const struct hf_verb *const *verbs, const char *group)
{
    hf_buf_printf(out, "Usage: holdfast [OPTION…] %s%sVERB [ARGUMENT…]\n\n", group ? group : "",
                  group ? " " : "");
    if (!group)
        hf_buf_str_add(out, "Takes snapshots of virtual machines whose database is provably "
                            "consistent.\n\n");
    hf_buf_str_add(out, "Verbs:\n");
    for (; *verbs; verbs++) {
        HF_AUTO(hf_buf) struct hf_buf name = HF_BUF_INIT;
        if (!is_listed(*verbs, group))
            continue;
        hf_buf_printf(&name, "%s%s%s", (*verbs)->name, *(*verbs)->args ? " " : "", (*verbs)->args);
        entry(out, hf_buf_str(&name), (*verbs)->summary);
    }
    hf_buf_str_add(out, "\nOptions of every verb:\n");
    options(out, hf_cli_globals, HF_GLOBAL_COUNT);
    hf_buf_str_add(out, "\n");
    hf_text_wrap(
        out, "", 0,
        "Exit status: 0 done, 1 failed, 2 usage or configuration, 3 done but below the "
        "required grade, 4 refused or busy, 5 rolled back by maintain.\n\n"
        "`holdfast VERB --help` tells more about a verb, `holdfast sample-config` prints a "
        "configuration file to begin with.");
}

/* ---- JSON ------------------------------------------------------------------------------- */

static struct json_object *option_json(const struct hf_cli_opt *opt)
{
    HF_AUTOJSON struct json_object *o = json_object_new_object();
    char letter[2] = {opt->letter, '\0'};
    if (!o || hf_json_add_string(o, "name", opt->name) != 0 ||
        hf_json_add_string(o, "letter", opt->letter ? letter : NULL) != 0 ||
        hf_json_add_string(o, "arg", opt->arg) != 0 ||
        hf_json_add_string(o, "help", opt->help) != 0)
        return NULL;
    return HF_STEAL(o);
}

struct json_object *hf_help_verb_json(const struct hf_verb *verb)
{
    HF_AUTOJSON struct json_object *o = json_object_new_object();
    HF_AUTOJSON struct json_object *opts = json_object_new_array();
    for (size_t i = 0; opts && i < verb->n_opts; i++) {
        HF_AUTOJSON struct json_object *opt = option_json(&verb->opts[i]);
        if (!opt || json_object_array_add(opts, opt) != 0)
            return NULL;
        opt = NULL; /* the array's now */
    }
    if (!o || !opts || hf_json_add_string(o, "name", verb->name) != 0 ||
        hf_json_add_string(o, "args", verb->args) != 0 ||
        hf_json_add_string(o, "summary", verb->summary) != 0 ||
        hf_json_add(o, "options", HF_STEAL(opts)) != 0)
        return NULL;
    return HF_STEAL(o);
}
