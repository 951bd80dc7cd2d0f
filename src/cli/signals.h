/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/signals.h - SIGINT, SIGTERM and SIGHUP ask the run to stop; private to cli/.
 *
 * They never kill: what was brought to rest is released first. A second one is answered by a line
 * on stderr, once. A signal that was ignored when the program started (nohup, the guardian) stays
 * ignored.
 */
#ifndef HF_CLI_SIGNALS_H
#define HF_CLI_SIGNALS_H

#include "base/cancel.h"

#include <signal.h>

#define HF_SIGNALS_COUNT 3

struct hf_signals {
    struct sigaction before[HF_SIGNALS_COUNT];
    bool is_installed;
};

/* One at a time per process. c outlives it. */
void hf_signals_install(struct hf_signals *s, struct hf_cancel *c);
void hf_signals_restore(struct hf_signals *s);
HF_DEFINE_AUTO_VALUE(hf_signals, hf_signals_restore)

#endif
