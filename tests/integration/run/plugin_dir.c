/* SPDX-License-Identifier: Apache-2.0
 *
 * plugin_dir.c - holdfast-dir.so: a hypervisor whose VMs are directories, for tests without one.
 *
 *   ROOT/NAME/domain       a line per disk: TARGET LAYER…, the active layer first
 *   ROOT/NAME/TARGET.SNAP.ov      an overlay;  SNAP.snap  a snapshot: "ours" or "foreign", label
 *   ROOT/NAME/domain.SNAP.new, SNAP.snap.new     prepared: two renames make the snapshot
 *   ROOT/NAME/job          there: a job is running; "holdfast SNAP": one of ours, cut short
 *   ROOT/NAME/agent        there: the guest agent answers
 *   ROOT/NAME/TARGET.JOB.new      the instant of an export, which qemu-nbd serves as long as this process lives
 *   ROOT/NAME/TARGET.sock         where it does; a killed process leaves it
 *   ROOT/NAME/full         there: the scratch space of an export is full
 *   ROOT/NAME/CHECK.cp     a checkpoint: "ours" or "foreign"
 *   ROOT/NAME/CHECK.TARGET.was    what the disk was when it was made; what differs from it now is what changed
 *   ROOT/NAME/TARGET.lost, TARGET.plain   there: it has lost its bitmaps; it is of a format without
 *   ROOT/NAME/TARGET.blind        there: its bitmaps call nothing changed, which is a lie
 *   ROOT/NAME/off, internal     there: the VM is off; its disks have internal snapshots
 *   ROOT/NAME/definition   what is told as its definition, instead of domain
 *   ROOT/NAME/machine      a machine from a stored definition: "RUN PURPOSE made" or "… settled"; its disks are absolute paths
 *   ROOT/NAME/pushed       there: … made from a backup on the shelf; its disks are TARGET.img, and go with it
 *   ROOT/NAME/paused       there: the VM is paused;  domain.former: of the machine that it replaced
 *   ROOT/NAME/push         there: it exports nothing, and writes backups itself:
 *   ROOT/shelf/NAME.RUN/   one, called shelf:NAME.RUN: domain, TARGET, notes ("holdfast RUN", or another's), and, when they are so,
 *                          protected, good, bad, pbs (its form);  NAME.RUN.part/ under way
 *   ROOT/shelf.away, shelf.where   there: the shelf cannot be looked at; "here", "elsewhere SERVER" or "unknown"
 *   ROOT/calls             a line per call: OPERATION VM
 *
 * It is strict: what plugin.h says must be refused is refused, and a caller that breaks the
 * contract (two calls at once, captures that outlive their instance) is aborted.
 *
 * Environment: DIR_FAIL=OPERATION,… (capture_begin_after: fails when the snapshot is made), DIR_WRITES (a machine that
 * is started writes into each of its disks),
 * DIR_HANG_MS (capture_begin is deaf for so long, and then does it), DIR_SETTLE_MS, DIR_DISCARD_MS,
 * DIR_RESTORE_MS (a machine from one takes so long), DIR_RESTORE_TIMEOUTS (so many times machine_create does not wait for it),
 * DIR_PUSH_MS (a backup takes so long), DIR_PUSH_TIMEOUTS (so many times export_end does not wait for it), DIR_PUSH_FAILS,
 * DIR_DELETE_MS (heeds cancel), DIR_DELETE_SPOILS (fails half-way), DIR_SYNC_MS, DIR_SYNC_EXIT.
 */
#include "api/holdfast/plugin.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/path.h"
#include "base/strv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ID_PREFIX "id-" /* an id is not a name: who mixes them up is told */
#define FILE_MAX 65536
#define EXPORTS_MAX 4
#define SECTOR 512u
#define SERVES_WITHIN_MS 10000

struct hf_instance {
    const struct hf_host *host;
    char *root;
    int calls_fd;
    atomic_bool is_busy;
    int n_captures, n_restores;
    struct hf_strv kept; /* strings that the last call handed out */
};

enum stage { PLANNED, PREPARED, BEGUN };

struct hf_capture {
    struct hf_instance *in;
    enum stage stage;
    char *vm, *name, *label;
    char *domain_before; /* as planned */
    char *token;
    char *parent; /* checkpoint, or NULL */
    bool is_export, leaves_checkpoint, is_pushed, has_ended;
    int64_t n_timeouts;
    struct served {
        char *target, *socket, *uri, *dirty_ctx;
        const char *compare_why;
        uint64_t bytes;
        pid_t server;
    } served[EXPORTS_MAX];
    size_t n_served;
};

/* ---- one call --------------------------------------------------------------------------- */

static int64_t env_ms(const char *name)
{
    const char *value = getenv(name);
    return value ? strtoll(value, NULL, 10) : 0;
}

static void leave(struct hf_instance **in)
{
    atomic_store(&(*in)->is_busy, false);
}

static void note_call(struct hf_instance *in, const char *op, const char *vm)
{
    HF_AUTOFREE char *line = hf_asprintf("%s %s\n", op, vm);
    if (!line || write(in->calls_fd, line, strlen(line)) < 0)
        abort();
}

static bool must_fail(const char *op)
{
    const char *value = getenv("DIR_FAIL");
    HF_AUTO(hf_strv) struct hf_strv ops = HF_STRV_INIT;
    if (value && hf_strv_split(&ops, value, ',') < 0)
        abort();
    for (size_t i = 0; i < ops.n; i++)
        if (strcmp(ops.items[i], op) == 0)
            return true;
    return false;
}

/* ENTER(in): nobody else is in this instance; left when the function returns. */
#define ENTER(in)                                                                                  \
    __attribute__((cleanup(leave))) struct hf_instance *entered_ = (in);                           \
    if (atomic_exchange(&entered_->is_busy, true))                                                 \
    abort()

static bool is_past(struct hf_instance *in, const struct hf_call *call)
{
    return call->deadline_ms != HF_NO_DEADLINE &&
           in->host->now_ms(in->host->ctx) >= call->deadline_ms;
}

static int begin_call(struct hf_instance *in, const struct hf_call *call, const char *op,
                      const char *vm, struct hf_err *err)
{
    if (call->struct_size < sizeof *call || call->flags)
        return hf_fail(err, HF_E_UNSUPPORTED, "%s: a call of another size, or unknown flags", op);
    if (is_past(in, call))
        return hf_fail(err, HF_E_TIMEOUT, "%s: the deadline had passed", op);
    hf_strv_free(&in->kept);
    note_call(in, op, vm);
    return must_fail(op) ? hf_fail(err, HF_E_PLUGIN, "%s: told to fail", op) : 0;
}

static const char *keep(struct hf_instance *in, char *owned)
{
    if (!owned || hf_strv_take(&in->kept, owned) < 0)
        abort();
    return in->kept.items[in->kept.n - 1];
}

/* Sleeps in slices; a deaf one looks neither at the deadline nor at a cancel. */
static int work(struct hf_instance *in, const struct hf_call *call, int64_t ms, struct hf_err *err)
{
    for (int64_t done = 0; done < ms; done += 10) {
        if (call && in->host->cancelled(in->host->ctx))
            return hf_fail(err, HF_E_CANCELLED, "cancelled");
        if (call && is_past(in, call))
            return hf_fail(err, HF_E_TIMEOUT, "the deadline passed");
        hf_clock_sleep_ms(hf_clock_system(), 10);
        if (call)
            in->host->progress(in->host->ctx, (uint64_t)done, (uint64_t)ms);
    }
    return 0;
}

/* ---- files ------------------------------------------------------------------------------ */

static char *path_of(const struct hf_instance *in, const char *vm, const char *file)
{
    char *path = *file == '/' ? strdup(file) : hf_asprintf("%s/%s/%s", in->root, vm, file);
    if (!path)
        abort();
    return path;
}

