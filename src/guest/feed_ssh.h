/* SPDX-License-Identifier: Apache-2.0
 *
 * guest/feed_ssh.h - a program in the guest that is fed from here, with input of any length, through an ssh session of its own.
 *
 * Promise    write returns when the bytes are on their way: what the program does not read makes it wait (2 MiB of window). When
 *            the program takes nothing and says nothing for idle_ms: TIMEOUT. A cancelled run ends within half a second.
 * End        finish alone says that all of the input was given, and the program ended with status 0. One that ends before all of
 *            it was written, or with another status, or by a signal, is PLUGIN, with the first line of what it said.
 * Loss       when the connection is cut, when it is closed without finish, and when this process dies, the program sees the end of
 *            its input, which it cannot tell from a whole one: it needs an end of its own in what it reads.
 * Output     its stdout is read and dropped. Input: its stderr is the guest's, hostile: HF_FEED_SAID_MAX bytes are kept.
 * Trust      as guest/ssh.h: host key, login, quoting.
 */
#ifndef HF_GUEST_FEED_SSH_H
#define HF_GUEST_FEED_SSH_H

#include "base/cancel.h"
#include "guest/ssh.h"

#define HF_FEED_IDLE_MS ((int64_t)10 * 60 * 1000)
#define HF_FEED_SAID_MAX ((size_t)16 << 10)

struct hf_feed;

struct hf_feed_opts {
    const char *const *argv;
    /* Whatever the program says on stderr; len 0: the end. May be NULL. */
    void (*said)(void *ctx, const char *data, size_t len);
    void *ctx;
    const struct hf_clock *clock;
    const struct hf_cancel *cancel; /* may be NULL */
    struct hf_log *log;
    int64_t idle_ms; /* 0: HF_FEED_IDLE_MS */
};

/* Connects and starts the program. opts is copied, what it points to borrowed. */
struct hf_feed *hf_feed_ssh(const struct hf_ssh_target *target, const struct hf_feed_opts *opts,
                            struct hf_err *err) HF_CHECKED;
int hf_feed_write(struct hf_feed *f, const void *data, size_t len, struct hf_err *err) HF_CHECKED;
/* The end of its input, and of the program. Once. */
int hf_feed_finish(struct hf_feed *f, struct hf_err *err) HF_CHECKED;
void hf_feed_close(struct hf_feed *f); /* takes NULL */
HF_DEFINE_AUTO(hf_feed, hf_feed_close)

#endif
