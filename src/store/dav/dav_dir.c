/* SPDX-License-Identifier: Apache-2.0 */
#include "base/point.h"
#include "store/dav/dav_intern.h"
#include "store/walk.h"

#include <string.h>

#define LAST_MS 10000

static const char question[] =
    "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
    "<D:propfind xmlns:D=\"DAV:\"><D:prop><D:resourcetype/><D:getcontentlength/>"
    "<D:getlastmodified/><D:quota-available-bytes/></D:prop></D:propfind>\n";

/* ---- PROPFIND --------------------------------------------------------------------------- */

static int judge_find(void *ctx, const struct hf_http_answer *a, struct hf_err *err)
{
    const struct hf_dav_finder *f = ctx;
    if (f->begin)
        f->begin(f->ctx);
    return hf_dav_multistatus_parse(hf_buf_str(&a->body), a->body.len, f->emit, f->ctx, err);
}

/* Never without a depth: that is all of the tree. */
int hf_dav_find(struct hf_dav *s, const char *name, const char *depth,
                const struct hf_dav_finder *f, struct hf_err *err)
{
    char header[16];
    HF_AUTO(hf_http_answer) struct hf_http_answer a = {0};
    snprintf(header, sizeof header, "Depth: %s", depth);
    struct hf_dav_request r = {.method = "PROPFIND",
                               .name = name,
                               .headers = {header, "Content-Type: application/xml"},
                               .body = question,
                               .body_len = sizeof question - 1,
                               .answer_max = HF_DAV_XML_MAX,
                               .judge = judge_find,
                               .ctx = (void *)f};
    return hf_dav_call(s, &r, &a, err);
}

/* ---- a folder --------------------------------------------------------------------------- */

struct reading {
    char *own; /* the folder's path */
    struct hf_store_entries *out;
    bool has_own;
};

static void begin(void *ctx)
{
    struct reading *r = ctx;
    hf_store_entries_free(r->out);
    r->has_own = false;
}

static int fail_other(const char *own, struct hf_err *err)
{
    hf_fail(err, HF_E_CORRUPT, "the server lists another folder than '%s'", own);
    return hf_hint(err, "A proxy that changes paths has to change those in answers, too.");
}

static int add_entry(void *ctx, const struct hf_dav_entry *e, struct hf_err *err)
{
    struct reading *r = ctx;
    size_t len = strlen(r->own);
    bool is_own = strcmp(e->path, r->own) == 0;
    r->has_own |= is_own && e->is_dir;
    if (is_own)
        return 0;
    if (strncmp(e->path, r->own, len) != 0 || e->path[len] != '/')
        return fail_other(r->own, err);
    const char *name = e->path + len + 1;
    if (!hf_store_name_is_valid(name) && name[0] != '.') /* what lies deeper, or is none of ours */
        return 0;
    if (!e->is_dir && !e->has_bytes)
        return hf_fail(err, HF_E_UNSUPPORTED, "the server lists names without what they are");
    return hf_store_entries_add(r->out, name, e->is_dir, e->bytes, e->changed_s, err);
}

/* A folder lists itself, and nothing but what lies in it: else what is listed is another one, or under other paths. */
static int read_entries(struct hf_store *store, const char *prefix, struct hf_store_entries *out,
                        struct hf_err *err)
{
    struct hf_dav *s = (struct hf_dav *)store;
    size_t len = strlen(prefix);
    HF_AUTOFREE char *own =
        hf_asprintf("%s%s%.*s", s->root, len ? "/" : "", (int)(len ? len - 1 : 0), prefix);
    struct reading r = {.own = own, .out = out};
    const struct hf_dav_finder f = {begin, add_entry, &r};
    if (!own)
        return hf_fail_nomem(err);
    if (hf_dav_find(s, prefix, "1", &f, err) < 0)
        return err->cls == HF_E_NOT_FOUND ? hf_dav_fail_root(s, err) : -1;
    return r.has_own ? 0 : fail_other(own, err);
}

