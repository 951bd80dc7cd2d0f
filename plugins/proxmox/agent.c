/* SPDX-License-Identifier: Apache-2.0 */
#include "agent.h"

#include "base/point.h"

#include <string.h>

#define THAW_PAUSE_MS 200
#define THAW_MARGIN_MS 500
#define ANSWER_MS 12000 /* the server gives the agent 3 s for its own ping, and then 5 s */
#define LATE_PAUSE_MS 300

int pve_agent_plain(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                    const char *method, const char *command, struct json_object **out,
                    struct hf_err *err)
{
    static const char *const quick[] = {"ping", "fsfreeze-status", "fsfreeze-thaw"};
    char below[64];
    struct pve_req req = {.method = method};
    HF_AUTOJSON struct json_object *data = NULL;
    struct json_object *result = NULL, *error = NULL;
    snprintf(below, sizeof below, "/agent/%s", command);
    for (size_t i = 0; i < HF_ARRAY_SIZE(quick); i++)
        if (strcmp(command, quick[i]) == 0)
            req.answer_ms = ANSWER_MS;
    if (pve_vm_request(in, call, vm_id, below, &req, &data, err) != 0)
        return -1;
    if (!json_object_is_type(data, json_type_object) ||
        !json_object_object_get_ex(data, "result", &result) || !result)
        return hf_fail(err, HF_E_CORRUPT, "guest agent: %s without a result", command);
    if (json_object_is_type(result, json_type_object) &&
        json_object_object_get_ex(result, "error", &error)) {
        const char *text = pve_text(error, "desc"); /* an error, with status 200 */
        return hf_fail(err, pve_class_of(text ? text : ""), "guest agent: %s: %.300s", command,
                       text ? text : "failed");
    }
    *out = json_object_get(result);
    return 0;
}

int pve_agent_ping(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                   struct hf_err *err)
{
    HF_AUTOJSON struct json_object *result = NULL;
    return pve_agent_plain(in, call, vm_id, "POST", "ping", &result, err);
}

int pve_agent_state(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                    enum hf_freeze_state *out, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *result = NULL;
    if (pve_agent_plain(in, call, vm_id, "POST", "fsfreeze-status", &result, err) != 0)
        return -1;
    const char *text =
        json_object_is_type(result, json_type_string) ? json_object_get_string(result) : "";
    if (strcmp(text, "thawed") != 0 && strcmp(text, "frozen") != 0)
        return hf_fail(err, HF_E_CORRUPT, "guest agent: a freeze state '%.40s'", text);
    *out = *text == 't' ? HF_FREEZE_THAWED : HF_FREEZE_FROZEN;
    return 0;
}

int proxmox_guest_ping(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                       struct hf_err *err)
{
    return pve_enter(in, call, err) == 0 ? pve_agent_ping(in, call, vm_id, err) : -1;
}

int proxmox_guest_freeze_state(struct hf_instance *in, const struct hf_call *call,
                               const char *vm_id, enum hf_freeze_state *out, struct hf_err *err)
{
    return pve_enter(in, call, err) == 0 ? pve_agent_state(in, call, vm_id, out, err) : -1;
}

static bool may_pass(const struct hf_err *err)
{
    return err->cls == HF_E_UNREACHABLE || err->cls == HF_E_TIMEOUT || err->cls == HF_E_BUSY ||
           err->cls == HF_E_CORRUPT || err->cls == HF_E_PLUGIN;
}

static int thaw_and_look(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                         struct hf_err *err)
{
    HF_AUTOJSON struct json_object *result = NULL;
    enum hf_freeze_state state = HF_FREEZE_UNKNOWN;
    struct hf_err first = HF_ERR_INIT;
    if (HF_POINT_ERR("proxmox.before_guest_thaw", err) != 0)
        return -1;
    int rc = pve_agent_plain(in, call, vm_id, "POST", "fsfreeze-thaw", &result, &first);
    if (rc != 0 && !may_pass(&first)) {
        hf_err_copy(err, &first);
        return -1;
    }
    if (pve_agent_state(in, call, vm_id, &state, err) == 0 && state == HF_FREEZE_THAWED)
        return 0;
    if (rc != 0)
        hf_err_copy(err, &first);
    else if (state == HF_FREEZE_FROZEN)
        hf_fail(err, HF_E_BUSY, "the guest was thawed and says that it is frozen");
    return -1;
}

/* Tried until it is done or the deadline has passed, cancelled or not. A VM that does not run has nothing to thaw. */
int pve_agent_thaw(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                   struct hf_err *err)
{
    int rc;
    in->ignores_cancel = true;
    for (;;) {
        hf_err_clear(err);
        rc = thaw_and_look(in, call, vm_id, err);
        if (rc != 0 && strstr(err->message, " is not running") && strstr(err->message, "VM ")) {
            hf_err_clear(err);
            rc = 0;
        }
        if (rc == 0 || !may_pass(err) || pve_left_ms(in, call) < THAW_PAUSE_MS + THAW_MARGIN_MS)
            break;
        pve_pause(in, call, THAW_PAUSE_MS);
    }
    in->ignores_cancel = false;
    return rc == 0 ? 0 : hf_left(err, "file systems in the guest may be frozen");
}

int proxmox_guest_thaw(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                       struct hf_err *err)
{
    if (pve_enter(in, call, err) != 0)
        return -1;
    return pve_agent_thaw(in, call, vm_id, err) == 0 ? 0 : hf_wrap(err, "thaw");
}

static int freeze(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                  uint32_t *out_frozen, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *result = NULL;
    if (HF_POINT_ERR("proxmox.before_guest_freeze", err) != 0 ||
        pve_agent_plain(in, call, vm_id, "POST", "fsfreeze-freeze", &result, err) != 0)
        return -1;
    int64_t n = json_object_get_int64(result);
    if (n <= 0 || n > 65536)
        return hf_fail(err, HF_E_UNSUPPORTED, "no file system of the guest can be frozen");
    *out_frozen = (uint32_t)n;
    return HF_POINT_ERR("proxmox.after_guest_freeze", err);
}

/* One whose answer was lost may be done a moment after the thaw. */
static int undo_freeze(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                       bool is_unclear, struct hf_err *err)
{
    if (pve_agent_thaw(in, call, vm_id, err) != 0)
        return -1;
    if (!is_unclear)
        return 0;
    pve_pause(in, call, LATE_PAUSE_MS);
    return pve_agent_thaw(in, call, vm_id, err);
}

int proxmox_guest_freeze(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                         uint32_t *out_frozen, struct hf_err *err)
{
    enum hf_freeze_state state = HF_FREEZE_UNKNOWN;
    struct hf_err second = HF_ERR_INIT;
    struct hf_call part = *call; /* the rest of the time is for the thaw, should it be needed */
    if (pve_enter(in, call, err) != 0 || pve_agent_state(in, call, vm_id, &state, err) != 0)
        return -1;
    if (state == HF_FREEZE_FROZEN)
        return hf_fail(err, HF_E_BUSY, "the guest is frozen already");
    if (call->deadline_ms != HF_NO_DEADLINE)
        part.deadline_ms -= pve_left_ms(in, call) / 3;
    if (freeze(in, &part, vm_id, out_frozen, err) == 0)
        return 0;
    if (err->cls != HF_E_AUTH && undo_freeze(in, call, vm_id, in->is_unclear, &second) != 0)
        hf_also(err, &second);
    return hf_wrap(err, "freeze");
}
