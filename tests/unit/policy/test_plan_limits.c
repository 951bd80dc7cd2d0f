/* SPDX-License-Identifier: Apache-2.0
 *
 * How many jobs a plan has going on at a time, whose turn it is, and that nobody waits for ever.
 */
#include "plan_world.h"

#define DUE_S at(3, 2, 0)
#define FOUR VM("a") VM("b") VM("c") VM("d")
#define STORES "[store vault]\nurl = file:///mnt/vault\n[store shelf]\nurl = file:///mnt/shelf\n"
#define DAILY "schedule = 0 2 * * *\n"
#define SNAPSHOTS DAILY "produce = snapshot\n"

/* ---- each limit ------------------------------------------------------------------------- */

static void no_limit_is_exceeded(void **state)
{
    (void)state;
    static const struct {
        const char *config, *begun;
    } cases[] = {
        {"[defaults]\nmax-runs = 3\n" LAB "max-runs = 9\n" FOUR POLICY("p", "*") SNAPSHOTS,
         "a b c "},
        {LAB "max-runs = 3\n" FOUR POLICY("p", "*") SNAPSHOTS, "a b c "},
        {LAB FOUR POLICY("p", "*") SNAPSHOTS, "a b "}, /* max-runs of a hypervisor is two */
        {LAB "max-runs = 9\n" FOUR POLICY("p", "*") SNAPSHOTS, "a b c d "}, /* of all, four */
        {"[hypervisor lab]\nplugin = libvirt\nmax-runs = 1\n" FOUR
         "[hypervisor old]\nplugin = libvirt\nmax-runs = 1\n[vm e]\nhypervisor = old\n" POLICY(
             "p", "*") SNAPSHOTS,
         "a e "},
        {LAB "max-runs = 9\n" FOUR STORES "max-runs = 3\n" POLICY("p", "*") DAILY, "a b c "},
        {LAB "max-runs = 9\n" FOUR STORES "max-runs = 1\n" POLICY("p", "*") SNAPSHOTS, "a b c d "},
        {LAB "max-runs = 9\n" FOUR STORES "max-runs = 1\n" POLICY("p", "*") DAILY
         "stores = vault\n",
         "a b c d "},
        {LAB "max-runs = 9\n" FOUR STORES "max-runs = 1\n" POLICY("p", "*") DAILY
         "stores = shelf\n",
         "a "},
        {LAB "max-runs = 9\n" VM("a") "stores = shelf\n" VM("b") "stores = vault\n" VM(
             "c") "stores = shelf, vault\n" VM("d") STORES "max-runs = 1\n" POLICY("p", "*") DAILY,
         "a b "}, /* c and d would send to shelf, too */
        {LAB "max-runs = 9\n" VM("a") "stores = shelf\n" VM("b") "stores = shelf\n" STORES
                                                                 "max-runs = 1\n" POLICY("p", "*")
                                                                     DAILY "stores = vault\n",
         "a b "}, /* what the policy says counts */
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        HF_AUTO(hf_buf) struct hf_buf names = HF_BUF_INIT;
        AUTO_WORLD w = world_of(cases[i].config, at(2, 12, 0));
        start_all(&w, DUE_S, &names);
        if (strcmp(hf_buf_str(&names), cases[i].begun) != 0)
            fail_msg("case %zu: %s, expected %s", i, hf_buf_str(&names), cases[i].begun);
    }
}

static void what_ends_makes_room_for_one(void **state)
{
    (void)state;
    AUTO_WORLD w = world_of(LAB FOUR POLICY("p", "*") SNAPSHOTS, at(2, 12, 0));
    const struct hf_job a = start(&w, DUE_S), b = start(&w, DUE_S);
    assert_int_equal(hf_plan_wake(w.plan, DUE_S), HF_NO_TIME);
    end(&w, &a, "failed", DUE_S);
    const struct hf_job c = start(&w, DUE_S);
    assert_job(&c, "c", DUE_S, 1, false);
    assert_int_equal(hf_plan_wake(w.plan, DUE_S), DUE_S + 15 * MINUTE); /* a is tried again */
    end(&w, &b, "withdrawn", DUE_S);
    const struct hf_job again = start(&w, DUE_S);
    assert_job(&again, "b", DUE_S, 1, false); /* it has kept its place before d */
}

static void a_drill_counts_for_the_hypervisor_and_no_store(void **state)
{
    (void)state;
    const char *policy =
        STORES "max-runs = 1\n" POLICY("p", "*") "schedule = 0 0 1 1 *\ndrill = 1d\n";
    HF_AUTOFREE char *two = hf_asprintf(LAB FOUR "%s", policy);
    HF_AUTOFREE char *many = hf_asprintf(LAB "max-runs = 9\n" FOUR "%s", policy);
    AUTO_WORLD w = world_of(two, at(2, 2, 0));
    assert_int_equal(start_all(&w, DUE_S, NULL), 2);
    AUTO_WORLD more = world_of(many, at(2, 2, 0));
    assert_int_equal(start_all(&more, DUE_S, NULL), 4);
}

