/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mountinfo.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ID 0
#define PARENT 1
#define DEVICE 2 /* fields of a line; behind the options comes any number, then a lone dash */
#define MOUNTPOINT 4
#define OPTIONAL 6

#define DEPTH_MAX 128 /* mounts upon mounts */
#define NONE SIZE_MAX

void hf_mountinfo_free(struct hf_mountinfo *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->items[i].mountpoint);
        free(l->items[i].type);
        free(l->items[i].source);
        free(l->items[i].options);
    }
    free(l->items);
    *l = (struct hf_mountinfo){0};
}

static bool is_octal(const char *p)
{
    return p[0] >= '0' && p[0] <= '3' && p[1] >= '0' && p[1] <= '7' && p[2] >= '0' && p[2] <= '7';
}

/* The kernel writes blanks, tabs, line ends and backslashes as \040 and so on. */
static int unescape(const char *field, char **out, struct hf_err *err)
{
    char *to = *out = strdup(field);
    if (!to)
        return hf_fail_nomem(err);
    for (const char *p = field; *p; p++) {
        if (*p == '\\' && is_octal(p + 1)) {
            *to++ = (char)((p[1] - '0') * 64 + (p[2] - '0') * 8 + (p[3] - '0'));
            p += 3;
        } else {
            *to++ = *p;
        }
    }
    *to = '\0';
    size_t n = (size_t)(to - *out);
    if (strlen(*out) != n)
        return hf_fail(err, HF_E_CORRUPT, "a NUL in a name");
    return n <= HF_MOUNTINFO_NAME_MAX ? 0 : hf_fail(err, HF_E_CORRUPT, "a name of %zu bytes", n);
}

/* btrfs has device numbers of its own, major 0, and a block device as its source all the same. */
static bool has_device(const struct hf_mountinfo_entry *m)
{
    return m->major != 0 || (strcmp(m->type, "btrfs") == 0 && *m->source == '/');
}

static int parse_line(char *line, struct hf_mountinfo_entry *out, struct hf_err *err)
{
    char *fields[OPTIONAL], *save = NULL, *type, *source, *options, none[] = "";
    size_t n = 0;
    char *word = strtok_r(line, " ", &save);
    for (; word && n < OPTIONAL; word = strtok_r(NULL, " ", &save))
        fields[n++] = word;
    while (word && strcmp(word, "-") != 0)
        word = strtok_r(NULL, " ", &save);
    type = word ? strtok_r(NULL, " ", &save) : NULL;
    source = type ? strtok_r(NULL, " ", &save) : NULL;
    options = source ? strtok_r(NULL, " ", &save) : NULL;
    if (!options || strlen(options) > HF_MOUNTINFO_NAME_MAX) /* an overlay of many layers */
        options = none;
    if (n < OPTIONAL || !source || *fields[MOUNTPOINT] != '/')
        return hf_fail(err, HF_E_CORRUPT, "a line that is no mount");
    if (sscanf(fields[DEVICE], "%9u:%9u", &out->major, &out->minor) != 2)
        return hf_fail(err, HF_E_CORRUPT, "a device without number");
    if (unescape(fields[MOUNTPOINT], &out->mountpoint, err) != 0 ||
        unescape(type, &out->type, err) != 0 || unescape(source, &out->source, err) != 0 ||
        unescape(options, &out->options, err) != 0)
        return -1;
    out->id = strtoul(fields[ID], NULL, 10);
    out->parent = strtoul(fields[PARENT], NULL, 10);
    out->has_device = has_device(out);
    return 0;
}

static size_t parent_of(const struct hf_mountinfo *l, size_t i)
{
    for (size_t k = 0; k < l->n; k++)
        if (k != i && l->items[k].id == l->items[i].parent)
            return k;
    return NONE;
}

bool hf_mountinfo_is_below(const char *path, const char *dir)
{
    size_t len = strcmp(dir, "/") == 0 ? 0 : strlen(dir);
    return strncmp(path, dir, len) == 0 && path[len] == '/' && path[len + 1];
}

/* i can be reached when at each directory on the way to it no mount was put but its own ancestors.
 * Lines are in no order that tells: what came from the initramfs stands anywhere. */
static void find_hidden(struct hf_mountinfo *l, const size_t *up, bool *is_ancestor)
{
    for (size_t i = 0; i < l->n; i++) {
        struct hf_mountinfo_entry *m = &l->items[i];
        memset(is_ancestor, 0, l->n);
        for (size_t k = i, depth = 0; k != NONE && depth < DEPTH_MAX; k = up[k], depth++)
            is_ancestor[k] = true;
        for (size_t k = 0; k < l->n && !m->is_hidden; k++) {
            const char *dir = l->items[k].mountpoint;
            if (is_ancestor[k] || up[k] == NONE || !is_ancestor[up[k]])
                continue;
            m->is_hidden = up[k] == i ? strcmp(dir, m->mountpoint) == 0
                                      : hf_mountinfo_is_below(m->mountpoint, dir);
        }
    }
}

static int mark_hidden(struct hf_mountinfo *l, struct hf_err *err)
{
    HF_AUTOFREE size_t *up = calloc(l->n + 1, sizeof *up);
    HF_AUTOFREE bool *is_ancestor = calloc(l->n + 1, sizeof *is_ancestor);
    if (!up || !is_ancestor)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < l->n; i++)
        up[i] = parent_of(l, i);
    find_hidden(l, up, is_ancestor);
    return 0;
}

static size_t count_lines(const char *text)
{
    size_t n = 0;
    for (const char *p = text; (p = strchr(p, '\n')); p++)
        n++;
    return n;
}

int hf_mountinfo_parse(const char *text, size_t len, struct hf_mountinfo *out, struct hf_err *err)
{
    if (!len || text[len - 1] != '\n' || memchr(text, '\0', len))
        return hf_fail(err, HF_E_CORRUPT, "no list of mounts");
    HF_AUTOFREE char *copy = strndup(text, len);
    size_t n = copy ? count_lines(copy) : 0;
    if (n > HF_MOUNTINFO_MAX)
        return hf_fail(err, HF_E_CORRUPT, "%zu mounts", n);
    out->items = calloc(n + 1, sizeof *out->items);
    if (!copy || !out->items)
        return hf_fail_nomem(err);
    char *save = NULL;
    for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        if (parse_line(line, &out->items[out->n++], err) != 0)
            return hf_wrap(err, "mount %zu", out->n);
    return mark_hidden(out, err);
}

const struct hf_mountinfo_entry *hf_mountinfo_find(const struct hf_mountinfo *l, const char *path)
{
    const struct hf_mountinfo_entry *found = NULL;
    for (size_t i = 0; i < l->n; i++) {
        const struct hf_mountinfo_entry *m = &l->items[i];
        if (m->is_hidden ||
            (strcmp(path, m->mountpoint) != 0 && !hf_mountinfo_is_below(path, m->mountpoint)))
            continue;
        if (!found || strlen(m->mountpoint) >= strlen(found->mountpoint))
            found = m; /* of two on one directory the later lies on top */
    }
    return found;
}
