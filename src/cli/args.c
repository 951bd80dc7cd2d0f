/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/args.h"

#include "base/strv.h"
#include "base/units.h"
#include "cli/help.h"

#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 128

const struct hf_cli_opt hf_cli_globals[HF_GLOBAL_COUNT] = {
    [HF_GLOBAL_CONFIG] = {.name = "config",
                          .letter = 'c',
                          .type = HF_OPT_STRING,
                          .arg = "FILE",
                          .help = "Read this configuration file instead of the one named by "
                                  "HOLDFAST_CONFIG, or of /etc/holdfast/holdfast.conf."},
    [HF_GLOBAL_JSON] = {.name = "json",
                        .help = "Print the result, or the error, as one JSON document on standard "
                                "output."},
    [HF_GLOBAL_VERBOSE] = {.name = "verbose",
                           .letter = 'v',
                           .help = "Log each item; given twice, also what developers look at."},
    [HF_GLOBAL_QUIET] = {.name = "quiet",
                         .letter = 'q',
                         .help = "Log warnings and errors only, and show no progress."},
    [HF_GLOBAL_LOG_JSON] = {.name = "log-json", .help = "Write log lines as JSON objects."},
    [HF_GLOBAL_HELP] = {.name = "help", .letter = 'h', .help = "Show help, also for one verb."},
    [HF_GLOBAL_VERSION] = {.name = "version", .help = "Show the version."},
};

struct reader {
    const struct hf_verb *const *verbs;
    int argc, at;
    char **argv;
    struct hf_cli_call *call;
    struct hf_err *err;
};

void hf_cli_call_free(struct hf_cli_call *call)
{
    free(call->values);
    free(call->items);
    *call = (struct hf_cli_call){0};
}

/* ---- verbs ------------------------------------------------------------------------------ */

const struct hf_verb *hf_cli_find_verb(const struct hf_verb *const *verbs, const char *name)
{
    for (; *verbs; verbs++)
        if (strcmp((*verbs)->name, name) == 0)
            return *verbs;
    return NULL;
}

/* Does the verb begin with this word and a blank? */
static bool is_in_group(const struct hf_verb *verb, const char *word, size_t len)
{
    return !verb->hidden && strncmp(verb->name, word, len) == 0 && verb->name[len] == ' ';
}

bool hf_cli_is_group(const struct hf_verb *const *verbs, const char *word)
{
    for (; *verbs; verbs++)
        if (is_in_group(*verbs, word, strlen(word)))
            return true;
    return false;
}

static int hint_group(const struct hf_verb *const *verbs, const char *word, size_t len,
                      struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf all = HF_BUF_INIT;
    for (; *verbs; verbs++)
        if (is_in_group(*verbs, word, len))
            hf_buf_printf(&all, "%s%s", all.len ? ", " : "", (*verbs)->name);
    return hf_hint(err, "There are: %s.", hf_buf_str(&all));
}

int hf_cli_unknown_verb(const struct hf_verb *const *verbs, const char *name, struct hf_err *err)
{
    size_t n = 0;
    while (verbs[n])
        n++;
    hf_fail(err, HF_E_CONFIG, "there is no verb '%s'", name);
    HF_AUTOFREE const char **names = calloc(n + 1, sizeof(*names));
    if (!names)
        return hf_fail_nomem(err);
    size_t n_names = 0;
    for (size_t i = 0; i < n; i++)
        if (!verbs[i]->hidden)
            names[n_names++] = verbs[i]->name;
    const char *near = hf_nearest(name, names, n_names);
    if (near)
        return hf_hint(err, "Did you mean '%s'?", near);
    HF_AUTOFREE char *group = strndup(name, strcspn(name, " "));
    if (group && hf_cli_is_group(verbs, group))
        return hint_group(verbs, group, strlen(group), err);
    return hf_hint(err, "`holdfast help` lists all verbs.");
}

static int read_verb_word(struct reader *r, const char *word)
{
    struct hf_cli_call *call = r->call;
    char name[NAME_MAX_BYTES];
    snprintf(name, sizeof(name), "%s%s%s", call->group ? call->group : "", call->group ? " " : "",
             word);
    call->verb = hf_cli_find_verb(r->verbs, name);
    if (!call->verb && !call->group && hf_cli_is_group(r->verbs, word)) {
        call->group = word;
        return 0;
    }
    if (!call->verb)
        return hf_cli_unknown_verb(r->verbs, name, r->err);
    call->group = NULL;
    call->values = calloc(call->verb->n_opts + 1, sizeof(*call->values));
    return call->values ? 0 : hf_fail_nomem(r->err);
}

