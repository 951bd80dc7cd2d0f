/* SPDX-License-Identifier: Apache-2.0
 *
 * run/saved_writes.h - what a VM's database took since a snapshot, kept before the VM goes back.
 *
 * STATE/saved/RUN (0700) gets the binlog of the span (db/binlog.h). The server's commits are blocked first and stay so until
 * the session is closed or its machine is off: nothing acknowledged is missing. Where that lock is not to be had in time,
 * saving goes on without, and says so.
 * A failure leaves what was saved so far where it is.
 */
#ifndef HF_RUN_SAVED_WRITES_H
#define HF_RUN_SAVED_WRITES_H

#include "db/binlog.h"
#include "db/position.h"
#include "run/way.h"

struct hf_saved_writes {
    struct hf_way way;         /* the session's */
    struct hf_db_conn *holder; /* blocks commits; NULL: nothing is held */
    char *dir;                 /* NULL: nothing was saved */
    struct hf_strv files;      /* names in dir */
    uint64_t bytes;
    char *gap; /* what may be missing, or NULL */
};

/* Can it be done, and where does the server stand? UNSUPPORTED, AUTH: no, with the reason. */
int hf_saved_writes_check(const struct hf_env *env, const struct hf_config_vm *vm,
                          const char *vm_id, const char *run_id, struct hf_db_position *out,
                          struct hf_err *err) HF_CHECKED;
/* STATE/saved/RUN, which then exists and stays after a crash; to be freed. */
char *hf_saved_writes_make_dir(const struct hf_env *env, const char *run_id, struct hf_err *err)
    HF_CHECKED;
int hf_saved_writes_take(struct hf_saved_writes *s, const struct hf_env *env,
                         const struct hf_config_vm *vm, const char *vm_id, const char *run_id,
                         const char *file, uint64_t offset, struct hf_err *err) HF_CHECKED;
/* Lets the server go; what is known stays. */
void hf_saved_writes_release(struct hf_saved_writes *s);
void hf_saved_writes_free(struct hf_saved_writes *s);
HF_DEFINE_AUTO_VALUE(hf_saved_writes, hf_saved_writes_free)

#endif
