/* SPDX-License-Identifier: Apache-2.0
 *
 * guest/stream.h - a program in the guest whose output may be of any length.
 *
 * One interface, two ways: an ssh session (guest/stream_ssh.h) and the guest agent (guest/stream_agent.h).
 *
 * Promise    bytes come as they are asked for, each once and in order: what is not read here stops the program there, after
 *            a few MiB. Silence of HF_STREAM_IDLE_MS: TIMEOUT. A cancelled run ends soon.
 * End        when the stream is closed, and when this process dies, the program ends; each way says how and when.
 * Threads    one at a time per stream.
 */
#ifndef HF_GUEST_STREAM_H
#define HF_GUEST_STREAM_H

#include "base/cancel.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"

#include <stddef.h>
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

struct hf_stream_ops {
    ssize_t (*read)(struct hf_stream *s, void *buf, size_t size, struct hf_err *err);
    int (*status)(const struct hf_stream *s);
    void (*close)(struct hf_stream *s);
};

/* The head of each way's own struct. */
struct hf_stream {
    const struct hf_stream_ops *ops;
};

/* At least one byte; 0: the program has ended, all that it said was handed on, and its status is known. */
static inline ssize_t hf_stream_read(struct hf_stream *s, void *buf, size_t size,
                                     struct hf_err *err)
{
    return s->ops->read(s, buf, size, err);
}

/* After the end: 0 to 255; a signal n is 128 + n. */
static inline int hf_stream_status(const struct hf_stream *s)
{
    return s->ops->status(s);
}

static inline void hf_stream_close(struct hf_stream *s)
{
    if (s)
        s->ops->close(s);
}
HF_DEFINE_AUTO(hf_stream, hf_stream_close)

#endif
