/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

#include "base/point.h"
#include "vm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define POLL_FIRST_MS 50
#define POLL_MS 500
#define TOOLS_MS 10000      /* that Tools may take for a question */
#define NO_FOLDER 126       /* of the shell, whose folder is gone */
#define SIZES_MAX_BYTES 128 /* three lines of wc */
#define END_MS 7000         /* Tools send SIGKILL after 5 s */
#define CLEAN_UP_MS 2000    /* to end it and drop its folder; at most a fifth of the time */

/* They are the server's, and stay as long as it. */
static int load_managers(struct hf_instance *in, const struct hf_call *call, struct hf_err *err)
{
    static const char *const paths[] = {"fileManager", "processManager", NULL};
    HF_AUTO(vmw_props) struct vmw_props p = {0};
    if (vmw_props_get(in, call, &in->content.guest, paths, &p, err) != 0)
        return -1;
    if (!vmw_ref_read(vmw_prop(p.object, "fileManager"), &in->content.guest_files) ||
        !vmw_ref_read(vmw_prop(p.object, "processManager"), &in->content.guest_programs))
        return hf_fail(err, HF_E_UNSUPPORTED, "the server has no guest operations");
    return 0;
}

int vmw_guest_enter(struct vmw_guest *g, struct hf_instance *in, const struct hf_call *call,
                    const char *vm_id, struct hf_err *err)
{
    *g = (struct vmw_guest){.in = in, .call = call};
    if (vmw_enter(in, call, err) != 0 || vmw_locate(in, call, vm_id, err) != 0)
        return -1;
    if (!in->guest_user)
        return hf_fail(err, HF_E_CONFIG, "no guest-user and guest-password-file are configured");
    if (!in->content.guest.id[0])
        return hf_fail(err, HF_E_UNSUPPORTED, "the server has no guest operations");
    return in->content.guest_programs.id[0] ? 0 : load_managers(in, call, err);
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
                              .self = of_files ? &g->in->content.guest_files
                                               : &g->in->content.guest_programs,
                              .args = args,
                              .is_read = is_read,
                              .wait_ms = is_read ? TOOLS_MS : 0};
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
        vmw_pause(g->in, g->call, pause);
        int rc = look(g, pid, out_status, &away);
        if (rc > 0)
            return 0;
        if (rc < 0 && !vmw_is_away(&away)) {
            hf_err_copy(err, &away);
            return -1;
        }
        if (vmw_check_stop(g->in, g->call, err) != 0)
            return -1;
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

/* Behind the program: one file of both streams: their sizes as wc tells them, and of each as much as is wanted and one byte
 * more; empty where both are, and none where the disk has no room for it. What earlier programs left goes. A program
 * without a word, as the sync of a hold is, costs the shell no further process: the guest may be slow at those. */
static void add_gathering(struct hf_buf *out, unsigned n, unsigned long most)
{
    hf_buf_str_add(out, "for f in in.* o.*; do [ -s $f ] && { rm -f in.* o.*; break; }; done; ");
    hf_buf_printf(out, "if [ -s 1.%u ] || [ -s 2.%u ]; then ", n, n);
    hf_buf_printf(out, "{ wc -c 1.%u 2.%u && head -c %lu 1.%u && ", n, n, most, n);
    hf_buf_printf(out, "head -c %lu 2.%u; } >o.%u || exit 125; rm -f 1.* 2.*; ", most, n, n);
    hf_buf_printf(out, "else : >o.%u; fi; exit $r", n);
}

/* What the shell is to do: the program with files for streams. Who ends the shell (Tools end that one process, by SIGTERM
 * first) ends the program. It does nothing where its folder is gone: a start whose answer was lost comes to nothing then. */
static int script_of(const struct vmw_guest *g, const struct hf_guest_exec *req, struct hf_buf *out)
{
    HF_AUTO(hf_buf) struct hf_buf inner = HF_BUF_INIT;
    unsigned n = g->in->folder.runs;
    hf_buf_str_add(&inner, "cd ");
    quote(&inner, g->in->folder.path);
    hf_buf_str_add(&inner, " || exit 126; umask 077; (cd /; exec");
    for (size_t i = 0; req->argv[i]; i++) {
        hf_buf_str_add(&inner, " ");
        quote(&inner, req->argv[i]);
    }
    if (req->input_len)
        hf_buf_printf(&inner, ") <in.%u", n);
    else
        hf_buf_str_add(&inner, ") </dev/null");
    hf_buf_printf(&inner, " >1.%u 2>2.%u & p=$!; trap 'kill -9 $p; exit 143' TERM; ", n, n);
    hf_buf_str_add(&inner, "wait $p; r=$?; ");
    add_gathering(&inner, n, (unsigned long)req->max_output_bytes + 1);
    hf_buf_str_add(out, "-c ");
    quote(out, hf_buf_str(&inner));
    return hf_buf_ok(&inner) && hf_buf_ok(out) ? 0 : -1;
}

