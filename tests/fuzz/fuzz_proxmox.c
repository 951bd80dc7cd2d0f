/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as what the API of Proxmox VE answers, one answer after the other: every slot of the plugin takes them or fails with
 * a reason, asks only for what can be a path, tells the host only what the contract allows, and comes to an end.
 *
 * Input: the first byte chooses the slot. Then answers, each a byte (200, or another status), a reason and a newline where it is
 * no 200, and the body, up to a NUL. After the last one nobody answers any more. hosts.c is played here.
 */
#include "plugin.h"
#include "pve.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const struct hf_plugin *holdfast_plugin_entry(const struct hf_host *host);

#define REQUESTS_MAX 4000 /* of one slot, whatever it is told */

static struct {
    const char *at, *end;
    int64_t now_ms;
    int n_requests;
} api;

/* ---- time, which passes while nothing is done ---------------------------------------------------------------- */

int usleep(useconds_t us)
{
    api.now_ms += us / 1000 + 1;
    return 0;
}

static int64_t now_ms(void *ctx)
{
    (void)ctx;
    return api.now_ms;
}

static void take_log(void *ctx, enum hf_log_level level, const char *message)
{
    (void)ctx;
    assert(level <= HF_LOG_DEBUG && message && !strpbrk(message, "\n\r"));
}

static int never(void *ctx)
{
    (void)ctx;
    return 0;
}

/* ---- the wire -------------------------------------------------------------------------------------------------- */

struct pve_hosts *pve_hosts_new(const struct hf_strv *hosts, const struct pve_trust *trust,
                                const struct hf_host *host, int (*is_cancelled)(void *ctx),
                                void *ctx, struct hf_err *err)
{
    (void)hosts, (void)trust, (void)host, (void)is_cancelled, (void)ctx, (void)err;
    return NULL;
}

void pve_hosts_free(struct pve_hosts *h)
{
    (void)h;
}

const char *pve_hosts_name(const struct pve_hosts *h)
{
    (void)h;
    return "pve1";
}

void pve_hosts_next(struct pve_hosts *h)
{
    (void)h;
}

static void check_request(const struct hf_http_request *req, const char *path)
{
    assert(strncmp(path, "/api2/json/", 11) == 0);
    for (const char *p = path; *p; p++)
        assert((unsigned char)*p > ' ' && (unsigned char)*p < 0x7f);
    assert(strcmp(req->method, "GET") == 0 || req->is_once);
    assert(++api.n_requests < REQUESTS_MAX);
}

static void take_status(struct hf_http_answer *out)
{
    static const short statuses[] = {400, 401, 403, 500, 501, 595, 596, 599};
    unsigned char choice = (unsigned char)*api.at++;
    out->status = choice < 0x80 ? 200 : statuses[choice % HF_ARRAY_SIZE(statuses)];
    if (out->status == 200)
        return;
    size_t left = (size_t)(api.end - api.at);
    const char *eol = memchr(api.at, '\n', left);
    size_t len = eol ? (size_t)(eol - api.at) : 0;
    hf_buf_printf(&out->headers, "HTTP/1.1 %ld %.*s\n", out->status, (int)len, api.at);
    api.at += eol ? len + 1 : 0;
}

int pve_hosts_run(struct pve_hosts *h, struct hf_http_request *req, const char *path,
                  int64_t deadline_ms, int64_t answer_ms, struct hf_http_answer *out,
                  struct hf_err *err)
{
    (void)h, (void)deadline_ms, (void)answer_ms;
    check_request(req, path);
    api.now_ms += 5;
    *out = (struct hf_http_answer){.was_sent = true};
    if (api.at >= api.end) {
        api.now_ms += 2000;
        return hf_fail(err, HF_E_UNREACHABLE, "nobody answers any more");
    }
    take_status(out);
    size_t left = (size_t)(api.end - api.at);
    const char *nul = memchr(api.at, '\0', left);
    size_t len = nul ? (size_t)(nul - api.at) : left;
    hf_buf_add(&out->body, api.at, len);
    api.at += len + (nul ? 1 : 0);
    return 0;
}