HF_PRINTF(3, 4)
static char *pathf(const struct hf_instance *in, const char *vm, const char *fmt, ...)
{
    char file[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(file, sizeof file, fmt, ap);
    va_end(ap);
    return path_of(in, vm, file);
}

static bool exists(const struct hf_instance *in, const char *vm, const char *file)
{
    HF_AUTOFREE char *path = path_of(in, vm, file);
    return access(path, F_OK) == 0;
}

static char *read_vm_file(const struct hf_instance *in, const char *vm, const char *file,
                          struct hf_err *err)
{
    HF_AUTOFREE char *path = path_of(in, vm, file);
    return hf_path_read(path, FILE_MAX, NULL, err);
}

static int write_vm_file(const struct hf_instance *in, const char *vm, const char *file,
                         const char *text, struct hf_err *err)
{
    HF_AUTOFREE char *path = path_of(in, vm, file);
    return hf_path_write(path, text, strlen(text), 0600, err);
}

static int remove_file(const struct hf_instance *in, const char *vm, const char *file,
                       struct hf_err *err)
{
    HF_AUTOFREE char *path = path_of(in, vm, file);
    if (unlink(path) == 0 || errno == ENOENT)
        return 0;
    return hf_fail_sys(err, errno, "remove '%s'", path);
}

/* Those of the VM whose names end so, in order. */
static void list_files(const struct hf_instance *in, const char *vm, const char *end,
                       struct hf_strv *out)
{
    HF_AUTOFREE char *path = path_of(in, vm, "");
    struct dirent **found = NULL;
    int n = scandir(path, &found, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        const char *name = found[i]->d_name;
        size_t len = strlen(name), end_len = strlen(end);
        if (len > end_len && strcmp(name + len - end_len, end) == 0 && hf_strv_add(out, name) < 0)
            abort();
        free(found[i]);
    }
    free(found);
}

static const char *vm_of(struct hf_instance *in, const char *id, struct hf_err *err)
{
    const char *vm = id + strlen(ID_PREFIX);
    if (strncmp(id, ID_PREFIX, strlen(ID_PREFIX)) == 0 && *vm && !strchr(vm, '/') &&
        exists(in, vm, "domain"))
        return vm;
    hf_fail(err, HF_E_NOT_FOUND, "no VM has the id '%s'", id);
    return NULL;
}

static bool is_name(const char *name)
{
    return *name && strlen(name) <= 64 &&
           !name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")];
}

/* ---- domains: lines of layers ----------------------------------------------------------- */

/* The domain with `overlay of name` put on top of each disk, or (remove) taken out of it. */
static char *change_domain(const char *domain, const char *name, bool remove)
{
    HF_AUTO(hf_strv) struct hf_strv lines = HF_STRV_INIT;
    HF_AUTO(hf_buf) struct hf_buf out = HF_BUF_INIT;
    if (hf_strv_split(&lines, domain, '\n') < 0)
        abort();
    for (size_t i = 0; i < lines.n; i++) {
        HF_AUTO(hf_strv) struct hf_strv words = HF_STRV_INIT;
        if (hf_strv_split(&words, lines.items[i], ' ') < 0 || words.n == 0)
            continue;
        HF_AUTOFREE char *overlay = hf_asprintf("%s.%s.ov", words.items[0], name);
        hf_buf_printf(&out, "%s", words.items[0]);
        if (!remove)
            hf_buf_printf(&out, " %s", overlay);
        for (size_t w = 1; w < words.n; w++)
            if (!remove || strcmp(words.items[w], overlay) != 0)
                hf_buf_printf(&out, " %s", words.items[w]);
        hf_buf_printf(&out, "\n");
    }
    return hf_buf_steal(&out);
}

typedef int (*disk_fn)(struct hf_instance *in, const char *vm, const char *target,
                       const char *layers, void *ctx, struct hf_err *err);

static int each_disk(struct hf_instance *in, const char *vm, const char *domain, disk_fn fn,
                     void *ctx, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv lines = HF_STRV_INIT;
    if (hf_strv_split(&lines, domain, '\n') < 0)
        abort();
    for (size_t i = 0; i < lines.n; i++) {
        char *blank = strchr(lines.items[i], ' ');
        if (!blank)
            continue;
        *blank = '\0';
        if (fn(in, vm, lines.items[i], blank + 1, ctx, err) < 0)
            return -1;
    }
    return 0;
}

/* "hf-7" of the layer "vda.hf-7.ov" (on `target`), to be freed; NULL: no overlay. */
static char *snapshot_of(const char *layer)
{
    const char *dot = strchr(layer, '.');
    size_t len = strlen(layer);
    if (!dot || len < 3 || strcmp(layer + len - 3, ".ov") != 0)
        return NULL;
    return strndup(dot + 1, (size_t)(layer + len - 3 - dot - 1));
}

/* ---- instance --------------------------------------------------------------------------- */

static int dir_open(const struct hf_host *host, const struct hf_kv *kv, size_t n,
                    struct hf_instance **out, struct hf_err *err)
{
    if (must_fail("open"))
        return hf_fail(err, HF_E_UNREACHABLE, "open: told to fail");
    if (n != 1 || strcmp(kv[0].key, "root") != 0)
        return hf_fail(err, HF_E_CONFIG, "one key is known, root");
    HF_AUTOFREE char *calls = hf_path_join(kv[0].value, "calls");
    HF_AUTOFD int fd = open(calls, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return hf_fail_sys(err, errno, "root '%s'", kv[0].value);
    struct hf_instance *in = calloc(1, sizeof *in);
    if (!in || !(in->root = strdup(kv[0].value)))
        abort();
    in->host = host;
    in->calls_fd = HF_STEAL_FD(fd);
    *out = in;
    return 0;
}

static void dir_close(struct hf_instance *in)
{
    if (!in)
        return;
    if (in->n_captures)
        abort();
    hf_strv_free(&in->kept);
    close(in->calls_fd);
    free(in->root);
    free(in);
}

static int dir_probe(struct hf_instance *in, const struct hf_call *call, struct hf_probe *out,
                     struct hf_err *err)
{
    ENTER(in);
    if (begin_call(in, call, "probe", "-", err) < 0)
        return -1;
    out->product = "directories 1.0";
    out->endpoint = in->root;
    out->host = "localhost";
    return 0;
}

/* ---- machines --------------------------------------------------------------------------- */

static int count_disk(struct hf_instance *in, const char *vm, const char *target,
                      const char *layers, void *ctx, struct hf_err *err)
{
    (void)in, (void)vm, (void)target, (void)layers, (void)err;
    ++*(uint32_t *)ctx;
    return 0;
}

static enum hf_vm_state state_of(const struct hf_instance *in, const char *vm)
{
    return exists(in, vm, "off")      ? HF_VM_OFF
           : exists(in, vm, "paused") ? HF_VM_PAUSED
                                      : HF_VM_RUNNING;
}

static int fill_vm(struct hf_instance *in, const char *vm, struct hf_vm *out, struct hf_err *err)
{
    HF_AUTOFREE char *domain = read_vm_file(in, vm, "domain", err);
    if (!domain)
        return -1;
    out->id = keep(in, hf_asprintf(ID_PREFIX "%s", vm));
    out->name = keep(in, strdup(vm));
    out->state = state_of(in, vm);
    out->can = HF_CAN_SNAPSHOT | HF_CAN_MULTI_DISK |
               (exists(in, vm, "push") ? HF_CAN_EXPORT_PUSHED : HF_CAN_EXPORT_NBD);
    out->has_agent = exists(in, vm, "agent");
    out->n_disks = 0;
    return each_disk(in, vm, domain, count_disk, &out->n_disks, err);
}

static int dir_vm_find(struct hf_instance *in, const struct hf_call *call, const char *what,
                       struct hf_vm *out, struct hf_err *err)
{
    ENTER(in);
    if (begin_call(in, call, "vm_find", what, err) < 0)
        return -1;
    bool is_id = strncmp(what, ID_PREFIX, strlen(ID_PREFIX)) == 0;
    if (strchr(what, '/') || !exists(in, is_id ? what + strlen(ID_PREFIX) : what, "domain"))
        return hf_fail(err, HF_E_NOT_FOUND, "no VM is called '%s'", what);
    return fill_vm(in, is_id ? what + strlen(ID_PREFIX) : what, out, err);
}

struct disk_sink {
    hf_disk_cb emit;
    void *ctx;
};

static int emit_disk(struct hf_instance *in, const char *vm, const char *target, const char *layers,
                     void *ctx, struct hf_err *err)
{
    const struct disk_sink *sink = ctx;
    HF_AUTO(hf_strv) struct hf_strv v = HF_STRV_INIT;
    if (hf_strv_split(&v, layers, ' ') < 0)
        abort();
    HF_AUTOFREE char *source = path_of(in, vm, v.items[0]);
    struct hf_disk d = {.struct_size = sizeof d,
                        .kind = HF_DISK_DISK,
                        .flags = exists(in, vm, "internal") ? HF_DISK_INTERNAL_SNAPSHOTS : 0,
                        .chain_depth = (uint32_t)v.n,
                        .capacity_bytes = 1 << 20,
                        .target = target,
                        .source = source,
                        .format = "text",
                        .store = in->root,
                        .store_total_bytes = 1 << 30,
                        .store_free_bytes = 1 << 29};
    (void)err;
    return sink->emit(sink->ctx, &d) ? -1 : 0;
}

static int dir_vm_disks(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                        hf_disk_cb emit, void *ctx, struct hf_err *err)
{
    ENTER(in);
    struct disk_sink sink = {emit, ctx};
    const char *vm = vm_of(in, vm_id, err);
    if (!vm || begin_call(in, call, "vm_disks", vm, err) < 0)
        return -1;
    HF_AUTOFREE char *domain = read_vm_file(in, vm, "domain", err);
    return domain ? each_disk(in, vm, domain, emit_disk, &sink, err) : -1;
}

/* `mine`: the snapshot whose own job, cut short by a crash, may go on; NULL: any job is in the way.
 */
static int check_job(struct hf_instance *in, const char *vm, const char *mine, struct hf_err *err)
{
    struct hf_err ignored = HF_ERR_INIT;
    HF_AUTOFREE char *job = read_vm_file(in, vm, "job", &ignored);
    HF_AUTOFREE char *own = hf_asprintf("holdfast %s", mine ? mine : "");
    if (!job || (mine && strcmp(job, own) == 0))
        return 0;
    return hf_fail(err, HF_E_BUSY, "VM '%s' has a running job: %s", vm, job);
}

static int start_job(struct hf_instance *in, const char *vm, const char *name, struct hf_err *err)
{
    HF_AUTOFREE char *text = hf_asprintf("holdfast %s", name);
    return check_job(in, vm, name, err) < 0 ? -1 : write_vm_file(in, vm, "job", text, err);
}

static int dir_vm_busy(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                       struct hf_err *err)
{
    ENTER(in);
    const char *vm = vm_of(in, vm_id, err);
    if (!vm || begin_call(in, call, "vm_busy", vm, err) < 0)
        return -1;
    return check_job(in, vm, NULL, err);
}

/* ---- capture ---------------------------------------------------------------------------- */

static struct hf_capture *capture_new(struct hf_instance *in, const char *vm,
                                      const struct hf_capture_request *req)
{
    struct hf_capture *cap = calloc(1, sizeof *cap);
    if (!cap || !(cap->vm = strdup(vm)) || !(cap->name = strdup(req->name)) ||
        !(cap->label = strdup(req->label ? req->label : "")) ||
        !(cap->token = hf_asprintf("dir:%s", req->name)))
        abort();
    cap->in = in;
    cap->is_export = req->kind == HF_CAPTURE_EXPORT;
    in->n_captures++;
    return cap;
}

static void end_servers(struct hf_capture *cap)
{
    for (size_t i = 0; i < cap->n_served; i++) {
        struct served *v = &cap->served[i];
        kill(v->server, SIGKILL);
        waitpid(v->server, NULL, 0);
        unlink(v->socket);
        free(v->target);
        free(v->socket);
        free(v->uri);
        free(v->dirty_ctx);
        *v = (struct served){0};
    }
    cap->n_served = 0;
}

static void dir_capture_free(struct hf_instance *in, struct hf_capture *cap)
{
    if (!cap)
        return;
    if (cap->in != in || in->n_captures-- <= 0)
        abort();
    end_servers(cap);
    free(cap->vm);
    free(cap->name);
    free(cap->label);
    free(cap->domain_before);
    free(cap->parent);
    free(cap->token);
    free(cap);
}

static int check_request(struct hf_instance *in, const struct hf_capture_request *req,
                         struct hf_err *err)
{
    if (req->struct_size < sizeof *req || req->scratch_dir)
        return hf_fail(err, HF_E_UNSUPPORTED, "no scratch space");
    if (req->parent && req->kind != HF_CAPTURE_EXPORT)
        return hf_fail(err, HF_E_UNSUPPORTED, "a snapshot has no parent");
    if (!is_name(req->name))
        return hf_fail(err, HF_E_CONFIG, "'%s' is no name of a snapshot", req->name);
    const char *vm = vm_of(in, req->vm_id, err);
    if (!vm)
        return -1;
    if (req->parent && exists(in, vm, "push"))
        return hf_fail(err, HF_E_UNSUPPORTED, "a pushed backup has no parent");
    HF_AUTOFREE char *snap = hf_asprintf("%s.snap", req->name);
    if (exists(in, vm, snap))
        return hf_fail(err, HF_E_CONFLICT, "'%s' has a snapshot %s already", vm, req->name);
    return 0;
}

static bool leaves_checkpoint(const struct hf_instance *in, const char *vm,
                              const struct hf_capture_request *req)
{
    if (req->kind != HF_CAPTURE_EXPORT || exists(in, vm, "off") || exists(in, vm, "push"))
        return false;
    return req->checkpoint == HF_CHECKPOINT_ALWAYS ||
           (req->checkpoint == HF_CHECKPOINT_AUTO && !exists(in, vm, "internal"));
}

static int dir_capture_plan(struct hf_instance *in, const struct hf_call *call,
                            const struct hf_capture_request *req, hf_text_cb warn, void *ctx,
                            struct hf_capture **out, struct hf_capture_plan *plan,
                            struct hf_err *err)
{
    ENTER(in);
    if (check_request(in, req, err) < 0)
        return -1;
    const char *vm = vm_of(in, req->vm_id, err);
    if (!vm || begin_call(in, call, "capture_plan", vm, err) < 0)
        return -1;
    HF_AUTOFREE char *domain = read_vm_file(in, vm, "domain", err);
    if (!domain || each_disk(in, vm, domain, count_disk, &plan->n_disks, err) < 0)
        return -1;
    if (exists(in, vm, "warn") && warn(ctx, "vdz is not captured: it is a teapot"))
        return -1;
    *out = capture_new(in, vm, req);
    (*out)->domain_before = HF_STEAL(domain);
    (*out)->leaves_checkpoint = leaves_checkpoint(in, vm, req);
    (*out)->is_pushed = (*out)->is_export && exists(in, vm, "push");
    (*out)->n_timeouts = env_ms("DIR_PUSH_TIMEOUTS");
    if (req->parent && !((*out)->parent = strdup(req->parent)))
        abort();
    plan->is_incremental = req->parent != NULL;
    plan->leaves_checkpoint = (*out)->leaves_checkpoint;
    plan->undo_token = (*out)->token;
    return 0;
}

static int make_overlay(struct hf_instance *in, const char *vm, const char *target,
                        const char *layers, void *ctx, struct hf_err *err)
{
    const struct hf_capture *cap = ctx;
    HF_AUTOFREE char *path = pathf(in, vm, "%s.%s.ov", target, cap->name);
    return hf_path_write(path, layers, strlen(layers), 0600, err);
}

static int dir_capture_prepare(struct hf_instance *in, const struct hf_call *call,
                               struct hf_capture *cap, struct hf_err *err)
{
    ENTER(in);
    if (begin_call(in, call, "capture_prepare", cap->vm, err) < 0)
        return -1;
    if (cap->stage != PLANNED)
        return hf_fail(err, HF_E_INTERNAL, "prepare is called once, after plan");
    if (cap->is_export) {
        cap->stage = PREPARED;
        return 0;
    }
    HF_AUTOFREE char *domain = change_domain(cap->domain_before, cap->name, false);
    HF_AUTOFREE char *domain_file = hf_asprintf("domain.%s.new", cap->name);
    HF_AUTOFREE char *snap_file = hf_asprintf("%s.snap.new", cap->name);
    HF_AUTOFREE char *snap = hf_asprintf("ours\n%s\n", cap->label);
    if (each_disk(in, cap->vm, cap->domain_before, make_overlay, cap, err) < 0 ||
        write_vm_file(in, cap->vm, domain_file, domain, err) < 0 ||
        write_vm_file(in, cap->vm, snap_file, snap, err) < 0)
        return -1;
    cap->stage = PREPARED;
    return 0;
}

static int rename_vm_file(const struct hf_instance *in, const char *vm, const char *from,
                          const char *to, struct hf_err *err)
{
    HF_AUTOFREE char *a = path_of(in, vm, from);
    HF_AUTOFREE char *b = path_of(in, vm, to);
    return rename(a, b) == 0 ? 0 : hf_fail_sys(err, errno, "rename to '%s'", b);
}

/* THE INSTANT is the first rename. */
static int switch_layers(struct hf_capture *cap, struct hf_err *err)
{
    HF_AUTOFREE char *domain = hf_asprintf("domain.%s.new", cap->name);
    HF_AUTOFREE char *snap_new = hf_asprintf("%s.snap.new", cap->name);
    HF_AUTOFREE char *snap = hf_asprintf("%s.snap", cap->name);
    if (rename_vm_file(cap->in, cap->vm, domain, "domain", err) < 0)
        return -1;
    return rename_vm_file(cap->in, cap->vm, snap_new, snap, err);
}

/* ---- what changed: an image over the content of then, whose bitmap knows what was written over it ---- */

#define RANGE 4096u

static int run_program(char **argv, struct hf_err *err)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(null, 1);
        execvp(argv[0], argv);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
        return hf_fail(err, HF_E_PLUGIN, "%s: status %d", argv[0], status);
    return 0;
}

#define RUN(err, ...) run_program((char *[]){__VA_ARGS__, NULL}, err)

/* [at, at + len) of the file `from`, as the guest would write it. */
static int write_range(char *image, const char *data, size_t at, size_t len, char *piece,
                       struct hf_err *err)
{
    HF_AUTOFREE char *command = hf_asprintf("write -s %s %zu %zu", piece, at, len);
    if (!command || hf_path_write(piece, data + at, len, 0600, err) < 0)
        return -1;
    return RUN(err, (char[]){"qemu-io"}, (char[]){"-f"}, (char[]){"qcow2"}, (char[]){"-c"}, command,
               image);
}

/* Runs of what differs within [from, to). */
static int write_ranges(char *image, const char *then, size_t then_len, const char *now,
                        size_t from, size_t to, char *piece, struct hf_err *err)
{
    for (size_t at = from, end; at < to; at = end) {
        size_t step = to - at < RANGE ? to - at : RANGE;
        end = at + step;
        if (end <= then_len && memcmp(then + at, now + at, step) == 0)
            continue;
        while (end < to && end < then_len &&
               memcmp(then + end, now + end, to - end < RANGE ? to - end : RANGE) != 0)
            end += to - end < RANGE ? to - end : RANGE;
        if (write_range(image, now, at, end - at, piece, err) < 0)
            return -1;
    }
    return 0;
}

/* What lies beyond the disk of then is there, and not dirty: as it is with QEMU. */
static int make_image(struct hf_capture *cap, char *was, const char *now, size_t len, bool is_blind,
                      char *image, struct hf_err *err)
{
    size_t then_len = 0;
    HF_AUTOFREE char *then = hf_path_read(was, (size_t)256 << 20, &then_len, err);
    HF_AUTOFREE char *size = hf_asprintf("%zu", len);
    HF_AUTOFREE char *piece = hf_asprintf("%s.piece", image);
    if (!then || !size || !piece)
        return -1;
    size_t common = then_len < len ? then_len : len;
    int rc =
        RUN(err, (char[]){"qemu-img"}, (char[]){"create"}, (char[]){"-q"}, (char[]){"-f"},
            (char[]){"qcow2"}, (char[]){"-b"}, was, (char[]){"-F"}, (char[]){"raw"}, image, size);
    if (rc == 0 && common < len)
        rc = write_range(image, now, common, len - common, piece, err);
    if (rc == 0 && is_blind)
        rc = write_ranges(image, then, common, now, 0, common, piece, err);
    if (rc == 0)
        rc = RUN(err, (char[]){"qemu-img"}, (char[]){"bitmap"}, (char[]){"--add"}, (char[]){"-g"},
                 (char[]){"4096"}, image, cap->parent);
    if (rc == 0 && !is_blind)
        rc = write_ranges(image, then, common, now, 0, common, piece, err);
    unlink(piece);
    return rc;
}

/* NULL: its changes are known. */
static const char *why_compare(const struct hf_capture *cap, const char *target, const char *was)
{
    HF_AUTOFREE char *lost = hf_asprintf("%s.lost", target),
                     *plain = hf_asprintf("%s.plain", target);
    HF_AUTOFREE char *checkpoint = hf_asprintf("%s.cp", cap->parent);
    return !exists(cap->in, cap->vm, checkpoint) ? "the checkpoint is gone"
           : exists(cap->in, cap->vm, plain)     ? "its format has no room for a bitmap"
           : exists(cap->in, cap->vm, lost)      ? "its bitmap is lost"
           : access(was, F_OK) != 0              ? "the checkpoint was made without it"
                                                 : NULL;
}

/* ---- an export --------------------------------------------------------------------------- */

static int serve(struct served *v, const char *bitmap, char *file, struct hf_err *err)
{
    pid_t parent = getpid();
    unlink(v->socket); /* of an export whose coordinator was killed: nobody listens */
    v->server = fork();
    if (v->server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent)
            execlp("qemu-nbd", "qemu-nbd", "-r", "-t", "-f", bitmap ? "qcow2" : "raw", "-x",
                   v->target, "-k", v->socket, file, bitmap ? "-B" : NULL, bitmap, (char *)NULL);
        _exit(127);
    }
    for (int waited = 0; access(v->socket, F_OK) != 0; waited += 10) {
        if (waited >= SERVES_WITHIN_MS)
            return hf_fail(err, HF_E_UNREACHABLE, "no qemu-nbd");
        hf_clock_sleep_ms(hf_clock_system(), 10);
    }
    return 0;
}

