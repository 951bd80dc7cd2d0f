/* SPDX-License-Identifier: Apache-2.0
 *
 * db/case.h - what the lock tests share: one server per program, and locks with small limits.
 */
#ifndef HF_TEST_DB_CASE_H
#define HF_TEST_DB_CASE_H

#include "db/lock.h"
#include "harness/hf_test.h"
#include "integration/db/load.h"
#include "integration/db/server.h"

#define RUN_ID "20261123T030000Z-7f3a9c21"
#define MARK "holdfast." RUN_ID

/* A lock that was freed leaves its mark until the server has seen that its session is closed. */
void wait_for_mark(void);
/* Ends the sessions that a failed case before left behind. */
int begin_case(void **state);
#define DB_TEST(name) cmocka_unit_test_setup_teardown(name, begin_case, hf_test_end)

/* Of this program; a cmocka case takes no argument. */
extern struct hf_test_server server;

bool is_mysql(void);
/* Limits of a test: budget 300 ms, all attempts 1500 ms, hold 5 s. target must outlive the lock.
 * Ends the sessions that a failed case before left behind. */
struct hf_db_lock_opts lock_opts(const struct hf_db_target *target);
/* The tables the tests write to: t.a, t.b InnoDB; t.m MyISAM. Whatever was in them is gone. */
void make_tables(void);
/* What the site does at once when nothing is held: commits, DDL, a write to a MyISAM table. */
void assert_nothing_is_held(void);
/* Milliseconds of the monotonic clock. */
int64_t now_ms(void);
void sleep_ms(int64_t ms);

#endif
