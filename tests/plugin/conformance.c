/* SPDX-License-Identifier: Apache-2.0
 *
 * conformance - what plugin.h promises, asked of any plugin, with this program as the host.
 *
 *   conformance PLUGIN WRONG KEY=VALUE… -- VM
 *
 * WRONG is a KEY=VALUE that leads to nobody. The VM is captured for real when the plugin can, its
 * guest frozen and thawed (a file in its /tmp comes and goes), and left as it was found. Each check is one line; status 1 when one failed.
 */
#include "hypervisor/hv.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define KV_MAX 16

static struct {
    const struct hf_plugin *p;
    struct hf_kv kv[KV_MAX];
    size_t n_kv;
    struct hf_kv wrong;
    const char *vm;
    char id[256];
    struct hf_instance *in;
    int is_cancelled;
    enum hf_capture_kind kind; /* of the captures that are tried */
    int failed, lines;
} t;

/* ---- this program as the host -------------------------------------------------------------- */

static void host_log(void *ctx, enum hf_log_level level, const char *message)
{
    (void)ctx, (void)level;
    t.lines++;
    if (strchr(message, '\n'))
        t.failed++;
}

static void host_progress(void *ctx, uint64_t done, uint64_t total)
{
    (void)ctx;
    if (total && done > total)
        t.failed++;
}

static int host_cancelled(void *ctx)
{
    (void)ctx;
    return t.is_cancelled;
}

static int64_t host_now_ms(void *ctx)
{
    (void)ctx;
    return hf_clock_mono_ms(hf_clock_system());
}

static const struct hf_host host = {.magic = HF_HOST_MAGIC,
                                    .abi_major = HF_ABI_MAJOR,
                                    .abi_minor = HF_ABI_MINOR,
                                    .struct_size = sizeof host,
                                    .log = host_log,
                                    .progress = host_progress,
                                    .cancelled = host_cancelled,
                                    .now_ms = host_now_ms};

static void check(bool ok, const char *what, const struct hf_err *err)
{
    printf("%s %s\n", ok ? "ok     " : "FAILED ", what);
    if (!ok) {
        t.failed++;
        printf("        %s: %s\n", hf_err_class_name(err->cls), err->message);
    }
}

static struct hf_call call_in(int64_t ms)
{
    return (struct hf_call){.struct_size = sizeof(struct hf_call),
                            .deadline_ms = host_now_ms(NULL) + ms,
                            .request_id = "conformance"};
}

static bool failed_as(int rc, const struct hf_err *err, enum hf_err_class cls)
{
    return rc == -1 && err->cls == (int)cls && err->message[0];
}

/* ---- open and close --------------------------------------------------------------------- */

static size_t open_descriptors(void)
{
    size_t n = 0;
    for (int fd = 0; fd < 1024; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static size_t threads(void)
{
    size_t n = 0;
    DIR *d = opendir("/proc/self/task");
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

static void opens_and_closes_without_a_trace(void)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_instance *in = NULL;
    int rc = t.p->open(&host, t.kv, t.n_kv, &in, &err); /* what a library sets up once */
    if (rc == 0)
        t.p->close(in);
    size_t fds = open_descriptors(), tasks = threads();
    for (int i = 0; rc == 0 && i < 10; i++) {
        rc = t.p->open(&host, t.kv, t.n_kv, &in, &err);
        if (rc == 0)
            t.p->close(in);
    }
    t.p->close(NULL);
    check(rc == 0, "open and close ten times", &err);
    check(open_descriptors() == fds, "no descriptor is left open", &err);
    check(threads() == tasks, "no thread is left", &err);
}

static void two_instances_are_independent(void)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_instance *a = NULL, *b = NULL;
    struct hf_call call = call_in(10000);
    struct hf_probe probe = {.struct_size = sizeof probe};
    int rc = t.p->open(&host, t.kv, t.n_kv, &a, &err);
    rc = rc ? rc : t.p->open(&host, t.kv, t.n_kv, &b, &err);
    if (rc == 0) {
        t.p->close(a);
        rc = t.p->probe ? t.p->probe(b, &call, &probe, &err) : 0;
        t.p->close(b);
    }
    check(rc == 0, "one instance works on after another was closed", &err);
}

static void a_wrong_endpoint_is_an_error(void)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_instance *in = NULL;
    struct hf_kv kv[KV_MAX];
    memcpy(kv, t.kv, sizeof kv);
    for (size_t i = 0; i < t.n_kv; i++)
        if (strcmp(kv[i].key, t.wrong.key) == 0)
            kv[i].value = t.wrong.value;
    int rc = t.p->open(&host, kv, t.n_kv, &in, &err);
    check(rc == -1 && err.cls != HF_E_NONE && err.message[0] && err.cls != HF_E_INTERNAL,
          "a wrong endpoint is refused with a reason", &err);
    check(strchr(err.message, '\n') == NULL, "the reason is one line", &err);
}

/* ---- each call: flags, deadline, unknown VM ------------------------------------------------- */

static int take_vm(void *ctx, const struct hf_vm *vm)
{
    int *n = ctx;
    (*n)++;
    return vm->id && vm->name ? 0 : -1;
}

static int take_disk(void *ctx, const struct hf_disk *disk)
{
    (void)ctx;
    return disk->target ? 0 : -1;
}

static int take_snapshot(void *ctx, const struct hf_snapshot *snap)
{
    const char **wanted = ctx;
    if (*wanted && strcmp(snap->name, *wanted) == 0 && snap->is_ours)
        *wanted = NULL;
    return 0;
}

static int take_text(void *ctx, const char *line)
{
    (void)ctx;
    return line ? 0 : -1;
}

static struct hf_capture_request request(const char *vm, const char *name)
{
    return (struct hf_capture_request){.struct_size = sizeof(struct hf_capture_request),
                                       .kind = t.kind ? t.kind : HF_CAPTURE_SNAPSHOT,
                                       .vm_id = vm,
                                       .name = name,
                                       .label = "conformance"};
}

