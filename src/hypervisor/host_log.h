/* SPDX-License-Identifier: Apache-2.0
 *
 * hypervisor/host_log.h - a plugin's line on its way to the log.
 */
#ifndef HF_HYPERVISOR_HOST_LOG_H
#define HF_HYPERVISOR_HOST_LOG_H

#include "base/log.h"

/* Control characters become blanks, length is bounded, a level out of range is debug: a plugin's
 * text is foreign. */
void hf_host_log(struct hf_log *log, enum hf_log_level level, const char *source,
                 const char *message);

#endif
