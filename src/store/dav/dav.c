/* SPDX-License-Identifier: Apache-2.0 */
#include "store/dav/dav.h"

#include "store/address.h"
#include "store/dav/dav_intern.h"

#include <inttypes.h>
#include <libxml/parser.h>
#include <pthread.h>
#include <string.h>

#define PART_BYTES ((uint64_t)16 << 20)
#define PART_MOST ((uint64_t)256 << 20)
#define STALL_MS 30000

static struct hf_dav *of(struct hf_store *s)
{
    return (struct hf_dav *)s;
}

/* What is not there: the object, or all of the store? */
static int ask_of_one(struct hf_dav *s, const struct hf_dav_request *r, struct hf_err *err)
{
    HF_AUTO(hf_http_answer) struct hf_http_answer a = {0};
    if (hf_dav_call(s, r, &a, err) == 0)
        return 0;
    return err->cls == HF_E_NOT_FOUND ? hf_dav_fail_root(s, err) : -1;
}

/* ---- reading ---------------------------------------------------------------------------- */

static int dav_get(struct hf_store *store, const char *name, uint64_t at, void *buf, size_t len,
                   bool fresh, struct hf_err *err)
{
    (void)fresh; /* nothing is kept here; what the server keeps, it gives */
    char range[64];
    struct hf_http_range w = {at, len};
    snprintf(range, sizeof range, "%" PRIu64 "-%" PRIu64, at, at + len - 1);
    struct hf_dav_request r = {.method = "GET",
                               .name = name,
                               .range = range,
                               .into = buf,
                               .into_len = len,
                               .judge = hf_http_judge_range,
                               .ctx = &w};
    return ask_of_one(of(store), &r, err);
}

static int keep_head(void *ctx, const struct hf_dav_entry *e, struct hf_err *err)
{
    struct hf_store_object *o = ctx;
    if (e->is_dir || !e->has_bytes)
        return hf_fail(err, HF_E_CORRUPT, "the server does not say how long it is: not a file");
    o->bytes = e->bytes;
    o->changed_s = e->changed_s;
    return 0;
}

/* Not by HEAD: Apache tells no length of 0 there. */
int hf_dav_head(struct hf_store *store, const char *name, struct hf_store_object *out,
                struct hf_err *err)
{
    const struct hf_dav_finder f = {.emit = keep_head, .ctx = out};
    if (hf_dav_find(of(store), name, "0", &f, err) == 0)
        return 0;
    return err->cls == HF_E_NOT_FOUND ? hf_dav_fail_root(of(store), err) : -1;
}

/* ---- the clock, and the room ------------------------------------------------------------ */

static int dav_now(struct hf_store *store, int64_t *out_s, struct hf_err *err)
{
    struct hf_dav_request r = {.method = "PROPFIND",
                               .name = "",
                               .headers = {"Depth: 0", "Content-Type: application/xml"},
                               .judge = hf_http_judge_date,
                               .ctx = out_s};
    return ask_of_one(of(store), &r, err);
}

static int keep_room(void *ctx, const struct hf_dav_entry *e, struct hf_err *err)
{
    (void)err;
    *(int64_t *)ctx = e->room_bytes;
    return 0;
}

static int dav_space(struct hf_store *store, uint64_t *out_free, struct hf_err *err)
{
    int64_t room = -1;
    const struct hf_dav_finder f = {.emit = keep_room, .ctx = &room};
    if (hf_dav_find(of(store), "", "0", &f, err) < 0)
        return -1;
    if (room < 0)
        return hf_fail(err, HF_E_UNSUPPORTED, "this server tells no free space");
    *out_free = (uint64_t)room;
    return 0;
}

/* ---- open and close --------------------------------------------------------------------- */

static void dav_close(struct hf_store *store)
{
    struct hf_dav *s = of(store);
    hf_http_free(s->http);
    hf_secret_free(s->secret);
    free(s->origin);
    free(s->root);
    free(s->user);
    free(s);
}

static const struct hf_store_ops dav_ops = {
    .put = hf_dav_put,
    .get = dav_get,
    .head = hf_dav_head,
    .list = hf_dav_list,
    .remove = hf_dav_remove,
    .now = dav_now,
    .space = dav_space,
    .sweep = hf_dav_sweep,
    .close = dav_close,
};

static int set_address(struct hf_dav *s, const char *url, struct hf_err *err)
{
    bool has_tls = strncmp(url, "davs://", 7) == 0;
    HF_AUTO(hf_store_address) struct hf_store_address a = {0};
    if (hf_store_address_parse(strstr(url, "://") + 3, has_tls ? 443 : 80, &a, err) < 0)
        return -1;
    if (a.user)
        return hf_fail(err, HF_E_CONFIG, "the user is an option of its own");
    s->origin = hf_asprintf(strchr(a.host, ':') ? "%s://[%s]:%u" : "%s://%s:%u",
                            has_tls ? "https" : "http", a.host, a.port);
    s->root = HF_STEAL(a.path);
    return s->origin ? 0 : hf_fail_nomem(err);
}

static int set_login(struct hf_dav *s, const struct hf_store_opts *o, struct hf_err *err)
{
    if (!o->user)
        return 0;
    if (!o->user[0] || strchr(o->user, ':') || !o->secret_file)
        return hf_fail(err, HF_E_CONFIG,
                       "a login wants a user without ':', and a file with the password");
    s->user = strdup(o->user);
    if (!s->user)
        return hf_fail_nomem(err);
    s->secret = hf_secret_read(o->secret_file, err);
    return s->secret ? 0 : -1;
}

static int fill(struct hf_dav *s, const struct hf_store_opts *o, struct hf_err *err)
{
    struct hf_http_opts http = {
        .ca_file = o->ca_file, .pin = o->pin, .stall_ms = o->stall_ms, .cancel = o->cancel};
    if (o->part_bytes > PART_MOST)
        return hf_fail(err, HF_E_CONFIG, "parts of an upload have 256 MiB at the most");
    s->clock = o->clock;
    s->cancel = o->cancel;
    s->stall_ms = o->stall_ms ? o->stall_ms : STALL_MS;
    s->part_bytes = (size_t)(o->part_bytes ? o->part_bytes : PART_BYTES);
    s->store.url = strdup(o->url);
    if (!s->store.url)
        return hf_fail_nomem(err);
    if (set_address(s, o->url, err) < 0 || set_login(s, o, err) < 0)
        return -1;
    s->http = hf_http_new(&http, err);
    return s->http ? 0 : -1;
}

struct hf_store *hf_store_dav_open(const struct hf_store_opts *opts, struct hf_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, xmlInitParser);
    struct hf_dav *s = calloc(1, sizeof *s);
    if (!s) {
        hf_fail_nomem(err);
        return NULL;
    }
    HF_AUTO(hf_store) struct hf_store *store = &s->store;
    store->ops = &dav_ops;
    store->features = HF_STORE_EXCLUSIVE | HF_STORE_FREE_SPACE;
    return fill(s, opts, err) < 0 ? NULL : HF_STEAL(store);
}
