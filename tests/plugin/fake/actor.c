/* SPDX-License-Identifier: Apache-2.0 */
/* Plays any part: `role` says what goes wrong, `trace` is a file that gets a line per call, `wait`
 * is how long a call that hangs hangs. */
#include "api/holdfast/plugin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

HF_PLUGIN_EXPORT const struct hf_plugin *holdfast_plugin_entry(const struct hf_host *host);

struct hf_instance {
    const struct hf_host *host;
    char role[64], trace[256];
    int wait_ms;
    char scratch[64]; /* strings that die with the next call */
};

struct hf_capture {
    char name[65];
};

static void trace(const struct hf_instance *in, const char *what)
{
    char line[128];
    int len = snprintf(line, sizeof line, "%s\n", what);
    int fd = in->trace[0] ? open(in->trace, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    if (fd < 0)
        return;
    if (write(fd, line, (size_t)len) < 0)
        in->host->log(in->host->ctx, HF_LOG_ERROR, "trace");
    close(fd);
}

static int is(const struct hf_instance *in, const char *role)
{
    return strcmp(in->role, role) == 0;
}

static int fail(struct hf_err *err, enum hf_err_class cls, const char *message)
{
    err->cls = cls;
    snprintf(err->message, sizeof err->message, "%s", message);
    return -1;
}

static void hang(const struct hf_instance *in, const char *role)
{
    if (is(in, role))
        usleep((useconds_t)in->wait_ms * 1000);
}

/* Until cancelled, or wait_ms are over. */
static int work(const struct hf_instance *in, struct hf_err *err)
{
    for (int ms = 0; ms < in->wait_ms; ms += 5) {
        if (in->host->cancelled(in->host->ctx)) {
            trace(in, "cancelled");
            return fail(err, HF_E_CANCELLED, "cancelled");
        }
        in->host->progress(in->host->ctx, (uint64_t)ms, (uint64_t)in->wait_ms);
        usleep(5000);
    }
    return 0;
}

static int actor_open(const struct hf_host *host, const struct hf_kv *kv, size_t n,
                      struct hf_instance **out, struct hf_err *err)
{
    struct hf_instance *in = calloc(1, sizeof *in);
    if (!in)
        return fail(err, HF_E_INTERNAL, "no memory");
    in->host = host;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(kv[i].key, "role") == 0)
            snprintf(in->role, sizeof in->role, "%s", kv[i].value);
        if (strcmp(kv[i].key, "trace") == 0)
            snprintf(in->trace, sizeof in->trace, "%s", kv[i].value);
        if (strcmp(kv[i].key, "wait") == 0)
            in->wait_ms = atoi(kv[i].value);
    }
    trace(in, "open");
    hang(in, "hangs_in_open");
    if (is(in, "fails_open") || is(in, "opens_nothing")) {
        int rc = is(in, "opens_nothing") ? 0 : fail(err, HF_E_AUTH, "wrong token");
        free(in);
        return rc;
    }
    host->log(host->ctx, HF_LOG_INFO, "opened\nwith a line break");
    *out = in;
    return 0;
}

static void actor_close(struct hf_instance *in)
{
    trace(in, "close");
    hang(in, "hangs_in_close");
    free(in);
}

static int actor_probe(struct hf_instance *in, const struct hf_call *call, struct hf_probe *out,
                       struct hf_err *err)
{
    (void)call, (void)err;
    out->product = "Actor 1";
    out->endpoint = in->role;
    out->host = "stage";
    return 0;
}

static int actor_vm_find(struct hf_instance *in, const struct hf_call *call, const char *what,
                         struct hf_vm *out, struct hf_err *err)
{
    trace(in, call->request_id ? call->request_id : "vm_find");
    if (is(in, "fails_silently"))
        return -1;
    if (is(in, "raves")) {
        memset(err->message, 'x', sizeof err->message);
        err->struct_size = 0;
        err->cls = 9999;
        return -1;
    }
    if (strcmp(what, "1") != 0 && strcmp(what, "one") != 0)
        return fail(err, HF_E_NOT_FOUND, "no such VM");
    snprintf(in->scratch, sizeof in->scratch, "id-%s", what);
    out->id = is(in, "nameless") ? NULL : in->scratch;
    out->name = "one";
    out->state = is(in, "stateless") ? (enum hf_vm_state)42 : HF_VM_RUNNING;
    out->can = HF_CAN_SNAPSHOT;
    out->n_disks = 2;
    return 0;
}

