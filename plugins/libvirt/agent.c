/* SPDX-License-Identifier: Apache-2.0 */
#include "agent.h"

#include "agent_reply.h"

#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>
#include <string.h>

#define BUSY_PAUSE_MS 50

int lv_agent_enter(struct lv_agent *a, struct hf_instance *in, const struct hf_call *call,
                   const char *vm_id, struct hf_err *err)
{
    *a = (struct lv_agent){.in = in, .call = *call};
    return lv_enter(in, call, err) != 0 ? -1 : lv_domain(in, vm_id, &a->dom, err);
}

/* The command was not sent: another client had the channel, or the channel was out of step. */
static bool was_busy(void)
{
    const virError *e = virGetLastError();
    return e && (e->code == VIR_ERR_OPERATION_TIMEOUT || e->code == VIR_ERR_AGENT_UNSYNCED);
}

/* The agent's own words are all that libvirt hands on of its error, and libvirt's own are all that
 * tells its reasons apart. They can lie; nothing but the class and the hint depends on them. */
static const struct {
    const char *words;
    enum hf_err_class cls;
    const char *hint;
} meanings[] = {
    {"the agent is in frozen state", HF_E_CONFLICT,
     "The agent takes the guest for frozen; a thaw makes it work again: `virsh domfsthaw VM`."},
    {"has been disabled", HF_E_UNSUPPORTED,
     "Allow it in the configuration of the guest's qemu-ga (block-rpcs, allow-rpcs, "
     "BLACKLIST_RPC)."},
    {"The command guest-", HF_E_UNSUPPORTED, "The guest's qemu-ga is too old for this."},
    {"No such file or directory", HF_E_NOT_FOUND, NULL},
    {"cannot parse json", HF_E_CORRUPT, NULL},
    {"No complete agent response", HF_E_CORRUPT, NULL},
};

static void explain(struct hf_err *err)
{
    for (size_t i = 0; err->cls == HF_E_PLUGIN && i < HF_ARRAY_SIZE(meanings); i++) {
        if (!strstr(err->message, meanings[i].words))
            continue;
        err->cls = meanings[i].cls;
        if (meanings[i].hint)
            hf_hint(err, "%s", meanings[i].hint);
    }
}

static char *send(const struct lv_agent *a, const char *text, struct hf_err *err)
{
    for (;;) {
        struct hf_err stop = HF_ERR_INIT;
        int64_t seconds = (lv_left_ms(a->in, &a->call) + 999) / 1000;
        char *reply = virDomainQemuAgentCommand(a->dom, text, seconds > 0 ? (int)seconds : 1, 0);
        if (reply)
            return reply;
        bool again = was_busy();
        lv_fail(err, "guest agent");
        explain(err);
        if (!again || lv_check_stop(a->in, &a->call, &stop) != 0)
            return NULL;
        usleep(BUSY_PAUSE_MS * 1000);
    }
}

static char *command_text(const char *command, struct json_object *args)
{
    HF_AUTOJSON struct json_object *o = json_object_new_object();
    bool ok = o && hf_json_add_string(o, "execute", command) == 0;
    if (!ok)
        json_object_put(args);
    else if (args)
        ok = hf_json_add(o, "arguments", args) == 0;
    const char *text = ok ? json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN) : NULL;
    return text ? strdup(text) : NULL;
}

int lv_agent_call(const struct lv_agent *a, const char *command, struct json_object *args,
                  struct json_object **out, struct hf_err *err)
{
    HF_AUTOFREE char *text = command_text(command, args);
    if (!text)
        return hf_fail_nomem(err);
    HF_AUTOFREE char *reply = send(a, text, err);
    if (!reply)
        return -1;
    return lv_reply_parse(reply, out, err) == 0 ? 0 : hf_wrap(err, "guest agent: %s", command);
}

int lv_agent_call_int(const struct lv_agent *a, const char *command, const char *key, int64_t value,
                      struct json_object **out, struct hf_err *err)
{
    struct json_object *args = json_object_new_object();
    if (args && hf_json_add_int(args, key, value) == 0)
        return lv_agent_call(a, command, args, out, err);
    json_object_put(args);
    return hf_fail_nomem(err);
}

int libvirt_guest_ping(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                       struct hf_err *err)
{
    LV_AUTOAGENT struct lv_agent a = {0};
    HF_AUTOJSON struct json_object *value = NULL;
    if (lv_agent_enter(&a, in, call, vm_id, err) != 0)
        return -1;
    return lv_agent_call(&a, "guest-ping", NULL, &value, err);
}
