/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog/alarm.h"
#include "catalog/duty.h"
#include "daemon/metrics.h"
#include "harness/hf_test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LABELS "policy=\"nightly\",vm=\"web01\""

static const char *const text = "[hypervisor lab]\nplugin = libvirt\n"
                                "[vm web01]\nhypervisor = lab\n[vm db1]\nhypervisor = lab\n"
                                "[policy nightly]\nvms = *\nschedule = @daily\ndrill = weekly\n";

struct world {
    struct hf_catalog *catalog;
    struct hf_config *config;
    struct hf_buf doc;
};

static void open_world(void **state, struct world *w)
{
    struct hf_err err = HF_ERR_INIT;
    *w = (struct world){0};
    w->config = hf_config_parse(text, strlen(text), "test.conf", &err);
    assert_hf_got(w->config, &err);
    w->catalog = hf_catalog_open(hf_test_dir(state), &hf_test_clock(state)->clock, &err);
    assert_hf_got(w->catalog, &err);
}

static void close_world(struct world *w)
{
    hf_buf_free(&w->doc);
    hf_catalog_close(w->catalog);
    hf_config_free(w->config);
}

static void run_once(struct world *w, const char *policy, const char *vm, const char *kind,
                     const char *outcome)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_duty d = {.policy = policy,
                        .vm = vm,
                        .kind = kind,
                        .served_s = 1000,
                        .attempts = 1,
                        .began_us = 1500500000,
                        .ended_us = 1600000000,
                        .outcome = outcome,
                        .success_us = 1600000000,
                        .grade = "B",
                        .stall_ms = 15,
                        .duration_ms = 2500,
                        .bytes = INT64_C(123456789012),
                        .is_protected = true};
    assert_hf_ok(hf_duty_follow(w->catalog, &d, &err), &err);
    if (!outcome)
        return;
    assert_hf_ok(hf_duty_begin(w->catalog, &d, &err), &err);
    assert_hf_ok(hf_duty_end(w->catalog, &d, &err), &err);
}

static const char *render(struct world *w)
{
    struct hf_err err = HF_ERR_INIT;
    const struct hf_metrics_due due[] = {{"nightly", "web01", HF_DUTY_RUN, 7777},
                                         {"gone", "web01", HF_DUTY_RUN, 1}};
    hf_buf_clear(&w->doc);
    assert_hf_ok(hf_metrics_render(w->catalog, w->config, due, 2, &w->doc, &err), &err);
    return hf_buf_str(&w->doc);
}

static void a_run_is_told_with_all_that_is_known(void **state)
{
    struct world w;
    open_world(state, &w);
    run_once(&w, "nightly", "web01", HF_DUTY_RUN, "done");
    run_once(&w, "nightly", "web01", HF_DUTY_DRILL, "done");
    const char *doc = render(&w);
    static const char *const lines[] = {
        "\nholdfast_last_success_timestamp_seconds{" LABELS ",kind=\"run\"} 1600\n",
        "\nholdfast_last_success_timestamp_seconds{" LABELS ",kind=\"drill\"} 1600\n",
        "\nholdfast_last_attempt_timestamp_seconds{" LABELS ",kind=\"run\"} 1500.5\n",
        "\nholdfast_last_attempt_outcome{" LABELS ",kind=\"run\",outcome=\"done\"} 1\n",
        "\nholdfast_last_attempt_outcome{" LABELS ",kind=\"run\",outcome=\"failed\"} 0\n",
        "\nholdfast_last_success_duration_seconds{" LABELS ",kind=\"run\"} 2.5\n",
        "\nholdfast_last_success_sent_bytes{" LABELS ",kind=\"run\"} 123456789012\n",
        "\nholdfast_last_success_protected{" LABELS ",kind=\"run\"} 1\n",
        "\nholdfast_last_success_grade{" LABELS ",grade=\"B\"} 2\n",
        "\nholdfast_next_due_timestamp_seconds{" LABELS ",kind=\"run\"} 7777\n",
        "\nholdfast_stall_seconds_bucket{" LABELS ",le=\"0.01\"} 0\n",
        "\nholdfast_stall_seconds_bucket{" LABELS ",le=\"0.02\"} 1\n",
        "\nholdfast_stall_seconds_bucket{" LABELS ",le=\"+Inf\"} 1\n",
        "\nholdfast_stall_seconds_sum{" LABELS "} 0.015\n",
        "\nholdfast_stall_seconds_count{" LABELS "} 1\n",
        "\nholdfast_alarms 0\n",
        "\nholdfast_build_info{version=\"" HF_VERSION "\"} 1\n"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(lines); i++)
        assert_contains(doc, lines[i]);
    assert_lacks(doc, "sent_bytes{" LABELS ",kind=\"drill\"");
    close_world(&w);
}

/* "never" must be old, not absent: an alert on the age has to fire. */
static void what_never_succeeded_is_zero(void **state)
{
    struct world w;
    open_world(state, &w);
    run_once(&w, "nightly", "web01", HF_DUTY_RUN, NULL);
    const char *doc = render(&w);
    assert_contains(doc, "last_success_timestamp_seconds{" LABELS ",kind=\"run\"} 0\n");
    assert_lacks(doc, "last_attempt_outcome{");
    assert_lacks(doc, "last_success_protected{");
    assert_lacks(doc, "last_success_grade{");
    run_once(&w, "nightly", "web01", HF_DUTY_RUN, "failed");
    doc = render(&w);
    assert_contains(doc, "last_success_timestamp_seconds{" LABELS ",kind=\"run\"} 0\n");
    assert_contains(doc, "outcome=\"failed\"} 1\n");
    assert_lacks(doc, "stall_seconds_count{");
    close_world(&w);
}

