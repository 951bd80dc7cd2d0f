/* SPDX-License-Identifier: Apache-2.0
 *
 * guest/tunnel_bridge.h - one connection to the guest's database, whose bytes go through files in the guest.
 *
 * A bridge is a transient systemd unit holdfast-bridge-RUN-TAG-N: bash with the connection and a directory of its own,
 * /run/UNIT (tmpfs, 0700). Both directions are cut into pieces, numbered from 0, each a regular file; their names are used
 * again after HF_BRIDGE_SLOTS pieces.
 *
 *     in.S    ours: "NUMBER SEEN DATA\n"; bytes that bash would not take as they are: \xHH. No DATA: that was all, end.
 *     taken   how many of ours went to the database
 *     out.S   the database's: up to HF_BRIDGE_PIECE bytes, then "TOKEN NUMBER\n". No bytes: it has ended the connection.
 *             The next one is there, empty, before one is complete: no such file means no bridge.
 *     seen    ours: "SEEN BEAT\n": how many of its pieces we have (in.S tells the same; it is HF_BRIDGE_AHEAD pieces ahead
 *             at the most), and another number each time
 *
 * Why files and no FIFOs: qemu-ga (7.2) opens without O_NONBLOCK, so a FIFO whose other end has just died hangs the whole
 * agent; and what it has read of a FIFO that is then empty but open is thrown away. A piece in a file can be read and
 * written twice: after a call that timed out, or a libvirtd that was restarted, the same is done again and nothing is lost,
 * doubled or out of order. A piece that is not complete yet shows by the mark or the line's end that is missing.
 *
 * Own end    a bridge ends when it has heard nothing from us for lifetime_ms (to 0.5 s), whatever its connection does, and
 *            after HF_BRIDGE_RUNTIME_S in any case; systemd then ends what is left of it and removes the directory.
 */
#ifndef HF_GUEST_TUNNEL_BRIDGE_H
#define HF_GUEST_TUNNEL_BRIDGE_H

#include "guest/guest.h"
#include "guest/tunnel.h"

#define HF_BRIDGE_SLOTS 16
#define HF_BRIDGE_AHEAD 8
#define HF_BRIDGE_PIECE 32768
#define HF_BRIDGE_RUNTIME_S (24 * 3600)
#define HF_BRIDGE_NAME_MAX 96
#define HF_BRIDGE_TOKEN_MAX 40

/* "holdfast-bridge-RUN-TAG-N"; n < 0: the pattern of all of this tag; tag NULL: of all of this run. */
void hf_bridge_name(char out[HF_BRIDGE_NAME_MAX], const char *run_id, const char *tag, int64_t n);

/* Is there what a bridge needs, and, where the guest can see that, does somebody listen? UNSUPPORTED, UNREACHABLE. */
int hf_bridge_check(struct hf_guest *g, const struct hf_db_endpoint *to, int64_t deadline_ms,
                    struct hf_err *err) HF_CHECKED;

/* Starts one and waits until it is connected. UNREACHABLE: with the guest's reason. After TIMEOUT or UNREACHABLE it may be
 * there all the same. */
int hf_bridge_start(struct hf_guest *g, const char *name, const char *token,
                    const struct hf_db_endpoint *to, int64_t lifetime_ms, int64_t deadline_ms,
                    struct hf_err *err) HF_CHECKED;

/* Ends all units of this name or pattern, with their connections; none: success. */
int hf_bridge_end(struct hf_guest *g, const char *pattern, int64_t deadline_ms, struct hf_err *err)
    HF_CHECKED;

/* Makes the line of a piece from the first bytes of data; returns how many. */
size_t hf_bridge_line(struct hf_buf *out, uint64_t number, uint64_t seen, const void *data,
                      size_t len);

#endif
