/* SPDX-License-Identifier: Apache-2.0 */
#include "drill/checks.h"
#include "harness/hf_test.h"

#include <string.h>

static void assert_verdict(const struct hf_drill_checks *c, bool passed, const char *expected)
{
    char why[256];
    assert_int_equal(hf_drill_judge(c, why, sizeof why), passed);
    assert_string_equal(why, expected);
}

static void one_failed_check_fails_the_drill_with_its_reason(void **state)
{
    (void)state;
    HF_AUTO(hf_drill_checks) struct hf_drill_checks c = {0};
    hf_drill_note(&c, "boot", HF_DRILL_OK, NULL);
    hf_drill_note(&c, HF_DRILL_POSITION, HF_DRILL_OK, "as recorded");
    hf_drill_note(&c, "content", HF_DRILL_SKIPPED, "the point has no dump");
    assert_verdict(&c, true, "");
    hf_drill_note(&c, "rows", HF_DRILL_FAILED, "%d of %d tables", 1, 3);
    hf_drill_note(&c, "content", HF_DRILL_FAILED, "later");
    assert_verdict(&c, false, "rows: 1 of 3 tables");
    /* … that of a disk before all that came of it */
    hf_drill_note(&c, HF_DRILL_DISKS, HF_DRILL_FAILED, "vda");
    assert_verdict(&c, false, "disks: vda");
}

static void the_position_or_the_tables_alone_will_do(void **state)
{
    (void)state;
    HF_AUTO(hf_drill_checks) struct hf_drill_checks position = {0}, tables = {0};
    hf_drill_note(&position, HF_DRILL_POSITION, HF_DRILL_OK, NULL);
    hf_drill_note(&position, HF_DRILL_TABLES, HF_DRILL_SKIPPED, "no right");
    assert_verdict(&position, true, "");
    hf_drill_note(&tables, HF_DRILL_POSITION, HF_DRILL_SKIPPED, "binlog off");
    hf_drill_note(&tables, HF_DRILL_TABLES, HF_DRILL_OK, "3 tables");
    assert_verdict(&tables, true, "");
}

static void a_drill_that_compared_nothing_has_not_passed(void **state)
{
    (void)state;
    HF_AUTO(hf_drill_checks) struct hf_drill_checks c = {0};
    hf_drill_note(&c, "boot", HF_DRILL_OK, NULL);
    hf_drill_note(&c, "probe unit mariadb", HF_DRILL_OK, NULL);
    assert_verdict(&c, false, "nothing was compared: position: not come to; tables: not come to");
    hf_drill_note(&c, HF_DRILL_POSITION, HF_DRILL_SKIPPED, "binlog off");
    hf_drill_note(&c, HF_DRILL_TABLES, HF_DRILL_SKIPPED, "no right");
    assert_verdict(&c, false, "nothing was compared: position: binlog off; tables: no right");
}

static void what_a_guest_said_is_made_harmless(void **state)
{
    (void)state;
    HF_AUTO(hf_drill_checks) struct hf_drill_checks c = {0};
    hf_drill_note(&c, "probe\033[2J", HF_DRILL_FAILED, "%s", "a\nb\177");
    hf_drill_values(&c, "x\033y", "\r");
    assert_string_equal(c.items[0].name, "probe [2J");
    assert_string_equal(c.items[0].why, "a b ");
    assert_string_equal(c.items[0].expected, "x y");
    assert_string_equal(c.items[0].found, " ");
    assert_true(hf_drill_checks_ok(&c));
}

static void each_check_is_told_with_all_members(void **state)
{
    (void)state;
    HF_AUTO(hf_drill_checks) struct hf_drill_checks c = {0};
    hf_drill_values(&c, "of", "none");
    for (int i = 0; i < 20; i++)
        hf_drill_note(&c, "boot", HF_DRILL_OK, NULL);
    hf_drill_note(&c, HF_DRILL_POSITION, HF_DRILL_SKIPPED, "binlog off");
    hf_drill_values(&c, "a:1", NULL);
    HF_AUTOJSON struct json_object *list = hf_drill_checks_json(&c);
    assert_int_equal(json_object_array_length(list), 21);
    assert_string_equal(
        json_object_to_json_string_ext(json_object_array_get_idx(list, 20), JSON_C_TO_STRING_PLAIN),
        "{\"name\":\"position\",\"result\":\"skipped\",\"why\":\"binlog off\",\"expected\":\"a:1\","
        "\"found\":null}");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(one_failed_check_fails_the_drill_with_its_reason),
        HF_TEST(the_position_or_the_tables_alone_will_do),
        HF_TEST(a_drill_that_compared_nothing_has_not_passed),
        HF_TEST(what_a_guest_said_is_made_harmless),
        HF_TEST(each_check_is_told_with_all_members),
    };
    return HF_RUN_TESTS("drill.checks", tests);
}