static int do_find(const struct hf_call *c, const char *vm, struct hf_err *err)
{
    struct hf_vm out = {.struct_size = sizeof out};
    return t.p->vm_find(t.in, c, vm, &out, err);
}
static int do_disks(const struct hf_call *c, const char *vm, struct hf_err *err)
{
    return t.p->vm_disks(t.in, c, vm, take_disk, NULL, err);
}
static int do_busy(const struct hf_call *c, const char *vm, struct hf_err *err)
{
    return t.p->vm_busy(t.in, c, vm, err);
}
static int do_definition(const struct hf_call *c, const char *vm, struct hf_err *err)
{
    const char *text = NULL;
    return t.p->vm_definition(t.in, c, vm, &text, err);
}
static int do_snapshots(const struct hf_call *c, const char *vm, struct hf_err *err)
{
    const char *none = NULL;
    return t.p->snapshot_list(t.in, c, vm, take_snapshot, &none, err);
}
static int do_delete(const struct hf_call *c, const char *vm, struct hf_err *err)
{
    return t.p->snapshot_delete(t.in, c, vm, "hf-conformance-none", err);
}
static int do_plan(const struct hf_call *c, const char *vm, struct hf_err *err)
{
    struct hf_capture_request req = request(vm, "hf-conformance-none");
    struct hf_capture *cap = NULL;
    struct hf_capture_plan plan = {.struct_size = sizeof plan};
    int rc = t.p->capture_plan(t.in, c, &req, take_text, NULL, &cap, &plan, err);
    t.p->capture_free(t.in, cap);
    return rc;
}
static int do_discard(const struct hf_call *c, const char *vm, struct hf_err *err)
{
    return t.p->capture_discard(t.in, c, vm, "hf-conformance-none", NULL, err);
}
static int do_ping(const struct hf_call *c, const char *vm, struct hf_err *err)
{
    return t.p->guest_ping(t.in, c, vm, err);
}
static int do_exec(const struct hf_call *c, const char *vm, struct hf_err *err)
{
    const char *const argv[] = {"true", NULL};
    struct hf_guest_exec req = {.struct_size = sizeof req, .argv = argv};
    struct hf_guest_exec_result res = {.struct_size = sizeof res};
    return t.p->guest_exec(t.in, c, vm, &req, &res, err);
}

#define GUEST_FILE "/tmp/holdfast-conformance"
static const char content[] = "a\0b\n";

static int take_data(void *ctx, int stream, const void *data, size_t len)
{
    struct hf_buf *b = ctx;
    hf_buf_add(b, data, len);
    return stream == 1 && b->len <= 1 << 20 ? 0 : -1;
}
static int take_mount(void *ctx, const struct hf_guest_mount *mount)
{
    int *on_disk = ctx;
    *on_disk |= strcmp(mount->mountpoint, "/") == 0 && mount->target;
    return 0;
}
static int do_file_read(const struct hf_call *c, const char *vm, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    return t.p->guest_file_read(t.in, c, vm, "/etc/passwd", 1 << 20, take_data, &b, err);
}
static int do_file_write(const struct hf_call *c, const char *vm, struct hf_err *err)
{
    return t.p->guest_file_write(t.in, c, vm, GUEST_FILE, content, sizeof content, err);
}
static int do_freeze(const struct hf_call *c, const char *vm, struct hf_err *err)
{
    uint32_t n;
    return t.p->guest_freeze(t.in, c, vm, &n, err);
}
static int do_thaw(const struct hf_call *c, const char *vm, struct hf_err *err)
{
    return t.p->guest_thaw(t.in, c, vm, err);
}
static int do_freeze_state(const struct hf_call *c, const char *vm, struct hf_err *err)
{
    enum hf_freeze_state state;
    return t.p->guest_freeze_state(t.in, c, vm, &state, err);
}
static int do_mounts(const struct hf_call *c, const char *vm, struct hf_err *err)
{
    int on_disk = 0;
    return t.p->guest_mounts(t.in, c, vm, take_mount, &on_disk, err);
}

static int do_rollback_plan(const struct hf_call *c, const char *vm, struct hf_err *err)
{
    struct hf_rollback_request req = {
        .struct_size = sizeof req, .vm_id = vm, .name = "hf-conformance-none", .run = "run-1"};
    struct hf_rollback_plan plan = {.struct_size = sizeof plan};
    return t.p->rollback_plan(t.in, c, &req, take_text, take_text, NULL, &plan, err);
}
/* No token of its own: refused where the VM is, and where it is not. */
static int do_rollback_switch(const struct hf_call *c, const char *vm, struct hf_err *err)
{
    return t.p->rollback_switch(t.in, c, vm, "{}", err);
}
static int do_rollback_settle(const struct hf_call *c, const char *vm, struct hf_err *err)
{
    return t.p->rollback_settle(t.in, c, vm, "{}", take_text, NULL, err);
}
static int do_rollback_undo(const struct hf_call *c, const char *vm, struct hf_err *err)
{
    return t.p->rollback_undo(t.in, c, vm, "{}", err);
}

#define SLOT(slot, fn, gone)                                                                       \
    {                                                                                              \
#slot, offsetof(struct hf_plugin, slot), fn, gone                                          \
    }
static const struct slot {
    const char *name;
    size_t offset;
    int (*run)(const struct hf_call *c, const char *vm, struct hf_err *err);
    enum hf_err_class gone; /* of a VM that does not exist; NONE: success */
} slots[] = {
    SLOT(vm_find, do_find, HF_E_NOT_FOUND),
    SLOT(vm_disks, do_disks, HF_E_NOT_FOUND),
    SLOT(vm_busy, do_busy, HF_E_NOT_FOUND),
    SLOT(vm_definition, do_definition, HF_E_NOT_FOUND),
    SLOT(capture_plan, do_plan, HF_E_NOT_FOUND),
    SLOT(capture_discard, do_discard, HF_E_NONE),
    SLOT(snapshot_list, do_snapshots, HF_E_NOT_FOUND),
    SLOT(snapshot_delete, do_delete, HF_E_NOT_FOUND),
    SLOT(guest_ping, do_ping, HF_E_NOT_FOUND),
    SLOT(guest_exec, do_exec, HF_E_NOT_FOUND),
    SLOT(guest_file_read, do_file_read, HF_E_NOT_FOUND),
    SLOT(guest_file_write, do_file_write, HF_E_NOT_FOUND),
    SLOT(guest_freeze, do_freeze, HF_E_NOT_FOUND),
    SLOT(guest_thaw, do_thaw, HF_E_NOT_FOUND),
    SLOT(guest_freeze_state, do_freeze_state, HF_E_NOT_FOUND),
    SLOT(guest_mounts, do_mounts, HF_E_NOT_FOUND),
    SLOT(rollback_plan, do_rollback_plan, HF_E_NOT_FOUND),
    SLOT(rollback_switch, do_rollback_switch, HF_E_NOT_FOUND),
    SLOT(rollback_settle, do_rollback_settle, HF_E_NOT_FOUND),
    SLOT(rollback_undo, do_rollback_undo, HF_E_CORRUPT),
};

static bool has_slot(const struct slot *s)
{
    void *fn;
    memcpy(&fn, (const char *)t.p + s->offset, sizeof fn);
    return fn != NULL;
}

