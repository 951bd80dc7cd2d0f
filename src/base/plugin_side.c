/* SPDX-License-Identifier: Apache-2.0 */
#include "base/plugin_side.h"

#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void hf_host_vlog(const struct hf_host *host, enum hf_log_level level, const char *fmt, va_list ap)
{
    char line[1024];
    vsnprintf(line, sizeof line, fmt, ap);
    hf_replace_controls(line, ' ');
    host->log(host->ctx, level, line);
}

int hf_key_take(const struct hf_key_place *places, size_t n, const struct hf_kv *kv,
                struct hf_err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(kv->key, places[i].name) != 0)
            continue;
        free(*places[i].to);
        *places[i].to = strdup(kv->value);
        return *places[i].to ? 0 : hf_fail_nomem(err);
    }
    return hf_fail(err, HF_E_CONFIG, "unknown key '%s'", kv->key);
}
