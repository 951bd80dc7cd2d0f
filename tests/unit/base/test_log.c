/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "base/path.h"
#include "harness/hf_test.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>

static void a_line_carries_time_level_and_source(void **state)
{
    struct hf_log *log = hf_test_log(state, NULL);
    hf_log(log, HF_LOG_INFO, "db", "locked after %d ms", 12);
    hf_fake_clock_advance_ms(hf_test_clock(state), 1500);
    hf_log(log, HF_LOG_DETAIL, "run", "next");
    assert_string_equal(hf_test_logged(state),
                        "2026-11-23T03:00:00.000Z info   db: locked after 12 ms\n"
                        "2026-11-23T03:00:01.500Z detail run: next\n");
}

static void bound_fields_are_on_each_further_line(void **state)
{
    struct hf_log *log = hf_test_log(state, NULL);
    char run[] = "r1", vm[] = "web01";
    hf_log_bind(log, run, vm);
    run[0] = vm[0] = 'X'; /* copied */
    hf_log(log, HF_LOG_WARN, "db", "slow");
    hf_log_bind(log, NULL, "db01");
    hf_log(log, HF_LOG_WARN, "db", "slow");
    hf_log_bind(log, NULL, NULL);
    hf_log(log, HF_LOG_ERROR, "db", "slow");
    assert_string_equal(hf_test_logged(state),
                        "2026-11-23T03:00:00.000Z warn   run=r1 vm=web01 db: slow\n"
                        "2026-11-23T03:00:00.000Z warn   vm=db01 db: slow\n"
                        "2026-11-23T03:00:00.000Z error  db: slow\n");
}

static void drops_lines_above_its_level(void **state)
{
    struct hf_log *log = hf_test_log(state, &(struct hf_log_opts){.level = HF_LOG_INFO});
    hf_log(log, HF_LOG_ERROR, "s", "one");
    hf_log(log, HF_LOG_INFO, "s", "two");
    hf_log(log, HF_LOG_DETAIL, "s", "three");
    hf_log(log, HF_LOG_DEBUG, "s", "four");
    const char *text = hf_test_logged(state);
    assert_contains(text, "one");
    assert_contains(text, "two");
    assert_lacks(text, "three");
    assert_lacks(text, "four");
}

static void debug_names_let_their_lines_through(void **state)
{
    struct hf_log *log =
        hf_test_log(state, &(struct hf_log_opts){.level = HF_LOG_INFO, .debug = "db, libvirt"});
    hf_log(log, HF_LOG_DEBUG, "db", "one");
    hf_log(log, HF_LOG_DEBUG, "libvirt", "two");
    hf_log(log, HF_LOG_DEBUG, "run", "three");
    hf_log(log, HF_LOG_DETAIL, "db", "four"); /* detail is a level, not a debug flag */
    const char *text = hf_test_logged(state);
    assert_contains(text, "debug  db: one");
    assert_contains(text, "two");
    assert_lacks(text, "three");
    assert_lacks(text, "four");
}

static void debug_all_means_all(void **state)
{
    struct hf_log *log =
        hf_test_log(state, &(struct hf_log_opts){.level = HF_LOG_ERROR, .debug = "all"});
    hf_log(log, HF_LOG_DEBUG, "anything", "one");
    assert_contains(hf_test_logged(state), "one");
}

static void a_message_stays_one_line_and_cannot_drive_a_terminal(void **state)
{
    struct hf_log *log = hf_test_log(state, NULL);
    hf_log_bind(log, "r\n1", NULL);
    hf_log(log, HF_LOG_ERROR, "db", "%s", "a\nb\tc\x1b[2J\x7f \"q\\\"");
    assert_string_equal(
        hf_test_logged(state),
        "2026-11-23T03:00:00.000Z error  run=r\\n1 db: a\\nb\\tc\\u001b[2J\\u007f \"q\\\"\n");
}

