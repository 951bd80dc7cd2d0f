/* SPDX-License-Identifier: Apache-2.0
 *
 * daemon/deliver_intern.h - what the files of daemon/deliver.h share: ways to people, messages, the choice of the next ones.
 */
#ifndef HF_DAEMON_DELIVER_INTERN_H
#define HF_DAEMON_DELIVER_INTERN_H

#include "base/cancel.h"
#include "base/clock.h"
#include "base/strv.h"
#include "catalog/alarm.h"
#include "config/config.h"

#define DELIVER_BATCH 32

/* ---- ways.c: [notify NAME] sections, copied --------------------------------------------------- */

struct way {
    char *name, *webhook, *token_file, *ca_file, *pin;
    char *mail_from, *smtp, *smtp_user, *smtp_password_file;
    struct hf_strv mail_to;
    /* of the thread alone */
    uint32_t failures;     /* since it worked last */
    int64_t not_before_ms; /* monotonic */
};
struct ways {
    struct way *items;
    size_t n;
    unsigned users; /* under the deliverer's lock */
};
struct ways *ways_of(const struct hf_config *config, struct hf_err *err) HF_CHECKED;
void ways_free(struct ways *w);
HF_DEFINE_AUTO(ways, ways_free)
struct way *ways_find(const struct ways *w, const char *name); /* NULL: there is none */

/* ---- deliver_queue.c: which message is next --------------------------------------------------- */

struct letter { /* a message, copied */
    struct hf_message m;
    char *target, *kind, *policy, *vm, *text;
};
struct queue {
    struct letter letters[DELIVER_BATCH];
    size_t n;
    int64_t wait_ms; /* until another one may be due; -1: none waits */
};
/* Due ones: of each target and alarm only the oldest, so that a recovery never overtakes what it ends; what was never tried comes first,
 * so that a letter that a server does not take holds up nobody else. */
int queue_fill(struct queue *q, struct hf_catalog *c, const struct ways *ways,
               const struct hf_clock *clock, struct hf_err *err) HF_CHECKED;
void queue_free(struct queue *q);
HF_DEFINE_AUTO_VALUE(queue, queue_free)

/* 1 min, doubled with each failure up to 1 h. */
int64_t deliver_delay_ms(uint32_t failures);

/* ---- deliver_send.c --------------------------------------------------------------------------- */

int deliver_send(const struct way *w, const struct hf_message *m, const char *host,
                 const struct hf_cancel *cancel, struct hf_err *err) HF_CHECKED;

#endif
