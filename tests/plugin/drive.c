/* SPDX-License-Identifier: Apache-2.0
 *
 * drive - one operation of a plugin from the shell, through the host side, for tests that need a
 * real hypervisor around them (and a process of its own that may die at a kill point).
 *
 *   drive PLUGIN KEY=VALUE… -- VERB ARG…
 *
 * An error is one line "error CLASS: message", then "hint: …" and "left: …"; status 1.
 * $HOLDFAST_DEADLINE_MS: of each call, default 30000.
 */
#include "drive.h"

#include "base/buf.h"
#include "base/path.h"
#include "base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOCAL_MAX ((size_t)64 << 20)

struct hf_hv_call call_of(const struct drive *d)
{
    return (struct hf_hv_call){.deadline_ms = hf_clock_mono_ms(hf_clock_system()) + d->limit_ms,
                               .run_id = getenv("HOLDFAST_RUN_ID")};
}

static const char *or_dash(const char *s)
{
    return s ? s : "-";
}

static int find_id(struct drive *d, const char *name, char **id, struct hf_err *err)
{
    HF_AUTO(hf_vm_copy) struct hf_vm_copy vm = {0};
    struct hf_hv_call call = call_of(d);
    if (hf_hv_vm_find(d->hv, &call, name, &vm, err) != 0)
        return -1;
    *id = HF_STEAL(vm.id);
    return 0;
}

static int do_probe(struct drive *d, char **args, struct hf_err *err)
{
    (void)args;
    HF_AUTO(hf_probe_copy) struct hf_probe_copy p = {0};
    struct hf_hv_call call = call_of(d);
    if (hf_hv_probe(d->hv, &call, &p, err) != 0)
        return -1;
    printf("%s\n%s\n%s\n", p.product, p.endpoint, p.host);
    return 0;
}

static void print_vm(const struct hf_vm_copy *vm)
{
    printf("%s %s state=%d can=0x%llx disks=%u agent=%d uefi=%d cannot=%s\n", vm->id, vm->name,
           (int)vm->state, (unsigned long long)vm->can, (unsigned)vm->n_disks, vm->has_agent,
           vm->is_uefi, or_dash(vm->cannot));
}

static int do_list(struct drive *d, char **args, struct hf_err *err)
{
    (void)args;
    HF_AUTO(hf_vm_list) struct hf_vm_list l = {0};
    struct hf_hv_call call = call_of(d);
    if (hf_hv_vm_list(d->hv, &call, &l, err) != 0)
        return -1;
    for (size_t i = 0; i < l.n; i++)
        print_vm(&l.items[i]);
    return 0;
}

static int do_find(struct drive *d, char **args, struct hf_err *err)
{
    HF_AUTO(hf_vm_copy) struct hf_vm_copy vm = {0};
    struct hf_hv_call call = call_of(d);
    if (hf_hv_vm_find(d->hv, &call, args[0], &vm, err) != 0)
        return -1;
    print_vm(&vm);
    return 0;
}

static int do_disks(struct drive *d, char **args, struct hf_err *err)
{
    HF_AUTOFREE char *id = NULL;
    HF_AUTO(hf_disk_list) struct hf_disk_list l = {0};
    struct hf_hv_call call = call_of(d);
    if (find_id(d, args[0], &id, err) != 0 || hf_hv_vm_disks(d->hv, &call, id, &l, err) != 0)
        return -1;
    for (size_t i = 0; i < l.n; i++) {
        const struct hf_disk_copy *k = &l.items[i];
        printf("%s %s %s depth=%u flags=0x%x size=%llu address=%s skipped=%s refused=%s store=%s "
               "free=%llu of=%llu\n",
               k->target, or_dash(k->source), or_dash(k->format), (unsigned)k->chain_depth,
               (unsigned)k->flags, (unsigned long long)k->capacity_bytes, or_dash(k->address),
               or_dash(k->skipped), or_dash(k->refused), or_dash(k->store),
               (unsigned long long)k->store_free_bytes, (unsigned long long)k->store_total_bytes);
    }
    return 0;
}

/* Those that ask of a VM and tell nothing. */
static int plain(struct drive *d, const char *name,
                 int (*run)(struct hf_hv *, const struct hf_hv_call *, const char *,
                            struct hf_err *),
                 struct hf_err *err)
{
    HF_AUTOFREE char *id = NULL;
    if (find_id(d, name, &id, err) != 0)
        return -1;
    struct hf_hv_call call = call_of(d);
    return run(d->hv, &call, id, err);
}

