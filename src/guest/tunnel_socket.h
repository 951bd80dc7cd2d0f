/* SPDX-License-Identifier: Apache-2.0
 *
 * guest/tunnel_socket.h - the unix socket a tunnel listens on.
 */
#ifndef HF_GUEST_TUNNEL_SOCKET_H
#define HF_GUEST_TUNNEL_SOCKET_H

#include "base/err.h"

#include <sys/un.h>

struct hf_tunnel_socket {
    int fd; /* -1: closed */
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* Mode 0600. CONFIG: the path is relative or too long, or its directory is open to others. BUSY: somebody listens there.
 * CONFLICT: something else than a socket of ours has the name. A socket that nobody listens on any more is replaced. */
int hf_tunnel_socket_open(struct hf_tunnel_socket *s, const char *path, struct hf_err *err)
    HF_CHECKED;
/* Removes the file. Nothing when it is closed. */
void hf_tunnel_socket_close(struct hf_tunnel_socket *s);

#endif
