/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HF_LIBVIRT_PLUGIN_H
#define HF_LIBVIRT_PLUGIN_H

#include "api/holdfast/plugin.h"

/* What needs a guest agent that is connected. */
#define LV_GUEST_CAPABILITIES                                                                      \
    (HF_CAN_GUEST_EXEC | HF_CAN_GUEST_FILES | HF_CAN_GUEST_FREEZE | HF_CAN_GUEST_FSMAP)
/* What needs disks that can be captured. */
#define LV_CAPTURE_CAPABILITIES                                                                    \
    (HF_CAN_SNAPSHOT | HF_CAN_MULTI_DISK | HF_CAN_EXPORT_NBD | HF_CAN_INCREMENTAL)
#define LV_CAPABILITIES                                                                            \
    (LV_CAPTURE_CAPABILITIES | HF_CAN_ROLLBACK | HF_CAN_ROLLBACK_UNDO | LV_GUEST_CAPABILITIES |       \
     HF_CAN_MACHINE)

#endif
