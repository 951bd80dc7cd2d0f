/* SPDX-License-Identifier: Apache-2.0
 *
 * How long a call of the guest agent that fails is made again.
 */
#include "guest/patience.h"
#include "harness/hf_test.h"

static struct hf_err said(enum hf_err_class cls, const char *message)
{
    struct hf_err err = HF_ERR_INIT;
    (void)!hf_fail(&err, cls, "%s", message);
    return err;
}

/* Until how long after the first failure it is patient, at most 99 s. */
static int64_t patient_ms(struct hf_patience p, const struct hf_err *one)
{
    int64_t at = 1000;
    while (at < 100000 && hf_patience_judge(&p, one, at, at))
        at += 1000;
    return at - 1000;
}

static void each_reason_has_its_time(void **state)
{
    const struct hf_patience p = {.gone_ms = 20000, .frozen_ms = 40000};
    const enum hf_err_class passing[] = {HF_E_TIMEOUT, HF_E_UNREACHABLE, HF_E_BUSY, HF_E_PLUGIN,
                                         HF_E_CONFLICT};
    struct hf_err err;
    (void)state;
    for (size_t i = 0; i < HF_ARRAY_SIZE(passing); i++) {
        err = said(passing[i], "not available for now");
        assert_int_equal(patient_ms(p, &err), 20000);
    }
    err = said(HF_E_CONFLICT, "the guest is frozen");
    assert_int_equal(patient_ms(p, &err), 40000);
    err = said(HF_E_NOT_FOUND, "no such file");
    assert_int_equal(patient_ms(p, &err), 0);
}

static void one_that_works_begins_it_anew_and_a_call_counts_from_its_begin(void **state)
{
    struct hf_patience p = {.gone_ms = 20000, .frozen_ms = 40000};
    const struct hf_err err = said(HF_E_TIMEOUT, "silent");
    (void)state;
    assert_true(hf_patience_judge(&p, &err, 0, 19999));
    assert_true(hf_patience_judge(&p, NULL, 19999, 30000));
    assert_true(hf_patience_judge(&p, &err, 30000, 49999));
    assert_false(hf_patience_judge(&p, &err, 49999, 50000));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(each_reason_has_its_time),
        HF_TEST(one_that_works_begins_it_anew_and_a_call_counts_from_its_begin),
    };
    return HF_RUN_TESTS("guest.patience", tests);
}
