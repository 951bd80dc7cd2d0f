/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include "io/sha256.h"
#include "store/dav/dav.h"
#include "store/path/path.h"
#include "store/s3/s3.h"
#include "store/sftp/sftp.h"

#include <ctype.h>
#include <string.h>

#define READ_BACK_BYTES ((size_t)4 << 20)

static bool is_name_byte(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("._~@=+-", c));
}

bool hf_store_name_is_valid(const char *name)
{
    size_t part = 0, len = 0, parts = 1;
    for (const char *p = name; *p; p++, len++) {
        if (*p == '/' ? part == 0 : !is_name_byte(*p) || (part == 0 && *p == '.'))
            return false;
        parts += *p == '/';
        part = *p == '/' ? 0 : part + 1;
        if (part > HF_STORE_PART_MAX || parts > HF_STORE_PARTS_MAX || len >= HF_STORE_NAME_MAX)
            return false;
    }
    return part > 0;
}

static int check_name(const char *name, struct hf_err *err)
{
    return hf_store_name_is_valid(name)
               ? 0
               : hf_fail(err, HF_E_INTERNAL, "'%.100s' is no name for an object", name);
}

static int wrap(struct hf_store *s, const char *name, struct hf_err *err)
{
    return hf_wrap(err, "%s: %s", s->url, name);
}

static const struct {
    const char *head;
    struct hf_store *(*open)(const struct hf_store_opts *opts, struct hf_err *err);
} kinds[] = {
    {"file://", hf_store_path_open},  {"s3+https://", hf_store_s3_open},
    {"s3+http://", hf_store_s3_open}, {"sftp://", hf_store_sftp_open},
    {"davs://", hf_store_dav_open},   {"dav://", hf_store_dav_open},
};

static struct hf_store *open_kind(const struct hf_store_opts *opts, struct hf_err *err)
{
    for (size_t i = 0; i < HF_ARRAY_SIZE(kinds); i++)
        if (strncmp(opts->url, kinds[i].head, strlen(kinds[i].head)) == 0)
            return kinds[i].open(opts, err);
    hf_fail(err, HF_E_CONFIG,
            "no store of this kind: file://, s3+https://, sftp:// or davs:// is wanted");
    return NULL;
}

struct hf_store *hf_store_open(const struct hf_store_opts *opts, struct hf_err *err)
{
    HF_AUTO(hf_store) struct hf_store *s = open_kind(opts, err);
    if (s && opts->rate_bytes_s)
        s->rate = hf_io_rate_new(opts->rate_bytes_s, opts->clock, opts->cancel, err);
    if (!s || (opts->rate_bytes_s && !s->rate)) {
        hf_wrap(err, "store '%s'", opts->url);
        return NULL;
    }
    hf_store_set_patience(s, opts->retry_ms);
    return HF_STEAL(s);
}

void hf_store_close(struct hf_store *s)
{
    if (!s)
        return;
    struct hf_io_rate *rate = s->rate;
    char *url = s->url;
    s->ops->close(s);
    hf_io_rate_free(rate);
    free(url);
}

void hf_store_set_patience(struct hf_store *s, int64_t ms)
{
    atomic_store(&s->patience_ms, ms ? ms : HF_STORE_PATIENCE_MS);
}

/* ---- put -------------------------------------------------------------------------------- */

/* Names the object in each error, and holds the length to what was announced. What failed once stays failed: an fsync that is
 * tried again would succeed with bytes that are lost. */
struct put {
    struct hf_io_sink sink, *next;
    struct hf_store *store;
    uint64_t announced, bytes;
    bool has_failed;
    char name[HF_STORE_NAME_MAX + 1];
};

static int put_fail(struct put *p, struct hf_err *err)
{
    p->has_failed = true;
    return wrap(p->store, p->name, err);
}

