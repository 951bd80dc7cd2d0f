/* SPDX-License-Identifier: Apache-2.0
 *
 * The guest's filesystems frozen through the hypervisor's agent, under a dead-man that thaws them.
 */
#include "base/point.h"
#include "hold/holding.h"

#define COMMAND_MS 15000
/* Past hold_limit the dead-man thaws. Who holds more than the filesystems waits no longer than this for an agent, or a
 * hypervisor, that does not answer; the agent is told later, by the undo. */
#define THAW_PAST_LIMIT_MS 1000

int holding_arm_thaw(struct holding *h, struct hf_err *err)
{
    const struct hf_hold_freeze *f = h->plan->freeze;
    holding_start_limit(h, holding_now_ms(h));
    h->is_thaw_armed = true; /* also when it is unclear */
    int64_t after_ms = h->deadline_ms - holding_now_ms(h);
    return hf_deadman_arm_thaw(h->plan->guest, f->deadman, f->mounts, after_ms > 0 ? after_ms : 1,
                               holding_now_ms(h) + COMMAND_MS, err);
}

static struct hf_hv_call thaw_call(const struct holding *h)
{
    int64_t from_ms = holding_now_ms(h) < h->deadline_ms ? h->deadline_ms : holding_now_ms(h);
    return (struct hf_hv_call){.deadline_ms = from_ms + THAW_PAST_LIMIT_MS,
                               .run_id = h->plan->run_id};
}

/* The last moment to look. An early thaw by anybody but our dead-man shows here and nowhere else. */
static void verify_frozen(struct holding *h)
{
    struct hf_err cause = HF_ERR_INIT;
    struct hf_hv_call call = thaw_call(h);
    enum hf_freeze_state state = HF_FREEZE_UNKNOWN;
    if (!h->out->captured)
        return;
    if (hf_hv_guest_freeze_state(h->plan->freeze->hv, &call, h->plan->vm_id, &state, &cause) < 0)
        holding_degrade(h, "nobody could tell whether the filesystems stayed frozen", &cause);
    else if (state != HF_FREEZE_FROZEN)
        holding_degrade(h, "the filesystems did not stay frozen", NULL);
}

/* An earlier question that got no answer has the channel: what it waits for, a thaw would wait for, too. */
static int send_thaw(const struct holding *h, const struct hf_hv_call *call, struct hf_err *err)
{
    struct hf_hv *hv = h->plan->freeze->hv;
    struct hf_err late = HF_ERR_INIT;
    if (hf_hv_is_stuck(hv) && hf_hv_wait_home(hv, call->deadline_ms, &late, err) < 0)
        return -1;
    return hf_hv_guest_thaw(hv, call, h->plan->vm_id, err);
}

/* Always sent, whatever is known: thawing what is not frozen harms nothing, and the agent refuses all else until then. */
static int thaw(void *self, struct hf_err *err)
{
    struct holding *h = self;
    verify_frozen(h);
    struct hf_hv_call call = thaw_call(h);
    HF_POINT("hold.before_thaw");
    int result = send_thaw(h, &call, err);
    holding_mark(h, "thawed");
    HF_POINT("hold.after_thaw");
    if (result == 0)
        return 0;
    hf_left(err, "filesystems of the guest may be frozen until its dead-man thaws them");
    return holding_break(h, err);
}

int holding_freeze(struct holding *h, struct hf_err *err)
{
    uint32_t frozen = 0;
    const struct hf_hold_freeze *f = h->plan->freeze;
    struct hf_hold hold = {.name = "filesystems", .self = h, .release = thaw};
    struct hf_hv_call call = {.deadline_ms = h->deadline_ms, .run_id = h->plan->run_id};
    if (hf_hold_stack_push(&h->stack, &hold, err) < 0)
        return -1;
    HF_POINT("hold.before_freeze");
    holding_mark(h, "freeze_begin");
    if (hf_hv_guest_freeze(f->hv, &call, h->plan->vm_id, &frozen, err) < 0)
        return -1;
    holding_mark(h, "frozen");
    HF_POINT("hold.after_freeze");
    if (frozen == 0)
        return hf_fail(err, HF_E_UNSUPPORTED, "the guest agent froze no filesystem");
    return 0;
}
