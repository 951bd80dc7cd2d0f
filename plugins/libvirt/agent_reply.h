/* SPDX-License-Identifier: Apache-2.0
 *
 * agent_reply.h - what the guest agent answered, read without trust. Pure functions.
 *
 * All of it is bounded: text, number of JSON values, counts, sizes. What is missing, of another
 * type, out of range or at odds with itself is CORRUPT, and nothing of it is used.
 */
#ifndef HF_LIBVIRT_AGENT_REPLY_H
#define HF_LIBVIRT_AGENT_REPLY_H

#include "api/holdfast/plugin.h"
#include "base/buf.h"
#include "net/json.h"

/* libvirt's own limit of a string (VIR_NET_MESSAGE_STRING_MAX). */
#define LV_REPLY_MAX ((size_t)4 << 20)
#define LV_MOUNTS_MAX 4096

/* {"return": …}: *out is what stands there (never null), to be put. */
int lv_reply_parse(const char *text, struct json_object **out, struct hf_err *err) HF_CHECKED;

/* guest-file-open. */
int lv_reply_handle(struct json_object *value, int64_t *out, struct hf_err *err) HF_CHECKED;
/* guest-file-read of `asked` bytes, appended to out; *out_eof: the agent says so. */
int lv_reply_read(struct json_object *value, size_t asked, struct hf_buf *out, bool *out_eof,
                  struct hf_err *err) HF_CHECKED;
/* guest-file-write of `sent` bytes (at least one): how many were taken, at least one. */
int lv_reply_written(struct json_object *value, size_t sent, size_t *out, struct hf_err *err)
    HF_CHECKED;

/* guest-exec. */
int lv_reply_pid(struct json_object *value, int64_t *out, struct hf_err *err) HF_CHECKED;

struct lv_exec_status {
    bool has_exited; /* false: nothing else is filled */
    int32_t exit_code, term_signal;
    bool is_cut;
    struct hf_buf out, err; /* at most max bytes each */
};
void lv_exec_status_free(struct lv_exec_status *s);
HF_DEFINE_AUTO_VALUE(lv_exec_status, lv_exec_status_free)
/* guest-exec-status. */
int lv_reply_exec_status(struct json_object *value, size_t max, struct lv_exec_status *out,
                         struct hf_err *err) HF_CHECKED;

/* guest-fsfreeze-freeze, guest-fsfreeze-thaw: how many. */
int lv_reply_fs_count(struct json_object *value, uint32_t *out, struct hf_err *err) HF_CHECKED;
/* guest-fsfreeze-status. */
int lv_reply_freeze_state(struct json_object *value, enum hf_freeze_state *out, struct hf_err *err)
    HF_CHECKED;

#endif
