/* SPDX-License-Identifier: Apache-2.0
 *
 * From a backup to a VM that is off: one POST, its task, and then a look at whether the VM is as it was asked for.
 */
#include "base/point.h"
#include "machine.h"

#include <string.h>

#define COPY_POLL_MS 2000

int pve_machine_find_task(struct hf_instance *in, const struct hf_call *call,
                          const struct pve_machine *m, struct pve_task *out, struct hf_err *err)
{
    return pve_task_newest_on(in, call, m->node, m->vm_id, "qmrestore", PVE_TASK_OURS,
                              m->before.upid[0] ? &m->before : NULL, out, err);
}

/* The two lines of a definition. */
static int split(const char *definition, struct hf_buf *post, struct hf_buf *put,
                 struct hf_err *err)
{
    const char *end = strchr(definition, '\n');
    if (!end || strncmp(definition, "vmid=", 5) != 0)
        return hf_fail(err, HF_E_CORRUPT, "this is no definition of a machine");
    hf_buf_add(post, definition, (size_t)(end - definition));
    hf_buf_str_add(put, end + 1);
    return hf_buf_ok(post) && !put->failed ? 0 : hf_fail_nomem(err);
}

/* ---- the copy ---------------------------------------------------------------------------------------- */

/* By anybody: with or without our mark. */
static int look_for_vm(struct hf_instance *in, const struct hf_call *call,
                       const struct pve_machine *m, bool *out, struct hf_err *err)
{
    struct hf_err gone = HF_ERR_INIT;
    *out = pve_locate(in, call, m->vm_id, &gone) == 0;
    if (*out || gone.cls == HF_E_NOT_FOUND)
        return 0;
    hf_err_copy(err, &gone);
    return gone.cls == HF_E_UNSUPPORTED
               ? hf_fail(err, HF_E_CONFLICT, "%s is a container's now", m->vm_id)
               : -1;
}

static int post(struct hf_instance *in, const struct hf_call *call, const struct pve_machine *m,
                const struct hf_buf *params, struct pve_task *out, struct hf_err *err)
{
    HF_AUTOFREE char *path = hf_asprintf("/nodes/%s/qemu", m->node);
    struct pve_req req = {.method = "POST", .path = path, .params = params};
    if (!path)
        return hf_fail_nomem(err);
    snprintf(in->node, sizeof in->node, "%s", m->node); /* where a lost task is looked for */
    *in->vm_id = '\0';
    if (pve_task_begin_at(in, call, m->vm_id, &req, "qmrestore", &m->before, out, err) == 0) {
        if (!out->was_looked_for)
            snprintf(in->own_restore, sizeof in->own_restore, "%s", out->upid);
        return 0;
    }
    if (err->cls ==
        HF_E_CONFLICT) { /* its number, and no task of ours: another's VM, which no undo may touch */
        snprintf(in->taken_vm_id, sizeof in->taken_vm_id, "%s", m->vm_id);
        err->retryable = 1;
        return -1;
    }
    return in->is_unclear ? hf_left(err, "perhaps a restore of VM %s on node %s", m->vm_id, m->node)
                          : -1;
}

/* Of this run: begun now, or by an earlier call. *out_is_there: it was restored by one, and its task is forgotten. */
static int begin(struct hf_instance *in, const struct hf_call *call, const struct pve_machine *m,
                 const struct hf_buf *params, struct pve_task *out, bool *out_is_there,
                 struct hf_err *err)
{
    if (pve_machine_find_task(in, call, m, out, err) != 0 || out->upid[0])
        return out->upid[0] ? 0 : -1;
    if (look_for_vm(in, call, m, out_is_there, err) != 0 || *out_is_there)
        return *out_is_there ? 0 : -1;
    if (HF_POINT_ERR("proxmox.before_restore", err) != 0 ||
        post(in, call, m, params, out, err) != 0)
        return -1;
    return HF_POINT_ERR("proxmox.after_restore_post", err);
}

/* What the server says of a task that failed is its last words; why, is above them: by zstd, vma, the storage. */
struct reason {
    enum hf_err_class cls;
    char text[256];
};

static int look_for_reason(void *ctx, const char *line)
{
    static const struct {
        const char *part;
        enum hf_err_class cls;
    } known[] = {{"No space left", HF_E_NOSPACE},    {"not enough free space", HF_E_NOSPACE},
                 {"Decoding error", HF_E_CORRUPT},   {"checksum", HF_E_CORRUPT},
                 {"chechsum", HF_E_CORRUPT}, /* as vma writes it */
                 {"short vma extent", HF_E_CORRUPT}, {"wrong vma uuid", HF_E_CORRUPT},
                 {"restore failed", HF_E_PLUGIN}};
    struct reason *r = ctx;
    for (size_t i = 0; !r->text[0] && i < HF_ARRAY_SIZE(known); i++)
        if (strstr(line, known[i].part)) {
            r->cls = known[i].cls;
            snprintf(r->text, sizeof r->text, "%s", line);
        }
    return 0;
}

