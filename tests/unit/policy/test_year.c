/* SPDX-License-Identifier: Apache-2.0
 *
 * A year of many VMs with mixed policies, run by a plan on a clock of our own: runs take their time, fail, find the VM busy or come to
 * nothing, some have to wait for limits, and for three days nobody asks the plan. Every due time has exactly one run, or is told as
 * missed, also where the clocks change; limits hold; and retention is exact.
 *
 * HOLDFAST_TEST_VMS says how many VMs: 10000 is the promise, 200 the sample.
 */
#include "year_world.h"

#include <limits.h>

#define OFF_BEGIN_S (hf_civil_days(2026, 7, 3) * HF_DAY_S + 5000)
#define OFF_END_S (hf_civil_days(2026, 7, 6) * HF_DAY_S + 40000)
#define STOP_S (END_S + 8 * HF_DAY_S) /* each had a run for the next year then */
#define BUSY_BEGIN_S (hf_civil_days(2026, 3, 3) * HF_DAY_S)
#define BUSY_END_S (hf_civil_days(2026, 3, 6) * HF_DAY_S)
#define RUNNING_MAX 1024

struct book {
    int64_t served_s, ended_s;
    uint32_t attempts;
    const char *outcome;
    bool was_tried; /* not only found busy */
    size_t next;    /* the first due time that nobody has begun or missed */
    size_t tried, missed, merged;
};

struct vm {
    size_t kind, hypervisor, datastore;
    struct book books[2], before[2]; /* runs, drills */
    bool is_running[2], is_closed;
    int32_t *points; /* when they were made, after BEGIN_S */
    size_t n_points, cap_points;
};

/* Runs of one kind take the same time, so they end in the order in which they began. */
struct ends {
    struct {
        struct hf_job job;
        int64_t at_s;
    } items[RUNNING_MAX];
    size_t first, n;
};

struct year {
    struct world w;
    struct hf_plan *plan;
    struct vm *vms;
    struct ends ends[KINDS];
    unsigned all, on[HYPERVISORS], disks[HYPERVISORS][DATASTORES], sends;
    int64_t now_s, latest_s; /* the longest that anybody had to wait for limits */
    size_t runs, most;
};

static size_t vm_count(void)
{
    const char *text = getenv("HOLDFAST_TEST_VMS");
    return text ? strtoul(text, NULL, 10) : 200;
}

static size_t number_of(const struct hf_job *job)
{
    return strtoul(job->vm->label + 2, NULL, 10);
}

static bool is_drill(const struct hf_job *job)
{
    return strcmp(job->kind, HF_DUTY_DRILL) == 0;
}

/* ---- due times -------------------------------------------------------------------------- */

static int64_t due_at(const struct year *y, const struct vm *v, bool drill, size_t i)
{
    if (drill)
        return BEGIN_S + (int64_t)(i + 1) * DRILL_S;
    return i < y->w.n_due[v->kind] ? y->w.due[v->kind][i] : HF_NO_TIME;
}

static int64_t start_at(const struct year *y, const struct vm *v, const struct hf_job *job,
                        size_t i)
{
    const int64_t due = due_at(y, v, is_drill(job), i);
    return due == HF_NO_TIME ? due : hf_policy_start(&y->w.policies[v->kind], job->vm->label, due);
}

/* Those before job->due_s, from book->next on; of those that begin together one is run. */
static void pass_over(const struct year *y, const struct vm *v, const struct hf_job *job,
                      struct book *b, int64_t start_s)
{
    bool has_missed = b->attempts > 0 && !b->was_tried;
    b->missed += has_missed;
    for (; due_at(y, v, is_drill(job), b->next) < job->due_s; b->next++) {
        const bool is_missed = start_at(y, v, job, b->next) < start_s;
        b->missed += is_missed;
        b->merged += !is_missed;
        has_missed = has_missed || is_missed;
    }
    if (job->has_missed != has_missed)
        fail_msg("%s: missed is %d for %" PRId64, job->vm->label, job->has_missed, job->due_s);
}

