/* SPDX-License-Identifier: Apache-2.0
 *
 * daemon/adopt.h - what becomes of an attempt that began before this daemon did. Pure, but for hf_adopt_find.
 */
#ifndef HF_DAEMON_ADOPT_H
#define HF_DAEMON_ADOPT_H

#include "catalog/duty.h"
#include "daemon/outcome.h"

enum hf_adoption {
    HF_ADOPT_WATCH,    /* it runs: wait for its end */
    HF_ADOPT_WITHDRAW, /* nothing was done: it is due as before */
    HF_ADOPT_JUDGE     /* its own row in the catalog says how it ended */
};
/* run: what hf_adopt_is_of found, NULL: nothing. */
enum hf_adoption hf_adopt(const struct hf_duty *d, bool is_alive, const struct hf_catalog_run *run);

/* Could this run be the one that was begun for the duty? By VM, verb and time; one that ended well has to name the policy as
 * well, so that a good run by hand is not taken for ours. */
bool hf_adopt_is_of(const struct hf_duty *d, const struct hf_catalog_run *run);

/* The outcome by the catalog of an attempt whose process is gone; out->outcome NULL: nothing was done for it. */
int hf_adopt_find(struct hf_catalog *c, const struct hf_duty *d, struct hf_outcome *out,
                  struct hf_err *err) HF_CHECKED;

#endif
