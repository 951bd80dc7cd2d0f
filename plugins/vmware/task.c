/* SPDX-License-Identifier: Apache-2.0 */
#include "task.h"

#include <string.h>

#define POLL_FIRST_MS 20
#define QUICK_MS 50 /* an answer to a wait: no wait */
#define QUICK_MAX 3 /* … so many in a row: news come so at most */
#define POLL_SLOW_MS 2000

static const char *const asked_for[] = {"info.state", "info.progress", "info.result", "info.error",
                                        NULL};
/* Not its progress: a server would tell of each percent. */
static const char *const watched[] = {"info.state", "info.result", "info.error", NULL};

/* ---- what is told of it ---------------------------------------------------------------------------------------- */

static void take_error(struct hf_instance *in, struct vmw_task *t, const struct vmw_node *fault)
{
    hf_err_clear(&t->why);
    vmw_fail_localized(in, fault, &t->why);
    snprintf(t->fault, sizeof t->fault, "%s", in->fault);
    in->fault[0] = '\0';
}

static void take_value(struct hf_instance *in, struct vmw_task *t, const char *name,
                       const struct vmw_node *value)
{
    if (!value || !name)
        return;
    if (strcmp(name, "info.state") == 0)
        t->state = vmw_is(value, "success") ? VMW_TASK_DONE
                   : vmw_is(value, "error") ? VMW_TASK_FAILED
                                            : VMW_TASK_RUNS;
    else if (strcmp(name, "info.progress") == 0)
        t->progress = (int)vmw_int(value, t->progress);
    else if (strcmp(name, "info.result") == 0)
        (void)vmw_ref_read(value, &t->result);
    else if (strcmp(name, "info.error") == 0)
        take_error(in, t, value);
}

/* propSet of an object that was asked for, changeSet of one that is watched. */
static void take_values(struct hf_instance *in, struct vmw_task *t, const struct vmw_node *set)
{
    for (; set; set = vmw_next(set))
        take_value(in, t, vmw_child_text(set, "name"), vmw_child(set, "val"));
}

int vmw_task_verdict(const struct vmw_task *t, struct hf_err *err)
{
    if (t->state == VMW_TASK_DONE)
        return 0;
    if (t->state == VMW_TASK_FAILED && t->why.cls) {
        hf_err_copy(err, &t->why);
        return hf_wrap(err, "the task ended with");
    }
    return hf_fail(err, HF_E_PLUGIN, "task %s %s", t->ref.id,
                   t->state == VMW_TASK_FAILED ? "ended badly, and the server does not say why"
                                               : "is not known to the server any more");
}

bool vmw_task_may_go_on(const char *fault)
{
    return strncmp(fault, "Host", 4) == 0 || strcmp(fault, "Timedout") == 0 ||
           strcmp(fault, "RequestCanceled") == 0;
}

/* ---- asked ------------------------------------------------------------------------------------------------------- */

static int look(struct hf_instance *in, const struct hf_call *call, struct vmw_task *t,
                struct hf_err *err)
{
    HF_AUTO(vmw_props) struct vmw_props p = {0};
    struct hf_err why = HF_ERR_INIT;
    t->is_unseen = vmw_props_get(in, call, &t->ref, asked_for, &p, &why) != 0;
    if (!t->is_unseen) {
        take_values(in, t, vmw_child(p.object, "propSet"));
        return 0;
    }
    if (why.cls == HF_E_NOT_FOUND)
        t->state = VMW_TASK_LOST;
    if (why.cls != HF_E_AUTH)
        return 0; /* not known now */
    hf_err_copy(err, &why);
    return -1;
}

static int poll_until(struct hf_instance *in, const struct hf_call *call, struct vmw_task *t,
                      int64_t poll_max_ms, struct hf_err *err)
{
    for (int64_t pause = POLL_FIRST_MS;;
         pause = pause * 2 < poll_max_ms ? pause * 2 : poll_max_ms) {
        if (vmw_check_stop(in, call, err) != 0)
            return hf_left(err, "task %s runs on", t->ref.id);
        if (look(in, call, t, err) != 0)
            return -1;
        if (t->state != VMW_TASK_RUNS)
            return 0;
        if (t->progress > 0 && t->progress <= 100)
            in->host->progress(in->host->ctx, (uint64_t)t->progress, 100);
        vmw_pause(in, call, pause);
    }
}

int vmw_task_wait(struct hf_instance *in, const struct hf_call *call, struct vmw_task *t,
                  struct hf_err *err)
{
    return poll_until(in, call, t, POLL_SLOW_MS, err);
}

/* ---- told --------------------------------------------------------------------------------------------------------- */

static int make_filter(struct hf_instance *in, const struct hf_call *call, struct vmw_task *t,
                       struct hf_err *err)
{
    HF_AUTO(vmw_args) struct vmw_args args = VMW_ARGS_INIT;
    struct vmw_request req = {
        .method = "CreateFilter", .self = &in->content.properties, .args = &args, .wait_ms = 1};
    vmw_put_spec(&args, "spec", &t->ref, watched);
    vmw_put_bool(&args, "partialUpdates", false);
    return vmw_call_ref(in, call, &req, &t->filter, err);
}

/* What has changed since `version` (as the server called it; "": all there is), or nothing in wait_s seconds. Sent once: in
 * another session nobody would ever answer. */
