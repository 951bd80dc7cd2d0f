/* SPDX-License-Identifier: Apache-2.0
 *
 * libinih splits the lines; this file hands them to it one by one and looks at them first, because
 * libinih (r55) passes over in silence what an administrator has to hear about: it cuts lines at
 * its buffer's end and section names at 49 bytes, skips sections without keys and text behind a
 * heading, and takes an indented line for a further value of the key above.
 */
#include "config/parse.h"

#include "base/strv.h"

#include <ctype.h>
#include <ini.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES 4096
#define LABEL_MAX_BYTES 64

struct parser {
    struct hf_config *config;
    const char *next, *end;           /* what is not read yet */
    unsigned line;                    /* of the line handed out last */
    const struct hf_section *section; /* the one we are in; NULL before the first heading */
    void *item;
    unsigned failed_line; /* 0: all well */
    struct hf_err *err;
};

/* The first mistake in the file is the one that is reported. Returns 0, libinih's "stop". */
static int HF_PRINTF(2, 3) parse_fail(struct parser *p, const char *fmt, ...)
{
    char message[HF_ERR_MESSAGE_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    p->failed_line = p->line;
    hf_fail(p->err, HF_E_CONFIG, "%s:%u: %s", p->config->file, p->line, message);
    return 0;
}

/* For an error that is in p->err already. */
static int parse_failed(struct parser *p)
{
    p->failed_line = p->line;
    return 0;
}

/* "[vm web01]" or "[defaults]" */
static const char *heading(const struct hf_config_head *head, char *out, size_t size)
{
    snprintf(out, size, "[%s%s%s]", head->section_name, head->label ? " " : "",
             head->label ? head->label : "");
    return out;
}

/* ---- headings --------------------------------------------------------------------------- */

static int hint_sections(struct parser *p, const char *name)
{
    const char *names[HF_SECTION_COUNT];
    for (size_t i = 0; i < HF_SECTION_COUNT; i++)
        names[i] = hf_sections[i].name;
    const char *near = hf_nearest(name, names, HF_SECTION_COUNT);
    if (near)
        hf_hint(p->err, "Did you mean '%s'?", near);
    else
        hf_hint(p->err, "`holdfast sample-config` shows all sections and keys.");
    return 0;
}

static bool label_is_valid(const char *label)
{
    static const char *const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "0123456789._-";
    return isalnum((unsigned char)label[0]) && strspn(label, allowed) == strlen(label) &&
           strlen(label) <= LABEL_MAX_BYTES;
}

/* [vm NAME] has a name and [defaults] none. */
static int check_label(struct parser *p, const struct hf_section *s, const char *label)
{
    bool is_named = (s->flags & HF_SECTION_NAMED) != 0;
    if (is_named && *label == '\0') {
        parse_fail(p, "section [%s] has no name", s->name);
        hf_hint(p->err, "Write it as [%s NAME].", s->name);
        return 0;
    }
    if (!is_named && *label != '\0')
        return parse_fail(p, "section [%s] takes no name, here '%s'", s->name, label);
    if (is_named && !label_is_valid(label)) {
        parse_fail(p, "'%s' cannot be the name of a section", label);
        hf_hint(p->err,
                "Use at most %d letters, digits and . _ -, beginning with a letter or digit; what "
                "the hypervisor calls a VM goes into its key 'name'.",
                LABEL_MAX_BYTES);
        return 0;
    }
    return 1;
}

static int open_section(struct parser *p, enum hf_section_id id, const char *label)
{
    const struct hf_section_list *list = &p->config->sections[id];
    for (size_t i = 0; i < list->n; i++) {
        const struct hf_config_head *other = hf_section_head(list->items[i]);
        if (other->label ? strcmp(other->label, label) == 0 : true) {
            char name[LABEL_MAX_BYTES + 32];
            parse_fail(p, "section %s stands here a second time",
                       heading(other, name, sizeof(name)));
            hf_hint(p->err, "The first one is in line %u: put the keys of both together.",
                    other->line);
            return 0;
        }
    }
    p->section = &hf_sections[id];
    p->item = hf_config_add_section(p->config, id, *label ? label : NULL, p->line);
    if (p->item)
        return 1;
    hf_fail_nomem(p->err);
    return parse_failed(p);
}

/* text is "[name label]…", to be cut up. */
static int read_heading(struct parser *p, char *text)
{
    char *close = strchr(text, ']');
    if (!close)
        return parse_fail(p, "section heading without its ']'");
    const char *behind = close + 1 + strspn(close + 1, " \t");
    if (*behind != '\0' && *behind != ';' && *behind != '#')
        return parse_fail(p, "unexpected text behind the section heading: '%s'", behind);
    *close = '\0';

    char *name = text + 1 + strspn(text + 1, " \t");
    char *label = name + strcspn(name, " \t");
    if (*label != '\0')
        *label++ = '\0';
    label += strspn(label, " \t");
    for (size_t n = strlen(label); n > 0 && (label[n - 1] == ' ' || label[n - 1] == '\t'); n--)
        label[n - 1] = '\0';

    for (size_t i = 0; i < HF_SECTION_COUNT; i++)
        if (strcmp(hf_sections[i].name, name) == 0)
            return check_label(p, &hf_sections[i], label) &&
                   open_section(p, (enum hf_section_id)i, label);
    parse_fail(p, "unknown section [%s]", name);
    return hint_sections(p, name);
}

/* ---- keys ------------------------------------------------------------------------------- */

static int unknown_key(struct parser *p, const char *key)
{
    char name[LABEL_MAX_BYTES + 32];
    HF_AUTO(hf_buf) struct hf_buf all = HF_BUF_INIT;
    HF_AUTOFREE const char **keys = calloc(p->section->n_options, sizeof(*keys));
    if (!keys) {
        hf_fail_nomem(p->err);
        return parse_failed(p);
    }
    for (size_t i = 0; i < p->section->n_options; i++) {
        keys[i] = p->section->options[i].key;
        hf_buf_printf(&all, "%s%s", i ? ", " : "", keys[i]);
    }
    parse_fail(p, "unknown key '%s' in %s", key,
               heading(hf_section_head(p->item), name, sizeof(name)));
    const char *near = hf_nearest(key, keys, p->section->n_options);
    if (near)
        hf_hint(p->err, "Did you mean '%s'?", near);
    else
        hf_hint(p->err, "The keys of [%s] are: %s.", p->section->name, hf_buf_str(&all));
    return 0;
}

static int twice(struct parser *p, const char *key, unsigned first_line)
{
    char name[LABEL_MAX_BYTES + 32];
    parse_fail(p, "key '%s' stands here a second time in %s", key,
               heading(hf_section_head(p->item), name, sizeof(name)));
    hf_hint(p->err, "The first one is in line %u: remove one of them.", first_line);
    return 0;
}

/* A key that only the plugin knows: kept as text, checked against the plugin's own table later. */
static int keep_key(struct parser *p, const char *key, const char *value)
{
    struct hf_config_head *h = hf_section_head(p->item);
    for (size_t i = 0; i < h->n_kv; i++)
        if (strcmp(h->kv[i].key, key) == 0)
            return twice(p, key, h->kv_lines[i]);

    struct hf_kv *kv = reallocarray(h->kv, h->n_kv + 1, sizeof(*kv));
    if (kv)
        h->kv = kv;
    unsigned *lines = reallocarray(h->kv_lines, h->n_kv + 1, sizeof(*lines));
    if (lines)
        h->kv_lines = lines;
    HF_AUTOFREE char *key_copy = strdup(key);
    HF_AUTOFREE char *value_copy = strdup(value);
    if (!kv || !lines || !key_copy || !value_copy) {
        hf_fail_nomem(p->err);
        return parse_failed(p);
    }
    h->kv_lines[h->n_kv] = p->line;
    h->kv[h->n_kv++] = (struct hf_kv){.key = HF_STEAL(key_copy), .value = HF_STEAL(value_copy)};
    return 1;
}

static int read_option(struct parser *p, const struct hf_option *o, const char *value)
{
    unsigned *line = hf_option_line(p->item, o);
    void *field = hf_option_field(p->item, o);
    if (*line != 0 && !o->type->repeats)
        return twice(p, o->key, *line);
    if (*line == 0)
        *line = p->line;
    if (o->type->parse(value, field, p->err) == 0 &&
        (!o->range || o->type->check_range(o->range, field, p->err) == 0))
        return 1;
    hf_option_wrap(hf_section_head(p->item), o, p->line, p->err);
    return parse_failed(p);
}

/* libinih's handler: one key. Non-zero: go on. */
static int on_key(void *user, const char *section, const char *key, const char *value)
{
    struct parser *p = user;
    (void)section; /* cut at 49 bytes: read_heading has the whole of it */
    if (p->failed_line != 0)
        return 0;
    if (*key == '\0')
        return parse_fail(p, "'=' without a key in front of it");
    if (!p->section)
        return parse_fail(p, "key '%s' stands before the first [section]", key);
    if (*value == '\0') {
        parse_fail(p, "key '%s' has no value", key);
        hf_hint(p->err, "Remove the line, or put ';' in front of it, to have the default.");
        return 0;
    }
    if (strstr(value, " #") || strstr(value, "\t#") || *value == '#') {
        parse_fail(p, "'#' inside the value of '%s'", key);
        hf_hint(p->err, "A comment behind a value begins with ' ;'.");
        return 0;
    }
    for (size_t i = 0; i < p->section->n_options; i++)
        if (strcmp(p->section->options[i].key, key) == 0)
            return read_option(p, &p->section->options[i], value);
    return p->section->flags & HF_SECTION_OPEN ? keep_key(p, key, value) : unknown_key(p, key);
}

/* ---- lines ------------------------------------------------------------------------------ */

/* No control characters: NUL ends a C string early, and none of them belongs into a log. */
static int check_bytes(struct parser *p, const char *line, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char ch = (unsigned char)line[i];
        if ((ch < 0x20 && ch != '\t') || ch == 0x7f)
            return parse_fail(p, "control character 0x%02x in column %zu", ch, i + 1);
    }
    return 1;
}

