/* SPDX-License-Identifier: Apache-2.0
 *
 * store/store.h - a place off the host where objects are kept: put, read, listed, removed by name.
 *
 * An object appears whole or not at all, and is never changed afterwards, only replaced or removed. What was put counts as
 * arrived when the store's own answer carried its checksum (receipt.confirmed), or when hf_store_confirm has read it back. Drivers stand
 * behind struct hf_store_ops; callers use the functions below, which check names, digest and limit the rate.
 *
 * Names: parts of A-Z a-z 0-9 . _ ~ @ = + - with '/' between them, none empty or beginning with '.', 900 bytes at most, 200 per
 * part, 16 parts. So a name never leaves the prefix, means the same on each store, and needs no quoting.
 *
 * Errors: NOT_FOUND: the object (a bucket that is gone says so and has a hint; a directory that is gone is UNREACHABLE), NOSPACE,
 * AUTH, UNREACHABLE, TIMEOUT, CORRUPT: an answer that makes no sense. Retries are the driver's, under retry_ms. Threads: any, also
 * several sinks at once.
 * A crash in mid-put leaves at most what hf_store_sweep removes.
 */
#ifndef HF_STORE_STORE_H
#define HF_STORE_STORE_H

#include "base/cancel.h"
#include "base/clock.h"
#include "base/secret.h"
#include "io/rate.h"
#include "io/sink.h"
#include "io/source.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HF_STORE_NAME_MAX 900
#define HF_STORE_PART_MAX 200
#define HF_STORE_PARTS_MAX 16
#define HF_STORE_PATIENCE_MS (INT64_C(5) * 60 * 1000)
#define HF_STORE_UNKNOWN UINT64_MAX /* a length */

enum hf_store_feature {
    HF_STORE_CONFIRMS = 1 << 0,   /* may confirm a put by its answer */
    HF_STORE_EXCLUSIVE = 1 << 1,  /* a put without `replace` fails when the name exists */
    HF_STORE_FREE_SPACE = 1 << 2, /* hf_store_space works */
    HF_STORE_LOCAL = 1 << 3,      /* a path of this host: store/offhost.h tells whether off it */
};

struct hf_store_put {
    uint64_t bytes; /* exactly so many will be written, or HF_STORE_UNKNOWN */
    bool replace;
    bool resume; /* take over the parts of an interrupted put of the same bytes to the same name */
};

struct hf_store_receipt {
    struct hf_io_digest digest;
    bool confirmed; /* the store's answer had the checksum */
};

struct hf_store_object {
    const char
        *name; /* valid during the call; with '/' at the end: a group of names (shallow listing) */
    uint64_t bytes;
    int64_t changed_s; /* by the store's clock; 0: unknown */
};

/* Nonzero ends the listing; that value is returned. */
typedef int (*hf_store_emit)(void *ctx, const struct hf_store_object *o, struct hf_err *err);

struct hf_store_list {
    const char *prefix; /* "" or one that ends with '/' */
    const char *after;  /* NULL, or only names behind this one */
    bool shallow;       /* what lies deeper than one '/' becomes one name with '/' at the end */
};

struct hf_store;

/* What a driver brings. Names are checked before they come here. The receipt of a put is empty; its digest is filled when the
 * driver's sink is finished, and that one fills the rest. */
struct hf_store_ops {
    struct hf_io_sink *(*put)(struct hf_store *s, const char *name, const struct hf_store_put *how,
                              struct hf_store_receipt *out, struct hf_err *err);
    int (*get)(struct hf_store *s, const char *name, uint64_t at, void *buf, size_t len, bool fresh,
               struct hf_err *err);
    int (*head)(struct hf_store *s, const char *name, struct hf_store_object *out,
                struct hf_err *err);
    int (*list)(struct hf_store *s, const struct hf_store_list *what, hf_store_emit emit, void *ctx,
                struct hf_err *err);
    int (*remove)(struct hf_store *s, const char *name, struct hf_err *err);
    int (*now)(struct hf_store *s, int64_t *out_s, struct hf_err *err);
    int (*space)(struct hf_store *s, uint64_t *out_free, struct hf_err *err);
    int (*sweep)(struct hf_store *s, int64_t before_s, uint64_t *out_n, struct hf_err *err);
    void (*close)(struct hf_store *s);
};

/* The head of each driver's own struct. */
struct hf_store {
    const struct hf_store_ops *ops;
    unsigned features; /* enum hf_store_feature */
    char *url;         /* for messages: holds no secret */
    struct hf_io_rate *rate;
    atomic_llong patience_ms; /* of drivers that retry: for one request with all its retries */
    _Atomic uint64_t fetched; /* bytes that hf_store_get brought */
};