static int updates(struct hf_instance *in, const struct hf_call *call, struct vmw_task *t,
                   char version[96], int wait_s, struct hf_err *err)
{
    HF_AUTO(vmw_args) struct vmw_args args = VMW_ARGS_INIT;
    HF_AUTO(vmw_tree) struct vmw_tree *tree = NULL;
    struct vmw_request req = {.method = "WaitForUpdatesEx",
                              .self = &in->content.properties,
                              .args = &args,
                              .wait_ms = (int64_t)wait_s * 1000 + 1};
    vmw_put(&args, "version", version);
    vmw_put_begin(&args, "options", NULL);
    vmw_put_int(&args, "maxWaitSeconds", wait_s);
    vmw_put_end(&args, "options");
    if (vmw_call(in, call, &req, &tree, err) != 0)
        return -1;
    const struct vmw_node *result = vmw_child(vmw_response(tree), "returnval");
    const char *now = vmw_child_text(result, "version");
    if (!result) /* nothing has changed */
        return 0;
    if (!now || strlen(now) >= 96)
        return hf_fail(err, HF_E_CORRUPT, "WaitForUpdatesEx: no version");
    snprintf(version, 96, "%s", now);
    const struct vmw_node *set = vmw_child(result, "filterSet");
    for (; set; set = vmw_next(set)) {
        const struct vmw_node *object = vmw_child(set, "objectSet");
        for (; object; object = vmw_next(object)) {
            struct vmw_ref of;
            if (!vmw_ref_read(vmw_child(object, "obj"), &of) || !vmw_ref_same(&of, &t->ref))
                continue; /* another filter's, of this session */
            if (vmw_is(vmw_child(object, "kind"), "leave"))
                t->state = VMW_TASK_LOST;
            take_values(in, t, vmw_child(object, "changeSet"));
        }
    }
    return 0;
}

/* Told; and after a wait without a word asked, in case that it was not. */
static int round_of(struct hf_instance *in, const struct hf_call *call, struct vmw_task *t,
                    char version[96], int wait_s, struct hf_err *err)
{
    if (updates(in, call, t, version, wait_s, err) != 0)
        return -1;
    return t->state == VMW_TASK_RUNS ? look(in, call, t, err) : 0;
}

/* A server that answers at once, and again, is not asked more often than one that is polled. */
static void breathe(struct hf_instance *in, const struct hf_call *call, int64_t began_ms,
                    int *quick)
{
    *quick = vmw_now_ms(in) - began_ms < QUICK_MS ? *quick + 1 : 0;
    if (*quick > QUICK_MAX)
        vmw_pause(in, call, VMW_POLL_MS);
}

/* Its end may be told before the reason of it. */
static int ask_why(struct hf_instance *in, const struct hf_call *call, struct vmw_task *t,
                   struct hf_err *err)
{
    if (t->state != VMW_TASK_FAILED || t->why.cls)
        return 0;
    int rc = look(in, call, t, err);
    t->state = VMW_TASK_FAILED;
    return rc;
}

int vmw_task_watch(struct hf_instance *in, const struct hf_call *call, struct vmw_task *t,
                   struct hf_err *err)
{
    static const int waits_s[] = {1, 4, 10, 20};
    struct hf_err why = HF_ERR_INIT;
    char version[96] = "";
    int quick = 0;
    if (make_filter(in, call, t, &why) != 0 || updates(in, call, t, version, 0, &why) != 0)
        return poll_until(in, call, t, VMW_POLL_MS, err);
    for (size_t i = 0; t->state == VMW_TASK_RUNS; i += i + 1 < HF_ARRAY_SIZE(waits_s)) {
        if (vmw_check_stop(in, call, err) != 0)
            return hf_left(err, "task %s runs on", t->ref.id);
        int64_t began_ms = vmw_now_ms(in);
        if (round_of(in, call, t, version, waits_s[i], &why) != 0)
            return poll_until(in, call, t, VMW_POLL_MS, err);
        if (t->state == VMW_TASK_RUNS)
            breathe(in, call, began_ms, &quick);
    }
    return ask_why(in, call, t, err);
}

void vmw_task_forget(struct hf_instance *in, const struct hf_call *call, struct vmw_task *t)
{
    HF_AUTO(vmw_tree) struct vmw_tree *tree = NULL;
    struct hf_err ignored = HF_ERR_INIT;
    struct vmw_request req = {.method = "DestroyPropertyFilter", .self = &t->filter, .wait_ms = 1};
    if (t->filter.id[0] && vmw_call(in, call, &req, &tree, &ignored) != 0)
        vmw_log(in, HF_LOG_DEBUG, "a filter stays until the log-out: %s", ignored.message);
    t->filter = (struct vmw_ref){0};
}

/* ---- begun and ended ---------------------------------------------------------------------------------------------- */

int vmw_work(struct hf_instance *in, const struct hf_call *call, const char *method,
             const struct vmw_ref *self, struct vmw_args *args, struct hf_err *err)
{
    struct vmw_task t = {.why = HF_ERR_INIT};
    struct vmw_request req = {.method = method, .self = self, .args = args};
    if (vmw_call_ref(in, call, &req, &t.ref, err) != 0)
        return -1;
    if (vmw_task_wait(in, call, &t, err) != 0) {
        in->is_in_doubt |= t.is_unseen;
        return -1;
    }
    snprintf(in->fault, sizeof in->fault, "%s", t.fault);
    in->is_unclear = t.state == VMW_TASK_LOST;
    return vmw_task_verdict(&t, err) == 0 ? 0 : hf_wrap(err, "%s", method);
}
