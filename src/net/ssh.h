/* SPDX-License-Identifier: Apache-2.0
 *
 * net/ssh.h - one ssh session to a host, over libssh2: connected, the host's key checked, logged in.
 *
 * Promise    every wait is bounded: name resolution, connect, key exchange and login by the earlier of connect_timeout_ms
 *            and the deadline. A host that vanishes without a word is noticed after 10 s. A cancel ends a wait within a
 *            quarter of a second, mostly at once.
 * Trust      the host key is checked before anything is told: it has to be in known_hosts (OpenSSH's format: hashed names,
 *            [HOST]:PORT, patterns, @revoked; @cert-authority is ignored) for this host and port. Only key types that the
 *            file has for the host are asked for. Unknown, changed or revoked: AUTH, with the fingerprint.
 * Login      by public key only: a private key file (mode 0600, no passphrase: PEM or OpenSSH's own format), or every key
 *            of the ssh-agent at $SSH_AUTH_SOCK, 32 at the most. RSA keys sign with SHA-1 before libssh2 1.11, which sshd
 *            refuses since 8.8: ed25519 and ecdsa work everywhere.
 *
 * libssh2 does not wait and does not block here. What it sends goes into a buffer of ours that takes everything, so no
 * call of it is ever left half sent (the next call on another channel would fail then). EAGAIN therefore always means:
 * nothing has come from the other side yet. Who sends much looks at hf_ssh_pending first.
 *
 * Threads    one at a time per session.
 */
#ifndef HF_NET_SSH_H
#define HF_NET_SSH_H

#include "base/buf.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/log.h"

#include <libssh2.h>
#include <stdbool.h>

/* More than this is waiting to be sent: stop writing. */
#define HF_SSH_PENDING_MAX ((size_t)256 << 10)

/* Once per process before threads start, and its counterpart. */
int hf_ssh_library_init(struct hf_err *err) HF_CHECKED;
void hf_ssh_library_end(void);

struct hf_ssh_target {
    const char *user, *host;
    unsigned port;
    const char *key_file;           /* NULL: the ssh-agent at $SSH_AUTH_SOCK */
    const char *known_hosts;        /* file */
    int64_t connect_timeout_ms;     /* 0: 10 s */
    const struct hf_cancel *cancel; /* borrowed for as long as the session lives, or NULL */
};

struct hf_ssh_conn {
    LIBSSH2_SESSION *session;
    const struct hf_clock *clock;
    const struct hf_cancel *cancel; /* or NULL */
    int fd;
    int64_t agent_until_ms; /* deadline of what is asked of the ssh-agent */
    struct hf_buf pending;  /* pending.data[pending_at..] is still to be sent */
    size_t pending_at;
    uint64_t n_received; /* bytes from the host, encrypted: whether something has come */
    bool is_lost;        /* the host has hung up, or the network says that it is gone */
    char name[320];      /* "user@host:port" */
};

/* Connected, the host's key checked, logged in. deadline_ms: of all of it. CONFIG: files that are missing, unsafe or
 * unusable. AUTH: the host is not trusted, or it does not trust us. clock is borrowed. */
struct hf_ssh_conn *hf_ssh_connect(const struct hf_ssh_target *t, const struct hf_clock *clock,
                                   struct hf_log *log, int64_t deadline_ms, struct hf_err *err)
    HF_CHECKED;
void hf_ssh_conn_close(struct hf_ssh_conn *c); /* does not wait; takes NULL */
HF_DEFINE_AUTO(hf_ssh_conn, hf_ssh_conn_close)

/* Sends what can be sent now. Errors show in the next call of libssh2. */
void hf_ssh_flush(struct hf_ssh_conn *c);
size_t hf_ssh_pending(const struct hf_ssh_conn *c);
/* Until something came or could be sent. False: the time is up, or it is cancelled. */
bool hf_ssh_wait(struct hf_ssh_conn *c, int64_t until_ms);
/* An error of libssh2, with what was tried: UNREACHABLE for a lost connection. Returns -1. */
int hf_ssh_fail(struct hf_ssh_conn *c, int rc, const char *what, struct hf_err *err);
/* After a wait that gave up: TIMEOUT or CANCELLED. Returns -1. */
int hf_ssh_fail_time(struct hf_ssh_conn *c, const char *what, struct hf_err *err);
/* libssh2_channel_open_ex; until_ms bounds it. */
LIBSSH2_CHANNEL *hf_ssh_open_channel(struct hf_ssh_conn *c, int64_t until_ms, struct hf_err *err);

#endif
