/* SPDX-License-Identifier: Apache-2.0
 *
 * warn.h - warnings of a plan, one line each, to the host's callback.
 */
#ifndef HF_LIBVIRT_WARN_H
#define HF_LIBVIRT_WARN_H

#include "lv.h"

struct lv_warner {
    hf_text_cb say;
    void *ctx;
};

/* -1: the callback's owner wants no more; err is as it left it. */
int lv_warn(const struct lv_warner *w, const char *fmt, ...) HF_PRINTF(2, 3) HF_CHECKED;

#endif
