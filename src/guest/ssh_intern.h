/* SPDX-License-Identifier: Apache-2.0
 *
 * guest/ssh_intern.h - a command in an ssh session (net/ssh.h): what the guest channel (ssh.c), streams and the tunnel
 * (tunnel_ssh.c) share.
 */
#ifndef HF_GUEST_SSH_INTERN_H
#define HF_GUEST_SSH_INTERN_H

#include "guest/ssh.h"

/* The command line for a POSIX shell, each argument in single quotes. CONFIG: control characters, or too long. */
int hf_ssh_quote(const char *const *argv, struct hf_buf *out, struct hf_err *err) HF_CHECKED;
/* Asks for `command` on an open channel. what: its name, for messages. */
int hf_ssh_channel_exec(struct hf_ssh_conn *c, LIBSSH2_CHANNEL *channel, const char *command,
                        const char *what, int64_t until_ms, struct hf_err *err) HF_CHECKED;
/* *out_sent: the command may have reached the guest. */
int hf_ssh_exec(struct hf_ssh_conn *c, const struct hf_guest_cmd *cmd, size_t max_output,
                struct hf_hv_exec_result *out, bool *out_sent, struct hf_err *err) HF_CHECKED;

#endif
