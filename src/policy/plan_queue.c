/* SPDX-License-Identifier: Apache-2.0
 *
 * Who waits for a time stands in the heap, the earliest on top; who waits for a limit stands in line, who has waited longest first.
 *
 * Nobody is passed over for ever: a job that needs several limits would wait as long as others always find one of them free. So the
 * first in line that has waited for HF_PLAN_PATIENCE_S keeps a slot of each limit that it needs from those behind it.
 */
#include "policy/plan_intern.h"

/* ---- the heap --------------------------------------------------------------------------- */

static bool is_earlier(const struct hf_plan_pair *a, const struct hf_plan_pair *b)
{
    if (a->next.begin_s != b->next.begin_s)
        return a->next.begin_s < b->next.begin_s;
    return a->next.since_s < b->next.since_s;
}

static void place(struct hf_plan *p, size_t at, struct hf_plan_pair *pair)
{
    p->heap[at] = pair;
    pair->place = HF_PLAN_HEAP;
    pair->at = at;
}

static void sift_up(struct hf_plan *p, size_t at)
{
    struct hf_plan_pair *pair = p->heap[at];
    for (; at > 0 && is_earlier(pair, p->heap[(at - 1) / 2]); at = (at - 1) / 2)
        place(p, at, p->heap[(at - 1) / 2]);
    place(p, at, pair);
}

static void sift_down(struct hf_plan *p, size_t at)
{
    struct hf_plan_pair *pair = p->heap[at];
    for (size_t child; (child = 2 * at + 1) < p->n_heap; at = child) {
        if (child + 1 < p->n_heap && is_earlier(p->heap[child + 1], p->heap[child]))
            child++;
        if (!is_earlier(p->heap[child], pair))
            break;
        place(p, at, p->heap[child]);
    }
    place(p, at, pair);
}

static void heap_add(struct hf_plan *p, struct hf_plan_pair *pair)
{
    place(p, p->n_heap++, pair);
    sift_up(p, pair->at);
}

static void heap_remove(struct hf_plan *p, struct hf_plan_pair *pair)
{
    const size_t at = pair->at;
    pair->place = HF_PLAN_NOWHERE;
    if (at == --p->n_heap)
        return;
    place(p, at, p->heap[p->n_heap]);
    sift_up(p, at);
    sift_down(p, p->heap[at]->at);
}

/* ---- the line --------------------------------------------------------------------------- */

static int by_waiting(const void *a, const void *b)
{
    const struct hf_plan_pair *x = *(struct hf_plan_pair *const *)a,
                              *y = *(struct hf_plan_pair *const *)b;
    if (x->next.since_s != y->next.since_s)
        return x->next.since_s < y->next.since_s ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static void close_gaps(struct hf_plan *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n_line; i++) {
        if (!p->line[i])
            continue;
        p->line[n] = p->line[i];
        p->line[n]->at = n;
        n++;
    }
    p->n_line = n;
}

static void line_add(struct hf_plan *p, struct hf_plan_pair *pair)
{
    if (p->n_line == p->n_pairs) /* then there are gaps: it stands nowhere */
        close_gaps(p);
    pair->place = HF_PLAN_LINE;
    pair->at = p->n_line;
    p->line[p->n_line++] = pair;
    p->is_stirred = true;
}

static void line_remove(struct hf_plan *p, struct hf_plan_pair *pair)
{
    p->line[pair->at] = NULL;
    pair->place = HF_PLAN_NOWHERE;
}

/* Whoever waits for something else now: a later due time, the next opening of the window. */
static void refresh_line(struct hf_plan *p, int64_t now_s)
{
    p->line_until_s = HF_NO_TIME;
    for (size_t i = 0; i < p->n_line; i++) {
        struct hf_plan_pair *pair = p->line[i];
        if (!pair)
            continue;
        if (pair->next.until_s <= now_s)
            hf_plan_find_next(pair, now_s, &pair->next);
        if (pair->next.begin_s > now_s) {
            line_remove(p, pair);
            heap_add(p, pair);
        } else if (pair->next.until_s < p->line_until_s) {
            p->line_until_s = pair->next.until_s;
        }
    }
}

