/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent.h"

#include <stdlib.h>
#include <string.h>

struct agent {
    struct hf_hv *hv;
    char *vm_id, *run_id;
};

static void agent_close(void *self)
{
    struct agent *a = self;
    free(a->vm_id);
    free(a->run_id);
    free(a);
}

static struct hf_hv_call call_by(const struct agent *a, int64_t deadline_ms)
{
    return (struct hf_hv_call){.deadline_ms = deadline_ms, .run_id = a->run_id};
}

static int agent_exec(void *self, const struct hf_guest_cmd *cmd, struct hf_hv_exec_result *out,
                      struct hf_err *err)
{
    struct agent *a = self;
    struct hf_hv_call call = call_by(a, cmd->deadline_ms);
    return hf_hv_guest_exec(a->hv, &call, a->vm_id, cmd->argv, cmd->input, cmd->input_len, out,
                            err);
}

static int agent_read(void *self, const char *path, size_t max_bytes, int64_t deadline_ms,
                      struct hf_buf *out, struct hf_err *err)
{
    struct agent *a = self;
    struct hf_hv_call call = call_by(a, deadline_ms);
    return hf_hv_guest_file_read(a->hv, &call, a->vm_id, path, max_bytes, out, err);
}

static int agent_write(void *self, const char *path, const void *data, size_t len,
                       int64_t deadline_ms, struct hf_err *err)
{
    struct agent *a = self;
    struct hf_hv_call call = call_by(a, deadline_ms);
    return hf_hv_guest_file_write(a->hv, &call, a->vm_id, path, data, len, err);
}

static const struct hf_guest_ops agent_ops = {.name = "agent",
                                              .exec = agent_exec,
                                              .read = agent_read,
                                              .write = agent_write,
                                              .close = agent_close};

struct hf_guest *hf_guest_agent(struct hf_hv *hv, const char *vm_id, const char *run_id,
                                struct hf_err *err)
{
    struct agent *a = calloc(1, sizeof *a);
    if (!a) {
        hf_fail_nomem(err);
        return NULL;
    }
    a->hv = hv;
    if (!(a->vm_id = strdup(vm_id)) || (run_id && !(a->run_id = strdup(run_id)))) {
        agent_close(a);
        hf_fail_nomem(err);
        return NULL;
    }
    return hf_guest_new(&agent_ops, a, err);
}