static int do_busy(struct drive *d, char **args, struct hf_err *err)
{
    return plain(d, args[0], hf_hv_vm_busy, err);
}

static int do_ping(struct drive *d, char **args, struct hf_err *err)
{
    return plain(d, args[0], hf_hv_guest_ping, err);
}

static int do_thaw(struct drive *d, char **args, struct hf_err *err)
{
    return plain(d, args[0], hf_hv_guest_thaw, err);
}

static int do_definition(struct drive *d, char **args, struct hf_err *err)
{
    HF_AUTOFREE char *id = NULL, *text = NULL;
    struct hf_hv_call call = call_of(d);
    if (find_id(d, args[0], &id, err) != 0 ||
        hf_hv_vm_definition(d->hv, &call, id, &text, err) != 0)
        return -1;
    fputs(text, stdout);
    return 0;
}

/* capture VM NAME TOKEN-FILE [LABEL [STEP]]: all steps, or up to the named one. $HOLDFAST_FROZEN: of a guest that is frozen. */
static int do_capture(struct drive *d, char **args, struct hf_err *err)
{
    HF_AUTOFREE char *id = NULL;
    HF_AUTO(hf_hv_capture) struct hf_hv_capture *cap = NULL;
    HF_AUTO(hf_hv_capture_plan) struct hf_hv_capture_plan plan = {0};
    struct hf_hv_call call = call_of(d);
    if (find_id(d, args[0], &id, err) != 0)
        return -1;
    const char *label = args[3], *upto = label && args[4] ? args[4] : "settle";
    struct hf_capture_request req = {.struct_size = sizeof req,
                                     .kind = HF_CAPTURE_SNAPSHOT,
                                     .vm_id = id,
                                     .name = args[1],
                                     .label = label,
                                     .is_frozen = getenv("HOLDFAST_FROZEN") != NULL};
    if (hf_hv_capture_plan(d->hv, &call, &req, &cap, &plan, err) != 0)
        return -1;
    for (size_t i = 0; i < plan.warnings.n; i++)
        printf("warning: %s\n", plan.warnings.items[i]);
    printf("disks %u\n", (unsigned)plan.n_disks);
    if (hf_path_write(args[2], plan.undo_token, strlen(plan.undo_token), 0600, err) != 0)
        return -1;
    if (strcmp(upto, "plan") == 0)
        return 0;
    if (hf_hv_capture_prepare(cap, &call, err) != 0)
        return -1;
    if (strcmp(upto, "prepare") == 0)
        return 0;
    int64_t from = hf_clock_mono_us(hf_clock_system());
    if (hf_hv_capture_begin(cap, &call, err) != 0)
        return -1;
    printf("begin %.1f ms\n", (double)(hf_clock_mono_us(hf_clock_system()) - from) / 1000.0);
    return strcmp(upto, "begin") == 0 ? 0 : hf_hv_capture_settle(cap, &call, err);
}

static int write_extent(void *ctx, uint64_t at, const void *data, uint64_t len, struct hf_err *err)
{
    int fd = *(int *)ctx;
    const char *slow = getenv("HOLDFAST_SLOW_MS");
    if (slow)
        usleep((useconds_t)atoi(slow) * 1000);
    if (fd < 0)
        return 0;
    if (!data)
        return ftruncate(fd, (off_t)(at + len)) == 0 ? 0 : hf_fail_sys(err, errno, "truncate");
    return pwrite(fd, data, (size_t)len, (off_t)at) == (ssize_t)len
               ? 0
               : hf_fail_sys(err, errno, "write");
}

/* $HOLDFAST_STREAM_TO: the folder in which each disk of form STREAM becomes a file; none: they are not read; -: and forgotten. $HOLDFAST_SLOW_MS: so long
 * for each piece. */