static void what_is_configured_no_more_is_left_out(void **state)
{
    struct world w;
    open_world(state, &w);
    run_once(&w, "gone", "web01", HF_DUTY_RUN, "done");
    run_once(&w, "nightly", "gone", HF_DUTY_RUN, "done");
    assert_lacks(render(&w), "gone");
    close_world(&w);
}

static void names_cannot_leave_their_label(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct world w;
    open_world(state, &w);
    const struct hf_alarm a = {.kind = "failed",
                               .policy = "a\nb",
                               .vm = "\\\xff\"} 1",
                               .since_us = 2500000,
                               .text = "sesame"};
    assert_int_equal(hf_alarm_raise(w.catalog, &a, NULL, 0, &err), 1);
    const char *doc = render(&w);
    assert_contains(doc, "holdfast_alarm_since_timestamp_seconds{policy=\"a\\nb\",vm=\"\\\\\\\\xff\\\"} "
                         "1\",kind=\"failed\"} 2.5\n");
    assert_contains(doc, "\nholdfast_alarms 1\n");
    assert_lacks(doc, "sesame");
    close_world(&w);
}

/* The judge of the format itself. */
static void promtool_finds_nothing(void **state)
{
    struct world w;
    struct hf_err err = HF_ERR_INIT;
    if (access("/usr/bin/promtool", X_OK) != 0)
        hf_test_missing("promtool", "it is not installed");
    open_world(state, &w);
    run_once(&w, "nightly", "web01", HF_DUTY_RUN, "done");
    run_once(&w, "nightly", "web01", HF_DUTY_DRILL, "failed");
    run_once(&w, "nightly", "db1", HF_DUTY_RUN, "degraded");
    render(&w);
    const char *path = hf_test_path(state, "holdfast.prom");
    assert_hf_ok(hf_metrics_write(path, &w.doc, &err), &err);
    assert_runs("sh", "-c",
                "out=$(promtool check metrics <\"$0\" 2>&1) && [ -z \"$out\" ] || { echo \"$out\"; "
                "exit 1; }",
                path);
    close_world(&w);
}

static void in_trouble_it_is_the_former_document_and_says_so(void **state)
{
    struct world w;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf marked = HF_BUF_INIT, again = HF_BUF_INIT, bare = HF_BUF_INIT;
    open_world(state, &w);
    run_once(&w, "nightly", "web01", HF_DUTY_RUN, "done");
    const char *doc = render(&w);
    assert_contains(doc, "\nholdfast_trouble 0\n");
    assert_hf_ok(hf_metrics_mark(doc, w.doc.len, &marked, &err), &err);
    assert_contains(hf_buf_str(&marked), "\nholdfast_trouble 1\n");
    assert_string_equal(strstr(hf_buf_str(&marked), "trouble 1\n") + strlen("trouble 1\n"),
                        strstr(doc, "trouble 0\n") + strlen("trouble 0\n"));
    assert_hf_ok(hf_metrics_mark(hf_buf_str(&marked), marked.len, &again, &err), &err);
    assert_string_equal(hf_buf_str(&again), hf_buf_str(&marked));
    assert_hf_ok(hf_metrics_mark("root:x:0:0:", 11, &bare, &err), &err);
    assert_lacks(hf_buf_str(&bare), "root");
    assert_contains(hf_buf_str(&bare), "\nholdfast_trouble 1\n");
    assert_contains(hf_buf_str(&bare), "\nholdfast_build_info{");
    close_world(&w);
}

static void the_file_is_replaced_as_a_whole_for_all_to_read(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct stat before, after;
    HF_AUTO(hf_buf) struct hf_buf doc = HF_BUF_INIT;
    const char *path = hf_test_file(state, "holdfast.prom", "old", 0600);
    hf_buf_str_add(&doc, "holdfast_alarms 0\n");
    HF_AUTOFD int old = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(fstat(old, &before), 0);
    assert_hf_ok(hf_metrics_write(path, &doc, &err), &err);
    char text_before[4] = "";
    assert_int_equal(read(old, text_before, 3), 3); /* who reads the former one still does */
    assert_string_equal(text_before, "old");
    assert_int_equal(stat(path, &after), 0);
    assert_int_not_equal(before.st_ino, after.st_ino);
    assert_int_equal(after.st_mode & 07777, 0644);
    assert_int_equal(after.st_size, 18);
    assert_int_equal(hf_metrics_write(hf_test_path(state, "no/x.prom"), &doc, &err), -1);
    assert_hf_err(&err, HF_E_NOT_FOUND, "metrics-file: ");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_run_is_told_with_all_that_is_known),
        HF_TEST(what_never_succeeded_is_zero),
        HF_TEST(what_is_configured_no_more_is_left_out),
        HF_TEST(names_cannot_leave_their_label),
        HF_TEST(promtool_finds_nothing),
        HF_TEST(in_trouble_it_is_the_former_document_and_says_so),
        HF_TEST(the_file_is_replaced_as_a_whole_for_all_to_read),
    };
    return HF_RUN_TESTS("daemon.metrics", tests);
}
