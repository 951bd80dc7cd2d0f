/* SPDX-License-Identifier: Apache-2.0
 *
 * harness/hf_test.h - what every unit test stands on: cmocka, and a fixture per case.
 *
 *     static void refuses_a_number_without_a_unit(void **state) { … }
 *     int main(void)
 *     {
 *         static const struct CMUnitTest tests[] = {HF_TEST(refuses_a_number_without_a_unit)};
 *         return HF_RUN_TESTS("base.units", tests);
 *     }
 *
 * HOLDFAST_TEST=glob runs the cases whose names match. *state is the harness's: what a case takes
 * from it (directory, clock, log) is given back after the case, also when it failed. A failed
 * assertion leaves by longjmp and runs no scope guard, so a case asks the fixture for whatever
 * must not stay behind.
 */
#ifndef HF_TEST_H
#define HF_TEST_H

/* cmocka.h does not include what it needs, so it comes last. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"

int hf_test_begin(void **state);
int hf_test_end(void **state);
#define HF_TEST(name) cmocka_unit_test_setup_teardown(name, hf_test_begin, hf_test_end)
#define HF_RUN_TESTS(name, tests) hf_run_tests(name, tests, sizeof(tests) / sizeof((tests)[0]))
int hf_run_tests(const char *group, const struct CMUnitTest *tests, size_t n);

/* ---- what a machine may lack ------------------------------------------------------------ */

/* HOLDFAST_TEST_REQUIRE (a list with commas) has the name or `all`. */
bool hf_test_is_required(const char *name);
/* Ends the case: skipped, or failed where it is required. */
void hf_test_missing(const char *name, const char *why);

/* ---- files ------------------------------------------------------------------------------ */

/* A private directory of this case, removed with all in it afterwards. */
const char *hf_test_dir(void **state);
/* A path in it; belongs to the fixture. */
const char *hf_test_path(void **state, const char *name);
/* The same, with a file of this content and mode made there. */
const char *hf_test_file(void **state, const char *name, const char *content, unsigned mode);

/* ---- time ------------------------------------------------------------------------------- */

/* Stands still until told: sleeping moves both times at once. Threads: any. */
struct hf_fake_clock {
    struct hf_clock clock;
    _Atomic int64_t mono_us, wall_us, slept_us;
};

/* Starts at 1000 s monotonic, 2026-11-23T03:00:00Z. */
void hf_fake_clock_init(struct hf_fake_clock *f);
void hf_fake_clock_advance_ms(struct hf_fake_clock *f, int64_t ms);
/* The one of this case. */
struct hf_fake_clock *hf_test_clock(void **state);

/* ---- log -------------------------------------------------------------------------------- */

/* A log into memory, with the fake clock; opts NULL: text, every level. One per case. */
struct hf_log *hf_test_log(void **state, const struct hf_log_opts *opts);
/* All lines so far; valid until the next call. */
const char *hf_test_logged(void **state);

/* ---- assertions ------------------------------------------------------------------------- */

/* The class, and a piece of the message, the hint or what is left. */
#define assert_hf_err(err, cls, piece) hf_assert_err_(err, cls, piece, __FILE__, __LINE__)
/* rc is 0; else the error is printed. */
#define assert_hf_ok(rc, err) hf_assert_ok_((rc) == 0, err, #rc, __FILE__, __LINE__)
/* The same for a call that returns a pointer. */
#define assert_hf_got(ptr, err) hf_assert_ok_((ptr) != NULL, err, #ptr, __FILE__, __LINE__)
#define assert_contains(text, piece) hf_assert_contains_(text, piece, 1, __FILE__, __LINE__)
#define assert_lacks(text, piece) hf_assert_contains_(text, piece, 0, __FILE__, __LINE__)
/* The program with these arguments ends well. */
#define assert_runs(...) assert_true(hf_test_run((const char *const[]){__VA_ARGS__, NULL}))

/* Whether the program ends well, within a minute; else the error is printed. */
bool hf_test_run(const char *const *argv);

void hf_assert_err_(const struct hf_err *err, enum hf_err_class cls, const char *piece,
                    const char *file, int line);
void hf_assert_ok_(int ok, const struct hf_err *err, const char *what, const char *file, int line);
void hf_assert_contains_(const char *text, const char *piece, int wanted, const char *file,
                         int line);

#endif
