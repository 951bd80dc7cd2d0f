/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

#include <string.h>

#define LEAVE_MS 3000

static int make(const struct vmw_guest *g, struct hf_err *err)
{
    HF_AUTO(vmw_args) struct vmw_args args = VMW_ARGS_INIT;
    HF_AUTO(vmw_tree) struct vmw_tree *t = NULL;
    struct vmw_folder *to = &g->in->folder;
    vmw_guest_put(g, &args);
    vmw_put(&args, "prefix", "holdfast-");
    vmw_put(&args, "suffix", "");
    if (vmw_guest_call(g, true, "CreateTemporaryDirectoryInGuest", &args, false, &t, err) != 0)
        return -1;
    const char *path = vmw_child_text(vmw_response(t), "returnval");
    if (!path || *path != '/' || strlen(path) >= sizeof to->path) {
        hf_fail(err, HF_E_UNSUPPORTED, "the guest's folder is no absolute path");
        return hf_hint(err, "Programs run in guests that have a /bin/sh.");
    }
    *to = (struct vmw_folder){.vm = g->in->vm};
    snprintf(to->path, sizeof to->path, "%s", path);
    return 0;
}

void vmw_guest_folder_drop(const struct vmw_guest *g)
{
    HF_AUTO(vmw_args) struct vmw_args args = VMW_ARGS_INIT;
    HF_AUTO(vmw_tree) struct vmw_tree *t = NULL;
    struct hf_err why = HF_ERR_INIT;
    struct vmw_folder *f = &g->in->folder;
    struct vmw_ref now = g->in->vm;
    if (!f->path[0])
        return;
    g->in->ignores_cancel = true;
    g->in->vm = f->vm;
    vmw_guest_put(g, &args);
    vmw_put(&args, "directoryPath", f->path);
    vmw_put_bool(&args, "recursive", true);
    if (vmw_guest_call(g, true, "DeleteDirectoryInGuest", &args, false, &t, &why) != 0)
        vmw_log(g->in, why.cls == HF_E_NOT_FOUND ? HF_LOG_DETAIL : HF_LOG_WARN,
                "folder %s of the guest stays: %s", f->path, why.message);
    g->in->vm = now;
    g->in->ignores_cancel = false;
    *f = (struct vmw_folder){0};
}

int vmw_guest_folder(const struct vmw_guest *g, bool *out_kept, struct hf_err *err)
{
    *out_kept = g->in->folder.path[0] && vmw_ref_same(&g->in->folder.vm, &g->in->vm);
    if (*out_kept)
        return 0;
    vmw_guest_folder_drop(g);
    return make(g, err);
}

void vmw_guest_folder_leave(struct hf_instance *in)
{
    struct hf_call call = {.struct_size = sizeof call, .deadline_ms = vmw_now_ms(in) + LEAVE_MS};
    struct vmw_guest g = {.in = in, .call = &call};
    if (in->folder.path[0] && in->cookie)
        vmw_guest_folder_drop(&g);
}
