/* SPDX-License-Identifier: Apache-2.0
 *
 * io/aside.h - a sink in a thread of its own: who writes goes on while what is behind it works.
 *
 *     aside → hash → pack → file        the digest and the compression are done aside
 *
 * Promise    what was written reaches the sink behind in order and whole. At most HF_IO_ASIDE_BLOCKS blocks of
 *            HF_IO_ASIDE_BLOCK bytes wait for it; then writing waits.
 * Errors     the thread's first one is that of the next write or of finish, and of all after it.
 * End        finish returns when the sink behind is finished, close when the thread has ended: at the latest with the block
 *            that it is at. No thread outlives its sink, and what the sink behind fills (a digest, a count) is complete
 *            after finish.
 * Threads    the sink behind is the thread's alone until it has ended; all signals are blocked there.
 */
#ifndef HF_IO_ASIDE_H
#define HF_IO_ASIDE_H

#include "io/sink.h"

#define HF_IO_ASIDE_BLOCK ((size_t)256 << 10)
#define HF_IO_ASIDE_BLOCKS 8

/* Owns next, also when it fails. */
struct hf_io_sink *hf_io_aside_new(struct hf_io_sink *next, struct hf_err *err) HF_CHECKED;

#endif
