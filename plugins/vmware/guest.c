/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

#include "base/point.h"
#include "vm.h"

#include <string.h>

#define POLL_FIRST_MS 50
#define POLL_MS 500
#define END_MS 7000 /* Tools send SIGKILL after 5 s */
#define CLEAN_UP_MS                                                                                \
    2000 /* of the call's time, at the most a fifth: for the program's end and its folder */

int vmw_guest_enter(struct vmw_guest *g, struct hf_instance *in, const struct hf_call *call,
                    const char *vm_id, struct hf_err *err)
{
    static const char *const paths[] = {"fileManager", "processManager", NULL};
    HF_AUTO(vmw_props) struct vmw_props p = {0};
    *g = (struct vmw_guest){.in = in, .call = call};
    if (vmw_enter(in, call, err) != 0 || vmw_locate(in, call, vm_id, err) != 0)
        return -1;
    if (!in->guest_user)
        return hf_fail(err, HF_E_CONFIG, "no guest-user and guest-password-file are configured");
    if (!in->content.guest.id[0])
        return hf_fail(err, HF_E_UNSUPPORTED, "the server has no guest operations");
    if (vmw_props_get(in, call, &in->content.guest, paths, &p, err) != 0)
        return -1;
    if (!vmw_ref_read(vmw_prop(p.object, "fileManager"), &g->files) ||
        !vmw_ref_read(vmw_prop(p.object, "processManager"), &g->programs))
        return hf_fail(err, HF_E_UNSUPPORTED, "the server has no guest operations");
    return 0;
}

void vmw_guest_put(const struct vmw_guest *g, struct vmw_args *a)
{
    vmw_put_ref(a, "vm", &g->in->vm);
    vmw_put_begin(a, "auth", "NamePasswordAuthentication");
    vmw_put_bool(a, "interactiveSession", false);
    vmw_put(a, "username", g->in->guest_user);
    vmw_put(a, "password", hf_secret_reveal(g->in->guest_password));
    vmw_put_end(a, "auth");
}

int vmw_guest_call(const struct vmw_guest *g, bool of_files, const char *method,
                   struct vmw_args *args, bool is_read, struct vmw_tree **out, struct hf_err *err)
{
    struct vmw_request req = {.method = method,
                              .self = of_files ? &g->files : &g->programs,
                              .args = args,
                              .is_read = is_read};
    return vmw_call(g->in, g->call, &req, out, err);
}

/* ---- programs ------------------------------------------------------------------------------------------------------ */

/* 1: it has ended; 0: it has not; -1. A process of which nothing is known: CORRUPT. */
static int look(const struct vmw_guest *g, int64_t pid, int *out_status, struct hf_err *err)
{
    HF_AUTO(vmw_args) struct vmw_args args = VMW_ARGS_INIT;
    HF_AUTO(vmw_tree) struct vmw_tree *t = NULL;
    vmw_guest_put(g, &args);
    vmw_put_int(&args, "pids", pid);
    if (vmw_guest_call(g, false, "ListProcessesInGuest", &args, true, &t, err) != 0)
        return -1;
    const struct vmw_node *p = vmw_child(vmw_response(t), "returnval");
    while (p && vmw_int(vmw_child(p, "pid"), -1) != pid)
        p = vmw_next(p);
    if (!p)
        return hf_fail(err, HF_E_PLUGIN,
                       "the guest knows nothing of process %lld any more: VMware "
                       "Tools were restarted",
                       (long long)pid);
    if (!vmw_child(p, "endTime"))
        return 0;
    *out_status = (int)vmw_int(vmw_child(p, "exitCode"), 0); /* a 0 may be left out */
    return 1;
}

static int wait_for(const struct vmw_guest *g, int64_t pid, int *out_status, struct hf_err *err)
{
    for (int64_t pause = POLL_FIRST_MS;; pause = pause * 2 < POLL_MS ? pause * 2 : POLL_MS) {
        struct hf_err away = HF_ERR_INIT;
        int rc = look(g, pid, out_status, &away);
        if (rc > 0)
            return 0;
        if (rc < 0 && !vmw_is_away(&away)) {
            hf_err_copy(err, &away);
            return -1;
        }
        if (vmw_check_stop(g->in, g->call, err) != 0)
            return -1;
        vmw_pause(g->in, g->call, pause);
    }
}

static void quote(struct hf_buf *out, const char *word)
{
    hf_buf_str_add(out, "'");
    for (; *word; word++)
        if (*word == '\'')
            hf_buf_str_add(out, "'\\''");
        else
            hf_buf_add(out, word, 1);
    hf_buf_str_add(out, "'");
}

