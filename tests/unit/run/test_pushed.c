/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"
#include "harness/hf_test.h"
#include "run/pushed.h"

#include <string.h>

/* What of a backup that the hypervisor keeps is damage, and what it says of itself is printed. */

static char ref[] = "nfs1:backup/a", form[] = "vma", pbs[] = "pbs", run[] = "hf-1",
            other[] = "hf-2";

static bool judge(const struct hf_pushed_copy *is, const char *piece)
{
    char damage[HF_ERR_MESSAGE_MAX];
    const struct hf_kept b = {.ref = ref, .run = "hf-1", .stored_bytes = 7};
    bool is_its = hf_kept_judge(&b, is, damage);
    if (*piece)
        assert_contains(damage, piece);
    else
        assert_string_equal(damage, "");
    for (const char *p = damage; *p; p += hf_utf8_character(p))
        assert_true(hf_utf8_character(p) > 0);
    return is_its;
}

static struct hf_pushed_copy good(void)
{
    return (struct hf_pushed_copy){
        .ref = ref, .form = form, .run = run, .is_ours = true, .stored_bytes = 7};
}

static void what_is_as_it_was_is_good(void **state)
{
    struct hf_pushed_copy p = good();
    (void)state;
    assert_true(judge(&p, ""));
    p.stored_bytes = 0; /* it does not tell */
    assert_true(judge(&p, ""));
}

static void another_size_is_damage_but_where_sizes_do_not_last(void **state)
{
    struct hf_pushed_copy p = good();
    (void)state;
    p.stored_bytes = 8;
    assert_true(judge(&p, "has 8 bytes, and had 7"));
    p.form = pbs;
    assert_true(judge(&p, ""));
    p.check = HF_PUSHED_BAD;
    assert_true(judge(&p, "is damaged, as its place found"));
}

static void another_s_is_damage_and_says_what_it_is(void **state)
{
    char notes[202];
    struct hf_pushed_copy p = good();
    (void)state;
    p.run = other;
    assert_false(judge(&p, "it says ''"));
    p.notes = notes;
    *notes = 'x';
    for (size_t i = 1; i < 201; i += 2)
        memcpy(notes + i, "\xc3\xbc", 3); /* the hundredth byte is in the midst of one */
    assert_false(judge(&p, "it says 'x\xc3\xbc"));
    p.is_ours = false;
    p.run = NULL;
    assert_false(judge(&p, "is not this point's"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(what_is_as_it_was_is_good),
        HF_TEST(another_size_is_damage_but_where_sizes_do_not_last),
        HF_TEST(another_s_is_damage_and_says_what_it_is),
    };
    return HF_RUN_TESTS("run.pushed", tests);
}
