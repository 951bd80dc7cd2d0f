/* SPDX-License-Identifier: Apache-2.0
 *
 * policy/plan_intern.h - what the files of a plan share.
 *
 * plan.c         pairs: made from the configuration, loaded, begun, ended, shown
 * plan_next.c    when a pair comes next: due times, windows, retries, drills, clocks that jumped
 * plan_limits.c  what is taken of each limit
 * plan_queue.c   who waits for a time (a heap), who for a limit (in the order of their waiting), and who may begin
 */
#ifndef HF_POLICY_PLAN_INTERN_H
#define HF_POLICY_PLAN_INTERN_H

#include "policy/plan.h"

struct hf_plan_slots {
    uint32_t limit, running, claimed; /* claimed: kept free for one who has waited too long */
};

/* Names of datastores are those of one hypervisor. */
struct hf_plan_datastore {
    struct hf_plan_datastore *next; /* in its bucket */
    const struct hf_config_hypervisor *hypervisor;
    char *name;
    size_t refs; /* VMs that have disks there; with the last one it goes */
    struct hf_plan_slots slots;
};

struct hf_plan_set {
    struct hf_plan_slots **items;
    size_t n;
};

struct hf_plan_vm {
    const struct hf_config_vm *config;
    const struct hf_config_hypervisor *hypervisor; /* NULL: none is configured */
    struct hf_plan_slots *on;                      /* that of the hypervisor, or NULL */
    struct hf_plan_set stores;                     /* its own; empty: all */
    struct hf_plan_datastore **datastores;         /* of its disks, as far as known */
    size_t n_datastores;
    int64_t known_us;                  /* from a run of when */
    struct hf_plan_slots runs, drills; /* one at a time, but for what was loaded */
};

enum hf_plan_outcome { HF_PLAN_NO_OUTCOME, HF_PLAN_GOOD, HF_PLAN_FAILED, HF_PLAN_BUSY };

/* How far the duty is, as in its row of the catalog. */
struct hf_plan_state {
    int64_t served_s, ended_s;
    uint32_t attempts;
    enum hf_plan_outcome outcome; /* of the last attempt for served_s */
    bool was_ahead;               /* served_s was far in the future, and was taken back */
};

struct hf_plan_moment {
    int64_t due_s, start_s;
};

struct hf_plan_next {
    int64_t due_s;
    int64_t
        since_s; /* the start of the first due time that is not served, or of the retry: who waits longest is first */
    int64_t begin_s; /* not before */
    int64_t until_s; /* from then on this is no longer what comes next */
    uint32_t attempt;
    bool has_missed;
};

enum hf_plan_place { HF_PLAN_NOWHERE, HF_PLAN_HEAP, HF_PLAN_LINE };

struct hf_plan_pair {
    const struct hf_policy *policy;
    struct hf_plan_vm *vm;
    const struct hf_plan_set *stores; /* NULL: nothing is sent */
    size_t id;
    bool is_drill, is_loaded, is_running;

    struct hf_plan_state state, before; /* before the attempt that is going on */
    unsigned withdrawn;                 /* attempts in a row of which nothing came */
    int64_t not_before_s;               /* after them */

    bool has_memo;
    int64_t memo_of_s; /* memo: the first due time after it */
    struct hf_plan_moment memo;

    struct hf_plan_next next; /* while it is somewhere */
    enum hf_plan_place place;
    size_t at;
};

/* blocked_by: a limit that it was held up by when last looked at, NULL: none. While there is no room, nothing else matters. */
struct hf_plan_waiting {
    struct hf_plan_pair *pair; /* NULL: a gap */
    const struct hf_plan_slots *blocked_by;
};

#define HF_PLAN_BUCKETS 1024

struct hf_plan {
    const struct hf_config *config;
    int64_t now_s; /* the latest that was seen */

    struct hf_policy *policies;
    size_t n_policies;
    struct hf_plan_vm *vms;
    size_t n_vms;
    struct hf_plan_pair *pairs;
    size_t n_pairs, cap_pairs;
    struct hf_plan_pair **by_name; /* of policy, VM, kind */

    struct hf_plan_slots all;
    struct hf_plan_slots *hypervisors, *stores; /* as in the configuration */
    struct hf_plan_set all_stores, *policy_stores;
    struct hf_plan_datastore *buckets[HF_PLAN_BUCKETS];

    bool is_cold; /* nobody's place is to be trusted */
    struct hf_plan_pair **heap;
    struct hf_plan_waiting *line;
    size_t n_heap, n_line; /* with the gaps */
    size_t cursor;         /* whoever stands before it in line cannot begin until something ends */
    bool is_unsorted;      /* somebody in line stands where he does not belong */
    int64_t line_until_s; /* then somebody in it waits for something else, or has waited too long */
    const struct hf_plan_pair *claimant; /* who has a claim; NULL: nobody */
};

/* ---- plan_next.c ------------------------------------------------------------------------ */

/* Takes back what the pair has from a clock that was ahead. */
void hf_plan_settle(struct hf_plan_pair *pair, int64_t now_s);
void hf_plan_find_next(struct hf_plan_pair *pair, int64_t now_s, struct hf_plan_next *out);
bool hf_plan_is_overdue(struct hf_plan_pair *pair, int64_t now_s);
int64_t hf_plan_interval_s(const struct hf_plan_pair *pair); /* of drills */
/* Nothing came of an attempt, pair->withdrawn times in a row. */
void hf_plan_put_off(struct hf_plan_pair *pair, int64_t now_s);

/* ---- plan_limits.c ---------------------------------------------------------------------- */

int hf_plan_limits_init(struct hf_plan *p, struct hf_err *err) HF_CHECKED;
void hf_plan_limits_free(struct hf_plan *p);
bool hf_plan_has_room(const struct hf_plan_slots *s);
/* The limit that holds the pair up; NULL: none does. */
const struct hf_plan_slots *hf_plan_blocked_by(const struct hf_plan_pair *pair);
/* It waits for another job of its VM, and for no limit. */
bool hf_plan_waits_for_vm(const struct hf_plan_pair *pair);
void hf_plan_take(struct hf_plan *p, struct hf_plan_pair *pair);
void hf_plan_release(struct hf_plan *p, struct hf_plan_pair *pair);
void hf_plan_claim(struct hf_plan *p, const struct hf_plan_pair *pair);
void hf_plan_claim_drop(struct hf_plan *p);
/* Where the runs of this policy for the VM go; NULL: nowhere. */
const struct hf_plan_set *hf_plan_stores_of(const struct hf_plan *p, size_t policy,
                                            const struct hf_plan_vm *vm);
/* One a line. Without memory what was known stays. */
void hf_plan_datastores_set(struct hf_plan *p, struct hf_plan_vm *vm, const char *names);

/* ---- plan_queue.c ----------------------------------------------------------------------- */

/* It is that late, or that early: a clock that was put back is noticed here. */
void hf_plan_see(struct hf_plan *p, int64_t now_s);
/* The pair has something new to wait for. */
void hf_plan_enqueue(struct hf_plan *p, struct hf_plan_pair *pair, int64_t now_s);
/* Something has ended: each may begin now. */
void hf_plan_from_the_front(struct hf_plan *p);
/* A limit is not what it was: nobody knows what held him up. */
void hf_plan_forget_blocks(struct hf_plan *p);
/* It waits no longer. */
void hf_plan_leave(struct hf_plan *p, struct hf_plan_pair *pair);

#endif
