/* SPDX-License-Identifier: Apache-2.0
 *
 * agent.h - the QEMU guest agent, through libvirt. Its answers come from the guest: hostile input.
 */
#ifndef HF_LIBVIRT_AGENT_H
#define HF_LIBVIRT_AGENT_H

#include "lv.h"

int libvirt_guest_ping(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                       struct hf_err *err);
int libvirt_guest_exec(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                       const struct hf_guest_exec *req, struct hf_guest_exec_result *out,
                       struct hf_err *err);

#endif
