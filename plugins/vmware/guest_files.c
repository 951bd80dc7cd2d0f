/* SPDX-License-Identifier: Apache-2.0 */
#include "base/point.h"
#include "guest.h"

#include <string.h>

#define FILE_MAX ((size_t)64 << 20)
#define TRANSFER_MS 60000
#define MODE_PRIVATE 0600

/* ---- a transfer ------------------------------------------------------------------------------------------------------ */

static int64_t limit_of(const struct vmw_guest *g)
{
    int64_t left = vmw_left_ms(g->in, g->call);
    return left < 1 ? 1 : left < TRANSFER_MS ? left : TRANSFER_MS;
}

static int judge_transfer(int rc, const struct hf_http_answer *reply, const char *path,
                          struct hf_err *err)
{
    if (rc != 0) {
        vmw_hint_host(err);
        return hf_wrap(err, "'%.200s' in the guest", path);
    }
    if (reply->status / 100 == 2)
        return 0;
    return hf_fail(err, reply->status == 404 ? HF_E_NOT_FOUND : HF_E_PLUGIN,
                   "'%.200s' in the guest: status %ld", path, reply->status);
}

/* ---- out of the guest ----------------------------------------------------------------------------------------------- */

/* All of it comes, or nothing: no part of a file is to be had this way. */
static int fetch(const struct vmw_guest *g, const char *url, const char *path, size_t max,
                 struct hf_buf *out, struct hf_err *err)
{
    HF_AUTO(hf_http_answer) struct hf_http_answer reply = {0};
    struct hf_http_request r = {
        .method = "GET", .url = url, .timeout_ms = limit_of(g), .answer_max = FILE_MAX};
    if (judge_transfer(hf_http_run(g->in->http, &r, &reply, err), &reply, path, err) != 0)
        return -1;
    hf_buf_add(out, hf_buf_str(&reply.body), reply.body.len < max ? reply.body.len : max);
    return hf_buf_ok(out) ? 0 : hf_fail_nomem(err);
}

int vmw_guest_get(const struct vmw_guest *g, const char *path, size_t max, bool size_counts,
                  struct hf_buf *out, struct hf_err *err)
{
    HF_AUTO(vmw_args) struct vmw_args args = VMW_ARGS_INIT;
    HF_AUTO(vmw_tree) struct vmw_tree *t = NULL;
    vmw_guest_put(g, &args);
    vmw_put(&args, "guestFilePath", path);
    if (vmw_guest_call(g, true, "InitiateFileTransferFromGuest", &args, true, &t, err) != 0)
        return -1;
    const struct vmw_node *told = vmw_child(vmw_response(t), "returnval");
    HF_AUTOFREE char *url = vmw_transfer_url(g->in, vmw_child_text(told, "url"), err);
    if (!url)
        return -1;
    int64_t size = vmw_int(vmw_child(told, "size"), -1);
    if (size_counts && size == 0)
        return 0;
    if (size > (int64_t)FILE_MAX)
        return hf_fail(err, HF_E_UNSUPPORTED, "'%.200s' in the guest is larger than 64 MiB", path);
    return fetch(g, url, path, max, out, err);
}

int vmware_guest_file_read(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                           const char *path, uint64_t max_bytes, hf_data_cb emit, void *ctx,
                           struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf data = HF_BUF_INIT;
    struct vmw_guest g;
    if (vmw_guest_enter(&g, in, call, vm_id, err) != 0 ||
        vmw_guest_get(&g, path, max_bytes < FILE_MAX ? (size_t)max_bytes : FILE_MAX, false, &data,
                      err) != 0)
        return -1;
    return data.len && emit(ctx, 1, data.data, data.len) != 0 ? -1 : 0;
}

/* ---- into the guest -------------------------------------------------------------------------------------------------- */

int vmw_guest_put_file(const struct vmw_guest *g, const char *path, const void *data, size_t len,
                       struct hf_err *err)
{
    HF_AUTO(vmw_args) struct vmw_args args = VMW_ARGS_INIT;
    HF_AUTO(vmw_tree) struct vmw_tree *t = NULL;
    HF_AUTO(hf_http_answer) struct hf_http_answer reply = {0};
    vmw_guest_put(g, &args);
    vmw_put(&args, "guestFilePath", path);
    vmw_put_begin(&args, "fileAttributes", "GuestPosixFileAttributes");
    vmw_put_int(&args, "permissions", MODE_PRIVATE);
    vmw_put_end(&args, "fileAttributes");
    vmw_put_int(&args, "fileSize", (int64_t)len);
    vmw_put_bool(&args, "overwrite", true);
    if (vmw_guest_call(g, true, "InitiateFileTransferToGuest", &args, false, &t, err) != 0)
        return -1;
    HF_AUTOFREE char *url =
        vmw_transfer_url(g->in, vmw_child_text(vmw_response(t), "returnval"), err);
    if (!url || HF_POINT_ERR("vmware.before_guest_put", err) != 0)
        return -1;
    const char *headers[] = {"Expect:", NULL};
    struct hf_http_request r = {.method = "PUT",
                                .url = url,
                                .headers = headers,
                                .body = len ? data : "",
                                .body_len = len,
                                .timeout_ms = limit_of(g),
                                .is_once = true}; /* the URL is good once */
    return judge_transfer(hf_http_run(g->in->http, &r, &reply, err), &reply, path, err);
}

int vmware_guest_file_write(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                            const char *path, const void *data, size_t len, struct hf_err *err)
{
    struct vmw_guest g;
    if (vmw_guest_enter(&g, in, call, vm_id, err) != 0)
        return -1;
    return vmw_guest_put_file(&g, path, data, len, err);
}
