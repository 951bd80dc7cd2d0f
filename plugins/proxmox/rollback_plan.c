/* SPDX-License-Identifier: Apache-2.0 */
#include "rights.h"
#include "rollback.h"
#include "snapshots.h"
#include "vm.h"

#include <string.h>

#define NAME_MAX_BYTES 40

static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

/* ---- the token ------------------------------------------------------------------------------------------ */

void pve_rollback_free(struct pve_rollback *rb)
{
    free(rb->vm_id);
    free(rb->name);
    free(rb->back);
    free(rb->seen);
    hf_strv_free(&rb->younger);
    *rb = (struct pve_rollback){0};
}

char *pve_rollback_write(const struct pve_rollback *rb, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *o = json_object_new_object();
    if (!o || hf_json_add_int(o, "v", 1) | hf_json_add_string(o, "op", "rollback") |
                  hf_json_add_string(o, "vm", rb->vm_id) | hf_json_add_string(o, "name", rb->name) |
                  hf_json_add_string(o, "back", rb->back) |
                  hf_json_add_bool(o, "was_active", rb->was_active) |
                  hf_json_add_bool(o, "final", rb->is_final) |
                  hf_json_add_string(o, "seen", rb->seen ? rb->seen : "") |
                  hf_json_add(o, "younger", hf_json_strings(&rb->younger))) {
        hf_fail_nomem(err);
        return NULL;
    }
    return pve_token_print(o, err);
}

int pve_rollback_read(const char *token, struct pve_rollback *out, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *o = hf_json_parse(token, strlen(token), err);
    const char *op = o ? pve_text(o, "op") : NULL;
    if (!op || pve_int(o, "v", 0) != 1 || strcmp(op, "rollback") != 0 || !pve_text(o, "vm") ||
        !pve_text(o, "name") || !pve_text(o, "back")) {
        hf_err_clear(err);
        return hf_fail(err, HF_E_CORRUPT, "this is no token of a rollback");
    }
    out->vm_id = strdup(pve_text(o, "vm"));
    out->name = strdup(pve_text(o, "name"));
    out->back = strdup(pve_text(o, "back"));
    out->was_active = pve_bool(o, "was_active");
    out->is_final = pve_bool(o, "final");
    if (!out->vm_id || !out->name || !out->back)
        return hf_fail_nomem(err);
    if (!out->is_final)
        return 0;
    const char *seen = pve_text(o, "seen");
    out->seen = strdup(seen ? seen : "");
    return out->seen ? hf_json_get_strings(o, "younger", &out->younger, err) : hf_fail_nomem(err);
}

/* ---- what the snapshot is, and what goes with it ------------------------------------------------------------ */

static int fill(const struct hf_rollback_request *req, const struct pve_vm *vm,
                struct pve_rollback *rb, struct hf_err *err)
{
    rb->vm_id = strdup(req->vm_id);
    rb->name = strdup(req->name);
    rb->back = hf_asprintf("back-%s", req->run);
    rb->was_active = vm->state == HF_VM_RUNNING;
    if (!rb->vm_id || !rb->name || !rb->back)
        return hf_fail_nomem(err);
    return strlen(rb->back) <= NAME_MAX_BYTES && !rb->back[strspn(rb->back, letters)]
               ? 0
               : hf_fail(err, HF_E_CONFIG, "'%s' is no name for a snapshot", rb->back);
}

static int check_state(const struct pve_vm *vm, struct hf_err *err)
{
    if (vm->is_template)
        return hf_fail(err, HF_E_UNSUPPORTED, "VM '%s' is a template", vm->name);
    if (vm->state == HF_VM_RUNNING || vm->state == HF_VM_OFF)
        return 0;
    hf_fail(err, HF_E_BUSY, "VM '%s' neither runs nor is it off", vm->name);
    return hf_hint(err, "Resume it, or stop it.");
}

static int check_snapshot(struct hf_instance *in, const struct hf_call *call,
                          const struct hf_rollback_request *req, int64_t *out_taken,
                          struct hf_err *err)
{
    struct pve_snap s;
    if (pve_snap_find(in, call, req->vm_id, req->name, &s, err) != 0)
        return -1;
    if (!s.exists)
        return hf_fail(err, HF_E_NOT_FOUND, "VM %s has no snapshot '%s'", req->vm_id, req->name);
    if (s.is_unfinished)
        return hf_fail(err, HF_E_CONFLICT, "snapshot '%s' is unfinished", req->name);
    *out_taken = s.taken_at_s;
    if (s.is_ours && !s.has_memory)
        return 0;
    hf_fail(err, HF_E_UNSUPPORTED, "snapshot '%s' was not made by holdfast", req->name);
    return hf_hint(err, "Roll back to it with the tool that made it: qm rollback %s %s.",
                   req->vm_id, req->name);
}

/* Does the disk's storage go back to its newest snapshot only? Those that the token may not see are not in the list. */
static bool is_newest_only(struct json_object *storages, const struct pve_disk *d)
{
    size_t n = pve_rows(storages);
    size_t len = strcspn(d->source, ":");
    for (size_t i = 0; i < n; i++) {
        struct json_object *o = json_object_array_get_idx(storages, i);
        const char *id = pve_text(o, "storage"), *type = pve_text(o, "type");
        if (!id || !type || strlen(id) != len || strncmp(id, d->source, len) != 0)
            continue;
        return strcmp(type, "zfspool") == 0 || strcmp(type, "zfs") == 0 ||
               pve_bool(o, "snapshot-as-volume-chain");
    }
    return false;
}