/* ---- what the host is told ---------------------------------------------------------------------------------------- */

static int take_vm(void *ctx, const struct hf_vm *vm)
{
    (void)ctx;
    assert(vm->struct_size && vm->id && *vm->id && vm->name && vm->state <= HF_VM_CRASHED);
    return 0;
}

static int take_disk(void *ctx, const struct hf_disk *d)
{
    (void)ctx;
    assert(d->struct_size && d->target && *d->target && strlen(d->target) < 16);
    assert(!d->store || (*d->store && !strpbrk(d->store, "\n\r")));
    assert(d->store_free_bytes <= d->store_total_bytes && (d->store || !d->store_total_bytes));
    return 0;
}

static int take_snapshot(void *ctx, const struct hf_snapshot *s)
{
    (void)ctx;
    assert(s->struct_size && s->name && (!s->is_ours || s->description));
    return 0;
}

static int take_text(void *ctx, const char *line)
{
    (void)ctx;
    assert(line);
    return 0;
}

static int take_mount(void *ctx, const struct hf_guest_mount *m)
{
    (void)ctx;
    assert(m->mountpoint && *m->mountpoint);
    return 0;
}

static int take_data(void *ctx, int stream, const void *data, size_t len)
{
    (void)ctx;
    assert((stream == 1 || stream == 2) && (data || !len));
    return 0;
}

/* ---- the slots -------------------------------------------------------------------------------------------------------- */

#define NAME "hf-20261123T030000Z-7f3a9c21"
#define ROLLBACK                                                                                   \
    "{\"v\":1,\"op\":\"rollback\",\"vm\":\"100\",\"name\":\"" NAME                                 \
    "\",\"back\":\"back-1\",\"was_active\":true,\"final\":%s,\"seen\":\"\",\"younger\":[\"hf-2\"]" \
    "}"

static int capture(const struct hf_plugin *p, struct hf_instance *in, const struct hf_call *call,
                   enum hf_capture_kind kind, struct hf_err *err)
{
    struct hf_capture *cap = NULL;
    struct hf_capture_plan plan = {.struct_size = sizeof plan};
    struct hf_export e = {.struct_size = sizeof e};
    struct hf_capture_request req = {
        .struct_size = sizeof req, .kind = kind, .vm_id = "100", .name = NAME};
    if (p->capture_plan(in, call, &req, take_text, NULL, &cap, &plan, err) != 0)
        return -1;
    assert(cap && plan.undo_token && *plan.undo_token);
    int rc = p->capture_prepare(in, call, cap, err);
    if (rc == 0)
        rc = p->capture_begin(in, call, cap, err);
    if (rc == 0)
        rc = p->capture_settle(in, call, cap, err);
    if (rc == 0 && kind == HF_CAPTURE_EXPORT)
        rc = p->export_disk(in, call, cap, "scsi0", &e, err);
    if (rc == 0 && kind == HF_CAPTURE_EXPORT)
        rc = p->export_end(in, call, cap, err);
    p->capture_free(in, cap);
    return rc;
}

static int guest(const struct hf_plugin *p, struct hf_instance *in, const struct hf_call *call,
                 int which, struct hf_err *err)
{
    static const char *const argv[] = {"/bin/true", NULL};
    struct hf_guest_exec req = {
        .struct_size = sizeof req, .max_output_bytes = 4096, .argv = argv, .output = take_data};
    struct hf_guest_exec_result result = {.struct_size = sizeof result};
    enum hf_freeze_state state = HF_FREEZE_UNKNOWN;
    uint32_t frozen = 0;
    switch (which) {
    case 0:
        return p->guest_ping(in, call, "100", err);
    case 1:
        return p->guest_exec(in, call, "100", &req, &result, err);
    case 2:
        return p->guest_file_read(in, call, "100", "/x", 4096, take_data, NULL, err);
    case 3:
        return p->guest_freeze(in, call, "100", &frozen, err);
    case 4:
        return p->guest_freeze_state(in, call, "100", &state, err);
    default:
        return p->guest_mounts(in, call, "100", take_mount, NULL, err);
    }
}

