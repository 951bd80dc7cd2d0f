/* SPDX-License-Identifier: Apache-2.0
 *
 * Plans at random against a model that keeps nothing but the duties and looks at everybody each time: what runs, for which due time,
 * in which order, and when there is something to do again. With ends of every kind, clocks that jump, restarts, limits, windows,
 * drills, and a night on which the clocks are put back.
 *
 * HOLDFAST_TEST_SEED; HOLDFAST_TEST_ROUNDS: how many worlds.
 */
#include "plan_world.h"
#include "policy/select.h"
#include "random.h"

#define BEGIN_S (hf_civil_days(2026, 10, 21) * HF_DAY_S)
#define STEPS 250
#define VMS 9
#define POLICIES 4
#define PAIRS (2 * VMS * POLICIES)

struct pair {
    const struct hf_policy *policy;
    const struct hf_config_vm *vm;
    bool is_drill, is_running;
    int64_t served_s, ended_s, not_before_s;
    uint32_t attempts;
    const char *outcome;
    unsigned withdrawn;
    int64_t before_served_s, before_ended_s;
    uint32_t before_attempts;
    const char *before_outcome;
    int64_t ends_s; /* of the one that goes on */
};

struct model {
    struct world w;
    struct hf_policy policies[POLICIES];
    struct pair pairs[PAIRS];
    size_t n;
    const char *datastores[VMS]; /* by VM */
    uint64_t rng;
    int64_t now_s;
};

struct choice {
    const struct pair *pair;
    int64_t due_s, since_s;
    uint32_t attempt;
    bool has_missed;
};

/* ---- a world ---------------------------------------------------------------------------- */

static uint64_t below(struct model *m, uint64_t limit)
{
    return random_below(&m->rng, limit);
}

static const char *one_of(struct model *m, const char *const *texts, size_t n)
{
    return texts[below(m, n)];
}
#define ONE_OF(m, ...)                                                                             \
    one_of(m, (const char *const[]){__VA_ARGS__},                                                  \
           sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void write_config(struct model *m, struct hf_buf *out)
{
    hf_buf_printf(out, "[defaults]\nmax-runs = %u\n", (unsigned)below(m, 6) + 1);
    for (int i = 0; i < 2; i++)
        hf_buf_printf(out, "[hypervisor h%d]\nplugin = x\nmax-runs = %u\nmax-runs-datastore = %u\n",
                      i, (unsigned)below(m, 4) + 1, (unsigned)below(m, 2) + 1);
    for (int i = 0; i < 2; i++)
        hf_buf_printf(out, "[store s%d]\nurl = file:///mnt/s%d\nmax-runs = %u\n", i, i,
                      (unsigned)below(m, 3) + 1);
    for (int i = 0; i < VMS; i++)
        hf_buf_printf(out, "[vm v%d]\nhypervisor = h%u\n%s", i, (unsigned)below(m, 2),
                      ONE_OF(m, "", "stores = s0\n", "stores = s1\n"));
    for (int i = 0; i < POLICIES; i++) {
        const bool is_snapshot = below(m, 4) == 0;
        hf_buf_printf(
            out, "[policy p%d]\nvms = %s\nschedule = %s\ntimezone = %s\n%s%s%s%s", i,
            ONE_OF(m, "*", "v1, v2, v3", "*, !v4", "v0"),
            ONE_OF(m, "*/15 * * * *", "30 2 * * *", "0 * * * *", "0 */6 * * *", "7 1,2,3 * * *"),
            ONE_OF(m, "UTC", "Europe/Berlin"),
            ONE_OF(m, "", "", "window = 22:00-06:00\n", "window = 01:00-03:30\n"),
            ONE_OF(m, "", "jitter = 20m\n", "jitter = 3h\n"),
            ONE_OF(m, "", "retry = 0s\n", "retry = 5m\n", "retry = 2h\n"),
            is_snapshot ? "produce = snapshot\n"
                        : ONE_OF(m, "", "drill = 1d\n", "stores = s1\n", "drill = 5h\n"));
    }
}

static void add_pairs(struct model *m, const struct hf_policy *policy)
{
    for (size_t i = 0; i < VMS; i++) {
        const struct hf_config_vm *vm = hf_config_vm_at(m->w.config, i);
        if (!hf_policy_selects(policy, vm))
            continue;
        for (int drill = 0; drill <= (policy->config->drill > 0); drill++)
            m->pairs[m->n++] =
                (struct pair){.policy = policy, .vm = vm, .is_drill = drill, .served_s = m->now_s};
    }
}

static void model_init(struct model *m, uint64_t seed)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    *m = (struct model){.rng = seed, .now_s = BEGIN_S};
    write_config(m, &text);
    m->w = world_of(hf_buf_str(&text), m->now_s);
    for (size_t i = 0; i < POLICIES; i++) {
        assert_hf_ok(
            hf_policy_open(&m->policies[i], m->w.config, hf_config_policy_at(m->w.config, i), &err),
            &err);
        add_pairs(m, &m->policies[i]);
    }
}