static int save_stream(struct drive *d, struct hf_hv_capture *cap, const char *target,
                       struct hf_err *err)
{
    const char *dir = getenv("HOLDFAST_STREAM_TO");
    if (!dir)
        return 0;
    bool is_kept = strcmp(dir, "-") != 0;
    HF_AUTOFREE char *path = hf_asprintf("%s/%s", dir, target);
    HF_AUTOFD int fd =
        path && is_kept ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
    if (fd < 0 && is_kept)
        return hf_fail_sys(err, errno, "%s", path ? path : "");
    struct hf_hv_call call = call_of(d);
    return hf_hv_export_stream(cap, &call, target, write_extent, &fd, err);
}

static int tell_exports(struct drive *d, const char *id, struct hf_hv_capture *cap,
                        bool *out_pushed, struct hf_err *err)
{
    HF_AUTO(hf_disk_list) struct hf_disk_list l = {0};
    struct hf_hv_call call = call_of(d);
    if (hf_hv_vm_disks(d->hv, &call, id, &l, err) != 0)
        return -1;
    for (size_t i = 0; i < l.n; i++) {
        HF_AUTO(hf_export_copy) struct hf_export_copy e = {0};
        if (l.items[i].skipped)
            continue;
        if (hf_hv_export_disk(cap, &call, l.items[i].target, &e, err) != 0)
            return -1;
        printf("export %s %s %s %s %llu %s\n", l.items[i].target, or_dash(e.uri),
               or_dash(e.allocation_ctx), or_dash(e.dirty_ctx), (unsigned long long)e.size_bytes,
               or_dash(e.compare_why));
        *out_pushed = e.form == HF_EXPORT_PUSHED;
        if (e.form == HF_EXPORT_STREAM && save_stream(d, cap, l.items[i].target, err) != 0)
            return -1;
    }
    puts("exported");
    fflush(stdout);
    return 0;
}

/* Asks each 50 ms until the file is there, then ends the export. */
static int watch_until(struct drive *d, struct hf_hv_capture *cap, const char *file,
                       struct hf_err *err)
{
    struct hf_export_state state = {0};
    int failed = 0;
    while (access(file, F_OK) != 0) {
        struct hf_hv_call call = call_of(d);
        if (hf_cancel_check(d->cancel, err) != 0)
            return -1;
        struct hf_err why = HF_ERR_INIT;
        failed = hf_hv_export_watch(cap, &call, &state, &why) == 0 ? 0 : failed + 1;
        /* libvirtd may be restarted: nothing is known then, and it is asked again. */
        if (failed && (why.cls != HF_E_UNREACHABLE || failed > 200))
            return (hf_err_copy(err, &why), -1);
        usleep(50000);
    }
    struct hf_hv_call call = call_of(d);
    printf("scratch %llu of %llu\n", (unsigned long long)state.scratch_used_bytes,
           (unsigned long long)state.scratch_room_bytes);
    return hf_hv_export_end(cap, &call, err);
}

static int tell_what_lies_there(struct drive *d, struct hf_hv_capture *cap, struct hf_err *err)
{
    HF_AUTO(hf_pushed_copy) struct hf_pushed_copy p = {0};
    struct hf_hv_call call = call_of(d);
    if (hf_hv_export_pushed(cap, &call, &p, err) != 0)
        return -1;
    tell_pushed(&p);
    return 0;
}

/* export VM NAME TOKEN-FILE END-FILE [PARENT]: prints the disks' URIs and "exported", and ends well when END-FILE comes
 * into being. $HOLDFAST_CHECKPOINT: always. $HOLDFAST_LABEL: the operator's words. */
