/* SPDX-License-Identifier: Apache-2.0
 *
 * The tunnel's way through the guest agent: each stream is a bridge (tunnel_bridge.h), asked again and again.
 *
 * The agent is asked in calls that wait, each some milliseconds and HF_TUNNEL_CALL_MS at the most; it does one at a time.
 */
#include "guest/tunnel_agent.h"

#include "base/unit_name.h"
#include "guest/agent.h"
#include "guest/tunnel.h"
#include "guest/tunnel_backend.h"
#include "guest/tunnel_bridge.h"
#include "guest/tunnel_io.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define CLOSE_MS 1500
/* Longer than any, and short enough for a unit. */
#define RUN_MAX 48

struct way {
    struct hf_guest *g;
    const struct hf_clock *clock;
    struct hf_log *log;
    char *run_id, *host;
    struct hf_db_endpoint to;
    int64_t lifetime_ms;
    char tag[16], token[HF_BRIDGE_TOKEN_MAX];
    struct hf_io *streams[HF_TUNNEL_CLIENTS];
    uint64_t n_opened;
    bool is_untidy; /* a bridge may be left there */
};

static int64_t now_ms(const struct way *w)
{
    return hf_clock_mono_ms(w->clock);
}

/* ---- streams ---------------------------------------------------------------------------- */

static int way_open(void *self, void **out_stream, struct hf_err *err)
{
    struct way *w = self;
    size_t i = 0;
    while (i < HF_TUNNEL_CLIENTS && w->streams[i])
        i++;
    struct hf_io *io = i < HF_TUNNEL_CLIENTS ? calloc(1, sizeof *io) : NULL;
    if (!io)
        return hf_fail_nomem(err);
    *io = (struct hf_io){.g = w->g, .clock = w->clock, .token = w->token};
    hf_bridge_name(io->name, w->run_id, w->tag, (int64_t)w->n_opened++);
    if (hf_bridge_start(w->g, io->name, w->token, &w->to, w->lifetime_ms,
                        now_ms(w) + HF_TUNNEL_OPEN_MS, err) < 0) {
        w->is_untidy = true;
        free(io);
        return hf_wrap(err, "%s:%u in the guest", w->to.host, w->to.port);
    }
    hf_io_begin(io, w->lifetime_ms);
    *out_stream = w->streams[i] = io;
    return 0;
}

static ssize_t way_read(void *self, void *stream, void *buf, size_t size, struct hf_err *err)
{
    (void)self;
    return hf_io_read(stream, buf, size, err);
}

static ssize_t way_write(void *self, void *stream, const void *buf, size_t len, struct hf_err *err)
{
    (void)self;
    return hf_io_write(stream, buf, len, err);
}

/* bash cannot close one side of a connection. No client of a database needs that: it says that it goes. */
static int way_finish(void *self, void *stream, struct hf_err *err)
{
    (void)self;
    (void)stream;
    (void)err;
    return 0;
}

static void way_close(void *self, void *stream)
{
    struct way *w = self;
    struct hf_io *io = stream;
    if (!hf_io_end(io))
        w->is_untidy = true;
    for (size_t i = 0; i < HF_TUNNEL_CLIENTS; i++)
        if (w->streams[i] == io)
            w->streams[i] = NULL;
    hf_io_free(io);
    free(io);
}

/* ---- turns ------------------------------------------------------------------------------ */

/* Never fails: there is no connection that could be lost, only calls, and each stream counts its own. */
static int way_work(void *self, struct hf_err *err)
{
    struct way *w = self;
    (void)err;
    for (size_t i = 0; i < HF_TUNNEL_CLIENTS; i++)
        if (w->streams[i])
            hf_io_turn(w->streams[i]);
    return 0;
}

static int way_wait(void *self, struct pollfd *at)
{
    struct way *w = self;
    int64_t next_ms = INT64_MAX;
    (void)at;
    for (size_t i = 0; i < HF_TUNNEL_CLIENTS; i++)
        if (w->streams[i] && hf_io_next_ms(w->streams[i]) < next_ms)
            next_ms = hf_io_next_ms(w->streams[i]);
    return next_ms == INT64_MAX ? -1 : hf_clock_left_ms(w->clock, next_ms);
}

