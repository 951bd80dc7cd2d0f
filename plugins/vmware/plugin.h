/* SPDX-License-Identifier: Apache-2.0
 *
 * plugin.h - what the vmware plugin can ever do.
 */
#ifndef HF_VMWARE_PLUGIN_H
#define HF_VMWARE_PLUGIN_H

#include "api/holdfast/plugin.h"

/* What needs VMware Tools, and an account in the guest. */
#define VMW_GUEST_CAPABILITIES (HF_CAN_GUEST_EXEC | HF_CAN_GUEST_FILES)
#define VMW_CAPABILITIES                                                                           \
    (HF_CAN_SNAPSHOT | HF_CAN_MULTI_DISK | HF_CAN_ROLLBACK | HF_CAN_EXPORT_STREAM |                \
     VMW_GUEST_CAPABILITIES)

#endif