static int do_export(struct drive *d, char **args, struct hf_err *err)
{
    HF_AUTOFREE char *id = NULL;
    HF_AUTO(hf_hv_capture) struct hf_hv_capture *cap = NULL;
    HF_AUTO(hf_hv_capture_plan) struct hf_hv_capture_plan plan = {0};
    struct hf_hv_call call = call_of(d);
    if (find_id(d, args[0], &id, err) != 0)
        return -1;
    struct hf_capture_request req = {
        .struct_size = sizeof req,
        .kind = HF_CAPTURE_EXPORT,
        .vm_id = id,
        .name = args[1],
        .label = getenv("HOLDFAST_LABEL"),
        .parent = args[4],
        .is_frozen = getenv("HOLDFAST_FROZEN") != NULL,
        .checkpoint = getenv("HOLDFAST_CHECKPOINT") ? HF_CHECKPOINT_ALWAYS : HF_CHECKPOINT_AUTO};
    if (hf_hv_capture_plan(d->hv, &call, &req, &cap, &plan, err) != 0)
        return -1;
    for (size_t i = 0; i < plan.warnings.n; i++)
        printf("warning: %s\n", plan.warnings.items[i]);
    printf("disks %u checkpoint=%d incremental=%d\n", (unsigned)plan.n_disks,
           plan.leaves_checkpoint, plan.is_incremental);
    if (hf_path_write(args[2], plan.undo_token, strlen(plan.undo_token), 0600, err) != 0)
        return -1;
    if (hf_hv_capture_prepare(cap, &call, err) != 0)
        return -1;
    int64_t from = hf_clock_mono_us(hf_clock_system());
    if (hf_hv_capture_begin(cap, &call, err) != 0)
        return -1;
    printf("begin %.1f ms\n", (double)(hf_clock_mono_us(hf_clock_system()) - from) / 1000.0);
    bool is_pushed = false;
    if (hf_hv_capture_settle(cap, &call, err) != 0 ||
        tell_exports(d, id, cap, &is_pushed, err) != 0 || watch_until(d, cap, args[3], err) != 0)
        return -1;
    return is_pushed ? tell_what_lies_there(d, cap, err) : 0;
}

/* drop VM [KEEP]: our checkpoints. */
static int do_drop(struct drive *d, char **args, struct hf_err *err)
{
    HF_AUTOFREE char *id = NULL;
    HF_AUTO(hf_strv) struct hf_strv dropped = HF_STRV_INIT;
    struct hf_hv_call call = call_of(d);
    if (find_id(d, args[0], &id, err) != 0 ||
        hf_hv_checkpoint_drop(d->hv, &call, id, args[1], &dropped, err) != 0)
        return -1;
    for (size_t i = 0; i < dropped.n; i++)
        printf("dropped %s\n", dropped.items[i]);
    return 0;
}

/* checkpoints VM: ours. */
static int do_checkpoints(struct drive *d, char **args, struct hf_err *err)
{
    HF_AUTOFREE char *id = NULL;
    HF_AUTO(hf_strv) struct hf_strv names = HF_STRV_INIT;
    struct hf_hv_call call = call_of(d);
    if (find_id(d, args[0], &id, err) != 0 ||
        hf_hv_checkpoint_list(d->hv, &call, id, &names, err) != 0)
        return -1;
    for (size_t i = 0; i < names.n; i++)
        puts(names.items[i]);
    return 0;
}

/* discard VM|ID NAME [TOKEN-FILE] */
static int do_discard(struct drive *d, char **args, struct hf_err *err)
{
    HF_AUTOFREE char *id = NULL, *token = NULL;
    struct hf_hv_call call = call_of(d);
    struct hf_err ignored = HF_ERR_INIT;
    if (find_id(d, args[0], &id, &ignored) != 0)
        id = strdup(args[0]);
    if (args[2] && !(token = hf_path_read(args[2], 65536, NULL, err)))
        return -1;
    return hf_hv_capture_discard(d->hv, &call, id, args[1], token, err);
}

static int do_snapshots(struct drive *d, char **args, struct hf_err *err)
{
    HF_AUTOFREE char *id = NULL;
    HF_AUTO(hf_snapshot_list) struct hf_snapshot_list l = {0};
    struct hf_hv_call call = call_of(d);
    if (find_id(d, args[0], &id, err) != 0 || hf_hv_snapshot_list(d->hv, &call, id, &l, err) != 0)
        return -1;
    for (size_t i = 0; i < l.n; i++) {
        const struct hf_snapshot_copy *s = &l.items[i];
        printf("%s ours=%d current=%d memory=%d parent=%s bytes=%s description=%s\n", s->name,
               s->is_ours, s->is_current, s->is_memory, or_dash(s->parent),
               s->overlay_bytes ? "some" : "0", or_dash(s->description));
    }
    return 0;
}

static int do_delete(struct drive *d, char **args, struct hf_err *err)
{
    HF_AUTOFREE char *id = NULL;
    struct hf_hv_call call = call_of(d);
    if (find_id(d, args[0], &id, err) != 0)
        return -1;
    return hf_hv_snapshot_delete(d->hv, &call, id, args[1], err);
}

