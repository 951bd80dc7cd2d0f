/* SPDX-License-Identifier: Apache-2.0 */
#include "drill/judge.h"
#include "harness/hf_test.h"

#include <string.h>

static struct hf_db_position at(const char *file, uint64_t offset, const char *gtid)
{
    return (struct hf_db_position){.has_binlog = true,
                                   .file = (char *)(uintptr_t)file,
                                   .offset = offset,
                                   .gtid = (char *)(uintptr_t)gtid};
}

static struct hf_manifest of_lock(const char *file, uint64_t offset, const char *gtid)
{
    return (struct hf_manifest){
        .grade = 'B', .has_position = true, .position = at(file, offset, gtid)};
}

static struct hf_manifest of_bracket(struct hf_db_position min, struct hf_db_position max)
{
    return (struct hf_manifest){.grade = 'A', .has_bracket = true, .min = min, .max = max};
}

static struct hf_drill_recovered recovered(const char *file, uint64_t offset, const char *gtid)
{
    return (struct hf_drill_recovered){
        .has_binlog = true, .at = at(file, offset, gtid), .has_gtid = gtid != NULL};
}

static void assert_judged(const struct hf_manifest *m, const struct hf_drill_recovered *r,
                          enum hf_drill_result expected, const char *piece)
{
    HF_AUTO(hf_drill_checks) struct hf_drill_checks c = {0};
    hf_drill_judge_position(m, r, &c);
    assert_int_equal(c.n, 1);
    assert_string_equal(c.items[0].name, HF_DRILL_POSITION);
    assert_string_equal(hf_drill_result_name(c.items[0].result), hf_drill_result_name(expected));
    if (!strstr(c.items[0].why, piece))
        fail_msg("'%s' is not in '%s'", piece, c.items[0].why);
}

static void file_size_and_set_have_to_be_as_recorded(void **state)
{
    (void)state;
    const struct hf_manifest m = of_lock("binlog.000003", 4711, "0-1-552");
    struct hf_drill_recovered r = recovered("binlog.000003", 4711, "0-1-552");
    assert_judged(&m, &r, HF_DRILL_OK, "as recorded");
    r = recovered("binlog.000003", 4710, "0-1-552");
    assert_judged(&m, &r, HF_DRILL_FAILED, "another binlog position");
    r = recovered("binlog.000004", 4711, "0-1-552");
    assert_judged(&m, &r, HF_DRILL_FAILED, "another binlog position");
    r = recovered("binlog.000003", 4711, "0-1-551");
    assert_judged(&m, &r, HF_DRILL_FAILED, "another GTID set");
    r = recovered("binlog.000003", 4711, "");
    assert_judged(&m, &r, HF_DRILL_FAILED, "another GTID set");
}

static void without_a_set_file_and_size_decide(void **state)
{
    (void)state;
    const struct hf_manifest m = of_lock("binlog.000003", 4711, "");
    struct hf_drill_recovered r = recovered("binlog.000003", 4711, NULL);
    assert_judged(&m, &r, HF_DRILL_OK, "no GTID was compared");
    r = recovered("binlog.000003", 9999, NULL);
    assert_judged(&m, &r, HF_DRILL_FAILED, "another binlog position");
}

static void a_binlog_that_was_thrown_away_leaves_the_set(void **state)
{
    (void)state;
    const struct hf_manifest m = of_lock("binlog.000003", 4711, "0-1-552"),
                             bare = of_lock("binlog.000003", 4711, "");
    struct hf_drill_recovered r = recovered(NULL, 0, "0-1-552");
    assert_judged(&m, &r, HF_DRILL_OK, "by GTID");
    r = recovered(NULL, 0, "0-1-553");
    assert_judged(&m, &r, HF_DRILL_FAILED, "another GTID set");
    r = recovered(NULL, 0, NULL);
    assert_judged(&bare, &r, HF_DRILL_SKIPPED, "thrown the binlog");
    r = recovered(NULL, 0, "0-1-552");
    r.is_refused = true;
    assert_judged(&m, &r, HF_DRILL_OK, "by GTID: the account may not ask");
    r = recovered(NULL, 0, "0-1-560");
    r.is_refused = r.is_later = true;
    assert_judged(&m, &r, HF_DRILL_SKIPPED, "no GTID set of the instant");
    r = recovered("binlog.000003", 4711, "0-1-560");
    r.is_later = true;
    assert_judged(&m, &r, HF_DRILL_OK, "no GTID was compared");
    r = recovered(NULL, 0, NULL);
    r.is_refused = true;
    assert_judged(&bare, &r, HF_DRILL_SKIPPED, "REPLICATION CLIENT");
}