/* libinih's reader, in the manner of fgets: the next whole line, without indentation (or libinih
 * would take it for a continuation) and with one newline. */
static char *next_line(char *out, int size, void *stream)
{
    struct parser *p = stream;
    if (p->failed_line != 0 || p->next == p->end)
        return NULL;
    const char *start = p->next;
    const char *newline = memchr(start, '\n', (size_t)(p->end - start));
    size_t len = (size_t)((newline ? newline : p->end) - start);
    p->next = newline ? newline + 1 : p->end;
    p->line++;
    if (len > 0 && start[len - 1] == '\r')
        len--;
    if (!check_bytes(p, start, len))
        return NULL;
    while (len > 0 && (*start == ' ' || *start == '\t')) {
        start++;
        len--;
    }
    if (len + 2 > (size_t)size) {
        parse_fail(p, "line longer than %d bytes", size - 2);
        return NULL;
    }
    memcpy(out, start, len);
    out[len] = '\0';
    if (out[0] == '[' && !read_heading(p, out))
        return NULL;
    memcpy(out, start, len);
    memcpy(out + len, "\n", 2);
    return out;
}

static void skip_bom(struct parser *p)
{
    static const char bom[] = "\xef\xbb\xbf";
    if (p->end - p->next >= 3 && memcmp(p->next, bom, 3) == 0)
        p->next += 3;
}

int hf_config_parse_text(struct hf_config *c, const char *text, size_t len, struct hf_err *err)
{
    struct parser p = {.config = c, .next = text, .end = text + len, .err = err};
    skip_bom(&p);
    ini_max_line = LINE_MAX_BYTES; /* the library's own variable; its default of 200 is too short */
    int rc = ini_parse_stream(next_line, &p, on_key, &p);
    if (rc > 0 && (p.failed_line == 0 || (unsigned)rc < p.failed_line)) {
        p.line = (unsigned)rc;
        parse_fail(&p, "neither 'key = value' nor a [section]");
        hf_hint(err, "A value cannot go on in the next line; comments begin with ';' or '#'.");
    }
    if (rc < 0 && p.failed_line == 0)
        return hf_fail_nomem(err);
    return p.failed_line == 0 ? 0 : -1;
}
