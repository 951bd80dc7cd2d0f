/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/ssh.h"

#include "guest/ssh_intern.h"

#include <string.h>

#define NO_SUCH_FILE 44

struct ssh {
    struct hf_ssh_target target; /* its strings are ours */
    const struct hf_clock *clock;
    struct hf_log *log;
    struct hf_ssh_conn *conn; /* NULL: lost */
};

static void ssh_close(void *self)
{
    struct ssh *s = self;
    hf_ssh_conn_close(s->conn);
    free((char *)s->target.user);
    free((char *)s->target.host);
    free((char *)s->target.key_file);
    free((char *)s->target.known_hosts);
    free(s);
}
HF_DEFINE_AUTO(ssh, ssh_close)

static int connect_if_lost(struct ssh *s, int64_t deadline_ms, bool *out_is_new, struct hf_err *err)
{
    *out_is_new = !s->conn;
    if (!s->conn)
        s->conn = hf_ssh_connect(&s->target, s->clock, s->log, deadline_ms, err);
    return s->conn ? 0 : -1;
}

/* One attempt. After a failure the session is in an unknown state, but for one that touched nothing. */
static int attempt(struct ssh *s, const struct hf_guest_cmd *cmd, size_t max_output,
                   struct hf_hv_exec_result *out, bool *out_again, struct hf_err *err)
{
    bool is_new, sent = false;
    *out_again = false;
    if (connect_if_lost(s, cmd->deadline_ms, &is_new, err) < 0)
        return -1;
    if (hf_ssh_exec(s->conn, cmd, max_output, out, &sent, err) == 0)
        return 0;
    if (err->cls == HF_E_CONFIG)
        return -1;
    hf_ssh_conn_close(HF_STEAL(s->conn));
    *out_again = !is_new && !sent && err->cls == HF_E_UNREACHABLE;
    return -1;
}

static int run(struct ssh *s, const struct hf_guest_cmd *cmd, size_t max_output,
               struct hf_hv_exec_result *out, struct hf_err *err)
{
    struct hf_err first = HF_ERR_INIT;
    bool again;
    if (attempt(s, cmd, max_output, out, &again, &first) == 0)
        return 0;
    if (!again) {
        hf_err_copy(err, &first);
        return -1;
    }
    /* The session was idle and was dropped meanwhile; nothing has reached the guest. */
    hf_log(s->log, HF_LOG_DETAIL, "ssh", "%s; connecting again", first.message);
    return attempt(s, cmd, max_output, out, &again, err);
}

static int ssh_exec(void *self, const struct hf_guest_cmd *cmd, struct hf_hv_exec_result *out,
                    struct hf_err *err)
{
    return run(self, cmd, HF_GUEST_OUTPUT_MAX, out, err);
}

/* A script of ours that gets its paths as arguments; failed with the first line of what it said. */
static int run_script(struct ssh *s, const char *const argv[], const void *input, size_t input_len,
                      size_t max_output, int64_t deadline_ms, struct hf_hv_exec_result *out,
                      struct hf_err *err)
{
    char said[160];
    const struct hf_guest_cmd cmd = {
        .argv = argv, .input = input, .input_len = input_len, .deadline_ms = deadline_ms};
    if (run(s, &cmd, max_output, out, err) < 0)
        return -1;
    if (out->exit_code == 0)
        return 0;
    if (out->exit_code == NO_SUCH_FILE)
        return hf_fail(err, HF_E_NOT_FOUND, "no file '%s' in the guest", argv[4]);
    hf_guest_first_line(&out->err, said, sizeof said);
    return hf_fail(err, HF_E_PLUGIN, "'%s' in the guest: %s", argv[4], said);
}

static int ssh_read(void *self, const char *path, size_t max_bytes, int64_t deadline_ms,
                    struct hf_buf *out, struct hf_err *err)
{
    char limit[24];
    snprintf(limit, sizeof limit, "%zu", max_bytes + 1);
    const char *const argv[] = {
        "/bin/sh", "-c", "[ -e \"$1\" ] || exit 44; exec head -c \"$2\" <\"$1\"", "sh", path,
        limit,     NULL};
    HF_AUTO(hf_hv_exec_result) struct hf_hv_exec_result r = {0};
    if (run_script(self, argv, NULL, 0, max_bytes + 1, deadline_ms, &r, err) < 0)
        return -1;
    if (r.out.len > max_bytes)
        return hf_fail(err, HF_E_CORRUPT, "'%s' in the guest is larger than %zu bytes", path,
                       max_bytes);
    hf_buf_add(out, r.out.data, r.out.len);
    return hf_buf_ok(out) ? 0 : hf_fail_nomem(err);
}

static int ssh_write(void *self, const char *path, const void *data, size_t len,
                     int64_t deadline_ms, struct hf_err *err)
{
    const char *const argv[] = {"/bin/sh", "-c", "umask 077; exec cat >\"$1\"", "sh", path, NULL};
    HF_AUTO(hf_hv_exec_result) struct hf_hv_exec_result r = {0};
    return run_script(self, argv, data, len, HF_GUEST_OUTPUT_MAX, deadline_ms, &r, err);
}

static const struct hf_guest_ops ssh_ops = {
    .name = "ssh", .exec = ssh_exec, .read = ssh_read, .write = ssh_write, .close = ssh_close};

static int copy_target(struct hf_ssh_target *to, const struct hf_ssh_target *from,
                       struct hf_err *err)
{
    *to = *from;
    to->user = strdup(from->user);
    to->host = strdup(from->host);
    to->known_hosts = strdup(from->known_hosts);
    to->key_file = from->key_file ? strdup(from->key_file) : NULL;
    bool is_whole = to->user && to->host && to->known_hosts && (to->key_file || !from->key_file);
    return is_whole ? 0 : hf_fail_nomem(err);
}

struct hf_guest *hf_guest_ssh(const struct hf_ssh_target *target, const struct hf_clock *clock,
                              struct hf_log *log, int64_t deadline_ms, struct hf_err *err)
{
    bool is_new;
    HF_AUTO(ssh) struct ssh *s = calloc(1, sizeof *s);
    if (!s) {
        hf_fail_nomem(err);
        return NULL;
    }
    s->clock = clock;
    s->log = log;
    if (copy_target(&s->target, target, err) < 0 ||
        connect_if_lost(s, deadline_ms, &is_new, err) < 0)
        return NULL;
    return hf_guest_new(&ssh_ops, HF_STEAL(s), err);
}