/* What is in a message cannot make a line with a priority of its own. */
static void for_the_journal_lines_begin_with_a_priority(void **state)
{
    struct hf_log *log =
        hf_test_log(state, &(struct hf_log_opts){.level = HF_LOG_DETAIL, .journal = true});
    hf_log_bind(log, NULL, "web01");
    hf_log(log, HF_LOG_ERROR, "db", "gone\n<0>panic");
    hf_log(log, HF_LOG_WARN, "db", "slow");
    hf_log(log, HF_LOG_INFO, "run", "begins");
    hf_log(log, HF_LOG_DETAIL, "run", "disk");
    assert_string_equal(hf_test_logged(state), "<3>error vm=web01 db: gone\\n<0>panic\n"
                                               "<4>warn vm=web01 db: slow\n"
                                               "<6>info vm=web01 run: begins\n"
                                               "<7>detail vm=web01 run: disk\n");
}

static void json_lines_are_objects(void **state)
{
    struct hf_log *log =
        hf_test_log(state, &(struct hf_log_opts){.level = HF_LOG_INFO, .json = true});
    hf_log_bind(log, "r1", "web\"01");
    hf_log(log, HF_LOG_WARN, "db", "%s", "a\nb \"q\" \\ \x01 ü");
    hf_log_bind(log, NULL, NULL);
    hf_log(log, HF_LOG_INFO, "db", "ok");
    assert_string_equal(
        hf_test_logged(state),
        "{\"time\":\"2026-11-23T03:00:00.000Z\",\"level\":\"warn\",\"source\":\"db\","
        "\"run\":\"r1\",\"vm\":\"web\\\"01\",\"message\":\"a\\nb \\\"q\\\" \\\\ \\u0001 ü\"}\n"
        "{\"time\":\"2026-11-23T03:00:00.000Z\",\"level\":\"info\",\"source\":\"db\","
        "\"message\":\"ok\"}\n");
}

static void bytes_that_are_no_utf8_are_replaced(void **state)
{
    struct hf_log *log = hf_test_log(state, NULL);
#define BAD "\xEF\xBF\xBD"
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"ok \xC3\xBC \xE2\x82\xAC \xF0\x9F\x94\x92", "ok \xC3\xBC \xE2\x82\xAC \xF0\x9F\x94\x92"},
        {"latin \xFC!", "latin " BAD "!"},
        {"cut \xE2\x82", "cut " BAD BAD},
        {"overlong \xC0\xAF|\xE0\x80\xAF|\xF0\x80\x80\xAF",
         "overlong " BAD BAD "|" BAD BAD BAD "|" BAD BAD BAD BAD},
        {"surrogate \xED\xA0\x80", "surrogate " BAD BAD BAD},
        {"beyond \xF4\x90\x80\x80\xF5", "beyond " BAD BAD BAD BAD BAD},
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        hf_log(log, HF_LOG_ERROR, "s", "%s", cases[i].in);
        const char *text = hf_test_logged(state);
        assert_contains(text, cases[i].out);
    }
}

static void an_error_is_up_to_three_lines(void **state)
{
    struct hf_log *log = hf_test_log(state, NULL);
    struct hf_err err = HF_ERR_INIT;
    hf_fail(&err, HF_E_TIMEOUT, "no answer from %s", "100%s");
    hf_log_err(log, HF_LOG_ERROR, "run", &err);
    hf_hint(&err, "Look there.");
    hf_left(&err, "snapshot s1");
    hf_log_err(log, HF_LOG_WARN, "run", &err);
    assert_string_equal(hf_test_logged(state),
                        "2026-11-23T03:00:00.000Z error  run: no answer from 100%s\n"
                        "2026-11-23T03:00:00.000Z warn   run: no answer from 100%s\n"
                        "2026-11-23T03:00:00.000Z warn   run: hint: Look there.\n"
                        "2026-11-23T03:00:00.000Z warn   run: left: snapshot s1\n");
}

static void no_log_is_silence(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    hf_log(NULL, HF_LOG_ERROR, "s", "x");
    hf_log_err(NULL, HF_LOG_ERROR, "s", &err);
    hf_log_bind(NULL, "r", "v");
    hf_log_free(NULL);
}

