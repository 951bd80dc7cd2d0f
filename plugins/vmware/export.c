/* SPDX-License-Identifier: Apache-2.0 */
#include "export.h"

#include "base/clock.h"
#include "base/point.h"
#include "base/utf8.h"
#include "lease.h"
#include "snapshots.h"
#include "vmdk.h"

#include <string.h>

#define TRIES 3
#define AGAIN_MS 1000
#define BUSY_PAUSE_MS 2000
#define BUSY_MS (330 * 1000) /* a lease that nobody keeps alive ends in 300 s */
#define STALL_MS 120000      /* a host may look for its data before it begins */
#define CONNECT_MS 10000
#define HEAD_BYTES ((uint64_t)64 << 20)

/* ---- which disks -------------------------------------------------------------------------------------------------- */

struct wanted {
    const char *target; /* NULL: all of them */
    uint64_t bytes;
};

static int add_size(void *ctx, const struct vmw_disk *d)
{
    struct wanted *w = ctx;
    if (!d->disk.skipped && (!w->target || strcmp(d->target, w->target) == 0))
        w->bytes += d->disk.capacity_bytes;
    return 0;
}

/* One may have come or gone since the plan, which everybody else goes by. */
static int check_number(const struct hf_capture *cap, struct hf_err *err)
{
    uint32_t n = vmw_disks_captured(&cap->disks);
    if (n == cap->n_disks)
        return 0;
    hf_fail(err, HF_E_CONFLICT, "snapshot '%s' has %u disks, and the VM had %u before", cap->name,
            (unsigned)n, (unsigned)cap->n_disks);
    return hf_hint(err, "Somebody changed the VM's disks meanwhile: back it up again.");
}

/* As the snapshot has them, whatever the VM has become since. */
static int load_disks(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                      struct hf_err *err)
{
    static const char *const paths[] = {"config.hardware.device", NULL};
    struct wanted all = {0};
    if (cap->disks.props.tree)
        return 0;
    if (vmw_props_get(in, call, &cap->made, paths, &cap->disks.props, err) != 0)
        return hf_wrap(err, "snapshot '%s'", cap->name);
    (void)vmw_disks_each(&cap->disks, add_size, &all);
    cap->all_bytes = all.bytes;
    return 0;
}

static int find_size(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                     const char *target, uint64_t *out, struct hf_err *err)
{
    struct wanted w = {.target = target};
    if (vmw_enter(in, call, err) != 0)
        return -1;
    if (!cap->is_export || !cap->is_settled || cap->has_ended)
        return hf_fail(err, HF_E_INTERNAL, "no disks of this capture are to be had %s",
                       cap->has_ended ? "any more" : "yet");
    if (load_disks(in, call, cap, err) != 0 || check_number(cap, err) != 0)
        return -1;
    (void)vmw_disks_each(&cap->disks, add_size, &w);
    *out = w.bytes;
    return w.bytes
               ? 0
               : hf_fail(err, HF_E_NOT_FOUND, "snapshot '%s' has no disk %s", cap->name, target);
}

int vmware_export_disk(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                       const char *target, struct hf_export *out, struct hf_err *err)
{
    if (find_size(in, call, cap, target, &out->size_bytes, err) != 0)
        return -1;
    out->form = HF_EXPORT_STREAM;
    return 0;
}

/* ---- one stream --------------------------------------------------------------------------------------------------- */

struct stream {
    struct hf_instance *in;
    struct hf_capture *cap;
    const char *target;
    uint64_t size, told, told_digest;
    hf_extent_cb emit;
    void *ctx;
    bool is_refused;  /* by who takes it, who has set the error */
    bool is_compared; /* this stream, with what earlier ones told */
    bool is_other;
    struct vmw_vmdk *vmdk;
};

static void tell_progress(struct stream *s)
{
    uint64_t all = s->cap->all_bytes, done = s->cap->read_bytes + s->told;
    uint64_t percent = all ? done / (all / 100 + 1) : 0;
    vmw_lease_percent(s->in, percent < 99 ? (int)percent : 99);
}

/* What was told cannot be taken back, and a broken stream is known as such at its end only: a grain that it lost was told as a hole. */
static bool is_as_told(struct stream *s, uint64_t upto)
{
    if (s->is_compared || !s->told || upto < s->told)
        return true;
    s->is_compared = true;
    s->is_other = vmw_vmdk_digest(s->vmdk) != s->told_digest;
    return !s->is_other;
}

