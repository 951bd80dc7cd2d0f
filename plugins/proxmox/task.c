/* SPDX-License-Identifier: Apache-2.0 */
#include "pve.h"

#include <string.h>

#define LOG_LINES "500"
#define POLL_FIRST_MS 20
#define ANSWER_MS 6000 /* of some milliseconds; but a 401 takes three seconds */

/* UPID:NODE:PID:PSTART:START:TYPE:ID:USER[!TOKEN]: from the nth on; NULL: there are not so many. */
static const char *field_of(const char *upid, int n)
{
    for (; n && upid; n--)
        upid = (upid = strchr(upid, ':')) ? upid + 1 : NULL;
    return upid;
}

int pve_task_take(struct json_object *data, struct pve_task *out, struct hf_err *err)
{
    const char *upid =
        json_object_is_type(data, json_type_string) ? json_object_get_string(data) : "";
    const char *node = strncmp(upid, "UPID:", 5) == 0 ? upid + 5 : "";
    size_t len = strspn(node, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");
    if (!len || node[len] != ':' || strlen(upid) >= sizeof out->upid)
        return hf_fail(err, HF_E_PLUGIN, "the server began no task: it answered '%.100s'", upid);
    *out = (struct pve_task){0};
    snprintf(out->upid, sizeof out->upid, "%s", upid);
    const char *start = field_of(out->upid, 4);
    out->start_s = start ? (int64_t)strtoull(start, NULL, 16) : 0;
    return 0;
}

/* Always the node within the UPID, wherever the VM is by now. */
static char *task_path(const struct pve_task *t, const char *below)
{
    HF_AUTO(hf_buf) struct hf_buf path = HF_BUF_INIT;
    const char *node = t->upid + 5;
    hf_buf_str_add(&path, "/nodes/");
    hf_buf_printf(&path, "%.*s/tasks/", (int)strcspn(node, ":"), node);
    hf_url_encode(&path, t->upid, false);
    hf_buf_str_add(&path, below);
    return hf_buf_steal(&path);
}

static int ask(struct hf_instance *in, const struct hf_call *call, const char *path,
               struct json_object **out, struct hf_err *err)
{
    struct pve_req req = {.method = "GET", .path = path, .answer_ms = ANSWER_MS};
    return pve_request(in, call, &req, out, err);
}

int pve_task_look(struct hf_instance *in, const struct hf_call *call, struct pve_task *t,
                  struct hf_err *err)
{
    HF_AUTOFREE char *path = task_path(t, "/status");
    HF_AUTOJSON struct json_object *data = NULL;
    if (!path)
        return hf_fail_nomem(err);
    if (ask(in, call, path, &data, err) != 0)
        return -1;
    const char *status = pve_text(data, "status"), *exit = pve_text(data, "exitstatus");
    if (!status || (strcmp(status, "running") != 0 && strcmp(status, "stopped") != 0))
        return hf_fail(err, HF_E_CORRUPT, "a task that neither runs nor has stopped");
    t->is_stopped = strcmp(status, "stopped") == 0;
    snprintf(t->exit, sizeof t->exit, "%s", exit ? exit : "unexpected status");
    return 0;
}

bool pve_task_is_good(const struct pve_task *t)
{
    return t->is_stopped && (strcmp(t->exit, "OK") == 0 || strncmp(t->exit, "WARNINGS: ", 10) == 0);
}

int pve_task_verdict(const struct pve_task *t, struct hf_err *err)
{
    if (pve_task_is_good(t))
        return 0;
    hf_fail(err, pve_class_of(t->exit), PVE_TASK_ENDED "%s", t->exit);
    err->retryable = err->cls == HF_E_BUSY;
    return hf_hint(err, "Its log: Datacenter, Tasks, or `pvesh get /nodes/NODE/tasks/%s/log`.",
                   t->upid);
}

/* The last: a 500 of no known meaning, as while the cluster's file system restarts. */
bool pve_is_away(const struct hf_err *err)
{
    return err->cls == HF_E_UNREACHABLE || err->cls == HF_E_CORRUPT || err->cls == HF_E_PLUGIN;
}

int pve_task_stop(struct hf_instance *in, const struct hf_call *call, const struct pve_task *t,
                  struct hf_err *err)
{
    HF_AUTOFREE char *path = task_path(t, "");
    HF_AUTOJSON struct json_object *data = NULL;
    struct pve_req req = {.method = "DELETE", .path = path};
    return path ? pve_request(in, call, &req, &data, err) : hf_fail_nomem(err);
}

int pve_task_wait(struct hf_instance *in, const struct hf_call *call, struct pve_task *t,
                  int64_t poll_max_ms, struct hf_err *err)
{
    for (int64_t pause = POLL_FIRST_MS;;
         pause = pause * 2 < poll_max_ms ? pause * 2 : poll_max_ms) {
        struct hf_err now = HF_ERR_INIT;
        int rc = pve_task_look(in, call, t, &now);
        if (rc == 0 || pve_is_away(&now))
            t->was_away = rc != 0; /* one that the deadline cut off says nothing */
        if (rc != 0 && !pve_is_away(&now)) {
            hf_err_copy(err, &now);
            return hf_left(err, "task %s may run on", t->upid);
        }
        if (t->is_stopped)
            return pve_task_verdict(t, err);
        if (pve_check_stop(in, call, err) != 0)
            return hf_left(err, "task %s runs on", t->upid);
        pve_pause(in, call, pause);
    }
}

int pve_task_log(struct hf_instance *in, const struct hf_call *call, const struct pve_task *t,
                 int64_t *at, hf_text_cb line, void *ctx, struct hf_err *err)
{
    char below[64];
    HF_AUTOJSON struct json_object *data = NULL;
    snprintf(below, sizeof below, "/log?start=%lld&limit=" LOG_LINES, (long long)*at);
    HF_AUTOFREE char *path = task_path(t, below);
    if (!path)
        return hf_fail_nomem(err);
    if (ask(in, call, path, &data, err) != 0)
        return -1;
    size_t n = pve_rows(data);
    for (size_t i = 0; i < n; i++) {
        const char *text = pve_text(json_object_array_get_idx(data, i), "t");
        if (text && line(ctx, text) != 0)
            return -1;
    }
    /* The last one is read again: it may be half, or "no content", which the server makes up where it has none yet. */
    if (n)
        *at += (int64_t)n - 1;
    return 0;
}

int pve_task_log_all(struct hf_instance *in, const struct hf_call *call, const struct pve_task *t,
                     hf_text_cb line, void *ctx, struct hf_err *err)
{
    for (int64_t at = 0, before = -1; at > before;) {
        before = at;
        if (pve_task_log(in, call, t, &at, line, ctx, err) != 0)
            return -1;
    }
    return 0;
}

static bool is_ours(const struct hf_instance *in, const char *upid)
{
    const char *user = field_of(upid, 7);
    const char *text = in->token_file ? hf_secret_reveal(in->secret) : in->user;
    size_t len = in->token_file ? strcspn(text, "=") : strlen(text);
    return user && strncmp(user, text, len) == 0 && user[len] == ':';
}

static bool is_console(const char *upid)
{
    const char *type = field_of(upid, 5);
    return type && (strncmp(type, "vncproxy:", 9) == 0 || strncmp(type, "spiceproxy:", 11) == 0);
}

static bool is_wanted(const struct hf_instance *in, struct json_object *row, unsigned flags,
                      const struct pve_task *after, const struct pve_task *t)
{
    const char *status = pve_text(row, "status");
    if ((flags & PVE_TASK_RUNNING) && status && strcmp(status, "RUNNING") != 0)
        return false;
    if ((flags & PVE_TASK_OURS) && !is_ours(in, t->upid))
        return false;
    if ((flags & PVE_TASK_WORKS) && is_console(t->upid))
        return false;
    return !after || (strcmp(after->upid, t->upid) != 0 && t->start_s >= after->start_s);
}

int pve_task_newest(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                    const char *type, unsigned flags, const struct pve_task *after,
                    struct pve_task *out, struct hf_err *err)
{
    return pve_task_newest_on(in, call, in->node, vm_id, type, flags, after, out, err);
}

int pve_task_newest_on(struct hf_instance *in, const struct hf_call *call, const char *node,
                       const char *vm_id, const char *type, unsigned flags,
                       const struct pve_task *after, struct pve_task *out, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *data = NULL;
    *out = (struct pve_task){0};
    HF_AUTOFREE char *path =
        hf_asprintf("/nodes/%s/tasks?source=%s&limit=50%s%s%s%s", node,
                    flags & PVE_TASK_RUNNING ? "active" : "all", vm_id ? "&vmid=" : "",
                    vm_id ? vm_id : "", type ? "&typefilter=" : "", type ? type : "");
    if (!path)
        return hf_fail_nomem(err);
    if (pve_get(in, call, path, &data, err) != 0)
        return -1;
    size_t n = pve_rows(data);
    for (size_t i = 0; i < n; i++) {
        struct json_object *o = json_object_array_get_idx(data, i), *upid = NULL;
        struct pve_task t;
        json_object_object_get_ex(o, "upid", &upid);
        if (pve_task_take(upid, &t, err) != 0)
            return -1;
        t.start_s = pve_int(o, "starttime", t.start_s);
        if (is_wanted(in, o, flags, after, &t) && (!out->upid[0] || t.start_s > out->start_s))
            *out = t;
    }
    return 0;
}