static void check_first(struct year *y, const struct vm *v, const struct hf_job *job,
                        struct book *b)
{
    const int64_t start = hf_policy_start(&y->w.policies[v->kind], job->vm->label, job->due_s);
    if (!v->is_closed || is_drill(job)) /* of the next year there are no lists */
        pass_over(y, v, job, b, start);
    if (job->attempt != 1 || start > y->now_s)
        fail_msg("%s: attempt %u for %" PRId64 " at %" PRId64, job->vm->label, job->attempt,
                 job->due_s, y->now_s);
    if (job->due_s >= END_S)
        return;
    assert_int_equal(due_at(y, v, is_drill(job), b->next++), job->due_s);
    assert_true(start_at(y, v, job, b->next) > y->now_s);
    const bool is_odd = y->now_s >= OFF_BEGIN_S && y->now_s < OFF_END_S + HF_DAY_S;
    if (!is_odd && y->now_s - start > y->latest_s)
        y->latest_s = y->now_s - start;
}

static void check_again(const struct hf_job *job, const struct book *b)
{
    const bool has_failed = strcmp(b->outcome, "failed") == 0;
    if (!(has_failed && b->attempts <= 3 && job->attempt == b->attempts + 1) &&
        !(strcmp(b->outcome, "busy") == 0 && job->attempt == b->attempts))
        fail_msg("%s: attempt %u for %" PRId64 " after %u, %s", job->vm->label, job->attempt,
                 job->due_s, b->attempts, b->outcome);
}

/* ---- limits ----------------------------------------------------------------------------- */

static void count(struct year *y, const struct vm *v, bool drill, unsigned by)
{
    const struct hf_config *c = y->w.config;
    const struct hf_config_hypervisor *h = hf_config_hypervisor_at(c, v->hypervisor);
    y->all += by;
    y->on[v->hypervisor] += by;
    if (!drill) {
        y->sends += by;
        y->disks[v->hypervisor][v->datastore] += v->n_points ? by : 0; /* else nobody knows it */
    }
    assert_true(y->all <= hf_config_get_defaults(c)->max_runs);
    assert_true(y->on[v->hypervisor] <= h->max_runs);
    assert_true(y->sends <= hf_config_store_at(c, 0)->max_runs);
    assert_true(y->disks[v->hypervisor][v->datastore] <= h->max_runs_datastore);
    y->most = y->all > y->most ? y->all : y->most;
}

/* ---- runs ------------------------------------------------------------------------------- */

static void begin(struct year *y, const struct hf_job *job)
{
    struct vm *v = &y->vms[number_of(job)];
    struct book *b = &v->books[is_drill(job)];
    const struct hf_policy *p = &y->w.policies[v->kind];
    struct ends *e = &y->ends[v->kind];
    assert_false(v->is_running[0] && !is_drill(job));
    assert_false(is_drill(job) && (v->is_running[0] || v->is_running[1]));
    assert_int_equal(hf_window_open(&p->config->window, p->zone, y->now_s), y->now_s);
    v->before[is_drill(job)] = *b;
    if (b->attempts > 0 && job->due_s == b->served_s)
        check_again(job, b);
    else
        check_first(y, v, job, b);
    b->was_tried = b->was_tried && job->due_s == b->served_s;
    b->served_s = job->due_s;
    b->attempts = job->attempt;
    v->is_running[is_drill(job)] = true;
    count(y, v, is_drill(job), 1);
    assert_true(e->n < RUNNING_MAX);
    const size_t at = (e->first + e->n++) % RUNNING_MAX;
    e->items[at].job = *job;
    e->items[at].at_s = y->now_s + kinds[v->kind].takes_s;
    hf_plan_began(y->plan, job, y->now_s);
}

/* By VM, due time and attempt; one in fifty VMs is busy for three days. */
static const char *outcome_of(const struct year *y, const struct hf_job *job)
{
    uint64_t h =
        (uint64_t)job->due_s * 31 + number_of(job) * 977 + job->attempt * 7919 + (uint64_t)y->now_s;
    h = (h ^ h >> 33) * UINT64_C(0xff51afd7ed558ccd);
    const unsigned dice = (unsigned)(h >> 40) % 200;
    if (number_of(job) % 50 == 3 && y->now_s >= BUSY_BEGIN_S && y->now_s < BUSY_END_S)
        return "busy";
    return dice < 4    ? "failed"
           : dice < 6  ? "busy"
           : dice < 8  ? "degraded"
           : dice == 8 ? "withdrawn"
                       : "done";
}

