/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HF_LIBVIRT_BASE64_H
#define HF_LIBVIRT_BASE64_H

#include "base/base64.h"

#define lv_base64_encode hf_base64_encode
#define lv_base64_decode hf_base64_decode

#endif
