/* SPDX-License-Identifier: Apache-2.0
 *
 * store/s3/s3_intern.h - what the files of this driver share: addresses, requests with retries, listings, uploads.
 *
 * NAME is an object's name in the store; its key in the bucket has the store's prefix in front. Requests are signed by libcurl, which
 * is right only for addresses, parameters and headers as they are made here: all encoded, all parameters with a value and sorted,
 * no header that is the beginning of another one's name, none that is empty.
 */
#ifndef HF_STORE_S3_INTERN_H
#define HF_STORE_S3_INTERN_H

#include "net/http.h"
#include "store/s3/s3.h"

#define HF_S3_PAGE 1000        /* entries of one answer, at most */
#define HF_S3_PARTS_MAX 10000u /* of one upload */
#define HF_S3_ID_MAX 512       /* of an upload, with the NUL */
#define HF_S3_ETAG_MAX 80      /* with the NUL, without quotes */
#define HF_S3_SHA256_BYTES 32
#define HF_S3_MD5_BYTES 16
#define HF_S3_MD5_HEX 33

struct hf_s3 {
    struct hf_store store;
    struct hf_http *http;
    const struct hf_clock *clock;
    const struct hf_cancel *cancel;
    char *origin;          /* "https://HOST:PORT" */
    char *bucket, *prefix; /* prefix: "" or with '/' at the end */
    char *sigv4, *access_key;
    struct hf_secret *secret;
    size_t part_bytes;
};

/* ---- addresses: s3_url.c ---------------------------------------------------------------- */

struct hf_s3_param {
    const char *name, *value;
};
#define HF_S3_PARAMS_MAX 8

/* Fills origin, bucket and prefix from s3+http[s]://HOST[:PORT]/BUCKET[/PREFIX]. CONFIG: what is wrong with it. */
int hf_s3_url_parse(struct hf_s3 *s, const char *url, struct hf_err *err) HF_CHECKED;
/* Of an object, or with NULL of the bucket. NULL: no memory, or too many parameters. */
char *hf_s3_url(const struct hf_s3 *s, const char *name, const struct hf_s3_param *params,
                size_t n);

/* ---- digests: s3_hash.c ----------------------------------------------------------------- */

int hf_s3_sha256(const void *data, size_t len, unsigned char out[HF_S3_SHA256_BYTES],
                 struct hf_err *err) HF_CHECKED;
int hf_s3_md5(const void *data, size_t len, unsigned char out[HF_S3_MD5_BYTES], struct hf_err *err)
    HF_CHECKED;

/* ---- requests: s3_call.c, s3_error.c ---------------------------------------------------- */

struct hf_s3_request {
    const char *method;
    const char *name; /* NULL: the bucket */
    const struct hf_s3_param *params;
    size_t n_params;
    const char *headers[3]; /* more of them, from the first NULL on none */
    const char *range;
    const void *body;
    size_t body_len;
    const char *sha256; /* of the body, in hex; NULL: computed */
    void *into;
    size_t into_len;
    size_t answer_max;
    bool is_gone_fine;              /* an object or upload that is not there */
    bool once;                      /* no retries */
    const struct hf_cancel *cancel; /* NULL: the store's */
    /* Judges an answer 2xx; may be NULL. An error of it that is retryable is retried. */
    int (*judge)(void *ctx, const struct hf_http_answer *a, struct hf_err *err);
    void *ctx;
};

/* 0: status 2xx, or 404 that is fine. Retries what may pass; each try is a new signature. */
int hf_s3_call(struct hf_s3 *s, const struct hf_s3_request *r, struct hf_http_answer *out,
               struct hf_err *err) HF_CHECKED;
/* What an answer that is not 2xx, or that holds <Error>, means. Returns -1. */
int hf_s3_fail(const struct hf_s3 *s, const struct hf_http_answer *a, struct hf_err *err);
/* Its <Code>, "" when there is none. */
void hf_s3_code(const struct hf_http_answer *a, char *out, size_t size);

/* ---- uploads in parts: s3_upload.c, and s3_list.c for what an earlier one has left ---------- */

struct hf_s3_part {
    char etag[HF_S3_ETAG_MAX];
    unsigned char md5[HF_S3_MD5_BYTES];
    uint64_t bytes; /* 0: not there */
};

/* The newest interrupted upload to this name, and its parts by number - 1 (*out: HF_S3_PARTS_MAX of them, to be freed). id is ""
 * and *out NULL: there is none. */
int hf_s3_resume(struct hf_s3 *s, const char *name, char id[HF_S3_ID_MAX], struct hf_s3_part **out,
                 struct hf_err *err) HF_CHECKED;
int hf_s3_abort(struct hf_s3 *s, const char *name, const char *id, bool once, struct hf_err *err)
    HF_CHECKED;

struct hf_s3_upload;

struct hf_s3_upload *hf_s3_upload_new(struct hf_s3 *s, const char *name, size_t part_bytes,
                                      bool resume, struct hf_err *err) HF_CHECKED;
/* Takes *buf (part_bytes large, of malloc) with len bytes in it as the next part, and gives another one for it; waits until one is
 * free. Each part but the last must be full. */
int hf_s3_upload_part(struct hf_s3_upload *u, char **buf, size_t len, struct hf_err *err)
    HF_CHECKED;
int hf_s3_upload_finish(struct hf_s3_upload *u, bool *out_confirmed, struct hf_err *err) HF_CHECKED;
/* Before finish: abandons; the parts stay only where `resume` was asked for. */
void hf_s3_upload_free(struct hf_s3_upload *u);
HF_DEFINE_AUTO(hf_s3_upload, hf_s3_upload_free)

/* The ETag of the answer without quotes. -1: none, or one that no store gives. */
int hf_s3_etag(const struct hf_http_answer *a, char out[HF_S3_ETAG_MAX]) HF_CHECKED;
/* The same from any text. */
int hf_s3_etag_copy(const char *text, char out[HF_S3_ETAG_MAX]) HF_CHECKED;

/* The slots of struct hf_store_ops that stand in other files. */
struct hf_io_sink *hf_s3_put(struct hf_store *s, const char *name, const struct hf_store_put *how,
                             struct hf_store_receipt *out, struct hf_err *err) HF_CHECKED;
int hf_s3_list(struct hf_store *s, const struct hf_store_list *what, hf_store_emit emit, void *ctx,
               struct hf_err *err) HF_CHECKED;
int hf_s3_sweep(struct hf_store *s, int64_t before_s, uint64_t *out_n, struct hf_err *err)
    HF_CHECKED;

#endif