/* What may be left there ends by itself after lifetime_ms; or now, when the guest answers. */
static void way_free(void *self)
{
    struct way *w = self;
    struct hf_err err = HF_ERR_INIT;
    char pattern[HF_BRIDGE_NAME_MAX];
    if (w->is_untidy) {
        hf_bridge_name(pattern, w->run_id, w->tag, -1);
        if (hf_bridge_end(w->g, pattern, now_ms(w) + CLOSE_MS, &err) < 0)
            hf_log_err(w->log, HF_LOG_DETAIL, "tunnel", &err);
    }
    hf_guest_close(w->g);
    free(w->run_id);
    free(w->host);
    free(w);
}

static inline void way_drop(struct way *w)
{
    way_free(w);
}
HF_DEFINE_AUTO(way, way_drop)

static const struct hf_tunnel_backend agent_backend = {.name = "agent",
                                                       .rests = true,
                                                       .open = way_open,
                                                       .read = way_read,
                                                       .write = way_write,
                                                       .finish = way_finish,
                                                       .close = way_close,
                                                       .work = way_work,
                                                       .wait = way_wait,
                                                       .free = way_free};

/* ---- the tunnel ---------------------------------------------------------------------------- */

/* Names that no other tunnel of the run has, and a mark that no database knows. */
static int draw(struct way *w, struct hf_err *err)
{
    uint64_t random[3];
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return hf_fail_sys(err, errno, "cannot get random bytes");
    snprintf(w->tag, sizeof w->tag, "%08" PRIx32, (uint32_t)random[0]);
    snprintf(w->token, sizeof w->token, "%016" PRIx64 "%016" PRIx64, random[1], random[2]);
    return 0;
}

struct hf_tunnel *hf_tunnel_guest(struct hf_guest *g, const char *run_id,
                                  const struct hf_db_endpoint *to, const char *socket_path,
                                  const struct hf_clock *clock, struct hf_log *log,
                                  int64_t lifetime_ms, int64_t deadline_ms, struct hf_err *err)
{
    HF_AUTO(way) struct way *w = calloc(1, sizeof *w);
    if (!w) {
        hf_guest_close(g);
        hf_fail_nomem(err);
        return NULL;
    }
    *w = (struct way){.g = g,
                      .clock = clock,
                      .log = log,
                      .lifetime_ms = lifetime_ms,
                      .run_id = strdup(run_id),
                      .host = to->host ? strdup(to->host) : NULL};
    w->to = (struct hf_db_endpoint){.host = w->host, .port = to->port};
    if (!hf_unit_name_is_valid(run_id) || strlen(run_id) > RUN_MAX)
        hf_fail(err, HF_E_INTERNAL, "'%s' is not the name of a run", run_id);
    else if (!to->host)
        hf_fail(err, HF_E_UNSUPPORTED, "the guest agent leads to a port, not to a socket");
    else if (!w->run_id || !w->host)
        hf_fail_nomem(err);
    else if (draw(w, err) == 0 && hf_bridge_check(g, &w->to, deadline_ms, err) == 0)
        return hf_tunnel_open(socket_path, &agent_backend, HF_STEAL(w), log, err);
    return NULL;
}

struct hf_tunnel *hf_tunnel_agent(struct hf_hv *hv, const char *vm_id, const char *run_id,
                                  const struct hf_db_endpoint *to, const char *socket_path,
                                  const struct hf_clock *clock, struct hf_log *log,
                                  int64_t lifetime_ms, int64_t deadline_ms, struct hf_err *err)
{
    struct hf_guest *g = hf_guest_agent(hv, vm_id, run_id, err);
    return g ? hf_tunnel_guest(g, run_id, to, socket_path, clock, log, lifetime_ms, deadline_ms,
                               err)
             : NULL;
}
