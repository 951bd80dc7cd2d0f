/* SPDX-License-Identifier: Apache-2.0
 *
 * Are all files of a dump there, and of the size that it says?
 */
#include "db/load/folder.h"

#include <stdlib.h>

struct checking {
    struct hf_load_folder *f;
    struct hf_buf bad;
    size_t n_bad;
    struct hf_err *err;
};

static int check_file(struct checking *c, struct hf_load_file *file, const char *of)
{
    enum hf_io_seen seen;
    uint64_t bytes;
    if (!file->name)
        return 0;
    if (hf_io_files_look(c->f->files, file->name, &seen, &bytes, c->err))
        return -1;
    bool is_there = seen >= HF_IO_SEEN_TORN;
    bool is_whole = seen == HF_IO_SEEN_FILE && (file->stored == 0 || bytes == file->stored);
    if (!is_whole) {
        file->lack = is_there ? "another size" : "missing";
        c->n_bad++;
        hf_buf_printf(&c->bad, "%s%s (%s, of %s)", c->bad.len ? ", " : "", file->name, file->lack,
                      of);
    }
    if (is_there)
        file->stored = bytes;
    else
        free(HF_STEAL(file->name));
    return 0;
}

static int check_table(struct checking *c, struct hf_load_table *t)
{
    if (check_file(c, &t->create, t->file) || check_file(c, &t->view, t->file) ||
        check_file(c, &t->triggers, t->file))
        return -1;
    for (size_t i = 0; i < t->n_files; i++) {
        if (check_file(c, &t->files[i], t->file))
            return -1;
        t->stored += t->files[i].stored;
    }
    return 0;
}

static int check_schema(struct checking *c, struct hf_load_schema *s)
{
    if (check_file(c, &s->create, s->file) || check_file(c, &s->post, s->file) ||
        check_file(c, &s->triggers, s->file))
        return -1;
    for (size_t i = 0; i < s->n_tables; i++)
        if (check_table(c, s->tables[i]))
            return -1;
    return 0;
}

static int look_at_all(struct checking *c)
{
    if (check_file(c, &c->f->users, "the accounts"))
        return -1;
    for (size_t i = 0; i < c->f->n_schemas; i++)
        if (check_schema(c, c->f->schemas[i]))
            return -1;
    return 0;
}

int hf_load_check_files(struct hf_load_folder *f, bool force, struct hf_err *err)
{
    struct checking c = {.f = f, .err = err};
    int rc = look_at_all(&c);
    HF_AUTO(hf_buf) struct hf_buf bad = c.bad;
    if (rc || c.n_bad == 0)
        return rc;
    if (force)
        return hf_strv_add(&f->warnings, hf_buf_str(&bad)) ? hf_fail_nomem(err) : 0;
    hf_fail(err, HF_E_CORRUPT, "%zu file%s of the dump %s not what it says: %s", c.n_bad,
            c.n_bad == 1 ? "" : "s", c.n_bad == 1 ? "is" : "are", hf_buf_str(&bad));
    return hf_hint(err, "Nothing was changed. Copy the dump again, or load the rest with "
                        "--force-incomplete.");
}