int hf_dav_list(struct hf_store *s, const struct hf_store_list *what, hf_store_emit emit, void *ctx,
                struct hf_err *err)
{
    return hf_store_walk(s, read_entries, what, emit, ctx, err);
}

/* ---- making ----------------------------------------------------------------------------- */

/* 405: it exists. Others are found out when something is put into it. */
static int may_exist(void *ctx, const struct hf_http_answer *a, struct hf_err *err)
{
    (void)ctx, (void)err;
    return a->status == 405;
}

/* Of a name its first len bytes. */
static int make_dir(struct hf_dav *s, const char *name, size_t len, struct hf_err *err)
{
    char dir[HF_STORE_NAME_MAX + HF_STORE_PART_MAX];
    HF_AUTO(hf_http_answer) struct hf_http_answer a = {0};
    memcpy(dir, name, len);
    dir[len] = '\0';
    struct hf_dav_request r = {.method = "MKCOL", .name = dir, .otherwise = may_exist};
    return hf_dav_call(s, &r, &a, err);
}

/* The last one first: mostly it is there. */
int hf_dav_make_dirs(struct hf_dav *s, const char *name, struct hf_err *err)
{
    struct hf_err odd = HF_ERR_INIT;
    const char *last = strrchr(name, '/');
    if (!last || make_dir(s, name, (size_t)(last - name) + 1, &odd) == 0)
        return 0;
    if (odd.cls != HF_E_NOT_FOUND) {
        hf_err_copy(err, &odd);
        return hf_wrap(err, "cannot create a folder for it");
    }
    for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
        if (make_dir(s, name, (size_t)(slash - name) + 1, err) == 0)
            continue;
        if (err->cls == HF_E_NOT_FOUND)
            hf_dav_fail_root(s, err);
        return hf_wrap(err, "cannot create a folder for it");
    }
    return 0;
}

/* ---- removing --------------------------------------------------------------------------- */

int hf_dav_delete(struct hf_dav *s, const char *name, bool once, bool *out_was_there,
                  struct hf_err *err)
{
    HF_AUTO(hf_cancel) struct hf_cancel *soon = NULL;
    HF_AUTO(hf_http_answer) struct hf_http_answer a = {0};
    if (once &&
        !(soon = hf_cancel_until(NULL, s->clock, hf_clock_mono_ms(s->clock) + LAST_MS, err)))
        return -1;
    struct hf_dav_request r = {
        .method = "DELETE", .name = name, .is_gone_fine = true, .once = once, .cancel = soon};
    if (hf_dav_call(s, &r, &a, err) < 0)
        return -1;
    *out_was_there = a.status != 404;
    return 0;
}

static int refuse_dir(void *ctx, const struct hf_dav_entry *e, struct hf_err *err)
{
    (void)ctx;
    return e->is_dir ? hf_fail(err, HF_E_CONFLICT, "it is a folder, and is not removed") : 0;
}

/* DELETE of a folder takes all that lies in it: so it is looked at first. */
int hf_dav_remove(struct hf_store *store, const char *name, struct hf_err *err)
{
    struct hf_dav *s = (struct hf_dav *)store;
    const struct hf_dav_finder f = {.emit = refuse_dir};
    struct hf_err odd = HF_ERR_INIT;
    bool was_there;
    if (HF_POINT_ERR("store.dav.before_remove", err) < 0)
        return -1;
    if (hf_dav_find(s, name, "0", &f, &odd) == 0)
        return hf_dav_delete(s, name, false, &was_there, err);
    if (odd.cls == HF_E_NOT_FOUND)
        return hf_dav_check_root(s, err);
    hf_err_copy(err, &odd);
    return -1;
}

static int remove_tmp(struct hf_store *store, const char *name, struct hf_err *err)
{
    bool was_there;
    return hf_dav_delete((struct hf_dav *)store, name, false, &was_there, err);
}

int hf_dav_sweep(struct hf_store *s, int64_t before_s, uint64_t *out_n, struct hf_err *err)
{
    static const struct hf_store_sweeper sweeper = {read_entries, remove_tmp, NULL};
    return hf_store_sweep_tree(s, &sweeper, before_s, out_n, err);
}
