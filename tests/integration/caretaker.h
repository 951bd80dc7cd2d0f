/* SPDX-License-Identifier: Apache-2.0
 *
 * integration/caretaker.h - who ends a test's server when the test is gone, killed or not.
 *
 * A process of its own, outside the test's process tree, which ctest kills as a whole. It hears of the test's end by
 * a socket that closes.
 */
#ifndef HF_TEST_CARETAKER_H
#define HF_TEST_CARETAKER_H

/* Prints "FAIL fixture: what: detail" and ends the test. */
void hf_fixture_failed(const char *what, const char *detail) __attribute__((noreturn));

/* Runs care(ctx, fd) in the caretaker, whose return is its end. fd, and the one returned to the test, are the two
 * ends of a socket; all other files but /dev/null are closed there. */
int hf_caretaker_start(void (*care)(const void *ctx, int fd), const void *ctx);
/* What a caretaker does all the time: reads until the other end closes. */
void hf_caretaker_wait(int fd);
/* `rm -rf`. */
void hf_caretaker_remove(const char *dir);

#endif
