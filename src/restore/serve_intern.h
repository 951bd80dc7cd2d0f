/* SPDX-License-Identifier: Apache-2.0
 *
 * restore/serve_intern.h - where the server's socket may lie, and what it says.
 */
#ifndef HF_RESTORE_SERVE_INTERN_H
#define HF_RESTORE_SERVE_INTERN_H

#include "restore/serve.h"

#include <pthread.h>
#include <sys/stat.h>

struct hf_serving {
    const struct hf_env *env;
    char *socket, *uri, *lock_path;
    int lock_fd;     /* locked while we begin; -1 */
    bool is_claimed; /* a socket by this name is ours */
    ino_t inode;     /* of the socket, once it is there */
    pid_t pid;       /* 0: none, or reaped */
    int pidfd, leash;
    int words; /* nbdkit's own, a file in memory */
    bool is_relayed;
    pthread_t relay;
    char *point, *vm, *disk, *store; /* as it said */
    uint64_t bytes;
    pthread_mutex_t lock;
    struct hf_err first; /* what went wrong first */
};

/* ---- the socket ------------------------------------------------------------------------- */

/* Fills socket and uri; a left-over is removed. The name is ours until we let go of it. CONFIG, BUSY, CONFLICT: something else lies there. */
int hf_serve_socket_claim(struct hf_serving *s, const char *path, struct hf_err *err) HF_CHECKED;
void hf_serve_socket_let_go(struct hf_serving *s);
/* It is there, ours alone, and NBD answers. */
int hf_serve_socket_try(struct hf_serving *s, struct hf_err *err) HF_CHECKED;
void hf_serve_socket_remove(struct hf_serving *s);

/* "TMPDIR=…" of a folder on tmpfs; to be freed. */
char *hf_serve_scratch(struct hf_err *err) HF_CHECKED;

/* ---- what it says ----------------------------------------------------------------------- */

/* Until it says ready, or why not; its log goes to env->log. */
int hf_serve_await(struct hf_serving *s, struct hf_err *err) HF_CHECKED;
int hf_serve_relay_start(struct hf_serving *s, struct hf_err *err) HF_CHECKED;

#endif
