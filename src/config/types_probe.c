/* SPDX-License-Identifier: Apache-2.0
 *
 * The type of `probe`: KIND and what it looks at.
 */
#include "base/buf.h"
#include "base/unit_name.h"
#include "config/schema.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PROBES_MAX 32
#define ARGS_MAX 64
#define BLANKS " \t"

static const char *const kinds[] = {[HF_PROBE_SQL] = "sql",
                                    [HF_PROBE_HTTP] = "http",
                                    [HF_PROBE_UNIT] = "unit",
                                    [HF_PROBE_GUEST] = "guest",
                                    [HF_PROBE_COMMAND] = "command"};

const char *hf_probe_kind_name(enum hf_probe_kind kind)
{
    return kinds[kind];
}

static void probe_clear(struct hf_vm_probe *p)
{
    free(p->text);
    free(p->what);
    hf_strv_free(&p->argv);
    *p = (struct hf_vm_probe){0};
}
HF_DEFINE_AUTO_VALUE(hf_vm_probe, probe_clear)

static void probes_clear(void *field)
{
    struct hf_vm_probes *all = field;
    for (size_t i = 0; i < all->n; i++)
        probe_clear(&all->items[i]);
    free(all->items);
    *all = (struct hf_vm_probes){0};
}

/* ---- words ------------------------------------------------------------------------------ */

/* The next word, without its quotes, which may stand around a part of it; NULL: no more, or a quote that does not
 * end (*open). */
static char *next_word(const char **at, bool *open)
{
    HF_AUTO(hf_buf) struct hf_buf word = HF_BUF_INIT;
    const char *s = *at + strspn(*at, BLANKS);
    char quote = '\0';
    if (!*s)
        return NULL;
    for (; *s && (quote || !strchr(BLANKS, *s)); s++) {
        if (quote ? *s == quote : *s == '"' || *s == '\'')
            quote = quote ? '\0' : *s;
        else
            hf_buf_add(&word, s, 1);
    }
    *at = s;
    *open = quote != '\0';
    hf_buf_str_add(&word, ""); /* "" is a word, too */
    return *open ? NULL : word.len ? hf_buf_steal(&word) : strdup("");
}

static int split_words(const char *text, struct hf_strv *out, struct hf_err *err)
{
    bool open = false;
    for (char *word; (word = next_word(&text, &open));)
        if (hf_strv_take(out, word) < 0)
            return hf_fail_nomem(err);
    if (open)
        return hf_fail(err, HF_E_CONFIG, "a quote without its end");
    if (out->n > ARGS_MAX)
        return hf_fail(err, HF_E_CONFIG, "%zu words, more than %d", out->n, ARGS_MAX);
    return 0;
}

/* ---- kinds ------------------------------------------------------------------------------ */

/* What is read only to the server as well; a probe that changes something would be no probe. */
static int parse_sql(struct hf_vm_probe *p, const char *what, struct hf_err *err)
{
    static const char *const begins[] = {"SELECT", "WITH", "TABLE", "VALUES"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(begins); i++) {
        size_t len = strlen(begins[i]);
        if (strncasecmp(what, begins[i], len) == 0 && !isalnum((unsigned char)what[len]))
            return (p->what = strdup(what)) ? 0 : hf_fail_nomem(err);
    }
    return hf_fail(err, HF_E_CONFIG, "'%s' is no query: it begins with SELECT", what);
}

/* A password in a URL would end up in the log, and in the process list of nobody's business. */
static int check_url(const char *url, struct hf_err *err)
{
    size_t scheme = strncmp(url, "http://", 7) == 0 ? 7 : strncmp(url, "https://", 8) == 0 ? 8 : 0;
    if (!scheme)
        return hf_fail(err, HF_E_CONFIG, "'%s' does not begin with http:// or https://", url);
    size_t host = strcspn(url + scheme, "/?#");
    if (!host)
        return hf_fail(err, HF_E_CONFIG, "'%s' names no host", url);
    if (memchr(url + scheme, '@', host))
        return hf_fail(err, HF_E_CONFIG, "a user or password in a URL is refused");
    return 0;
}

