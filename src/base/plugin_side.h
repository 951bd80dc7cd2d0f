/* SPDX-License-Identifier: Apache-2.0
 *
 * base/plugin_side.h - what plugins have in common on their side of the ABI.
 */
#ifndef HF_BASE_PLUGIN_SIDE_H
#define HF_BASE_PLUGIN_SIDE_H

#include "api/holdfast/plugin.h"
#include "base/cleanup.h"
#include "base/err.h"

#include <stdarg.h>
#include <stddef.h>

/* A line of the host's log, cut at 1023 bytes, each control character a blank. */
void hf_host_vlog(const struct hf_host *host, enum hf_log_level level, const char *fmt, va_list ap);

/* Where the text of a key goes. */
struct hf_key_place {
    const char *name;
    char **to; /* owned; what was there is freed */
};
/* CONFIG: none of the n is called so. */
int hf_key_take(const struct hf_key_place *places, size_t n, const struct hf_kv *kv,
                struct hf_err *err) HF_CHECKED;

#endif
