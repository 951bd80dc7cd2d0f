/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/hypervisor/actor.h"

#include <string.h>

/* Backups that the hypervisor keeps: what the plugin says of them goes into manifests and on terminals. */

static struct hf_hv_call in_ms(int64_t ms)
{
    return (struct hf_hv_call){.deadline_ms = hf_clock_mono_ms(hf_clock_system()) + ms,
                               .run_id = "run-1"};
}

static int find(void **state, const char *role, struct hf_pushed_copy *out, struct hf_err *err)
{
    struct hf_hv_call call = in_ms(5000);
    HF_AUTO(hf_hv) struct hf_hv *hv = open_role(state, role, "0");
    return hf_hv_pushed_find(hv, &call, "1", "nfs1:a", out, err);
}

static void what_is_told_of_one_is_copied(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_pushed_copy) struct hf_pushed_copy p = {0};
    assert_hf_ok(find(state, "good", &p, &err), &err);
    assert_string_equal(p.ref, "nfs1:a");
    assert_string_equal(p.form, "vma");
    assert_string_equal(p.place, "nfs1");
    assert_string_equal(p.run, "hf-1");
    assert_string_equal(p.notes, "notes");
    assert_true(p.is_ours && p.stored_bytes == 7 && p.taken_at_s == 1795402800);
    assert_null(p.server);
}

/* It would be a point that nobody can read back, after hours of copying. */
static void what_no_manifest_could_hold_is_refused(void **state)
{
    static const char *const roles[] = {
        "sizeless",        "stateless", "nameless", "control_in_ref",
        "latin1_in_place", "long_form", "huge"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(roles); i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_pushed_copy) struct hf_pushed_copy p = {0};
        assert_int_equal(find(state, roles[i], &p, &err), -1);
        assert_hf_err(&err, HF_E_PLUGIN, "nonsense");
    }
}

static void a_time_that_is_none_is_not_known(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_pushed_copy) struct hf_pushed_copy p = {0};
    assert_hf_ok(find(state, "ageless", &p, &err), &err);
    assert_int_equal(p.taken_at_s, 0);
}

static void texts_to_be_read_are_a_line_each(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_pushed_copy) struct hf_pushed_copy p = {0};
    assert_hf_ok(find(state, "gaudy", &p, &err), &err);
    assert_string_equal(p.notes, "two lines, ?,  [2J");
    assert_int_equal(strlen(p.where_why), 510); /* no half character */
}

static void a_list_without_end_is_ended(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_hv_call call = in_ms(20000);
    HF_AUTO(hf_hv) struct hf_hv *hv = open_role(state, "endless", "0");
    HF_AUTO(hf_pushed_list) struct hf_pushed_list l = {0};
    assert_int_equal(hf_hv_pushed_list(hv, &call, "1", &l, &err), -1);
    assert_hf_err(&err, HF_E_PLUGIN, "nonsense");
    assert_int_equal(l.n, 0);
}

/* Its point is gone by then: who did not delete it would leave it for good. */
static void a_deletion_goes_on_when_the_user_cancels(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_hv_call call = in_ms(5000);
    cancel = hf_cancel_new(&err);
    HF_AUTO(hf_hv) struct hf_hv *hv = open_role(state, "good", "30");
    hf_cancel_set(cancel);
    assert_hf_ok(hf_hv_pushed_delete(hv, &call, "1", "nfs1:a", "hf-1", &err), &err);
    hf_hv_close(HF_STEAL(hv));
    hf_cancel_free(cancel);
    cancel = NULL;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(what_is_told_of_one_is_copied),
        HF_TEST(what_no_manifest_could_hold_is_refused),
        HF_TEST(a_time_that_is_none_is_not_known),
        HF_TEST(texts_to_be_read_are_a_line_each),
        HF_TEST(a_list_without_end_is_ended),
        HF_TEST(a_deletion_goes_on_when_the_user_cancels),
    };
    return HF_RUN_TESTS("hypervisor.pushed", tests);
}