/* What a later export tells its changes by. */
static int keep_content(struct hf_capture *cap, const char *target, const char *data, size_t len,
                        struct hf_err *err)
{
    HF_AUTOFREE char *was = pathf(cap->in, cap->vm, "%s.%s.was", cap->name, target);
    HF_AUTOFREE char *plain = hf_asprintf("%s.plain", target);
    if (!cap->leaves_checkpoint || exists(cap->in, cap->vm, plain))
        return 0;
    return hf_path_write(was, data, len, 0600, err);
}

/* Whole sectors: qemu-nbd serves nothing else. */
static int keep_disk(struct hf_instance *in, const char *vm, const char *target, const char *layers,
                     void *ctx, struct hf_err *err)
{
    struct hf_capture *cap = ctx;
    struct served *v = &cap->served[cap->n_served];
    HF_AUTO(hf_strv) struct hf_strv words = HF_STRV_INIT;
    if (cap->n_served == EXPORTS_MAX || hf_strv_split(&words, layers, ' ') < 0)
        abort();
    HF_AUTOFREE char *from = path_of(in, vm, words.items[0]);
    HF_AUTOFREE char *to = pathf(in, vm, "%s.%s.new", target, cap->name);
    HF_AUTOFREE char *was = pathf(in, vm, "%s.%s.was", cap->parent ? cap->parent : "", target);
    HF_AUTOFREE char *blind = hf_asprintf("%s.blind", target);
    size_t len = 0;
    HF_AUTOFREE char *data = hf_path_read(from, (size_t)256 << 20, &len, err);
    if (!data)
        return -1;
    v->bytes = (len + SECTOR - 1) / SECTOR * SECTOR;
    HF_AUTOFREE char *whole = calloc(1, v->bytes + 1);
    if (!whole)
        abort();
    memcpy(whole, data, len);
    v->target = strdup(target);
    v->socket = pathf(in, vm, "%s.sock", target);
    v->uri = hf_asprintf("nbd+unix:///%s?socket=%s", target, v->socket);
    cap->n_served++;
    v->compare_why = cap->parent ? why_compare(cap, target, was) : NULL;
    bool is_by_changes = cap->parent && !v->compare_why;
    if (is_by_changes)
        v->dirty_ctx = hf_asprintf("qemu:dirty-bitmap:%s", cap->parent);
    if ((is_by_changes ? make_image(cap, was, whole, v->bytes, exists(in, vm, blind), to, err)
                       : hf_path_write(to, whole, v->bytes, 0600, err)) < 0 ||
        keep_content(cap, target, whole, v->bytes, err) < 0)
        return -1;
    return serve(v, is_by_changes ? cap->parent : NULL, to, err);
}