static int actor_vm_disks(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                          hf_disk_cb emit, void *ctx, struct hf_err *err)
{
    (void)call, (void)err, (void)vm_id;
    struct hf_disk d = {.struct_size = sizeof d, .target = "vda", .capacity_bytes = 4096};
    if (is(in, "small_structs")) /* as an older plugin: nothing behind `format` is its */
        d = (struct hf_disk){.struct_size = offsetof(struct hf_disk, serial),
                             .target = "vda",
                             .format = "raw",
                             .serial = (const char *)8,
                             .refused = (const char *)8};
    if (is(in, "sizeless"))
        d.struct_size = 4;
    for (int i = 0; i < (is(in, "endless") ? 1 << 30 : 5); i++)
        if (emit(ctx, &d) != 0)
            return -1;
    return 0;
}

static int actor_vm_busy(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                         struct hf_err *err)
{
    (void)call, (void)vm_id;
    trace(in, "vm_busy");
    if (is(in, "returns_seven"))
        return 7;
    return is(in, "busy") ? fail(err, HF_E_BUSY, "backup of vda") : 0;
}

static int actor_capture_plan(struct hf_instance *in, const struct hf_call *call,
                              const struct hf_capture_request *req, hf_text_cb warn, void *ctx,
                              struct hf_capture **out, struct hf_capture_plan *plan,
                              struct hf_err *err)
{
    (void)call;
    hang(in, "hangs_in_plan");
    if (warn(ctx, "only two disks") != 0)
        return -1;
    struct hf_capture *cap = calloc(1, sizeof *cap);
    if (!cap)
        return fail(err, HF_E_INTERNAL, "no memory");
    snprintf(cap->name, sizeof cap->name, "%s", req->name);
    trace(in, req->kind == HF_CAPTURE_EXPORT ? "plan_export" : "plan");
    *out = cap;
    plan->leaves_checkpoint = req->checkpoint == HF_CHECKPOINT_ALWAYS;
    plan->is_incremental = req->parent != NULL;
    plan->n_disks = 2;
    plan->undo_token = is(in, "tokenless") ? NULL : cap->name;
    return 0;
}

static int actor_capture_prepare(struct hf_instance *in, const struct hf_call *call,
                                 struct hf_capture *cap, struct hf_err *err)
{
    (void)call, (void)cap, (void)err;
    trace(in, "prepare");
    return 0;
}

static int actor_capture_begin(struct hf_instance *in, const struct hf_call *call,
                               struct hf_capture *cap, struct hf_err *err)
{
    (void)call;
    hang(in, "hangs_in_begin");
    hang(in, "fails_late_in_begin");
    trace(in, cap->name); /* a handle freed too early would show here */
    return is(in, "fails_late_in_begin") ? fail(err, HF_E_NOSPACE, "disk full") : 0;
}

static int actor_capture_settle(struct hf_instance *in, const struct hf_call *call,
                                struct hf_capture *cap, struct hf_err *err)
{
    (void)call, (void)cap, (void)err;
    trace(in, "settle");
    return 0;
}

static int actor_export_disk(struct hf_instance *in, const struct hf_call *call,
                             struct hf_capture *cap, const char *target, struct hf_export *out,
                             struct hf_err *err)
{
    (void)call, (void)cap;
    trace(in, "export_disk");
    if (strcmp(target, "vda") != 0)
        return fail(err, HF_E_NOT_FOUND, "no such disk");
    out->form = is(in, "exports_formless") ? 9 : HF_EXPORT_NBD;
    out->uri = is(in, "exports_nowhere") ? "" : "nbd+unix:///vda?socket=/s";
    out->allocation_ctx = "base:allocation";
    out->compare_why = "its bitmap is lost";
    out->size_bytes = 5;
    return 0;
}

