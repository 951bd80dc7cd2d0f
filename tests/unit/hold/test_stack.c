/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/hf_test.h"
#include "hold/stack.h"

#include <stdio.h>
#include <string.h>

/* What was released, in this order; one letter each. */
static char released[64];
static char a[] = "a", b[] = "b", c[] = "c";

static int let_go(void *self, struct hf_err *err)
{
    (void)err;
    strcat(released, self);
    return 0;
}

static int refuse(void *self, struct hf_err *err)
{
    strcat(released, self);
    hf_fail(err, HF_E_UNREACHABLE, "%s does not answer", (const char *)self);
    return hf_left(err, "%s is at rest", (const char *)self);
}

static void push(struct hf_hold_stack *s, const char *name, void *self,
                 int (*release)(void *self, struct hf_err *err))
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_hold hold = {.name = name, .self = self, .release = release};
    assert_hf_ok(hf_hold_stack_push(s, &hold, &err), &err);
}

static void fresh(void)
{
    released[0] = '\0';
}

static void what_was_held_last_is_released_first(void **state)
{
    struct hf_hold_stack s = {0};
    struct hf_err err = HF_ERR_INIT;
    (void)state;
    fresh();
    push(&s, "service", a, let_go);
    push(&s, "database lock", b, let_go);
    push(&s, "frozen filesystems", c, let_go);
    assert_hf_ok(hf_hold_stack_release(&s, &err), &err);
    assert_string_equal(released, "cba");
}

static void nothing_is_released_twice(void **state)
{
    struct hf_hold_stack s = {0};
    struct hf_err err = HF_ERR_INIT;
    (void)state;
    fresh();
    push(&s, "database lock", a, let_go);
    assert_hf_ok(hf_hold_stack_release(&s, &err), &err);
    assert_hf_ok(hf_hold_stack_release(&s, &err), &err);
    hf_hold_stack_drop(&s);
    assert_string_equal(released, "a");
}

static void one_that_cannot_be_released_does_not_keep_the_others(void **state)
{
    struct hf_hold_stack s = {0};
    struct hf_err err = HF_ERR_INIT;
    (void)state;
    fresh();
    push(&s, "service", a, let_go);
    push(&s, "database lock", b, refuse);
    push(&s, "frozen filesystems", c, refuse);
    assert_int_equal(hf_hold_stack_release(&s, &err), -1);
    assert_string_equal(released, "cba");
}

static void errors_are_joined_the_first_cause_first_and_all_that_is_left_is_named(void **state)
{
    struct hf_hold_stack s = {0};
    struct hf_err err = HF_ERR_INIT;
    (void)state;
    fresh();
    push(&s, "database lock", b, refuse);
    push(&s, "frozen filesystems", c, refuse);
    assert_int_equal(hf_hold_stack_release(&s, &err), -1);
    assert_hf_err(&err, HF_E_UNREACHABLE, "release of the frozen filesystems: c does not answer");
    const char *second = strstr(err.message, "release of the database lock: b does not answer");
    assert_non_null(second);
    assert_true(second > strstr(err.message, "frozen filesystems"));
    assert_string_equal(err.left, "c is at rest; b is at rest");
}

static void leaving_the_scope_releases_and_says_what_could_not_be(void **state)
{
    struct hf_log *log = hf_test_log(state, NULL);
    fresh();
    {
        HF_AUTO(hf_hold_stack) struct hf_hold_stack s = {.log = log};
        push(&s, "service", a, let_go);
        push(&s, "database lock", b, refuse);
    }
    assert_string_equal(released, "ba");
    assert_contains(hf_test_logged(state), "release of the database lock: b does not answer");
}

static void one_too_many_is_refused_and_not_on_the_stack(void **state)
{
    struct hf_hold_stack s = {0};
    struct hf_err err = HF_ERR_INIT;
    struct hf_hold more = {.name = "one more", .self = c, .release = let_go};
    (void)state;
    fresh();
    for (int i = 0; i < HF_HOLD_MAX; i++)
        push(&s, "service", a, let_go);
    assert_int_equal(hf_hold_stack_push(&s, &more, &err), -1);
    assert_hf_err(&err, HF_E_INTERNAL, "more than 16 holds");
    hf_hold_stack_drop(&s);
    assert_string_equal(released, "aaaaaaaaaaaaaaaa");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(what_was_held_last_is_released_first),
        HF_TEST(nothing_is_released_twice),
        HF_TEST(one_that_cannot_be_released_does_not_keep_the_others),
        HF_TEST(errors_are_joined_the_first_cause_first_and_all_that_is_left_is_named),
        HF_TEST(leaving_the_scope_releases_and_says_what_could_not_be),
        HF_TEST(one_too_many_is_refused_and_not_on_the_stack),
    };
    return HF_RUN_TESTS("hold.stack", tests);
}
