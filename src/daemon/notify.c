/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/notify.h"

#include <inttypes.h>
#include <systemd/sd-daemon.h>

/* That systemd does not hear it is for systemd to judge: nothing to do here. */

void hf_notify_ready(const char *status)
{
    (void)sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void hf_notify_reloading(const struct hf_clock *clock)
{
    (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, hf_clock_mono_us(clock));
}

void hf_notify_stopping(void)
{
    (void)sd_notify(0, "STOPPING=1");
}

void hf_notify_status(const char *status)
{
    (void)sd_notifyf(0, "STATUS=%s", status);
}

void hf_notify_alive(void)
{
    (void)sd_notify(0, "WATCHDOG=1");
}

int64_t hf_notify_interval_us(void)
{
    uint64_t us = 0;
    if (sd_watchdog_enabled(0, &us) <= 0 || us < 2 || us > INT64_MAX)
        return 0;
    return (int64_t)(us / 2);
}
