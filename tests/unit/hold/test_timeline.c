/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/hf_test.h"
#include "hold/timeline.h"

static void a_span_is_counted_in_milliseconds_with_a_fraction(void **state)
{
    struct hf_timeline t = {0};
    (void)state;
    hf_timeline_mark_at(&t, "locked", 1000);
    hf_timeline_mark_at(&t, "unlocked", 28345);
    assert_float_equal(hf_timeline_span_ms(&t, "locked", "unlocked"), 27.345, 1e-9);
}

static void of_two_events_of_one_name_the_first_counts(void **state)
{
    struct hf_timeline t = {0};
    (void)state;
    hf_timeline_mark_at(&t, "synced", 7);
    hf_timeline_mark_at(&t, "synced", 9);
    assert_int_equal(hf_timeline_at(&t, "synced"), 7);
    assert_int_equal(t.n, 2);
}

static void an_event_that_never_was_has_no_instant_and_spans_nothing(void **state)
{
    struct hf_timeline t = {0};
    (void)state;
    hf_timeline_mark_at(&t, "locked", 5);
    assert_int_equal(hf_timeline_at(&t, "unlocked"), -1);
    assert_float_equal(hf_timeline_span_ms(&t, "locked", "unlocked"), 0.0, 0);
    assert_float_equal(hf_timeline_span_ms(&t, "unlocked", "locked"), 0.0, 0);
}

static void an_event_at_the_clocks_zero_is_an_event(void **state)
{
    struct hf_timeline t = {0};
    (void)state;
    hf_timeline_mark_at(&t, "locked", 0);
    assert_int_equal(hf_timeline_at(&t, "locked"), 0);
}

static void a_full_list_keeps_what_it_has(void **state)
{
    struct hf_timeline t = {0};
    (void)state;
    for (int i = 0; i < HF_TIMELINE_MAX; i++)
        hf_timeline_mark_at(&t, "synced", i);
    hf_timeline_mark_at(&t, "unlocked", 99);
    assert_int_equal(t.n, HF_TIMELINE_MAX);
    assert_int_equal(hf_timeline_at(&t, "unlocked"), -1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_span_is_counted_in_milliseconds_with_a_fraction),
        HF_TEST(of_two_events_of_one_name_the_first_counts),
        HF_TEST(an_event_that_never_was_has_no_instant_and_spans_nothing),
        HF_TEST(an_event_at_the_clocks_zero_is_an_event),
        HF_TEST(a_full_list_keeps_what_it_has),
    };
    return HF_RUN_TESTS("hold.timeline", tests);
}
