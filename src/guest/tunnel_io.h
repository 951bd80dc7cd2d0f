/* SPDX-License-Identifier: Apache-2.0
 *
 * guest/tunnel_io.h - our end of a bridge (tunnel_bridge.h): bytes into pieces and back, and when to ask for them.
 *
 * A call of the agent that fails in a way that may pass (it is restarted, busy, gone for a moment) is made again: the
 * bridge takes the same piece twice for one. How long: guest/patience.h. A bridge that is gone is seen at the next look.
 *
 * Input      what the files say is the guest's: a piece is bounded, one without its mark is waited for, a wrong number
 *            counts as none.
 */
#ifndef HF_GUEST_TUNNEL_IO_H
#define HF_GUEST_TUNNEL_IO_H

#include "base/clock.h"
#include "guest/guest.h"
#include "guest/patience.h"
#include "guest/tunnel_bridge.h"

#include <sys/types.h>

struct hf_io {
    struct hf_guest *g; /* borrowed, as the next two */
    const struct hf_clock *clock;
    const char *token;
    char name[HF_BRIDGE_NAME_MAX];
    int64_t lifetime_ms;
    struct hf_buf line; /* a piece of ours on its way: sent again as it is until that worked */
    size_t line_bytes;
    uint64_t n_sent, n_taken;
    struct hf_buf piece; /* the last of the database's, with what was not read of it yet */
    size_t piece_at;
    uint64_t n_seen, n_told, n_beats;
    bool is_awaited, is_ended;
    int64_t active_ms, read_ms, write_ms, beat_ms; /* last moved; when to read, write, beat next */
    bool wants_read, wants_write;                  /* asked for in this turn */
    int64_t call_ms;                               /* what the last call took */
    struct hf_patience patience;
};

/* A bridge of this name was started just now. */
void hf_io_begin(struct hf_io *io, int64_t lifetime_ms);
void hf_io_free(struct hf_io *io);

/* As read and write of a backend (tunnel_backend.h). */
ssize_t hf_io_read(struct hf_io *io, void *buf, size_t size, struct hf_err *err) HF_CHECKED;
ssize_t hf_io_write(struct hf_io *io, const void *buf, size_t len, struct hf_err *err) HF_CHECKED;
/* At the beginning of a turn: lets the bridge know that we are there. */
void hf_io_turn(struct hf_io *io);
/* When to take the next turn; asks only for what was asked for in this one. */
int64_t hf_io_next_ms(const struct hf_io *io);
/* Tells the bridge to end once it has passed on what was written. False: it may not know. */
bool hf_io_end(struct hf_io *io);

#endif
