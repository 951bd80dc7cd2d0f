/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HF_PROXMOX_PLUGIN_H
#define HF_PROXMOX_PLUGIN_H

#include "api/holdfast/plugin.h"

/* What needs a guest agent that answers. */
#define PVE_GUEST_CAPABILITIES                                                                     \
    (HF_CAN_GUEST_EXEC | HF_CAN_GUEST_FILES | HF_CAN_GUEST_FREEZE | HF_CAN_GUEST_FSMAP)
#define PVE_CAPABILITIES                                                                           \
    (HF_CAN_SNAPSHOT | HF_CAN_MULTI_DISK | HF_CAN_ROLLBACK | HF_CAN_EXPORT_PUSHED |                \
     HF_CAN_MACHINE_PUSHED |                                                                       \
     PVE_GUEST_CAPABILITIES)

#endif