/* ---- datastores ------------------------------------------------------------------------- */

#define ONE_A_STORE LAB "max-runs = 9\nmax-runs-datastore = 1\n"

static void load_datastores(struct world *w, const char *vm, const char *datastores)
{
    struct hf_duty d = ended_duty(vm, at(2, 2, 0), 1, "done");
    d.success_us = d.ended_us;
    d.datastores = datastores;
    hf_plan_load(w->plan, &d, NULL);
}

static void of_one_datastore_so_many_at_a_time(void **state)
{
    (void)state;
    HF_AUTO(hf_buf) struct hf_buf names = HF_BUF_INIT;
    AUTO_WORLD w = world_of(ONE_A_STORE FOUR VM("e") POLICY("p", "*") SNAPSHOTS, at(2, 12, 0));
    load_datastores(&w, "a", "fast\nslow\nfast");
    load_datastores(&w, "b", "slow");
    load_datastores(&w, "c", "other");
    load_datastores(&w, "d", "fast");
    start_all(&w, DUE_S, &names);
    assert_string_equal(hf_buf_str(&names), "a c e "); /* of e nothing is known */
}

static void one_name_on_two_hypervisors_is_two_datastores(void **state)
{
    (void)state;
    AUTO_WORLD w =
        world_of(ONE_A_STORE FOUR "[hypervisor old]\nplugin = libvirt\n[vm e]\nhypervisor = old\n"
                                  "[vm f]\nhypervisor = old\n" POLICY("p", "*") SNAPSHOTS,
                 at(2, 12, 0));
    static const char *const vms[] = {"a", "b", "c", "d", "e", "f"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(vms); i++)
        load_datastores(&w, vms[i], "default");
    assert_int_equal(start_all(&w, DUE_S, NULL), 3); /* one, and two: its limit is two */
}

static void where_the_disks_lie_is_learned_from_each_run(void **state)
{
    (void)state;
    HF_AUTO(hf_buf) struct hf_buf names = HF_BUF_INIT;
    AUTO_WORLD w = world_of(ONE_A_STORE VM("a") VM("b") POLICY("p", "*") SNAPSHOTS, at(2, 12, 0));
    load_datastores(&w, "a", "one");
    const struct hf_job a = start(&w, DUE_S), b = start(&w, DUE_S);
    hf_plan_ended(w.plan, &b, "done", "one", DUE_S);
    hf_plan_ended(w.plan, &a, "failed", NULL, DUE_S); /* what was known stays */
    start_all(&w, DUE_S + HF_DAY_S, &names);
    assert_string_equal(hf_buf_str(&names), "a ");
    hf_plan_ended(w.plan, &a, "done", "two", DUE_S + HF_DAY_S);
    start_all(&w, DUE_S + HF_DAY_S, &names);
    start_all(&w, DUE_S + 2 * HF_DAY_S, &names);
    assert_string_equal(hf_buf_str(&names), "a b a ");
}

static void drills_read_no_datastore_and_the_latest_run_knows_it(void **state)
{
    (void)state;
    HF_AUTO(hf_buf) struct hf_buf names = HF_BUF_INIT;
    AUTO_WORLD w = world_of(
        ONE_A_STORE VM("a") VM("b")
            POLICY("p", "*") "schedule = 0 0 1 1 *\ndrill = 1h\n" POLICY("q", "*") SNAPSHOTS,
        at(2, 2, 0));
    load_datastores(&w, "a", "one");
    load_datastores(&w, "b", "one");
    struct hf_duty older = ended_duty("b", at(2, 2, 0), 1, "done");
    older.policy = "q";
    older.success_us = at(1, 2, 0) * 1000000;
    older.datastores = "two";
    hf_plan_load(w.plan, &older, NULL);
    /* The drills are first: they have waited longer. */
    assert_int_equal(start_all(&w, DUE_S, &names), 3);
    assert_string_equal(hf_buf_str(&names), "a/drill b/drill a ");
    struct hf_job drill = {.id = 1};
    hf_plan_ended(w.plan, &drill, "done", NULL, DUE_S);
    drill.id = 3;
    hf_plan_ended(w.plan, &drill, "done", NULL, DUE_S);
    hf_buf_clear(&names);
    assert_int_equal(start_all(&w, DUE_S, &names), 0);
    start_all(&w, DUE_S + HOUR, &names); /* that run has the datastore still */
    assert_string_equal(hf_buf_str(&names), "b/drill ");
}

