/* SPDX-License-Identifier: Apache-2.0
 *
 * `policies`: what it shows of a configuration. The clock is the real one, so schedules here are such
 * that the answer does not depend on the day.
 */
#include "cli_run.h"

#define VMS                                                                                        \
    "[hypervisor lab]\nplugin = libvirt\n[vm web01]\nhypervisor = lab\ndb = tcp://10.0.0.5:3306\n" \
    "[vm web02]\nhypervisor = lab\n[vm mail]\nhypervisor = lab\n"
#define NIGHTLY                                                                                    \
    "[policy nightly]\nvms = web*\nschedule = 30 2 * * *\ntimezone = UTC\njitter = 10m\n"          \
    "keep = last 2, daily 3\n"

static struct cli_run policies(void **state, const char *config, const char *options)
{
    const char *path = hf_test_file(state, "holdfast.conf", config, 0600);
    HF_AUTOFREE char *line = hf_asprintf("holdfast -c %s policies %s", path, options);
    return cli_run(state, hf_verbs, line);
}

static size_t count(const char *text, const char *piece)
{
    size_t n = 0;
    while ((text = strstr(text, piece)) != NULL) {
        n++;
        text += strlen(piece);
    }
    return n;
}

static void shows_vms_runs_and_what_is_kept(void **state)
{
    HF_AUTO(cli_run) struct cli_run r = policies(state, VMS NIGHTLY, "--days 3");
    assert_int_equal(r.status, 0);
    assert_contains(r.out,
                    "nightly: 30 2 * * *, UTC, jitter 10m\n  2 VMs: web01, web02\n  next   ");
    assert_int_equal(count(r.out, "  02:30\n"), 3);
    assert_contains(r.out, "keep   last 2, daily 3: 3 points, when every run succeeds\n");
    assert_int_equal(count(r.out, "d ") + count(r.out, "d\n"), 3);
    assert_contains(r.out, "in no policy: mail\n");
    assert_lacks(r.out, "notice");
}

static void lists_a_week_when_nothing_else_is_said(void **state)
{
    HF_AUTO(cli_run) struct cli_run r = policies(state, VMS NIGHTLY, "");
    assert_int_equal(count(r.out, "  02:30\n"), 7);
}

static void tells_what_does_not_fit_together(void **state)
{
    HF_AUTO(cli_run)
    struct cli_run r =
        policies(state,
                 VMS NIGHTLY "[policy strict]\nvms = web0?\nrequire = B\ntimezone = UTC\n"
                             "schedule = */30 * * * *\n[policy idle]\nvms = zz*\n"
                             "schedule = @daily\n",
                 "");
    assert_int_equal(r.status, 0);
    assert_contains(r.out, "notice: policies nightly and strict both begin at ");
    assert_contains(r.out,
                    "notice: policy strict requires grade B, which 1 of its VMs cannot reach,");
    assert_contains(r.out, "web02 (quiesce = none: E at the best)");
    assert_contains(r.out, "notice: policy idle selects no VM\n");
}

/* A run that finds max-snapshots of them fails: that is better known on the first day than on the second. */
static void tells_of_more_snapshots_than_may_be(void **state)
{
#define HOURLY "[policy p]\nvms = web*\nschedule = @hourly\nproduce = snapshot\ntimezone = UTC\n"
    HF_AUTO(cli_run) struct cli_run fits = policies(state, VMS HOURLY "snapshot-keep = 11h\n", "");
    assert_lacks(fits.out, "notice");
    HF_AUTO(cli_run) struct cli_run many = policies(state, VMS HOURLY "snapshot-keep = 24h\n", "");
    assert_contains(many.out, "notice: policy p keeps more snapshots at a time than");
    assert_contains(many.out, "(web01: 12)");
    HF_AUTO(cli_run) struct cli_run ever = policies(state, VMS HOURLY, "");
    assert_contains(ever.out,
                    "notice: policy p has no snapshot-keep, nor has web01: its snapshots stay");
}

static void policies_in_other_hours_do_not_clash(void **state)
{
    HF_AUTO(cli_run)
    struct cli_run r = policies(state,
                                VMS NIGHTLY "[policy noon]\nvms = *\ntimezone = UTC\n"
                                            "schedule = 0 12 * * *\n",
                                "--days 366");
    assert_lacks(r.out, "notice");
    assert_lacks(r.out, "in no policy");
    assert_contains(r.out, "keep   as store and VM say, else everything\n");
}

static void as_json_it_is_one_document(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(cli_run)
    struct cli_run r = policies(state, VMS NIGHTLY, "--json --days 2");
    HF_AUTOJSON struct json_object *doc = hf_json_parse(r.out, strlen(r.out), &err);
    assert_hf_got(doc, &err);
    struct json_object *list, *runs, *kept, *vms;
    const char *start;
    assert_hf_ok(hf_json_get_array(doc, "policies", &list, &err), &err);
    assert_int_equal(json_object_array_length(list), 1);
    struct json_object *p = json_object_array_get_idx(list, 0);
    assert_hf_ok(hf_json_get_array(p, "runs", &runs, &err), &err);
    assert_int_equal(json_object_array_length(runs), 2);
    assert_contains(json_object_get_string(json_object_array_get_idx(runs, 0)), "T02:30:00.000Z");
    assert_hf_ok(hf_json_get_array(p, "kept", &kept, &err), &err);
    assert_int_equal(json_object_array_length(kept), 3);
    assert_hf_ok(hf_json_get_array(p, "vms", &vms, &err), &err);
    assert_int_equal(json_object_array_length(vms), 2);
    struct json_object *vm = json_object_array_get_idx(vms, 0);
    assert_hf_ok(hf_json_get_string(vm, "next_start_at", &start, &err), &err);
    assert_contains(start, "T02:3");
    assert_contains(r.out, "\"keep\":{\"last\":2,\"daily\":3}");
    assert_contains(r.out, "\"in_no_policy\":[\"mail\"],\"notices\":[]");
}

static void without_policies_it_says_so(void **state)
{
    HF_AUTO(cli_run) struct cli_run r = policies(state, VMS, "");
    assert_int_equal(r.status, 0);
    assert_string_equal(r.out, "There are no policies: no section [policy NAME].\n");
}

static void days_out_of_range_are_refused(void **state)
{
    HF_AUTO(cli_run) struct cli_run none = policies(state, VMS NIGHTLY, "--days 0");
    HF_AUTO(cli_run) struct cli_run many = policies(state, VMS NIGHTLY, "--days 367");
    assert_int_equal(none.status, 2);
    assert_int_equal(many.status, 2);
    assert_contains(many.err, "Accepted: 1 to 366.");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(shows_vms_runs_and_what_is_kept),
        HF_TEST(lists_a_week_when_nothing_else_is_said),
        HF_TEST(tells_what_does_not_fit_together),
        HF_TEST(tells_of_more_snapshots_than_may_be),
        HF_TEST(policies_in_other_hours_do_not_clash),
        HF_TEST(as_json_it_is_one_document),
        HF_TEST(without_policies_it_says_so),
        HF_TEST(days_out_of_range_are_refused),
    };
    return HF_RUN_TESTS("cli.policies", tests);
}
