/* SPDX-License-Identifier: Apache-2.0
 *
 * guest/tunnel_agent.h - hf_tunnel_agent over any channel, for tests.
 */
#ifndef HF_GUEST_TUNNEL_AGENT_H
#define HF_GUEST_TUNNEL_AGENT_H

#include "guest/guest.h"
#include "guest/tunnel.h"

/* Takes g, also when it fails. The rest as hf_tunnel_agent. */
struct hf_tunnel *hf_tunnel_guest(struct hf_guest *g, const char *run_id,
                                  const struct hf_db_endpoint *to, const char *socket_path,
                                  const struct hf_clock *clock, struct hf_log *log,
                                  int64_t lifetime_ms, int64_t deadline_ms, struct hf_err *err)
    HF_CHECKED;

#endif
