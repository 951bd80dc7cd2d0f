/* SPDX-License-Identifier: Apache-2.0 */
#include "vmw.h"

#include <string.h>

#define PAGE_OBJECTS 200
#define PAGES_MAX 1000

void vmw_props_free(struct vmw_props *p)
{
    vmw_tree_free(p->tree);
    *p = (struct vmw_props){0};
}

const struct vmw_node *vmw_prop(const struct vmw_node *object, const char *path)
{
    for (const struct vmw_node *p = vmw_child(object, "propSet"); p; p = vmw_next(p))
        if (vmw_is(vmw_child(p, "name"), path))
            return vmw_child(p, "val");
    return NULL;
}

static void put_prop_set(struct vmw_args *a, const char *type, const char *const *paths)
{
    vmw_put_begin(a, "propSet", NULL);
    vmw_put(a, "type", type);
    for (; *paths; paths++)
        vmw_put(a, "pathSet", *paths);
    vmw_put_end(a, "propSet");
}

void vmw_put_spec(struct vmw_args *a, const char *name, const struct vmw_ref *ref,
                  const char *const *paths)
{
    vmw_put_begin(a, name, NULL);
    put_prop_set(a, ref->type, paths);
    vmw_put_begin(a, "objectSet", NULL);
    vmw_put_ref(a, "obj", ref);
    vmw_put_end(a, "objectSet");
    vmw_put_end(a, name);
}

/* What the server does not know is unset; what it does not show is not. */
int vmw_check_missing(struct hf_instance *in, const struct vmw_node *object, struct hf_err *err)
{
    for (const struct vmw_node *m = vmw_child(object, "missingSet"); m; m = vmw_next(m)) {
        const struct vmw_node *fault = vmw_child(m, "fault");
        const char *path = vmw_child_text(m, "path");
        if (strcmp(vmw_type(vmw_child(fault, "fault")), "InvalidProperty") == 0)
            continue;
        vmw_fail_localized(in, fault, err);
        return hf_wrap(err, "property %.80s", path ? path : "?");
    }
    return 0;
}

int vmw_props_get(struct hf_instance *in, const struct hf_call *call, const struct vmw_ref *ref,
                  const char *const *paths, struct vmw_props *out, struct hf_err *err)
{
    HF_AUTO(vmw_args) struct vmw_args args = VMW_ARGS_INIT;
    HF_AUTO(vmw_tree) struct vmw_tree *t = NULL;
    struct vmw_request req = {.method = "RetrievePropertiesEx",
                              .self = &in->content.properties,
                              .args = &args,
                              .is_read = true};
    struct vmw_ref got;
    vmw_put_spec(&args, "specSet", ref, paths);
    vmw_put_begin(&args, "options", NULL);
    vmw_put_end(&args, "options");
    if (vmw_call(in, call, &req, &t, err) != 0)
        return -1;
    const struct vmw_node *object = vmw_child(vmw_child(vmw_response(t), "returnval"), "objects");
    if (!object)
        return hf_fail(err, HF_E_NOT_FOUND, "%s '%s' is not there", ref->type, ref->id);
    if (!vmw_ref_read(vmw_child(object, "obj"), &got) || !vmw_ref_same(&got, ref))
        return hf_fail(err, HF_E_CORRUPT, "the server told of another object than was asked for");
    if (vmw_check_missing(in, object, err) != 0)
        return -1;
    vmw_props_free(out);
    out->tree = HF_STEAL(t);
    out->object = object;
    return 0;
}

/* ---- every VM -------------------------------------------------------------------------------------------------- */

static int make_view(struct hf_instance *in, const struct hf_call *call, struct vmw_ref *out,
                     struct hf_err *err)
{
    HF_AUTO(vmw_args) struct vmw_args args = VMW_ARGS_INIT;
    struct vmw_request req = {.method = "CreateContainerView",
                              .self = &in->content.view,
                              .args = &args,
                              .is_read = true}; /* one more of these ends with the session */
    vmw_put_ref(&args, "container", &in->content.root);
    vmw_put(&args, "type", "VirtualMachine");
    vmw_put_bool(&args, "recursive", true);
    return vmw_call_ref(in, call, &req, out, err);
}

static void drop_view(struct hf_instance *in, const struct hf_call *call,
                      const struct vmw_ref *view)
{
    HF_AUTO(vmw_tree) struct vmw_tree *t = NULL;
    struct hf_err ignored = HF_ERR_INIT;
    struct vmw_request req = {.method = "DestroyView", .self = view};
    if (vmw_call(in, call, &req, &t, &ignored) != 0)
        vmw_log(in, HF_LOG_DEBUG, "a view stays until the log-out: %s", ignored.message);
}

