/* SPDX-License-Identifier: Apache-2.0
 *
 * store/sftp/sftp_intern.h - what the files of this driver share: connections, requests with retries, the slots.
 *
 * NAME is an object's name in the store, or "" for its directory; the path on the server has the directory in front.
 */
#ifndef HF_STORE_SFTP_INTERN_H
#define HF_STORE_SFTP_INTERN_H

#include "net/ssh.h"
#include "store/sftp/sftp.h"
#include "store/sftp/sftp_wire.h"

#include <pthread.h>
#include <stdatomic.h>

#define HF_SFTP_IDLE_MAX 8
#define HF_SFTP_WINDOW ((size_t)4 << 20) /* bytes that are under way, each way */
#define HF_SFTP_REQUESTS_MAX 128u        /* requests that are */
#define HF_SFTP_LAST_MS 10000            /* for cleaning up, cancelled or not */

struct hf_sftp_conn {
    struct hf_ssh_conn *ssh;
    LIBSSH2_CHANNEL *channel;
    struct hf_sftp_extensions has;
    size_t read_bytes, write_bytes; /* of one request */
    uint32_t next_id;
    unsigned n_waiting; /* answers that are still to come */
    bool is_broken;     /* of no use any more */
    int64_t until_ms;   /* of what is being done */
    int64_t stall_ms, quiet_ms;
    uint64_t seen_received;
    size_t seen_pending;
    unsigned char *in; /* in[in_at..in_len]: come, not read yet */
    size_t in_at, in_len;
};

struct hf_sftp {
    struct hf_store store;
    const struct hf_clock *clock;
    const struct hf_cancel *cancel;
    struct hf_ssh_target target; /* its strings are ours */
    char *root;                  /* "" or "/a/b" */
    int64_t stall_ms;
    pthread_mutex_t lock;
    struct hf_sftp_conn *idle[HF_SFTP_IDLE_MAX];
    size_t n_idle;
    atomic_int syncs_dirs; /* 1: it does; -1: it does not; 0: it was not asked yet */
};

/* ---- a connection: sftp_conn.c ---------------------------------------------------------- */

/* err.retryable of what fails here: the same may succeed on another connection. */
struct hf_sftp_conn *hf_sftp_connect(struct hf_sftp *s, int64_t until_ms, struct hf_err *err)
    HF_CHECKED;
void hf_sftp_conn_close(struct hf_sftp_conn *c);
HF_DEFINE_AUTO(hf_sftp_conn, hf_sftp_conn_close)

/* The beginning of a request in b; its id. */
uint32_t hf_sftp_request(struct hf_sftp_conn *c, struct hf_buf *b, enum hf_sftp_type type,
                         size_t *at);
/* Whole requests, n of them; waits while the server takes no more. */
int hf_sftp_send(struct hf_sftp_conn *c, const struct hf_buf *b, unsigned n, struct hf_err *err)
    HF_CHECKED;
/* 1: an answer, whose data lives until the next call; 0: none has come yet; -1. */
int hf_sftp_receive(struct hf_sftp_conn *c, struct hf_sftp_answer *out, struct hf_err *err)
    HF_CHECKED;
/* Until something comes or goes. */
int hf_sftp_wait(struct hf_sftp_conn *c, struct hf_err *err) HF_CHECKED;
/* The answer to this id; what others come before it is dropped. */
int hf_sftp_await(struct hf_sftp_conn *c, uint32_t id, struct hf_sftp_answer *out,
                  struct hf_err *err) HF_CHECKED;
/* The answers to n requests, in whatever order they come; what else comes is dropped. Nonzero of `take` ends it, and is returned. */
typedef int (*hf_sftp_take_fn)(void *ctx, unsigned i, const struct hf_sftp_answer *a,
                               struct hf_err *err);
int hf_sftp_await_all(struct hf_sftp_conn *c, const uint32_t *ids, unsigned n, hf_sftp_take_fn take,
                      void *ctx, struct hf_err *err) HF_CHECKED;
/* What is done from now on has so long. */
void hf_sftp_begin_work(struct hf_sftp_conn *c, int64_t until_ms);

/* ---- requests: sftp_call.c -------------------------------------------------------------- */

/* On one connection. A failure that is err.retryable is done again on another one, until the store's patience is at its end; `bytes`
 * that are to be moved get time of their own. */
typedef int (*hf_sftp_fn)(struct hf_sftp *s, struct hf_sftp_conn *c, void *ctx, struct hf_err *err);
int hf_sftp_do(struct hf_sftp *s, uint64_t bytes, hf_sftp_fn fn, void *ctx, struct hf_err *err)
    HF_CHECKED;
/* Is a failure worth another try? nonsense: counts those that make no sense, which pass rarely. */
bool hf_sftp_is_worth_it(const struct hf_err *err, unsigned *nonsense);
/* One for a longer work; until_ms bounds connecting. */
struct hf_sftp_conn *hf_sftp_take(struct hf_sftp *s, int64_t until_ms, struct hf_err *err)
    HF_CHECKED;