/* On the connection on which the switch failed, with time of its own. */
static int undo_failed(struct drive *d, const char *id, const char *token, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    struct hf_hv_call call = call_of(d);
    call.deadline_ms = hf_clock_mono_ms(hf_clock_system()) + 30000;
    return hf_hv_rollback_undo(d->hv, &call, id, token, &why) == 0 ? -1 : hf_also(err, &why);
}

/* rollback VM NAME TOKEN-FILE [STEP]: plan, switch, settle; up to the named one. keep: settle that keeps.
 * or-undo: a switch that fails is undone. */
static int do_rollback(struct drive *d, char **args, struct hf_err *err)
{
    HF_AUTOFREE char *id = NULL;
    HF_AUTO(hf_hv_rollback_plan) struct hf_hv_rollback_plan plan = {0};
    HF_AUTO(hf_strv) struct hf_strv kept = HF_STRV_INIT;
    struct hf_hv_call call = call_of(d);
    const char *upto = args[3] ? args[3] : "settle";
    if (!call.run_id)
        call.run_id = "run";
    if (find_id(d, args[0], &id, err) != 0 ||
        hf_hv_rollback_plan(d->hv, &call, id, args[1], &plan, err) != 0)
        return -1;
    for (size_t i = 0; i < plan.warnings.n; i++)
        printf("warning: %s\n", plan.warnings.items[i]);
    for (size_t i = 0; i < plan.younger.n; i++)
        printf("younger: %s\n", plan.younger.items[i]);
    if (hf_path_write(args[2], plan.undo_token, strlen(plan.undo_token), 0600, err) != 0)
        return -1;
    if (strcmp(upto, "plan") == 0)
        return 0;
    if (hf_hv_rollback_switch(d->hv, &call, id, plan.undo_token, err) != 0)
        return strcmp(upto, "or-undo") == 0 ? undo_failed(d, id, plan.undo_token, err) : -1;
    if (strcmp(upto, "switch") == 0)
        return 0;
    if (hf_hv_rollback_settle(d->hv, &call, id, plan.undo_token, strcmp(upto, "keep") == 0, &kept,
                              err) != 0)
        return -1;
    for (size_t i = 0; i < kept.n; i++)
        printf("kept: %s\n", kept.items[i]);
    return 0;
}

/* settle VM TOKEN-FILE; undo VM TOKEN-FILE: what another process began. */
static int do_finish(struct drive *d, char **args, bool is_undo, struct hf_err *err)
{
    HF_AUTOFREE char *id = NULL, *token = hf_path_read(args[1], 65536, NULL, err);
    HF_AUTO(hf_strv) struct hf_strv kept = HF_STRV_INIT;
    struct hf_hv_call call = call_of(d);
    if (!token || find_id(d, args[0], &id, err) != 0)
        return -1;
    return is_undo ? hf_hv_rollback_undo(d->hv, &call, id, token, err)
                   : hf_hv_rollback_settle(d->hv, &call, id, token, false, &kept, err);
}

static int do_settle(struct drive *d, char **args, struct hf_err *err)
{
    return do_finish(d, args, false, err);
}

static int do_undo(struct drive *d, char **args, struct hf_err *err)
{
    return do_finish(d, args, true, err);
}

/* input VM FILE PROGRAM ARG…: as exec, with FILE on its standard input. */
static int do_input(struct drive *d, char **args, struct hf_err *err)
{
    size_t len = 0;
    HF_AUTOFREE char *id = NULL, *in = hf_path_read(args[1], LOCAL_MAX, &len, err);
    HF_AUTO(hf_hv_exec_result) struct hf_hv_exec_result r = {0};
    if (!in || find_id(d, args[0], &id, err) != 0)
        return -1;
    struct hf_hv_call call = call_of(d);
    if (hf_hv_guest_exec(d->hv, &call, id, (const char *const *)args + 2, in, len, &r, err) != 0)
        return -1;
    printf("exit=%d\n%s", r.exit_code, hf_buf_str(&r.out));
    return 0;
}

/* read VM PATH MAX FILE: into a local file. */
static int do_read(struct drive *d, char **args, struct hf_err *err)
{
    HF_AUTOFREE char *id = NULL;
    HF_AUTO(hf_buf) struct hf_buf data = HF_BUF_INIT;
    if (find_id(d, args[0], &id, err) != 0)
        return -1;
    struct hf_hv_call call = call_of(d);
    if (hf_hv_guest_file_read(d->hv, &call, id, args[1], strtoul(args[2], NULL, 10), &data, err) !=
        0)
        return -1;
    printf("read %zu\n", data.len);
    return hf_path_write(args[3], data.len ? data.data : "", data.len, 0600, err);
}

