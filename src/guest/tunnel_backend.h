/* SPDX-License-Identifier: Apache-2.0
 *
 * guest/tunnel_backend.h - what carries the streams of a tunnel (guest/tunnel.h) to the guest's database.
 *
 * The tunnel owns sockets, buffers and the order of events; a backend owns the way into the guest: one session (self),
 * and on it up to HF_TUNNEL_CLIENTS streams, each one connection of the database.
 *
 * Threads    every function is called by the tunnel's own thread, from the moment hf_tunnel_open took `self`; `free` too
 *            (by the caller's thread when hf_tunnel_open fails).
 * No waiting a call returns at once, or within HF_TUNNEL_CALL_MS (open: HF_TUNNEL_OPEN_MS) where the way knows no other (a
 *            guest agent): that long all clients stand still, and hf_tunnel_close waits for it.
 * Input      what comes from the guest is hostile. A backend keeps a bounded amount of it; read takes it out of there.
 * Errors     of open, read, write and finish are that stream's own: its client is closed, the others go on. When `work`
 *            fails, the whole way is gone: all clients are closed at once, and nothing but close and free is called.
 */
#ifndef HF_GUEST_TUNNEL_BACKEND_H
#define HF_GUEST_TUNNEL_BACKEND_H

#include "base/err.h"
#include "base/log.h"

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define HF_TUNNEL_CLIENTS 8
#define HF_TUNNEL_CALL_MS 4000
#define HF_TUNNEL_OPEN_MS 9000
/* read and write: nothing now, ask again later. */
#define HF_TUNNEL_AGAIN ((ssize_t)-2)

struct hf_tunnel_backend {
    const char *name; /* "ssh", "agent": for messages */
    bool
        rests; /* asking costs the guest something: not done while the tunnel rests (hf_tunnel_rest) */
    /* Begins to open a stream; *out_stream is the backend's. While it is not open yet, read and write say AGAIN; if it
     * cannot be opened, read fails. */
    int (*open)(void *self, void **out_stream, struct hf_err *err);
    /* Bytes; 0: the database has ended its side and everything was read; AGAIN; -1: failed. */
    ssize_t (*read)(void *self, void *stream, void *buf, size_t size, struct hf_err *err);
    /* Bytes taken, perhaps fewer than len; AGAIN when there is no room; -1: failed. */
    ssize_t (*write)(void *self, void *stream, const void *buf, size_t len, struct hf_err *err);
    /* The client has ended its side and everything was written. Called once. */
    int (*finish)(void *self, void *stream, struct hf_err *err);
    /* The stream is not used again; what was written may still be on its way. */
    void (*close)(void *self, void *stream);
    /* Called in each turn before the streams are: opens, flushes, closes, looks whether the way is still there. */
    int (*work)(void *self, struct hf_err *err);
    /* What to wait for. Fills in *at (fd -1: nothing) and returns after how many ms the next turn comes even when nothing
     * happened: -1 never, 0 at once. A backend without a descriptor is asked again that way. */
    int (*wait)(void *self, struct pollfd *at);
    /* Within HF_TUNNEL_CALL_MS. Streams were closed before. */
    void (*free)(void *self);
};

struct hf_tunnel;

/* Listens on socket_path and starts the thread. Takes `self`, also when it fails. log is borrowed. */
struct hf_tunnel *hf_tunnel_open(const char *socket_path, const struct hf_tunnel_backend *backend,
                                 void *self, struct hf_log *log, struct hf_err *err) HF_CHECKED;

#endif