static int fail_copy(struct hf_instance *in, const struct hf_call *call, const struct pve_task *t,
                     struct hf_err *err)
{
    struct hf_err ignored = HF_ERR_INIT;
    struct reason r = {0};
    /* Those would say that it goes on. */
    if (err->cls == HF_E_TIMEOUT || err->cls == HF_E_UNREACHABLE || err->cls == HF_E_BUSY)
        err->cls = HF_E_PLUGIN;
    err->retryable = 0;
    if (err->cls != HF_E_PLUGIN ||
        pve_task_log_all(in, call, t, look_for_reason, &r, &ignored) != 0 || !r.text[0])
        return -1;
    err->cls = r.cls;
    return hf_wrap(err, "%s", r.text);
}

static int copy(struct hf_instance *in, const struct hf_call *call, const struct pve_machine *m,
                const struct hf_buf *params, struct hf_err *err)
{
    struct pve_task t = {0};
    bool is_there = false;
    if (begin(in, call, m, params, &t, &is_there, err) != 0)
        return -1;
    if (!is_there && pve_task_wait(in, call, &t, COPY_POLL_MS, err) != 0) {
        if (t.was_away && err->cls == HF_E_TIMEOUT) /* it is not slow, nobody says how it is */
            err->cls = HF_E_UNREACHABLE;
        return t.is_stopped ? fail_copy(in, call, &t, err) : -1;
    }
    return HF_POINT_ERR("proxmox.after_restore_task", err);
}

/* ---- as it was asked for ------------------------------------------------------------------------------ */

static int configure(struct hf_instance *in, const struct hf_call *call,
                     const struct pve_machine *m, const struct hf_buf *params, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *none = NULL;
    struct pve_req req = {.method = "PUT", .params = params};
    if (!params->len)
        return 0;
    return pve_vm_request(in, call, m->vm_id, "/config", &req, &none, err);
}

int pve_machine_cut_links(struct hf_instance *in, const struct hf_call *call,
                          const struct pve_machine *m, const struct pve_vm *vm, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf params = HF_BUF_INIT;
    json_object_object_foreach(vm->config, key, value)
    {
        HF_AUTO(hf_buf) struct hf_buf anew = HF_BUF_INIT;
        const char *text = pve_is_net(key) && json_object_is_type(value, json_type_string)
                               ? json_object_get_string(value)
                               : NULL;
        if (!text || !m->has_links_down || pve_net_is_down(text))
            continue;
        pve_net_print(text, true, true, &anew);
        pve_param(&params, key, hf_buf_str(&anew));
        params.failed = params.failed || anew.failed;
    }
    return params.failed ? hf_fail_nomem(err) : configure(in, call, m, &params, err);
}

static int check_mark(const struct pve_machine *m, const struct pve_vm *vm, struct hf_err *err)
{
    struct pve_machine told = {0};
    if (pve_mark_read(pve_text(vm->config, "description"), &told) == PVE_MARKED &&
        strcmp(told.run, m->run) == 0)
        return 0;
    return hf_fail(err, HF_E_CONFLICT, "VM %s is not of this run", m->vm_id);
}

/* That is done before anybody can start it, and looked at again: a server that passes over a parameter is no reason for a VM on the net. */
static int finish(struct hf_instance *in, const struct hf_call *call, const struct pve_machine *m,
                  const struct hf_buf *params, struct hf_err *err)
{
    HF_AUTO(pve_vm) struct pve_vm made = {0};
    if (pve_vm_load_unlocked(in, call, m->vm_id, &made, err) != 0 || check_mark(m, &made, err) != 0)
        return -1;
    if (made.state != HF_VM_OFF) /* an earlier call made it, and it was started */
        return 0;
    if (pve_bool(made.config, "onboot") || pve_bool(made.config, "protection"))
        return hf_fail(
            err, HF_E_CONFLICT,
            "VM %s would start with the node, or cannot be deleted, against what was asked for",
            m->vm_id);
    if (pve_machine_cut_links(in, call, m, &made, err) != 0 ||
        HF_POINT_ERR("proxmox.before_restore_config", err) != 0 ||
        configure(in, call, m, params, err) != 0)
        return -1;
    return HF_POINT_ERR("proxmox.after_restore_config", err);
}

int proxmox_machine_create(struct hf_instance *in, const struct hf_call *call,
                           const char *definition, const char *undo_token, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf to_post = HF_BUF_INIT, to_put = HF_BUF_INIT;
    struct pve_machine m;
    if (pve_enter(in, call, err) != 0 || pve_machine_read(undo_token, &m, err) != 0 ||
        split(definition, &to_post, &to_put, err) != 0)
        return -1;
    if (copy(in, call, &m, &to_post, err) != 0 || finish(in, call, &m, &to_put, err) != 0)
        return hf_wrap(err, "VM %s", m.vm_id);
    return 0;
}
