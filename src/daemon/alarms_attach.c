/* SPDX-License-Identifier: Apache-2.0
 *
 * A catalog that was opened: which alarms are on in it, and which ought to be.
 */
#include "base/list.h"
#include "daemon/alarms_intern.h"

#include <string.h>

/* What is found while a list is read is written behind it: a list's callback must not. */
struct found {
    struct hf_daemon_alarms *alarms;
    int64_t at_us; /* now */
    struct found_item {
        struct hf_alarm alarm; /* its texts are owned */
        bool is_on;
    } * items;
    size_t n, cap;
    void *pairs;   /* keys of what is configured, by kind of duty */
    void *overdue; /* keys of the alarms that the plan says are on */
};

static void found_free(struct found *f)
{
    for (size_t i = 0; i < f->n; i++) {
        free((char *)(uintptr_t)f->items[i].alarm.policy);
        free((char *)(uintptr_t)f->items[i].alarm.vm);
        free((char *)(uintptr_t)f->items[i].alarm.text);
    }
    free(f->items);
    alarm_keys_free(&f->pairs);
    alarm_keys_free(&f->overdue);
}
HF_DEFINE_AUTO_VALUE(found, found_free)

static struct found_item *found_room(struct found *f)
{
    struct found_item *items = hf_list_room(f->items, f->n, &f->cap, sizeof *items, 16);
    if (!items)
        return NULL;
    f->items = items;
    return &f->items[f->n];
}

/* kind is static. */
static int note(struct found *f, const struct hf_alarm *alarm, bool is_on, struct hf_err *err)
{
    struct found_item *item = found_room(f);
    if (!item)
        return hf_fail_nomem(err);
    *item = (struct found_item){.alarm = {.kind = alarm->kind,
                                          .policy = strdup(alarm->policy),
                                          .vm = strdup(alarm->vm),
                                          .since_us = alarm->since_us,
                                          .text = strdup(alarm->text)},
                                .is_on = is_on};
    f->n++;
    return item->alarm.policy && item->alarm.vm && item->alarm.text ? 0 : hf_fail_nomem(err);
}

/* What differs from what is on; a duty's good end does not undo what the plan says is overdue. */
static int note_changes(struct found *f, const char *policy, const char *vm,
                        const struct hf_alarm_changes *changes, int64_t at_us, struct hf_err *err)
{
    for (size_t i = 0; i < changes->n; i++) {
        const struct hf_alarm_change *change = &changes->items[i];
        const struct hf_alarm alarm = alarm_of(change, policy, vm, at_us);
        HF_AUTOFREE char *key = alarm_key(change->kind, policy, vm);
        if (!key)
            return hf_fail_nomem(err);
        if (alarm_keys_have(&f->alarms->on, key) == change->is_on ||
            (!change->is_on && alarm_keys_have(&f->overdue, key)))
            continue;
        if (note(f, &alarm, change->is_on, err) < 0)
            return -1;
    }
    return 0;
}

static int write_found(struct found *f, struct hf_catalog *c, struct hf_err *err)
{
    int rc = 0;
    alarm_batch_begin(f->alarms);
    for (size_t i = 0; rc == 0 && i < f->n; i++)
        rc = alarm_set(f->alarms, c, &f->items[i].alarm, f->items[i].is_on, false, err);
    return alarm_batch_end(f->alarms, c, rc, err);
}

static int keep_on(void *ctx, const struct hf_alarm *alarm, struct hf_err *err)
{
    struct hf_daemon_alarms *a = ctx;
    return alarm_keys_add(&a->on, alarm_key(alarm->kind, alarm->policy, alarm->vm), err);
}

/* ---- read ------------------------------------------------------------------------------------ */

static int judge_duty(void *ctx, const struct hf_duty *duty, struct hf_err *err)
{
    struct found *f = ctx;
    struct hf_alarm_changes changes;
    HF_AUTOFREE char *pair = alarm_key(duty->kind, duty->policy, duty->vm);
    if (!pair)
        return hf_fail_nomem(err);
    if (!alarm_keys_have(&f->pairs, pair))
        return 0;
    hf_alarms_of_attempt(NULL, duty, &changes);
    return note_changes(f, duty->policy, duty->vm, &changes, duty->ended_us, err);
}

static int judge_row(void *ctx, const struct hf_plan_row *row, struct hf_err *err)
{
    struct found *f = ctx;
    struct hf_alarm_changes changes;
    const char *policy = row->policy->label, *vm = row->vm->label;
    if (alarm_keys_add(&f->pairs, alarm_key(row->kind, policy, vm), err) < 0)
        return -1;
    hf_alarms_of_row(row, &changes);
    for (size_t i = 0; i < changes.n; i++)
        if (alarm_keys_add(&f->overdue, alarm_key(changes.items[i].kind, policy, vm), err) < 0)
            return -1;
    return note_changes(f, policy, vm, &changes, f->at_us, err);
}

/* Nobody makes it right any more where its policy or VM is gone. */
static int judge_alarm(void *ctx, const struct hf_alarm *alarm, struct hf_err *err)
{
    static const char *const kinds[] = {HF_ALARM_FAILED, HF_ALARM_DEGRADED, HF_ALARM_MISSED,
                                        HF_ALARM_DRILL_FAILED, HF_ALARM_DRILL_OVERDUE};
    struct found *f = ctx;
    size_t i = 0;
    while (i < HF_ARRAY_SIZE(kinds) && strcmp(kinds[i], alarm->kind) != 0)
        i++;
    if (i == HF_ARRAY_SIZE(kinds))
        return 0;
    const char *kind = i < 3 ? HF_DUTY_RUN : HF_DUTY_DRILL;
    HF_AUTOFREE char *pair = alarm_key(kind, alarm->policy, alarm->vm);
    if (!pair)
        return hf_fail_nomem(err);
    const struct hf_alarm gone = {.kind = kinds[i],
                                  .policy = alarm->policy,
                                  .vm = alarm->vm,
                                  .since_us = f->at_us,
                                  .text = "no longer configured"};
    return alarm_keys_have(&f->pairs, pair) ? 0 : note(f, &gone, false, err);
}

int hf_daemon_alarms_attached(void *ctx, struct hf_catalog *c, const struct hf_plan *plan,
                              int64_t now_s, struct hf_err *err)
{
    struct hf_daemon_alarms *a = ctx;
    HF_AUTO(found) struct found f = {.alarms = a, .at_us = now_s * 1000000};
    alarm_keys_free(&a->on);
    a->looked_s = now_s;
    if (hf_alarms(c, keep_on, a, err) < 0 || hf_plan_rows(plan, now_s, judge_row, &f, err) < 0 ||
        hf_duties(c, judge_duty, &f, err) < 0 || hf_alarms(c, judge_alarm, &f, err) < 0)
        return -1;
    return write_found(&f, c, err);
}