/* ---- backups on the shelf ----------------------------------------------------------------- */

#define SHELF "shelf"

/* NAME.RUN, or the file in it. */
HF_PRINTF(4, 5)
static char *shelf_path(const struct hf_instance *in, const char *vm, const char *run,
                        const char *fmt, ...)
{
    char end[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(end, sizeof end, fmt, ap);
    va_end(ap);
    return pathf(in, SHELF, "%s.%s%s", vm, run, end);
}

static int push_disk(struct hf_instance *in, const char *vm, const char *target, const char *layers,
                     void *ctx, struct hf_err *err)
{
    const struct hf_capture *cap = ctx;
    HF_AUTO(hf_strv) struct hf_strv words = HF_STRV_INIT;
    size_t len = 0;
    if (hf_strv_split(&words, layers, ' ') < 0)
        abort();
    HF_AUTOFREE char *from = path_of(in, vm, words.items[0]);
    HF_AUTOFREE char *to = shelf_path(in, vm, cap->name, ".part/%s", target);
    HF_AUTOFREE char *data = hf_path_read(from, (size_t)256 << 20, &len, err);
    return data ? hf_path_write(to, data, len, 0600, err) : -1;
}

/* THE INSTANT: what comes later is only said to take its time. */
static int begin_push(struct hf_capture *cap, const char *domain, struct hf_err *err)
{
    HF_AUTOFREE char *part = shelf_path(cap->in, cap->vm, cap->name, ".part");
    HF_AUTOFREE char *domain_file = shelf_path(cap->in, cap->vm, cap->name, ".part/domain");
    return start_job(cap->in, cap->vm, cap->name, err) < 0 || hf_path_mkdirs(part, 0700, err) < 0 ||
                   hf_path_write(domain_file, domain, strlen(domain), 0600, err) < 0
               ? -1
               : each_disk(cap->in, cap->vm, domain, push_disk, cap, err);
}

/* Also one that is half gone; not there: fine. */
static int remove_folder(const char *path, struct hf_err *err)
{
    struct dirent **found = NULL;
    int n = scandir(path, &found, NULL, alphasort), rc = 0;
    for (int i = 0; i < n; i++) {
        HF_AUTOFREE char *file = hf_path_join(path, found[i]->d_name);
        if (rc == 0 && found[i]->d_name[0] != '.' && strcmp(found[i]->d_name, "notes") != 0)
            rc = unlink(file);
        free(found[i]);
    }
    free(found);
    HF_AUTOFREE char *notes = hf_path_join(path, "notes");
    unlink(notes); /* last: until then it is known whose it is */
    return rc == 0 && (rmdir(path) == 0 || errno == ENOENT) ? 0
                                                            : hf_fail_sys(err, errno, "'%s'", path);
}

static char *notes_of(const struct hf_instance *in, const char *name)
{
    struct hf_err ignored = HF_ERR_INIT;
    HF_AUTOFREE char *path = pathf(in, SHELF, "%s/notes", name);
    return hf_path_read(path, FILE_MAX, NULL, &ignored);
}

static bool is_of_run(const struct hf_instance *in, const char *name, const char *run)
{
    HF_AUTOFREE char *notes = notes_of(in, name);
    HF_AUTOFREE char *mark = hf_asprintf("holdfast %s", run);
    return notes && strcmp(notes, mark) == 0;
}

static int discard_push(struct hf_instance *in, const char *vm, const char *run, struct hf_err *err)
{
    HF_AUTOFREE char *part = shelf_path(in, vm, run, ".part");
    HF_AUTOFREE char *whole = shelf_path(in, vm, run, "%s", "");
    HF_AUTOFREE char *name = hf_asprintf("%s.%s", vm, run);
    return remove_folder(part, err) < 0                            ? -1
           : access(whole, F_OK) != 0 || !is_of_run(in, name, run) ? 0
                                                                   : remove_folder(whole, err);
}

static int check_shelf(const struct hf_instance *in, struct hf_err *err)
{
    HF_AUTOFREE char *away = hf_path_join(in->root, "shelf.away");
    return access(away, F_OK) == 0 ? hf_fail(err, HF_E_UNREACHABLE, "the shelf is away") : 0;
}

/* The job is what a crash leaves. */
static int begin_export(struct hf_capture *cap, const char *domain, struct hf_err *err)
{
    HF_AUTOFREE char *checkpoint = hf_asprintf("%s.cp", cap->name);
    if (start_job(cap->in, cap->vm, cap->name, err) < 0 ||
        (cap->leaves_checkpoint && write_vm_file(cap->in, cap->vm, checkpoint, "ours\n", err) < 0))
        return -1;
    return each_disk(cap->in, cap->vm, domain, keep_disk, cap, err);
}

static int dir_capture_begin(struct hf_instance *in, const struct hf_call *call,
                             struct hf_capture *cap, struct hf_err *err)
{
    ENTER(in);
    if (begin_call(in, call, "capture_begin", cap->vm, err) < 0)
        return -1;
    if (cap->stage != PREPARED)
        return hf_fail(err, HF_E_INTERNAL, "begin is called once, after prepare");
    (void)work(in, NULL, env_ms("DIR_HANG_MS"), err);
    HF_AUTOFREE char *now = read_vm_file(in, cap->vm, "domain", err);
    if (!now || check_job(in, cap->vm, NULL, err) < 0)
        return -1;
    if (strcmp(now, cap->domain_before) != 0)
        return hf_fail(err, HF_E_CONFLICT, "VM '%s' has changed since it was planned", cap->vm);
    if ((cap->is_pushed   ? begin_push(cap, now, err)
         : cap->is_export ? begin_export(cap, now, err)
                          : switch_layers(cap, err)) < 0)
        return -1;
    cap->stage = BEGUN;
    return must_fail("capture_begin_after")
               ? hf_fail(err, HF_E_PLUGIN, "capture_begin: told to fail after the instant")
               : 0;
}

static int dir_capture_settle(struct hf_instance *in, const struct hf_call *call,
                              struct hf_capture *cap, struct hf_err *err)
{
    ENTER(in);
    if (begin_call(in, call, "capture_settle", cap->vm, err) < 0)
        return -1;
    if (cap->stage != BEGUN)
        return hf_fail(err, HF_E_INTERNAL, "settle is called after begin");
    (void)work(in, NULL, env_ms("DIR_SETTLE_MS"), err);
    if (cap->is_export)
        return 0;
    HF_AUTOFREE char *want = change_domain(cap->domain_before, cap->name, false);
    HF_AUTOFREE char *now = read_vm_file(in, cap->vm, "domain", err);
    if (!now)
        return -1;
    return strcmp(now, want) == 0
               ? 0
               : hf_fail(err, HF_E_CONFLICT, "VM '%s' does not write to its overlays", cap->vm);
}

/* ---- the way back ----------------------------------------------------------------------- */

/* The overlay of a snapshot, the instant of an export: either is named so. */
static int remove_disk_files(struct hf_instance *in, const char *vm, const char *target,
                             const char *layers, void *ctx, struct hf_err *err)
{
    (void)layers;
    HF_AUTOFREE char *overlay = hf_asprintf("%s.%s.ov", target, (const char *)ctx);
    HF_AUTOFREE char *instant = hf_asprintf("%s.%s.new", target, (const char *)ctx);
    return remove_file(in, vm, overlay, err) < 0 ? -1 : remove_file(in, vm, instant, err);
}

/* Layers first, then the files that nobody reads any more, the record last: cut anywhere, doing it
 * again finishes it. */
static int merge_away(struct hf_instance *in, const char *vm, const char *name, struct hf_err *err)
{
    HF_AUTOFREE char *before = read_vm_file(in, vm, "domain", err);
    if (!before)
        return -1;
    HF_AUTOFREE char *after = change_domain(before, name, true);
    HF_AUTOFREE char *snap = hf_asprintf("%s.snap", name);
    HF_AUTOFREE char *snap_new = hf_asprintf("%s.snap.new", name);
    HF_AUTOFREE char *domain_new = hf_asprintf("domain.%s.new", name);
    if (strcmp(before, after) != 0 && write_vm_file(in, vm, "domain", after, err) < 0)
        return -1;
    /* The host's string is const, and the visitor takes any. */
    if (each_disk(in, vm, after, remove_disk_files, (void *)(uintptr_t)name, err) < 0 ||
        remove_file(in, vm, snap_new, err) < 0 || remove_file(in, vm, domain_new, err) < 0 ||
        remove_file(in, vm, snap, err) < 0)
        return -1;
    return remove_file(in, vm, "job", err);
}

static int forget_content(struct hf_instance *in, const char *vm, const char *checkpoint,
                          struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv files = HF_STRV_INIT;
    list_files(in, vm, ".was", &files);
    for (size_t i = 0; i < files.n; i++)
        if (strncmp(files.items[i], checkpoint, strlen(checkpoint)) == 0 &&
            remove_file(in, vm, files.items[i], err) < 0)
            return -1;
    return 0;
}

static int dir_capture_discard(struct hf_instance *in, const struct hf_call *call,
                               const char *vm_id, const char *name, const char *undo_token,
                               struct hf_err *err)
{
    ENTER(in);
    const char *vm = vm_of(in, vm_id, err);
    HF_AUTOFREE char *token = hf_asprintf("dir:%s", name);
    if (!vm || begin_call(in, call, "capture_discard", vm, err) < 0)
        return -1;
    if (!is_name(name) || (undo_token && strcmp(undo_token, token) != 0))
        return hf_fail(err, HF_E_CONFLICT, "token '%s' is not of snapshot '%s'", undo_token, name);
    HF_AUTOFREE char *checkpoint = hf_asprintf("%s.cp", name);
    if (start_job(in, vm, name, err) < 0 || work(in, call, env_ms("DIR_DISCARD_MS"), err) < 0 ||
        discard_push(in, vm, name, err) < 0 || remove_file(in, vm, checkpoint, err) < 0 ||
        forget_content(in, vm, name, err) < 0)
        return -1;
    return merge_away(in, vm, name, err);
}

/* ---- exports ---------------------------------------------------------------------------- */

static int tell_push(struct hf_capture *cap, const char *target, struct hf_export *out,
                     struct hf_err *err)
{
    HF_AUTOFREE char *file =
        shelf_path(cap->in, cap->vm, cap->name, "%s/%s", cap->has_ended ? "" : ".part", target);
    struct stat st;
    if (stat(file, &st) < 0)
        return hf_fail(err, HF_E_NOT_FOUND, "'%s' is not in the backup", target);
    out->form = HF_EXPORT_PUSHED;
    out->uri = keep(cap->in, hf_asprintf(SHELF ":%s.%s", cap->vm, cap->name));
    out->size_bytes = (uint64_t)st.st_size;
    return 0;
}

static int dir_export_disk(struct hf_instance *in, const struct hf_call *call,
                           struct hf_capture *cap, const char *target, struct hf_export *out,
                           struct hf_err *err)
{
    ENTER(in);
    if (begin_call(in, call, "export_disk", cap->vm, err) < 0)
        return -1;
    if (cap->is_pushed)
        return tell_push(cap, target, out, err);
    for (size_t i = 0; i < cap->n_served; i++) {
        const struct served *v = &cap->served[i];
        if (strcmp(v->target, target) != 0)
            continue;
        out->form = HF_EXPORT_NBD;
        out->uri = keep(in, strdup(v->uri));
        out->allocation_ctx = "base:allocation";
        out->size_bytes = v->bytes;
        out->compare_why = v->compare_why;
        out->has_lost_changes = v->compare_why && !strstr(v->compare_why, "format");
        out->dirty_ctx = v->dirty_ctx ? keep(in, strdup(v->dirty_ctx)) : NULL;
        return 0;
    }
    return hf_fail(err, HF_E_NOT_FOUND, "'%s' is not exported", target);
}

static int dir_export_watch(struct hf_instance *in, const struct hf_call *call,
                            struct hf_capture *cap, struct hf_export_state *out, struct hf_err *err)
{
    ENTER(in);
    if (begin_call(in, call, "export_watch", cap->vm, err) < 0)
        return -1;
    out->scratch_used_bytes = 0;
    if (cap->has_ended)
        return hf_fail(err, HF_E_CONFLICT, "the backup has ended");
    return exists(in, cap->vm, "full")
               ? hf_fail(err, HF_E_NOSPACE, "the scratch space of '%s' is full", cap->vm)
               : 0;
}

/* Whole with the rename. */
static int end_push(struct hf_capture *cap, const struct hf_call *call, struct hf_err *err)
{
    HF_AUTOFREE char *part = shelf_path(cap->in, cap->vm, cap->name, ".part");
    HF_AUTOFREE char *whole = shelf_path(cap->in, cap->vm, cap->name, "%s", "");
    HF_AUTOFREE char *notes = shelf_path(cap->in, cap->vm, cap->name, ".part/notes");
    HF_AUTOFREE char *protected = shelf_path(cap->in, cap->vm, cap->name, ".part/protected");
    HF_AUTOFREE char *mark = hf_asprintf("holdfast %s", cap->name);
    if (cap->has_ended)
        return 0;
    if (cap->n_timeouts-- > 0)
        return hf_fail(err, HF_E_TIMEOUT, "the backup is still written");
    if (work(cap->in, call, env_ms("DIR_PUSH_MS"), err) < 0)
        return -1;
    if (getenv("DIR_PUSH_FAILS"))
        return hf_fail(err, HF_E_CONFLICT, "the backup failed");
    if (hf_path_write(notes, mark, strlen(mark), 0600, err) < 0 ||
        hf_path_write(protected, "", 0, 0600, err) < 0)
        return -1;
    if (rename(part, whole) != 0)
        return hf_fail_sys(err, errno, "rename to '%s'", whole);
    cap->has_ended = true;
    return remove_file(cap->in, cap->vm, "job", err);
}

static int dir_export_end(struct hf_instance *in, const struct hf_call *call,
                          struct hf_capture *cap, struct hf_err *err)
{
    ENTER(in);
    if (begin_call(in, call, "export_end", cap->vm, err) < 0)
        return -1;
    if (cap->is_pushed)
        return end_push(cap, call, err);
    end_servers(cap);
    cap->has_ended = true;
    return merge_away(in, cap->vm, cap->name, err);
}

/* ---- what lies on the shelf ---------------------------------------------------------------- */

static uint64_t folder_bytes(const char *path)
{
    struct dirent **found = NULL;
    struct stat st;
    uint64_t sum = 0;
    int n = scandir(path, &found, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        HF_AUTOFREE char *file = hf_path_join(path, found[i]->d_name);
        if (stat(file, &st) == 0 && S_ISREG(st.st_mode))
            sum += (uint64_t)st.st_size;
        free(found[i]);
    }
    free(found);
    return sum;
}

static bool has_file(const char *folder, const char *name)
{
    HF_AUTOFREE char *path = hf_path_join(folder, name);
    return access(path, F_OK) == 0;
}

static void tell_where(struct hf_instance *in, struct hf_pushed *out)
{
    struct hf_err ignored = HF_ERR_INIT;
    HF_AUTOFREE char *path = hf_path_join(in->root, "shelf.where");
    char *text = hf_path_read(path, FILE_MAX, NULL, &ignored);
    out->where_why = "nobody has said where the shelf is";
    if (!text)
        return;
    text[strcspn(text, "\n")] = '\0';
    const char *kept = keep(in, text);
    out->where = strncmp(kept, "elsewhere", 9) == 0 ? HF_PLACE_ELSEWHERE
                 : strcmp(kept, "here") == 0        ? HF_PLACE_HERE
                                                    : HF_PLACE_UNKNOWN;
    out->where_why = out->where == HF_PLACE_HERE        ? "the shelf is in this house"
                     : out->where == HF_PLACE_ELSEWHERE ? "the shelf is in another house"
                                                        : out->where_why;
    out->server = strncmp(kept, "elsewhere ", 10) == 0 ? kept + 10 : NULL;
}

/* name: NAME.RUN */
static void fill_pushed(struct hf_instance *in, const char *name, struct hf_pushed *out)
{
    HF_AUTOFREE char *path = path_of(in, SHELF, name);
    struct stat st = {0};
    char *notes = notes_of(in, name);
    const char *kept = keep(in, notes ? notes : strdup(""));
    (void)stat(path, &st);
    out->check = has_file(path, "bad")    ? HF_PUSHED_BAD
                 : has_file(path, "good") ? HF_PUSHED_GOOD
                                          : HF_PUSHED_UNCHECKED;
    out->is_ours = strncmp(kept, "holdfast ", 9) == 0;
    out->is_protected = has_file(path, "protected");
    out->taken_at_s = st.st_mtime;
    out->stored_bytes = folder_bytes(path);
    out->ref = keep(in, hf_asprintf(SHELF ":%s", name));
    out->form = has_file(path, "pbs") ? "pbs" : "folder";
    out->place = SHELF;
    out->run = out->is_ours ? kept + 9 : NULL;
    out->notes = *kept ? kept : NULL;
    tell_where(in, out);
}

static int dir_export_pushed(struct hf_instance *in, const struct hf_call *call,
                             struct hf_capture *cap, struct hf_pushed *out, struct hf_err *err)
{
    ENTER(in);
    if (begin_call(in, call, "export_pushed", cap->vm, err) < 0)
        return -1;
    if (!cap->is_pushed || !cap->has_ended)
        return hf_fail(err, HF_E_INTERNAL, "export_pushed is called after export_end");
    HF_AUTOFREE char *name = hf_asprintf("%s.%s", cap->vm, cap->name);
    fill_pushed(in, name, out);
    return 0;
}

/* The VM may be gone. */
static const char *name_of(const char *vm_id, struct hf_err *err)
{
    if (strncmp(vm_id, ID_PREFIX, strlen(ID_PREFIX)) == 0 && !strchr(vm_id, '/'))
        return vm_id + strlen(ID_PREFIX);
    hf_fail(err, HF_E_NOT_FOUND, "'%s' is no id of a VM", vm_id);
    return NULL;
}

static int dir_pushed_list(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                           hf_pushed_cb emit, void *ctx, struct hf_err *err)
{
    ENTER(in);
    const char *vm = name_of(vm_id, err);
    struct dirent **found = NULL;
    if (!vm || begin_call(in, call, "pushed_list", vm, err) < 0 || check_shelf(in, err) < 0)
        return -1;
    HF_AUTOFREE char *path = hf_path_join(in->root, SHELF);
    int n = scandir(path, &found, NULL, alphasort), rc = 0;
    for (int i = 0; i < n; i++) {
        const char *name = found[i]->d_name;
        size_t len = strlen(name), vm_len = strlen(vm);
        struct hf_pushed p = {.struct_size = sizeof p};
        if (rc == 0 && strncmp(name, vm, vm_len) == 0 && name[vm_len] == '.' &&
            !(len > 5 && strcmp(name + len - 5, ".part") == 0)) {
            fill_pushed(in, name, &p);
            rc = emit(ctx, &p) ? -1 : 0;
        }
        free(found[i]);
    }
    free(found);
    return rc;
}

/* NULL: there is none, or (err) it cannot be. */
static const char *find_on_shelf(struct hf_instance *in, const char *vm_id, const char *ref,
                                 struct hf_err *err)
{
    const char *vm = name_of(vm_id, err), *name = ref + strlen(SHELF) + 1;
    if (!vm || check_shelf(in, err) < 0)
        return NULL;
    if (strncmp(ref, SHELF ":", strlen(SHELF) + 1) != 0 || strchr(name, '/') ||
        strncmp(name, vm, strlen(vm)) != 0) {
        hf_fail(err, HF_E_CONFIG, "'%s' is no backup of '%s'", ref, vm);
        return NULL;
    }
    return exists(in, SHELF, name) ? name : NULL;
}

static int dir_pushed_find(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                           const char *ref, struct hf_pushed *out, struct hf_err *err)
{
    ENTER(in);
    if (begin_call(in, call, "pushed_find", vm_id, err) < 0)
        return -1;
    const char *name = find_on_shelf(in, vm_id, ref, err);
    if (!name)
        return err->cls ? -1 : hf_fail(err, HF_E_NOT_FOUND, "there is no backup %s", ref);
    fill_pushed(in, name, out);
    return 0;
}

static int dir_pushed_delete(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                             const char *ref, const char *run, struct hf_err *err)
{
    ENTER(in);
    if (begin_call(in, call, "pushed_delete", vm_id, err) < 0)
        return -1;
    const char *name = find_on_shelf(in, vm_id, ref, err);
    if (!name)
        return err->cls ? -1 : 0;
    HF_AUTOFREE char *path = path_of(in, SHELF, name);
    return is_of_run(in, name, run) ? remove_folder(path, err)
                                    : hf_fail(err, HF_E_CONFLICT, "%s is not of run %s", ref, run);
}

static int drop_checkpoint(struct hf_instance *in, const char *vm, const char *file,
                           const char *keep_name, hf_text_cb dropped, void *ctx, struct hf_err *err)
{
    HF_AUTOFREE char *text = read_vm_file(in, vm, file, err);
    HF_AUTOFREE char *name = strndup(file, strlen(file) - strlen(".cp"));
    if (!text || strncmp(text, "ours\n", 5) != 0 || (keep_name && strcmp(name, keep_name) == 0))
        return text ? 0 : -1;
    if (remove_file(in, vm, file, err) < 0 || forget_content(in, vm, name, err) < 0)
        return -1;
    return dropped(ctx, name) ? -1 : 0;
}

/* Names begin with their time. */
static int dir_checkpoint_list(struct hf_instance *in, const struct hf_call *call,
                               const char *vm_id, hf_text_cb emit, void *ctx, struct hf_err *err)
{
    ENTER(in);
    const char *vm = vm_of(in, vm_id, err);
    if (!vm || begin_call(in, call, "checkpoint_list", vm, err) < 0)
        return -1;
    HF_AUTO(hf_strv) struct hf_strv files = HF_STRV_INIT;
    list_files(in, vm, ".cp", &files);
    for (size_t i = files.n; i-- > 0;) {
        HF_AUTOFREE char *text = read_vm_file(in, vm, files.items[i], err);
        HF_AUTOFREE char *name = strndup(files.items[i], strlen(files.items[i]) - strlen(".cp"));
        if (!text || (strncmp(text, "ours\n", 5) == 0 && emit(ctx, name)))
            return -1;
    }
    return 0;
}

static int dir_checkpoint_drop(struct hf_instance *in, const struct hf_call *call,
                               const char *vm_id, const char *keep_name, hf_text_cb dropped,
                               void *ctx, struct hf_err *err)
{
    ENTER(in);
    const char *vm = vm_of(in, vm_id, err);
    if (!vm || begin_call(in, call, "checkpoint_drop", vm, err) < 0)
        return -1;
    HF_AUTO(hf_strv) struct hf_strv files = HF_STRV_INIT;
    list_files(in, vm, ".cp", &files);
    for (size_t i = 0; i < files.n; i++)
        if (drop_checkpoint(in, vm, files.items[i], keep_name, dropped, ctx, err) < 0)
            return -1;
    return 0;
}

static int dir_vm_definition(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                             const char **out, struct hf_err *err)
{
    ENTER(in);
    const char *vm = vm_of(in, vm_id, err);
    if (!vm || begin_call(in, call, "vm_definition", vm, err) < 0)
        return -1;
    char *text = read_vm_file(in, vm, exists(in, vm, "definition") ? "definition" : "domain", err);
    *out = text ? keep(in, text) : NULL;
    return text ? 0 : -1;
}

/* ---- snapshots -------------------------------------------------------------------------- */

static int check_ours(struct hf_instance *in, const char *vm, const char *name, struct hf_err *err)
{
    HF_AUTOFREE char *file = hf_asprintf("%s.snap", name);
    if (!exists(in, vm, file))
        return hf_fail(err, HF_E_NOT_FOUND, "'%s' has no snapshot %s", vm, name);
    HF_AUTOFREE char *text = read_vm_file(in, vm, file, err);
    if (!text)
        return -1;
    if (strncmp(text, "ours\n", 5) != 0)
        return hf_fail(err, HF_E_UNSUPPORTED, "snapshot %s of '%s' is not ours", name, vm);
    return 0;
}

static int dir_snapshot_delete(struct hf_instance *in, const struct hf_call *call,
                               const char *vm_id, const char *name, struct hf_err *err)
{
    ENTER(in);
    const char *vm = vm_of(in, vm_id, err);
    if (!vm || begin_call(in, call, "snapshot_delete", vm, err) < 0)
        return -1;
    if (!is_name(name) || check_ours(in, vm, name, err) < 0 || start_job(in, vm, name, err) < 0)
        return -1;
    bool spoils = getenv("DIR_DELETE_SPOILS");
    if (work(in, call, env_ms("DIR_DELETE_MS"), err) == 0 && !spoils)
        return merge_away(in, vm, name, err);
    if (spoils) {
        hf_fail(err, HF_E_PLUGIN, "the merge stopped");
        hf_left(err, "snapshot %s is half merged", name);
    }
    /* Stopped cleanly: the snapshot stays. */
    struct hf_err second = HF_ERR_INIT;
    return remove_file(in, vm, "job", &second) < 0 ? hf_also(err, &second) : -1;
}

static int first_parent(struct hf_instance *in, const char *vm, const char *target,
                        const char *layers, void *ctx, struct hf_err *err)
{
    struct hf_snapshot *s = ctx;
    HF_AUTO(hf_strv) struct hf_strv v = HF_STRV_INIT;
    (void)vm, (void)err;
    if (hf_strv_split(&v, layers, ' ') < 0)
        abort();
    HF_AUTOFREE char *own = hf_asprintf("%s.%s.ov", target, s->name);
    for (size_t i = 0; i + 1 < v.n; i++) {
        char *parent = strcmp(v.items[i], own) == 0 ? snapshot_of(v.items[i + 1]) : NULL;
        if (parent)
            s->parent = keep(in, parent);
    }
    s->is_current |= strcmp(v.items[0], own) == 0;
    return 0;
}

static int emit_snapshot(struct hf_instance *in, const char *vm, const char *file,
                         hf_snapshot_cb emit, void *ctx, struct hf_err *err)
{
    HF_AUTOFREE char *text = read_vm_file(in, vm, file, err);
    HF_AUTOFREE char *domain = text ? read_vm_file(in, vm, "domain", err) : NULL;
    HF_AUTOFREE char *path = path_of(in, vm, file);
    struct stat st = {0};
    if (!domain || stat(path, &st) < 0)
        return -1;
    struct hf_snapshot s = {.struct_size = sizeof s,
                            .is_ours = strncmp(text, "ours\n", 5) == 0,
                            .created_at_s = st.st_mtime,
                            .name = keep(in, strndup(file, strlen(file) - strlen(".snap"))),
                            .description = text};
    if (each_disk(in, vm, domain, first_parent, &s, err) < 0)
        return -1;
    return emit(ctx, &s) ? -1 : 0;
}

static int dir_snapshot_list(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                             hf_snapshot_cb emit, void *ctx, struct hf_err *err)
{
    ENTER(in);
    const char *vm = vm_of(in, vm_id, err);
    if (!vm || begin_call(in, call, "snapshot_list", vm, err) < 0)
        return -1;
    HF_AUTO(hf_strv) struct hf_strv files = HF_STRV_INIT;
    list_files(in, vm, ".snap", &files);
    for (size_t i = 0; i < files.n; i++)
        if (emit_snapshot(in, vm, files.items[i], emit, ctx, err) < 0)
            return -1;
    return 0;
}

/* ---- guest ------------------------------------------------------------------------------ */

static int check_agent(struct hf_instance *in, const char *vm, struct hf_err *err)
{
    if (exists(in, vm, "agent"))
        return 0;
    hf_fail(err, HF_E_UNREACHABLE, "the guest agent of '%s' does not answer", vm);
    return hf_hint(err, "make the file 'agent'");
}

static int dir_guest_ping(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                          struct hf_err *err)
{
    ENTER(in);
    const char *vm = vm_of(in, vm_id, err);
    if (!vm || begin_call(in, call, "guest_ping", vm, err) < 0)
        return -1;
    return check_agent(in, vm, err);
}

static int say(const struct hf_guest_exec *req, const char *text)
{
    return req->output(req->output_ctx, 1, text, strlen(text));
}

/* What is asked for stands behind "--". */
static const char *const *names_of(const struct hf_guest_exec *req)
{
    const char *const *arg = req->argv;
    while (*arg && strcmp(*arg, "--") != 0)
        arg++;
    return arg + (*arg ? 1 : 0);
}

/* Paths in this guest have no links: each is printed as it is. All exist but those in /absent. */
static int say_paths(const struct hf_guest_exec *req, struct hf_guest_exec_result *out)
{
    bool is_lenient = strcmp(req->argv[4], "-m") == 0;
    for (const char *const *arg = names_of(req); *arg; arg++) {
        if (!is_lenient && strncmp(*arg, "/absent/", 8) == 0)
            out->exit_code = 1;
        else if (say(req, *arg) != 0 || say(req, "\n") != 0)
            return -1;
    }
    return 0;
}

/* All units run but absent.service, which does not exist. */
static int say_units(const struct hf_guest_exec *req)
{
    const char *const *first = names_of(req);
    for (const char *const *arg = first; *arg; arg++) {
        bool is_there = strcmp(*arg, "absent.service") != 0;
        char text[1024];
        snprintf(text, sizeof text,
                 "%sId=%s\nNames=%s\nLoadState=%s\nActiveState=%s\nCanStart=yes\nCanStop=yes\n",
                 arg == first ? "" : "\n", *arg, *arg, is_there ? "loaded" : "not-found",
                 is_there ? "active" : "inactive");
        if (say(req, text) != 0)
            return -1;
    }
    return 0;
}

/* It shares its clock with this host. */
static int say_time(const struct hf_guest_exec *req)
{
    char text[32];
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    snprintf(text, sizeof text, "%lld%09ld\n", (long long)t.tv_sec, t.tv_nsec);
    return say(req, text);
}

static bool says_paths(const struct hf_guest_exec *req)
{
    return req->output && req->argv[1] && req->argv[2] &&
           (strcmp(req->argv[2], "readlink") == 0 || strcmp(req->argv[2], "stat") == 0);
}

static int dir_guest_exec(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                          const struct hf_guest_exec *req, struct hf_guest_exec_result *out,
                          struct hf_err *err)
{
    ENTER(in);
    const char *vm = vm_of(in, vm_id, err);
    if (!vm || begin_call(in, call, "guest_exec", vm, err) < 0 || check_agent(in, vm, err) < 0)
        return -1;
    out->exit_code = 0;
    if (strcmp(req->argv[0], "/bin/true") == 0)
        return 0;
    if (strcmp(req->argv[0], "date") == 0)
        return say_time(req);
    if (says_paths(req))
        return say_paths(req, out);
    if (strcmp(req->argv[0], "hostname") == 0)
        return req->output(req->output_ctx, 1, "192.0.2.7 2001:db8::7 \n", 23);
    if (strcmp(req->argv[0], "systemctl") == 0 && req->output)
        return say_units(req);
    if (strcmp(req->argv[0], "/bin/sync") != 0 || req->argv[1])
        return hf_fail(err, HF_E_UNSUPPORTED, "this guest can only sync");
    if (work(in, call, env_ms("DIR_SYNC_MS"), err) < 0)
        return -1;
    out->exit_code = (int32_t)env_ms("DIR_SYNC_EXIT");
    return 0;
}

/* Of one mount: everything lies on the first disk. */
static int dir_guest_file_read(struct hf_instance *in, const struct hf_call *call,
                               const char *vm_id, const char *path, uint64_t max_bytes,
                               hf_data_cb emit, void *ctx, struct hf_err *err)
{
    static const char mounts[] = "1 0 254:0 / / rw - ext4 /dev/vda rw\n";
    ENTER(in);
    const char *vm = vm_of(in, vm_id, err);
    if (!vm || begin_call(in, call, "guest_file_read", vm, err) < 0 || check_agent(in, vm, err) < 0)
        return -1;
    if (strcmp(path, "/proc/self/mountinfo") != 0 || max_bytes < sizeof mounts)
        return hf_fail(err, HF_E_NOT_FOUND, "this guest has no file '%s'", path);
    return emit(ctx, 1, mounts, sizeof mounts - 1);
}

/* ---- machines from stored definitions --------------------------------------------------- */

/* "machine NAME RUN PURPOSE FLAGS" */
struct machine {
    char *name, *run, *purpose;
    uint32_t flags;
};

static void machine_free(struct machine *m)
{
    free(m->name);
    free(m->run);
    free(m->purpose);
}
HF_DEFINE_AUTO_VALUE(machine, machine_free)

static int read_machine(const char *token, struct machine *out, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv w = HF_STRV_INIT;
    if (hf_strv_split(&w, token, ' ') < 0)
        abort();
    if (w.n != 5 || strcmp(w.items[0], "machine") != 0 || !is_name(w.items[1]))
        return hf_fail(err, HF_E_CORRUPT, "'%s' is no token of a machine", token);
    out->name = strdup(w.items[1]);
    out->run = strdup(w.items[2]);
    out->purpose = strdup(w.items[3]);
    out->flags = (uint32_t)strtoul(w.items[4], NULL, 10);
    return 0;
}

/* 'm' made by this run, 's' settled by it, 'o' of another, 0: no machine of a run. */
static char mark_of(const struct hf_instance *in, const char *vm, const char *run)
{
    struct hf_err ignored = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv w = HF_STRV_INIT;
    HF_AUTOFREE char *text =
        exists(in, vm, "machine") ? read_vm_file(in, vm, "machine", &ignored) : NULL;
    if (!text || hf_strv_split(&w, text, ' ') < 0 || w.n != 3)
        return 0;
    return strcmp(w.items[0], run) != 0 ? 'o' : w.items[2][0];
}

static int write_mark(struct hf_instance *in, const struct machine *m, const char *state,
                      struct hf_err *err)
{
    HF_AUTOFREE char *text = hf_asprintf("%s %s %s", m->run, m->purpose, state);
    return write_vm_file(in, m->name, "machine", text, err);
}

static int tell(hf_machine_finding_cb emit, void *ctx, enum hf_machine_finding_kind kind,
                const char *about, const char *text)
{
    struct hf_machine_finding f = {
        .struct_size = sizeof f, .kind = kind, .about = about, .text = text};
    return emit(ctx, &f) ? -1 : 0;
}

struct adapting {
    const struct hf_machine_request *req;
    hf_machine_finding_cb emit;
    void *ctx;
    uint32_t found;
    struct hf_buf out;
};

static int adapt_disk(struct hf_instance *in, const char *vm, const char *target,
                      const char *layers, void *ctx, struct hf_err *err)
{
    (void)in, (void)vm, (void)layers, (void)err;
    struct adapting *a = ctx;
    for (uint32_t i = 0; i < a->req->n_disks; i++) {
        const struct hf_machine_disk *d = &a->req->disks[i];
        if (d->struct_size < sizeof *d || *d->path != '/')
            abort();
        if (strcmp(d->target, target) != 0)
            continue;
        a->found++;
        hf_buf_printf(&a->out, "%s %s\n", target, d->path);
        return tell(a->emit, a->ctx, HF_MACHINE_CHANGED, target, d->path);
    }
    return tell(a->emit, a->ctx, HF_MACHINE_LEFT_OUT, target, "is not among those");
}

static int check_machine(struct hf_instance *in, const struct hf_machine_request *req,
                         struct hf_err *err)
{
    bool is_there = exists(in, req->name, "domain"), replaces = req->flags & HF_MACHINE_REPLACE;
    if (req->struct_size < sizeof *req || req->flags & ~UINT32_C(0x7f))
        return hf_fail(err, HF_E_UNSUPPORTED, "unknown flags");
    if (!is_name(req->name) || !is_name(req->run) || !is_name(req->purpose))
        return hf_fail(err, HF_E_CONFIG, "'%s' is no name of a machine", req->name);
    if (replaces && !is_there)
        return hf_fail(err, HF_E_NOT_FOUND, "no machine '%s' to replace", req->name);
    if (replaces && !exists(in, req->name, "off"))
        return hf_fail(err, HF_E_BUSY, "the machine '%s' is not shut off", req->name);
    if (!replaces && is_there)
        return hf_fail(err, HF_E_CONFLICT, "there is a machine '%s' already", req->name);
    return 0;
}

/* ---- … and from backups on the shelf ---- */

struct restoring {
    const char *name, *backup; /* the machine's, and on the shelf */
    struct hf_buf domain;
};

static int restore_disk(struct hf_instance *in, const char *vm, const char *target,
                        const char *layers, void *ctx, struct hf_err *err)
{
    (void)vm, (void)layers;
    struct restoring *r = ctx;
    size_t len = 0;
    HF_AUTOFREE char *from = pathf(in, SHELF, "%s/%s", r->backup, target);
    HF_AUTOFREE char *file = hf_asprintf("%s.img", target);
    HF_AUTOFREE char *to = path_of(in, r->name, file);
    HF_AUTOFREE char *data = hf_path_read(from, (size_t)256 << 20, &len, err);
    hf_buf_printf(&r->domain, "%s %s\n", target, file);
    return data ? hf_path_write(to, data, len, 0600, err) : -1;
}

static int plan_pushed(struct hf_instance *in, const struct hf_machine_request *req,
                       hf_machine_finding_cb emit, void *ctx, struct hf_machine_plan *out,
                       struct hf_err *err)
{
    if (req->definition || req->n_disks || !req->vm_id)
        abort();
    if (req->flags & (HF_MACHINE_REPLACE | HF_MACHINE_TRANSIENT))
        return hf_fail(err, HF_E_UNSUPPORTED, "no such machine from the shelf");
    if (req->store && strcmp(req->store, "floor") != 0)
        return hf_fail(err, HF_E_NOT_FOUND, "there is no storage '%s'", req->store);
    const char *backup = find_on_shelf(in, req->vm_id, req->pushed, err);
    if (!backup)
        return err->cls ? -1 : hf_fail(err, HF_E_NOT_FOUND, "there is no backup %s", req->pushed);
    out->definition = keep(in, hf_asprintf("pushed %s", backup));
    return tell(emit, ctx, HF_MACHINE_CHANGED, "name", req->name);
}

/* The mark comes first, the domain last. */
static int make_pushed(struct hf_instance *in, const struct hf_call *call, const struct machine *m,
                       const char *backup, struct hf_err *err)
{
    struct restoring r = {m->name, backup, HF_BUF_INIT};
    HF_AUTOFREE char *dir = path_of(in, m->name, "");
    HF_AUTOFREE char *file = pathf(in, SHELF, "%s/domain", backup);
    HF_AUTOFREE char *domain = hf_path_read(file, FILE_MAX, NULL, err);
    if (!domain)
        return -1;
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return hf_fail_sys(err, errno, "'%s'", dir);
    if (write_mark(in, m, "made", err) < 0 || write_vm_file(in, m->name, "pushed", "", err) < 0 ||
        write_vm_file(in, m->name, "off", "", err) < 0)
        return -1;
    if (in->n_restores++ < env_ms("DIR_RESTORE_TIMEOUTS"))
        return hf_fail(err, HF_E_TIMEOUT, "it is copied on");
    int rc = work(in, call, env_ms("DIR_RESTORE_MS"), err);
    if (rc == 0)
        rc = each_disk(in, m->name, domain, restore_disk, &r, err);
    if (rc == 0)
        rc = write_vm_file(in, m->name, "domain", hf_buf_str(&r.domain), err);
    hf_buf_free(&r.domain);
    return rc;
}

static int dir_machine_plan(struct hf_instance *in, const struct hf_call *call,
                            const struct hf_machine_request *req, hf_machine_finding_cb emit,
                            void *ctx, struct hf_machine_plan *out, struct hf_err *err)
{
    ENTER(in);
    struct adapting a = {.req = req, .emit = emit, .ctx = ctx, .out = HF_BUF_INIT};
    if (begin_call(in, call, "machine_plan", req->name, err) < 0 || check_machine(in, req, err) < 0)
        return -1;
    HF_AUTOFREE char *token =
        hf_asprintf("machine %s %s %s %u", req->name, req->run, req->purpose, (unsigned)req->flags);
    if (req->pushed) {
        out->vm_id = keep(in, hf_asprintf(ID_PREFIX "%s", req->name));
        out->undo_token = keep(in, HF_STEAL(token));
        return plan_pushed(in, req, emit, ctx, out, err);
    }
    if (*req->definition == '{')
        return hf_fail(err, HF_E_UNSUPPORTED, "a definition of another kind of hypervisor");
    if (tell(emit, ctx, HF_MACHINE_CHANGED, "name", req->name) < 0 ||
        each_disk(in, req->name, req->definition, adapt_disk, &a, err) < 0) {
        hf_buf_free(&a.out);
        return -1;
    }
    out->definition = keep(in, hf_buf_steal(&a.out));
    if (a.found != req->n_disks || !*out->definition) {
        if (tell(emit, ctx, HF_MACHINE_REFUSED, "disk", "the definition does not have it") < 0)
            return -1;
        return hf_fail(err, HF_E_CONFLICT, "the definition has no such disk");
    }
    out->vm_id = keep(in, hf_asprintf(ID_PREFIX "%s", req->name));
    out->undo_token = keep(in, HF_STEAL(token));
    out->memory_bytes = (uint64_t)1 << 30;
    return 0;
}

/* The mark comes first, the domain last: without it there is no machine. */
static int make_machine(struct hf_instance *in, const struct machine *m, const char *definition,
                        struct hf_err *err)
{
    HF_AUTOFREE char *dir = path_of(in, m->name, "");
    const char *state = m->flags & HF_MACHINE_TRANSIENT ? "paused" : "off";
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return hf_fail_sys(err, errno, "'%s'", dir);
    if (m->flags & HF_MACHINE_REPLACE) {
        HF_AUTOFREE char *before = read_vm_file(in, m->name, "domain", err);
        if (!before || write_vm_file(in, m->name, "domain.former", before, err) < 0)
            return -1;
    }
    return write_mark(in, m, "made", err) < 0 || write_vm_file(in, m->name, state, "", err) < 0 ||
                   write_vm_file(in, m->name, "domain", definition, err) < 0
               ? -1
               : 0;
}

static int dir_machine_create(struct hf_instance *in, const struct hf_call *call,
                              const char *definition, const char *undo_token, struct hf_err *err)
{
    ENTER(in);
    HF_AUTO(machine) struct machine m = {0};
    if (read_machine(undo_token, &m, err) < 0 ||
        begin_call(in, call, "machine_create", m.name, err) < 0)
        return -1;
    bool is_there = exists(in, m.name, "domain");
    if (is_there && mark_of(in, m.name, m.run) == 'm')
        return 0;
    if (is_there && !(m.flags & HF_MACHINE_REPLACE))
        return hf_fail(err, HF_E_CONFLICT, "there is a machine '%s' already", m.name);
    if (strncmp(definition, "pushed ", 7) == 0)
        return make_pushed(in, call, &m, definition + 7, err);
    return make_machine(in, &m, definition, err);
}

static int write_disk(struct hf_instance *in, const char *vm, const char *target,
                      const char *layers, void *ctx, struct hf_err *err)
{
    (void)target, (void)ctx;
    HF_AUTO(hf_strv) struct hf_strv words = HF_STRV_INIT;
    if (hf_strv_split(&words, layers, ' ') < 0)
        abort();
    HF_AUTOFREE char *path = path_of(in, vm, words.items[0]);
    HF_AUTOFD int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || pwrite(fd, "guest", 5, 400000) != 5)
        return hf_fail_sys(err, errno, "write to '%s'", path);
    return 0;
}