static int read_word(struct reader *r, char *word)
{
    if (!r->call->verb)
        return read_verb_word(r, word);
    r->call->items[r->call->n++] = word;
    return 0;
}

/* ---- options ---------------------------------------------------------------------------- */

/* The option of this name (or, name NULL, of this letter) and where its value goes. */
static const struct hf_cli_opt *find_option(const struct reader *r, const char *name, size_t len,
                                            char letter, struct hf_cli_value **value)
{
    const struct hf_verb *verb = r->call->verb;
    size_t n_own = verb ? verb->n_opts : 0;
    for (size_t i = 0; i < n_own + HF_GLOBAL_COUNT; i++) {
        const struct hf_cli_opt *o = i < n_own ? &verb->opts[i] : &hf_cli_globals[i - n_own];
        *value = i < n_own ? &r->call->values[i] : &r->call->global[i - n_own];
        if (name ? strncmp(o->name, name, len) == 0 && o->name[len] == '\0' : o->letter == letter)
            return o;
    }
    return NULL;
}

static int hint_option(const struct reader *r, const char *name)
{
    const struct hf_verb *verb = r->call->verb;
    size_t n_own = verb ? verb->n_opts : 0;
    HF_AUTOFREE const char **names = calloc(n_own + HF_GLOBAL_COUNT, sizeof(*names));
    if (!names)
        return hf_fail_nomem(r->err);
    for (size_t i = 0; i < n_own + HF_GLOBAL_COUNT; i++)
        names[i] = i < n_own ? verb->opts[i].name : hf_cli_globals[i - n_own].name;
    const char *near = hf_nearest(name, names, n_own + HF_GLOBAL_COUNT);
    for (size_t i = 0; !near && strlen(name) > 1 && i < n_own + HF_GLOBAL_COUNT; i++)
        if (strncmp(names[i], name, strlen(name)) ==
            0) /* cut short: no typing error, but a habit */
            near = names[i];
    if (near)
        return hf_hint(r->err, "Did you mean '--%s'?", near);
    if (verb)
        return hf_hint(r->err, "`holdfast %s --help` lists its options.", verb->name);
    return hf_hint(r->err, "The options of a verb stand behind the verb; `holdfast --help` lists "
                           "the others.");
}

static int unknown_option(const struct reader *r, const char *name, size_t len)
{
    const struct hf_verb *verb = r->call->verb;
    HF_AUTOFREE char *copy = strndup(name, len);
    if (!copy)
        return hf_fail_nomem(r->err);
    hf_fail(r->err, HF_E_CONFIG, "unknown option '%s%s'%s%s%s", len > 1 ? "--" : "-", copy,
            verb ? " of 'holdfast " : "", verb ? verb->name : "", verb ? "'" : "");
    return hint_option(r, copy);
}

static int read_int(const char *text, int64_t *out, struct hf_err *err)
{
    char *end = NULL;
    errno = 0;
    *out = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0)
        return hf_fail(err, HF_E_CONFIG, "'%s' is not a whole number", text);
    return 0;
}

static int read_number(const struct hf_cli_opt *o, struct hf_cli_value *value, struct hf_err *err)
{
    int rc = 0;
    if (o->type == HF_OPT_DURATION)
        rc = hf_parse_duration(value->text, &value->number, err);
    else if (o->type == HF_OPT_INT)
        rc = read_int(value->text, &value->number, err);
    return rc == 0 ? 0 : hf_wrap(err, "option --%s", o->name);
}

/* text: what stood behind '=' or the letter; NULL: the next argument is the value. */
static int read_option(struct reader *r, const struct hf_cli_opt *o, struct hf_cli_value *value,
                       const char *text)
{
    if (o->type == HF_OPT_FLAG) {
        if (text)
            return hf_fail(r->err, HF_E_CONFIG, "option --%s takes no value, here '%s'", o->name,
                           text);
        value->is_set = true;
        value->number++;
        return 0;
    }
    if (value->is_set)
        return hf_fail(r->err, HF_E_CONFIG, "option --%s is given twice", o->name);
    if (!text && r->at + 1 < r->argc && strncmp(r->argv[r->at + 1], "--", 2) != 0)
        text = r->argv[++r->at];
    if (!text || !*text) {
        hf_fail(r->err, HF_E_CONFIG, "option --%s has no value", o->name);
        return hf_hint(r->err, "Write --%s=%s.", o->name, o->arg);
    }
    value->is_set = true;
    value->text = text;
    return read_number(o, value, r->err);
}

