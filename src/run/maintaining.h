/* SPDX-License-Identifier: Apache-2.0
 *
 * run/maintaining.h - one maintenance under way: shared by maintain*.c, for src/run only.
 */
#ifndef HF_RUN_MAINTAINING_H
#define HF_RUN_MAINTAINING_H

#include "run/command.h"
#include "run/maintain.h"
#include "run/run.h"
#include "run/saved_writes.h"

struct maintaining {
    struct hf_run *run;
    struct hf_env inner; /* for the runs inside: they borrow the lock */
    const struct hf_maintain *req;
    uint64_t phase_seq;
    struct json_object *taken; /* the report of the snapshot */
    const char *snapshot;      /* its name, borrowed from taken; NULL: not taken yet */
    char *log;
    bool has_run; /* the command */
    struct hf_command_result command;
    struct hf_probing before, after; /* after the change; after the way back */
    bool has_after;
    bool can_save; /* the writes since: as far as was known before the change */
    char why_not_save[HF_ERR_MESSAGE_MAX];
    struct hf_db_position begin; /* where the server stood before the snapshot */
    struct hf_saved_writes saved;
    char *
        dump; /* directory of a dump of the state that was left, where its writes could not be saved; or NULL */
    struct json_object *rollback; /* its report */
    char *why;                    /* what failed, or NULL */
    bool is_alone;                /* the terminal is lost: nobody is there to be asked */
    struct hf_strv warnings;
};

int maintaining_warn(struct maintaining *m, struct hf_err *err, const char *fmt, ...)
    HF_PRINTF(3, 4);
/* The journal says how far it came, durably. */
int maintaining_phase(struct maintaining *m, const char *phase, struct hf_err *err) HF_CHECKED;

/* maintain_before.c: refuses what would go wrong */
int maintaining_check(struct maintaining *m, struct hf_err *err) HF_CHECKED;
/* maintain_back.c: save, roll back, try the probes. -1: the VM is as the rollback's error says, or as it was. */
int maintaining_go_back(struct maintaining *m, struct hf_err *err) HF_CHECKED;
/* maintain_report.c: to be put */
struct json_object *maintaining_report(const struct maintaining *m,
                                       enum hf_maintain_outcome outcome, struct hf_err *err)
    HF_CHECKED;

#endif
