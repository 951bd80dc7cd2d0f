/* SPDX-License-Identifier: Apache-2.0
 *
 * guest/stream_ssh.h - a stream (guest/stream.h) through an ssh session of its own.
 *
 * Promise    2 MiB of window are what the program may be ahead. A cancelled run ends within half a second.
 * End        when the session is closed, and when this process dies, sshd closes the program's output: it ends at its next
 *            write. Nothing is left in the guest but that.
 * Trust      as guest/ssh.h: host key, login, quoting.
 */
#ifndef HF_GUEST_STREAM_SSH_H
#define HF_GUEST_STREAM_SSH_H

#include "guest/ssh.h"
#include "guest/stream.h"

/* Connects and starts the program. opts is copied, what it points to borrowed. */
struct hf_stream *hf_stream_ssh(const struct hf_ssh_target *target,
                                const struct hf_stream_opts *opts, struct hf_err *err) HF_CHECKED;

#endif
