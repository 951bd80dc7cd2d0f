/* SPDX-License-Identifier: Apache-2.0
 *
 * daemon/loop.h - what makes the daemon turn: times of day (a clock that is set is noticed), signals, runs that end.
 *
 * It sleeps in between, but for the watchdog of systemd, where there is one.
 */
#ifndef HF_DAEMON_LOOP_H
#define HF_DAEMON_LOOP_H

#include "daemon/daemon.h"

#include <signal.h>

/* SIGTERM, SIGINT and SIGHUP wait until the loop takes them: to be called before any thread is. */
int hf_loop_block_signals(struct hf_err *err) HF_CHECKED;
/* Until SIGTERM or SIGINT: 0. -1: the loop itself cannot be. */
int hf_loop_run(struct hf_daemon *d, const struct hf_daemon_opts *opts, struct hf_err *err)
    HF_CHECKED;

#endif