/* What the shell is to do: the program with files for streams, then of its output as much as is wanted, and one byte more. Who ends the
 * shell (Tools end that one process, by SIGTERM first) ends the program. */
static int script_of(const struct hf_guest_exec *req, const char *dir, struct hf_buf *out)
{
    HF_AUTO(hf_buf) struct hf_buf inner = HF_BUF_INIT;
    unsigned long most = (unsigned long)req->max_output_bytes + 1;
    hf_buf_str_add(&inner, "cd ");
    quote(&inner, dir);
    hf_buf_str_add(&inner, " || exit 126; umask 077; (cd /; exec");
    for (size_t i = 0; req->argv[i]; i++) {
        hf_buf_str_add(&inner, " ");
        quote(&inner, req->argv[i]);
    }
    hf_buf_printf(&inner,
                  ") <%s >out 2>err & p=$!; trap 'kill -9 $p; exit 143' TERM; wait $p; r=$?; "
                  "head -c %lu out >o; head -c %lu err >e; exit $r",
                  req->input_len ? "in" : "/dev/null", most, most);
    hf_buf_str_add(out, "-c ");
    quote(out, hf_buf_str(&inner));
    return hf_buf_ok(&inner) && hf_buf_ok(out) ? 0 : -1;
}

static int start(const struct vmw_guest *g, const struct hf_guest_exec *req, const char *dir,
                 int64_t *out_pid, struct hf_err *err)
{
    HF_AUTO(vmw_args) struct vmw_args args = VMW_ARGS_INIT;
    HF_AUTO(vmw_tree) struct vmw_tree *t = NULL;
    HF_AUTO(hf_buf) struct hf_buf script = HF_BUF_INIT;
    if (script_of(req, dir, &script) != 0)
        return hf_fail_nomem(err);
    vmw_guest_put(g, &args);
    vmw_put_begin(&args, "spec", "GuestProgramSpec");
    vmw_put(&args, "programPath", "/bin/sh");
    vmw_put(&args, "arguments", script.data);
    vmw_put_end(&args, "spec");
    if (HF_POINT_ERR("vmware.before_guest_exec", err) != 0)
        return -1;
    if (vmw_guest_call(g, false, "StartProgramInGuest", &args, false, &t, err) != 0)
        return g->in->is_unclear ? hf_left(err, "'%.100s' may run in the guest", req->argv[0]) : -1;
    *out_pid = vmw_int(vmw_child(vmw_response(t), "returnval"), 0);
    if (*out_pid <= 0)
        return hf_fail(err, HF_E_PLUGIN, "the guest started no process");
    return HF_POINT_ERR("vmware.after_guest_exec", err);
}

/* One stream, of the file that holds it. */
static int tell(const struct vmw_guest *g, const struct hf_guest_exec *req, const char *dir,
                int stream, struct hf_guest_exec_result *out, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf data = HF_BUF_INIT;
    HF_AUTOFREE char *path = hf_asprintf("%s/%s", dir, stream == 1 ? "o" : "e");
    if (!path)
        return hf_fail_nomem(err);
    if (vmw_guest_get(g, path, (size_t)req->max_output_bytes + 1, &data, err) != 0)
        return -1;
    out->truncated |= data.len > req->max_output_bytes;
    if (data.len > req->max_output_bytes)
        data.len = req->max_output_bytes;
    return data.len && req->output(req->output_ctx, stream, data.data, data.len) != 0 ? -1 : 0;
}

/* Nobody waits for it any more: it is ended, in what of the call's time was kept for that. What may run on is said. */
static int end(const struct vmw_guest *g, const struct hf_call *whole, int64_t pid,
               const char *name, struct hf_err *err)
{
    HF_AUTO(vmw_args) struct vmw_args args = VMW_ARGS_INIT;
    HF_AUTO(vmw_tree) struct vmw_tree *t = NULL;
    struct hf_err why = HF_ERR_INIT;
    struct vmw_guest late = *g;
    int64_t left = vmw_left_ms(g->in, whole) / 2, until = vmw_now_ms(g->in);
    int status = 0, rc = 0;
    until += left < END_MS ? left : END_MS;
    late.call = whole;
    g->in->ignores_cancel = true;
    vmw_guest_put(&late, &args);
    vmw_put_int(&args, "pid", pid);
    if (vmw_guest_call(&late, false, "TerminateProcessInGuest", &args, false, &t, &why) == 0)
        while ((rc = look(&late, pid, &status, &why)) == 0 && vmw_now_ms(g->in) < until)
            vmw_pause(g->in, whole, POLL_FIRST_MS);
    g->in->ignores_cancel = false;
    return rc > 0 ? -1
                  : hf_left(err, "'%.100s' may still run in the guest (pid %lld)", name,
                            (long long)pid);
}