void hf_sftp_give(struct hf_sftp *s, struct hf_sftp_conn *c); /* takes NULL, and broken ones */

/* The path of a name; NULL: no memory. */
char *hf_sftp_path(const struct hf_sftp *s, const char *name, struct hf_err *err);
/* What an answer that is no success means. Returns -1. */
int hf_sftp_fail(const struct hf_sftp_answer *a, const char *what, struct hf_err *err);
/* The same of a request that needs room: NOSPACE when there is none. */
int hf_sftp_fail_room(struct hf_sftp *s, struct hf_sftp_conn *c, const struct hf_sftp_answer *a,
                      const char *what, struct hf_err *err);
/* Of one that names an object: UNREACHABLE when the store's directory itself is not there. */
int hf_sftp_fail_name(struct hf_sftp *s, struct hf_sftp_conn *c, const struct hf_sftp_answer *a,
                      const char *what, struct hf_err *err);

/* A request that has a path, or two (NULL: one), and its answer. EXTENDED: posix-rename. */
int hf_sftp_ask_path(struct hf_sftp *s, struct hf_sftp_conn *c, enum hf_sftp_type type,
                     const char *name, const char *second, struct hf_sftp_answer *out,
                     struct hf_err *err) HF_CHECKED;
/* Appends an OPEN; what it makes has mode 0600. */
int hf_sftp_add_open(struct hf_sftp *s, struct hf_sftp_conn *c, struct hf_buf *b, const char *name,
                     unsigned flags, uint32_t *out_id, struct hf_err *err) HF_CHECKED;
int hf_sftp_ask_open(struct hf_sftp *s, struct hf_sftp_conn *c, const char *name, unsigned flags,
                     struct hf_sftp_answer *out, struct hf_err *err) HF_CHECKED;
/* Appends a request that has a handle; its id. EXTENDED: fsync. */
uint32_t hf_sftp_add_handle(struct hf_sftp_conn *c, struct hf_buf *b, enum hf_sftp_type type,
                            const struct hf_sftp_handle *h);
int hf_sftp_ask_handle(struct hf_sftp_conn *c, enum hf_sftp_type type,
                       const struct hf_sftp_handle *h, struct hf_sftp_answer *out,
                       struct hf_err *err) HF_CHECKED;
/* Nobody waits for the answer. A lost connection shows later. */
void hf_sftp_close_handle(struct hf_sftp_conn *c, const struct hf_sftp_handle *h);
/* CORRUPT: no handle in it. */
int hf_sftp_keep_handle(const struct hf_sftp_answer *a, struct hf_sftp_handle *out,
                        struct hf_err *err) HF_CHECKED;
/* Free bytes and files of the file system that the store lies on. UNSUPPORTED: the server does not tell. */
int hf_sftp_room(struct hf_sftp *s, struct hf_sftp_conn *c, uint64_t *out_bytes,
                 uint64_t *out_files, struct hf_err *err) HF_CHECKED;
/* The directories above a name, as far as they are missing; never the store's own. */
int hf_sftp_make_dirs(struct hf_sftp *s, struct hf_sftp_conn *c, const char *name,
                      struct hf_err *err) HF_CHECKED;

/* ---- a name for what was written: sftp_rename.c ------------------------------------------- */

struct hf_sftp_renaming {
    const char *tmp, *name;
    uint64_t bytes; /* of it */
    bool replace;
};
/* CONFLICT: it exists. */
int hf_sftp_rename(struct hf_sftp *s, const struct hf_sftp_renaming *r, struct hf_err *err)
    HF_CHECKED;

/* ---- the entries of directories, durable: sftp_sync.c ------------------------------------- */

/* All directories down to that of an object, where the server can sync one. */
int hf_sftp_sync_dirs(struct hf_sftp *s, struct hf_sftp_conn *c, const char *name,
                      struct hf_err *err) HF_CHECKED;

/* ---- the slots of struct hf_store_ops that stand in other files -------------------------- */

struct hf_io_sink *hf_sftp_put(struct hf_store *s, const char *name, const struct hf_store_put *how,
                               struct hf_store_receipt *out, struct hf_err *err) HF_CHECKED;
int hf_sftp_get(struct hf_store *s, const char *name, uint64_t at, void *buf, size_t len,
                bool fresh, struct hf_err *err) HF_CHECKED;
int hf_sftp_head(struct hf_store *s, const char *name, struct hf_store_object *out,
                 struct hf_err *err) HF_CHECKED;
int hf_sftp_list(struct hf_store *s, const struct hf_store_list *what, hf_store_emit emit,
                 void *ctx, struct hf_err *err) HF_CHECKED;
int hf_sftp_sweep(struct hf_store *s, int64_t before_s, uint64_t *out_n, struct hf_err *err)
    HF_CHECKED;
int hf_sftp_remove(struct hf_store *s, const char *name, struct hf_err *err) HF_CHECKED;

#endif
