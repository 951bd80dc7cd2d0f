/* SPDX-License-Identifier: Apache-2.0
 *
 * A disk that the plugin delivers: handed from its thread to who wants it, piece by piece.
 */
#include "unit/hypervisor/actor.h"

#include <pthread.h>
#include <string.h>

struct reader {
    char text[128];
    uint64_t n;
    uint64_t most; /* pieces; then it is refused */
    pthread_t thread;
    int64_t pause_ms;
};

static int take(void *ctx, uint64_t at, const void *data, uint64_t len, struct hf_err *err)
{
    struct reader *r = ctx;
    assert_true(pthread_equal(pthread_self(), r->thread));
    if (r->n == r->most)
        return hf_fail(err, HF_E_NOSPACE, "the store is full");
    hf_clock_sleep_ms(hf_clock_system(), r->pause_ms);
    size_t had = strlen(r->text);
    if (data)
        snprintf(r->text + had, sizeof r->text - had, "%llu:%.*s ", (unsigned long long)at,
                 (int)len, (const char *)data);
    else
        snprintf(r->text + had, sizeof r->text - had, "%llu+%llu ", (unsigned long long)at,
                 (unsigned long long)len);
    r->n++;
    return 0;
}

static int stream(void **state, const char *role, const char *wait_ms, int64_t limit_ms,
                  struct reader *r, struct hf_err *err)
{
    HF_AUTO(hf_hv) struct hf_hv *hv = open_role(state, role, wait_ms);
    HF_AUTO(hf_hv_capture) struct hf_hv_capture *cap = NULL;
    HF_AUTO(hf_hv_capture_plan) struct hf_hv_capture_plan p = {0};
    const struct hf_capture_request req = {
        .struct_size = sizeof req, .kind = HF_CAPTURE_EXPORT, .vm_id = "1", .name = "hf-x"};
    struct hf_hv_call call = {.deadline_ms = hf_clock_mono_ms(hf_clock_system()) + 5000};
    assert_hf_ok(hf_hv_capture_plan(hv, &call, &req, &cap, &p, err), err);
    call.deadline_ms = hf_clock_mono_ms(hf_clock_system()) + limit_ms;
    r->thread = pthread_self();
    return hf_hv_export_stream(cap, &call, "vda", take, r, err);
}

static void pieces_come_in_order_in_the_caller_s_thread(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct reader r = {.most = 9, .pause_ms = 20}; /* a slow one is waited for */
    assert_hf_ok(stream(state, "good", "0", 5000, &r, &err), &err);
    assert_string_equal(r.text, "0:data 4+96 100:end ");
}

static void the_error_of_who_reads_is_the_error_whatever_the_plugin_says(void **state)
{
    static const char *const roles[] = {"good", "streams_on"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(roles); i++) {
        struct hf_err err = HF_ERR_INIT;
        struct reader r = {.most = 0};
        assert_int_equal(stream(state, roles[i], "0", 5000, &r, &err), -1);
        assert_hf_err(&err, HF_E_NOSPACE, "the store is full");
    }
}

static void a_gap_an_overlap_and_an_end_beyond_all_are_nonsense(void **state)
{
    static const char *const roles[] = {"streams_a_gap", "streams_backwards", "streams_beyond"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(roles); i++) {
        struct hf_err err = HF_ERR_INIT;
        struct reader r = {.most = 9};
        assert_int_equal(stream(state, roles[i], "0", 5000, &r, &err), -1);
        assert_hf_err(&err, HF_E_PLUGIN, "out of order");
        assert_string_equal(r.text, "0:data ");
    }
}

static void an_end_with_an_error_is_no_end(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct reader r = {.most = 9};
    assert_int_equal(stream(state, "breaks_off", "0", 5000, &r, &err), -1);
    assert_hf_err(&err, HF_E_UNREACHABLE, "the host is gone");
    assert_int_equal(r.n, 3);
}

/* It comes back, has another piece, and nobody is there: the thread ends all the same, and touches nothing of the reader. */
static void who_gave_up_gets_no_more(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct reader r = {.most = 9};
    assert_int_equal(stream(state, "hangs_in_stream", "400", 100, &r, &err), -1);
    assert_hf_err(&err, HF_E_TIMEOUT, "did not return in time");
    hf_clock_sleep_ms(hf_clock_system(), 500);
    assert_string_equal(r.text, "0:data ");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(pieces_come_in_order_in_the_caller_s_thread),
        HF_TEST(the_error_of_who_reads_is_the_error_whatever_the_plugin_says),
        HF_TEST(a_gap_an_overlap_and_an_end_beyond_all_are_nonsense),
        HF_TEST(an_end_with_an_error_is_no_end),
        HF_TEST(who_gave_up_gets_no_more),
    };
    return HF_RUN_TESTS("hypervisor.stream", tests);
}
