/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "daemon/deliver_intern.h"
#include "harness/hf_test.h"

#include <string.h>

static const char *const text = "[notify a]\nwebhook = https://a.example.org/\n"
                                "[notify b]\nwebhook = https://b.example.org/\n";

struct world {
    struct hf_catalog *catalog;
    struct ways *ways;
    const struct hf_clock *clock;
    struct queue queue;
};

static void open_world(void **state, struct world *w)
{
    struct hf_err err = HF_ERR_INIT;
    *w = (struct world){.clock = &hf_test_clock(state)->clock};
    HF_AUTO(hf_config) struct hf_config *c = hf_config_parse(text, strlen(text), "t", &err);
    assert_hf_got(c, &err);
    w->ways = ways_of(c, &err);
    assert_hf_got(w->ways, &err);
    w->catalog = hf_catalog_open(hf_test_dir(state), w->clock, &err);
    assert_hf_got(w->catalog, &err);
}

static void close_world(struct world *w)
{
    queue_free(&w->queue);
    ways_free(w->ways);
    hf_catalog_close(w->catalog);
}

static void change(struct world *w, bool is_on, const char *vm, const char *target)
{
    struct hf_err err = HF_ERR_INIT;
    const struct hf_alarm a = {.kind = "failed", .policy = "p", .vm = vm, .text = "x"};
    int rc = is_on ? hf_alarm_raise(w->catalog, &a, &target, 1, &err)
                   : hf_alarm_clear(w->catalog, &a, &target, 1, &err);
    assert_int_equal(rc, 1);
}

static void later(struct world *w, int64_t id, uint32_t tries, int64_t in_ms)
{
    struct hf_err err = HF_ERR_INIT;
    int64_t at = hf_clock_wall_us(w->clock) + in_ms * 1000;
    const struct hf_message_later later = {id, tries, at};
    assert_hf_ok(hf_messages_later(w->catalog, &later, 1, &err), &err);
}

static void assert_queue(struct world *w, const char *expected, int64_t wait_ms)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf got = HF_BUF_INIT;
    queue_free(&w->queue);
    assert_hf_ok(queue_fill(&w->queue, w->catalog, w->ways, w->clock, &err), &err);
    for (size_t i = 0; i < w->queue.n; i++)
        hf_buf_printf(&got, "%s%s>%s ", w->queue.letters[i].m.is_recovery ? "!" : "",
                      w->queue.letters[i].m.alarm.vm, w->queue.letters[i].m.target);
    assert_string_equal(hf_buf_str(&got), expected);
    assert_int_equal(w->queue.wait_ms, wait_ms);
}

static void the_oldest_comes_first_and_without_any_nobody_waits(void **state)
{
    struct world w;
    open_world(state, &w);
    assert_queue(&w, "", -1);
    change(&w, true, "v1", "a");
    change(&w, true, "v2", "b");
    assert_queue(&w, "v1>a v2>b ", -1);
    close_world(&w);
}

static void a_recovery_never_overtakes_what_it_ends(void **state)
{
    struct world w;
    open_world(state, &w);
    change(&w, true, "v1", "a");
    change(&w, false, "v1", "a");
    change(&w, true, "v2", "a");
    later(&w, 1, 1, 5000);
    assert_queue(&w, "v2>a ", 5000);
    later(&w, 1, 1, 0);
    assert_queue(&w, "v2>a v1>a ", -1);
    close_world(&w);
}

static void one_that_is_not_taken_holds_up_nobody(void **state)
{
    struct world w;
    open_world(state, &w);
    change(&w, true, "v1", "a");
    change(&w, true, "v2", "a");
    change(&w, true, "v3", "b");
    later(&w, 1, 7, 0);
    assert_queue(&w, "v2>a v3>b v1>a ", -1);
    ways_find(w.ways, "a")->not_before_ms = hf_clock_mono_ms(w.clock) + 60000;
    assert_queue(&w, "v3>b ", 60000);
    hf_fake_clock_advance_ms(hf_test_clock(state), 60000);
    assert_queue(&w, "v2>a v3>b v1>a ", -1);
    close_world(&w);
}

/* Set back by a day, or with a message of the future: it is not put off for that long. */
static void a_clock_that_jumps_back_puts_nothing_off(void **state)
{
    struct world w;
    open_world(state, &w);
    change(&w, true, "v1", "a");
    later(&w, 1, 1, 24 * 3600 * 1000);
    assert_queue(&w, "v1>a ", -1);
    close_world(&w);
}

static void a_queue_takes_the_best(void **state)
{
    struct world w;
    open_world(state, &w);
    char name[16];
    for (int i = 0; i < DELIVER_BATCH + 5; i++) {
        snprintf(name, sizeof name, "v%03d", i);
        change(&w, true, name, "a");
        later(&w, i + 1, i < 5 ? 2 : 0, 0);
    }
    struct hf_err err = HF_ERR_INIT;
    assert_hf_ok(queue_fill(&w.queue, w.catalog, w.ways, w.clock, &err), &err);
    assert_int_equal(w.queue.n, DELIVER_BATCH);
    assert_string_equal(w.queue.letters[0].m.alarm.vm, "v005");
    assert_string_equal(w.queue.letters[DELIVER_BATCH - 1].m.alarm.vm, "v516");
    close_world(&w);
}

static void delays_double_up_to_an_hour(void **state)
{
    (void)state;
    assert_int_equal(deliver_delay_ms(1), 60000);
    assert_int_equal(deliver_delay_ms(2), 120000);
    assert_int_equal(deliver_delay_ms(6), 1920000);
    assert_int_equal(deliver_delay_ms(7), 3600000);
    assert_int_equal(deliver_delay_ms(UINT32_MAX), 3600000);
}

static void a_way_gets_ten_letters_and_then_one_every_five_minutes(void **state)
{
    struct world w;
    open_world(state, &w);
    struct way *a = ways_find(w.ways, "a");
    const int64_t now = hf_clock_mono_ms(w.clock);
    for (size_t left = DELIVER_BURST; left > 0; left--) {
        assert_int_equal(way_room(a, now), left);
        way_spend(a, now);
    }
    assert_int_equal(way_room(a, now), 0);
    assert_int_equal(way_wait_ms(a, now), 300000);
    change(&w, true, "v1", "a");
    change(&w, true, "v2", "b");
    assert_queue(&w, "v2>b ", 300000);
    assert_int_equal(way_room(a, now + 299999), 0);
    assert_int_equal(way_room(a, now + 300000), 1);
    assert_int_equal(way_room(a, now + 10 * 300000), DELIVER_BURST);
    assert_int_equal(way_room(a, now + 100 * 300000), DELIVER_BURST);
    a->not_before_ms = now + 400000;
    assert_int_equal(way_wait_ms(a, now), 400000);
    close_world(&w);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(the_oldest_comes_first_and_without_any_nobody_waits),
        HF_TEST(a_recovery_never_overtakes_what_it_ends),
        HF_TEST(one_that_is_not_taken_holds_up_nobody),
        HF_TEST(a_clock_that_jumps_back_puts_nothing_off),
        HF_TEST(a_queue_takes_the_best),
        HF_TEST(delays_double_up_to_an_hour),
        HF_TEST(a_way_gets_ten_letters_and_then_one_every_five_minutes),
    };
    return HF_RUN_TESTS("daemon.deliver_queue", tests);
}
