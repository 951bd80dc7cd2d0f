/* SPDX-License-Identifier: Apache-2.0
 *
 * base/point.h - kill points: places where the tests let the program die, fail or hang.
 *
 *     HF_POINT("run.after_lock");                  in a function that cannot fail here
 *     if (HF_POINT_ERR("run.after_lock", err)) …   where an injected error must be handled
 *
 * Built with HF_POINTS (presets dev and asan; never release): HOLDFAST_POINT="name=kill|exit|
 * error|stall:MS[,name=…]" acts on the named points; HOLDFAST_POINT_LOG=file appends each
 * visited name, so that the walk can prove that it visited all of them.
 * HOLDFAST_POINT_ONCE=DIR: a point acts in the first process that visits it only (the coordinator,
 * not its guardian, which has the same environment). `kill` is SIGKILL to the own process: no
 * destructor, no atexit, as in real life; `exit` is _exit(HF_POINT_EXIT); `error` is ignored by a
 * plain HF_POINT. A mistyped HOLDFAST_POINT aborts.
 */
#ifndef HF_BASE_POINT_H
#define HF_BASE_POINT_H

#include "base/err.h"

#define HF_POINT_EXIT 99

#ifdef HF_POINTS
int hf_point_visit(const char *name, struct hf_err *err);
#define HF_POINT(name) ((void)hf_point_visit(name, NULL))
#define HF_POINT_ERR(name, err) hf_point_visit(name, err)
#else
#define HF_POINT(name) ((void)0)
#define HF_POINT_ERR(name, err) ((void)(err), 0)
#endif

#endif