static int wrong_length(const struct put *p, struct hf_err *err)
{
    return hf_fail(err, HF_E_CORRUPT, "%llu bytes were written of %llu",
                   (unsigned long long)p->bytes, (unsigned long long)p->announced);
}

static int put_write(struct hf_io_sink *s, const void *data, size_t len, struct hf_err *err)
{
    struct put *p = (struct put *)s;
    p->bytes += len;
    if (p->bytes > p->announced)
        wrong_length(p, err);
    else if (hf_io_write(p->next, data, len, err) == 0)
        return 0;
    return put_fail(p, err);
}

static int put_finish(struct hf_io_sink *s, struct hf_err *err)
{
    struct put *p = (struct put *)s;
    if (p->has_failed)
        hf_fail(err, HF_E_INTERNAL, "it was finished after a failure");
    else if (p->announced != HF_STORE_UNKNOWN && p->announced != p->bytes)
        wrong_length(p, err);
    else if (hf_io_finish(p->next, err) == 0)
        return 0;
    return put_fail(p, err);
}

static void put_close(struct hf_io_sink *s)
{
    hf_io_close(((struct put *)s)->next);
    free(s);
}

static const struct hf_io_sink_ops put_ops = {put_write, put_finish, put_close};

static struct hf_io_sink *put_row(struct hf_store *s, const char *name,
                                  const struct hf_store_put *how, struct hf_store_receipt *out,
                                  struct hf_err *err)
{
    if (check_name(name, err) < 0)
        return NULL;
    struct hf_io_sink *row = s->ops->put(s, name, how, out, err);
    if (row)
        row = hf_io_hash_new(row, &out->digest, err);
    if (row && s->rate)
        row = hf_io_rate_sink_new(s->rate, row, err);
    return row;
}

struct hf_io_sink *hf_store_put(struct hf_store *s, const char *name,
                                const struct hf_store_put *how, struct hf_store_receipt *out,
                                struct hf_err *err)
{
    memset(out, 0, sizeof *out);
    struct put *p = calloc(1, sizeof *p);
    if (!p) {
        hf_fail_nomem(err);
        return NULL;
    }
    p->sink.ops = &put_ops;
    p->next = put_row(s, name, how, out, err);
    if (!p->next) {
        free(p);
        wrap(s, name, err);
        return NULL;
    }
    p->store = s;
    p->announced = how->bytes;
    memcpy(p->name, name, strlen(name) + 1);
    return &p->sink;
}

int hf_store_put_bytes(struct hf_store *s, const char *name, const void *data, size_t len,
                       bool replace, struct hf_store_receipt *out, struct hf_err *err)
{
    struct hf_store_put how = {.bytes = len, .replace = replace};
    HF_AUTO(hf_io_sink) struct hf_io_sink *sink = hf_store_put(s, name, &how, out, err);
    return sink && hf_io_write(sink, data, len, err) == 0 ? hf_io_finish(sink, err) : -1;
}

/* ---- the others ------------------------------------------------------------------------- */

int hf_store_get(struct hf_store *s, const char *name, uint64_t at, void *buf, size_t len,
                 struct hf_err *err)
{
    if (check_name(name, err) < 0)
        return wrap(s, name, err);
    if (len == 0)
        return 0;
    hf_io_rate_take(s->rate, len);
    if (s->ops->get(s, name, at, buf, len, false, err) < 0)
        return wrap(s, name, err);
    atomic_fetch_add(&s->fetched, len);
    return 0;
}

uint64_t hf_store_fetched(const struct hf_store *s)
{
    return atomic_load(&s->fetched);
}

int hf_store_head(struct hf_store *s, const char *name, struct hf_store_object *out,
                  struct hf_err *err)
{
    memset(out, 0, sizeof *out);
    if (check_name(name, err) < 0 || s->ops->head(s, name, out, err) < 0)
        return wrap(s, name, err);
    return 0;
}