static void model_free(struct model *m)
{
    for (size_t i = 0; i < POLICIES; i++)
        hf_policy_close(&m->policies[i]);
    world_free(&m->w);
}

/* ---- what may run ----------------------------------------------------------------------- */

static int64_t next_due(const struct pair *p, int64_t after_s)
{
    return p->is_drill ? after_s + p->policy->config->drill / 1000
                       : hf_schedule_next(&p->policy->config->schedule, p->policy->zone, after_s);
}

static int64_t start_for(const struct pair *p, int64_t due_s)
{
    return hf_policy_start(p->policy, p->vm->label, due_s);
}

static bool was(const struct pair *p, const char *outcome)
{
    return p->attempts > 0 && p->outcome && strcmp(p->outcome, outcome) == 0;
}

static bool may_retry(const struct pair *p, int64_t t, int64_t *out_since_s)
{
    int64_t wait = p->policy->config->retry / 1000;
    if (wait == 0 || !(was(p, "busy") || (was(p, "failed") && p->attempts <= 3)))
        return false;
    for (uint32_t i = 1; was(p, "failed") && i < p->attempts; i++)
        wait *= 2;
    *out_since_s = p->ended_s + wait;
    return *out_since_s <= t && t < next_due(p, p->served_s);
}

/* Limits apart. */
static bool is_waiting(const struct pair *p, int64_t t, struct choice *out)
{
    if (p->is_running || t < p->not_before_s ||
        hf_window_open(&p->policy->config->window, p->policy->zone, t) != t)
        return false;
    *out =
        (struct choice){.pair = p, .attempt = 1, .has_missed = was(p, "busy") && p->attempts == 1};
    for (int64_t d = next_due(p, p->served_s); start_for(p, d) <= t; d = next_due(p, d)) {
        if (out->since_s == 0)
            out->since_s = start_for(p, d);
        out->has_missed = out->has_missed || start_for(p, d) > out->since_s;
        out->due_s = d;
    }
    if (out->since_s)
        return true;
    out->has_missed = false;
    out->due_s = p->served_s;
    out->attempt = p->attempts + was(p, "failed");
    return may_retry(p, t, &out->since_s);
}

/* ---- limits ----------------------------------------------------------------------------- */

static bool sends_to(const struct pair *p, const struct hf_config_store *s)
{
    if (p->is_drill || p->policy->config->produce == HF_PRODUCE_SNAPSHOT)
        return false;
    const struct hf_strv *names =
        p->policy->config->stores.n ? &p->policy->config->stores : &p->vm->stores;
    return names->n == 0 || hf_strv_has(names, s->label);
}

static bool reads(const struct model *m, const struct pair *p, char datastore)
{
    const char *names = m->datastores[p->vm->label[1] - '0'];
    return !p->is_drill && names && strchr(names, datastore);
}

static bool shares(const struct pair *a, const struct pair *b)
{
    return strcmp(a->vm->hypervisor, b->vm->hypervisor) == 0;
}

/* A drill wants the point that a run of its VM is making; a run waits for no drill. */
static bool is_in_the_way_of(const struct pair *o, const struct pair *p)
{
    return o->vm == p->vm && (p->is_drill || !o->is_drill);
}

/* Among those that run, and the one for whom room is kept. */
static bool has_room(const struct model *m, const struct pair *p, const struct pair *kept)
{
    unsigned all = 0, on = 0, sends[2] = {0}, disks[3] = {0};
    for (size_t i = 0; i < m->n; i++) {
        const struct pair *o = &m->pairs[i];
        if (!o->is_running && o != kept)
            continue;
        if (is_in_the_way_of(o, p))
            return false;
        all += o->is_running;
        on += shares(o, p);
        for (size_t k = 0; k < 2; k++)
            sends[k] += sends_to(o, hf_config_store_at(m->w.config, k));
        for (size_t k = 0; k < 3; k++)
            disks[k] += shares(o, p) && reads(m, o, "xyz"[k]);
    }
    const struct hf_config_hypervisor *h = hf_config_hypervisor_of(m->w.config, p->vm);
    bool fits = all < hf_config_get_defaults(m->w.config)->max_runs && on < h->max_runs;
    for (size_t k = 0; k < 2; k++) {
        const struct hf_config_store *s = hf_config_store_at(m->w.config, k);
        fits = fits && (!sends_to(p, s) || sends[k] < s->max_runs);
    }
    for (size_t k = 0; k < 3; k++)
        fits = fits && (!reads(m, p, "xyz"[k]) || disks[k] < h->max_runs_datastore);
    return fits;
}