static void check_slot(const struct slot *s)
{
    char what[128];
    struct hf_err err = HF_ERR_INIT;
    struct hf_call call = call_in(10000);
    call.flags = UINT32_C(1) << 31;
    snprintf(what, sizeof what, "%s refuses unknown flag bits", s->name);
    check(failed_as(s->run(&call, t.id, &err), &err, HF_E_UNSUPPORTED), what, &err);

    err = (struct hf_err)HF_ERR_INIT;
    call = call_in(-1);
    snprintf(what, sizeof what, "%s does nothing after its deadline", s->name);
    check(failed_as(s->run(&call, t.id, &err), &err, HF_E_TIMEOUT), what, &err);

    err = (struct hf_err)HF_ERR_INIT;
    call = call_in(10000);
    int rc = s->run(&call, "00000000-dead-4bad-8bad-000000000000", &err);
    snprintf(what, sizeof what, "%s of a VM that does not exist", s->name);
    check(s->gone ? failed_as(rc, &err, s->gone) : rc == 0, what, &err);
}

static void finds_and_lists(void)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_call call = call_in(10000);
    struct hf_vm vm = {.struct_size = sizeof vm};
    int rc = t.p->vm_find(t.in, &call, t.vm, &vm, &err), n = 0;
    check(rc == 0 && vm.id && vm.name, "vm_find by name", &err);
    if (rc == 0)
        snprintf(t.id, sizeof t.id, "%s", vm.id);
    vm = (struct hf_vm){.struct_size = sizeof vm};
    rc = t.p->vm_find(t.in, &call, t.id, &vm, &err);
    check(rc == 0 && strcmp(vm.id, t.id) == 0, "vm_find by the id it told", &err);
    rc = t.p->vm_list(t.in, &call, take_vm, &n, &err);
    check(rc == 0 && n > 0, "vm_list", &err);
    check(t.p->vm_disks(t.in, &call, t.id, take_disk, NULL, &err) == 0, "vm_disks", &err);
    check(t.p->vm_busy(t.in, &call, t.id, &err) == 0, "vm_busy of an idle VM", &err);
    check(do_definition(&call, t.id, &err) == 0, "vm_definition", &err);
}

/* ---- captures ----------------------------------------------------------------------------- */

static char *definition(void)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_call call = call_in(10000);
    const char *text = NULL;
    return t.p->vm_definition(t.in, &call, t.id, &text, &err) == 0 ? strdup(text) : NULL;
}

static bool is_same_definition(const char *before)
{
    HF_AUTOFREE char *now = definition();
    return before && now && strcmp(before, now) == 0;
}

static int plan(const char *name, struct hf_capture **cap, char **token, struct hf_err *err)
{
    struct hf_call call = call_in(20000);
    struct hf_capture_request req = request(t.id, name);
    struct hf_capture_plan p = {.struct_size = sizeof p};
    if (t.p->capture_plan(t.in, &call, &req, take_text, NULL, cap, &p, err) != 0)
        return -1;
    *token = p.undo_token ? strdup(p.undo_token) : NULL;
    return 0;
}

static void discard_twice(const char *name, const char *token, const char *before)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_call call = call_in(30000);
    char what[128];
    for (int i = 0; i < 2; i++) {
        snprintf(what, sizeof what, "capture_discard of %s, time %d", name, i + 1);
        check(t.p->capture_discard(t.in, &call, t.id, name, token, &err) == 0, what, &err);
        check(is_same_definition(before), "the definition is that of before", &err);
    }
}

static void plans_without_effect(const char *before)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_capture *cap = NULL;
    HF_AUTOFREE char *token = NULL;
    int rc = plan("hf-conformance-1", &cap, &token, &err);
    check(rc == 0 && cap && token, "capture_plan", &err);
    t.p->capture_free(t.in, cap);
    check(is_same_definition(before), "capture_plan changes nothing", &err);
}

static void gives_back_a_prepared_capture(const char *before, bool with_token)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_capture *cap = NULL;
    HF_AUTOFREE char *token = NULL;
    struct hf_call call = call_in(20000);
    int rc = plan("hf-conformance-2", &cap, &token, &err);
    rc = rc ? rc : t.p->capture_prepare(t.in, &call, cap, &err);
    check(rc == 0, "capture_prepare", &err);
    t.p->capture_free(t.in, cap);
    discard_twice("hf-conformance-2", with_token ? token : NULL, before);
}

static int capture(const char *name, char **token, struct hf_err *err)
{
    struct hf_capture *cap = NULL;
    struct hf_call call = call_in(30000);
    int rc = plan(name, &cap, token, err);
    rc = rc ? rc : t.p->capture_prepare(t.in, &call, cap, err);
    rc = rc ? rc : t.p->capture_begin(t.in, &call, cap, err);
    rc = rc ? rc : t.p->capture_settle(t.in, &call, cap, err);
    t.p->capture_free(t.in, cap);
    return rc;
}

static void discards_a_finished_capture(const char *before)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *token = NULL;
    check(capture("hf-conformance-3", &token, &err) == 0, "a capture", &err);
    discard_twice("hf-conformance-3", token, before);
}

static void a_begin_after_its_deadline_has_no_effect(const char *before)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_capture *cap = NULL;
    HF_AUTOFREE char *token = NULL;
    struct hf_call call = call_in(20000), late = call_in(-1);
    int rc = plan("hf-conformance-4", &cap, &token, &err);
    rc = rc ? rc : t.p->capture_prepare(t.in, &call, cap, &err);
    rc = rc ? rc : t.p->capture_begin(t.in, &late, cap, &err);
    check(failed_as(rc, &err, HF_E_TIMEOUT), "capture_begin after its deadline", &err);
    t.p->capture_free(t.in, cap);
    check(is_same_definition(before), "it had no effect", &err);
    discard_twice("hf-conformance-4", token, before);
}

static void a_cancelled_begin_has_no_effect(const char *before)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_capture *cap = NULL;
    HF_AUTOFREE char *token = NULL;
    struct hf_call call = call_in(20000);
    int rc = plan("hf-conformance-5", &cap, &token, &err);
    rc = rc ? rc : t.p->capture_prepare(t.in, &call, cap, &err);
    t.is_cancelled = 1;
    rc = rc ? rc : t.p->capture_begin(t.in, &call, cap, &err);
    t.is_cancelled = 0;
    check(failed_as(rc, &err, HF_E_CANCELLED), "capture_begin when cancelled", &err);
    t.p->capture_free(t.in, cap);
    discard_twice("hf-conformance-5", token, before);
}

