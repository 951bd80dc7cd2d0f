/* SPDX-License-Identifier: Apache-2.0 */
#include "net/json.h"
#include "rights.h"
#include "rollback.h"
#include "snapshots.h"
#include "vm.h"

#include <string.h>

#define NAME_MAX_BYTES 80
#define CHAIN_MOST 31 /* a chain of 32 is the end */

/* ---- the token --------------------------------------------------------------------------------------------------- */

void vmw_rollback_free(struct vmw_rollback *rb)
{
    free(rb->vm_id);
    free(rb->name);
    free(rb->back);
    *rb = (struct vmw_rollback){0};
}

char *vmw_rollback_write(const struct vmw_rollback *rb, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *o = json_object_new_object();
    if (!o || hf_json_add_int(o, "v", 1) | hf_json_add_string(o, "op", "rollback") |
                  hf_json_add_string(o, "vm", rb->vm_id) | hf_json_add_string(o, "name", rb->name) |
                  hf_json_add_string(o, "back", rb->back) |
                  hf_json_add_bool(o, "was_active", rb->was_active)) {
        hf_fail_nomem(err);
        return NULL;
    }
    char *text = strdup(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
    if (!text)
        hf_fail_nomem(err);
    return text;
}

static const char *member(struct json_object *o, const char *key)
{
    struct json_object *value = NULL;
    return json_object_object_get_ex(o, key, &value) && json_object_is_type(value, json_type_string)
               ? json_object_get_string(value)
               : NULL;
}

int vmw_rollback_read(const char *token, struct vmw_rollback *out, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *o = hf_json_parse(token, strlen(token), err);
    struct json_object *version = NULL, *active = NULL;
    const char *op = o ? member(o, "op") : NULL;
    if (!op || strcmp(op, "rollback") != 0 || !json_object_object_get_ex(o, "v", &version) ||
        json_object_get_int(version) != 1 || !member(o, "vm") || !member(o, "name") ||
        !member(o, "back") || !json_object_object_get_ex(o, "was_active", &active)) {
        hf_err_clear(err);
        return hf_fail(err, HF_E_CORRUPT, "this is no token of a rollback");
    }
    out->vm_id = strdup(member(o, "vm"));
    out->name = strdup(member(o, "name"));
    out->back = strdup(member(o, "back"));
    out->was_active = json_object_get_boolean(active);
    return out->vm_id && out->name && out->back ? 0 : hf_fail_nomem(err);
}

/* ---- may it be ---------------------------------------------------------------------------------------------------- */

static int fill(const struct hf_rollback_request *req, const struct vmw_vm *vm, const char *vm_id,
                struct vmw_rollback *rb, struct hf_err *err)
{
    rb->vm_id = strdup(vm_id);
    rb->name = strdup(req->name);
    rb->back = hf_asprintf("back-%s", req->run);
    rb->was_active = vm->state == HF_VM_RUNNING;
    if (!rb->vm_id || !rb->name || !rb->back)
        return hf_fail_nomem(err);
    return strlen(rb->back) <= NAME_MAX_BYTES
               ? 0
               : hf_fail(err, HF_E_CONFIG, "'%s' is no name for a snapshot", rb->back);
}

static int check_state(const struct vmw_vm *vm, struct hf_err *err)
{
    if (vmw_vm_check(vm, err) != 0)
        return -1;
    if (vm->state == HF_VM_RUNNING || vm->state == HF_VM_OFF)
        return 0;
    hf_fail(err, HF_E_BUSY, "VM '%.80s' neither runs nor is it off", vm->name);
    return hf_hint(err, "Resume it, or power it off.");
}

static int check_snapshot(struct hf_instance *in, const struct hf_call *call,
                          const struct hf_rollback_request *req, int64_t *out_taken,
                          struct hf_err *err)
{
    struct vmw_snap s;
    if (vmw_snap_find(in, call, req->name, &s, err) != 0)
        return -1;
    if (!s.exists)
        return hf_fail(err, HF_E_NOT_FOUND, "VM %s has no snapshot '%s'", req->vm_id, req->name);
    *out_taken = s.taken_at_s;
    if (s.is_ours && !s.has_memory)
        return 0;
    hf_fail(err, HF_E_UNSUPPORTED, "snapshot '%s' was not made by holdfast", req->name);
    return hf_hint(err, "Revert to it in the client.");
}

/* The state that is left becomes one more snapshot. */
static int check_room_in_chain(struct hf_instance *in, const struct hf_call *call,
                               const struct hf_rollback_request *req, const struct vmw_rollback *rb,
                               struct hf_err *err)
{
    struct vmw_snap s;
    int depth = 0;
    if (vmw_snap_depth(in, call, &depth, err) != 0 ||
        vmw_snap_find(in, call, rb->back, &s, err) != 0)
        return -1;
    if (s.exists)
        return hf_fail(err, HF_E_CONFLICT, "VM %s has a snapshot '%s' already", req->vm_id,
                       rb->back);
    return depth < CHAIN_MOST ? 0
                              : hf_fail(err, HF_E_CONFLICT,
                                        "VM %s stands on %d snapshots: there is no room for "
                                        "one of the state that is left",
                                        req->vm_id, depth);
}

static int check_rights(struct hf_instance *in, const struct hf_call *call, struct hf_err *err)
{
    HF_AUTO(vmw_rights) struct vmw_rights r = {0};
    if (vmw_rights_load(in, call, &in->vm, &r, err) != 0)
        return -1;
    return vmw_rights_check(&r, VMW_FOR_ROLLBACKS, 0, err);
}

struct leaver {
    hf_text_cb warn;
    void *ctx;
};

static int warn_of_disk(void *ctx, const struct vmw_disk *d)
{
    struct leaver *l = ctx;
    char line[320];
    if (!d->disk.skipped || d->disk.kind == HF_DISK_CDROM || d->disk.kind == HF_DISK_FLOPPY)
        return 0;
    snprintf(line, sizeof line, "disk %s does not go back: %s", d->disk.target, d->disk.skipped);
    return l->warn(l->ctx, line) ? -1 : 0;
}

int vmware_rollback_plan(struct hf_instance *in, const struct hf_call *call,
                         const struct hf_rollback_request *req, hf_text_cb younger, hf_text_cb warn,
                         void *ctx, struct hf_rollback_plan *out, struct hf_err *err)
{
    HF_AUTO(vmw_vm) struct vmw_vm vm = {0};
    HF_AUTO(vmw_rollback) struct vmw_rollback rb = {0};
    struct leaver l = {warn, ctx};
    (void)younger; /* they stay */
    if (vmw_enter(in, call, err) != 0 || vmw_locate(in, call, req->vm_id, err) != 0 ||
        check_rights(in, call, err) != 0 || vmw_vm_load(in, call, &in->vm, &vm, err) != 0 ||
        check_state(&vm, err) != 0 || vmw_disks_check(&vm, NULL, NULL, err) != 0 ||
        check_snapshot(in, call, req, &out->taken_at_s, err) != 0 ||
        fill(req, &vm, in->vm_id, &rb, err) != 0 ||
        check_room_in_chain(in, call, req, &rb, err) != 0 ||
        vmw_disks_each(&vm, warn_of_disk, &l) != 0)
        return -1;
    HF_AUTOFREE char *token = vmw_rollback_write(&rb, err);
    if (!token)
        return -1;
    out->n_disks = vmw_disks_captured(&vm);
    out->was_active = out->was_running = rb.was_active;
    out->undo_token = vmw_keep(in, HF_STEAL(token));
    return out->undo_token ? 0 : hf_fail_nomem(err);
}
