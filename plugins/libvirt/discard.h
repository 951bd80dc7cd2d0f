/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HF_LIBVIRT_DISCARD_H
#define HF_LIBVIRT_DISCARD_H

#include "lv.h"

int libvirt_capture_discard(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                            const char *name, const char *undo_token, struct hf_err *err);

#endif
