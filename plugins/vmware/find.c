/* SPDX-License-Identifier: Apache-2.0 */
#include "vm.h"

#include <ctype.h>
#include <string.h>

#define INDEX_MS 5000 /* a look into an index, as also stands before each program in a guest */

bool vmw_uuid(const char *text, char out[37])
{
    if (strlen(text) != 36)
        return false;
    for (size_t i = 0; i < 36; i++) {
        bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (is_dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
            return false;
        out[i] = (char)tolower((unsigned char)text[i]); /* in capitals it is not found */
    }
    out[36] = '\0';
    return true;
}

/* Nothing found is no fault: an answer without a result. */
static int ask_index(struct hf_instance *in, const struct hf_call *call, const char *method,
                     struct vmw_args *args, struct vmw_ref *out, struct hf_err *err)
{
    HF_AUTO(vmw_tree) struct vmw_tree *t = NULL;
    struct vmw_request req = {
        .method = method, .self = &in->content.search, .args = args, .is_read = true};
    if (vmw_call(in, call, &req, &t, err) != 0)
        return -1;
    (void)vmw_ref_read(vmw_child(vmw_response(t), "returnval"), out);
    if (strcmp(out->type, "VirtualMachine") != 0)
        *out = (struct vmw_ref){0};
    return 0;
}

static int fail_several(const char *uuid, const struct vmw_node *first, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf all = HF_BUF_INIT;
    for (const struct vmw_node *n = first; n && all.len < 256; n = vmw_next(n))
        hf_buf_printf(&all, "%s%.64s", n == first ? "" : ", ", vmw_text(n));
    hf_fail(err, HF_E_CONFLICT, "several VMs have the instance UUID '%s'", uuid);
    return hf_hint(err,
                   "A copy of a VM's files, registered on the same host, has it too: %s. Take the "
                   "copy out of the inventory, or give it another vc.uuid.",
                   hf_buf_str(&all));
}

/* vCenter gives each once; a host takes what stands in a copy's settings, and FindByUuid tells one of them. */
static int by_uuid(struct hf_instance *in, const struct hf_call *call, const char *uuid,
                   struct vmw_ref *out, struct hf_err *err)
{
    HF_AUTO(vmw_args) struct vmw_args args = VMW_ARGS_INIT;
    HF_AUTO(vmw_tree) struct vmw_tree *t = NULL;
    struct vmw_request req = {.method = "FindAllByUuid",
                              .self = &in->content.search,
                              .args = &args,
                              .is_read = true,
                              .wait_ms = INDEX_MS};
    vmw_put(&args, "uuid", uuid);
    vmw_put_bool(&args, "vmSearch", true);
    vmw_put_bool(&args, "instanceUuid", true);
    if (vmw_call(in, call, &req, &t, err) != 0)
        return -1;
    const struct vmw_node *first = vmw_child(vmw_response(t), "returnval");
    if (vmw_next(first))
        return fail_several(uuid, first, err);
    if (!vmw_ref_read(first, out) || strcmp(out->type, "VirtualMachine") != 0)
        *out = (struct vmw_ref){0};
    return 0;
}

static int by_path(struct hf_instance *in, const struct hf_call *call, const char *path,
                   struct vmw_ref *out, struct hf_err *err)
{
    HF_AUTO(vmw_args) struct vmw_args args = VMW_ARGS_INIT;
    vmw_put(&args, "inventoryPath", path);
    return ask_index(in, call, "FindByInventoryPath", &args, out, err);
}

int vmw_locate(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
               struct hf_err *err)
{
    char uuid[37];
    in->vm = (struct vmw_ref){0};
    in->vm_id[0] = '\0';
    if (vmw_uuid(vm_id, uuid) && by_uuid(in, call, uuid, &in->vm, err) != 0)
        return -1;
    if (!in->vm.id[0]) {
        hf_fail(err, HF_E_NOT_FOUND, "no VM has the instance UUID '%.64s'", vm_id);
        return hf_hint(err, "Without the privilege System.View on it a VM looks as if it did not "
                            "exist.");
    }
    snprintf(in->vm_id, sizeof in->vm_id, "%s", uuid);
    return 0;
}

/* ---- by name ------------------------------------------------------------------------------------------------- */

struct finder {
    const char *what;
    struct vmw_ref found;
    struct hf_strv ids; /* instance UUIDs of all that are called so */
};

static void finder_drop(struct finder *f)
{
    hf_strv_free(&f->ids);
}
HF_DEFINE_AUTO_VALUE(finder, finder_drop)

/* vSphere keeps '%', '/' and '\' in names as %25, %2f and %5c. */
static bool is_called(const char *name, const char *what)
{
    for (; *name && *what; name++, what++) {
        bool is_escape = *name == '%' && name[1] && name[2] && strchr("%/\\", *what);
        char code[3] = {is_escape ? name[1] : '0', is_escape ? name[2] : '0', 0};
        if (is_escape && strtol(code, NULL, 16) == *what)
            name += 2;
        else if (*name != *what)
            return false;
    }
    return !*name && !*what;
}

static int find_one(void *ctx, const struct vmw_node *object, struct hf_err *err)
{
    struct finder *f = ctx;
    const char *name = vmw_text(vmw_prop(object, "name"));
    const char *uuid = vmw_text(vmw_prop(object, "summary.config.instanceUuid"));
    struct vmw_ref ref;
    if (!vmw_ref_read(vmw_child(object, "obj"), &ref))
        return hf_fail(err, HF_E_CORRUPT, "a VM without an id");
    /* One that tells no UUID is listed by its reference, and has to be found by it. */
    bool is_it = !uuid && strcmp(ref.id, f->what) == 0;
    if (!is_it && (!name || (strcmp(name, f->what) != 0 && !is_called(name, f->what))))
        return 0;
    f->found = ref;
    return hf_strv_add(&f->ids, uuid ? uuid : ref.id) == 0 ? 0 : hf_fail_nomem(err);
}

static int by_name(struct hf_instance *in, const struct hf_call *call, const char *name,
                   struct vmw_ref *out, struct hf_err *err)
{
    static const char *const paths[] = {"name", "summary.config.instanceUuid", NULL};
    HF_AUTO(finder) struct finder f = {.what = name};
    HF_AUTO(hf_buf) struct hf_buf all = HF_BUF_INIT;
    if (vmw_props_each_vm(in, call, paths, find_one, &f, err) != 0)
        return -1;
    if (f.ids.n < 2) {
        *out = f.found;
        return 0;
    }
    for (size_t i = 0; i < f.ids.n; i++)
        hf_buf_printf(&all, "%s%s", i ? ", " : "", f.ids.items[i]);
    hf_fail(err, HF_E_CONFLICT, "%zu VMs are called '%s'", f.ids.n, name);
    return hf_hint(err, "Use the path (/DC/vm/FOLDER/NAME) or the instance UUID: %s.",
                   hf_buf_str(&all));
}

int vmw_find(struct hf_instance *in, const struct hf_call *call, const char *what,
             struct vmw_ref *out, struct hf_err *err)
{
    char uuid[37];
    *out = (struct vmw_ref){0};
    if (vmw_uuid(what, uuid) && by_uuid(in, call, uuid, out, err) != 0)
        return -1;
    if (!out->id[0] && strchr(what, '/') && by_path(in, call, what, out, err) != 0)
        return -1;
    if (!out->id[0] && by_name(in, call, what, out, err) != 0)
        return -1;
    if (out->id[0])
        return 0;
    hf_fail(err, HF_E_NOT_FOUND, "no VM is called '%.200s'", what);
    return hf_hint(err,
                   "A path is /DATACENTER/vm/FOLDER/NAME. Without the privilege System.View on "
                   "it a VM looks as if it did not exist.");
}