static void add_point(struct year *y, struct vm *v, const struct hf_job *job)
{
    if (v->n_points == v->cap_points) {
        v->cap_points = v->cap_points ? 2 * v->cap_points : 64;
        v->points = realloc(v->points, v->cap_points * sizeof *v->points);
        assert_non_null(v->points);
    }
    if (job->due_s < END_S)
        v->points[v->n_points++] = (int32_t)(y->now_s - BEGIN_S);
}

static void end(struct year *y, const struct hf_job *job)
{
    static const char *const names[DATASTORES] = {"one", "two", "three"};
    struct vm *v = &y->vms[number_of(job)];
    struct book *b = &v->books[is_drill(job)];
    const char *outcome = outcome_of(y, job);
    const bool is_good = strcmp(outcome, "done") == 0 || strcmp(outcome, "degraded") == 0;
    count(y, v, is_drill(job), UINT_MAX);
    v->is_running[is_drill(job)] = false;
    if (strcmp(outcome, "withdrawn") == 0) {
        *b = v->before[is_drill(job)];
    } else {
        b->outcome = outcome;
        b->ended_s = y->now_s;
        b->tried += !b->was_tried && strcmp(outcome, "busy") != 0 && job->due_s < END_S;
        b->was_tried = b->was_tried || strcmp(outcome, "busy") != 0;
        v->is_closed = v->is_closed || (!is_drill(job) && job->due_s >= END_S);
    }
    if (is_good && !is_drill(job))
        add_point(y, v, job);
    y->runs++;
    hf_plan_ended(y->plan, job, outcome,
                  is_good && !is_drill(job) && v->n_points ? names[v->datastore] : NULL, y->now_s);
}

static void end_until(struct year *y, int64_t until_s)
{
    for (size_t i = 0; i < KINDS; i++)
        for (struct ends *e = &y->ends[i]; e->n > 0 && e->items[e->first].at_s <= until_s;) {
            const struct hf_job job = e->items[e->first].job;
            e->first = (e->first + 1) % RUNNING_MAX;
            e->n--;
            end(y, &job);
        }
}

static int64_t first_end(const struct year *y)
{
    int64_t first = HF_NO_TIME;
    for (size_t i = 0; i < KINDS; i++)
        if (y->ends[i].n > 0 && y->ends[i].items[y->ends[i].first].at_s < first)
            first = y->ends[i].items[y->ends[i].first].at_s;
    return first;
}

/* ---- a year ----------------------------------------------------------------------------- */

static void load(struct year *y, size_t i, bool drill)
{
    static const char *const names[DATASTORES] = {"one", "two", "three"};
    const struct vm *v = &y->vms[i];
    const struct book *b = &v->books[drill];
    const struct hf_duty d = {.policy = y->w.policies[v->kind].config->label,
                              .vm = hf_config_vm_at(y->w.config, i)->label,
                              .kind = drill ? HF_DUTY_DRILL : HF_DUTY_RUN,
                              .served_s = b->served_s,
                              .attempts = b->attempts,
                              .began_us = 1,
                              .ended_us = b->ended_s * 1000000 + 1,
                              .outcome = b->outcome,
                              .datastores = v->n_points ? names[v->datastore] : NULL};
    hf_plan_load(y->plan, &d, NULL);
}

/* The scheduler is off; what ran then ends without it. */
static void take_a_break(struct year *y)
{
    struct hf_err err = HF_ERR_INIT;
    end_until(y, INT64_MAX - 1);
    hf_plan_free(y->plan);
    y->now_s = OFF_END_S;
    y->plan = hf_plan_new(y->w.config, y->now_s, &err);
    assert_hf_got(y->plan, &err);
    for (size_t i = 0; i < y->w.n_vms; i++)
        for (int drill = 0; drill <= (y->w.policies[y->vms[i].kind].config->drill > 0); drill++)
            load(y, i, drill);
}

static void live(struct year *y)
{
    struct hf_job job;
    bool was_off = false;
    while (y->now_s < STOP_S) {
        while (hf_plan_ready(y->plan, y->now_s, &job))
            begin(y, &job);
        const int64_t wake = hf_plan_wake(y->plan, y->now_s), first = first_end(y);
        assert_true(wake > y->now_s);
        y->now_s = wake < first ? wake : first;
        if (!was_off && y->now_s >= OFF_BEGIN_S)
            take_a_break(y);
        was_off = was_off || y->now_s >= OFF_BEGIN_S;
        end_until(y, y->now_s);
    }
}

/* ---- what is left ----------------------------------------------------------------------- */

