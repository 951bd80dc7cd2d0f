/* SPDX-License-Identifier: Apache-2.0
 *
 * guest/ssh_intern.h - one ssh session: what the guest channel (ssh.c) and the tunnel (tunnel_ssh.c) share.
 *
 * libssh2 does not wait and does not block here. What it sends goes into a buffer of ours that takes everything, so no
 * call of it is ever left half sent (the next call on another channel would fail then). EAGAIN therefore always means:
 * nothing has come from the guest yet. Who sends much looks at hf_ssh_pending first.
 */
#ifndef HF_GUEST_SSH_INTERN_H
#define HF_GUEST_SSH_INTERN_H

#include "base/buf.h"
#include "guest/ssh.h"

#include <libssh2.h>
#include <stdbool.h>

/* More than this is waiting to be sent: stop writing. */
#define HF_SSH_PENDING_MAX ((size_t)256 << 10)

struct hf_ssh_conn {
    LIBSSH2_SESSION *session;
    const struct hf_clock *clock;
    int fd;
    int64_t agent_until_ms; /* deadline of what is asked of the ssh-agent */
    struct hf_buf pending;  /* pending.data[pending_at..] is still to be sent */
    size_t pending_at;
    uint64_t n_received; /* bytes from the guest, encrypted: whether something has come */
    char name[320];      /* "user@host:port" */
};

/* ---- ssh_conn.c ------------------------------------------------------------------------- */

/* Connected, the host's key checked, logged in. until_ms: deadline of all of it. */
struct hf_ssh_conn *hf_ssh_connect(const struct hf_ssh_target *t, const struct hf_clock *clock,
                                   struct hf_log *log, int64_t deadline_ms, struct hf_err *err)
    HF_CHECKED;
void hf_ssh_conn_close(struct hf_ssh_conn *c); /* does not wait; takes NULL */
HF_DEFINE_AUTO(hf_ssh_conn, hf_ssh_conn_close)

/* Sends what can be sent now. Errors show in the next call of libssh2. */
void hf_ssh_flush(struct hf_ssh_conn *c);
size_t hf_ssh_pending(const struct hf_ssh_conn *c);
/* Until something came or could be sent. False: the time is up. */
bool hf_ssh_wait(struct hf_ssh_conn *c, int64_t until_ms);
/* An error of libssh2, with what was tried: UNREACHABLE for a lost connection. Returns -1. */
int hf_ssh_fail(struct hf_ssh_conn *c, int rc, const char *what, struct hf_err *err);
int hf_ssh_fail_time(struct hf_ssh_conn *c, const char *what, struct hf_err *err);
/* libssh2_channel_open_ex; *until_ms bounds it. */
LIBSSH2_CHANNEL *hf_ssh_open_channel(struct hf_ssh_conn *c, int64_t until_ms, struct hf_err *err);

/* ---- ssh_net.c: a TCP connection -------------------------------------------------------- */

/* A non-blocking socket; name resolution included. */
int hf_ssh_dial(const char *host, unsigned port, const struct hf_clock *clock, int64_t until_ms,
                struct hf_err *err) HF_CHECKED;

/* ---- ssh_hostkey.c: known_hosts --------------------------------------------------------- */

struct hf_known_key {
    char *type, *blob; /* "ssh-ed25519", base64 */
    bool is_revoked;
};

/* What the file says about one host. */
struct hf_known_host {
    const char *host, *file; /* borrowed */
    unsigned port;
    struct hf_known_key *keys;
    size_t n;
};

enum hf_host_trust { HF_HOST_TRUSTED, HF_HOST_UNKNOWN, HF_HOST_CHANGED, HF_HOST_REVOKED };

/* A missing or unreadable file is CONFIG. */
int hf_known_host_read(const struct hf_ssh_target *t, struct hf_known_host *out, struct hf_err *err)
    HF_CHECKED;
int hf_known_host_parse(const char *text, struct hf_known_host *out, struct hf_err *err) HF_CHECKED;
void hf_known_host_free(struct hf_known_host *k);
HF_DEFINE_AUTO_VALUE(hf_known_host, hf_known_host_free)
/* blob: the key that the host showed, in base64. */
enum hf_host_trust hf_known_host_judge(const struct hf_known_host *k, const char *blob);
/* Algorithms for libssh2_session_method_pref: those of the trusted keys that are supported. Empty: none. */
void hf_known_host_algorithms(const struct hf_known_host *k, const char *const *supported, int n,
                              struct hf_buf *out);
/* The session's host key against the file. AUTH: not trusted. */
int hf_ssh_check_host(struct hf_ssh_conn *c, const struct hf_known_host *k, struct hf_err *err)
    HF_CHECKED;

/* ---- ssh_auth.c ------------------------------------------------------------------------- */

int hf_ssh_log_in(struct hf_ssh_conn *c, const struct hf_ssh_target *t, int64_t until_ms,
                  struct hf_err *err) HF_CHECKED;
/* CONFIG: a passphrase, or nothing that looks like a private key. */
int hf_ssh_key_check(const char *text, const char *path, struct hf_err *err) HF_CHECKED;

/* ---- ssh_exec.c ------------------------------------------------------------------------- */

/* The command line for a POSIX shell, each argument in single quotes. CONFIG: control characters, or too long. */
int hf_ssh_quote(const char *const *argv, struct hf_buf *out, struct hf_err *err) HF_CHECKED;
/* Asks for `command` on an open channel. what: its name, for messages. */
int hf_ssh_channel_exec(struct hf_ssh_conn *c, LIBSSH2_CHANNEL *channel, const char *command,
                        const char *what, int64_t until_ms, struct hf_err *err) HF_CHECKED;
/* *out_sent: the command may have reached the guest. */
int hf_ssh_exec(struct hf_ssh_conn *c, const struct hf_guest_cmd *cmd, size_t max_output,
                struct hf_hv_exec_result *out, bool *out_sent, struct hf_err *err) HF_CHECKED;

#endif
