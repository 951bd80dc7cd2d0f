/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/guest.h"
#include "harness/hf_test.h"

#include <stdlib.h>
#include <string.h>

/* A channel that answers what the case has set. */
struct fake {
    int exit_code, term_signal, n_closed;
    const char *out, *err;
    bool fails;
};

static int fake_exec(void *self, const struct hf_guest_cmd *cmd, struct hf_hv_exec_result *out,
                     struct hf_err *err)
{
    struct fake *f = self;
    if (f->fails)
        return hf_fail(err, HF_E_UNREACHABLE, "no answer to '%s'", cmd->argv[0]);
    out->exit_code = f->exit_code;
    out->term_signal = f->term_signal;
    hf_buf_str_add(&out->out, f->out ? f->out : "");
    hf_buf_str_add(&out->err, f->err ? f->err : "");
    return 0;
}

static void fake_close(void *self)
{
    ((struct fake *)self)->n_closed++;
}

static const struct hf_guest_ops fake_ops = {
    .name = "fake", .exec = fake_exec, .close = fake_close};

static const char *const argv[] = {"systemctl", "stop", "x", NULL};
static const struct hf_guest_cmd cmd = {.argv = argv, .deadline_ms = HF_NO_DEADLINE};

static struct hf_guest *open_fake(struct fake *f)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_guest *g = hf_guest_new(&fake_ops, f, &err);
    assert_hf_got(g, &err);
    return g;
}

static void assert_run_fails(struct fake f, const char *message)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_hv_exec_result r = {0};
    HF_AUTO(hf_guest) struct hf_guest *g = open_fake(&f);
    assert_int_equal(hf_guest_run(g, &cmd, &r, &err), -1);
    assert_int_equal(err.cls, HF_E_PLUGIN);
    assert_string_equal(err.message, message);
    assert_null(r.out.data);
}

static void a_program_that_succeeds_hands_over_what_it_said(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct fake f = {.out = "active\n", .err = "a warning"};
    HF_AUTO(hf_hv_exec_result) struct hf_hv_exec_result r = {0};
    HF_AUTO(hf_guest) struct hf_guest *g = open_fake(&f);
    assert_hf_ok(hf_guest_run(g, &cmd, &r, &err), &err);
    assert_string_equal(hf_buf_str(&r.out), "active\n");
    assert_string_equal(hf_buf_str(&r.err), "a warning");
    assert_hf_ok(hf_guest_run(g, &cmd, NULL, &err), &err);
}

static void a_program_that_fails_is_quoted_by_its_first_line(void **state)
{
    (void)state;
    assert_run_fails((struct fake){.exit_code = 5, .err = "\nUnit x not loaded.\nMore.\n"},
                     "'systemctl' in the guest: status 5: Unit x not loaded.");
    assert_run_fails((struct fake){.exit_code = 3, .out = "inactive\n"},
                     "'systemctl' in the guest: status 3: inactive");
    assert_run_fails((struct fake){.exit_code = 1}, "'systemctl' in the guest: status 1");
    assert_run_fails((struct fake){.exit_code = -1, .term_signal = 9, .err = "half a wo"},
                     "'systemctl' in the guest: ended by signal 9");
}

static void what_a_terminal_would_obey_is_taken_out(void **state)
{
    (void)state;
    assert_run_fails((struct fake){.exit_code = 1, .err = "\033[2Jgone\x07\ttab \x7f\xc3\xa9"},
                     "'systemctl' in the guest: status 1: ?[2Jgone??tab ?\xc3\xa9");
}

static void a_long_line_is_cut(void **state)
{
    (void)state;
    char line[5000], said[41];
    struct hf_buf b = {.data = line, .len = sizeof line};
    memset(line, 'x', sizeof line);
    hf_guest_first_line(&b, said, sizeof said);
    assert_int_equal(strlen(said), 40);
}

static void a_failure_of_the_channel_is_passed_on(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct fake f = {.fails = true};
    HF_AUTO(hf_guest) struct hf_guest *g = open_fake(&f);
    assert_int_equal(hf_guest_run(g, &cmd, NULL, &err), -1);
    assert_hf_err(&err, HF_E_UNREACHABLE, "no answer to 'systemctl'");
}

static void a_channel_without_files_says_so(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct fake f = {0};
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    HF_AUTO(hf_guest) struct hf_guest *g = open_fake(&f);
    assert_int_equal(hf_guest_read(g, "/etc/fstab", 100, HF_NO_DEADLINE, &b, &err), -1);
    assert_hf_err(&err, HF_E_UNSUPPORTED, "the fake channel reads no files");
    assert_int_equal(hf_guest_write(g, "/tmp/x", "x", 1, HF_NO_DEADLINE, &err), -1);
    assert_hf_err(&err, HF_E_UNSUPPORTED, "the fake channel writes no files");
}

static void a_channel_is_closed_once_and_has_a_name(void **state)
{
    (void)state;
    struct fake f = {0};
    struct hf_guest *g = open_fake(&f);
    assert_string_equal(hf_guest_channel_name(g), "fake");
    hf_guest_close(g);
    hf_guest_close(NULL);
    assert_int_equal(f.n_closed, 1);
}

static void no_channel_is_no_memory(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    assert_null(hf_guest_new(&fake_ops, NULL, &err));
    assert_hf_err(&err, HF_E_INTERNAL, "memory");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_program_that_succeeds_hands_over_what_it_said),
        HF_TEST(a_program_that_fails_is_quoted_by_its_first_line),
        HF_TEST(what_a_terminal_would_obey_is_taken_out),
        HF_TEST(a_long_line_is_cut),
        HF_TEST(a_failure_of_the_channel_is_passed_on),
        HF_TEST(a_channel_without_files_says_so),
        HF_TEST(a_channel_is_closed_once_and_has_a_name),
        HF_TEST(no_channel_is_no_memory),
    };
    return HF_RUN_TESTS("guest.guest", tests);
}
