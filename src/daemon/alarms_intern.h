/* SPDX-License-Identifier: Apache-2.0
 *
 * daemon/alarms_intern.h - what the files of the alarms share.
 */
#ifndef HF_DAEMON_ALARMS_INTERN_H
#define HF_DAEMON_ALARMS_INTERN_H

#include "base/buf.h"
#include "catalog/alarm.h"
#include "daemon/alarms.h"
#include "policy/alarms.h"

struct hf_daemon_alarms {
    const struct hf_config *config; /* borrowed */
    void *on;                       /* which are: keys */
    int64_t looked_s, next_look_s;  /* for what is overdue; HF_NO_TIME: not of itself */
    bool has_news;
    bool is_many; /* as many as there are VMs may follow: not each with a transaction of its own */
    size_t in_batch; /* written in the one that is open; 0: none is */
};

/* Sets of texts, NULL when empty. */
char *alarm_key(const char *kind, const char *policy, const char *vm); /* to be freed */
bool alarm_keys_have(void *const *tree, const char *key);
/* Takes the key, also when it fails; NULL fails. */
int alarm_keys_add(void **tree, char *key, struct hf_err *err) HF_CHECKED;
void alarm_keys_free(void **tree);

/* Borrows all of them. */
struct hf_alarm alarm_of(const struct hf_alarm_change *change, const char *policy, const char *vm,
                         int64_t at_us);
/* Nothing is written for one that is as it is to be already; is_news: the text of one that is on changes. */
int alarm_set(struct hf_daemon_alarms *a, struct hf_catalog *c, const struct hf_alarm *alarm,
              bool is_on, bool is_news, struct hf_err *err) HF_CHECKED;

/* Begins with nothing open. What follows is written in parts; the end writes the last one. rc as of hf_catalog_batch_end. */
void alarm_batch_begin(struct hf_daemon_alarms *a);
int alarm_batch_end(struct hf_daemon_alarms *a, struct hf_catalog *c, int rc, struct hf_err *err)
    HF_CHECKED;

#endif
