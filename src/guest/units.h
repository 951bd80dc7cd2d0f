/* SPDX-License-Identifier: Apache-2.0
 *
 * guest/units.h - what systemd in the guest says of its units.
 *
 * One call of systemctl for all of them: each costs a round trip of tens of milliseconds. What comes back is the guest's:
 * names are checked before anything else sees them, sizes and counts are bounded, nonsense is CORRUPT.
 */
#ifndef HF_GUEST_UNITS_H
#define HF_GUEST_UNITS_H

#include "base/strv.h"
#include "guest/guest.h"

#include <stdbool.h>

#define HF_UNITS_MAX 128 /* in one answer, and names of one kind of a unit */
#define HF_UNIT_WORD_MAX 32

enum hf_unit_load { HF_UNIT_LOADED, HF_UNIT_NOT_FOUND, HF_UNIT_MASKED, HF_UNIT_BROKEN };
enum hf_unit_state {
    HF_UNIT_ACTIVE, /* or reloading */
    HF_UNIT_INACTIVE,
    HF_UNIT_FAILED,
    HF_UNIT_ACTIVATING,
    HF_UNIT_DEACTIVATING,
    HF_UNIT_OTHER, /* maintenance, and what is not known yet */
};

struct hf_unit {
    char *id;                  /* its real name */
    struct hf_strv names;      /* all of them: aliases, too */
    struct hf_strv wakers;     /* sockets, timers, paths that start it */
    struct hf_strv dependents; /* units that systemd stops with it, and does not start with it */
    enum hf_unit_load load;
    enum hf_unit_state state;
    char load_word[HF_UNIT_WORD_MAX], state_word[HF_UNIT_WORD_MAX], sub[HF_UNIT_WORD_MAX];
    char type[HF_UNIT_WORD_MAX], result[HF_UNIT_WORD_MAX];
    char enabled[HF_UNIT_WORD_MAX];        /* as UnitFileState */
    char invocation[HF_UNIT_WORD_MAX + 1]; /* 32 hex digits; empty: systemd does not remember one */
    int64_t main_pid;                      /* 0: none */
    int64_t tasks;                         /* -1: not counted */
    int64_t exit_status;                   /* of the main process that ended */
    bool has_group;                        /* it has a control group still */
    bool is_transient, cannot_start, cannot_stop;
};

struct hf_unit_list {
    struct hf_unit *items;
    size_t n;
};
#define HF_UNIT_LIST_INIT                                                                          \
    {                                                                                              \
        0                                                                                          \
    }
void hf_unit_list_free(struct hf_unit_list *l);
HF_DEFINE_AUTO_VALUE(hf_unit_list, hf_unit_list_free)

/* The unit with this name, aliases too; NULL: none. */
const struct hf_unit *hf_unit_list_find(const struct hf_unit_list *l, const char *name);

bool hf_unit_runs(const struct hf_unit *u);     /* active, or about to be */
bool hf_unit_is_idle(const struct hf_unit *u);  /* inactive or failed */
bool hf_unit_is_empty(const struct hf_unit *u); /* no main process, nothing in its control group */
bool hf_unit_has_type(const struct hf_unit *u, const char *suffix); /* ".socket" */

/* What `systemctl show` printed. CORRUPT: it cannot have been that. out is empty before. */
int hf_units_parse(const char *text, size_t len, struct hf_unit_list *out, struct hf_err *err)
    HF_CHECKED;
/* One unit per name, in the same order; twice the same unit where two names are one. Units that do not exist are in it
 * (HF_UNIT_NOT_FOUND). CONFIG: a name that is none. UNSUPPORTED: no systemd in the guest. */
int hf_units_show(struct hf_guest *g, const struct hf_strv *names, int64_t deadline_ms,
                  struct hf_unit_list *out, struct hf_err *err) HF_CHECKED;
/* Stops one, waits until it is down, and looks at it: one unit in out. */
int hf_units_stop_one(struct hf_guest *g, const char *name, int64_t deadline_ms,
                      struct hf_unit_list *out, struct hf_err *err) HF_CHECKED;

#endif
