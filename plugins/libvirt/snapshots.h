/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HF_LIBVIRT_SNAPSHOTS_H
#define HF_LIBVIRT_SNAPSHOTS_H

#include "lv.h"

int libvirt_snapshot_list(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                          hf_snapshot_cb emit, void *ctx, struct hf_err *err);

#endif