static bool waits_for_its_vm(const struct model *m, const struct pair *p)
{
    bool is = false;
    for (size_t i = 0; i < m->n; i++)
        is = is || (m->pairs[i].is_running && is_in_the_way_of(&m->pairs[i], p));
    return is;
}

/* ---- order ------------------------------------------------------------------------------ */

static int by_since(const void *a, const void *b)
{
    const struct choice *x = a, *y = b;
    if (x->since_s != y->since_s)
        return x->since_s < y->since_s ? -1 : 1;
    return x->pair < y->pair ? -1 : 1;
}

static bool choose(const struct model *m, struct choice *out)
{
    struct choice waiting[PAIRS];
    const struct pair *kept = NULL;
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++)
        n += is_waiting(&m->pairs[i], m->now_s, &waiting[n]);
    qsort(waiting, n, sizeof *waiting, by_since);
    for (size_t i = 0; i < n; i++) {
        if (has_room(m, waiting[i].pair, kept)) {
            *out = waiting[i];
            return true;
        }
        if (!kept && !waits_for_its_vm(m, waiting[i].pair) &&
            m->now_s - waiting[i].since_s >= HF_PLAN_PATIENCE_S)
            kept = waiting[i].pair;
    }
    return false;
}

/* ---- what happens ----------------------------------------------------------------------- */

static void settle(struct model *m)
{
    for (size_t i = 0; i < m->n; i++) {
        struct pair *p = &m->pairs[i];
        if (p->is_running)
            continue;
        if (p->served_s > m->now_s + HF_PLAN_AHEAD_S) {
            p->served_s = m->now_s;
            p->attempts = 0;
            p->outcome = NULL;
        }
        p->ended_s = p->ended_s < m->now_s ? p->ended_s : m->now_s;
        p->not_before_s = p->not_before_s < m->now_s + 300 ? p->not_before_s : m->now_s + 300;
    }
}

static void model_begin(struct model *m, struct pair *p, const struct choice *c)
{
    p->before_served_s = p->served_s;
    p->before_attempts = p->attempts;
    p->before_outcome = p->outcome;
    p->before_ended_s = p->ended_s;
    p->served_s = c->due_s;
    p->attempts = c->attempt;
    p->outcome = NULL;
    p->is_running = true;
    p->ends_s = m->now_s + (int64_t)below(m, below(m, 3) ? 40 * 60 : 5 * 3600);
}

static void withdraw(struct model *m, struct pair *p)
{
    static const int64_t waits[] = {0, 10, 20, 40, 80, 160, 300};
    p->served_s = p->before_served_s;
    p->attempts = p->before_attempts;
    p->outcome = p->before_outcome;
    p->ended_s = p->before_ended_s;
    p->not_before_s = m->now_s + waits[p->withdrawn < 6 ? p->withdrawn : 6];
    p->withdrawn++;
}

static void end_one(struct model *m, struct pair *p)
{
    const char *outcome =
        ONE_OF(m, "done", "done", "done", "degraded", "failed", "failed", "busy", "withdrawn");
    const char *datastores = below(m, 3) ? NULL : ONE_OF(m, "x", "y", "x\ny", "z");
    const struct hf_job job = {.id = (size_t)(p - m->pairs)};
    p->is_running = false;
    if (strcmp(outcome, "withdrawn") == 0) {
        withdraw(m, p);
    } else {
        p->outcome = outcome;
        p->ended_s = m->now_s;
        p->withdrawn = 0;
    }
    if (datastores && !p->is_drill)
        m->datastores[p->vm->label[1] - '0'] = datastores;
    hf_plan_ended(m->w.plan, &job, outcome, datastores, m->now_s);
}

/* What the catalog has of the pair. */
static struct hf_duty row_for(const struct model *m, const struct pair *p)
{
    return (struct hf_duty){.policy = p->policy->config->label,
                            .vm = p->vm->label,
                            .kind = p->is_drill ? HF_DUTY_DRILL : HF_DUTY_RUN,
                            .served_s = p->served_s,
                            .attempts = p->attempts,
                            .began_us = p->attempts ? 1 : 0,
                            .ended_us = p->is_running ? 0 : p->ended_s * 1000000 + 1,
                            .outcome = p->is_running ? p->before_outcome : p->outcome,
                            .datastores = m->datastores[p->vm->label[1] - '0']};
}