static int start(const struct vmw_guest *g, const struct hf_guest_exec *req, int64_t *out_pid,
                 struct hf_err *err)
{
    HF_AUTO(vmw_args) struct vmw_args args = VMW_ARGS_INIT;
    HF_AUTO(vmw_tree) struct vmw_tree *t = NULL;
    HF_AUTO(hf_buf) struct hf_buf script = HF_BUF_INIT;
    if (script_of(g, req, &script) != 0)
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

static int tell_one(const struct hf_guest_exec *req, int stream, const char *data, size_t len,
                    struct hf_guest_exec_result *out)
{
    out->truncated |= len > req->max_output_bytes;
    if (len > req->max_output_bytes)
        len = req->max_output_bytes;
    return len && req->output && req->output(req->output_ctx, stream, data, len) != 0 ? -1 : 0;
}

/* A line of wc, "  12 1.5": what stands behind it; NULL: it is none. */
static const char *read_size(const char *line, size_t *out)
{
    char *end = NULL;
    errno = 0;
    *out = line ? strtoull(line, &end, 10) : 0;
    if (!line || errno || end == line || *end != ' ')
        return NULL;
    const char *next = strchr(end, '\n');
    return next ? next + 1 : NULL;
}

/* Both streams, of the file that holds them. A part of it is no output. */
static int tell(const struct vmw_guest *g, const struct hf_guest_exec *req,
                struct hf_guest_exec_result *out, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf data = HF_BUF_INIT;
    size_t most = (size_t)req->max_output_bytes + 1, first = 0, second = 0, both = 0;
    HF_AUTOFREE char *path = hf_asprintf("%s/o.%u", g->in->folder.path, g->in->folder.runs);
    if (!path)
        return hf_fail_nomem(err);
    if (vmw_guest_get(g, path, 2 * most + SIZES_MAX_BYTES, true, &data, err) != 0)
        return -1;
    if (!data.len)
        return 0;
    const char *begin = hf_buf_str(&data);
    const char *text = read_size(read_size(read_size(begin, &first), &second), &both);
    size_t of_first = first < most ? first : most, of_second = second < most ? second : most;
    if (!text || both != first + second ||
        of_first + of_second != data.len - (size_t)(text - begin))
        return hf_fail(err, HF_E_CORRUPT, "the output of '%.100s' in the guest is not whole",
                       req->argv[0]);
    int rc = tell_one(req, 1, text, of_first, out);
    return rc == 0 ? tell_one(req, 2, text + of_first, of_second, out) : rc;
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

/* *out_ran: it may have begun. */
static int run(const struct vmw_guest *g, const struct hf_call *whole,
               const struct hf_guest_exec *req, struct hf_guest_exec_result *out, bool *out_ran,
               struct hf_err *err)
{
    HF_AUTOFREE char *in_path = hf_asprintf("%s/in.%u", g->in->folder.path, ++g->in->folder.runs);
    int64_t pid = 0;
    int status = 0;
    *out_ran = false;
    if (!in_path)
        return hf_fail_nomem(err);
    if (req->input_len && vmw_guest_put_file(g, in_path, req->input, req->input_len, err) != 0)
        return -1;
    *out_ran = true;
    if (start(g, req, &pid, err) != 0)
        return -1;
    if (wait_for(g, pid, &status, err) != 0)
        return end(g, whole, pid, req->argv[0], err);
    bool by_signal = status > 128 && status <= 192; /* as shells tell it */
    out->exit_code = by_signal ? -1 : status;
    out->term_signal = by_signal ? status - 128 : 0;
    int rc = tell(g, req, out, err);
    *out_ran =
        status != NO_FOLDER; /* without its folder it did not begin, and there is no output */
    return rc;
}

int vmware_guest_exec(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                      const struct hf_guest_exec *req, struct hf_guest_exec_result *out,
                      struct hf_err *err)
{
    struct vmw_guest g;
    struct hf_call part = *call;
    bool was_kept = false, ran = false;
    if (vmw_guest_enter(&g, in, call, vm_id, err) != 0)
        return -1;
    int64_t spare = vmw_left_ms(in, call) / 5;
    if (call->deadline_ms != HF_NO_DEADLINE)
        part.deadline_ms -= spare < CLEAN_UP_MS ? spare : CLEAN_UP_MS;
    for (;;) {
        g.call = &part;
        if (vmw_guest_folder(&g, &was_kept, err) != 0)
            return -1;
        if (run(&g, call, req, out, &ran, err) == 0)
            return 0;
        g.call = call;
        vmw_guest_folder_drop(&g);
        if (!was_kept || ran || err->cls != HF_E_NOT_FOUND)
            return -1;
        hf_err_clear(err); /* the guest was started anew, or swept */
    }
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