static int boot_guest(struct hf_instance *in, const char *vm, struct hf_err *err)
{
    HF_AUTOFREE char *domain = read_vm_file(in, vm, "domain", err);
    if (!domain || (getenv("DIR_WRITES") && each_disk(in, vm, domain, write_disk, NULL, err) < 0) ||
        remove_file(in, vm, "paused", err) < 0)
        return -1;
    return write_vm_file(in, vm, "agent", "", err);
}

/* Started, the guest's agent answers. */
static int dir_machine_start(struct hf_instance *in, const struct hf_call *call,
                             const char *undo_token, struct hf_err *err)
{
    ENTER(in);
    HF_AUTO(machine) struct machine m = {0};
    struct hf_call plain = *call;
    plain.flags &= ~HF_MACHINE_PAUSED;
    if (read_machine(undo_token, &m, err) < 0 ||
        begin_call(in, &plain, "machine_start", m.name, err) < 0)
        return -1;
    char mark = exists(in, m.name, "domain") ? mark_of(in, m.name, m.run) : 0;
    if (mark != 'm' && mark != 's')
        return hf_fail(err, mark ? HF_E_CONFLICT : HF_E_NOT_FOUND, "no machine '%s' of this run",
                       m.name);
    bool pauses = call->flags & HF_MACHINE_PAUSED;
    if (pauses && exists(in, m.name, "off") && write_vm_file(in, m.name, "paused", "", err) < 0)
        return -1;
    if (remove_file(in, m.name, "off", err) < 0 || pauses)
        return pauses ? 0 : -1;
    return boot_guest(in, m.name, err);
}