static int rollback(const struct hf_plugin *p, struct hf_instance *in, const struct hf_call *call,
                    int which, struct hf_err *err)
{
    char token[256];
    struct hf_rollback_plan plan = {.struct_size = sizeof plan};
    struct hf_rollback_request req = {
        .struct_size = sizeof req, .vm_id = "100", .name = NAME, .run = "1"};
    snprintf(token, sizeof token, ROLLBACK, which & 1 ? "true" : "false");
    switch (which / 2) {
    case 0:
        return p->rollback_plan(in, call, &req, take_text, take_text, NULL, &plan, err);
    case 1:
        return p->rollback_switch(in, call, "100", token, err);
    case 2:
        return p->rollback_settle(in, call, "100", token, take_text, NULL, err);
    default:
        return p->rollback_undo(in, call, "100", token, err);
    }
}

static int choose(const struct hf_plugin *p, struct hf_instance *in, const struct hf_call *call,
                  int which, struct hf_err *err)
{
    struct hf_vm vm = {.struct_size = sizeof vm};
    const char *text = NULL;
    switch (which) {
    case 0:
        return p->vm_list(in, call, take_vm, NULL, err);
    case 1:
        return p->vm_find(in, call, "db1", &vm, err) == 0 ? take_vm(NULL, &vm) : -1;
    case 2:
        return p->vm_disks(in, call, "100", take_disk, NULL, err);
    case 3:
        return p->vm_busy(in, call, "100", err);
    case 4:
        return p->vm_definition(in, call, "100", &text, err);
    case 5:
        return p->snapshot_list(in, call, "100", take_snapshot, NULL, err);
    case 6:
        return p->snapshot_delete(in, call, "100", NAME, err);
    case 7:
        return p->capture_discard(in, call, "100", NAME, "proxmox 1 100 " NAME, err);
    case 8:
        return p->capture_discard(in, call, "100", NAME, "proxmox vzdump 1 100 pve1 nfs1 -", err);
    case 9:
        return capture(p, in, call, HF_CAPTURE_SNAPSHOT, err);
    case 10:
        return capture(p, in, call, HF_CAPTURE_EXPORT, err);
    default:
        return which < 20 ? guest(p, in, call, which - 11, err)
                          : rollback(p, in, call, which & 7, err);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct hf_host host = {.magic = HF_HOST_MAGIC,
                                        .abi_major = HF_ABI_MAJOR,
                                        .abi_minor = HF_ABI_MINOR,
                                        .struct_size = sizeof host,
                                        .log = take_log,
                                        .cancelled = never,
                                        .now_ms = now_ms};
    struct hf_err err = HF_ERR_INIT;
    const struct hf_call call = {
        .struct_size = sizeof call, .deadline_ms = 60000, .request_id = "1"};
    const struct hf_plugin *plugin = holdfast_plugin_entry(&host);
    struct hf_instance *in = calloc(1, sizeof *in);
    if (!size || !in) {
        free(in);
        return 0;
    }
    in->host = &host;
    in->token_file = strdup("/token");
    in->backup_storage = strdup("nfs1");
    in->secret = hf_secret_new("holdfast@pve!run=8f1c2d3e", 25);
    in->major = data[0] & 1 ? 9 : 8;
    in->body_max = 65536;
    api.at = (const char *)data + 1;
    api.end = (const char *)data + size;
    api.now_ms = api.n_requests = 0;
    int rc = choose(plugin, in, &call, data[0] % 28, &err);
    assert(rc == 0 || (err.cls && err.message[0]));
    plugin->close(in);
    return 0;
}