static void lists_and_deletes(const char *before)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *token = NULL, *again = NULL;
    const char *name = "hf-conformance-6", *wanted = name;
    struct hf_call call = call_in(30000);
    check(capture(name, &token, &err) == 0, "a capture", &err);
    check(failed_as(capture(name, &again, &err), &err, HF_E_CONFLICT), "a name taken twice", &err);
    int rc = t.p->snapshot_list(t.in, &call, t.id, take_snapshot, &wanted, &err);
    check(rc == 0 && !wanted, "snapshot_list knows it as ours", &err);
    check(t.p->snapshot_delete(t.in, &call, t.id, name, &err) == 0, "snapshot_delete", &err);
    check(is_same_definition(before), "the definition is that of before", &err);
    rc = t.p->snapshot_delete(t.in, &call, t.id, name, &err);
    check(failed_as(rc, &err, HF_E_NOT_FOUND), "snapshot_delete again: not found", &err);
    discard_twice(name, token, before);
}

static int rollback_plan(const char *name, const char *run, char **token, struct hf_err *err)
{
    struct hf_call call = call_in(20000);
    struct hf_rollback_request req = {
        .struct_size = sizeof req, .vm_id = t.id, .name = name, .run = run};
    struct hf_rollback_plan p = {.struct_size = sizeof p};
    if (t.p->rollback_plan(t.in, &call, &req, take_text, take_text, NULL, &p, err) != 0)
        return -1;
    check(p.n_disks > 0 && p.undo_token, "a rollback's plan is complete", err);
    *token = strdup(p.undo_token);
    return 0;
}

/* A definition may tell the layers below a disk, or leave them to be read from the files: those lines go. */
static char *cut_layers(char *text)
{
    int depth = 0;
    char *to = text;
    for (char *line = text, *next; line && *line; line = next) {
        size_t len = strcspn(line, "\n");
        next = line + len + (line[len] == '\n');
        HF_AUTOFREE char *one = strndup(line, len);
        bool begins = one && strstr(one, "<backingStore"),
             ends = one && strstr(one, "</backingStore>");
        bool is_layer = begins || depth > 0;
        depth += begins && !strstr(one, "/>");
        depth -= ends;
        if (is_layer)
            continue;
        memmove(to, line, (size_t)(next - line));
        to += next - line;
    }
    if (to)
        *to = '\0';
    return text;
}

static bool has_same_disks(const char *before)
{
    HF_AUTOFREE char *now = cut_layers(definition());
    HF_AUTOFREE char *then = cut_layers(before ? strdup(before) : NULL);
    return now && then && strcmp(now, then) == 0;
}

static void undo_twice(const char *token, const char *before)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_call call = call_in(60000);
    for (int i = 0; i < 2; i++)
        check(t.p->rollback_undo(t.in, &call, t.id, token, &err) == 0, "rollback_undo", &err);
    check(has_same_disks(before), "the definition is that of before", &err);
}

/* Planned, switched and undone, settled, and the snapshot deleted: each leaves what the contract says. */
static void rolls_back(const char *before)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *token = NULL, *first = NULL, *second = NULL;
    const char *name = "hf-conformance-7", *wanted = name;
    struct hf_call call = call_in(60000);
    if (!t.p->rollback_plan)
        return;
    check(capture(name, &token, &err) == 0, "a capture to go back to", &err);
    HF_AUTOFREE char *captured = definition();
    check(rollback_plan(name, "run-1", &first, &err) == 0, "rollback_plan", &err);
    check(is_same_definition(captured), "rollback_plan changes nothing", &err);
    undo_twice(first, captured);
    check(t.p->rollback_switch(t.in, &call, t.id, first, &err) == 0, "rollback_switch", &err);
    undo_twice(first, captured);
    check(rollback_plan(name, "run-2", &second, &err) == 0, "rollback_plan once more", &err);
    int rc = t.p->rollback_switch(t.in, &call, t.id, second, &err);
    for (int i = 0; i < 2; i++)
        rc = rc ? rc : t.p->rollback_settle(t.in, &call, t.id, second, take_text, NULL, &err);
    check(rc == 0, "rollback_settle, twice", &err);
    rc = t.p->rollback_undo(t.in, &call, t.id, second, &err);
    check(failed_as(rc, &err, HF_E_CONFLICT), "rollback_undo of what is settled", &err);
    err = (struct hf_err)HF_ERR_INIT;
    rc = t.p->snapshot_list(t.in, &call, t.id, take_snapshot, &wanted, &err);
    check(rc == 0 && !wanted, "the snapshot is a way back still", &err);
    check(t.p->snapshot_delete(t.in, &call, t.id, name, &err) == 0, "its deletion", &err);
    check(has_same_disks(before), "the definition is that of before the capture", &err);
}

/* ---- exports ------------------------------------------------------------------------------ */

/* The disks were listed before: a plugin is called by one caller at a time. */
static int take_target(void *ctx, const struct hf_disk *disk)
{
    struct hf_strv *targets = ctx;
    return disk->skipped ? 0 : hf_strv_add(targets, disk->target);
}

static void tells_each_disk(struct hf_capture *cap, enum hf_export_form form)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv targets = HF_STRV_INIT;
    struct hf_call call = call_in(30000);
    int rc = t.p->vm_disks(t.in, &call, t.id, take_target, &targets, &err);
    check(rc == 0 && targets.n, "the disks of an export", &err);
    for (size_t i = 0; i < targets.n; i++) {
        struct hf_export e = {.struct_size = sizeof e};
        rc = t.p->export_disk(t.in, &call, cap, targets.items[i], &e, &err);
        check(rc == 0 && e.form == form && e.uri && e.size_bytes && !e.dirty_ctx, "export_disk",
              &err);
    }
    struct hf_export none = {.struct_size = sizeof none};
    rc = t.p->export_disk(t.in, &call, cap, "no-such-disk", &none, &err);
    check(failed_as(rc, &err, HF_E_NOT_FOUND), "export_disk of no disk of it", &err);
}

static int count_text(void *ctx, const char *line)
{
    *(size_t *)ctx += *line != '\0';
    return 0;
}

static void drop(const char *keep, size_t most, const char *what)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_call call = call_in(30000);
    size_t told = 0;
    int rc = t.p->checkpoint_drop(t.in, &call, t.id, keep, count_text, &told, &err);
    check(rc == 0 && told <= most, what, &err);
}

static int take_line(void *ctx, const char *line)
{
    return hf_strv_add(ctx, line);
}

/* What an export was to leave, and no more. */
static void lists_its_checkpoint(const char *name)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv told = HF_STRV_INIT;
    struct hf_call call = call_in(30000);
    if (!t.p->checkpoint_list)
        return;
    int rc = t.p->checkpoint_list(t.in, &call, t.id, take_line, &told, &err);
    check(rc == 0 && told.n <= 1 && (!told.n || strcmp(told.items[0], name) == 0),
          "checkpoint_list", &err);
    call.flags = UINT32_C(1) << 31;
    rc = t.p->checkpoint_list(t.in, &call, t.id, take_line, &told, &err);
    check(failed_as(rc, &err, HF_E_UNSUPPORTED), "checkpoint_list refuses unknown flag bits", &err);
}