/* ---- one run a VM ----------------------------------------------------------------------- */

static void a_vm_is_never_in_two_runs(void **state)
{
    (void)state;
    HF_AUTO(hf_buf) struct hf_buf names = HF_BUF_INIT;
    AUTO_WORLD w =
        world_of(LAB "max-runs = 9\n" FOUR POLICY("p", "a") SNAPSHOTS POLICY("q", "*") SNAPSHOTS,
                 at(2, 12, 0));
    const struct hf_job p = start(&w, DUE_S);
    assert_string_equal(p.policy->label, "p");
    start_all(&w, DUE_S, &names);
    assert_string_equal(hf_buf_str(&names), "b c d ");
    end(&w, &p, "done", DUE_S);
    start_all(&w, DUE_S, &names);
    assert_string_equal(hf_buf_str(&names), "b c d a ");
}

static void jobs_that_were_going_on_count(void **state)
{
    (void)state;
    HF_AUTO(hf_buf) struct hf_buf names = HF_BUF_INIT;
    struct hf_job job;
    AUTO_WORLD w = world_of(ONE_A_STORE FOUR POLICY("p", "*") SNAPSHOTS, at(2, 12, 0));
    load_datastores(&w, "b", "one");
    struct hf_duty d = duty("a", HF_DUTY_RUN, at(2, 2, 0));
    d.attempts = 1;
    d.began_us = at(2, 2, 0) * 1000000;
    d.datastores = "one";
    hf_plan_load(w.plan, &d, &job);
    hf_plan_load(w.plan, &d, &job); /* no second time */
    start_all(&w, DUE_S, &names);
    assert_string_equal(hf_buf_str(&names), "c d ");
    end(&w, &job, "done", DUE_S);
    start_all(&w, DUE_S, &names);
    assert_string_equal(hf_buf_str(&names), "c d a ");
}

/* ---- whose turn it is ------------------------------------------------------------------- */

static void who_has_waited_longest_is_first(void **state)
{
    (void)state;
    HF_AUTO(hf_buf) struct hf_buf names = HF_BUF_INIT;
    AUTO_WORLD w = world_of(
        "[defaults]\nmax-runs = 1\n" LAB FOUR POLICY("p", "d") "schedule = 0 1 * * *\n" POLICY(
            "q", "a") "schedule = 30 1 * * *\n" POLICY("r",
                                                       "c") "schedule = 0 * * * *\n" POLICY("s",
                                                                                            "b")
            DAILY,
        at(2, 23, 30));
    struct hf_job job = start(&w, at(3, 0, 0));
    end(&w, &job, "done", at(3, 0, 5));
    job = start(&w, at(3, 1, 0)); /* c and d wait from one o'clock on; d is first in the file */
    for (int i = 0; i < 4; i++) {
        hf_buf_printf(&names, "%s ", job.vm->label);
        end(&w, &job, "done", at(3, 4, 0));
        if (i < 3)
            job = start(&w, at(3, 4, 0));
    }
    assert_string_equal(hf_buf_str(&names), "d c a b ");
}

static void one_that_waits_holds_nobody_up(void **state)
{
    (void)state;
    HF_AUTO(hf_buf) struct hf_buf names = HF_BUF_INIT;
    AUTO_WORLD w = world_of(LAB "max-runs = 3\n" FOUR STORES "max-runs = 1\n" POLICY(
                                "p", "a, b") "schedule = 0 1 * * *\n" POLICY("q", "c, d") SNAPSHOTS,
                            at(2, 12, 0));
    start_all(&w, at(3, 1, 0), &names);
    start_all(&w, DUE_S, &names);
    assert_string_equal(hf_buf_str(&names), "a c d ");
}

/* a needs both stores, the others one each; they are due all the time, and end by turns: never are both stores free at once. */
static void nobody_is_passed_over_for_ever(void **state)
{
    (void)state;
    AUTO_WORLD w = world_of(
        "[defaults]\nmax-runs = 9\n" LAB "max-runs = 9\n" FOUR VM(
            "e") "[store vault]\nurl = file:///mnt/vault\nmax-runs = 1\n"
                 "[store shelf]\nurl = file:///mnt/shelf\nmax-runs = 1\n" POLICY("both", "a")
                     DAILY POLICY("p", "b, c") "schedule = * * * * *\nstores = shelf\n" POLICY(
                         "q", "d, e") "schedule = * * * * *\nstores = vault\n",
        at(3, 1, 0));
    struct hf_job jobs[2] = {start(&w, at(3, 1, 1)), start(&w, at(3, 1, 1))};
    bool is_on[2] = {true, true};
    int64_t now = at(3, 1, 2);
    for (int i = 0; now < DUE_S + HF_PLAN_PATIENCE_S; i = !i, now += MINUTE) {
        end(&w, &jobs[i], "done", now);
        jobs[i] = start(&w, now);
        assert_string_not_equal(jobs[i].vm->label, "a");
    }
    for (int i = 0; i < 2; i++) {
        end(&w, &jobs[i], "done", now);
        is_on[i] = hf_plan_ready(w.plan, now, &jobs[i]);
    }
    assert_true(!is_on[0] && is_on[1]); /* the first store was kept, then a had both */
    assert_string_equal(jobs[1].vm->label, "a");
}