static int parse_http(struct hf_vm_probe *p, const char *what, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv words = HF_STRV_INIT;
    if (split_words(what, &words, err) < 0 || check_url(words.items[0], err) < 0)
        return -1;
    if (words.n > 2)
        return hf_fail(err, HF_E_CONFIG, "text behind URL and status: '%s'", words.items[2]);
    if (words.n == 2) {
        char *end = NULL;
        p->status = strtol(words.items[1], &end, 10);
        if (*end || p->status < 100 || p->status > 599)
            return hf_fail(err, HF_E_CONFIG, "'%s' is no HTTP status", words.items[1]);
    }
    return (p->what = strdup(words.items[0])) ? 0 : hf_fail_nomem(err);
}

static int parse_unit(struct hf_vm_probe *p, const char *what, struct hf_err *err)
{
    if (!hf_unit_name_is_valid(what))
        return hf_fail(err, HF_E_CONFIG, "'%s' is not the name of a systemd unit", what);
    return (p->what = hf_config_unit_in_full(what)) ? 0 : hf_fail_nomem(err);
}

static int parse_program(struct hf_vm_probe *p, const char *what, struct hf_err *err)
{
    if (split_words(what, &p->argv, err) < 0)
        return -1;
    if (p->argv.items[0][0] != '/')
        return hf_fail(err, HF_E_CONFIG, "'%s' is not an absolute path", p->argv.items[0]);
    return 0;
}

static int (*const parsers[])(struct hf_vm_probe *p, const char *what, struct hf_err *err) = {
    [HF_PROBE_SQL] = parse_sql,         [HF_PROBE_HTTP] = parse_http,
    [HF_PROBE_UNIT] = parse_unit,       [HF_PROBE_GUEST] = parse_program,
    [HF_PROBE_COMMAND] = parse_program,
};

static int unknown_kind(const char *text, size_t len, struct hf_err *err)
{
    HF_AUTOFREE char *word = strndup(text, len);
    if (!word)
        return hf_fail_nomem(err);
    hf_fail(err, HF_E_CONFIG, "'%s' is no kind of probe", word);
    const char *near = hf_nearest(word, kinds, HF_ARRAY_SIZE(kinds));
    return near ? hf_hint(err, "Did you mean '%s'?", near) : -1;
}

static int parse_one(struct hf_vm_probe *p, const char *text, struct hf_err *err)
{
    size_t len = strcspn(text, BLANKS), kind = 0;
    const char *what = text + len + strspn(text + len, BLANKS);
    while (kind < HF_ARRAY_SIZE(kinds) &&
           (strlen(kinds[kind]) != len || strncmp(kinds[kind], text, len) != 0))
        kind++;
    if (kind == HF_ARRAY_SIZE(kinds))
        return unknown_kind(text, len, err);
    if (!*what)
        return hf_fail(err, HF_E_CONFIG, "%s what?", kinds[kind]);
    p->kind = (enum hf_probe_kind)kind;
    if (!(p->text = strdup(text)))
        return hf_fail_nomem(err);
    return parsers[kind](p, what, err);
}

static int probes_parse(const char *text, void *field, struct hf_err *err)
{
    struct hf_vm_probes *all = field;
    HF_AUTO(hf_vm_probe) struct hf_vm_probe p = {0};
    if (all->n == PROBES_MAX)
        return hf_fail(err, HF_E_CONFIG, "more than %d probes", PROBES_MAX);
    if (parse_one(&p, text, err) < 0)
        return -1;
    struct hf_vm_probe *items = reallocarray(all->items, all->n + 1, sizeof *items);
    if (!items)
        return hf_fail_nomem(err);
    all->items = items;
    all->items[all->n++] = p;
    p = (struct hf_vm_probe){0};
    return 0;
}

const struct hf_type hf_type_PROBES = {
    .name = "probe",
    .expects = "sql QUERY, http URL [STATUS], unit NAME, guest PROGRAM… or command PROGRAM…",
    .parse = probes_parse,
    .clear = probes_clear,
    .repeats = true};
