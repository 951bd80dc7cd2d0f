/* SPDX-License-Identifier: Apache-2.0 */
#include "store/walk.h"

#include "base/buf.h"
#include "base/list.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define GROWTH ((size_t)64)

/* ---- entries ----------------------------------------------------------------------------- */

void hf_store_entries_free(struct hf_store_entries *e)
{
    for (size_t i = 0; i < e->n; i++)
        free(e->items[i].name);
    free(e->items);
    *e = (struct hf_store_entries){0};
}

static int grow(struct hf_store_entries *e, struct hf_err *err)
{
    struct hf_store_entry *more = hf_list_room(e->items, e->n, &e->cap, sizeof *more, GROWTH);
    if (!more)
        return hf_fail_nomem(err);
    e->items = more;
    return 0;
}

static int add(struct hf_store_entries *e, const char *name, bool is_dir,
               struct hf_store_entry what, struct hf_err *err)
{
    if (!name[0] || strchr(name, '/')) /* nothing that lies in one directory */
        return 0;
    if (e->n == HF_STORE_DIR_MAX)
        return hf_fail(err, HF_E_CORRUPT, "a directory with more than %zu entries",
                       HF_STORE_DIR_MAX);
    if (e->n == e->cap && grow(e, err) < 0)
        return -1;
    what.name = hf_asprintf("%s%s", name, is_dir ? "/" : "");
    if (!what.name)
        return hf_fail_nomem(err);
    e->items[e->n++] = what;
    return 0;
}

int hf_store_entries_add(struct hf_store_entries *e, const char *name, bool is_dir, uint64_t bytes,
                         int64_t changed_s, struct hf_err *err)
{
    const struct hf_store_entry what = {.bytes = bytes, .changed_s = changed_s};
    return add(e, name, is_dir, what, err);
}

int hf_store_entries_add_link(struct hf_store_entries *e, const char *name, struct hf_err *err)
{
    const struct hf_store_entry what = {.is_link = true};
    return add(e, name, false, what, err);
}

/* Directories have their '/': so the walk is in the byte order of whole names. */
static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct hf_store_entry *)a)->name,
                  ((const struct hf_store_entry *)b)->name);
}

static bool is_dir(const char *name)
{
    return name[0] && name[strlen(name) - 1] == '/';
}

/* With or without '/' at the end. */
static bool is_name(const char *name)
{
    char bare[HF_STORE_NAME_MAX + 2];
    size_t len = strlen(name);
    if (len == 0 || len >= sizeof bare)
        return false;
    memcpy(bare, name, len + 1);
    if (bare[len - 1] == '/')
        bare[len - 1] = '\0';
    return hf_store_name_is_valid(bare);
}

static int read_sorted(struct hf_store *s, hf_store_read_dir read_dir, const char *prefix,
                       struct hf_store_entries *out, bool *out_is_gone, struct hf_err *err)
{
    struct hf_err odd = HF_ERR_INIT;
    *out_is_gone = false;
    if (read_dir(s, prefix, out, &odd) < 0) {
        *out_is_gone = odd.cls == HF_E_NOT_FOUND;
        if (*out_is_gone)
            return 0;
        hf_err_copy(err, &odd);
        return hf_wrap(err, "%s: %s", s->url, prefix);
    }
    if (out->n > 1)
        qsort(out->items, out->n, sizeof *out->items, by_name);
    return 0;
}

/* ---- the listing ------------------------------------------------------------------------- */

struct walk {
    struct hf_store *s;
    hf_store_read_dir read_dir;
    const struct hf_store_list *what;
    hf_store_emit emit;
    void *ctx;
};

static int walk_dir(const struct walk *w, const char *prefix, struct hf_err *err);

int hf_store_fail_link(const char *name, struct hf_err *err)
{
    hf_fail(err, HF_E_CONFLICT, "'%s' is a link, and links are not followed", name);
    return hf_hint(err, "Move back what it leads to, or mount it there.");
}

/* Whoever moves a folder to another disk and leaves a link must not have it taken for removed. */
static int judge_link(const struct walk *w, const char *name, struct hf_err *err)
{
    if (!strchr(name, '/'))
        return 0;
    hf_store_fail_link(name, err);
    return hf_wrap(err, "%s", w->s->url);
}