/* write VM PATH FILE: from a local file. */
static int do_write(struct drive *d, char **args, struct hf_err *err)
{
    size_t len = 0;
    HF_AUTOFREE char *id = NULL, *data = hf_path_read(args[2], LOCAL_MAX, &len, err);
    if (!data || find_id(d, args[0], &id, err) != 0)
        return -1;
    struct hf_hv_call call = call_of(d);
    return hf_hv_guest_file_write(d->hv, &call, id, args[1], data, len, err);
}

static int do_freeze(struct drive *d, char **args, struct hf_err *err)
{
    HF_AUTOFREE char *id = NULL;
    uint32_t frozen = 0;
    if (find_id(d, args[0], &id, err) != 0)
        return -1;
    struct hf_hv_call call = call_of(d);
    if (hf_hv_guest_freeze(d->hv, &call, id, &frozen, err) != 0)
        return -1;
    printf("frozen %u\n", (unsigned)frozen);
    return 0;
}

static int do_state(struct drive *d, char **args, struct hf_err *err)
{
    static const char *const names[] = {"unknown", "thawed", "frozen"};
    HF_AUTOFREE char *id = NULL;
    enum hf_freeze_state state = HF_FREEZE_UNKNOWN;
    if (find_id(d, args[0], &id, err) != 0)
        return -1;
    struct hf_hv_call call = call_of(d);
    if (hf_hv_guest_freeze_state(d->hv, &call, id, &state, err) != 0)
        return -1;
    printf("%s\n", names[state]);
    return 0;
}

static int do_mounts(struct drive *d, char **args, struct hf_err *err)
{
    HF_AUTOFREE char *id = NULL;
    HF_AUTO(hf_mount_list) struct hf_mount_list l = {0};
    if (find_id(d, args[0], &id, err) != 0)
        return -1;
    struct hf_hv_call call = call_of(d);
    if (hf_hv_guest_mounts(d->hv, &call, id, &l, err) != 0)
        return -1;
    for (size_t i = 0; i < l.n; i++)
        printf("%s %s %s %s\n", l.items[i].mountpoint, l.items[i].fstype,
               or_dash(l.items[i].device), or_dash(l.items[i].target));
    return 0;
}

static int exec_once(struct drive *d, const char *id, char **argv, struct hf_err *err)
{
    HF_AUTO(hf_hv_exec_result) struct hf_hv_exec_result r = {0};
    struct hf_hv_call call = call_of(d);
    int64_t from = hf_clock_mono_us(hf_clock_system());
    if (hf_hv_guest_exec(d->hv, &call, id, (const char *const *)argv, NULL, 0, &r, err) != 0)
        return -1;
    printf("exit=%d signal=%d truncated=%d out=%zu err=%zu in %.1f ms\n", r.exit_code,
           r.term_signal, r.truncated, r.out.len, r.err.len,
           (double)(hf_clock_mono_us(hf_clock_system()) - from) / 1000.0);
    fputs(hf_buf_str(&r.out), stdout);
    fputs(hf_buf_str(&r.err), stderr);
    return 0;
}

/* $HOLDFAST_TIMES: so often, with 1 s between. */
static int do_exec(struct drive *d, char **args, struct hf_err *err)
{
    HF_AUTOFREE char *id = NULL;
    const char *times = getenv("HOLDFAST_TIMES");
    if (find_id(d, args[0], &id, err) != 0)
        return -1;
    for (int left = times ? atoi(times) : 1; left > 0; left--) {
        if (exec_once(d, id, args + 1, err) != 0)
            return -1;
        if (left > 1)
            sleep(1);
    }
    return 0;
}