/* "data", zeros, "end"; or as no plugin should. */
static int actor_export_stream(struct hf_instance *in, const struct hf_call *call,
                               struct hf_capture *cap, const char *target, hf_extent_cb emit,
                               void *ctx, struct hf_err *err)
{
    (void)call, (void)cap, (void)target;
    if (emit(ctx, 0, "data", 4) != 0) {
        trace(in, "refused");
        return is(in, "streams_on") ? 0 : -1;
    }
    hang(in, "hangs_in_stream");
    if (is(in, "streams_a_gap"))
        return emit(ctx, 5, NULL, 95);
    if (is(in, "streams_backwards"))
        return emit(ctx, 3, NULL, 97);
    if (is(in, "streams_beyond"))
        return emit(ctx, 4, NULL, UINT64_MAX);
    if (emit(ctx, 4, NULL, 96) != 0 || emit(ctx, 100, "end", 3) != 0)
        return -1;
    return is(in, "breaks_off") ? fail(err, HF_E_UNREACHABLE, "the host is gone") : 0;
}

static int actor_export_watch(struct hf_instance *in, const struct hf_call *call,
                              struct hf_capture *cap, struct hf_export_state *out,
                              struct hf_err *err)
{
    (void)call, (void)cap;
    trace(in, "export_watch");
    out->scratch_used_bytes = 1;
    out->scratch_room_bytes = 2;
    return is(in, "scratch_full") ? fail(err, HF_E_NOSPACE, "scratch") : 0;
}

static int actor_export_end(struct hf_instance *in, const struct hf_call *call,
                            struct hf_capture *cap, struct hf_err *err)
{
    (void)call, (void)cap, (void)err;
    trace(in, "export_end");
    return 0;
}

static int actor_checkpoint_drop(struct hf_instance *in, const struct hf_call *call,
                                 const char *vm_id, const char *keep, hf_text_cb dropped, void *ctx,
                                 struct hf_err *err)
{
    (void)call, (void)vm_id;
    trace(in, keep ? keep : "drop all");
    if (dropped(ctx, "hf-old"))
        return -1;
    return is(in, "keeps_checkpoints") ? fail(err, HF_E_PLUGIN, "it stays") : 0;
}

static int actor_checkpoint_list(struct hf_instance *in, const struct hf_call *call,
                                 const char *vm_id, hf_text_cb emit, void *ctx, struct hf_err *err)
{
    (void)call, (void)vm_id, (void)err;
    trace(in, "list");
    return emit(ctx, "hf-new") || emit(ctx, "hf-old") ? -1 : 0;
}

static void actor_capture_free(struct hf_instance *in, struct hf_capture *cap)
{
    trace(in, "free");
    hang(in, "hangs_in_free");
    free(cap);
}

static int actor_capture_discard(struct hf_instance *in, const struct hf_call *call,
                                 const char *vm_id, const char *name, const char *undo_token,
                                 struct hf_err *err)
{
    (void)call, (void)vm_id, (void)name;
    trace(in, undo_token ? undo_token : "discard without token");
    return work(in, err);
}

static int actor_snapshot_delete(struct hf_instance *in, const struct hf_call *call,
                                 const char *vm_id, const char *name, struct hf_err *err)
{
    (void)call, (void)vm_id, (void)name;
    trace(in, "delete");
    return work(in, err);
}

static int actor_guest_exec(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                            const struct hf_guest_exec *req, struct hf_guest_exec_result *out,
                            struct hf_err *err)
{
    (void)call, (void)vm_id, (void)err;
    char block[4096];
    memset(block, 'o', sizeof block);
    for (size_t sent = 0; is(in, "chatty") && sent < 1 << 20; sent += sizeof block)
        req->output(req->output_ctx, 1, block, sizeof block);
    if (req->input)
        req->output(req->output_ctx, 1, req->input, req->input_len);
    for (size_t i = 0; req->argv[i]; i++)
        req->output(req->output_ctx, 2, req->argv[i], strlen(req->argv[i]));
    out->exit_code = 3;
    return 0;
}

static int actor_guest_file_read(struct hf_instance *in, const struct hf_call *call,
                                 const char *vm_id, const char *path, uint64_t max_bytes,
                                 hf_data_cb emit, void *ctx, struct hf_err *err)
{
    (void)call, (void)vm_id, (void)err;
    if (is(in, "chatty")) {
        while (emit(ctx, 1, path, strlen(path)) == 0)
            ;
        trace(in, "stopped");
        return -1;
    }
    for (uint64_t i = 0; path[i] && i < max_bytes; i++)
        if (emit(ctx, 1, path + i, 1) != 0)
            return -1;
    return 0;
}

