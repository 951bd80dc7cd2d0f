/* SPDX-License-Identifier: Apache-2.0
 *
 * daemon/notify.h - what systemd is told, where it has started us; else all of it does nothing.
 */
#ifndef HF_DAEMON_NOTIFY_H
#define HF_DAEMON_NOTIFY_H

#include "base/clock.h"

void hf_notify_ready(const char *status);
void hf_notify_reloading(const struct hf_clock *clock);
void hf_notify_stopping(void);
void hf_notify_status(const char *status);
void hf_notify_alive(void);
/* How often it wants to hear hf_notify_alive, half of that; 0: not at all. */
int64_t hf_notify_interval_us(void);

#endif
