/* SPDX-License-Identifier: Apache-2.0 */
#include "checkpoint_words.h"

#include "base/buf.h"

#include <string.h>
#include <sys/stat.h>

int lv_checkpoint_files(const struct lv_disk *d, struct hf_strv *out, struct hf_err *err)
{
    for (size_t i = 0; i < d->n_layers; i++) {
        struct stat st = {0};
        const char *path = d->layers[i].path ? d->layers[i].path : "?";
        bool is_file = stat(path, &st) == 0 && S_ISREG(st.st_mode);
        if (hf_strv_take(out, hf_asprintf("%llu:%s", is_file ? (unsigned long long)st.st_ino : 0ULL,
                                          path)) != 0)
            return hf_fail_nomem(err);
    }
    return 0;
}

static int add_disk(struct hf_buf *out, const struct lv_disk *d)
{
    struct hf_err ignored = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv files = HF_STRV_INIT;
    if (lv_checkpoint_files(d, &files, &ignored) != 0)
        return -1;
    hf_buf_printf(out, "\n%s", d->target);
    for (size_t i = 0; i < files.n; i++)
        hf_buf_printf(out, "\t%s", files.items[i]);
    return 0;
}

char *lv_checkpoint_words(const struct lv_vm *vm, const struct lv_export *e)
{
    HF_AUTO(hf_buf) struct hf_buf out = HF_BUF_INIT;
    hf_buf_printf(&out, LV_CHECKPOINT_MARK "%s", e->run_id);
    for (size_t i = 0; i < vm->n_disks; i++) {
        const struct lv_export_disk *d = lv_export_disk(e, vm->disks[i].target);
        if (d && d->takes_bitmap && add_disk(&out, &vm->disks[i]) != 0)
            return NULL;
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

static bool line_has(const char *line, const char *file)
{
    size_t len = 0;
    const char *is;
    for (size_t i = 1; (is = field(line, i, &len)); i++)
        if (len == strlen(file) && strncmp(is, file, len) == 0)
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

static bool is_of_another(const char *words, const char *target, const char *file)
{
    for (const char *line = next_line(words); line; line = next_line(line))
        if (!line_is_of(line, target) && line_has(line, file))
            return true;
    return false;
}

const char *lv_checkpoint_doubt(const char *words, const char *target, const struct hf_strv *files)
{
    const char *line = words ? line_of(words, target) : NULL;
    size_t known = 0;
    if (!line)
        return "the checkpoint was made without it";
    while (known < files->n && !line_has(line, files->items[known]))
        known++;
    for (size_t i = 0; i < known; i++)
        if (is_of_another(words, target, files->items[i]))
            return "it lies in the file of another disk";
    if (known == files->n)
        return "it lies in another file than when the checkpoint was made";
    for (size_t i = known; i < files->n; i++)
        if (!line_has(line, files->items[i]))
            return "it stands on another file than when the checkpoint was made";
    return NULL;
}
