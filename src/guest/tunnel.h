/* SPDX-License-Identifier: Apache-2.0
 *
 * guest/tunnel.h - the guest's database as a unix socket on this host.
 *
 * Promise    who connects to the socket speaks with the database in the guest; TCP or a socket there, through one session
 *            that is the tunnel's own (tunnel_backend.h). Up to HF_TUNNEL_CLIENTS at a time; one more is closed at once.
 *            Bytes are neither looked at nor kept longer than needed: a stream that is not read on one side stops the
 *            other side (64 KiB each way here, plus the window of the way, 2 MiB for ssh).
 * Loss       when the way to the guest is lost, all clients are closed at once, so that a database session is seen as
 *            lost and not waited for, and the socket is removed. It is not opened again: locks would be gone, too.
 * Access     the socket has mode 0600 and lies in a directory that only its owner may enter. What a dead process left
 *            there is replaced; when another one still listens: BUSY.
 * Threads    one thread of its own, which takes no signals; the functions here from one thread at a time. A thread does
 *            not survive fork: open the tunnel in the process that uses it.
 * Crash      when this process dies, the kernel closes its connection; sshd then closes those to the database, and the
 *            server drops their locks: within milliseconds of a SIGKILL (3 at the most over loopback). When the host loses power nobody tells the guest: the
 *            server's wait_timeout of the session ends it, as without a tunnel. The socket file stays behind, and the next
 *            tunnel with the same path replaces it.
 */
#ifndef HF_GUEST_TUNNEL_H
#define HF_GUEST_TUNNEL_H

#include "base/cleanup.h"
#include "guest/ssh.h"

#include <stdbool.h>

struct hf_tunnel;

/* As the guest sees it. */
struct hf_db_endpoint {
    const char *host; /* NULL: socket */
    unsigned port;
    const char *socket;
};

/* Connects, checks the host key and logs in as hf_guest_ssh does, then listens. Whether the database answers shows when
 * a client connects. socket_path: absolute, at most 107 bytes. log is borrowed. */
struct hf_tunnel *hf_tunnel_ssh(const struct hf_ssh_target *target, const struct hf_db_endpoint *to,
                                const char *socket_path, const struct hf_clock *clock,
                                struct hf_log *log, int64_t deadline_ms, struct hf_err *err)
    HF_CHECKED;

/* What went wrong last, for the message of a client that found its connection closed: "ssh root@web01:22: 127.0.0.1:3306:
 * connection refused". False: nothing. */
bool hf_tunnel_trouble(struct hf_tunnel *t, struct hf_err *out);

/* Closes all clients, the session and the socket; removes the socket. Within 2 s. Takes NULL. */
void hf_tunnel_close(struct hf_tunnel *t);
HF_DEFINE_AUTO(hf_tunnel, hf_tunnel_close)

#endif
