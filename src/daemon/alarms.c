/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/alarms_intern.h"

#include <search.h>
#include <string.h>

#define LOOK_EVERY_S 300
#define BATCH_MAX 200 /* of them: runs that want to write wait for less than a second */

/* ---- which are on ------------------------------------------------------------------------ */

/* Section names have no line ends. */
char *alarm_key(const char *kind, const char *policy, const char *vm)
{
    return hf_asprintf("%s\n%s\n%s", kind, policy, vm);
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

bool alarm_keys_have(void *const *tree, const char *key)
{
    return tfind(key, tree, compare) != NULL;
}

int alarm_keys_add(void **tree, char *key, struct hf_err *err)
{
    char **node = key ? tsearch(key, tree, compare) : NULL;
    if (!node || *node != key)
        free(key);
    return node ? 0 : hf_fail_nomem(err);
}

static void drop(void **tree, const char *key)
{
    char **node = tfind(key, tree, compare);
    char *owned = node ? *node : NULL;
    tdelete(key, tree, compare);
    free(owned);
}

void alarm_keys_free(void **tree)
{
    tdestroy(HF_STEAL(*tree), free);
}

struct hf_daemon_alarms *hf_daemon_alarms_new(void)
{
    return calloc(1, sizeof(struct hf_daemon_alarms));
}

void hf_daemon_alarms_free(struct hf_daemon_alarms *a)
{
    if (!a)
        return;
    alarm_keys_free(&a->on);
    free(a);
}

/* ---- many at a time -------------------------------------------------------------------- */

void alarm_batch_begin(struct hf_daemon_alarms *a)
{
    a->is_many = true;
    a->in_batch = 0;
}

static int flush(struct hf_daemon_alarms *a, struct hf_catalog *c, int rc, struct hf_err *err)
{
    if (a->in_batch == 0)
        return rc;
    a->in_batch = 0;
    return hf_catalog_batch_end(c, rc, err);
}

int alarm_batch_end(struct hf_daemon_alarms *a, struct hf_catalog *c, int rc, struct hf_err *err)
{
    a->is_many = false;
    return flush(a, c, rc, err);
}

/* Room for one more in the batch, where there is one. */
static int batch(struct hf_daemon_alarms *a, struct hf_catalog *c, struct hf_err *err)
{
    if (!a->is_many)
        return 0;
    if ((a->in_batch == BATCH_MAX && flush(a, c, 0, err) < 0) ||
        (a->in_batch == 0 && hf_catalog_batch_begin(c, err) < 0))
        return -1;
    a->in_batch++;
    return 0;
}

/* ---- written ----------------------------------------------------------------------------- */

void hf_daemon_alarms_configured(void *ctx, const struct hf_config *config)
{
    struct hf_daemon_alarms *a = ctx;
    a->config = config;
}

static int raise_or_clear(struct hf_daemon_alarms *a, struct hf_catalog *c,
                          const struct hf_alarm *alarm, bool is_on, struct hf_err *err)
{
    size_t n;
    HF_AUTOFREE const char **targets = hf_alarm_targets(a->config, alarm->kind, &n);
    if (!targets)
        return hf_fail_nomem(err);
    if (batch(a, c, err) < 0)
        return -1;
    a->has_news = true;
    return is_on ? hf_alarm_raise(c, alarm, targets, n, err)
                 : hf_alarm_clear(c, alarm, targets, n, err);
}

int alarm_set(struct hf_daemon_alarms *a, struct hf_catalog *c, const struct hf_alarm *alarm,
              bool is_on, bool is_news, struct hf_err *err)
{
    HF_AUTOFREE char *key = alarm_key(alarm->kind, alarm->policy, alarm->vm);
    if (!key)
        return hf_fail_nomem(err);
    bool was_on = alarm_keys_have(&a->on, key);
    if (is_on == was_on && !(is_on && is_news))
        return 0;
    if (raise_or_clear(a, c, alarm, is_on, err) < 0)
        return -1;
    if (is_on)
        return alarm_keys_add(&a->on, HF_STEAL(key), err);
    drop(&a->on, key);
    return 0;
}

struct hf_alarm alarm_of(const struct hf_alarm_change *change, const char *policy, const char *vm,
                         int64_t at_us)
{
    return (struct hf_alarm){
        .kind = change->kind, .policy = policy, .vm = vm, .since_us = at_us, .text = change->text};
}

static int set_all(struct hf_daemon_alarms *a, struct hf_catalog *c, const char *policy,
                   const char *vm, const struct hf_alarm_changes *changes, int64_t at_us,
                   bool is_news, struct hf_err *err)
{
    for (size_t i = 0; i < changes->n; i++) {
        const struct hf_alarm_change *change = &changes->items[i];
        const struct hf_alarm alarm = alarm_of(change, policy, vm, at_us);
        if (alarm_set(a, c, &alarm, change->is_on, is_news, err) < 0)
            return -1;
    }
    return 0;
}

bool hf_daemon_alarms_take_news(struct hf_daemon_alarms *a)
{
    const bool had = a->has_news;
    a->has_news = false;
    return had;
}

/* ---- hooks -------------------------------------------------------------------------------- */

int hf_daemon_alarms_changed(void *ctx, struct hf_catalog *c, const struct hf_daemon_change *change,
                             struct hf_err *err)
{
    struct hf_alarm_changes changes = {.n = 0};
    if (change->what == HF_CHANGE_BEGAN)
        hf_alarms_of_job(change->job, &changes);
    else if (change->what == HF_CHANGE_ENDED)
        hf_alarms_of_attempt(NULL, change->duty, &changes);
    return set_all(ctx, c, change->policy, change->vm, &changes, change->at_us, true, err);
}

int hf_daemon_alarms_trouble(void *ctx, struct hf_catalog *c, const char *text, struct hf_err *err)
{
    char line[HF_ALARM_TEXT_MAX];
    hf_alarm_text(text ? text : "works again", line);
    const struct hf_alarm alarm = {.kind = HF_ALARM_DAEMON,
                                   .policy = "",
                                   .vm = "",
                                   .since_us = hf_clock_wall_us(hf_clock_system()),
                                   .text = line};
    return alarm_set(ctx, c, &alarm, text != NULL, true, err);
}

struct look {
    struct hf_daemon_alarms *alarms;
    struct hf_catalog *catalog;
    int64_t now_s;
    bool waits; /* somebody is due and has not begun: that may become overdue */
    int64_t
        next_s; /* then the next of one that runs is due: nothing else may wake us if that run hangs */
};

static int look_at(void *ctx, const struct hf_plan_row *row, struct hf_err *err)
{
    struct look *l = ctx;
    struct hf_alarm_changes changes;
    hf_alarms_of_row(row, &changes);
    l->waits = l->waits || row->is_overdue || row->due_s <= l->now_s;
    if (row->is_running && row->due_s > l->now_s && row->due_s < l->next_s)
        l->next_s = row->due_s;
    return set_all(l->alarms, l->catalog, row->policy->label, row->vm->label, &changes,
                   l->now_s * 1000000, false, err);
}

int hf_daemon_alarms_turned(void *ctx, struct hf_catalog *c, const struct hf_plan *plan,
                            int64_t now_s, int64_t *io_wake_s, struct hf_err *err)
{
    struct hf_daemon_alarms *a = ctx;
    struct look l = {a, c, now_s, false, HF_NO_TIME};
    bool is_early = now_s >= a->looked_s && now_s < a->looked_s + LOOK_EVERY_S;
    if (!is_early) {
        alarm_batch_begin(a);
        int rc = hf_plan_rows(plan, now_s, look_at, &l, err);
        if (alarm_batch_end(a, c, rc, err) < 0)
            return -1;
        a->looked_s = now_s;
        a->next_look_s = l.waits ? now_s + LOOK_EVERY_S : HF_NO_TIME;
        if (l.next_s < a->next_look_s)
            a->next_look_s = l.next_s;
    } else {
        a->next_look_s = a->looked_s + LOOK_EVERY_S; /* something has changed since */
    }
    if (a->next_look_s < *io_wake_s)
        *io_wake_s = a->next_look_s;
    return 0;
}