static void drops_its_checkpoint(const char *name)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_call strange = call_in(10000);
    size_t told = 0;
    lists_its_checkpoint(name);
    strange.flags = UINT32_C(1) << 31;
    int rc = t.p->checkpoint_drop(t.in, &strange, t.id, NULL, count_text, &told, &err);
    check(failed_as(rc, &err, HF_E_UNSUPPORTED), "checkpoint_drop refuses unknown flag bits", &err);
    drop(name, 0, "checkpoint_drop keeps what it is told to");
    drop(NULL, 1, "checkpoint_drop of all");
    drop(NULL, 0, "checkpoint_drop with nothing left");
}

static void exports_and_ends(const char *before)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_capture *cap = NULL, *second = NULL;
    HF_AUTOFREE char *token = NULL, *other = NULL;
    struct hf_call call = call_in(60000), strange = call_in(60000);
    struct hf_export_state state = {.struct_size = sizeof state};
    int rc = plan("hf-conformance-8", &cap, &token, &err);
    rc = rc ? rc : t.p->capture_prepare(t.in, &call, cap, &err);
    rc = rc ? rc : t.p->capture_begin(t.in, &call, cap, &err);
    rc = rc ? rc : t.p->capture_settle(t.in, &call, cap, &err);
    check(rc == 0, "an export begins", &err);
    if (rc == 0) {
        check(failed_as(do_busy(&call, t.id, &err), &err, HF_E_BUSY), "the VM is busy", &err);
        rc = plan("hf-conformance-9", &second, &other, &err);
        check(failed_as(rc, &err, HF_E_BUSY), "a second export is refused", &err);
        t.p->capture_free(t.in, second);
        tells_each_disk(cap, HF_EXPORT_NBD);
        strange.flags = UINT32_C(1) << 31;
        rc = t.p->export_watch(t.in, &strange, cap, &state, &err);
        check(failed_as(rc, &err, HF_E_UNSUPPORTED), "export_watch refuses unknown flag bits",
              &err);
        check(t.p->export_watch(t.in, &call, cap, &state, &err) == 0, "export_watch", &err);
        check(t.p->export_end(t.in, &call, cap, &err) == 0, "export_end", &err);
        check(do_busy(&call, t.id, &err) == 0, "the VM is idle after it", &err);
        rc = t.p->export_watch(t.in, &call, cap, &state, &err);
        check(failed_as(rc, &err, HF_E_CONFLICT), "export_watch after the end", &err);
        drops_its_checkpoint("hf-conformance-8");
    }
    t.p->capture_free(t.in, cap);
    discard_twice("hf-conformance-8", token, before);
}

/* Those that a capture of either kind has. */
static void tries_each_step(const char *before)
{
    plans_without_effect(before);
    gives_back_a_prepared_capture(before, true);
    gives_back_a_prepared_capture(before, false);
    discards_a_finished_capture(before);
    a_begin_after_its_deadline_has_no_effect(before);
    a_cancelled_begin_has_no_effect(before);
}

/* ---- a backup that the hypervisor keeps ----------------------------------------------------- */

#define PUSHED "hf-conformance-10"
#define PUSHED_MAX 512

struct pushed_seen {
    char ref[PUSHED_MAX]; /* of ours */
    size_t n_ours, n_others;
    uint64_t bytes;
};

static int take_pushed(void *ctx, const struct hf_pushed *p)
{
    struct pushed_seen *s = ctx;
    if (p->struct_size < sizeof *p || !p->ref || !*p->ref || strlen(p->ref) >= PUSHED_MAX ||
        !p->form || !*p->form || !p->place || !*p->place || (p->is_ours && !p->run))
        return -1;
    if (!p->is_ours || strcmp(p->run, PUSHED) != 0) {
        s->n_others++;
        return 0;
    }
    s->n_ours++;
    s->bytes = p->stored_bytes;
    snprintf(s->ref, sizeof s->ref, "%s", p->ref);
    return 0;
}

static void lists_pushed(size_t ours, struct pushed_seen *out, const char *what)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_call call = call_in(30000);
    *out = (struct pushed_seen){0};
    int rc = t.p->pushed_list(t.in, &call, t.id, take_pushed, out, &err);
    check(rc == 0 && out->n_ours == ours, what, &err);
}

static void refuses_strange_flags(const char *ref)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_call strange = call_in(10000);
    struct hf_pushed p = {.struct_size = sizeof p};
    struct pushed_seen seen = {0};
    strange.flags = UINT32_C(1) << 31;
    int rc = t.p->pushed_list(t.in, &strange, t.id, take_pushed, &seen, &err);
    check(failed_as(rc, &err, HF_E_UNSUPPORTED), "pushed_list refuses unknown flag bits", &err);
    rc = t.p->pushed_find(t.in, &strange, t.id, ref, &p, &err);
    check(failed_as(rc, &err, HF_E_UNSUPPORTED), "pushed_find refuses unknown flag bits", &err);
    rc = t.p->pushed_delete(t.in, &strange, t.id, ref, PUSHED, &err);
    check(failed_as(rc, &err, HF_E_UNSUPPORTED), "pushed_delete refuses unknown flag bits", &err);
}

static void finds_and_deletes_it(const char *ref)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_call call = call_in(60000);
    struct hf_pushed p = {.struct_size = sizeof p};
    struct pushed_seen seen;
    int rc = t.p->pushed_find(t.in, &call, t.id, ref, &p, &err);
    check(rc == 0 && strcmp(p.ref, ref) == 0 && p.is_ours, "pushed_find", &err);
    rc = t.p->pushed_delete(t.in, &call, t.id, ref, "hf-another", &err);
    check(failed_as(rc, &err, HF_E_CONFLICT), "pushed_delete of another's", &err);
    lists_pushed(1, &seen, "… which stays");
    check(t.p->pushed_delete(t.in, &call, t.id, ref, PUSHED, &err) == 0, "pushed_delete", &err);
    lists_pushed(0, &seen, "it is gone");
    check(t.p->pushed_delete(t.in, &call, t.id, ref, PUSHED, &err) == 0,
          "pushed_delete of what is gone", &err);
    p = (struct hf_pushed){.struct_size = sizeof p};
    rc = t.p->pushed_find(t.in, &call, t.id, ref, &p, &err);
    check(failed_as(rc, &err, HF_E_NOT_FOUND), "pushed_find of what is gone", &err);
}