static int dir_machine_settle(struct hf_instance *in, const struct hf_call *call,
                              const char *undo_token, struct hf_err *err)
{
    ENTER(in);
    HF_AUTO(machine) struct machine m = {0};
    if (read_machine(undo_token, &m, err) < 0 ||
        begin_call(in, call, "machine_settle", m.name, err) < 0)
        return -1;
    char mark = mark_of(in, m.name, m.run);
    if (mark != 'm' && mark != 's')
        return hf_fail(err, HF_E_NOT_FOUND, "no machine '%s' of this run", m.name);
    return write_mark(in, &m, "settled", err);
}

static int take_machine_away(struct hf_instance *in, const struct machine *m, struct hf_err *err)
{
    static const char *const files[] = {"domain", "agent", "paused", "off", "machine"};
    if (m->flags & HF_MACHINE_REPLACE && exists(in, m->name, "domain.former"))
        return write_vm_file(in, m->name, "off", "", err) < 0 ||
                       rename_vm_file(in, m->name, "domain.former", "domain", err) < 0 ||
                       remove_file(in, m->name, "machine", err) < 0
                   ? -1
                   : 0;
    HF_AUTOFREE char *dir = path_of(in, m->name, "");
    if (exists(in, m->name, "pushed")) /* its disks are its own */
        return remove_folder(dir, err);
    for (size_t i = 0; i < HF_ARRAY_SIZE(files); i++)
        if (remove_file(in, m->name, files[i], err) < 0)
            return -1;
    return rmdir(dir) == 0 || errno == ENOENT ? 0 : hf_fail_sys(err, errno, "'%s'", dir);
}

