/* SPDX-License-Identifier: Apache-2.0
 *
 * Build tool: fills the placeholders of the .scd.in sources from the program's own tables.
 *
 *     holdfast-docgen SOURCE_DIR OUT_DIR
 *
 * writes holdfast.1.scd, holdfastd.8.scd, holdfast.conf.5.scd and holdfast-VERB.1.scd for each verb: from
 * holdfast-VERB.1.scd.in where somebody wrote one, else from verb.1.scd.in. A placeholder stands
 * alone in its line:
 *
 *     @TITLE@ @NAME@ @SYNOPSIS@ @DESCRIPTION@ @OPTIONS@      of the verb
 *     @VERBS@ @GLOBAL_OPTIONS@ @CLASSES@ @PAGES@              of the program
 *     @DAEMON_OPTIONS@                                       of holdfastd
 *     @KEYS section@                                         of one section of the configuration
 * file
 */
#include "base/path.h"
#include "cli/args.h"
#include "cli/help.h"
#include "config/schema.h"
#include "daemon/options.h"

#include <string.h>

#define SOURCE_MAX_BYTES ((size_t)256 << 10)
#define PAGE_MAX 128

/* ---- scdoc ------------------------------------------------------------------------------ */

/* Text in which scdoc finds no markup. */
static void add_escaped(struct hf_buf *out, const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (strchr("\\*_#[]|<>+.-", s[i]))
            hf_buf_str_add(out, "\\");
        hf_buf_add(out, &s[i], 1);
    }
}

static void add_text(struct hf_buf *out, const char *s)
{
    add_escaped(out, s, strlen(s));
}

static void add_bold(struct hf_buf *out, const char *s)
{
    hf_buf_str_add(out, "*");
    add_text(out, s);
    hf_buf_str_add(out, "*");
}

/* Paragraphs, and examples (lines that begin with two blanks) as literal blocks. */
static void add_paragraphs(struct hf_buf *out, const char *s)
{
    bool in_example = false;
    while (*s) {
        size_t len = strcspn(s, "\n");
        bool is_example = strncmp(s, "  ", 2) == 0;
        if (is_example != in_example)
            hf_buf_str_add(out, "```\n");
        in_example = is_example;
        if (is_example)
            hf_buf_add(out, s + 2, len - 2);
        else
            add_escaped(out, s, len);
        hf_buf_str_add(out, "\n");
        s += len + (s[len] == '\n');
    }
    if (in_example)
        hf_buf_str_add(out, "```\n");
}

/* A term of a list: "-c, --config FILE", and what it is for. */
static void add_option(struct hf_buf *out, const char *name, char letter, const char *arg,
                       const char *help)
{
    const char short_name[3] = {'-', letter, '\0'};
    HF_AUTO(hf_buf) struct hf_buf long_name = HF_BUF_INIT;
    hf_buf_printf(&long_name, "--%s", name);
    if (letter) {
        add_bold(out, short_name);
        hf_buf_str_add(out, ", ");
    }
    add_bold(out, hf_buf_str(&long_name));
    if (arg) {
        hf_buf_str_add(out, " _");
        add_text(out, arg);
        hf_buf_str_add(out, "_");
    }
    hf_buf_str_add(out, "\n\t");
    add_text(out, help);
    hf_buf_str_add(out, "\n\n");
}

static void add_options(struct hf_buf *out, const struct hf_cli_opt *opts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        add_option(out, opts[i].name, opts[i].letter, opts[i].arg, opts[i].help);
}

static void add_daemon_options(struct hf_buf *out)
{
    for (int i = 0; i < HF_DAEMON_OPTIONS; i++)
        add_option(out, hf_daemon_options[i].name, hf_daemon_options[i].letter,
                   hf_daemon_options[i].arg, hf_daemon_options[i].help);
}

/* ---- what stands for a placeholder ------------------------------------------------------ */

/* "holdfast-snapshot-create" */
static void page_name(const struct hf_verb *verb, char out[PAGE_MAX])
{
    snprintf(out, PAGE_MAX, "holdfast-%s", verb->name);
    for (char *p = out; *p; p++)
        if (*p == ' ')
            *p = '-';
}