/* What a process that died after export_end leaves: discard takes all of it away. */
static void pushes(const char *before, bool is_discarded)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_capture *cap = NULL;
    HF_AUTOFREE char *token = NULL;
    struct hf_call call = call_in(60000);
    struct hf_pushed p = {.struct_size = sizeof p};
    struct pushed_seen seen;
    int rc = plan(PUSHED, &cap, &token, &err);
    rc = rc ? rc : t.p->capture_prepare(t.in, &call, cap, &err);
    rc = rc ? rc : t.p->capture_begin(t.in, &call, cap, &err);
    rc = rc ? rc : t.p->capture_settle(t.in, &call, cap, &err);
    check(rc == 0, "a pushed export begins", &err);
    if (rc == 0) {
        tells_each_disk(cap, HF_EXPORT_PUSHED);
        check(t.p->export_end(t.in, &call, cap, &err) == 0, "export_end of a pushed one", &err);
        check(t.p->export_pushed(t.in, &call, cap, &p, &err) == 0 && p.is_ours &&
                  strcmp(p.run, PUSHED) == 0 && p.stored_bytes,
              "export_pushed", &err);
        lists_pushed(1, &seen, "pushed_list");
        refuses_strange_flags(seen.ref);
    }
    t.p->capture_free(t.in, cap);
    lists_pushed(1, &seen, "it stays when the capture is forgotten");
    if (!is_discarded)
        finds_and_deletes_it(seen.ref);
    discard_twice(PUSHED, token, before);
    lists_pushed(0, &seen, "discard leaves nothing of it");
}

static void exports_pushed(void)
{
    HF_AUTOFREE char *before = definition();
    struct hf_err err = HF_ERR_INIT;
    struct hf_call call = call_in(10000);
    t.kind = HF_CAPTURE_EXPORT;
    tries_each_step(before);
    pushes(before, false);
    pushes(before, true);
    check(do_busy(&call, t.id, &err) == 0, "no task of an export is left", &err);
    t.kind = HF_CAPTURE_SNAPSHOT;
}

/* ---- disks that the plugin delivers itself ---------------------------------------------------- */

struct delivered {
    uint64_t behind, most; /* most: it is enough then, and refused */
    bool is_out_of_order;
};

static int take_extent(void *ctx, uint64_t at, const void *data, uint64_t len)
{
    struct delivered *d = ctx;
    (void)data;
    d->is_out_of_order |= at != d->behind || !len;
    d->behind = at + len;
    return d->behind > d->most ? -1 : 0;
}

static void stream_disk(struct hf_capture *cap, const char *target)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_call call = call_in(60000), strange = call_in(10000);
    struct hf_export e = {.struct_size = sizeof e};
    strange.flags = UINT32_C(1) << 31;
    int rc = t.p->export_disk(t.in, &call, cap, target, &e, &err);
    check(rc == 0 && e.form == HF_EXPORT_STREAM && e.size_bytes, "export_disk of a stream", &err);
    struct delivered d = {.most = 0};
    rc = t.p->export_stream(t.in, &strange, cap, target, take_extent, &d, &err);
    check(failed_as(rc, &err, HF_E_UNSUPPORTED), "export_stream refuses unknown flag bits", &err);
    hf_err_clear(&err);
    rc = t.p->export_stream(t.in, &call, cap, target, take_extent, &d, &err);
    check(rc == -1 && !err.cls, "export_stream ends when it is refused, and leaves the error alone",
          &err);
    hf_err_clear(&err);
    d = (struct delivered){.most = e.size_bytes};
    rc = t.p->export_stream(t.in, &call, cap, target, take_extent, &d, &err);
    check(rc == 0 && !d.is_out_of_order && d.behind == e.size_bytes,
          "export_stream delivers all of it, in order", &err);
}

/* The list of disks is a call of the same instance: first it, then they. */
struct targets {
    char names[8][64];
    size_t n;
};

static int note_target(void *ctx, const struct hf_disk *disk)
{
    struct targets *all = ctx;
    if (!disk->skipped && all->n < HF_ARRAY_SIZE(all->names))
        snprintf(all->names[all->n++], sizeof all->names[0], "%s", disk->target);
    return 0;
}

static void streams_each_disk(struct hf_capture *cap)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_call call = call_in(30000);
    struct targets all = {.n = 0};
    check(t.p->vm_disks(t.in, &call, t.id, note_target, &all, &err) == 0, "vm_disks", &err);
    for (size_t i = 0; i < all.n; i++)
        stream_disk(cap, all.names[i]);
    check(all.n > 0, "there is a disk to stream", &err);
}

static void streams(const char *before)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_capture *cap = NULL;
    HF_AUTOFREE char *token = NULL;
    struct hf_call call = call_in(120000);
    struct hf_export_state state = {.struct_size = sizeof state};
    int rc = plan("hf-conformance-11", &cap, &token, &err);
    rc = rc ? rc : t.p->capture_prepare(t.in, &call, cap, &err);
    rc = rc ? rc : t.p->capture_begin(t.in, &call, cap, &err);
    rc = rc ? rc : t.p->capture_settle(t.in, &call, cap, &err);
    check(rc == 0, "a streamed export begins", &err);
    if (rc == 0) {
        streams_each_disk(cap);
        check(t.p->export_watch(t.in, &call, cap, &state, &err) == 0, "export_watch", &err);
        check(t.p->export_end(t.in, &call, cap, &err) == 0, "export_end", &err);
        check(t.p->export_end(t.in, &call, cap, &err) == 0, "export_end, again", &err);
        check(is_same_definition(before), "the end leaves nothing", &err);
        rc = t.p->export_watch(t.in, &call, cap, &state, &err);
        check(failed_as(rc, &err, HF_E_CONFLICT), "export_watch after the end", &err);
    }
    t.p->capture_free(t.in, cap);
    discard_twice("hf-conformance-11", token, before);
}

static void exports_streamed(void)
{
    HF_AUTOFREE char *before = definition();
    struct hf_err err = HF_ERR_INIT;
    struct hf_call call = call_in(10000);
    t.kind = HF_CAPTURE_EXPORT;
    tries_each_step(before);
    streams(before);
    check(do_busy(&call, t.id, &err) == 0, "nothing of an export is left", &err);
    t.kind = HF_CAPTURE_SNAPSHOT;
}

static void exports(void)
{
    HF_AUTOFREE char *before =
        definition(); /* a rollback may have left out what is read from the files */
    struct hf_err err = HF_ERR_INIT;
    struct hf_call call = call_in(10000);
    t.kind = HF_CAPTURE_EXPORT;
    tries_each_step(before);
    exports_and_ends(before);
    check(do_busy(&call, t.id, &err) == 0, "no job of an export is left", &err);
    t.kind = HF_CAPTURE_SNAPSHOT;
}

