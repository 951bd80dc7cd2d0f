/* SPDX-License-Identifier: Apache-2.0
 *
 * integration/need.h - what a test needs and this machine may lack.
 *
 * Missing: "SKIP name: why" and exit 77, unless HOLDFAST_TEST_REQUIRE (a list with commas) has the
 * name or `all`: then "FAIL name: why" and exit 1. So nothing is skipped where it was promised to
 * run.
 */
#ifndef HF_TEST_NEED_H
#define HF_TEST_NEED_H

#include <stdbool.h>

void hf_need_missing(const char *name, const char *why) __attribute__((noreturn));
/* The program's path, from PATH and the sbin directories; ends the test when there is none. */
const char *hf_need_program(const char *name, const char *program, char *out, unsigned out_size);

#endif