static void add_synopsis(struct hf_buf *out, const struct hf_verb *verb)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    hf_help_synopsis(&text, verb);
    size_t bold = strlen("holdfast ") + strlen(verb->name);
    hf_buf_str_add(out, "*");
    add_escaped(out, hf_buf_str(&text), bold);
    hf_buf_str_add(out, "*");
    add_text(out, hf_buf_str(&text) + bold);
    hf_buf_str_add(out, "\n");
}

static void add_verb_options(struct hf_buf *out, const struct hf_verb *verb)
{
    add_options(out, verb->opts, verb->n_opts);
    hf_buf_str_add(out, verb->n_opts ? "" : "It has none of its own. ");
    hf_buf_str_add(out, "The options of every verb are described in *holdfast*(1).\n");
}

static void add_verbs(struct hf_buf *out)
{
    for (size_t i = 0; hf_verbs[i]; i++) {
        const struct hf_verb *verb = hf_verbs[i];
        if (verb->hidden)
            continue;
        add_bold(out, verb->name);
        hf_buf_str_add(out, *verb->args ? " " : "");
        add_text(out, verb->args);
        hf_buf_str_add(out, "\n\t");
        add_text(out, verb->summary);
        hf_buf_str_add(out, "\n\n");
    }
}

static void add_pages(struct hf_buf *out)
{
    for (size_t i = 0; hf_verbs[i]; i++) {
        char page[PAGE_MAX];
        if (hf_verbs[i]->hidden)
            continue;
        page_name(hf_verbs[i], page);
        add_bold(out, page);
        hf_buf_str_add(out, "(1), ");
    }
    hf_buf_str_add(out, "*holdfast.conf*(5)\n");
}

static void add_key(struct hf_buf *out, const struct hf_option *o)
{
    add_bold(out, o->key);
    hf_buf_printf(out, " = _%s_%s\n\t", o->type->name, o->is_required ? " (required)" : "");
    add_text(out, o->help);
    hf_buf_str_add(out, "\n\n\t");
    if (o->type->choices) {
        hf_buf_str_add(out, "Accepted: ");
        for (size_t i = 0; o->type->choices[i]; i++) {
            hf_buf_str_add(out, i ? ", " : "");
            add_text(out, o->type->choices[i]);
        }
        hf_buf_str_add(out, ". ");
    } else if (o->range) {
        hf_buf_str_add(out, "Accepted: ");
        add_text(out, o->range);
        hf_buf_str_add(out, ". ");
    }
    if (o->fallback) {
        HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
        hf_option_default_add(&text, o);
        hf_buf_str_add(out, "Default: ");
        add_text(out, hf_buf_str(&text));
        hf_buf_str_add(out, ". ");
    }
    if (!o->fallback || strcmp(o->fallback, o->example) != 0) {
        hf_buf_str_add(out, "Example: ");
        add_text(out, o->key);
        hf_buf_str_add(out, " = ");
        add_text(out, o->example);
    }
    hf_buf_str_add(out, "\n\n");
}

/* Names of the error classes, as in JSON. */
static void add_classes(struct hf_buf *out)
{
    for (int cls = HF_E_NONE + 1; cls < HF_E_CLASSES; cls++) {
        hf_buf_str_add(out, cls > HF_E_NONE + 1 ? ", " : "");
        add_text(out, hf_err_class_name(cls));
    }
    hf_buf_str_add(out, ".\n");
}

static int add_section(struct hf_buf *out, const char *name)
{
    for (size_t id = 0; id < HF_SECTION_COUNT; id++) {
        const struct hf_section *s = &hf_sections[id];
        if (strcmp(s->name, name) != 0)
            continue;
        add_text(out, s->help);
        hf_buf_str_add(out, "\n\n");
        for (size_t i = 0; i < s->n_options; i++)
            add_key(out, &s->options[i]);
        return 0;
    }
    return -1;
}

/* ---- pages ------------------------------------------------------------------------------ */

static void add_title(struct hf_buf *out, const struct hf_verb *verb, bool with_summary)
{
    char page[PAGE_MAX];
    page_name(verb, page);
    hf_buf_printf(out, with_summary ? "%s - " : "%s(1)", page);
    if (with_summary)
        add_text(out, verb->summary);
    hf_buf_str_add(out, "\n");
}

