/* SPDX-License-Identifier: Apache-2.0
 *
 * daemon/deliver_intern.h - what the files of daemon/deliver.h share: ways to people, messages, the choice of the next ones.
 */
#ifndef HF_DAEMON_DELIVER_INTERN_H
#define HF_DAEMON_DELIVER_INTERN_H

#include "base/buf.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/strv.h"
#include "catalog/alarm.h"
#include "config/config.h"
#include "daemon/deliver.h"
#include "net/json.h"
#include "policy/alarms.h"

#include <pthread.h>

#define DELIVER_BATCH 512 /* messages that are looked at, or go in one letter, at the most */
/* Letters to one target: so many at once, and one more every so often; what comes due meanwhile goes in one. */
#define DELIVER_BURST 10
#define DELIVER_EVERY_MS INT64_C(300000)

/* What is wrong with the daemon and cannot be written down: then nothing stands in the catalog that could be sent. */
struct speech {
    char text[HF_ALARM_TEXT_MAX];
    int64_t since_us, due_ms; /* wall; monotonic: not said before */
    bool is_on;
};

struct hf_alarms_deliver {
    struct hf_alarms_deliver_opts opts;
    char host[256];
    struct hf_cancel *stop;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool is_kicked;       /* under lock */
    struct ways *ways;    /* under lock; NULL before the first configure */
    struct speech speech; /* under lock */
    /* of the thread alone */
    struct hf_catalog *catalog;
    bool is_in_trouble;                        /* said already */
    struct hf_message_key done[DELIVER_BATCH]; /* delivered, and still in the catalog */
    size_t n_done;
    struct hf_strv told; /* names of those who heard the speech */
};

/* ---- ways.c: [notify NAME] sections, copied --------------------------------------------------- */

struct way {
    char *name, *webhook, *token_file, *ca_file, *pin;
    char *mail_from, *smtp, *smtp_user, *smtp_password_file;
    struct hf_strv mail_to;
    bool hears_daemon; /* of alarms about the daemon itself */
    /* of the thread alone */
    uint32_t failures;     /* since it worked last */
    int64_t not_before_ms; /* monotonic */
    int64_t paid_ms;       /* until when its letters use up what is allowed; monotonic */
    size_t most;           /* messages in a letter: fewer after one that was not taken */
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
/* How many letters it may get now, at the most DELIVER_BURST; that it got one. */
size_t way_room(const struct way *w, int64_t now_ms);
void way_spend(struct way *w, int64_t now_ms);
/* Until it may get one, for failures and for room; <= 0: now. */
int64_t way_wait_ms(const struct way *w, int64_t now_ms);

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

/* ---- deliver_round.c ------------------------------------------------------------------------- */

/* Sends what is due, one letter to each. *wait_ms: until the next round; -1: until somebody kicks. err: of the catalog. */
int deliver_round(struct hf_alarms_deliver *d, const struct ways *ways, int64_t *wait_ms,
                  struct hf_err *err) HF_CHECKED;
/* The speech, or that it is over, to those who have not heard it. *io_wait_ms is made shorter where need be. */
int deliver_speech(struct hf_alarms_deliver *d, const struct ways *ways, int64_t *io_wait_ms,
                   struct hf_err *err) HF_CHECKED;

/* ---- deliver_send.c --------------------------------------------------------------------------- */

/* One letter about all of them, the oldest first. */
int deliver_send(const struct way *w, const struct hf_message *const *m, size_t n, const char *host,
                 const struct hf_cancel *cancel, struct hf_err *err) HF_CHECKED;

/* ---- deliver_text.c: what a letter says ------------------------------------------------------- */

/* The document of a webhook; NULL: no memory. */
struct json_object *deliver_document(const struct hf_message *const *m, size_t n, const char *host);
void deliver_subject(const struct hf_message *const *m, size_t n, const char *host,
                     struct hf_buf *out);
void deliver_body(const struct hf_message *const *m, size_t n, const char *host,
                  struct hf_buf *out);

#endif
