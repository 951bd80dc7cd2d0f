/* SPDX-License-Identifier: Apache-2.0
 *
 * restore/serve.h - a stored disk as NBD on a unix socket, straight from the store: an nbdkit of our own, as long as somebody holds it.
 *
 * Socket    its folder is ours or root's, and nobody else may write to it (unless it is sticky, as /tmp); the socket is 0600 from its first
 *           moment. One that is there and answers is refused (BUSY), one that is left over is replaced.
 * Writable  writes go to a file without a name on tmpfs (TMPDIR, else /dev/shm) that goes with the server; never to the store.
 *           CONFIG: neither is tmpfs, for what was decrypted lies in memory or nowhere.
 * Secrets   none in arguments or environment: the server reads the configuration itself.
 * Errors    as run/point_open.h and those of the store, as the server met them; PLUGIN: nbdkit is missing, too old, or ended.
 *           While it serves, a read that fails is EIO for its reader, goes to the log, and is told by hf_serve_check.
 * Crash     when we die, however, the server ends within two seconds (it holds our leash); a socket may stay, and is replaced.
 * Threads   begin: one that lives as long as the serving; the others: any. A thread of its own relays the server's log to env->log.
 */
#ifndef HF_RESTORE_SERVE_H
#define HF_RESTORE_SERVE_H

#include "run/point_open.h"

struct hf_serving;

struct hf_serve_opts {
    const char *socket; /* path */
    bool is_writable;
};

struct hf_serve_facts {
    const char *uri, *socket; /* the socket: absolute. All as long as it serves */
    const char *point, *vm, *disk, *store;
    uint64_t bytes;
};

/* disk: NULL, the only one. Returns when it answers. wish->to_read is implied, and its area is ours. env is borrowed until it is freed. */
struct hf_serving *hf_serve_begin(const struct hf_env *env, const struct hf_point_wish *wish,
                                  const char *disk, const struct hf_serve_opts *opts,
                                  struct hf_err *err) HF_CHECKED;
/* The same of a point that is open, from the very store that it was found on; writable. */
struct hf_serving *hf_serve_begin_open(const struct hf_env *env, const struct hf_open_point *p,
                                       const char *disk, const char *socket, struct hf_err *err)
    HF_CHECKED;
const char *hf_serve_uri(const struct hf_serving *s);
void hf_serve_facts(const struct hf_serving *s, struct hf_serve_facts *out);

/* The first thing that went wrong while it served: a read that failed, or its end. */
int hf_serve_check(struct hf_serving *s, struct hf_err *err) HF_CHECKED;
/* Readable when the server has ended. */
int hf_serve_fd(const struct hf_serving *s);

/* For machines that boot from served disks: the folder to make theirs in (/run; for anybody but root XDG_RUNTIME_DIR, CONFIG when
 * that is not set), and one of theirs, 0711, so that the hypervisor's user reaches the sockets whatever our umask is. Each socket
 * says by itself who may connect: ours, and given to the hypervisor's user by a plugin that knows him. */
const char *hf_serve_dir(struct hf_err *err) HF_CHECKED;
int hf_serve_make_dir(const char *path, struct hf_err *err) HF_CHECKED;

/* How full the tmpfs is that writable disks keep what is written in, in percent; *out_folder: where, to be freed. CONFIG: there is none. */
int hf_serve_memory(unsigned *out_percent, char **out_folder, struct hf_err *err) HF_CHECKED;

/* Ends it, within seconds, and removes the socket; again: nothing. It stays to be freed. */
void hf_serve_end(struct hf_serving *s);
void hf_serving_free(struct hf_serving *s); /* ends it */
HF_DEFINE_AUTO(hf_serving, hf_serving_free)

#endif