/* -1: nobody knows this placeholder (of this page). */
static int fill_verb(struct hf_buf *out, const char *name, const struct hf_verb *verb)
{
    if (strcmp(name, "TITLE") == 0)
        add_title(out, verb, false);
    else if (strcmp(name, "NAME") == 0)
        add_title(out, verb, true);
    else if (strcmp(name, "SYNOPSIS") == 0)
        add_synopsis(out, verb);
    else if (strcmp(name, "DESCRIPTION") == 0)
        add_paragraphs(out, verb->help ? verb->help : verb->summary);
    else if (strcmp(name, "OPTIONS") == 0)
        add_verb_options(out, verb);
    else
        return -1;
    return 0;
}

static int fill(struct hf_buf *out, const char *name, const struct hf_verb *verb)
{
    if (strcmp(name, "VERBS") == 0)
        add_verbs(out);
    else if (strcmp(name, "GLOBAL_OPTIONS") == 0)
        add_options(out, hf_cli_globals, HF_GLOBAL_COUNT);
    else if (strcmp(name, "DAEMON_OPTIONS") == 0)
        add_daemon_options(out);
    else if (strcmp(name, "CLASSES") == 0)
        add_classes(out);
    else if (strcmp(name, "PAGES") == 0)
        add_pages(out);
    else if (strncmp(name, "KEYS ", 5) == 0)
        return add_section(out, name + 5);
    else
        return verb ? fill_verb(out, name, verb) : -1;
    return 0;
}

static int fill_page(struct hf_buf *out, char *text, const struct hf_verb *verb, struct hf_err *err)
{
    for (char *line; (line = strsep(&text, "\n")) != NULL;) {
        size_t len = strlen(line);
        if (len < 3 || line[0] != '@' || line[len - 1] != '@') {
            hf_buf_printf(out, "%s%s", line, text ? "\n" : "");
            continue;
        }
        line[len - 1] = '\0';
        if (fill(out, line + 1, verb) != 0)
            return hf_fail(err, HF_E_CONFIG, "unknown placeholder @%s@", line + 1);
    }
    return hf_buf_ok(out) ? 0 : hf_fail_nomem(err);
}

/* Page `name` (with its section, "holdfast.1") from the source of that name, or else from `other`.
 */
static int write_page(const char *const dirs[2], const char *name, const char *other,
                      const struct hf_verb *verb, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf page = HF_BUF_INIT;
    HF_AUTOFREE char *own = hf_asprintf("%s/%s.scd.in", dirs[0], name);
    HF_AUTOFREE char *general = hf_asprintf("%s/%s.scd.in", dirs[0], other);
    HF_AUTOFREE char *out = hf_asprintf("%s/%s.scd", dirs[1], name);
    if (!own || !general || !out)
        return hf_fail_nomem(err);
    const char *source = access(own, R_OK) == 0 ? own : general;
    HF_AUTOFREE char *text = hf_path_read(source, SOURCE_MAX_BYTES, NULL, err);
    if (!text || fill_page(&page, text, verb, err) != 0)
        return hf_wrap(err, "%s", source);
    return hf_path_write(out, hf_buf_str(&page), page.len, 0644, err);
}

static int write_all(const char *const dirs[2], struct hf_err *err)
{
    if (write_page(dirs, "holdfast.1", "holdfast.1", NULL, err) != 0 ||
        write_page(dirs, "holdfastd.8", "holdfastd.8", NULL, err) != 0 ||
        write_page(dirs, "holdfast.conf.5", "holdfast.conf.5", NULL, err) != 0)
        return -1;
    for (size_t i = 0; hf_verbs[i]; i++) {
        char page[PAGE_MAX];
        if (hf_verbs[i]->hidden)
            continue;
        page_name(hf_verbs[i], page);
        strncat(page, ".1", PAGE_MAX - strlen(page) - 1);
        if (write_page(dirs, page, "verb.1", hf_verbs[i], err) != 0)
            return -1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct hf_err err = HF_ERR_INIT;
    if (argc != 3) {
        fprintf(stderr, "usage: holdfast-docgen SOURCE_DIR OUT_DIR\n");
        return 2;
    }
    if (write_all((const char *const[]){argv[1], argv[2]}, &err) == 0)
        return 0;
    fprintf(stderr, "holdfast-docgen: %s\n", err.message);
    return 1;
}