struct comparing {
    const struct pve_vm *now;
    struct json_object *then, *storages;
    hf_text_cb warn;
    void *ctx;
    struct hf_err *err;
    bool is_final; /* a disk's storage leaves no other way */
};

static int judge_disk(void *ctx, const struct pve_disk *d)
{
    struct comparing *c = ctx;
    char line[256];
    if (d->disk.skipped)
        return 0;
    if (is_newest_only(c->storages, d) && !c->is_final) {
        c->is_final = true;
        snprintf(line, sizeof line,
                 "disk %s: storage '%.*s' goes back to its newest snapshot only: the state that is "
                 "left is lost for good, there is no way back",
                 d->target, (int)strcspn(d->source, ":"), d->source);
        if (c->warn(c->ctx, line) != 0)
            return -1;
    }
    if (pve_text(c->then, d->target))
        return 0;
    snprintf(line, sizeof line,
             "disk %s is not in the snapshot: it is detached (\"unused\"), with what it holds",
             d->target);
    return c->warn(c->ctx, line) ? -1 : 0;
}

/* The server takes the VM's settings back as well. */
static int warn_of_settings(const struct comparing *c)
{
    static const char *const watched[] = {"memory", "cores", "sockets", "cpu",  "net0",
                                          "net1",   "boot",  "machine", "bios", "agent"};
    char line[256] = "settings go back as well: ";
    size_t begin = strlen(line);
    for (size_t i = 0; i < HF_ARRAY_SIZE(watched); i++) {
        const char *now = pve_text(c->now->config, watched[i]),
                   *then = pve_text(c->then, watched[i]);
        if (!now != !then || (now && strcmp(now, then) != 0))
            snprintf(line + strlen(line), sizeof line - strlen(line), "%s%s",
                     line[begin] ? ", " : "", watched[i]);
    }
    return line[begin] && c->warn(c->ctx, line) ? -1 : 0;
}

static int compare(struct hf_instance *in, const struct hf_call *call,
                   const struct hf_rollback_request *req, struct comparing *c)
{
    HF_AUTOFREE char *below = hf_asprintf("/snapshot/%s/config", req->name);
    HF_AUTOJSON struct json_object *then = NULL, *storages = NULL;
    if (!below)
        return hf_fail_nomem(c->err);
    if (pve_vm_get(in, call, req->vm_id, below, &then, c->err) != 0 ||
        pve_get(in, call, "/storage", &storages, c->err) != 0)
        return -1;
    c->then = then;
    c->storages = storages;
    return pve_disks_each(c->now, judge_disk, c) != 0 ? -1 : warn_of_settings(c);
}

static int check_rights(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                        struct hf_err *err)
{
    HF_AUTO(pve_rights) struct pve_rights r = {0};
    if (pve_rights_load(in, call, vm_id, &r, err) != 0 || pve_rights_check(&r, vm_id, err) != 0)
        return -1;
    if (pve_rights_has(&r, "VM.PowerMgmt"))
        return 0;
    hf_fail(err, HF_E_AUTH,
            "the right VM.PowerMgmt on /vms/%s is missing: the VM is to be stopped "
            "and started",
            vm_id);
    return hf_hint(err, "pveum role modify holdfast --append 1 --privs \"VM.PowerMgmt "
                        "VM.Snapshot.Rollback\"");
}

static int plan_final(struct hf_instance *in, const struct hf_call *call, struct pve_rollback *rb,
                      hf_text_cb younger, void *ctx, struct hf_rollback_plan *out,
                      struct hf_err *err)
{
    rb->is_final = true;
    out->flags = HF_ROLLBACK_FINAL;
    if (pve_final_plan(in, call, rb, err) != 0)
        return -1;
    for (size_t i = 0; i < rb->younger.n; i++)
        if (younger(ctx, rb->younger.items[i]) != 0)
            return -1;
    return 0;
}

int proxmox_rollback_plan(struct hf_instance *in, const struct hf_call *call,
                          const struct hf_rollback_request *req, hf_text_cb younger,
                          hf_text_cb warn, void *ctx, struct hf_rollback_plan *out,
                          struct hf_err *err)
{
    HF_AUTO(pve_vm) struct pve_vm vm = {0};
    HF_AUTO(pve_rollback) struct pve_rollback rb = {0};
    struct pve_snap taken;
    if (pve_enter(in, call, err) != 0 || pve_locate(in, call, req->vm_id, err) != 0 ||
        check_rights(in, call, req->vm_id, err) != 0 ||
        pve_vm_load_unlocked(in, call, req->vm_id, &vm, err) != 0 || check_state(&vm, err) != 0 ||
        check_snapshot(in, call, req, &out->taken_at_s, err) != 0 ||
        fill(req, &vm, &rb, err) != 0 ||
        pve_snap_find(in, call, req->vm_id, rb.back, &taken, err) != 0)
        return -1;
    if (taken.exists)
        return hf_fail(err, HF_E_CONFLICT, "VM %s has a snapshot '%s' already", req->vm_id,
                       rb.back);
    struct comparing c = {.now = &vm, .warn = warn, .ctx = ctx, .err = err};
    if (compare(in, call, req, &c) != 0 ||
        (c.is_final && plan_final(in, call, &rb, younger, ctx, out, err) != 0))
        return -1;
    HF_AUTOFREE char *token = pve_rollback_write(&rb, err);
    if (!token)
        return -1;
    out->n_disks = pve_disks_captured(&vm);
    out->was_active = out->was_running = rb.was_active;
    out->undo_token = pve_keep(in, HF_STEAL(token));
    return out->undo_token ? 0 : hf_fail_nomem(err);
}
