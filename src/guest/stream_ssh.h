/* SPDX-License-Identifier: Apache-2.0
 *
 * guest/stream_ssh.h - a program in the guest whose output may be of any length, through an ssh session of its own.
 *
 * Promise    bytes come as they are asked for: what is not read here stops the program there (2 MiB of window). Silence of
 *            HF_STREAM_IDLE_MS: TIMEOUT. A cancelled run ends within half a second.
 * End        when the session is closed, and when this process dies, sshd closes the program's output: it ends at its next
 *            write. Nothing is left in the guest but that.
 * Trust      as guest/ssh.h: host key, login, quoting.
 */
#ifndef HF_GUEST_STREAM_SSH_H
#define HF_GUEST_STREAM_SSH_H

#include "base/cancel.h"
#include "guest/ssh.h"

#include <sys/types.h>

#define HF_STREAM_IDLE_MS (10 * 60 * 1000)

struct hf_stream;

struct hf_stream_opts {
    const char *const *argv;
    /* Whatever the program says on stderr; len 0: the end. */
    void (*said)(void *ctx, const char *data, size_t len);
    void *ctx;
    const struct hf_clock *clock;
    const struct hf_cancel *cancel; /* may be NULL */
    struct hf_log *log;
};

/* Connects and starts the program. opts is copied, what it points to borrowed. */
struct hf_stream *hf_stream_ssh(const struct hf_ssh_target *target,
                                const struct hf_stream_opts *opts, struct hf_err *err) HF_CHECKED;
/* At least one byte; 0: the program has ended, and its status is known. */
ssize_t hf_stream_read(struct hf_stream *s, void *buf, size_t size, struct hf_err *err) HF_CHECKED;
/* After the end: 0 to 255; a signal n is 128 + n. */
int hf_stream_status(const struct hf_stream *s);
void hf_stream_close(struct hf_stream *s); /* takes NULL */
HF_DEFINE_AUTO(hf_stream, hf_stream_close)

#endif