/* What an earlier stream of the same snapshot told is passed over. */
static int pass_on(void *ctx, uint64_t at, const void *data, uint64_t len)
{
    struct stream *s = ctx;
    if (vmw_vmdk_capacity(s->vmdk) != s->size || !is_as_told(s, at + len))
        return -1;
    if (at + len <= s->told)
        return 0;
    uint64_t known = at < s->told ? s->told - at : 0;
    const char *p = data;
    if (s->emit(s->ctx, at + known, p ? p + known : NULL, len - known) != 0) {
        s->is_refused = true;
        return -1;
    }
    s->told = at + len;
    s->told_digest = vmw_vmdk_digest(s->vmdk);
    s->is_compared = true;
    tell_progress(s);
    return 0;
}

/* Of a callback that failed: decoder and receiver leave the error as it is. */
static int judge_decoded(struct stream *s, int rc, struct hf_err *err)
{
    uint64_t capacity = vmw_vmdk_capacity(s->vmdk);
    if (capacity && capacity != s->size)
        return hf_fail(err, HF_E_CONFLICT, "the server sends %llu bytes, and the snapshot has %llu",
                       (unsigned long long)capacity, (unsigned long long)s->size);
    if (rc == 0)
        return 0;
    if (s->is_other)
        return hf_fail(err, HF_E_CORRUPT,
                       "the server sends other data than before of the same "
                       "snapshot");
    return err->cls ? -1 : hf_fail(err, HF_E_CANCELLED, "nobody takes it any more");
}

static int take_piece(void *ctx, const void *data, size_t len, struct hf_err *err)
{
    struct stream *s = ctx;
    if (vmw_lease_check(s->in, err) != 0)
        return -1;
    return judge_decoded(s, vmw_vmdk_write(s->vmdk, data, len, err), err);
}

/* A host that is busy or restarted may come back; a URL that it does not know is that of a lease that is over. */
static int judge_status(const struct hf_http_answer *reply, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    if (reply->status == 200)
        return 0;
    hf_utf8_add_line(&text, hf_buf_str(&reply->body));
    hf_fail(err,
            reply->status == 401 || reply->status == 403   ? HF_E_AUTH
            : reply->status == 404 || reply->status >= 500 ? HF_E_UNREACHABLE
                                                           : HF_E_PLUGIN,
            "status %ld%s%.200s", reply->status, text.len ? ": " : "", hf_buf_str(&text));
    err->retryable = err->cls == HF_E_UNREACHABLE;
    return -1;
}

/* The lease's end is why a stream ends. */
static int judge_transfer(const struct stream *s, int rc, const struct hf_http_answer *reply,
                          struct hf_err *err)
{
    struct hf_err lost = HF_ERR_INIT;
    if (rc != 0)
        vmw_hint_host(err);
    else
        rc = judge_status(reply, err);
    if (rc == 0 || s->is_refused || s->is_other)
        return rc;
    if (err->cls != HF_E_CANCELLED && err->cls != HF_E_CONFLICT &&
        vmw_lease_check(s->in, &lost) != 0)
        hf_err_copy(err, &lost);
    if (err->cls == HF_E_TIMEOUT)
        err->cls = HF_E_UNREACHABLE; /* the host's, not the caller's */
    return -1;
}

static int fetch(struct stream *s, const char *url, struct hf_err *err)
{
    HF_AUTO(hf_http_answer) struct hf_http_answer reply = {0};
    char *cookie = NULL;
    if (s->in->cookie && vmw_is_own_url(s->in, url) &&
        !(cookie = hf_asprintf("Cookie: %s", hf_secret_reveal(s->in->cookie))))
        return hf_fail_nomem(err);
    HF_AUTOFREE char *owned = cookie;
    const char *headers[] = {cookie, NULL};
    const struct hf_http_request r = {
        .url = url, .headers = headers, .timeout_ms = STALL_MS, .connect_ms = CONNECT_MS};
    const struct hf_http_sink sink = {.piece = take_piece,
                                      .ctx = s,
                                      .bytes_max = s->size + s->size / 32 + HEAD_BYTES,
                                      .clock = hf_clock_system()};
    int rc = hf_http_download(s->in->http, &r, &sink, &reply, err);
    if (cookie)
        hf_wipe(cookie, strlen(cookie));
    if (judge_transfer(s, rc, &reply, err) != 0)
        return -1;
    return judge_decoded(s, vmw_vmdk_finish(s->vmdk, err), err);
}

/* ---- a lease, and the disk by it ------------------------------------------------------------------------------------ */