static void a_level_unknown_to_this_version_counts_as_debug(void **state)
{
    struct hf_log *log = hf_test_log(state, &(struct hf_log_opts){.level = 99});
    hf_log(log, 42, "s", "odd");
    assert_contains(hf_test_logged(state), "debug  s: odd");
}

static void logging_keeps_errno_even_when_writing_fails(void **state)
{
    (void)state;
    HF_AUTOFILE FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    struct hf_log_opts opts = {.level = HF_LOG_INFO, .out = full};
    HF_AUTO(hf_log) struct hf_log *log = hf_log_new(&opts);
    errno = EXDEV;
    hf_log(log, HF_LOG_ERROR, "s", "x");
    assert_int_equal(errno, EXDEV);
}

static void goes_to_stderr_with_the_system_clock_by_default(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const char *path = hf_test_file(state, "err", "", 0600);
    HF_AUTOFD int saved = dup(STDERR_FILENO);
    HF_AUTOFD int file = open(path, O_WRONLY | O_CLOEXEC);
    dup2(file, STDERR_FILENO);
    HF_AUTO(hf_log) struct hf_log *log = hf_log_new(&(struct hf_log_opts){.level = HF_LOG_INFO});
    hf_log(log, HF_LOG_ERROR, "s", "here");
    dup2(saved, STDERR_FILENO);
    HF_AUTOFREE char *text = hf_path_read(path, 1000, NULL, &err);
    assert_hf_got(text, &err);
    assert_contains(text, "Z error  s: here\n");
    assert_memory_equal(text, "20", 2);
}

#define WRITERS 4
#define LINES 300

static void *write_lines(void *arg)
{
    for (int i = 0; i < LINES; i++)
        hf_log(arg, HF_LOG_INFO, "thread", "%s", "begin-0123456789012345678901234567890-end");
    return NULL;
}

static void *rebind(void *arg)
{
    for (int i = 0; i < LINES; i++)
        hf_log_bind(arg, i % 2 ? "run-a" : "run-b", NULL);
    return NULL;
}

static void lines_of_threads_do_not_mix(void **state)
{
    struct hf_log *log = hf_test_log(state, NULL);
    hf_log_bind(log, "run-a", NULL);
    pthread_t threads[WRITERS + 1];
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, log), 0);
    assert_int_equal(pthread_create(&threads[WRITERS], NULL, rebind, log), 0);
    for (int i = 0; i <= WRITERS; i++)
        pthread_join(threads[i], NULL);

    static const char tail[] = " thread: begin-0123456789012345678901234567890-end";
    int n = 0;
    for (const char *line = hf_test_logged(state); *line; n++) {
        const char *end = strchr(line, '\n');
        assert_non_null(end);
        assert_int_equal(end - line, 31 + strlen(" run=run-a") + strlen(tail));
        assert_memory_equal(line, "2026-11-23T03:00:00.000Z info  ", 31);
        assert_memory_equal(end - strlen(tail), tail, strlen(tail));
        line = end + 1;
    }
    assert_int_equal(n, WRITERS * LINES);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_line_carries_time_level_and_source),
        HF_TEST(bound_fields_are_on_each_further_line),
        HF_TEST(drops_lines_above_its_level),
        HF_TEST(debug_names_let_their_lines_through),
        HF_TEST(debug_all_means_all),
        HF_TEST(a_message_stays_one_line_and_cannot_drive_a_terminal),
        HF_TEST(for_the_journal_lines_begin_with_a_priority),
        HF_TEST(json_lines_are_objects),
        HF_TEST(bytes_that_are_no_utf8_are_replaced),
        HF_TEST(an_error_is_up_to_three_lines),
        HF_TEST(no_log_is_silence),
        HF_TEST(a_level_unknown_to_this_version_counts_as_debug),
        HF_TEST(logging_keeps_errno_even_when_writing_fails),
        HF_TEST(goes_to_stderr_with_the_system_clock_by_default),
        HF_TEST(lines_of_threads_do_not_mix),
    };
    return HF_RUN_TESTS("base.log", tests);
}
