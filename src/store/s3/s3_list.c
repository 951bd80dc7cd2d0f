/* SPDX-License-Identifier: Apache-2.0 */
#include "base/point.h"
#include "store/s3/s3_intern.h"
#include "store/s3/s3_xml.h"

#include <inttypes.h>
#include <string.h>

/* Behind each name of ours: it is no byte of them. */
#define BEHIND_ALL "\x7f"
#define ABORT_MS 10000

struct reading {
    enum hf_s3_page_kind kind;
    struct hf_s3_page *page;
};

static int judge_page(void *ctx, const struct hf_http_answer *a, struct hf_err *err)
{
    const struct reading *r = ctx;
    hf_s3_page_free(r->page);
    return hf_s3_page_parse(r->kind, hf_buf_str(&a->body), a->body.len, r->page, err);
}

static int get_page(struct hf_s3 *s, enum hf_s3_page_kind kind, const char *name,
                    const struct hf_s3_param *params, size_t n, struct hf_s3_page *page,
                    struct hf_err *err)
{
    HF_AUTO(hf_http_answer) struct hf_http_answer a = {0};
    struct reading reading = {kind, page};
    struct hf_s3_request r = {.method = "GET",
                              .name = name,
                              .params = params,
                              .n_params = n,
                              .answer_max = HF_S3_XML_MAX,
                              .judge = judge_page,
                              .ctx = &reading};
    return hf_s3_call(s, &r, &a, err);
}

static int replace(char **text, char *with, struct hf_err *err)
{
    free(*text);
    *text = with;
    return with ? 0 : hf_fail_nomem(err);
}

/* ---- objects ---------------------------------------------------------------------------- */

struct listing {
    struct hf_s3 *s;
    const struct hf_store_list *what;
    hf_store_emit emit;
    void *ctx;
    char *prefix; /* the store's and the listing's */
    char *last;   /* the key last seen, or after which to begin; NULL: from the beginning */
};

static bool is_name(const char *name, bool is_group)
{
    char part[HF_STORE_NAME_MAX + 2];
    size_t len = strlen(name);
    if (len == 0 || len >= sizeof part)
        return false;
    memcpy(part, name, len + 1);
    if (is_group && part[len - 1] == '/')
        part[len - 1] = '\0';
    return hf_store_name_is_valid(part);
}

/* Others may keep what they like below our prefix: what is no name of ours is not there. */
static int emit_entry(struct listing *l, const struct hf_s3_entry *e, struct hf_err *err)
{
    if (strncmp(e->key, l->prefix, strlen(l->prefix)) != 0)
        return hf_fail(err, HF_E_CORRUPT, "the store lists what was not asked for");
    if (l->last && strcmp(e->key, l->last) <= 0)
        return 0;
    if (replace(&l->last, strdup(e->key), err) < 0)
        return -1;
    struct hf_store_object o = {
        .name = e->key + strlen(l->s->prefix), .bytes = e->bytes, .changed_s = e->time_s};
    return is_name(o.name, e->is_group) ? l->emit(l->ctx, &o, err) : 0;
}

/* No continuation token: those have a '+' in them, which some versions of libcurl sign wrongly. */
static int list_page(struct listing *l, struct hf_s3_page *page, struct hf_err *err)
{
    size_t len = l->last ? strlen(l->last) : 0;
    bool is_group = len > 0 && l->last[len - 1] == '/';
    HF_AUTOFREE char *after = hf_asprintf("%s%s", len ? l->last : "", is_group ? BEHIND_ALL : "");
    struct hf_s3_param params[6] = {
        {"encoding-type", "url"}, {"list-type", "2"}, {"max-keys", "1000"}, {"prefix", l->prefix}};
    size_t n = 4;
    if (!after)
        return hf_fail_nomem(err);
    if (l->what->shallow)
        params[n++] = (struct hf_s3_param){"delimiter", "/"};
    if (len > 0)
        params[n++] = (struct hf_s3_param){"start-after", after};
    return get_page(l->s, HF_S3_OBJECTS, NULL, params, n, page, err);
}

static int list_all(struct listing *l, struct hf_err *err)
{
    for (bool is_cut = true; is_cut;) {
        HF_AUTO(hf_s3_page) struct hf_s3_page page = {0};
        HF_AUTOFREE char *before = l->last ? strdup(l->last) : NULL;
        if (list_page(l, &page, err) < 0)
            return -1;
        for (size_t i = 0; i < page.n; i++) {
            int rc = emit_entry(l, &page.items[i], err);
            if (rc)
                return rc;
        }
        is_cut = page.is_cut;
        if (is_cut && (!l->last || (before && strcmp(before, l->last) == 0)))
            return hf_fail(err, HF_E_CORRUPT, "the store's listing does not come to an end");
    }
    return 0;
}

int hf_s3_list(struct hf_store *store, const struct hf_store_list *what, hf_store_emit emit,
               void *ctx, struct hf_err *err)
{
    struct hf_s3 *s = (struct hf_s3 *)store;
    HF_AUTOFREE char *prefix = hf_asprintf("%s%s", s->prefix, what->prefix);
    struct listing l = {.s = s, .what = what, .emit = emit, .ctx = ctx, .prefix = prefix};
    if (!prefix || (what->after && !(l.last = hf_asprintf("%s%s", s->prefix, what->after))))
        return hf_fail_nomem(err);
    int rc = list_all(&l, err);
    free(l.last);
    return rc;
}

/* ---- uploads ---------------------------------------------------------------------------- */

typedef int (*upload_fn)(void *ctx, const struct hf_s3_entry *e, struct hf_err *err);