static void a_bracket_has_to_hold_the_position(void **state)
{
    (void)state;
    const struct hf_manifest m = of_bracket(at("b.000007", 1000, ""), at("b.000008", 350, ""));
    struct hf_drill_recovered r = recovered("b.000007", 1000, "");
    assert_judged(&m, &r, HF_DRILL_OK, "within");
    r = recovered("b.000007", 1023, ""); /* with the event of a clean stop */
    assert_judged(&m, &r, HF_DRILL_OK, "within");
    r = recovered("b.000007", 999, "");
    assert_judged(&m, &r, HF_DRILL_FAILED, "before the one recorded");
    r = recovered("b.000008", 351, "");
    assert_judged(&m, &r, HF_DRILL_FAILED, "behind the one recorded");
    r = recovered(NULL, 0, "0-1-1");
    assert_judged(&m, &r, HF_DRILL_SKIPPED, "thrown");
}

static void what_was_not_recorded_is_not_passed(void **state)
{
    (void)state;
    const struct hf_manifest none = {.grade = 'B'}, m = of_lock("binlog.000003", 4711, "");
    struct hf_drill_recovered r = recovered("binlog.000003", 4711, "");
    assert_judged(&none, &r, HF_DRILL_SKIPPED, "no position was recorded");
    r = (struct hf_drill_recovered){0};
    assert_judged(&m, &r, HF_DRILL_FAILED, "writes no binlog");
}

static void the_order_of_a_set_does_not_count(void **state)
{
    (void)state;
    assert_true(hf_drill_same_gtids("0-1-5,1-2-3", "1-2-3,0-1-5"));
    assert_true(hf_drill_same_gtids("A8B0:1-5,\nC9:1-3", "c9:1-3,a8b0:1-5"));
    assert_true(hf_drill_same_gtids(NULL, ""));
    assert_false(hf_drill_same_gtids("0-1-5", "0-1-6"));
    assert_false(hf_drill_same_gtids("0-1-5", "0-1-5,1-2-3"));
    assert_false(hf_drill_same_gtids("", "0-1-5"));
}

static void a_list_of_all_servers_says_where_each_domain_stands(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"0-1-552", "0-1-552"},
        {"0-1-100,0-2-200", "0-2-200"},
        {"0-2-200, 0-1-201, 10-1-5, 1-3-7", "0-1-201,10-1-5,1-3-7"},
        {"", ""}};
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        HF_AUTOFREE char *got = hf_drill_gtid_state(cases[i][0]);
        assert_string_equal(got, cases[i][1]);
    }
}

static void only_a_dump_that_began_under_the_lock_is_of_the_instant(void **state)
{
    (void)state;
    char begun[] = "readers_begun", locked[] = "locked";
    struct hf_point_event events[] = {{.event = locked}, {.event = begun}};
    struct hf_manifest m = of_lock("binlog.000003", 4711, "");
    struct hf_point_artifact dump = {.has_position = true,
                                     .position = at("binlog.000003", 4711, "")};
    m.events = events;
    m.n_events = 2;
    assert_true(hf_drill_is_same_instant(&m, &dump));
    dump.position.offset++;
    assert_false(hf_drill_is_same_instant(&m, &dump));
    dump.position.offset--;
    m.n_events = 1;
    assert_false(hf_drill_is_same_instant(&m, &dump));
    m.n_events = 2;
    m.grade = 'E'; /* the lock did not hold */
    assert_false(hf_drill_is_same_instant(&m, &dump));
    m.grade = 'B';
    m.has_position = dump.has_position = false; /* binlog off */
    assert_true(hf_drill_is_same_instant(&m, &dump));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(file_size_and_set_have_to_be_as_recorded),
        HF_TEST(without_a_set_file_and_size_decide),
        HF_TEST(a_binlog_that_was_thrown_away_leaves_the_set),
        HF_TEST(a_bracket_has_to_hold_the_position),
        HF_TEST(what_was_not_recorded_is_not_passed),
        HF_TEST(the_order_of_a_set_does_not_count),
        HF_TEST(a_list_of_all_servers_says_where_each_domain_stands),
        HF_TEST(only_a_dump_that_began_under_the_lock_is_of_the_instant),
    };
    return HF_RUN_TESTS("drill.judge", tests);
}