static void captures(void)
{
    HF_AUTOFREE char *before = definition();
    struct hf_err err = HF_ERR_INIT;
    struct hf_call call = call_in(10000);
    struct hf_vm vm = {.struct_size = sizeof vm};
    discard_twice("hf-conformance-0", NULL, before);
    int rc = t.p->vm_find(t.in, &call, t.id, &vm, &err);
    if (rc != 0 || !(vm.can & HF_CAN_SNAPSHOT)) {
        int refused = rc ? rc : do_plan(&call, t.id, &err);
        check(failed_as(refused, &err, HF_E_UNSUPPORTED), "a VM that cannot is refused", &err);
        check(is_same_definition(before), "the definition is that of before", &err);
        return;
    }
    tries_each_step(before);
    lists_and_deletes(before);
    rolls_back(before);
    if (vm.can & HF_CAN_EXPORT_NBD)
        exports();
    if (vm.can & HF_CAN_EXPORT_PUSHED)
        exports_pushed();
    if (vm.can & HF_CAN_EXPORT_STREAM)
        exports_streamed();
}

/* ---- a machine from a definition ------------------------------------------------------------- */

#define MACHINE "hf-conformance-machine"

static int take_finding(void *ctx, const struct hf_machine_finding *f)
{
    int *refused = ctx;
    *refused += f->kind == HF_MACHINE_REFUSED;
    return f->about && *f->about && f->text && *f->text ? 0 : -1;
}

static int take_machine(void *ctx, const struct hf_machine *m)
{
    const char **wanted = ctx;
    if (*wanted && strcmp(m->name, *wanted) == 0 && strcmp(m->run, "run-1") == 0 && m->undo_token)
        *wanted = NULL;
    return 0;
}

/* From the VM's own definition, without its disks: they are another's. */
static int machine_plan(const struct hf_call *call, const char *xml, const char *name,
                        uint32_t flags, char **definition, char **token, struct hf_err *err)
{
    int refused = 0;
    struct hf_machine_request req = {.struct_size = sizeof req,
                                     .flags = flags,
                                     .definition = xml,
                                     .name = name,
                                     .run = "run-1",
                                     .purpose = "drill",
                                     .dir = "/tmp"};
    struct hf_machine_plan p = {.struct_size = sizeof p};
    if (t.p->machine_plan(t.in, call, &req, take_finding, &refused, &p, err) != 0)
        return -1;
    check(!refused && p.vm_id && p.definition && p.undo_token, "a machine's plan is complete", err);
    *definition = strdup(p.definition);
    *token = strdup(p.undo_token);
    return 0;
}

static void refuses_machines(const char *xml)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_call call = call_in(30000), late = call_in(-1), strange = call_in(30000);
    char *none = NULL;
    strange.flags = UINT32_C(1) << 31;
    check(failed_as(machine_plan(&strange, xml, MACHINE, 0, &none, &none, &err), &err,
                    HF_E_UNSUPPORTED),
          "machine_plan refuses unknown flag bits", &err);
    check(failed_as(machine_plan(&call, xml, MACHINE, UINT32_C(1) << 31, &none, &none, &err), &err,
                    HF_E_UNSUPPORTED),
          "machine_plan refuses unknown flags of its request", &err);
    check(failed_as(machine_plan(&late, xml, MACHINE, 0, &none, &none, &err), &err, HF_E_TIMEOUT),
          "machine_plan does nothing after its deadline", &err);
    check(failed_as(machine_plan(&call, "<", MACHINE, 0, &none, &none, &err), &err, HF_E_CORRUPT),
          "machine_plan refuses what is no definition", &err);
    check(failed_as(machine_plan(&call, xml, t.vm, 0, &none, &none, &err), &err, HF_E_CONFLICT),
          "machine_plan refuses a name that is taken", &err);
    check(failed_as(machine_plan(&call, xml, MACHINE, HF_MACHINE_KEEP_UUID, &none, &none, &err),
                    &err, HF_E_CONFLICT),
          "machine_plan refuses an id that is taken", &err);
    const char *const token = "{}";
    check(failed_as(t.p->machine_create(t.in, &call, xml, token, &err), &err, HF_E_CORRUPT) &&
              failed_as(t.p->machine_start(t.in, &call, token, &err), &err, HF_E_CORRUPT) &&
              failed_as(t.p->machine_settle(t.in, &call, token, &err), &err, HF_E_CORRUPT) &&
              failed_as(t.p->machine_destroy(t.in, &call, token, &err), &err, HF_E_CORRUPT),
          "a machine's steps refuse what is no token", &err);
}

static bool is_listed(struct hf_err *err)
{
    struct hf_call call = call_in(10000);
    const char *wanted = MACHINE;
    return t.p->machine_list(t.in, &call, take_machine, &wanted, err) == 0 && !wanted;
}

static void makes_and_takes_away(const char *xml)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_call call = call_in(60000);
    HF_AUTOFREE char *definition = NULL, *token = NULL;
    struct hf_vm vm = {.struct_size = sizeof vm};
    int rc = machine_plan(&call, xml, MACHINE, HF_MACHINE_ISOLATED, &definition, &token, &err);
    check(rc == 0, "machine_plan", &err);
    if (rc != 0)
        return;
    check(failed_as(do_find(&call, MACHINE, &err), &err, HF_E_NOT_FOUND), "it makes nothing", &err);
    check(t.p->machine_destroy(t.in, &call, token, &err) == 0, "machine_destroy of nothing", &err);
    for (int i = 0; i < 2; i++)
        check(t.p->machine_create(t.in, &call, definition, token, &err) == 0,
              "machine_create, and once more", &err);
    rc = t.p->vm_find(t.in, &call, MACHINE, &vm, &err);
    check(rc == 0 && vm.state == HF_VM_OFF, "it is there, and off", &err);
    check(is_listed(&err), "machine_list tells it", &err);
    t.is_cancelled = 1;
    for (int i = 0; i < 2; i++)
        check(t.p->machine_destroy(t.in, &call, token, &err) == 0, "machine_destroy, and once more",
              &err);
    t.is_cancelled = 0;
    check(!is_listed(&err), "machine_list does not tell it any more", &err);
}

static void machines(void)
{
    HF_AUTOFREE char *xml = definition();
    if (!(t.p->capabilities & HF_CAN_MACHINE) || !xml)
        return;
    check(t.p->machine_plan && t.p->machine_create && t.p->machine_start && t.p->machine_settle &&
              t.p->machine_destroy && t.p->machine_list,
          "all steps of a machine are there", &(struct hf_err)HF_ERR_INIT);
    if (t.failed)
        return;
    refuses_machines(xml);
    makes_and_takes_away(xml);
    check(is_same_definition(xml), "the VM it was made from is as before",
          &(struct hf_err)HF_ERR_INIT);
}

/* ---- the guest, where the VM has one that answers --------------------------------------------- */