/* Each that was begun below this prefix and not ended. */
static int each_upload(struct hf_s3 *s, const char *prefix, upload_fn fn, void *ctx,
                       struct hf_err *err)
{
    HF_AUTOFREE char *key = NULL;
    HF_AUTOFREE char *id = NULL;
    for (bool is_cut = true; is_cut;) {
        HF_AUTO(hf_s3_page) struct hf_s3_page page = {0};
        struct hf_s3_param params[] = {{"encoding-type", "url"},
                                       {"prefix", prefix},
                                       {"uploads", ""},
                                       {"key-marker", key},
                                       {"upload-id-marker", id}};
        if (get_page(s, HF_S3_UPLOADS, NULL, params, key ? 5 : 3, &page, err) < 0)
            return -1;
        for (size_t i = 0; i < page.n; i++)
            if (strncmp(page.items[i].key, prefix, strlen(prefix)) == 0 &&
                fn(ctx, &page.items[i], err) < 0)
                return -1;
        is_cut = page.is_cut;
        if (!is_cut)
            break;
        const struct hf_s3_entry *last = page.n ? &page.items[page.n - 1] : NULL;
        int order = !last ? -1 : key ? strcmp(last->key, key) : 1;
        if (order < 0 || (order == 0 && strcmp(last->id, id) == 0))
            return hf_fail(err, HF_E_CORRUPT,
                           "the store's list of uploads does not come to an end");
        if (replace(&key, strdup(last->key), err) < 0 || replace(&id, strdup(last->id), err) < 0)
            return -1;
    }
    return 0;
}

struct sweeping {
    struct hf_s3 *s;
    int64_t before_s;
    uint64_t *n;
};

static int sweep_one(void *ctx, const struct hf_s3_entry *e, struct hf_err *err)
{
    const struct sweeping *w = ctx;
    if (e->time_s == 0 || e->time_s >= w->before_s)
        return 0;
    if (hf_s3_abort(w->s, e->key + strlen(w->s->prefix), e->id, false, err) < 0)
        return -1;
    ++*w->n;
    return 0;
}

int hf_s3_sweep(struct hf_store *store, int64_t before_s, uint64_t *out_n, struct hf_err *err)
{
    struct sweeping w = {(struct hf_s3 *)store, before_s, out_n};
    return each_upload(w.s, w.s->prefix, sweep_one, &w, err);
}

/* Once: what was cancelled is cleaned up all the same, in a time that nobody minds. */
int hf_s3_abort(struct hf_s3 *s, const char *name, const char *id, bool once, struct hf_err *err)
{
    HF_AUTO(hf_cancel) struct hf_cancel *soon = NULL;
    HF_AUTO(hf_http_answer) struct hf_http_answer a = {0};
    const struct hf_s3_param params[] = {{"uploadId", id}};
    if (once &&
        !(soon = hf_cancel_until(NULL, s->clock, hf_clock_mono_ms(s->clock) + ABORT_MS, err)))
        return -1;
    struct hf_s3_request r = {.method = "DELETE",
                              .name = name,
                              .params = params,
                              .n_params = 1,
                              .is_gone_fine = true,
                              .once = once,
                              .cancel = soon};
    if (HF_POINT_ERR("store.s3.before_abort", err) < 0)
        return -1;
    return hf_s3_call(s, &r, &a, err);
}

/* ---- taking over an upload -------------------------------------------------------------- */

struct seeking {
    const char *key;
    char *id;
    int64_t newest_s;
};

static int seek_one(void *ctx, const struct hf_s3_entry *e, struct hf_err *err)
{
    struct seeking *k = ctx;
    (void)err;
    if (strcmp(e->key, k->key) == 0 && (!k->id[0] || e->time_s >= k->newest_s)) {
        k->newest_s = e->time_s;
        memcpy(k->id, e->id, strlen(e->id) + 1); /* is_whole held it to HF_S3_ID_MAX */
    }
    return 0;
}

static int read_parts(struct hf_s3 *s, const char *name, const char *id, struct hf_s3_part *parts,
                      struct hf_err *err)
{
    unsigned last = 0;
    for (bool is_cut = true; is_cut;) {
        HF_AUTO(hf_s3_page) struct hf_s3_page page = {0};
        char marker[16];
        unsigned before = last;
        snprintf(marker, sizeof marker, "%u", last);
        const struct hf_s3_param params[] = {{"part-number-marker", marker}, {"uploadId", id}};
        if (get_page(s, HF_S3_PARTS, name, params, 2, &page, err) < 0)
            return -1;
        for (size_t i = 0; i < page.n; i++) {
            const struct hf_s3_entry *e = &page.items[i];
            struct hf_s3_part *p = &parts[e->number - 1];
            last = e->number > last ? e->number : last;
            p->bytes = hf_s3_etag_copy(e->etag, p->etag) == 0 ? e->bytes : 0;
        }
        is_cut = page.is_cut;
        if (is_cut && last <= before)
            return hf_fail(err, HF_E_CORRUPT, "the store's list of parts does not come to an end");
    }
    return 0;
}

int hf_s3_resume(struct hf_s3 *s, const char *name, char id[HF_S3_ID_MAX], struct hf_s3_part **out,
                 struct hf_err *err)
{
    HF_AUTOFREE char *key = hf_asprintf("%s%s", s->prefix, name);
    HF_AUTOFREE struct hf_s3_part *parts = NULL;
    struct seeking k = {.key = key, .id = id};
    id[0] = '\0';
    if (!key)
        return hf_fail_nomem(err);
    if (each_upload(s, key, seek_one, &k, err) < 0)
        return -1;
    if (!id[0])
        return 0;
    parts = calloc(HF_S3_PARTS_MAX, sizeof *parts);
    if (!parts)
        return hf_fail_nomem(err);
    if (read_parts(s, name, id, parts, err) < 0)
        return -1;
    *out = HF_STEAL(parts);
    return 0;
}
