/* SPDX-License-Identifier: Apache-2.0
 *
 * guest/ssh.h - the ssh channel into the guest (guest/guest.h).
 *
 * Promise    every wait is bounded: connecting as net/ssh.h says, a command by its deadline.
 * Trust, login  as net/ssh.h says.
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

#include "guest/guest.h"
#include "net/ssh.h"

/* Connects and logs in; errors: hf_ssh_connect. target is copied; clock and log are borrowed. */
struct hf_guest *hf_guest_ssh(const struct hf_ssh_target *target, const struct hf_clock *clock,
                              struct hf_log *log, int64_t deadline_ms, struct hf_err *err)
    HF_CHECKED;

#endif
