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

static bool is_behind(const struct hf_plan_pair *a, const struct hf_plan_pair *b)
{
    return a->next.since_s != b->next.since_s ? a->next.since_s > b->next.since_s : a->id > b->id;
}

static int by_waiting(const void *a, const void *b)
{
    const struct hf_plan_waiting *x = a, *y = b;
    return is_behind(x->pair, y->pair) ? 1 : -1;
}

static void close_gaps(struct hf_plan *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n_line; i++) {
        if (!p->line[i].pair)
            continue;
        p->line[n] = p->line[i];
        p->line[n].pair->at = n;
        n++;
    }
    p->n_line = n;
}

void hf_plan_from_the_front(struct hf_plan *p)
{
    p->cursor = 0;
    hf_plan_claim_drop(p);
}

void hf_plan_forget_blocks(struct hf_plan *p)
{
    for (size_t i = 0; i < p->n_line; i++)
        p->line[i].blocked_by = NULL;
}

static int64_t patient_until(const struct hf_plan_pair *pair)
{
    return pair->next.since_s + HF_PLAN_PATIENCE_S;
}

/* The line has to be looked at when what one waits for changes, and when he has waited too long. */
static void look_again_for(struct hf_plan *p, const struct hf_plan_pair *pair, int64_t now_s)
{
    if (pair->next.until_s < p->line_until_s)
        p->line_until_s = pair->next.until_s;
    if (patient_until(pair) > now_s && patient_until(pair) < p->line_until_s)
        p->line_until_s = patient_until(pair);
}

/* Behind all others he changes nothing for them. */
static void line_add(struct hf_plan *p, struct hf_plan_pair *pair, int64_t now_s)
{
    if (p->n_line == p->n_pairs) { /* then there are gaps: it stands nowhere */
        close_gaps(p);
        hf_plan_from_the_front(p);
    }
    while (p->n_line > 0 && !p->line[p->n_line - 1].pair)
        p->n_line--;
    if (p->cursor > p->n_line)
        p->cursor = p->n_line;
    if (p->n_line > 0 && !is_behind(pair, p->line[p->n_line - 1].pair))
        p->is_unsorted = true;
    pair->place = HF_PLAN_LINE;
    pair->at = p->n_line;
    p->line[p->n_line++] = (struct hf_plan_waiting){.pair = pair};
    look_again_for(p, pair, now_s);
}

static void line_remove(struct hf_plan *p, struct hf_plan_pair *pair)
{
    p->line[pair->at].pair = NULL;
    pair->place = HF_PLAN_NOWHERE;
    if (p->claimant == pair)
        hf_plan_from_the_front(p);
}

/* Whoever waits for something else now: a later due time, the next opening of the window. */
static void refresh_line(struct hf_plan *p, int64_t now_s)
{
    p->line_until_s = HF_NO_TIME;
    for (size_t i = 0; i < p->n_line; i++) {
        struct hf_plan_pair *pair = p->line[i].pair;
        if (!pair)
            continue;
        if (pair->next.until_s <= now_s)
            hf_plan_find_next(pair, now_s, &pair->next);
        if (pair->next.begin_s > now_s) {
            line_remove(p, pair);
            heap_add(p, pair);
        } else {
            look_again_for(p, pair, now_s);
        }
    }
}

static void line_up(struct hf_plan *p, int64_t now_s)
{
    refresh_line(p, now_s);
    close_gaps(p);
    qsort(p->line, p->n_line, sizeof *p->line, by_waiting);
    close_gaps(p); /* they may have changed places */
    p->is_unsorted = false;
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
        line_add(p, pair, now_s);
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
    if (p->is_unsorted || p->line_until_s <= now_s)
        line_up(p, now_s);
}

/* ---- who may begin ---------------------------------------------------------------------- */

/* The first in line that has waited too long, and does not wait for another job of its VM, gets a claim. Behind one that has not
 * waited so long nobody has. */
static void consider_claim(struct hf_plan *p, const struct hf_plan_pair *pair, int64_t now_s,
                           bool *is_over)
{
    *is_over = p->claimant || patient_until(pair) > now_s;
    if (!*is_over && !hf_plan_waits_for_vm(pair))
        hf_plan_claim(p, pair);
}

static const struct hf_plan_pair *first_that_fits(struct hf_plan *p, int64_t now_s)
{
    bool has_no_claims = false;
    catch_up(p, now_s);
    for (; p->cursor < p->n_line && hf_plan_has_room(&p->all); p->cursor++) {
        struct hf_plan_waiting *w = &p->line[p->cursor];
        if (!w->pair)
            continue;
        if (!w->blocked_by || hf_plan_has_room(w->blocked_by))
            w->blocked_by = hf_plan_blocked_by(w->pair);
        if (!w->blocked_by)
            return w->pair;
        if (!has_no_claims)
            consider_claim(p, w->pair, now_s, &has_no_claims);
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
