/* SPDX-License-Identifier: Apache-2.0
 *
 * guest/services.h - systemd units in the guest brought to rest, and back.
 *
 * open    looks, and changes nothing: each unit exists and what state it is in. A unit that does not run stays as it is,
 *         at rest already. Two kinds of units belong to the set without having been named, when they run: what could
 *         wake one up (sockets, timers, paths), stopped before it; and what systemd stops together with it (units that
 *         require it, or are part of it), stopped before it and started after it, because systemd would not.
 * stop    in the given order, each checked by its effect: inactive, no main process, nothing left in its control group,
 *         and not killed: CONFLICT otherwise. What a unit leaves to itself (jobs of cron) is waited for. On failure some may be stopped: start them again. A stop that has not come
 *         home by the deadline (TIMEOUT) goes on in the guest; a start takes its place in systemd's queue and waits until
 *         the unit is down, for its TimeoutStopSec at the most, then starts it.
 * verify  the rest was unbroken: every unit's state and InvocationID are what they were after stop. CONFLICT otherwise,
 *         naming the unit. systemd forgets a stopped unit and its InvocationID when nothing refers to it (one that is
 *         neither enabled nor wanted); the dead-man, armed before the stop, refers to each.
 * start   in reverse order, sockets before their service; only what was running before; checked by its effect: active,
 *         and its main process still the same one half a second later. A unit that hangs takes no more than its share of
 *         the time. Goes on past a failure; `left` names every unit that does not run.
 *
 * Crash: what was stopped stays stopped. Hence the caller writes hf_services_to_start to the journal and arms a dead-man
 * (guest/deadman.h) before stop; hf_units_start is the inverse from any other process.
 * Deadlines are absolute, monotonic milliseconds.
 */
#ifndef HF_GUEST_SERVICES_H
#define HF_GUEST_SERVICES_H

#include "base/clock.h"
#include "base/log.h"
#include "base/strv.h"
#include "guest/guest.h"

struct hf_services;

struct hf_services_opts {
    struct hf_guest *guest;       /* borrowed, outlives it */
    const struct hf_strv *units;  /* in the order of stopping; copied */
    const struct hf_clock *clock; /* NULL: system */
    struct hf_log *log;           /* may be NULL */
};

/* NOT_FOUND: a unit does not exist (or is masked), all of them named. UNSUPPORTED: the guest has no systemd, or a unit of
 * the set could not be started again (transient, RefuseManualStart). BUSY: a unit is stopping just now. */
struct hf_services *hf_services_open(const struct hf_services_opts *opts, int64_t deadline_ms,
                                     struct hf_err *err) HF_CHECKED;
void hf_services_free(struct hf_services *s); /* starts nothing; takes NULL */
HF_DEFINE_AUTO(hf_services, hf_services_free)

/* What stop will stop, in the order in which it has to be started again; borrowed. Empty: nothing runs. */
const struct hf_strv *hf_services_to_start(const struct hf_services *s);
/* Units of the set that did not run when it was opened. */
const struct hf_strv *hf_services_idle(const struct hf_services *s);

int hf_services_stop(struct hf_services *s, int64_t deadline_ms, struct hf_err *err) HF_CHECKED;
int hf_services_verify(struct hf_services *s, int64_t deadline_ms, struct hf_err *err) HF_CHECKED;
int hf_services_start(struct hf_services *s, int64_t deadline_ms, struct hf_err *err) HF_CHECKED;

/* ---- without a set: undo, release, check ------------------------------------------------- */

/* Starts those that are not active, in the given order; idempotent; checked by effect; `left` names what does not run.
 * clock NULL: system. */
int hf_units_start(struct hf_guest *g, const struct hf_strv *units, const struct hf_clock *clock,
                   int64_t deadline_ms, struct hf_err *err) HF_CHECKED;
/* Adds the loaded units of MySQL and MariaDB servers (mariadb, mysql, mysqld, and instances of mariadb@, mysqld@ and
 * mysql@) that are active or enabled, each once under its real name (aliases resolved), active ones first. None: NOT_FOUND. */
int hf_units_find_db(struct hf_guest *g, struct hf_strv *out, int64_t deadline_ms,
                     struct hf_err *err) HF_CHECKED;

#endif
