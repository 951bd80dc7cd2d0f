/* SPDX-License-Identifier: Apache-2.0
 *
 * run/effects_intern.h - the undo of each kind of effect: shared by effects*.c, for src/run only.
 *
 * Each takes the journal entry's data and says what it did (hf_undo_say), or -1 with err->left naming what is still there.
 */
#ifndef HF_RUN_EFFECTS_INTERN_H
#define HF_RUN_EFFECTS_INTERN_H

#include "run/effects.h"

/* u->hv, opened if it is not yet; waits for one that has not come back from a call. */
int hf_undo_need_hv(struct hf_undo *u, struct hf_err *err) HF_CHECKED;
/* The same for the hypervisor of this section. */
int hf_undo_need_hv_of(struct hf_undo *u, const char *hypervisor, struct hf_err *err) HF_CHECKED;
/* One line of u->actions and of the log: "TEXT WHAT". */
int hf_undo_say(struct hf_undo *u, struct hf_err *err, const char *text, const char *what)
    HF_CHECKED;

/* m: borrowed from data. */
int hf_effect_read_machine(struct json_object *data, struct hf_effect_machine *m,
                           struct hf_err *err) HF_CHECKED;

int hf_effect_undo_snapshot(struct hf_undo *u, const char *run_id, struct json_object *data,
                            struct hf_err *err) HF_CHECKED;
int hf_effect_undo_export(struct hf_undo *u, const char *run_id, struct json_object *data,
                          struct hf_err *err) HF_CHECKED;
int hf_effect_name_export(struct hf_undo *u, const char *run_id, struct json_object *data,
                          struct hf_err *err) HF_CHECKED;
int hf_effect_finish_delete(struct hf_undo *u, const char *run_id, struct json_object *data,
                            struct hf_err *err) HF_CHECKED;
int hf_effect_undo_rollback(struct hf_undo *u, const char *run_id, struct json_object *data,
                            struct hf_err *err) HF_CHECKED;
int hf_effect_finish_rollback(struct hf_undo *u, const char *run_id, struct json_object *data,
                              struct hf_err *err) HF_CHECKED;
int hf_effect_undo_machine(struct hf_undo *u, const char *run_id, struct json_object *data,
                           struct hf_err *err) HF_CHECKED;
int hf_effect_finish_machine(struct hf_undo *u, const char *run_id, struct json_object *data,
                             struct hf_err *err) HF_CHECKED;
int hf_effect_undo_served(struct hf_undo *u, const char *run_id, struct json_object *data,
                          struct hf_err *err) HF_CHECKED;
/* Whether to go back is somebody's decision: nothing is undone, and the snapshot stays. */
int hf_effect_leave_maintenance(struct hf_undo *u, const char *run_id, struct json_object *data,
                                struct hf_err *err) HF_CHECKED;

#endif