struct hf_store_opts {
    const char
        *url; /* file:///DIR, s3+https://HOST[:PORT]/BUCKET[/PREFIX], sftp://USER@HOST[:PORT]/DIR,
                      * davs://HOST[:PORT]/DIR; s3+http://… and dav://… without TLS */
    const struct hf_clock *clock;
    const struct hf_cancel *cancel; /* or NULL */
    uint64_t rate_bytes_s;          /* 0: no limit; of what is written and read, together */
    /* S3 */
    const char *region, *access_key;
    uint64_t part_bytes; /* 0: 16 MiB */
    /* SFTP */
    const char *key_file;    /* private, without passphrase; NULL: the ssh-agent */
    const char *known_hosts; /* NULL: /etc/ssh/ssh_known_hosts */
    /* WebDAV */
    const char *user; /* NULL: no login */
    /* S3, WebDAV */
    const char *secret_file; /* private, its first line */
    const char *ca_file;     /* or NULL: the system's */
    const char *
        pin; /* "sha256//…" of the server's public key, or NULL; without ca_file it alone decides */
    /* all but a directory */
    int64_t retry_ms; /* 0: 5 minutes; per request with all its retries */
    int64_t stall_ms; /* 0: 30 s; a transfer that stands still for so long has failed */
};

/* CONFIG: no such kind of store, or an option is wrong. Nothing is created; file:// asks that the directory exists. All options
 * are copied but clock and cancel. */
struct hf_store *hf_store_open(const struct hf_store_opts *opts, struct hf_err *err) HF_CHECKED;
void hf_store_close(struct hf_store *s);
/* For the requests that begin from now on; 0: as opts.retry_ms says when it is 0. A driver that does not retry has no use for it. */
void hf_store_set_patience(struct hf_store *s, int64_t ms);
HF_DEFINE_AUTO(hf_store, hf_store_close)

bool hf_store_name_is_valid(const char *name);

/* Writes an object: finish of the sink makes it appear and fills *out, which outlives the sink; close without finish abandons
 * it. After a failure nothing else succeeds; a failed finish may have made it appear, whole. CONFLICT: exists (EXCLUSIVE stores).
 * CORRUPT: not the length that was announced. */
struct hf_io_sink *hf_store_put(struct hf_store *s, const char *name,
                                const struct hf_store_put *how, struct hf_store_receipt *out,
                                struct hf_err *err) HF_CHECKED;
/* A small one, in one go. */
int hf_store_put_bytes(struct hf_store *s, const char *name, const void *data, size_t len,
                       bool replace, struct hf_store_receipt *out, struct hf_err *err) HF_CHECKED;

/* Exactly these bytes; CORRUPT: the object ends before. */
int hf_store_get(struct hf_store *s, const char *name, uint64_t at, void *buf, size_t len,
                 struct hf_err *err) HF_CHECKED;
/* out->name is NULL. */
int hf_store_head(struct hf_store *s, const char *name, struct hf_store_object *out,
                  struct hf_err *err) HF_CHECKED;
/* In the byte order of the names. */
int hf_store_list(struct hf_store *s, const struct hf_store_list *what, hf_store_emit emit,
                  void *ctx, struct hf_err *err) HF_CHECKED;
/* One that is not there is removed already. */
int hf_store_remove(struct hf_store *s, const char *name, struct hf_err *err) HF_CHECKED;
/* Seconds since the epoch by the store's clock. */
int hf_store_now(struct hf_store *s, int64_t *out_s, struct hf_err *err) HF_CHECKED;
/* UNSUPPORTED without FREE_SPACE. */
int hf_store_space(struct hf_store *s, uint64_t *out_free, struct hf_err *err) HF_CHECKED;
/* Removes what puts left behind that began before this time (by the store's clock). Never objects. */
int hf_store_sweep(struct hf_store *s, int64_t before_s, uint64_t *out_n, struct hf_err *err)
    HF_CHECKED;

/* Reads the whole object back, not from this host's memory, and compares. CORRUPT: other bytes. Sets confirmed, or clears it. */
int hf_store_confirm(struct hf_store *s, const char *name, struct hf_store_receipt *receipt,
                     struct hf_err *err) HF_CHECKED;

/* An object as a source; borrows the store. Who reads on from where he stopped gets `window` bytes at least read ahead, so that many
 * small reads are few requests; a leap to what does not lie there is a request for just its bytes, and keeps what does. */
struct hf_io_source *hf_store_source(struct hf_store *s, const char *name, size_t window,
                                     struct hf_err *err) HF_CHECKED;
/* The same of an object whose size is known, without asking for it. */
struct hf_io_source *hf_store_source_of(struct hf_store *s, const char *name, uint64_t bytes,
                                        size_t window, struct hf_err *err) HF_CHECKED;

/* Bytes of objects that hf_store_get has brought since it was opened. */
uint64_t hf_store_fetched(const struct hf_store *s);

#endif
