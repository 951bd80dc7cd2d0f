/* SPDX-License-Identifier: Apache-2.0
 *
 * daemon/deliver.h - sends the messages of the catalog (catalog/alarm.h) to whom [notify NAME] names: a thread of its own.
 *
 * Promise   a message is taken from the catalog when its server has taken it over, and not before: it may arrive twice, and is never lost.
 *           One that fails is tried again after 1 min, then twice as long each time up to 1 h; it is given up after 3 days, or when its
 *           section is gone, which is said in the log. Letters go one after the other, each within 30 s (10 s to connect).
 * Storms    a target gets at the most ten letters at once, and then one every five minutes: of more messages, and of what comes due
 *           meanwhile, one letter tells (up to 512).
 * Webhook   POST of a JSON document: kind, policy, vm, since, text, recovery, host, id (the same when it is sent again). About several:
 *           kind is "several", and `messages` is a list of such without host. Any of 2xx: taken.
 * Mail      TLS always, but to a loopback address. No text from outside can make a header (daemon/mail.h).
 * Secrets   are read from their files for each message, and stand in no message, log line or error.
 * Trouble   a catalog that cannot be opened or read is said once in the log, and tried again after a minute.
 * Idle      without a message the thread does not wake.
 * Threads   open, configure, kick and close from one; the catalog that it opens itself is its own.
 */
#ifndef HF_DAEMON_DELIVER_H
#define HF_DAEMON_DELIVER_H

#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"

struct hf_alarms_deliver;

struct hf_alarms_deliver_opts { /* borrowed until close */
    const char *state_dir;
    const struct hf_clock *clock; /* wall: when messages are due */
    struct hf_log *log;
    const char *host; /* what messages call this host; NULL: its name */
};

/* Begins the thread; it sends nothing before the first configure. */
struct hf_alarms_deliver *hf_alarms_deliver_open(const struct hf_alarms_deliver_opts *opts,
                                                 struct hf_err *err) HF_CHECKED;
/* The [notify NAME] sections from now on; copied. -1: no memory, the former ones stay. */
int hf_alarms_deliver_configure(struct hf_alarms_deliver *d, const struct hf_config *config,
                                struct hf_err *err) HF_CHECKED;
/* There may be new messages: to be called behind hf_alarm_raise and hf_alarm_clear. */
void hf_alarms_deliver_kick(struct hf_alarms_deliver *d);
/* What is wrong with the daemon where the catalog cannot be told of it; NULL: nothing any more. Who hears of alarms of kind "daemon" is
 * told without it (id is 0) when it lasts for a minute, and that it is over. */
void hf_alarms_deliver_trouble(struct hf_alarms_deliver *d, const char *text);
/* Within a second; what is being sent is cut short and stays due. */
void hf_alarms_deliver_close(struct hf_alarms_deliver *d);
HF_DEFINE_AUTO(hf_alarms_deliver, hf_alarms_deliver_close)

#endif
