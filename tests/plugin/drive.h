/* SPDX-License-Identifier: Apache-2.0
 *
 * drive.h - what the files of plugin_drive share.
 */
#ifndef HF_TEST_DRIVE_H
#define HF_TEST_DRIVE_H

#include "hypervisor/hv.h"

struct drive {
    struct hf_hv *hv;
    struct hf_cancel *cancel;
    int64_t limit_ms;
};

struct hf_hv_call call_of(const struct drive *d);

/* drive_machine.c. A plan is kept in two files, PLAN.xml and PLAN.token. */
int do_machine_plan(struct drive *d, char **args, struct hf_err *err);
int do_machine_pushed(struct drive *d, char **args, struct hf_err *err);
int do_machine_create(struct drive *d, char **args, struct hf_err *err);
int do_machine_start(struct drive *d, char **args, struct hf_err *err);
int do_machine_settle(struct drive *d, char **args, struct hf_err *err);
int do_machine_destroy(struct drive *d, char **args, struct hf_err *err);
int do_machine_list(struct drive *d, char **args, struct hf_err *err);

/* drive_pushed.c */
void tell_pushed(const struct hf_pushed_copy *p);
int do_pushed(struct drive *d, char **args, struct hf_err *err);
int do_pushed_delete(struct drive *d, char **args, struct hf_err *err);

#endif