static void guest_files(void)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_call call = call_in(30000);
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    check(do_file_write(&call, t.id, &err) == 0, "guest_file_write", &err);
    int rc = t.p->guest_file_read(t.in, &call, t.id, GUEST_FILE, 1 << 20, take_data, &b, &err);
    check(rc == 0 && b.len == sizeof content && memcmp(b.data, content, b.len) == 0,
          "guest_file_read of what was written", &err);
    hf_buf_clear(&b);
    rc = t.p->guest_file_read(t.in, &call, t.id, GUEST_FILE, 2, take_data, &b, &err);
    check(rc == 0 && b.len == 2, "guest_file_read keeps its limit", &err);
    const char *const argv[] = {"/bin/rm", GUEST_FILE, NULL};
    struct hf_guest_exec req = {.struct_size = sizeof req, .argv = argv};
    struct hf_guest_exec_result res = {.struct_size = sizeof res, .exit_code = -1};
    rc = t.p->guest_exec(t.in, &call, t.id, &req, &res, &err);
    check(rc == 0 && res.exit_code == 0, "guest_exec", &err);
}

static bool is_state(enum hf_freeze_state wanted, struct hf_err *err)
{
    struct hf_call call = call_in(10000);
    enum hf_freeze_state state = HF_FREEZE_UNKNOWN;
    return t.p->guest_freeze_state(t.in, &call, t.id, &state, err) == 0 && state == wanted;
}

static void guest_freeze(void)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_call call = call_in(30000);
    uint32_t n = 0;
    check(is_state(HF_FREEZE_THAWED, &err), "guest_freeze_state: thawed", &err);
    check(t.p->guest_freeze(t.in, &call, t.id, &n, &err) == 0 && n > 0, "guest_freeze", &err);
    check(is_state(HF_FREEZE_FROZEN, &err), "guest_freeze_state: frozen", &err);
    check(do_thaw(&call, t.id, &err) == 0, "guest_thaw", &err);
    check(is_state(HF_FREEZE_THAWED, &err), "guest_freeze_state: thawed again", &err);
    check(do_thaw(&call, t.id, &err) == 0, "guest_thaw of a guest that is thawed", &err);
    t.is_cancelled = 1;
    check(do_thaw(&call, t.id, &err) == 0, "guest_thaw when cancelled", &err);
    t.is_cancelled = 0;
}

static void guest(void)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_call call = call_in(10000);
    struct hf_vm vm = {.struct_size = sizeof vm};
    int on_disk = 0;
    if (t.p->vm_find(t.in, &call, t.id, &vm, &err) != 0)
        return;
    if (vm.can & HF_CAN_GUEST_FILES && vm.can & HF_CAN_GUEST_EXEC)
        guest_files();
    if (vm.can & HF_CAN_GUEST_FREEZE)
        guest_freeze();
    if (!(vm.can & HF_CAN_GUEST_FSMAP))
        return;
    int rc = t.p->guest_mounts(t.in, &call, t.id, take_mount, &on_disk, &err);
    check(rc == 0 && on_disk, "guest_mounts knows the disk of /", &err);
}

static bool has_all_of(uint64_t can, bool slots_there)
{
    return !(t.p->capabilities & can) || slots_there;
}

static void check_table(void)
{
    struct hf_err err = HF_ERR_INIT;
    check(hf_plugin_check_config(t.p, t.kv, t.n_kv, &err) == 0, "the key table takes the values",
          &err);
    check(t.p->vm_find && t.p->vm_list && t.p->vm_disks && t.p->vm_busy && t.p->vm_definition,
          "all slots about VMs are there", &err);
    check(t.p->capture_plan && t.p->capture_prepare && t.p->capture_begin && t.p->capture_settle &&
              t.p->capture_free && t.p->capture_discard,
          "all steps of a capture are there", &err);
    check(has_all_of(HF_CAN_EXPORT_NBD, t.p->export_disk && t.p->export_watch && t.p->export_end),
          "what it says of exports has its slots", &err);
    check(has_all_of(HF_CAN_EXPORT_PUSHED, t.p->export_disk && t.p->export_watch &&
                                               t.p->export_end && t.p->export_pushed &&
                                               t.p->pushed_list && t.p->pushed_find &&
                                               t.p->pushed_delete),
          "what it says of pushed exports has its slots", &err);
    check(has_all_of(HF_CAN_EXPORT_STREAM, t.p->export_disk && t.p->export_stream &&
                                               t.p->export_watch && t.p->export_end),
          "what it says of streamed exports has its slots", &err);
    check(has_all_of(HF_CAN_GUEST_EXEC, t.p->guest_ping && t.p->guest_exec) &&
              has_all_of(HF_CAN_GUEST_FILES, t.p->guest_file_read && t.p->guest_file_write) &&
              has_all_of(HF_CAN_GUEST_FREEZE,
                         t.p->guest_freeze && t.p->guest_thaw && t.p->guest_freeze_state) &&
              has_all_of(HF_CAN_GUEST_FSMAP, t.p->guest_mounts),
          "what it says it can do in guests has its slots", &err);
}

static bool split(char *text, struct hf_kv *out)
{
    char *equals = strchr(text, '=');
    if (!equals)
        return false;
    *equals = '\0';
    *out = (struct hf_kv){text, equals + 1};
    return true;
}

static bool parse_args(int argc, char **argv)
{
    int i = 3;
    if (argc < 5 || !split(argv[2], &t.wrong))
        return false;
    for (; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (t.n_kv == KV_MAX || !split(argv[i], &t.kv[t.n_kv++]))
            return false;
    if (i + 2 != argc)
        return false;
    t.vm = argv[i + 1];
    return true;
}

int main(int argc, char **argv)
{
    if (!parse_args(argc, argv)) {
        fprintf(stderr, "usage: conformance PLUGIN WRONG-KEY=VALUE KEY=VALUE... -- VM\n");
        return 2;
    }
    struct hf_err err = HF_ERR_INIT;
    const char *dir = getenv("HOLDFAST_PLUGIN_DIR");
    HF_AUTO(hf_plugin_handle)
    struct hf_plugin_handle *h = hf_plugin_load(dir ? dir : HF_PLUGIN_DIR, argv[1], NULL, &err);
    check(h != NULL, "loads", &err);
    if (!h)
        return 1;
    t.p = hf_plugin_table(h);
    check_table();
    opens_and_closes_without_a_trace();
    two_instances_are_independent();
    a_wrong_endpoint_is_an_error();
    if (t.failed || t.p->open(&host, t.kv, t.n_kv, &t.in, &err) != 0)
        return 1;
    finds_and_lists();
    for (size_t i = 0; i < HF_ARRAY_SIZE(slots); i++)
        if (has_slot(&slots[i]))
            check_slot(&slots[i]);
    guest();
    captures();
    machines();
    t.p->close(t.in);
    printf("%d failed\n", t.failed);
    return t.failed ? 1 : 0;
}