/* The objects of that type that `path` of from leads to. */
static void put_through(struct vmw_args *a, const struct vmw_ref *from, const char *path,
                        const char *type, const char *const *paths)
{
    vmw_put_begin(a, "specSet", NULL);
    put_prop_set(a, type, paths);
    vmw_put_begin(a, "objectSet", NULL);
    vmw_put_ref(a, "obj", from);
    vmw_put_bool(a, "skip", true);
    vmw_put_begin(a, "selectSet", "TraversalSpec");
    vmw_put(a, "name", path);
    vmw_put(a, "type", from->type);
    vmw_put(a, "path", path);
    vmw_put_bool(a, "skip", false);
    vmw_put_end(a, "selectSet");
    vmw_put_end(a, "objectSet");
    vmw_put_end(a, "specSet");
}

static int first_page(struct hf_instance *in, const struct hf_call *call,
                      const struct vmw_ref *from, const char *path, const char *type,
                      const char *const *paths, struct vmw_tree **out, struct hf_err *err)
{
    HF_AUTO(vmw_args) struct vmw_args args = VMW_ARGS_INIT;
    struct vmw_request req = {.method = "RetrievePropertiesEx",
                              .self = &in->content.properties,
                              .args = &args,
                              .is_read = true};
    put_through(&args, from, path, type, paths);
    vmw_put_begin(&args, "options", NULL);
    vmw_put_int(&args, "maxObjects", PAGE_OBJECTS);
    vmw_put_end(&args, "options");
    return vmw_call(in, call, &req, out, err);
}

static int next_page(struct hf_instance *in, const struct hf_call *call, const char *token,
                     struct vmw_tree **out, struct hf_err *err)
{
    HF_AUTO(vmw_args) struct vmw_args args = VMW_ARGS_INIT;
    struct vmw_request req = {.method = "ContinueRetrievePropertiesEx", /* a token is good once */
                              .self = &in->content.properties,
                              .args = &args};
    vmw_put(&args, "token", token);
    return vmw_call(in, call, &req, out, err);
}

static int each_object(const struct vmw_tree *t, vmw_object_cb each, void *ctx, struct hf_err *err)
{
    const struct vmw_node *o = vmw_child(vmw_child(vmw_response(t), "returnval"), "objects");
    for (; o; o = vmw_next(o))
        if (each(ctx, o, err) != 0)
            return -1;
    return 0;
}

static int each_page(struct hf_instance *in, const struct hf_call *call, struct vmw_tree *page,
                     vmw_object_cb each, void *ctx, struct hf_err *err)
{
    HF_AUTO(vmw_tree) struct vmw_tree *t = page;
    for (int n = 0;; n++) {
        HF_AUTO(vmw_tree) struct vmw_tree *next = NULL;
        const char *token = vmw_child_text(vmw_child(vmw_response(t), "returnval"), "token");
        if (each_object(t, each, ctx, err) != 0)
            return -1;
        if (!token || !*token)
            return 0;
        if (n == PAGES_MAX)
            return hf_fail(err, HF_E_CORRUPT, "the server's list of VMs does not end");
        if (next_page(in, call, token, &next, err) != 0)
            return -1;
        vmw_tree_free(t);
        t = HF_STEAL(next);
    }
}

int vmw_props_each_vm(struct hf_instance *in, const struct hf_call *call, const char *const *paths,
                      vmw_object_cb each, void *ctx, struct hf_err *err)
{
    struct vmw_ref view;
    struct vmw_tree *page = NULL;
    struct hf_err lost = HF_ERR_INIT;
    if (make_view(in, call, &view, err) != 0)
        return -1;
    int rc = first_page(in, call, &view, "view", "VirtualMachine", paths, &page, &lost);
    if (rc != 0 && strcmp(in->fault, "ManagedObjectNotFound") == 0) { /* it went with its session */
        if (make_view(in, call, &view, err) != 0)
            return -1;
        hf_err_clear(&lost);
        rc = first_page(in, call, &view, "view", "VirtualMachine", paths, &page, &lost);
    }
    if (rc != 0)
        hf_err_copy(err, &lost);
    else
        rc = each_page(in, call, page, each, ctx, err);
    drop_view(in, call, &view);
    return rc;
}

int vmw_props_each(struct hf_instance *in, const struct hf_call *call, const struct vmw_ref *from,
                   const char *path, const char *type, const char *const *paths, vmw_object_cb each,
                   void *ctx, struct hf_err *err)
{
    struct vmw_tree *page = NULL;
    if (first_page(in, call, from, path, type, paths, &page, err) != 0)
        return -1;
    return each_page(in, call, page, each, ctx, err);
}
