/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/host_log.h"

#define LINE_MAX_BYTES 1024

void hf_host_log(struct hf_log *log, enum hf_log_level level, const char *source,
                 const char *message)
{
    char line[LINE_MAX_BYTES];
    size_t n = 0;
    for (; message && message[n] && n < sizeof line - 1; n++) {
        unsigned char c = (unsigned char)message[n];
        line[n] = c < 0x20 || c == 0x7f ? ' ' : (char)c;
    }
    line[n] = '\0';
    if ((int)level < HF_LOG_ERROR || (int)level > HF_LOG_DEBUG)
        level = HF_LOG_DEBUG;
    hf_log(log, level, source, "%s", line);
}
