/* SPDX-License-Identifier: Apache-2.0 */
#include "store/s3/s3.h"

#include "base/point.h"
#include "store/s3/s3_intern.h"
#include "store/s3/s3_xml.h"

#include <ctype.h>
#include <inttypes.h>
#include <libxml/parser.h>
#include <pthread.h>
#include <string.h>

#define PART_BYTES ((uint64_t)16 << 20)
#define PART_LEAST ((uint64_t)5 << 20) /* but of the last one: S3's own limit */
#define PART_MOST ((uint64_t)256 << 20)
#define REGION_MAX 64

static struct hf_s3 *of(struct hf_store *s)
{
    return (struct hf_s3 *)s;
}

/* ---- reading ---------------------------------------------------------------------------- */

static int s3_get(struct hf_store *store, const char *name, uint64_t at, void *buf, size_t len,
                  bool fresh, struct hf_err *err)
{
    (void)fresh; /* nothing is kept */
    char range[64];
    struct hf_http_range w = {at, len};
    HF_AUTO(hf_http_answer) struct hf_http_answer a = {0};
    snprintf(range, sizeof range, "%" PRIu64 "-%" PRIu64, at, at + len - 1);
    struct hf_s3_request r = {.method = "GET",
                              .name = name,
                              .range = range,
                              .into = buf,
                              .into_len = len,
                              .judge = hf_http_judge_range,
                              .ctx = &w};
    return hf_s3_call(of(store), &r, &a, err);
}

static int judge_head(void *ctx, const struct hf_http_answer *a, struct hf_err *err)
{
    struct hf_store_object *o = ctx;
    return hf_http_judge_head(a, &o->bytes, &o->changed_s, err);
}

static int s3_head(struct hf_store *store, const char *name, struct hf_store_object *out,
                   struct hf_err *err)
{
    HF_AUTO(hf_http_answer) struct hf_http_answer a = {0};
    struct hf_s3_request r = {.method = "HEAD", .name = name, .judge = judge_head, .ctx = out};
    return hf_s3_call(of(store), &r, &a, err);
}

/* ---- the rest --------------------------------------------------------------------------- */

static int s3_remove(struct hf_store *store, const char *name, struct hf_err *err)
{
    HF_AUTO(hf_http_answer) struct hf_http_answer a = {0};
    struct hf_s3_request r = {.method = "DELETE", .name = name, .is_gone_fine = true};
    if (HF_POINT_ERR("store.s3.before_remove", err) < 0)
        return -1;
    return hf_s3_call(of(store), &r, &a, err);
}

static int s3_now(struct hf_store *store, int64_t *out_s, struct hf_err *err)
{
    HF_AUTO(hf_http_answer) struct hf_http_answer a = {0};
    const struct hf_s3_param params[] = {
        {"list-type", "2"}, {"max-keys", "1"}, {"prefix", of(store)->prefix}};
    struct hf_s3_request r = {.method = "GET",
                              .params = params,
                              .n_params = HF_ARRAY_SIZE(params),
                              .judge = hf_http_judge_date,
                              .ctx = out_s};
    return hf_s3_call(of(store), &r, &a, err);
}

/* ---- open and close --------------------------------------------------------------------- */

static void s3_close(struct hf_store *store)
{
    struct hf_s3 *s = of(store);
    hf_http_free(s->http);
    hf_secret_free(s->secret);
    free(s->origin);
    free(s->bucket);
    free(s->prefix);
    free(s->sigv4);
    free(s->access_key);
    free(s);
}

static const struct hf_store_ops s3_ops = {
    .put = hf_s3_put,
    .get = s3_get,
    .head = s3_head,
    .list = hf_s3_list,
    .remove = s3_remove,
    .now = s3_now,
    .sweep = hf_s3_sweep,
    .close = s3_close,
};

static int check_options(const struct hf_store_opts *o, struct hf_err *err)
{
    const char *region = o->region;
    if (!o->access_key || !o->access_key[0] || !o->secret_file)
        return hf_fail(err, HF_E_CONFIG,
                       "an S3 store wants an access key and a file with its secret");
    for (const char *p = o->access_key; *p; p++)
        if (!isgraph((unsigned char)*p))
            return hf_fail(err, HF_E_CONFIG,
                           "the access key has a blank or a strange character in it");
    if (region &&
        (!region[0] || strlen(region) > REGION_MAX ||
         region[strspn(region,
                       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")]))
        return hf_fail(err, HF_E_CONFIG, "this is no name of a region");
    if (o->part_bytes && (o->part_bytes < PART_LEAST || o->part_bytes > PART_MOST))
        return hf_fail(err, HF_E_CONFIG, "parts of an upload have 5 MiB to 256 MiB");
    return 0;
}

static int fill(struct hf_s3 *s, const struct hf_store_opts *o, struct hf_err *err)
{
    struct hf_http_opts http = {
        .ca_file = o->ca_file, .pin = o->pin, .stall_ms = o->stall_ms, .cancel = o->cancel};
    s->clock = o->clock;
    s->cancel = o->cancel;
    s->part_bytes = (size_t)(o->part_bytes ? o->part_bytes : PART_BYTES);
    s->store.url = strdup(o->url);
    s->access_key = strdup(o->access_key);
    /* All four fields: those left out are guessed from the host's name. */
    s->sigv4 = hf_asprintf("aws:amz:%s:s3", o->region ? o->region : "us-east-1");
    if (!s->store.url || !s->access_key || !s->sigv4)
        return hf_fail_nomem(err);
    if (hf_s3_url_parse(s, o->url, err) < 0)
        return -1;
    s->secret = hf_secret_read(o->secret_file, err);
    s->http = s->secret ? hf_http_new(&http, err) : NULL;
    return s->http ? 0 : -1;
}

struct hf_store *hf_store_s3_open(const struct hf_store_opts *opts, struct hf_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, xmlInitParser);
    if (check_options(opts, err) < 0)
        return NULL;
    struct hf_s3 *s = calloc(1, sizeof *s);
    if (!s) {
        hf_fail_nomem(err);
        return NULL;
    }
    HF_AUTO(hf_store) struct hf_store *store = &s->store;
    store->ops = &s3_ops;
    store->features = HF_STORE_CONFIRMS;
    return fill(s, opts, err) < 0 ? NULL : HF_STEAL(store);
}
