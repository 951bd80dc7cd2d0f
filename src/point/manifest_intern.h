/* SPDX-License-Identifier: Apache-2.0
 *
 * point/manifest_intern.h - what stands around the inner object, byte for byte.
 */
#ifndef HF_POINT_MANIFEST_INTERN_H
#define HF_POINT_MANIFEST_INTERN_H

#include "point/manifest.h"

#define HF_MANIFEST_HEAD "{\"mac\":\""
#define HF_MANIFEST_MIDDLE "\",\"manifest\":"
#define HF_MANIFEST_TAIL "}\n"

#endif