static int run(const struct vmw_guest *g, const struct hf_call *whole,
               const struct hf_guest_exec *req, const char *dir, struct hf_guest_exec_result *out,
               struct hf_err *err)
{
    HF_AUTOFREE char *in_path = hf_asprintf("%s/in", dir);
    int64_t pid = 0;
    int status = 0;
    if (!in_path)
        return hf_fail_nomem(err);
    if ((req->input_len && vmw_guest_put_file(g, in_path, req->input, req->input_len, err) != 0) ||
        start(g, req, dir, &pid, err) != 0)
        return -1;
    if (wait_for(g, pid, &status, err) != 0)
        return end(g, whole, pid, req->argv[0], err);
    bool by_signal = status > 128 && status <= 192; /* as shells tell it */
    out->exit_code = by_signal ? -1 : status;
    out->term_signal = by_signal ? status - 128 : 0;
    if (!req->output)
        return 0;
    return tell(g, req, dir, 1, out, err) == 0 ? tell(g, req, dir, 2, out, err) : -1;
}

static int make_dir(const struct vmw_guest *g, char **out, struct hf_err *err)
{
    HF_AUTO(vmw_args) struct vmw_args args = VMW_ARGS_INIT;
    HF_AUTO(vmw_tree) struct vmw_tree *t = NULL;
    vmw_guest_put(g, &args);
    vmw_put(&args, "prefix", "holdfast-");
    vmw_put(&args, "suffix", "");
    if (vmw_guest_call(g, true, "CreateTemporaryDirectoryInGuest", &args, false, &t, err) != 0)
        return -1;
    const char *path = vmw_child_text(vmw_response(t), "returnval");
    if (!path || *path != '/' || strlen(path) > 512) {
        hf_fail(err, HF_E_UNSUPPORTED, "the guest's folder is no absolute path");
        return hf_hint(err, "Programs run in guests that have a /bin/sh.");
    }
    *out = strdup(path);
    return *out ? 0 : hf_fail_nomem(err);
}

/* Also when the rest of the time is up: input may be a secret. */
static void drop_dir(const struct vmw_guest *g, const char *dir)
{
    HF_AUTO(vmw_args) struct vmw_args args = VMW_ARGS_INIT;
    HF_AUTO(vmw_tree) struct vmw_tree *t = NULL;
    struct hf_err ignored = HF_ERR_INIT;
    g->in->ignores_cancel = true;
    vmw_guest_put(g, &args);
    vmw_put(&args, "directoryPath", dir);
    vmw_put_bool(&args, "recursive", true);
    if (vmw_guest_call(g, true, "DeleteDirectoryInGuest", &args, false, &t, &ignored) != 0)
        vmw_log(g->in, HF_LOG_WARN, "folder %s of the guest stays: %s", dir, ignored.message);
    g->in->ignores_cancel = false;
}

int vmware_guest_exec(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                      const struct hf_guest_exec *req, struct hf_guest_exec_result *out,
                      struct hf_err *err)
{
    struct vmw_guest g;
    struct hf_call part = *call;
    HF_AUTOFREE char *dir = NULL;
    if (vmw_guest_enter(&g, in, call, vm_id, err) != 0)
        return -1;
    int64_t spare = vmw_left_ms(in, call) / 5;
    if (call->deadline_ms != HF_NO_DEADLINE)
        part.deadline_ms -= spare < CLEAN_UP_MS ? spare : CLEAN_UP_MS;
    g.call = &part;
    if (make_dir(&g, &dir, err) != 0)
        return -1;
    int rc = run(&g, call, req, dir, out, err);
    g.call = call;
    drop_dir(&g, dir);
    return rc;
}

/* That Tools answer, and take the account: a process that is always there, or nobody's. */
int vmware_guest_ping(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                      struct hf_err *err)
{
    HF_AUTO(vmw_args) struct vmw_args args = VMW_ARGS_INIT;
    HF_AUTO(vmw_tree) struct vmw_tree *t = NULL;
    struct vmw_guest g;
    if (vmw_guest_enter(&g, in, call, vm_id, err) != 0)
        return -1;
    vmw_guest_put(&g, &args);
    vmw_put_int(&args, "pids", 1);
    return vmw_guest_call(&g, false, "ListProcessesInGuest", &args, true, &t, err);
}