static int actor_guest_file_write(struct hf_instance *in, const struct hf_call *call,
                                  const char *vm_id, const char *path, const void *data, size_t len,
                                  struct hf_err *err)
{
    (void)call, (void)vm_id, (void)err;
    char line[64];
    hang(in, "hangs_in_write");
    snprintf(line, sizeof line, "%s=%.*s", path, (int)len, (const char *)data);
    trace(in, line);
    return 0;
}

static int actor_guest_freeze(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                              uint32_t *out_frozen, struct hf_err *err)
{
    (void)call, (void)vm_id;
    trace(in, "freeze");
    hang(in, "hangs_in_freeze");
    *out_frozen = is(in, "freezes_nothing") ? 0 : 2;
    return is(in, "busy") ? fail(err, HF_E_BUSY, "frozen already") : 0;
}

static int actor_guest_thaw(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                            struct hf_err *err)
{
    (void)call, (void)vm_id;
    trace(in, "thaw");
    return work(in, err);
}

static int actor_guest_freeze_state(struct hf_instance *in, const struct hf_call *call,
                                    const char *vm_id, enum hf_freeze_state *out,
                                    struct hf_err *err)
{
    (void)call, (void)vm_id, (void)err;
    *out = is(in, "stateless") ? (enum hf_freeze_state)42 : HF_FREEZE_FROZEN;
    return 0;
}

static int actor_guest_mounts(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                              hf_mount_cb emit, void *ctx, struct hf_err *err)
{
    (void)call, (void)vm_id, (void)err;
    snprintf(in->scratch, sizeof in->scratch, "/var/lib/mysql");
    struct hf_guest_mount m = {.struct_size = sizeof m,
                               .mountpoint = is(in, "nameless") ? NULL : in->scratch,
                               .fstype = "ext4",
                               .device = "/dev/vdb",
                               .target = "vdb"};
    if (is(in, "small_structs")) {
        m.struct_size = offsetof(struct hf_guest_mount, target);
        m.target = (const char *)8;
    }
    if (is(in, "sizeless"))
        m.struct_size = 4;
    for (int i = 0; i < (is(in, "endless") ? 1 << 30 : 3); i++)
        if (emit(ctx, &m) != 0)
            return -1;
    snprintf(in->scratch, sizeof in->scratch, "gone");
    return 0;
}

static int actor_rollback_plan(struct hf_instance *in, const struct hf_call *call,
                               const struct hf_rollback_request *req, hf_text_cb younger,
                               hf_text_cb warn, void *ctx, struct hf_rollback_plan *out,
                               struct hf_err *err)
{
    (void)call, (void)err;
    for (int i = 0; i < (is(in, "endless") ? 1 << 30 : 1); i++)
        if (younger(ctx, "hf-younger") != 0 || warn(ctx, req->run) != 0)
            return -1;
    out->flags = is(in, "final") ? HF_ROLLBACK_FINAL : 0;
    out->n_disks = 2;
    out->was_active = out->was_running = 1;
    out->discarded_bytes = 4096;
    out->undo_token = is(in, "tokenless") ? NULL : "back";
    return 0;
}

static int actor_rollback_switch(struct hf_instance *in, const struct hf_call *call,
                                 const char *vm_id, const char *undo_token, struct hf_err *err)
{
    (void)call, (void)vm_id;
    trace(in, undo_token);
    return work(in, err);
}

static int actor_rollback_settle(struct hf_instance *in, const struct hf_call *call,
                                 const char *vm_id, const char *undo_token, hf_text_cb kept,
                                 void *ctx, struct hf_err *err)
{
    (void)vm_id, (void)undo_token;
    trace(in, call->flags & HF_ROLLBACK_KEEP ? "settle, keep" : "settle");
    return kept(ctx, "/d/old") != 0 ? -1 : work(in, err);
}

static int actor_rollback_undo(struct hf_instance *in, const struct hf_call *call,
                               const char *vm_id, const char *undo_token, struct hf_err *err)
{
    (void)call, (void)vm_id, (void)undo_token;
    trace(in, "undo");
    return work(in, err);
}

