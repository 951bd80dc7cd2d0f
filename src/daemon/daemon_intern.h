/* SPDX-License-Identifier: Apache-2.0
 *
 * daemon/daemon_intern.h - what the parts of the daemon share.
 */
#ifndef HF_DAEMON_DAEMON_INTERN_H
#define HF_DAEMON_DAEMON_INTERN_H

#include "catalog/vmlock.h"
#include "daemon/child.h"
#include "daemon/daemon.h"
#include "daemon/known.h"
#include "daemon/outcome.h"
#include "daemon/said.h"

#include <sys/stat.h>

struct work;

/* A descriptor in the daemon's epoll. */
struct watch {
    struct work *work;
    void (*ready)(struct work *w);
};

enum work_state {
    WORK_FOUND,   /* in the catalog, as going on: not looked at yet */
    WORK_GOES_ON, /* its process lives */
    WORK_GONE,    /* it was not ours, and is gone: the catalog says how it ended */
    WORK_ENDED,   /* and how is in `outcome`; not recorded yet */
    WORK_RECORDED /* to be freed when nobody holds its stderr any more */
};

/* An attempt that is going on, or whose end is not recorded yet. */
struct work {
    struct work *next;
    struct hf_daemon *daemon;
    enum work_state state;
    char *policy, *vm;
    const char *kind; /* HF_DUTY_…, static */
    int64_t due_s, began_us, began_ms;
    uint32_t attempt;
    struct hf_job job; /* of the daemon's plan; id HF_PLAN_NONE: it has none there */
    bool is_known;     /* the catalog that is open has it as going on */
    int64_t pid, pid_start;
    struct hf_run_child child; /* of one that was taken over: the pidfd alone */
    struct hf_said said;
    struct watch on_end, on_out, on_err;
    struct hf_outcome outcome;
    int64_t ended_us, duration_ms;
};

struct hf_daemon {
    struct hf_daemon_opts opts;
    struct hf_config *config;
    struct hf_vmlock *lock;
    struct hf_catalog *catalog; /* NULL, and no plan: to be opened (attach.c) */
    struct hf_plan *plan;
    bool is_attached;         /* the plan has all that the catalog knows */
    struct hf_known known;    /* while it has not: how far the former plan was */
    struct stat catalog_file; /* of the catalog that is open */
    struct work *works;
    int epoll;
    int64_t delay_ms, retry_ms; /* after trouble; retry_ms HF_NO_DEADLINE: there is none */
    char trouble[HF_ERR_MESSAGE_MAX], bad_config[HF_ERR_MESSAGE_MAX];
    char told[HF_ERR_MESSAGE_MAX]; /* what the hook has taken in */
    bool has_told;
};

/* ---- work.c ----------------------------------------------------------------------------- */

/* Not in the daemon's list yet. NULL: no memory. */
struct work *work_new(struct hf_daemon *d, const struct hf_duty *duty, struct hf_err *err);
void work_free(struct work *w);
HF_DEFINE_AUTO(work, work_free)
struct work *work_find(const struct hf_daemon *d, const struct hf_duty *duty);
/* Watches its process, and its output where it is ours. */
int work_watch(struct work *w, struct hf_err *err) HF_CHECKED;
/* The attempt, as it stands in the duty's row. */
struct hf_duty work_duty(const struct work *w);

/* ---- attach.c --------------------------------------------------------------------------- */

/* Opens the catalog and makes the plan of the configuration, with all that goes on. */
int daemon_attach(struct hf_daemon *d, struct hf_err *err) HF_CHECKED;
void daemon_detach(struct hf_daemon *d);
/* The catalog that is open is the file of that name: nobody has put another one there. */
bool daemon_is_current(const struct hf_daemon *d);
/* It shows a time that can be; with another one daemon_attach fails. */
bool daemon_has_clock(const struct hf_daemon *d);

static inline int64_t daemon_now_s(const struct hf_daemon *d)
{
    return hf_clock_wall_us(d->opts.clock) / 1000000;
}

/* ---- begin.c, record.c ------------------------------------------------------------------ */

int daemon_begin(struct hf_daemon *d, const struct hf_job *job, struct hf_err *err) HF_CHECKED;
/* Of one that has ended, or is gone. */
int daemon_record(struct hf_daemon *d, struct work *w, struct hf_err *err) HF_CHECKED;
int daemon_tell(struct hf_daemon *d, enum hf_change what, const struct work *w,
                const struct hf_duty *duty, struct hf_err *err) HF_CHECKED;

#endif
