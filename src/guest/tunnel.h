/* SPDX-License-Identifier: Apache-2.0
 *
 * guest/tunnel.h - the guest's database as a unix socket on this host.
 *
 * Promise    who connects to the socket speaks with the database in the guest; TCP or a socket there, through one session
 *            that is the tunnel's own (tunnel_backend.h). Up to HF_TUNNEL_CLIENTS at a time; one more is closed at once.
 *            Bytes are neither looked at nor kept longer than needed: a stream that is not read on one side stops the
 *            other side (64 KiB each way here, plus the window of the way: 2 MiB for ssh, for the agent 256 KiB to us and
 *            16 pieces of 48 KiB at the most to the guest).
 * Loss       when the way to the guest is lost, all clients are closed at once, so that a database session is seen as
 *            lost and not waited for, and the socket is removed. It is not opened again: locks would be gone, too. The
 *            agent has no connection that could be lost: there each client is closed when its bridge is gone (within a
 *            second), or when the agent has done nothing for 8 s, and the socket stays.
 * Access     the socket has mode 0600 and lies in a directory that only its owner may enter. What a dead process left
 *            there is replaced; when another one still listens: BUSY.
 * Threads    one thread of its own, which takes no signals; the functions here from one thread at a time. A thread does
 *            not survive fork: open the tunnel in the process that uses it.
 * Crash      when this process dies, the kernel closes its connection; sshd then closes those to the database, and the
 *            server drops their locks: within milliseconds of a SIGKILL (3 at the most over loopback). When the host loses
 *            power nobody tells the guest: the server's wait_timeout of the session ends it, as without a tunnel. The
 *            socket file stays behind, and the next tunnel with the same path replaces it. Through the agent nobody closes anything: sessions and their locks stay
 *            until hf_tunnel_agent_end, else until lifetime_ms have passed in the guest.
 * Cost       the agent: a statement and its answer take seven commands of the agent, three more for each look that comes
 *            too early, and some milliseconds of bash: 15 to 25 times a guest-ping. Seen under emulation, on a machine
 *            with three other guests: ping 8 ms, statement 85 to 200 ms, 2 MiB out 6 to 16 s, 1 MiB in 2 to 14 s, connect
 *            1.5 to 7 s. Not measured with hardware virtualisation. Who waits looks four times a second. Good for a
 *            lock and its few statements. Not good for dumps, for a stall budget of a few milliseconds (lock and unlock
 *            cost a statement each), or beside others that need the agent; and useless where the agent may neither start
 *            programs nor open files (block-rpcs, SELinux).
 */
#ifndef HF_GUEST_TUNNEL_H
#define HF_GUEST_TUNNEL_H

#include "base/cleanup.h"
#include "guest/guest.h"
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

/* The same through the hypervisor's guest agent, for a guest with no other way in. hv is borrowed and used by the tunnel's
 * thread alone: a connection of its own. to->socket: UNSUPPORTED. Checks that the guest has bash with /dev/tcp, dd and a
 * running systemd, and that somebody listens on the port where that is a port of the guest itself.
 * lifetime_ms: how long a session outlives us when nobody ends it, counted from our last sign (tunnel_bridge.h), not from
 * its beginning. More than a call may take (HF_TUNNEL_CALL_MS), and more than the guest's file systems are ever frozen: then
 * the agent does nothing. */
struct hf_tunnel *hf_tunnel_agent(struct hf_hv *hv, const char *vm_id, const char *run_id,
                                  const struct hf_db_endpoint *to, const char *socket_path,
                                  const struct hf_clock *clock, struct hf_log *log,
                                  int64_t lifetime_ms, int64_t deadline_ms, struct hf_err *err)
    HF_CHECKED;

/* Ends in the guest all that hf_tunnel_agent has there of this run, whoever opened it and also while it lives: connections
 * and with them their locks. Nothing there: success. While the guest is frozen the agent refuses. */
int hf_tunnel_agent_end(struct hf_guest *g, const char *run_id, int64_t deadline_ms,
                        struct hf_err *err) HF_CHECKED;

/* What went wrong last, for the message of a client that found its connection closed: "ssh root@web01:22: 127.0.0.1:3306:
 * connection refused". False: nothing. */
bool hf_tunnel_trouble(struct hf_tunnel *t, struct hf_err *out);

/* From now on the guest's agent is not asked until a client says something, or goes, or until rest is called with false. For
 * the moments when the agent belongs to the hypervisor, which would take its silence for an agent that is not there. A call
 * that is under way comes home first. A tunnel by ssh goes on. */
void hf_tunnel_rest(struct hf_tunnel *t, bool rests);

/* Closes all clients, the session and the socket; removes the socket. Within 2 s; a guest agent that does not answer adds
 * the call that waits for it (tunnel_backend.h). Takes NULL. */
void hf_tunnel_close(struct hf_tunnel *t);
HF_DEFINE_AUTO(hf_tunnel, hf_tunnel_close)

#endif