/* b has waited for so long that it keeps the second slot from c; by the clock that is right then it has not. */
static void a_claim_goes_back_with_the_clock(void **state)
{
    (void)state;
    AUTO_WORLD w =
        world_of(LAB "max-runs = 2\n" FOUR STORES "max-runs = 1\n" POLICY("p", "a, b")
                     DAILY POLICY("q", "c") "schedule = 0 4 * * *\nproduce = snapshot\n" POLICY(
                         "r", "d") "schedule = 0 0 1 1 *\n",
                 at(2, 12, 0));
    start(&w, DUE_S);
    const struct hf_job c = start(&w, at(3, 4, 0));
    end(&w, &c, "failed", at(3, 8, 50));
    assert_int_equal(hf_plan_wake(w.plan, at(3, 9, 0)), at(3, 9, 5));
    assert_wake(&w, at(3, 3, 0), at(3, 3, 15)); /* c is tried again */
}

/* Nothing ends and nobody came when b has waited for six hours; d, which comes then, finds the slot kept. */
static void a_claim_is_made_in_time(void **state)
{
    (void)state;
    struct hf_job job;
    AUTO_WORLD w = world_of(LAB "max-runs = 2\n" FOUR STORES "max-runs = 1\n" POLICY("p", "a, b")
                                DAILY POLICY("q", "d") "schedule = 0 9 * * *\nproduce = snapshot\n",
                            at(2, 12, 0));
    const struct hf_job a = start(&w, DUE_S);
    assert_true(hf_plan_wake(w.plan, at(3, 3, 0)) == at(3, 9, 0));
    assert_false(hf_plan_ready(w.plan, at(3, 9, 0), &job));
    end(&w, &a, "done", at(3, 10, 0));
    job = start(&w, at(3, 10, 0));
    assert_job(&job, "b", DUE_S, 1, false);
    job = start(&w, at(3, 10, 0));
    assert_job(&job, "d", at(3, 9, 0), 1, false);
}

/* q's run of b waits for "one", which is gone when it is its turn. */
static void what_held_somebody_up_may_be_gone(void **state)
{
    (void)state;
    AUTO_WORLD w =
        world_of(ONE_A_STORE VM("a") VM("b") POLICY("p", "*") SNAPSHOTS POLICY("q", "b") SNAPSHOTS,
                 at(2, 12, 0));
    load_datastores(&w, "a", "one");
    load_datastores(&w, "b", "one");
    const struct hf_job a = start(&w, DUE_S);
    assert_int_equal(start_all(&w, DUE_S, NULL), 0);
    hf_plan_ended(w.plan, &a, "done", "two", DUE_S);
    const struct hf_job b = start(&w, DUE_S);
    assert_int_equal(start_all(&w, DUE_S, NULL), 0);
    hf_plan_ended(w.plan, &b, "done", "two", DUE_S);
    const struct hf_job q = start(&w, DUE_S);
    assert_string_equal(q.policy->label, "q");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(no_limit_is_exceeded),
        HF_TEST(what_ends_makes_room_for_one),
        HF_TEST(a_drill_counts_for_the_hypervisor_and_no_store),
        HF_TEST(of_one_datastore_so_many_at_a_time),
        HF_TEST(one_name_on_two_hypervisors_is_two_datastores),
        HF_TEST(where_the_disks_lie_is_learned_from_each_run),
        HF_TEST(drills_read_no_datastore_and_the_latest_run_knows_it),
        HF_TEST(a_vm_is_never_in_two_runs),
        HF_TEST(jobs_that_were_going_on_count),
        HF_TEST(who_has_waited_longest_is_first),
        HF_TEST(one_that_waits_holds_nobody_up),
        HF_TEST(nobody_is_passed_over_for_ever),
        HF_TEST(a_claim_goes_back_with_the_clock),
        HF_TEST(a_claim_is_made_in_time),
        HF_TEST(what_held_somebody_up_may_be_gone),
    };
    return HF_RUN_TESTS("policy.plan_limits", tests);
}
