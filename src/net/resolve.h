/* SPDX-License-Identifier: Apache-2.0
 *
 * net/resolve.h - who a host name is, by getaddrinfo, within a deadline.
 *
 * getaddrinfo itself knows none: a thread waits for it, and is left behind when the deadline passes; it ends, and frees what it
 * has, when the resolver does. An address is no question and needs neither. Threads: any.
 */
#ifndef HF_NET_RESOLVE_H
#define HF_NET_RESOLVE_H

#include "base/clock.h"
#include "base/err.h"

#include <netdb.h>
#include <stdint.h>

/* *out: addresses for a stream socket, to be given to freeaddrinfo. UNREACHABLE: no such name, or the resolver says so; TIMEOUT. */
int hf_net_resolve(const char *host, unsigned port, const struct hf_clock *clock, int64_t until_ms,
                   struct addrinfo **out, struct hf_err *err) HF_CHECKED;

#endif