/* "" or a name with '/' behind it. */
static bool is_prefix(const char *prefix)
{
    size_t len = strlen(prefix);
    char name[HF_STORE_NAME_MAX + 1];
    if (len == 0)
        return true;
    if (prefix[len - 1] != '/' || len > HF_STORE_NAME_MAX)
        return false;
    memcpy(name, prefix, len - 1);
    name[len - 1] = '\0';
    return hf_store_name_is_valid(name);
}

int hf_store_list(struct hf_store *s, const struct hf_store_list *what, hf_store_emit emit,
                  void *ctx, struct hf_err *err)
{
    if (!is_prefix(what->prefix))
        return hf_fail(err, HF_E_INTERNAL, "'%.100s' is no prefix to list", what->prefix);
    return s->ops->list(s, what, emit, ctx, err);
}

int hf_store_remove(struct hf_store *s, const char *name, struct hf_err *err)
{
    if (check_name(name, err) < 0 || s->ops->remove(s, name, err) < 0)
        return wrap(s, name, err);
    return 0;
}

int hf_store_now(struct hf_store *s, int64_t *out_s, struct hf_err *err)
{
    return s->ops->now(s, out_s, err) < 0 ? hf_wrap(err, "%s", s->url) : 0;
}

int hf_store_space(struct hf_store *s, uint64_t *out_free, struct hf_err *err)
{
    if (!(s->features & HF_STORE_FREE_SPACE))
        return hf_fail(err, HF_E_UNSUPPORTED, "%s: this kind of store tells no free space", s->url);
    return s->ops->space(s, out_free, err) < 0 ? hf_wrap(err, "%s", s->url) : 0;
}

int hf_store_sweep(struct hf_store *s, int64_t before_s, uint64_t *out_n, struct hf_err *err)
{
    *out_n = 0;
    return s->ops->sweep(s, before_s, out_n, err) < 0 ? hf_wrap(err, "%s", s->url) : 0;
}

/* ---- reading back ----------------------------------------------------------------------- */

static int read_back(struct hf_store *s, const char *name, uint64_t bytes, char *buf,
                     struct hf_sha256 *sha, struct hf_err *err)
{
    for (uint64_t at = 0; at < bytes;) {
        size_t n = bytes - at < READ_BACK_BYTES ? (size_t)(bytes - at) : READ_BACK_BYTES;
        hf_io_rate_take(s->rate, n);
        if (s->ops->get(s, name, at, buf, n, true, err) < 0 || hf_sha256_add(sha, buf, n, err) < 0)
            return -1;
        at += n;
    }
    return 0;
}

static int confirm(struct hf_store *s, const char *name, const struct hf_io_digest *want,
                   struct hf_err *err)
{
    struct hf_store_object o = {0};
    char got[HF_SHA256_HEX];
    HF_AUTO(hf_sha256) struct hf_sha256 *sha = hf_sha256_new(err);
    HF_AUTOFREE char *buf = malloc(READ_BACK_BYTES);
    if (!sha)
        return -1;
    if (!buf)
        return hf_fail_nomem(err);
    if (s->ops->head(s, name, &o, err) < 0)
        return -1;
    if (o.bytes != want->bytes)
        return hf_fail(err, HF_E_CORRUPT, "it has %llu bytes there instead of %llu",
                       (unsigned long long)o.bytes, (unsigned long long)want->bytes);
    if (read_back(s, name, want->bytes, buf, sha, err) < 0 || hf_sha256_end(sha, got, err) < 0)
        return -1;
    return strcmp(got, want->sha256) == 0
               ? 0
               : hf_fail(err, HF_E_CORRUPT, "what was read back has another content");
}

int hf_store_confirm(struct hf_store *s, const char *name, struct hf_store_receipt *receipt,
                     struct hf_err *err)
{
    receipt->confirmed = false;
    if (check_name(name, err) < 0 || confirm(s, name, &receipt->digest, err) < 0)
        return wrap(s, name, err);
    receipt->confirmed = true;
    return 0;
}
