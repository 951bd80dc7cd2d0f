/* SPDX-License-Identifier: Apache-2.0 */
#include "pve.h"

#include <string.h>

static bool is_vmid(const char *id)
{
    size_t len = strlen(id);
    return len >= 3 && len <= 9 && *id != '0' && strspn(id, "0123456789") == len;
}

/* A node's name becomes part of a path. */
bool pve_is_node(const char *name)
{
    size_t len = name ? strlen(name) : 0;
    return len && len < PVE_NODE_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == len;
}

static int fail_not_found(const char *vm_id, struct hf_err *err)
{
    hf_fail(err, HF_E_NOT_FOUND, "no VM with the id '%s'", vm_id);
    return hf_hint(err, "Without the right VM.Audit on it a VM looks as if it did not exist.");
}

int pve_locate(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
               struct hf_err *err)
{
    HF_AUTOJSON struct json_object *data = NULL;
    *in->vm_id = '\0';
    if (!is_vmid(vm_id))
        return fail_not_found(vm_id, err);
    if (pve_get(in, call, "/cluster/resources?type=vm", &data, err) != 0)
        return -1;
    size_t n = pve_rows(data);
    for (size_t i = 0; i < n; i++) {
        struct json_object *o = json_object_array_get_idx(data, i);
        const char *id = pve_text(o, "vmid"), *type = pve_text(o, "type"),
                   *node = pve_text(o, "node");
        if (!id || strcmp(id, vm_id) != 0)
            continue;
        if (!type || strcmp(type, "qemu") != 0)
            return hf_fail(err, HF_E_UNSUPPORTED, "'%s' is a container, no virtual machine", vm_id);
        if (!pve_is_node(node))
            return hf_fail(err, HF_E_CORRUPT, "VM %s: no node is told", vm_id);
        snprintf(in->vm_id, sizeof in->vm_id, "%s", vm_id);
        snprintf(in->node, sizeof in->node, "%s", node);
        return 0;
    }
    return fail_not_found(vm_id, err);
}

static int request_there(struct hf_instance *in, const struct hf_call *call, const char *below,
                         const struct pve_req *req, struct json_object **out, struct hf_err *err)
{
    struct pve_req there = *req;
    HF_AUTOFREE char *path = hf_asprintf("/nodes/%s/qemu/%s%s", in->node, in->vm_id, below);
    if (!path)
        return hf_fail_nomem(err);
    there.path = path;
    return pve_request(in, call, &there, out, err);
}

int pve_vm_request(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                   const char *below, const struct pve_req *req, struct json_object **out,
                   struct hf_err *err)
{
    struct hf_err first = HF_ERR_INIT;
    if (strcmp(in->vm_id, vm_id) == 0) {
        if (request_there(in, call, below, req, out, &first) == 0)
            return 0;
        /* It lives on another node since we looked, and nothing happened on this one. */
        if (first.cls != HF_E_NOT_FOUND || !strstr(first.message, "Configuration file 'nodes/")) {
            hf_err_copy(err, &first);
            return -1;
        }
    }
    if (pve_locate(in, call, vm_id, err) != 0)
        return -1;
    return request_there(in, call, below, req, out, err);
}

int pve_vm_get(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
               const char *below, struct json_object **out, struct hf_err *err)
{
    struct pve_req req = {.method = "GET"};
    return pve_vm_request(in, call, vm_id, below, &req, out, err);
}
