/* SPDX-License-Identifier: Apache-2.0
 *
 * guest/stream_agent.h - a stream (guest/stream.h) through a channel that runs programs and reads and writes whole files:
 * the guest agent.
 *
 * The program is a transient systemd unit holdfast-stream-RUN with a directory of its own, /run/UNIT (tmpfs, 0700), where bash
 * and dd cut what it says into pieces, numbered from 0, each a regular file:
 *
 *     out.N    HF_STREAM_PIECE bytes of its output; fewer: that was all
 *     said.N   HF_STREAM_SAID_PIECE bytes of what it said on stderr; fewer: that was all
 *     end      "STATUS BYTES SAID\n", once both are there: its status, and how long each was
 *     seen     ours: "OUT SAID BEAT\n": how many pieces of each we have, and another number each time
 *
 * A piece gets its name when it is complete, and goes when we have seen it; HF_STREAM_AHEAD of each are there at the most, so
 * that some 5 MiB of /run are taken, whatever the program says. Then it waits.
 *
 * Why files and no FIFOs: guest/tunnel_bridge.h. A piece is read again after an answer that was lost, so no byte is lost or
 * doubled; both lengths are compared at the end.
 *
 * End        closing ends the unit and with it the program. Without us it ends by itself when `seen` has not changed for
 *            life_ms (to 0.5 s); systemd then ends what is left of it and removes the directory. Who reads must therefore come
 *            back within that time.
 * Input      what the files say is the guest's: each is bounded, and must say what is possible.
 * No shell   the script is constant, and what is run are its parameters.
 */
#ifndef HF_GUEST_STREAM_AGENT_H
#define HF_GUEST_STREAM_AGENT_H

#include "guest/guest.h"
#include "guest/stream.h"

#define HF_STREAM_PIECE (1 << 20)
#define HF_STREAM_SAID_PIECE (64 << 10)
#define HF_STREAM_AHEAD 4
#define HF_STREAM_LIFE_MS 60000

/* Starts the program; g is borrowed and outlives the stream, opts is copied, what it points to borrowed. run_id: a unit's
 * name, and no other stream of this guest has it. */
struct hf_stream *hf_stream_agent(struct hf_guest *g, const char *run_id, int64_t life_ms,
                                  const struct hf_stream_opts *opts, struct hf_err *err) HF_CHECKED;

#endif
