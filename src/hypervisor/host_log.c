/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/host_log.h"

#include "base/utf8.h"

#include <string.h>

#define LINE_MAX_BYTES 1024

void hf_host_log(struct hf_log *log, enum hf_log_level level, const char *source,
                 const char *message)
{
    char line[LINE_MAX_BYTES];
    size_t n = message ? strnlen(message, sizeof line - 1) : 0;
    memcpy(line, message ? message : "", n);
    line[n] = '\0';
    hf_replace_controls(line, ' ');
    if ((int)level < HF_LOG_ERROR || (int)level > HF_LOG_DEBUG)
        level = HF_LOG_DEBUG;
    hf_log(log, level, source, "%s", line);
}
