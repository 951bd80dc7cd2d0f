/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "daemon/deliver_intern.h"

#include <search.h>
#include <string.h>

#define FIRST_MS INT64_C(60000)
#define MOST_MS INT64_C(3600000)

int64_t deliver_delay_ms(uint32_t failures)
{
    int64_t ms = FIRST_MS;
    for (uint32_t i = 1; i < failures && ms < MOST_MS; i++)
        ms *= 2;
    return ms < MOST_MS ? ms : MOST_MS;
}

static void letter_free(struct letter *l)
{
    free(l->target);
    free(l->kind);
    free(l->policy);
    free(l->vm);
    free(l->text);
    *l = (struct letter){0};
}

void queue_free(struct queue *q)
{
    while (q->n > 0)
        letter_free(&q->letters[--q->n]);
}

static int letter_of(struct letter *l, const struct hf_message *m, struct hf_err *err)
{
    *l = (struct letter){.m = *m,
                         .target = strdup(m->target),
                         .kind = strdup(m->alarm.kind),
                         .policy = strdup(m->alarm.policy),
                         .vm = strdup(m->alarm.vm),
                         .text = strdup(m->alarm.text)};
    if (!l->target || !l->kind || !l->policy || !l->vm || !l->text) {
        letter_free(l);
        return hf_fail_nomem(err);
    }
    l->m.target = l->target;
    l->m.alarm = (struct hf_alarm){.kind = l->kind,
                                   .policy = l->policy,
                                   .vm = l->vm,
                                   .since_us = m->alarm.since_us,
                                   .text = l->text};
    return 0;
}

/* ---- the choice -------------------------------------------------------------------------- */

struct choice {
    struct queue *queue;
    const struct ways *ways;
    int64_t wall_us, mono_ms;
    void *seen; /* keys of targets with their alarms */
};

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* 1: an older one for the same target and alarm waits. */
static int is_behind(struct choice *ch, const struct hf_message *m, struct hf_err *err)
{
    char *key =
        hf_asprintf("%s\n%s\n%s\n%s", m->target, m->alarm.kind, m->alarm.policy, m->alarm.vm);
    char **node = key ? tsearch(key, &ch->seen, compare) : NULL;
    bool is_new = node && *node == key;
    if (!is_new)
        free(key);
    return !node ? hf_fail_nomem(err) : !is_new;
}

/* A clock that was set back would put it off for long. */
static int64_t wait_ms(const struct choice *ch, const struct hf_message *m)
{
    const struct way *w = ways_find(ch->ways, m->target);
    int64_t own = (m->next_us - ch->wall_us + 999) / 1000;
    int64_t of_way = w ? way_wait_ms(w, ch->mono_ms) : 0;
    if (own > MOST_MS)
        own = 0;
    return own > of_way ? own : of_way;
}

/* Sorted by tries, then by age: where it belongs. */
static int insert(struct queue *q, const struct hf_message *m, struct hf_err *err)
{
    size_t at = q->n;
    while (at > 0 && q->letters[at - 1].m.tries > m->tries)
        at--;
    if (q->n == DELIVER_BATCH) {
        if (at == q->n)
            return 0;
        letter_free(&q->letters[--q->n]);
    }
    struct letter l;
    if (letter_of(&l, m, err) < 0)
        return -1;
    memmove(&q->letters[at + 1], &q->letters[at], (q->n - at) * sizeof l);
    q->letters[at] = l;
    q->n++;
    return 0;
}

static int look_at(void *ctx, const struct hf_message *m, struct hf_err *err)
{
    struct choice *ch = ctx;
    int behind = is_behind(ch, m, err);
    if (behind)
        return behind < 0 ? -1 : 0;
    int64_t wait = wait_ms(ch, m);
    if (wait <= 0)
        return insert(ch->queue, m, err);
    if (ch->queue->wait_ms < 0 || wait < ch->queue->wait_ms)
        ch->queue->wait_ms = wait;
    return 0;
}

int queue_fill(struct queue *q, struct hf_catalog *c, const struct ways *ways,
               const struct hf_clock *clock, struct hf_err *err)
{
    struct choice ch = {.queue = q,
                        .ways = ways,
                        .wall_us = hf_clock_wall_us(clock),
                        .mono_ms = hf_clock_mono_ms(clock)};
    *q = (struct queue){.wait_ms = -1};
    int rc = hf_messages(c, SIZE_MAX, look_at, &ch, err);
    tdestroy(ch.seen, free);
    return rc;
}