static int tell_finding(const struct hf_instance *in, hf_machine_finding_cb emit, void *ctx)
{
    struct hf_machine_finding f = {
        .struct_size = sizeof f, .kind = HF_MACHINE_CHANGED, .about = "name", .text = in->scratch};
    if (is(in, "sizeless"))
        f.struct_size = 4;
    if (is(in, "stateless"))
        f.kind = (enum hf_machine_finding_kind)42;
    if (is(in, "nameless"))
        f.about = "";
    if (is(in, "refuses") || is(in, "refuses_and_plans"))
        f.kind = HF_MACHINE_REFUSED;
    for (int i = 0; i < (is(in, "endless") ? 1 << 30 : 1); i++)
        if (emit(ctx, &f) != 0)
            return -1;
    return 0;
}

/* What it was asked for comes back in the finding. */
static int actor_machine_plan(struct hf_instance *in, const struct hf_call *call,
                              const struct hf_machine_request *req, hf_machine_finding_cb emit,
                              void *ctx, struct hf_machine_plan *out, struct hf_err *err)
{
    (void)call;
    hang(in, "hangs_in_plan");
    const struct hf_machine_disk *d = &req->disks[req->n_disks - 1];
    snprintf(in->scratch, sizeof in->scratch, "%s %s %u %s=%d:%s:%s", req->name, req->run,
             (unsigned)req->n_disks, d->target, (int)d->source, d->path,
             d->export_name ? d->export_name : "-");
    if (tell_finding(in, emit, ctx) != 0)
        return -1;
    if (is(in, "refuses"))
        return fail(err, HF_E_UNSUPPORTED, "no such machine here");
    out->vm_id = "id-new";
    out->definition = req->definition;
    out->memory_bytes = req->memory_max_bytes;
    out->undo_token = is(in, "tokenless") ? NULL : "machine";
    return 0;
}

static int actor_machine_create(struct hf_instance *in, const struct hf_call *call,
                                const char *definition, const char *undo_token, struct hf_err *err)
{
    (void)call, (void)undo_token;
    trace(in, definition);
    return work(in, err);
}

static int actor_machine_start(struct hf_instance *in, const struct hf_call *call,
                               const char *undo_token, struct hf_err *err)
{
    (void)undo_token, (void)err;
    trace(in, call->flags & HF_MACHINE_PAUSED ? "start, paused" : "start");
    return 0;
}

static int actor_machine_settle(struct hf_instance *in, const struct hf_call *call,
                                const char *undo_token, struct hf_err *err)
{
    (void)call, (void)undo_token;
    trace(in, "settle machine");
    return work(in, err);
}

static int actor_machine_destroy(struct hf_instance *in, const struct hf_call *call,
                                 const char *undo_token, struct hf_err *err)
{
    (void)call;
    trace(in, undo_token);
    return work(in, err);
}

static int actor_machine_list(struct hf_instance *in, const struct hf_call *call,
                              hf_machine_cb emit, void *ctx, struct hf_err *err)
{
    (void)call, (void)err;
    struct hf_machine m = {.struct_size = sizeof m,
                           .state = is(in, "stateless") ? (enum hf_vm_state)42 : HF_VM_PAUSED,
                           .is_transient = 1,
                           .vm_id = "id-new",
                           .name = is(in, "nameless") ? NULL : "new",
                           .run = "run-1",
                           .purpose = "drill",
                           .undo_token = is(in, "tokenless") ? NULL : "machine"};
    if (is(in, "sizeless"))
        m.struct_size = 4;
    for (int i = 0; i < (is(in, "endless") ? 1 << 30 : 2); i++)
        if (emit(ctx, &m) != 0)
            return -1;
    return 0;
}

static void spoil_pushed(const struct hf_instance *in, struct hf_pushed *p)
{
    static char longer[600];
    memset(longer, 'x', sizeof longer - 1);
    if (is(in, "sizeless"))
        p->struct_size = 4;
    if (is(in, "stateless"))
        p->where = (enum hf_pushed_place)42;
    if (is(in, "nameless"))
        p->run = "";
    if (is(in, "control_in_ref"))
        p->ref = "nfs1:a\033[2J";
    if (is(in, "latin1_in_place"))
        p->place = "B\xfcro";
    if (is(in, "long_form"))
        p->form = longer;
    if (is(in, "huge"))
        p->stored_bytes = UINT64_C(1) << 53;
    if (is(in, "ageless"))
        p->taken_at_s = INT64_MAX;
    if (is(in, "gaudy")) {
        memcpy(longer + 510, "\xc3\xbc", 2);
        p->notes = "two\nlines, \xfc, \033[2J";
        p->where_why = longer;
    }
}

