/* SPDX-License-Identifier: Apache-2.0
 *
 * daemon/options.h - the command line of holdfastd: one table, of which parser, --help and man page are made.
 */
#ifndef HF_DAEMON_OPTIONS_H
#define HF_DAEMON_OPTIONS_H

#include "base/buf.h"

#include <stdbool.h>

enum hf_daemon_option {
    HF_DAEMON_CONFIG,
    HF_DAEMON_CHECK,
    HF_DAEMON_VERBOSE,
    HF_DAEMON_HELP,
    HF_DAEMON_VERSION,
    HF_DAEMON_OPTIONS
};

struct hf_daemon_option_row {
    const char *name; /* without the dashes */
    char letter;      /* 0: none */
    const char *arg;  /* name of its value, NULL for a flag */
    const char *help;
};
extern const struct hf_daemon_option_row hf_daemon_options[HF_DAEMON_OPTIONS];

struct hf_daemon_call {
    bool is_set[HF_DAEMON_OPTIONS];
    const char *config; /* borrowed from argv or the environment */
};
/* CONFIG: an option that there is not, or a word. call->config is never NULL. */
int hf_daemon_options_parse(int argc, char **argv, struct hf_daemon_call *call, struct hf_err *err)
    HF_CHECKED;
void hf_daemon_options_help(struct hf_buf *out);

#endif