static int dir_machine_destroy(struct hf_instance *in, const struct hf_call *call,
                               const char *undo_token, struct hf_err *err)
{
    ENTER(in);
    HF_AUTO(machine) struct machine m = {0};
    if (read_machine(undo_token, &m, err) < 0 ||
        begin_call(in, call, "machine_destroy", m.name, err) < 0)
        return -1;
    char mark = mark_of(in, m.name, m.run);
    bool is_there = exists(in, m.name, "domain");
    if (mark == 'm')
        return take_machine_away(in, &m, err);
    if (mark == 's' || (is_there && !(m.flags & HF_MACHINE_REPLACE)))
        return hf_fail(err, HF_E_CONFLICT, "the machine '%s' is not this run's to take", m.name);
    return 0;
}

static int emit_machine(struct hf_instance *in, const char *vm, hf_machine_cb emit, void *ctx)
{
    struct hf_err ignored = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv w = HF_STRV_INIT;
    HF_AUTOFREE char *text =
        exists(in, vm, "machine") ? read_vm_file(in, vm, "machine", &ignored) : NULL;
    if (!text || hf_strv_split(&w, text, ' ') < 0 || w.n != 3 || strcmp(w.items[2], "made") != 0)
        return 0;
    uint32_t flags = exists(in, vm, "domain.former") ? HF_MACHINE_REPLACE : 0;
    HF_AUTOFREE char *token =
        hf_asprintf("machine %s %s %s %u", vm, w.items[0], w.items[1], (unsigned)flags);
    HF_AUTOFREE char *id = hf_asprintf(ID_PREFIX "%s", vm);
    struct hf_machine m = {.struct_size = sizeof m,
                           .state = state_of(in, vm),
                           .vm_id = id,
                           .name = vm,
                           .run = w.items[0],
                           .purpose = w.items[1],
                           .undo_token = token};
    return emit(ctx, &m) ? -1 : 0;
}