static struct hf_pushed one_pushed(const struct hf_instance *in)
{
    struct hf_pushed p = {.struct_size = sizeof p,
                          .is_ours = 1,
                          .taken_at_s = 1795402800,
                          .stored_bytes = 7,
                          .ref = "nfs1:a",
                          .form = "vma",
                          .place = "nfs1",
                          .run = "hf-1",
                          .notes = "notes"};
    spoil_pushed(in, &p);
    return p;
}

static int actor_pushed_find(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                             const char *ref, struct hf_pushed *out, struct hf_err *err)
{
    (void)call, (void)vm_id, (void)ref, (void)err;
    *out = one_pushed(in);
    return 0;
}

static int actor_pushed_list(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                             hf_pushed_cb emit, void *ctx, struct hf_err *err)
{
    (void)call, (void)vm_id, (void)err;
    struct hf_pushed p = one_pushed(in);
    for (int i = 0; i < (is(in, "endless") ? 1 << 30 : 2); i++)
        if (emit(ctx, &p) != 0)
            return -1;
    return 0;
}

static int actor_pushed_delete(struct hf_instance *in, const struct hf_call *call,
                               const char *vm_id, const char *ref, const char *run,
                               struct hf_err *err)
{
    (void)call, (void)vm_id, (void)run;
    trace(in, ref);
    return work(in, err);
}

static const struct hf_plugin_key keys[] = {
    {.name = "role", .type = HF_KEY_STRING, .required = 1, .help = "What to play."},
    {.name = "trace", .type = HF_KEY_PATH, .help = "Where calls are noted."},
    {.name = "wait", .type = HF_KEY_INT, .fallback = "250", .help = "Milliseconds."},
    {.name = "token-file", .type = HF_KEY_SECRET_FILE, .secret = 1, .help = "The secret."},
    {.name = "verify", .type = HF_KEY_BOOL, .fallback = "yes", .help = "Whether to look."},
};

static const struct hf_plugin plugin = {
    .magic = HF_PLUGIN_MAGIC,
    .abi_major = HF_ABI_MAJOR,
    .abi_minor = HF_ABI_MINOR,
    .struct_size = sizeof(struct hf_plugin),
    .name = "actor",
    .version = "1",
    .description = "plays any part",
    .capabilities = HF_CAN_SNAPSHOT,
    .keys = keys,
    .n_keys = sizeof keys / sizeof keys[0],
    .open = actor_open,
    .close = actor_close,
    .probe = actor_probe,
    .vm_find = actor_vm_find,
    .vm_disks = actor_vm_disks,
    .vm_busy = actor_vm_busy,
    .capture_plan = actor_capture_plan,
    .capture_prepare = actor_capture_prepare,
    .capture_begin = actor_capture_begin,
    .capture_settle = actor_capture_settle,
    .capture_free = actor_capture_free,
    .capture_discard = actor_capture_discard,
    .snapshot_delete = actor_snapshot_delete,
    .guest_exec = actor_guest_exec,
    .guest_file_read = actor_guest_file_read,
    .guest_file_write = actor_guest_file_write,
    .guest_freeze = actor_guest_freeze,
    .guest_thaw = actor_guest_thaw,
    .guest_freeze_state = actor_guest_freeze_state,
    .guest_mounts = actor_guest_mounts,
    .rollback_plan = actor_rollback_plan,
    .rollback_switch = actor_rollback_switch,
    .rollback_settle = actor_rollback_settle,
    .rollback_undo = actor_rollback_undo,
    .export_disk = actor_export_disk,
    .export_stream = actor_export_stream,
    .export_watch = actor_export_watch,
    .export_end = actor_export_end,
    .checkpoint_drop = actor_checkpoint_drop,
    .checkpoint_list = actor_checkpoint_list,
    .machine_plan = actor_machine_plan,
    .machine_create = actor_machine_create,
    .machine_start = actor_machine_start,
    .machine_settle = actor_machine_settle,
    .machine_destroy = actor_machine_destroy,
    .machine_list = actor_machine_list,
    .pushed_list = actor_pushed_list,
    .pushed_delete = actor_pushed_delete,
    .pushed_find = actor_pushed_find,
};

const struct hf_plugin *holdfast_plugin_entry(const struct hf_host *host)
{
    return host->magic == HF_HOST_MAGIC && host->abi_major == HF_ABI_MAJOR ? &plugin : NULL;
}