static const struct verb {
    const char *name;
    int min_args;
    int (*run)(struct drive *d, char **args, struct hf_err *err);
} verbs[] = {
    {"probe", 0, do_probe},
    {"list", 0, do_list},
    {"find", 1, do_find},
    {"disks", 1, do_disks},
    {"busy", 1, do_busy},
    {"definition", 1, do_definition},
    {"capture", 3, do_capture},
    {"discard", 2, do_discard},
    {"snapshots", 1, do_snapshots},
    {"delete", 2, do_delete},
    {"ping", 1, do_ping},
    {"exec", 2, do_exec},
    {"input", 3, do_input},
    {"read", 4, do_read},
    {"write", 3, do_write},
    {"freeze", 1, do_freeze},
    {"thaw", 1, do_thaw},
    {"state", 1, do_state},
    {"mounts", 1, do_mounts},
    {"rollback", 3, do_rollback},
    {"settle", 2, do_settle},
    {"undo", 2, do_undo},
    {"export", 4, do_export},
    {"pushed", 1, do_pushed},
    {"pushed-delete", 3, do_pushed_delete},
    {"drop", 1, do_drop},
    {"checkpoints", 1, do_checkpoints},
    {"machine-plan", 4, do_machine_plan},
    {"machine-pushed", 5, do_machine_pushed},
    {"machine-create", 1, do_machine_create},
    {"machine-start", 1, do_machine_start},
    {"machine-settle", 1, do_machine_settle},
    {"machine-destroy", 1, do_machine_destroy},
    {"machine-list", 0, do_machine_list},
};

static struct hf_cancel *on_signal; /* the handler has no other way to reach it */

static void set_cancel(int signal_number)
{
    (void)signal_number;
    hf_cancel_set(on_signal);
}

static void tell_progress(void *ctx, uint64_t done, uint64_t total)
{
    (void)ctx;
    printf("progress %llu of %llu\n", (unsigned long long)done, (unsigned long long)total);
}

static int usage(void)
{
    fprintf(stderr, "usage: drive PLUGIN KEY=VALUE... -- VERB ARG...\n");
    return 2;
}

static int complain(const struct hf_err *err)
{
    printf("error %s: %s\n", hf_err_class_name(err->cls), err->message);
    if (err->hint[0])
        printf("hint: %s\n", err->hint);
    if (err->left[0])
        printf("left: %s\n", err->left);
    fflush(stdout); /* a call that is still away keeps the program for a while */
    return 1;
}

static int run_verb(struct drive *d, int argc, char **argv, struct hf_err *err)
{
    for (size_t i = 0; i < HF_ARRAY_SIZE(verbs); i++)
        if (strcmp(verbs[i].name, argv[0]) == 0 && argc - 1 >= verbs[i].min_args)
            return verbs[i].run(d, argv + 1, err);
    return hf_fail(err, HF_E_CONFIG, "no verb '%s', or too few arguments", argv[0]);
}

int main(int argc, char **argv)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_kv kv[16];
    size_t n = 0;
    int i = 2;
    for (; i < argc && strcmp(argv[i], "--") != 0 && n < HF_ARRAY_SIZE(kv); i++) {
        char *equals = strchr(argv[i], '=');
        if (!equals)
            return usage();
        *equals = '\0';
        kv[n++] = (struct hf_kv){argv[i], equals + 1};
    }
    if (i + 1 >= argc)
        return usage();
    const char *limit = getenv("HOLDFAST_DEADLINE_MS"), *dir = getenv("HOLDFAST_PLUGIN_DIR");
    struct drive d = {.limit_ms = limit ? atoll(limit) : 30000};
    HF_AUTO(hf_cancel) struct hf_cancel *cancel = hf_cancel_new(&err);
    struct hf_log_opts log_opts = {.level = HF_LOG_WARN};
    HF_AUTO(hf_log) struct hf_log *log = hf_log_new(&log_opts);
    if (!cancel || !log)
        return complain(&err);
    on_signal = cancel;
    signal(SIGINT, set_cancel);
    signal(SIGTERM, set_cancel);
    struct hf_hv_opts opts = {.plugin_dir = dir ? dir : HF_PLUGIN_DIR,
                              .plugin = argv[1],
                              .kv = kv,
                              .n_kv = n,
                              .cancel = cancel,
                              .progress = getenv("HOLDFAST_PROGRESS") ? tell_progress : NULL,
                              .log = log};
    HF_AUTO(hf_hv) struct hf_hv *hv = hf_hv_open(&opts, &err);
    d.hv = hv;
    d.cancel = cancel;
    if (!hv || run_verb(&d, argc - i - 1, argv + i + 1, &err) != 0)
        return complain(&err);
    return 0;
}
