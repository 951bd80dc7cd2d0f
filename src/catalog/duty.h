/* SPDX-License-Identifier: Apache-2.0
 *
 * catalog/duty.h - duties: what holdfastd owes one VM by one policy, and how its attempts ended.
 *
 * A row is written before an attempt begins, with the due time that it is for: that is what makes a run happen once. Dates are wall
 * clock; whoever reads them must bear that clocks jump.
 *
 * Order     hf_duty_begin, then the child is forked and waits, then hf_duty_child with its pid, then it is let go, then hf_duty_end.
 * Crash     a row that began and has not ended: without a pid, or with one whose process is gone and no run in the catalog that
 *           began since, nothing was done for it, and it is due again; otherwise the run's own row says how it ended.
 */
#ifndef HF_CATALOG_DUTY_H
#define HF_CATALOG_DUTY_H

#include "catalog/catalog.h"

/* Key of the lock (vmlock.h) that a holdfastd has for as long as it lives. */
#define HF_DUTY_LOCK "holdfastd"

/* What is owed: the runs of the policy, or its drills. */
#define HF_DUTY_RUN "run"
#define HF_DUTY_DRILL "drill"

#define HF_DUTY_TEXT_MAX 1024 /* of message; longer is cut */

struct hf_duty {
    const char *policy, *vm; /* names of sections */
    const char *kind;        /* HF_DUTY_… */

    int64_t
        served_s; /* the due time of the last attempt; of one never tried: since when the policy is followed */
    uint32_t attempts; /* for that due time; 0: none yet */
    int64_t began_us;  /* of the last attempt; 0: never */
    int64_t ended_us;  /* 0: it is going on, or was interrupted */
    int64_t
        pid; /* of the child, 0: not forked; with pid_start (clock ticks since boot, as in /proc) it is that one */
    int64_t pid_start;

    /* of the last attempt that ended */
    const char *outcome; /* "done", "degraded", "failed", "busy"; NULL: none ended yet */
    const char *run_id;  /* or NULL */
    const char *error;   /* its class, or NULL */
    const char *message; /* one line, or NULL */

    /* of the last one that was good: "done" */
    int64_t success_us; /* its end; 0: never */
    const char *grade;  /* "A".."E", or NULL */
    double stall_ms;    /* negative: none */
    int64_t duration_ms;
    int64_t bytes; /* sent to stores, of all of them together */
    bool is_protected;
    const char *datastores; /* of the VM's disks, one per line, or NULL */
};

/* The policy is followed from served_s on; a duty that is there stays as it is. */
int hf_duty_follow(struct hf_catalog *c, const struct hf_duty *d, struct hf_err *err) HF_CHECKED;
/* The same of many, in one transaction. */
int hf_duty_follow_all(struct hf_catalog *c, const struct hf_duty *d, size_t n, struct hf_err *err)
    HF_CHECKED;
/* Of policy, vm, kind, served_s, attempts, began_us; pid is 0 then, and it has not ended. NOT_FOUND: is not followed. */
int hf_duty_begin(struct hf_catalog *c, const struct hf_duty *d, struct hf_err *err) HF_CHECKED;
/* Of policy, vm, kind, pid, pid_start. */
int hf_duty_child(struct hf_catalog *c, const struct hf_duty *d, struct hf_err *err) HF_CHECKED;
/* Of policy, vm, kind, ended_us, outcome, run_id, error, message; with outcome "done" also what comes behind success_us, else
 * that stays. datastores NULL: what is known stays. stall_ms is counted (hf_stalls), once for an attempt: the end of one that has
 * ended already changes the row and counts nothing. */
int hf_duty_end(struct hf_catalog *c, const struct hf_duty *d, struct hf_err *err) HF_CHECKED;
/* A good run that holdfastd did not begin, of one whose last attempt ended "failed" or "degraded": outcome is "done" from then on, and
 * what comes behind success_us is the run's, all but datastores; when the attempt was, and which, stays. 1: recorded, 0: it is none such. */
int hf_duty_make_good(struct hf_catalog *c, const struct hf_duty *d, struct hf_err *err) HF_CHECKED;
/* Nothing was done for the attempt: as before it. Of policy, vm, kind, served_s, attempts, as they are to be. */
int hf_duty_withdraw(struct hf_catalog *c, const struct hf_duty *d, struct hf_err *err) HF_CHECKED;

/* ---- how long writers were held up ------------------------------------------------------- */

/* Of the runs with outcome "done" or "degraded" and a stall_ms that is not negative, per policy and VM. */
#define HF_STALL_BUCKETS 14 /* the last one has no upper end */
struct hf_stalls {
    const char *policy, *vm;
    uint64_t runs[HF_STALL_BUCKETS]; /* each without those of the buckets below */
    double sum_ms;
};
/* Upper end, included; of the last one infinity. */
double hf_stall_bucket_ms(size_t bucket);
typedef int (*hf_stalls_cb)(void *ctx, const struct hf_stalls *s, struct hf_err *err);
/* By policy and VM. */
int hf_stalls(struct hf_catalog *c, hf_stalls_cb emit, void *ctx, struct hf_err *err) HF_CHECKED;

typedef int (*hf_duty_cb)(void *ctx, const struct hf_duty *d, struct hf_err *err);
/* By policy, VM and kind; as the other lists of the catalog. */
int hf_duties(struct hf_catalog *c, hf_duty_cb emit, void *ctx, struct hf_err *err) HF_CHECKED;

#endif