/* One of a process that died ends by itself, and then it is our turn. */
static int open_lease(struct stream *s, const struct hf_call *call, struct hf_err *err)
{
    int64_t until = vmw_now_ms(s->in) + BUSY_MS;
    for (;;) {
        struct hf_err why = HF_ERR_INIT;
        if (vmw_lease_open(s->in, call, &s->cap->made, &why) == 0)
            return 0;
        if (why.cls != HF_E_BUSY || vmw_now_ms(s->in) > until) {
            hf_err_copy(err, &why);
            return -1;
        }
        vmw_pause(s->in, call, BUSY_PAUSE_MS);
        if (vmw_check_stop(s->in, call, err) != 0)
            return -1;
    }
}

static int have_lease(struct stream *s, const struct hf_call *call, struct hf_err *err)
{
    struct hf_err lost = HF_ERR_INIT;
    if (s->in->lease && vmw_lease_check(s->in, &lost) == 0)
        return 0;
    if (lost.cls)
        vmw_log(s->in, HF_LOG_WARN, "%s; another is asked for", lost.message);
    return open_lease(s, call, err);
}

static int stream_once(struct stream *s, const struct hf_call *call, struct hf_err *err)
{
    if (have_lease(s, call, err) != 0)
        return -1;
    const char *url = vmw_lease_url(s->in, s->target, err);
    if (!url || HF_POINT_ERR("vmware.before_stream", err) != 0)
        return -1;
    HF_AUTO(vmw_vmdk) struct vmw_vmdk *v = vmw_vmdk_new(pass_on, s);
    if (!v)
        return hf_fail_nomem(err);
    s->vmdk = v;
    s->is_compared = false;
    return fetch(s, url, err);
}

static bool may_come_right(const struct stream *s, const struct hf_err *why)
{
    return !s->is_refused && !s->is_other &&
           (why->cls == HF_E_UNREACHABLE || why->cls == HF_E_CORRUPT || why->cls == HF_E_NOT_FOUND);
}

static int stream_all(struct stream *s, const struct hf_call *call, struct hf_err *err)
{
    for (int tries = 1;; tries++) {
        struct hf_err why = HF_ERR_INIT;
        if (stream_once(s, call, &why) == 0)
            return 0;
        vmw_lease_abort(s->in);
        if (s->is_refused)
            return -1;
        if (tries == TRIES || !may_come_right(s, &why) || vmw_check_stop(s->in, call, err) != 0) {
            hf_err_copy(err, &why);
            return hf_wrap(err, "disk %s of snapshot '%s'", s->target, s->cap->name);
        }
        vmw_log(s->in, HF_LOG_WARN, "disk %s: %s; it is asked for again, from its beginning",
                s->target, why.message);
        vmw_pause(s->in, call, AGAIN_MS);
    }
}

int vmware_export_stream(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                         const char *target, hf_extent_cb emit, void *ctx, struct hf_err *err)
{
    struct stream s = {.in = in, .cap = cap, .target = target, .emit = emit, .ctx = ctx};
    if (find_size(in, call, cap, target, &s.size, err) != 0 || stream_all(&s, call, err) != 0)
        return -1;
    cap->read_bytes += s.size;
    return HF_POINT_ERR("vmware.after_stream", err);
}

/* ---- while it lasts, and its end ------------------------------------------------------------------------------------- */

/* The lease is watched by its keeper, and only while a disk is read it matters. */
int vmware_export_watch(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                        struct hf_export_state *out, struct hf_err *err)
{
    (void)out;
    if (vmw_enter(in, call, err) != 0)
        return -1;
    return cap->has_ended ? hf_fail(err, HF_E_CONFLICT, "the export has ended") : 0;
}

/* All was read: a server that does not know the lease any more changes nothing about that. */
static void end_lease(struct hf_instance *in, const struct hf_call *call)
{
    struct hf_err why = HF_ERR_INIT;
    if (in->lease && vmw_lease_complete(in, call, &why) != 0)
        vmw_log(in, HF_LOG_WARN, "the lease of the export was not completed: %s", why.message);
}

int vmware_export_end(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                      struct hf_err *err)
{
    bool was = false;
    if (vmw_enter(in, call, err) != 0)
        return -1;
    if (cap->has_ended)
        return 0;
    if (HF_POINT_ERR("vmware.before_lease_end", err) != 0)
        return -1;
    end_lease(in, call);
    if (HF_POINT_ERR("vmware.after_lease_end", err) != 0 ||
        vmw_locate(in, call, cap->vm_id, err) != 0)
        return -1;
    if (vmw_snap_drop(in, call, cap->name, &was, err) != 0)
        return hf_wrap(err, "delete snapshot '%s', which was read", cap->name);
    cap->has_ended = true;
    return 0;
}