static int visit(const struct walk *w, const struct hf_store_entry *e, const char *name,
                 struct hf_err *err)
{
    const char *after = w->what->after;
    bool goes_down = is_dir(name) && !w->what->shallow;
    if (e->is_link)
        return judge_link(w, name, err);
    /* Below a directory that sorts before `after` there may be more only when `after` lies in it. */
    if (after && strcmp(name, after) <= 0 &&
        !(goes_down && strncmp(after, name, strlen(name)) == 0))
        return 0;
    if (goes_down)
        return walk_dir(w, name, err);
    struct hf_store_object o = {.name = name};
    if (!is_dir(name)) {
        o.bytes = e->bytes;
        o.changed_s = e->changed_s;
    }
    return w->emit(w->ctx, &o, err);
}

static int walk_dir(const struct walk *w, const char *prefix, struct hf_err *err)
{
    bool is_gone = false;
    HF_AUTO(hf_store_entries) struct hf_store_entries all = {0};
    if (read_sorted(w->s, w->read_dir, prefix, &all, &is_gone, err) < 0)
        return -1;
    for (size_t i = 0; i < all.n; i++) {
        if (i > 0 && strcmp(all.items[i - 1].name, all.items[i].name) == 0)
            continue;
        HF_AUTOFREE char *name = hf_asprintf("%s%s", prefix, all.items[i].name);
        if (!name)
            return hf_fail_nomem(err);
        int rc = is_name(name) ? visit(w, &all.items[i], name, err) : 0;
        if (rc != 0)
            return rc;
    }
    return 0;
}

int hf_store_walk(struct hf_store *s, hf_store_read_dir read_dir, const struct hf_store_list *what,
                  hf_store_emit emit, void *ctx, struct hf_err *err)
{
    const struct walk w = {s, read_dir, what, emit, ctx};
    return walk_dir(&w, what->prefix, err);
}

/* ---- what dead puts left ----------------------------------------------------------------- */

char *hf_store_tmp_name(const char *name, struct hf_err *err)
{
    uint64_t salt = 0;
    const char *slash = strrchr(name, '/');
    const char *last = slash ? slash + 1 : name;
    if (getrandom(&salt, sizeof salt, 0) != sizeof salt) {
        hf_fail_sys(err, errno, "no random numbers");
        return NULL;
    }
    char *tmp =
        hf_asprintf("%.*s.%s.%016" PRIx64 HF_STORE_TMP_END, (int)(last - name), name, last, salt);
    if (!tmp)
        hf_fail_nomem(err);
    return tmp;
}

static bool is_tmp(const char *name)
{
    size_t len = strlen(name), end = strlen(HF_STORE_TMP_END);
    return name[0] == '.' && len > end + 1 && !strchr(name, '/') &&
           strcmp(name + len - end, HF_STORE_TMP_END) == 0;
}

struct sweep {
    struct hf_store *s;
    const struct hf_store_sweeper *how;
    int64_t before_s;
    uint64_t *n;
};

static int sweep_dir(const struct sweep *w, const char *prefix, struct hf_err *err);

/* A directory's own time was taken before the sweep of what lies in it changes that. */
static int sweep_entry(const struct sweep *w, const struct hf_store_entry *e, const char *name,
                       struct hf_err *err)
{
    bool is_old = e->changed_s > 0 && e->changed_s < w->before_s, is_gone = false;
    if (is_tmp(e->name) && is_old) {
        if (w->how->remove_tmp(w->s, name, err) < 0)
            return hf_wrap(err, "%s", name);
        ++*w->n;
        return 0;
    }
    if (!is_dir(name) || !is_name(name))
        return 0;
    if (sweep_dir(w, name, err) < 0)
        return -1;
    if (!is_old || !w->how->remove_dir)
        return 0;
    if (w->how->remove_dir(w->s, name, &is_gone, err) < 0)
        return hf_wrap(err, "%s", name);
    *w->n += is_gone;
    return 0;
}

static int sweep_dir(const struct sweep *w, const char *prefix, struct hf_err *err)
{
    bool is_gone = false;
    HF_AUTO(hf_store_entries) struct hf_store_entries all = {0};
    if (read_sorted(w->s, w->how->read_dir, prefix, &all, &is_gone, err) < 0)
        return -1;
    for (size_t i = 0; i < all.n; i++) {
        HF_AUTOFREE char *name = hf_asprintf("%s%s", prefix, all.items[i].name);
        if (!name)
            return hf_fail_nomem(err);
        if (sweep_entry(w, &all.items[i], name, err) < 0)
            return -1;
    }
    return 0;
}

int hf_store_sweep_tree(struct hf_store *s, const struct hf_store_sweeper *how, int64_t before_s,
                        uint64_t *out_n, struct hf_err *err)
{
    const struct sweep w = {s, how, before_s, out_n};
    return sweep_dir(&w, "", err);
}
