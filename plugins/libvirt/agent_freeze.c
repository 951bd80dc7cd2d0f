/* SPDX-License-Identifier: Apache-2.0 */
#include "agent.h"
#include "agent_reply.h"
#include "base/point.h"

#define THAW_PAUSE_MS 200
#define THAW_MARGIN_MS 500 /* so near to the deadline no other attempt begins: be home and say so */

static int look(const struct lv_agent *a, enum hf_freeze_state *out, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *value = NULL;
    if (lv_agent_call(a, "guest-fsfreeze-status", NULL, &value, err) != 0)
        return -1;
    return lv_reply_freeze_state(value, out, err) == 0 ? 0 : hf_wrap(err, "guest agent");
}

static int freeze(const struct lv_agent *a, uint32_t *out_frozen, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *value = NULL;
    if (HF_POINT_ERR("libvirt.before_guest_freeze", err) != 0)
        return -1;
    if (lv_agent_call(a, "guest-fsfreeze-freeze", NULL, &value, err) != 0)
        return -1;
    if (HF_POINT_ERR("libvirt.after_guest_freeze", err) != 0)
        return -1;
    return lv_reply_fs_count(value, out_frozen, err) == 0 ? 0 : hf_wrap(err, "guest agent");
}

static int thaw(const struct lv_agent *a, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *value = NULL;
    uint32_t n;
    if (HF_POINT_ERR("libvirt.before_guest_thaw", err) != 0)
        return -1;
    if (lv_agent_call(a, "guest-fsfreeze-thaw", NULL, &value, err) != 0)
        return -1;
    if (HF_POINT_ERR("libvirt.after_guest_thaw", err) != 0)
        return -1;
    return lv_reply_fs_count(value, &n, err) == 0 ? 0 : hf_wrap(err, "guest agent");
}

/* May come right by itself: an agent that is busy, restarting, or still in its freeze. */
static bool may_pass(const struct hf_err *err)
{
    switch (err->cls) {
    case HF_E_UNREACHABLE:
    case HF_E_BUSY:
    case HF_E_TIMEOUT:
    case HF_E_CORRUPT:
    case HF_E_PLUGIN:
        return true;
    default:
        return false;
    }
}

/* One thaw and what came of it. A failed thaw counts when the state says thawed: a hook of the
 * agent (thaw scripts) fails after the file systems are writable again. */
static int thaw_and_look(const struct lv_agent *a, struct hf_err *err)
{
    enum hf_freeze_state state = HF_FREEZE_UNKNOWN;
    struct hf_err first = HF_ERR_INIT;
    int rc = thaw(a, &first);
    if (rc != 0 && !may_pass(&first)) {
        hf_err_copy(err, &first);
        return -1;
    }
    if (look(a, &state, err) != 0) {
        if (rc != 0)
            hf_err_copy(err, &first); /* the earlier one has the cause */
        return -1;
    }
    if (state == HF_FREEZE_THAWED) {
        if (rc != 0)
            lv_log(a->in, HF_LOG_WARN, "thawed, though the agent said: %s", first.message);
        return 0;
    }
    if (rc != 0)
        hf_err_copy(err, &first);
    else
        hf_fail(err, HF_E_BUSY, "the guest was thawed and says that it is frozen");
    return -1;
}

static bool is_lost(const struct hf_instance *in)
{
    return !in->conn || virConnectIsAlive(in->conn) != 1;
}

static int thaw_until(const struct lv_agent *a, struct hf_err *err)
{
    for (;;) {
        struct hf_err stop = HF_ERR_INIT;
        hf_err_clear(err);
        if (thaw_and_look(a, err) == 0)
            return 0;
        if (virDomainIsActive(a->dom) == 0) {
            hf_err_clear(err);
            lv_log(a->in, HF_LOG_INFO, "nothing to thaw: the VM does not run");
            return 0;
        }
        if (!may_pass(err) || is_lost(a->in) ||
            lv_left_ms(a->in, &a->call) < THAW_PAUSE_MS + THAW_MARGIN_MS ||
            lv_check_stop(a->in, &a->call, &stop) != 0)
            return hf_left(err, "file systems in the guest may be frozen");
        usleep(THAW_PAUSE_MS * 1000);
    }
}

/* A daemon that dies is started again, as a rule within seconds: the guest stands still until then. */
static int thaw_vm(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                   struct hf_err *err)
{
    for (;;) {
        LV_AUTOAGENT struct lv_agent a = {0};
        struct hf_err stop = HF_ERR_INIT;
        hf_err_clear(err);
        if (lv_agent_enter(&a, in, call, vm_id, err) == 0 && thaw_until(&a, err) == 0)
            return 0;
        if (!is_lost(in) || err->cls != HF_E_UNREACHABLE ||
            lv_left_ms(in, call) < THAW_PAUSE_MS + THAW_MARGIN_MS ||
            lv_check_stop(in, call, &stop) != 0)
            return -1;
        usleep(THAW_PAUSE_MS * 1000);
    }
}

int libvirt_guest_thaw(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                       struct hf_err *err)
{
    return thaw_vm(in, call, vm_id, err) == 0 ? 0 : hf_wrap(err, "thaw");
}

int libvirt_guest_freeze_state(struct hf_instance *in, const struct hf_call *call,
                               const char *vm_id, enum hf_freeze_state *out, struct hf_err *err)
{
    LV_AUTOAGENT struct lv_agent a = {0};
    if (lv_agent_enter(&a, in, call, vm_id, err) != 0)
        return -1;
    return look(&a, out, err);
}

static int check_thawed(const struct lv_agent *a, struct hf_err *err)
{
    enum hf_freeze_state state;
    if (look(a, &state, err) != 0)
        return -1;
    if (state == HF_FREEZE_THAWED)
        return 0;
    hf_fail(err, HF_E_BUSY, "the guest is frozen already");
    return hf_hint(err, "By another backup program, or by one that died: then "
                        "`virsh domfsthaw VM` helps.");
}

/* The command was refused (the guest is frozen by another client since we looked, or does not run)
 * or not sent: a thaw would undo somebody else's freeze. */
static bool has_no_effect(const struct hf_err *err)
{
    return err->cls == HF_E_CONFLICT || err->cls == HF_E_BUSY;
}

/* The rest of the time is for the thaw, should it be needed. */
static struct lv_agent with_two_thirds(const struct lv_agent *a)
{
    struct lv_agent part = *a;
    if (a->call.deadline_ms != HF_NO_DEADLINE)
        part.call.deadline_ms -= lv_left_ms(a->in, &a->call) / 3;
    return part;
}

int libvirt_guest_freeze(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                         uint32_t *out_frozen, struct hf_err *err)
{
    LV_AUTOAGENT struct lv_agent a = {0};
    struct hf_err second = HF_ERR_INIT;
    if (lv_agent_enter(&a, in, call, vm_id, err) != 0 || check_thawed(&a, err) != 0)
        return -1;
    struct lv_agent in_time = with_two_thirds(&a); /* borrows a's domain */
    if (freeze(&in_time, out_frozen, err) == 0) {
        if (*out_frozen)
            return 0;
        hf_fail(err, HF_E_UNSUPPORTED, "no file system of the guest can be frozen");
    }
    if (!has_no_effect(err) && thaw_vm(in, call, vm_id, &second) != 0)
        hf_also(err, &second);
    return hf_wrap(err, "freeze");
}
