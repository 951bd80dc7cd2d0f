/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HF_LIBVIRT_PLUGIN_H
#define HF_LIBVIRT_PLUGIN_H

#include "api/holdfast/plugin.h"

#define LV_CAPABILITIES (HF_CAN_SNAPSHOT | HF_CAN_MULTI_DISK | HF_CAN_GUEST_EXEC)

#endif
