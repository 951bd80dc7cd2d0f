/* SPDX-License-Identifier: Apache-2.0
 *
 * guest/agent.h - the hypervisor's guest agent as a channel.
 *
 * Give it a hypervisor connection of its own: while a capture call is stuck in another one, the guest must still be
 * reachable to let it go.
 */
#ifndef HF_GUEST_AGENT_H
#define HF_GUEST_AGENT_H

#include "guest/guest.h"

/* Borrows hv, which outlives it. run_id may be NULL. */
struct hf_guest *hf_guest_agent(struct hf_hv *hv, const char *vm_id, const char *run_id,
                                struct hf_err *err) HF_CHECKED;

#endif