static void restart(struct model *m)
{
    struct hf_err err = HF_ERR_INIT;
    hf_plan_free(m->w.plan);
    m->w.plan = hf_plan_new(m->w.config, m->now_s, &err);
    assert_hf_got(m->w.plan, &err);
    for (size_t i = 0; i < m->n; i++) {
        struct pair *p = &m->pairs[i];
        struct hf_job job;
        const struct hf_duty d = row_for(m, p);
        hf_plan_load(m->w.plan, &d, &job);
        assert_true(p->is_running ? job.id == i && job.due_s == p->served_s
                                  : job.id == HF_PLAN_NONE);
        p->withdrawn = 0; /* nobody has written it down */
        p->not_before_s = 0;
        if (!p->is_running)
            continue;
        const bool is_again = p->attempts > 1;
        p->before_ended_s = 0;
        p->before_outcome = is_again ? "failed" : NULL;
        p->before_attempts = is_again ? p->attempts - 1 : 0;
        p->before_served_s =
            is_again ? p->served_s
                     : p->served_s - (p->is_drill ? p->policy->config->drill / 1000 : 1);
    }
}

/* ---- the two beside each other ---------------------------------------------------------- */

static void begin_all(struct model *m)
{
    struct choice c;
    struct hf_job job;
    while (choose(m, &c)) {
        const size_t id = (size_t)(c.pair - m->pairs);
        if (!hf_plan_ready(m->w.plan, m->now_s, &job))
            fail_msg("nothing is ready; expected pair %zu", id);
        if (job.id != id)
            fail_msg("pair %zu is first; expected %zu", job.id, id);
        assert_job(&job, c.pair->vm->label, c.due_s, c.attempt, c.has_missed);
        if (below(m, 4))
            assert_int_equal(hf_plan_wake(m->w.plan, m->now_s), m->now_s);
        hf_plan_began(m->w.plan, &job, m->now_s);
        model_begin(m, &m->pairs[id], &c);
    }
    if (hf_plan_ready(m->w.plan, m->now_s, &job))
        fail_msg("pair %zu is ready; expected none", job.id);
}

/* How many begin to wait in (now, t]. */
static size_t newcomers(const struct model *m, int64_t t)
{
    struct choice c;
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++)
        n += is_waiting(&m->pairs[i], t, &c) && !is_waiting(&m->pairs[i], m->now_s, &c);
    return n;
}

static int64_t check_wake(struct model *m)
{
    const int64_t wake = hf_plan_wake(m->w.plan, m->now_s);
    const int64_t until = wake == HF_NO_TIME ? m->now_s + 2 * HF_DAY_S : wake;
    assert_true(wake > m->now_s);
    assert_int_equal(newcomers(m, until - 1), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(newcomers(m, m->now_s + (int64_t)below(m, (uint64_t)(until - m->now_s))),
                         0);
    assert_true(wake == HF_NO_TIME || newcomers(m, wake) > 0);
    return wake;
}

static int64_t first_end(const struct model *m)
{
    int64_t first = HF_NO_TIME;
    for (size_t i = 0; i < m->n; i++)
        if (m->pairs[i].is_running && m->pairs[i].ends_s < first)
            first = m->pairs[i].ends_s;
    return first;
}

/* To what comes first; at times somewhere else. */
static void move_on(struct model *m, int64_t wake_s)
{
    const int64_t first = first_end(m), next = first < wake_s ? first : wake_s;
    const uint64_t dice = below(m, 40);
    if (dice == 0)
        m->now_s += (int64_t)below(m, 4 * HF_DAY_S);
    else if (dice == 1)
        m->now_s -= (int64_t)below(m, below(m, 2) ? 3 * HF_DAY_S : 3600);
    else if (dice < 5 || next == HF_NO_TIME)
        m->now_s += (int64_t)below(m, 7200);
    else
        m->now_s = next > m->now_s ? next : m->now_s;
    settle(m);
    for (size_t i = 0; i < m->n; i++)
        if (m->pairs[i].is_running && (m->pairs[i].ends_s <= m->now_s || below(m, 200) == 0))
            end_one(m, &m->pairs[i]);
    settle(m);
    if (below(m, 50) == 0)
        restart(m);
}

static void a_plan_does_what_the_model_does(void **state)
{
    (void)state;
    const char *text = getenv("HOLDFAST_TEST_ROUNDS");
    const uint64_t seed = random_seed(), rounds = text ? strtoull(text, NULL, 10) : 4;
    for (uint64_t i = 0; i < rounds; i++) {
        struct model m;
        print_message("HOLDFAST_TEST_SEED=%" PRIu64 " HOLDFAST_TEST_ROUNDS=1\n", seed + i);
        model_init(&m, seed + i);
        for (int step = 0; step < STEPS; step++) {
            begin_all(&m);
            move_on(&m, check_wake(&m));
        }
        model_free(&m);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {HF_TEST(a_plan_does_what_the_model_does)};
    return HF_RUN_TESTS("policy.plan_model", tests);
}
