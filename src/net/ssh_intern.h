/* SPDX-License-Identifier: Apache-2.0
 *
 * net/ssh_intern.h - what the files of net/ssh.h share: dialling, known_hosts, the login.
 */
#ifndef HF_NET_SSH_INTERN_H
#define HF_NET_SSH_INTERN_H

#include "net/ssh.h"

/* ---- ssh_net.c: a TCP connection -------------------------------------------------------- */

/* A non-blocking socket; name resolution included. */
int hf_ssh_dial(const struct hf_ssh_target *t, const struct hf_clock *clock, int64_t until_ms,
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

#endif
