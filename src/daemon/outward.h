/* SPDX-License-Identifier: Apache-2.0
 *
 * daemon/outward.h - what the daemon tells the outside: alarms, their messages, metrics. Behind the hooks of daemon/daemon.h.
 *
 * Metrics are made anew after something has changed, at most once a second, and never more than a twentieth of the time. What goes wrong
 * with them (a port that is taken, a folder that is not there) is said in the log, once for each cause, and keeps no run from beginning;
 * it is tried again after 1 s, then twice as long each time up to 1 min. A file that cannot be written keeps them from nobody who asks
 * by HTTP. While the catalog
 * is of no use they say so (holdfast_trouble), and whoever hears of alarms of the daemon is told without it.
 */
#ifndef HF_DAEMON_OUTWARD_H
#define HF_DAEMON_OUTWARD_H

#include "daemon/daemon.h"

struct hf_outward;

/* clock and log are borrowed. Signals have to be blocked already: it begins threads. */
struct hf_outward *hf_outward_new(const struct hf_clock *clock, struct hf_log *log,
                                  struct hf_err *err) HF_CHECKED;
void hf_outward_free(struct hf_outward *o);
HF_DEFINE_AUTO(hf_outward, hf_outward_free)

struct hf_daemon_hooks hf_outward_hooks(struct hf_outward *o);

#endif