static void turn_round(struct hf_retained *points, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        const struct hf_retained swap = points[i];
        points[i] = points[n - 1 - i];
        points[n - 1 - i] = swap;
    }
}

/* Returns how many stay. */
static size_t prune(const struct hf_policy *p, int64_t now_s, struct hf_retained *points, size_t n)
{
    const struct hf_retention r = {
        .keep = &p->config->keep, .verified = 1, .zone = p->zone, .now_us = now_s * 1000000};
    size_t kept = 0;
    turn_round(points, n);
    hf_retention_judge(&r, points, n);
    for (size_t i = 0; i < n; i++)
        if (points[i].reasons)
            points[kept++] = points[i];
    turn_round(points, kept);
    return kept;
}

/* Pruned each day the same points are left as when all are looked at in the end. */
static void check_points(struct world *w, const struct vm *v)
{
    const struct hf_policy *p = &w->policies[v->kind];
    int64_t now = BEGIN_S, pruned_at = now;
    size_t left = 0;
    for (size_t i = 0; i < v->n_points; i++) {
        now = BEGIN_S + v->points[i];
        w->all[i] = w->pruned[left++] =
            (struct hf_retained){.taken_us = now * 1000000, .is_verified = true};
        if (now < pruned_at + HF_DAY_S)
            continue;
        left = prune(p, now, w->pruned, left);
        pruned_at = now;
    }
    const size_t n = prune(p, now, w->all, v->n_points);
    assert_int_equal(prune(p, now, w->pruned, left), n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(w->pruned[i].taken_us, w->all[i].taken_us);
}

static void check_vm(struct year *y, const struct vm *v, size_t *tried, size_t *missed)
{
    const struct book *b = &v->books[0], *drills = &v->books[1];
    assert_true(v->is_closed);
    assert_int_equal(b->tried + b->missed + b->merged, y->w.n_due[v->kind]);
    if (y->w.policies[v->kind].config->drill)
        assert_true(drills->tried + drills->missed == 12);
    *tried += b->tried;
    *missed += b->missed;
    check_points(&y->w, v);
}

static void year_free(struct year *y)
{
    for (size_t i = 0; y->vms && i < y->w.n_vms; i++)
        free(y->vms[i].points);
    free(y->vms);
    hf_plan_free(y->plan);
    world_free(&y->w);
}

static void every_due_time_of_a_year_has_one_run_or_is_missed(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    static struct year y; /* too large for a stack */
    size_t tried = 0, missed = 0;
    y = (struct year){.now_s = BEGIN_S};
    world_init(&y.w, vm_count());
    y.vms = calloc(y.w.n_vms, sizeof *y.vms);
    y.plan = hf_plan_new(y.w.config, BEGIN_S, &err);
    assert_hf_got(y.plan, &err);
    for (size_t i = 0; i < y.w.n_vms; i++) {
        y.vms[i].kind = kind_of(i);
        y.vms[i].hypervisor = i / 7 % HYPERVISORS;
        y.vms[i].datastore = i / 3 % DATASTORES;
        y.vms[i].books[0].served_s = y.vms[i].books[1].served_s = BEGIN_S;
    }
    live(&y);
    for (size_t i = 0; i < y.w.n_vms; i++)
        check_vm(&y, &y.vms[i], &tried, &missed);
    print_message(
        "%zu VMs, %zu attempts, at most %zu at a time; %zu due times served, %zu missed; the "
        "longest wait %" PRId64 " s\n",
        y.w.n_vms, y.runs, y.most, tried, missed, y.latest_s);
    assert_true(tried > y.w.n_vms * 50 && missed > 0 && missed < tried / 20);
    year_free(&y);
}

/* The lists that the year is compared with: 365 nights, and 8760 real hours. */
static void the_model_has_the_days_of_the_year(void **state)
{
    (void)state;
    struct world w = {0};
    world_init(&w, 10);
    assert_int_equal(w.n_due[0], 365);
    assert_int_equal(w.n_due[1], 365);
    assert_int_equal(w.n_due[5], 8760);
    assert_int_equal(w.n_due[7], 365 * 96 - 1); /* the first minute of the year is not in it */
    world_free(&w);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(every_due_time_of_a_year_has_one_run_or_is_missed),
        HF_TEST(the_model_has_the_days_of_the_year),
    };
    return HF_RUN_TESTS("policy.year", tests);
}
