/* SPDX-License-Identifier: Apache-2.0
 *
 * db/ping.h - waits until a server that was started answers.
 *
 * Answering is `SELECT 1` in a session of its own, which is closed again. Tried every 100 ms with connect and read
 * timeouts of 2 s at the most, and shorter towards the end; no attempt begins in the last second, but the first. A
 * network that swallows packets can thus delay the end by a second or two, nothing else can.
 *
 * 0            it answered.
 * AUTH         at once: it accepts connections, so it is up, and the account or TLS is refused. Whoever only wants the
 *              server up takes that as a success. The same for everything else that does not get better by waiting
 *              (the option file: CONFIG and its kin).
 * TIMEOUT      naming what kept it last; also a server that is full, or still starts. A Galera node answers
 *              before it is in step with its cluster (db/facts.h, hf_db_facts_check_node).
 * CANCELLED
 */
#ifndef HF_DB_PING_H
#define HF_DB_PING_H

#include "base/cancel.h"
#include "base/clock.h"
#include "db/conn.h"

/* deadline_ms: absolute monotonic. clock NULL: system; cancel may be NULL. */
int hf_db_ping_until(const struct hf_db_target *t, int64_t deadline_ms,
                     const struct hf_clock *clock, const struct hf_cancel *cancel,
                     struct hf_err *err) HF_CHECKED;

#endif
