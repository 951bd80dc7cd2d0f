/* SPDX-License-Identifier: Apache-2.0
 *
 * guest/guest.h - a way into the guest: run a program, read and write a file.
 *
 * One interface, several channels: the hypervisor's guest agent (guest/agent.h) and ssh (guest/ssh.h). What is
 * built on it (services, dead-men) does not know which one it has.
 *
 * Promise    a call is home by its deadline. TIMEOUT and UNREACHABLE do not mean that nothing happened in the
 *            guest: callers look at the effect.
 * Input      what comes back is the guest's: hostile. Output is bounded (HF_GUEST_OUTPUT_MAX per stream, cut and
 *            marked truncated), file contents by the caller's max_bytes.
 * No shell   argv is run as it is. Over ssh a shell on the other side cannot be avoided: there each argument is
 *            quoted, and control characters are refused (CONFIG).
 * Threads    one caller at a time per channel. A cancelled run does not cancel calls: what was taken must be given
 *            back after a Ctrl-C, too.
 */
#ifndef HF_GUEST_GUEST_H
#define HF_GUEST_GUEST_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "hypervisor/hv.h"

#include <stddef.h>
#include <stdint.h>

#define HF_GUEST_OUTPUT_MAX ((size_t)64 << 10)

struct hf_guest;

struct hf_guest_cmd {
    const char *const *argv; /* NULL-terminated; argv[0] absolute, or found by the guest's PATH */
    const void *input;       /* stdin, or NULL: empty */
    size_t input_len;
    int64_t deadline_ms; /* absolute, monotonic */
};

/* One channel. Each function as its namesake below; read and write may be NULL. */
struct hf_guest_ops {
    const char *name; /* "agent", "ssh": for messages */
    int (*exec)(void *self, const struct hf_guest_cmd *cmd, struct hf_hv_exec_result *out,
                struct hf_err *err);
    int (*read)(void *self, const char *path, size_t max_bytes, int64_t deadline_ms,
                struct hf_buf *out, struct hf_err *err);
    int (*write)(void *self, const char *path, const void *data, size_t len, int64_t deadline_ms,
                 struct hf_err *err);
    void (*close)(void *self);
};

/* Takes `self`, also when it fails (NULL: no memory). For channels and for tests. */
struct hf_guest *hf_guest_new(const struct hf_guest_ops *ops, void *self, struct hf_err *err)
    HF_CHECKED;
void hf_guest_close(struct hf_guest *g); /* takes NULL */
HF_DEFINE_AUTO(hf_guest, hf_guest_close)
const char *hf_guest_channel_name(const struct hf_guest *g);

/* 0: it ran to its end, whatever its status. out is to be freed by the caller. */
int hf_guest_exec(struct hf_guest *g, const struct hf_guest_cmd *cmd, struct hf_hv_exec_result *out,
                  struct hf_err *err) HF_CHECKED;
/* The same, and any other end than status 0 is PLUGIN: "'systemctl' in the guest: status 5: Unit x not loaded", with
 * the first line of what it said on stderr, made printable. out may be NULL. */
int hf_guest_run(struct hf_guest *g, const struct hf_guest_cmd *cmd, struct hf_hv_exec_result *out,
                 struct hf_err *err) HF_CHECKED;
/* The first line of what a program said, without what a terminal would obey. */
void hf_guest_first_line(const struct hf_buf *said, char *out, size_t size);
/* A file's content; more than max_bytes: CORRUPT. No such file: NOT_FOUND. */
int hf_guest_read(struct hf_guest *g, const char *path, size_t max_bytes, int64_t deadline_ms,
                  struct hf_buf *out, struct hf_err *err) HF_CHECKED;
/* Creates or overwrites. Not atomic, not private: nothing secret goes this way. */
int hf_guest_write(struct hf_guest *g, const char *path, const void *data, size_t len,
                   int64_t deadline_ms, struct hf_err *err) HF_CHECKED;

#endif
