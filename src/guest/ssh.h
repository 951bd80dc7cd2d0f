/* SPDX-License-Identifier: Apache-2.0
 *
 * guest/ssh.h - the ssh channel into the guest (guest/guest.h).
 *
 * Promise    every wait is bounded: name resolution, connect, key exchange and login by the earlier of connect_timeout_ms
 *            and the deadline, a command by its deadline. A guest that vanishes without a word is noticed after 10 s.
 * Trust      the host key is checked before anything is told: it has to be in known_hosts (OpenSSH's format: hashed names,
 *            [HOST]:PORT, patterns, @revoked; @cert-authority is ignored) for this host and port. Only key types that the
 *            file has for the host are asked for. Unknown, changed or revoked: AUTH, with the fingerprint.
 * Login      by public key only: a private key file (mode 0600, no passphrase: PEM or OpenSSH's own format), or every key
 *            of the ssh-agent at $SSH_AUTH_SOCK, 32 at the most. RSA keys sign with SHA-1 before libssh2 1.11, which sshd
 *            refuses since 8.8: ed25519 and ecdsa work everywhere.
 * Commands   a POSIX login shell on the other side splits the command line, so each argument is put in single quotes, and
 *            control characters are refused (CONFIG), as are command lines over 32 KiB. A program is over when it ends,
 *            not when its output does: sshd keeps a channel open as long as anybody holds its streams, so the shell reports
 *            the end on stderr, and what a child left behind writes later is dropped with its streams. The shell tells a
 *            signal n as status 128+n, so a status of 129 to 192 counts as one. Files are read and written with `cat` and
 *            `head`: sftp may not be there.
 * Loss       UNREACHABLE; the next call connects again, once. A command that may have reached the guest is not repeated,
 *            and `left` says that it may still run; the same after a TIMEOUT.
 * Crash      sshd ends the session. A program in the guest that is running then goes on until it writes.
 */
#ifndef HF_GUEST_SSH_H
#define HF_GUEST_SSH_H

#include "base/clock.h"
#include "base/log.h"
#include "guest/guest.h"

struct hf_ssh_target {
    const char *user, *host;
    unsigned port;
    const char *key_file;       /* NULL: the ssh-agent at $SSH_AUTH_SOCK */
    const char *known_hosts;    /* file */
    int64_t connect_timeout_ms; /* 0: 10 s */
};

/* Connects and logs in. CONFIG: files that are missing, unsafe or unusable. AUTH: the host is not trusted, or it does not
 * trust us. target is copied; clock and log are borrowed. */
struct hf_guest *hf_guest_ssh(const struct hf_ssh_target *target, const struct hf_clock *clock,
                              struct hf_log *log, int64_t deadline_ms, struct hf_err *err)
    HF_CHECKED;

/* Once per process before threads start, and its counterpart. */
int hf_ssh_library_init(struct hf_err *err) HF_CHECKED;
void hf_ssh_library_end(void);

#endif
