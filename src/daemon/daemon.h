/* SPDX-License-Identifier: Apache-2.0
 *
 * daemon/daemon.h - holdfastd: begins what the plan (policy/plan.h) says is due, as processes, and records how they end.
 *
 * Promise   no run without its duty (catalog/duty.h) written before, and none twice, wherever the daemon dies; what runs goes on without
 *           it, and the next one takes it over. One daemon per state directory (BUSY: there is one).
 * Trouble   a catalog that is full, locked or damaged, a host that cannot start a process, a clock before 2026: nothing is begun, what
 *           has ended is kept in memory, and after 1 s, then twice as long each time up to 5 min, all of it is looked at anew. A
 *           configuration that is broken at a reload leaves the former one in force. A catalog that was taken away under it, and does
 *           not know its duties any more, is told how far they were served.
 * Time      a turn looks at the clock it was given, and nothing else does; it may jump.
 * Threads   one.
 */
#ifndef HF_DAEMON_DAEMON_H
#define HF_DAEMON_DAEMON_H

#include "base/clock.h"
#include "base/log.h"
#include "catalog/duty.h"
#include "config/config.h"
#include "policy/plan.h"

#include <sys/resource.h>

struct hf_daemon;

enum hf_change { HF_CHANGE_BEGAN, HF_CHANGE_ENDED, HF_CHANGE_WITHDRAWN };

/* One duty that the catalog has just been told of. */
struct hf_daemon_change {
    enum hf_change what;
    const char *policy, *vm, *kind;
    const struct hf_duty
        *duty; /* what was written: when ended what hf_duty_end needs, else the attempt */
    const struct hf_job *job; /* of one that began; its policy and VM are the configuration's */
    int64_t at_us;            /* wall: now */
};

/* Who is told. A member that is NULL is not called. Each runs in the loop: it must not wait. */
struct hf_daemon_hooks {
    void *ctx;
    /* At the start and after each reload: the configuration from now on, valid until the next call. */
    void (*configured)(void *ctx, const struct hf_config *config);
    /* The catalog was opened, at the start, after a reload and after trouble: whatever one was told may have to be told again. This and
     * the next: -1, err: was not taken in; that is a trouble of the daemon (above). */
    int (*attached)(void *ctx, struct hf_catalog *c, const struct hf_plan *plan, int64_t now_s,
                    struct hf_err *err);
    int (*changed)(void *ctx, struct hf_catalog *c, const struct hf_daemon_change *change,
                   struct hf_err *err);
    /* What is wrong with the daemon itself; NULL: nothing any more. Said again until it returns 0. */
    int (*trouble)(void *ctx, struct hf_catalog *c, const char *text, struct hf_err *err);
    /* What is wrong, where the catalog cannot be told of it: said at each new try. NULL: nothing any more. */
    void (*stuck)(void *ctx, const char *text);
    /* At the end of a turn: what time alone has changed. *io_wake_s: when the next turn is, to be made earlier where need be. */
    int (*turned)(void *ctx, struct hf_catalog *c, const struct hf_plan *plan, int64_t now_s,
                  int64_t *io_wake_s, struct hf_err *err);
};

struct hf_daemon_opts {      /* all borrowed */
    const char *config_path; /* read again by hf_daemon_reload, and named to the runs */
    const char *program;     /* path of holdfast */
    const struct rlimit
        *files; /* of a run: how many descriptors it may have; NULL: as many as we */
    const struct hf_clock *clock;
    struct hf_log *log;
    const struct hf_daemon_hooks *hooks; /* or NULL */
};

/* The file, with policies that can be run. CONFIG: it is no good. */
struct hf_config *hf_daemon_load_config(const char *path, struct hf_err *err) HF_CHECKED;

/* CONFIG: the configuration is no good. BUSY: another one has the state directory. */
struct hf_daemon *hf_daemon_open(const struct hf_daemon_opts *opts, struct hf_err *err) HF_CHECKED;
/* What runs goes on. */
void hf_daemon_close(struct hf_daemon *d);
HF_DEFINE_AUTO(hf_daemon, hf_daemon_close)

/* When to make the next turn if nothing happens before: at a time of day, or of the monotonic clock. */
struct hf_daemon_wake {
    int64_t wall_s;  /* HF_NO_TIME: never */
    int64_t mono_ms; /* HF_NO_DEADLINE: never */
};
/* Records what has ended, begins what is due. */
struct hf_daemon_wake hf_daemon_turn(struct hf_daemon *d);
/* Readable (level) when a run has said something or ended; for an epoll of the caller. */
int hf_daemon_fd(const struct hf_daemon *d);
/* Takes in what there is to read there. true: a turn is needed. */
bool hf_daemon_take(struct hf_daemon *d);

/* -1: the former configuration stays, and err says why. A turn is needed in any case. */
int hf_daemon_reload(struct hf_daemon *d, struct hf_err *err) HF_CHECKED;

size_t hf_daemon_running(const struct hf_daemon *d);
/* What is wrong with it, "" when nothing is. */
const char *hf_daemon_trouble(const struct hf_daemon *d);

#endif