void hf_plan_from_the_front(struct hf_plan *p)
{
    p->cursor = 0;
    hf_plan_claim_drop(p);
}

static void line_up(struct hf_plan *p, int64_t now_s)
{
    bool is_sorted = true;
    refresh_line(p, now_s);
    close_gaps(p);
    for (size_t i = 1; i < p->n_line && is_sorted; i++)
        is_sorted = by_waiting(&p->line[i - 1], &p->line[i]) < 0;
    if (!is_sorted) {
        qsort(p->line, p->n_line, sizeof *p->line, by_waiting);
        close_gaps(p); /* they have changed places */
    }
    p->is_stirred = false;
    hf_plan_from_the_front(p);
}

/* ---- coming and going ------------------------------------------------------------------- */

void hf_plan_leave(struct hf_plan *p, struct hf_plan_pair *pair)
{
    if (pair->place == HF_PLAN_HEAP)
        heap_remove(p, pair);
    else if (pair->place == HF_PLAN_LINE)
        line_remove(p, pair);
}

void hf_plan_enqueue(struct hf_plan *p, struct hf_plan_pair *pair, int64_t now_s)
{
    hf_plan_leave(p, pair);
    hf_plan_settle(pair, now_s);
    hf_plan_find_next(pair, now_s, &pair->next);
    if (pair->next.begin_s <= now_s)
        line_add(p, pair);
    else
        heap_add(p, pair);
}

/* From the ground up, as after a clock that was put back: what was waited for then means nothing now. */
static void begin_afresh(struct hf_plan *p, int64_t now_s)
{
    p->is_cold = false;
    for (size_t i = 0; i < p->n_pairs; i++)
        if (!p->pairs[i].is_running)
            hf_plan_enqueue(p, &p->pairs[i], now_s);
}

void hf_plan_see(struct hf_plan *p, int64_t now_s)
{
    p->is_cold = p->is_cold || now_s < p->now_s;
    p->now_s = now_s;
}

static void catch_up(struct hf_plan *p, int64_t now_s)
{
    hf_plan_see(p, now_s);
    if (p->is_cold)
        begin_afresh(p, now_s);
    while (p->n_heap > 0 && p->heap[0]->next.begin_s <= now_s)
        hf_plan_enqueue(p, p->heap[0], now_s);
    if (p->is_stirred || p->line_until_s <= now_s)
        line_up(p, now_s);
}

/* ---- who may begin ---------------------------------------------------------------------- */

static bool has_waited_too_long(const struct hf_plan_pair *pair, int64_t now_s)
{
    return pair->vm->jobs == 0 && now_s - pair->next.since_s >= HF_PLAN_PATIENCE_S;
}

static const struct hf_plan_pair *first_that_fits(struct hf_plan *p, int64_t now_s)
{
    catch_up(p, now_s);
    for (; p->cursor < p->n_line && p->all.running < p->all.limit; p->cursor++) {
        const struct hf_plan_pair *pair = p->line[p->cursor];
        if (!pair)
            continue;
        if (hf_plan_fits(pair))
            return pair;
        if (!p->claimant && has_waited_too_long(pair, now_s))
            hf_plan_claim(p, pair);
    }
    return NULL;
}

bool hf_plan_ready(struct hf_plan *p, int64_t now_s, struct hf_job *out)
{
    const struct hf_plan_pair *pair = first_that_fits(p, now_s);
    if (!pair)
        return false;
    *out = (struct hf_job){.policy = pair->policy->config,
                           .vm = pair->vm->config,
                           .kind = pair->is_drill ? HF_DUTY_DRILL : HF_DUTY_RUN,
                           .due_s = pair->next.due_s,
                           .attempt = pair->next.attempt,
                           .has_missed = pair->next.has_missed,
                           .id = pair->id};
    return true;
}

int64_t hf_plan_wake(struct hf_plan *p, int64_t now_s)
{
    if (first_that_fits(p, now_s))
        return now_s;
    return p->n_heap ? p->heap[0]->next.begin_s : HF_NO_TIME;
}