static int read_long(struct reader *r, const char *name)
{
    struct hf_cli_value *value = NULL;
    size_t len = strcspn(name, "=");
    const struct hf_cli_opt *o = find_option(r, name, len, 0, &value);
    if (!o)
        return unknown_option(r, name, len);
    return read_option(r, o, value, name[len] == '=' ? name + len + 1 : NULL);
}

/* "-vv", "-c FILE", "-cFILE" */
static int read_letters(struct reader *r, const char *letters)
{
    for (; *letters; letters++) {
        struct hf_cli_value *value = NULL;
        const struct hf_cli_opt *o = find_option(r, NULL, 0, *letters, &value);
        if (!o)
            return unknown_option(r, letters, 1);
        bool takes_rest = o->type != HF_OPT_FLAG;
        if (read_option(r, o, value, takes_rest && letters[1] ? letters + 1 : NULL) != 0)
            return -1;
        if (takes_rest)
            break;
    }
    return 0;
}

/* ---- all -------------------------------------------------------------------------------- */

/* Looked for beforehand: a script that asked for JSON gets JSON also when it misspelt the verb. */
static void look_for_json(struct reader *r)
{
    for (int i = 1; i < r->argc && strcmp(r->argv[i], "--") != 0; i++)
        if (strcmp(r->argv[i], "--json") == 0)
            r->call->global[HF_GLOBAL_JSON].is_set = true;
}

int hf_cli_parse(const struct hf_verb *const *verbs, int argc, char **argv,
                 struct hf_cli_call *call, struct hf_err *err)
{
    struct reader r = {.verbs = verbs, .argc = argc, .argv = argv, .call = call, .err = err};
    bool only_words = false;
    look_for_json(&r);
    call->items = calloc((size_t)argc + 1, sizeof(*call->items));
    if (!call->items)
        return hf_fail_nomem(err);
    for (r.at = 1; r.at < argc; r.at++) {
        char *arg = argv[r.at];
        int rc = 0;
        if (only_words || arg[0] != '-' || arg[1] == '\0')
            rc = read_word(&r, arg);
        else if (strcmp(arg, "--") == 0)
            only_words = true;
        else if (arg[1] == '-')
            rc = read_long(&r, arg + 2);
        else
            rc = read_letters(&r, arg + 1);
        if (rc != 0)
            return -1;
    }
    return 0;
}

int hf_cli_check_words(const struct hf_verb *const *verbs, const struct hf_cli_call *call,
                       struct hf_err *err)
{
    const struct hf_verb *verb = call->verb;
    if (call->group) {
        hf_fail(err, HF_E_CONFIG, "'%s' is only the first word of a verb", call->group);
        return hint_group(verbs, call->group, strlen(call->group), err);
    }
    if (!verb) {
        hf_fail(err, HF_E_CONFIG, "no verb given");
        return hf_hint(err, "`holdfast --help` lists all verbs.");
    }
    if (call->n < verb->min_args)
        hf_fail(err, HF_E_CONFIG, "'%s' lacks an argument", verb->name);
    else if (call->n > verb->max_args)
        hf_fail(err, HF_E_CONFIG, "unexpected argument '%s' of '%s'", call->items[verb->max_args],
                verb->name);
    else
        return 0;
    HF_AUTO(hf_buf) struct hf_buf synopsis = HF_BUF_INIT;
    hf_help_synopsis(&synopsis, verb);
    return hf_hint(err, "Usage: %s", hf_buf_str(&synopsis));
}

const struct hf_cli_value *hf_cli_get(const struct hf_verb *verb, const struct hf_cli_args *args,
                                      const char *name)
{
    for (size_t i = 0; i < verb->n_opts; i++)
        if (strcmp(verb->opts[i].name, name) == 0)
            return &args->values[i];
    abort(); /* the verb asks for an option that its own table does not have */
}

int hf_cli_choose(const char *option, const char *word, const char *const *words, int n,
                  struct hf_err *err)
{
    for (int i = 0; i < n; i++)
        if (strcmp(words[i], word) == 0)
            return i;
    hf_fail(err, HF_E_CONFIG, "option --%s does not know '%s'", option, word);
    return hf_hint(err, "It is one of %s, %s%s%s.", words[0], words[1], n > 2 ? ", " : "",
                   n > 2 ? words[2] : "");
}