static int dir_machine_list(struct hf_instance *in, const struct hf_call *call, hf_machine_cb emit,
                            void *ctx, struct hf_err *err)
{
    ENTER(in);
    struct dirent **found = NULL;
    if (begin_call(in, call, "machine_list", "-", err) < 0)
        return -1;
    int n = scandir(in->root, &found, NULL, alphasort), rc = 0;
    for (int i = 0; i < n; i++) {
        if (rc == 0 && found[i]->d_name[0] != '.')
            rc = emit_machine(in, found[i]->d_name, emit, ctx);
        free(found[i]);
    }
    free(found);
    return rc;
}

/* ---- table ------------------------------------------------------------------------------ */

static const struct hf_plugin_key keys[] = {
    {.name = "root", .type = HF_KEY_PATH, .required = 1, .help = "Directory of the VMs."},
};

static const struct hf_plugin plugin = {
    .magic = HF_PLUGIN_MAGIC,
    .abi_major = HF_ABI_MAJOR,
    .abi_minor = HF_ABI_MINOR,
    .struct_size = sizeof(struct hf_plugin),
    .name = "dir",
    .version = HF_VERSION,
    .description = "directories that play virtual machines",
    .capabilities = HF_CAN_SNAPSHOT | HF_CAN_EXPORT_NBD | HF_CAN_EXPORT_PUSHED |
                    HF_CAN_INCREMENTAL | HF_CAN_MULTI_DISK | HF_CAN_GUEST_EXEC | HF_CAN_MACHINE |
                    HF_CAN_MACHINE_PUSHED,
    .keys = keys,
    .n_keys = HF_ARRAY_SIZE(keys),
    .open = dir_open,
    .close = dir_close,
    .probe = dir_probe,
    .vm_find = dir_vm_find,
    .vm_disks = dir_vm_disks,
    .vm_busy = dir_vm_busy,
    .capture_plan = dir_capture_plan,
    .capture_prepare = dir_capture_prepare,
    .capture_begin = dir_capture_begin,
    .capture_settle = dir_capture_settle,
    .capture_free = dir_capture_free,
    .capture_discard = dir_capture_discard,
    .vm_definition = dir_vm_definition,
    .export_disk = dir_export_disk,
    .export_watch = dir_export_watch,
    .export_end = dir_export_end,
    .export_pushed = dir_export_pushed,
    .pushed_list = dir_pushed_list,
    .pushed_find = dir_pushed_find,
    .pushed_delete = dir_pushed_delete,
    .checkpoint_drop = dir_checkpoint_drop,
    .checkpoint_list = dir_checkpoint_list,
    .snapshot_list = dir_snapshot_list,
    .snapshot_delete = dir_snapshot_delete,
    .guest_ping = dir_guest_ping,
    .guest_exec = dir_guest_exec,
    .guest_file_read = dir_guest_file_read,
    .machine_plan = dir_machine_plan,
    .machine_create = dir_machine_create,
    .machine_start = dir_machine_start,
    .machine_settle = dir_machine_settle,
    .machine_destroy = dir_machine_destroy,
    .machine_list = dir_machine_list,
};

HF_PLUGIN_EXPORT const struct hf_plugin *holdfast_plugin_entry(const struct hf_host *host);
HF_PLUGIN_EXPORT const struct hf_plugin *holdfast_plugin_entry(const struct hf_host *host)
{
    return host->magic == HF_HOST_MAGIC && host->abi_major == HF_ABI_MAJOR ? &plugin : NULL;
}
