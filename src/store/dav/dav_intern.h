/* SPDX-License-Identifier: Apache-2.0
 *
 * store/dav/dav_intern.h - what the files of this driver share: requests with retries, the slots.
 *
 * NAME is an object's name in the store, or "" for its folder; one with '/' at its end is a folder, too.
 */
#ifndef HF_STORE_DAV_INTERN_H
#define HF_STORE_DAV_INTERN_H

#include "net/http.h"
#include "store/dav/dav.h"
#include "store/dav/dav_xml.h"

struct hf_dav {
    struct hf_store store;
    struct hf_http *http;
    const struct hf_clock *clock;
    const struct hf_cancel *cancel;
    char *origin; /* "https://HOST:PORT" */
    char *root;   /* "" or "/a/b" */
    char *user;   /* NULL: no login */
    struct hf_secret *secret;
    size_t part_bytes;
    int64_t stall_ms;
};

struct hf_dav_request {
    const char *method, *name;
    const char *headers[3]; /* from the first NULL on none */
    const char *range;
    const void *body;
    size_t body_len;
    void *into;
    size_t into_len;
    size_t answer_max;
    bool is_gone_fine;              /* 404 */
    bool once;                      /* no retries */
    bool is_single;                 /* net/http.h; with `again`, for what must not be done twice */
    const struct hf_cancel *cancel; /* NULL: the store's */
    /* Judges an answer that says done; may be NULL. An error of it that is retryable is retried. */
    int (*judge)(void *ctx, const struct hf_http_answer *a, struct hf_err *err);
    /* Called for each other one: 1: it will do; 0: it means what it usually does; -1. May be NULL. */
    int (*otherwise)(void *ctx, const struct hf_http_answer *a, struct hf_err *err);
    /* Called before each further try: 1: the one before has done it; 0: go on; -1. May be NULL. */
    int (*again)(void *ctx, struct hf_err *err);
    void *ctx;
};

/* ---- dav_call.c ------------------------------------------------------------------------- */

int hf_dav_call(struct hf_dav *s, const struct hf_dav_request *r, struct hf_http_answer *out,
                struct hf_err *err) HF_CHECKED;
/* Does it say that all of it is done? Not by "will be" (202), nor, but for a listing, by a list of what failed (207). */
bool hf_dav_is_done(const char *method, long status);
/* What another answer means. Returns -1. */
int hf_dav_fail(const struct hf_dav *s, const struct hf_http_answer *a, struct hf_err *err);
/* The address of a name. NULL: no memory. */
char *hf_dav_url(const struct hf_dav *s, const char *name, struct hf_err *err);
/* Is the store's own folder there? UNREACHABLE: it is not. */
int hf_dav_check_root(struct hf_dav *s, struct hf_err *err) HF_CHECKED;
/* After a NOT_FOUND in err: that, or what hf_dav_check_root says. Returns -1. */
int hf_dav_fail_root(struct hf_dav *s, struct hf_err *err);

/* ---- dav_dir.c -------------------------------------------------------------------------- */

struct hf_dav_finder {
    void (*begin)(void *ctx); /* of each try; or NULL */
    hf_dav_emit emit;
    void *ctx;
};
/* PROPFIND of one, or (depth "1") of a folder with what lies in it. */
int hf_dav_find(struct hf_dav *s, const char *name, const char *depth,
                const struct hf_dav_finder *f, struct hf_err *err) HF_CHECKED;
/* The folders above a name, as far as they are missing; never the store's own. */
int hf_dav_make_dirs(struct hf_dav *s, const char *name, struct hf_err *err) HF_CHECKED;
/* A file, in a request that is repeated, or once in ten seconds whoever has cancelled what. */
int hf_dav_delete(struct hf_dav *s, const char *name, bool once, bool *out_was_there,
                  struct hf_err *err) HF_CHECKED;

/* The slots of struct hf_store_ops that stand in other files. */
struct hf_io_sink *hf_dav_put(struct hf_store *s, const char *name, const struct hf_store_put *how,
                              struct hf_store_receipt *out, struct hf_err *err) HF_CHECKED;
int hf_dav_head(struct hf_store *s, const char *name, struct hf_store_object *out,
                struct hf_err *err) HF_CHECKED;
int hf_dav_remove(struct hf_store *s, const char *name, struct hf_err *err) HF_CHECKED;
int hf_dav_list(struct hf_store *s, const struct hf_store_list *what, hf_store_emit emit, void *ctx,
                struct hf_err *err) HF_CHECKED;
int hf_dav_sweep(struct hf_store *s, int64_t before_s, uint64_t *out_n, struct hf_err *err)
    HF_CHECKED;

#endif
