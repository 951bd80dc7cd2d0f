/* SPDX-License-Identifier: Apache-2.0 */
#include "checkpoint_words.h"

#include "base/buf.h"

#include <string.h>

static void add_disk(struct hf_buf *out, const struct lv_disk *d)
{
    hf_buf_printf(out, "\n%s", d->target);
    for (size_t i = 0; i < d->n_layers; i++)
        hf_buf_printf(out, "\t%s", d->layers[i].path ? d->layers[i].path : "?");
}

char *lv_checkpoint_words(const struct lv_vm *vm, const struct lv_export *e)
{
    HF_AUTO(hf_buf) struct hf_buf out = HF_BUF_INIT;
    hf_buf_printf(&out, LV_CHECKPOINT_MARK "%s", e->run_id);
    for (size_t i = 0; i < vm->n_disks; i++) {
        const struct lv_export_disk *d = lv_export_disk(e, vm->disks[i].target);
        if (d && d->takes_bitmap)
            add_disk(&out, &vm->disks[i]);
    }
    return hf_buf_ok(&out) ? hf_buf_steal(&out) : NULL;
}

/* One field of a line, with its length; NULL: there is none. */
static const char *field(const char *line, size_t n, size_t *len)
{
    while (n--) {
        line += strcspn(line, "\t\n");
        if (*line++ != '\t')
            return NULL;
    }
    *len = strcspn(line, "\t\n");
    return line;
}

static bool line_is_of(const char *line, const char *target)
{
    size_t len = 0;
    const char *is = field(line, 0, &len);
    return len == strlen(target) && strncmp(is, target, len) == 0;
}

static bool line_has(const char *line, const char *path)
{
    size_t len = 0;
    const char *is;
    for (size_t i = 1; path && (is = field(line, i, &len)); i++)
        if (len == strlen(path) && strncmp(is, path, len) == 0)
            return true;
    return false;
}

static const char *next_line(const char *line)
{
    const char *end = strchr(line, '\n');
    return end ? end + 1 : NULL;
}

static const char *line_of(const char *words, const char *target)
{
    const char *line = next_line(words);
    while (line && !line_is_of(line, target))
        line = next_line(line);
    return line;
}

static bool is_of_another(const char *words, const char *target, const char *path)
{
    for (const char *line = next_line(words); line; line = next_line(line))
        if (!line_is_of(line, target) && line_has(line, path))
            return true;
    return false;
}

const char *lv_checkpoint_doubt(const char *words, const struct lv_disk *d)
{
    const char *line = words ? line_of(words, d->target) : NULL;
    size_t known = 0;
    if (!line)
        return "the checkpoint was made without it";
    while (known < d->n_layers && !line_has(line, d->layers[known].path))
        known++;
    if (known == d->n_layers)
        return "it lies in another file than when the checkpoint was made";
    for (size_t i = 0; i < known; i++)
        if (!d->layers[i].path || is_of_another(words, d->target, d->layers[i].path))
            return "it lies in the file of another disk";
    for (size_t i = known; i < d->n_layers; i++)
        if (!line_has(line, d->layers[i].path))
            return "it stands on another file than when the checkpoint was made";
    return NULL;
}
