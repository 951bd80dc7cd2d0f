/* SPDX-License-Identifier: Apache-2.0
 *
 * guest/deadman_intern.h - the reading of what the guest said, for deadman.c and the fuzzer.
 */
#ifndef HF_GUEST_DEADMAN_INTERN_H
#define HF_GUEST_DEADMAN_INTERN_H

#include "guest/deadman.h"

/* What `systemctl list-units --plain --no-legend` printed. */
int hf_deadman_parse_list(const char *text, const char *run_id, struct hf_strv *out,
                          struct hf_err *err) HF_CHECKED;

#endif
