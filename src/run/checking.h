/* SPDX-License-Identifier: Apache-2.0
 *
 * run/checking.h - the parts of `check`, each in a file of its own. For src/run only.
 */
#ifndef HF_RUN_CHECKING_H
#define HF_RUN_CHECKING_H

#include "base/id.h"
#include "base/strv.h"
#include "db/conn.h"
#include "run/check.h"
#include "run/way.h"

#define CHECK_QUERY_MS 10000

/* What was looked for of one kind, for all apps of the VM. */
struct check_looked {
    bool done; /* else nobody could look */
    struct hf_strv missing;
};
void check_looked_free(struct check_looked *l);

struct checking {
    const struct hf_env *env;
    const struct hf_config_vm *vm;
    hf_finding_cb emit;
    void *ctx;
    struct hf_hv *hv;
    struct hf_vm_copy found; /* id NULL: not found */
    struct hf_way way;
    char id[HF_ID_MAX]; /* of this check, for what it opens */
    bool has_guest;     /* a program can be run in the guest */
    bool has_db;        /* the database can be reached */
    struct check_looked units, paths, schemas;
    struct hf_strv plan_told; /* what plans of captures said */
};

int check_tell(struct checking *c, const char *area, enum hf_finding_level level,
               const char *message, const char *hint, struct hf_err *err);
/* A failure as a finding. */
int check_tell_err(struct checking *c, const char *area, const struct hf_err *what,
                   struct hf_err *err);
HF_PRINTF(5, 6)
int check_tellf(struct checking *c, const char *area, enum hf_finding_level level,
                struct hf_err *err, const char *fmt, ...);
int check_tell_each(struct checking *c, const char *area, enum hf_finding_level level,
                    const struct hf_strv *lines, const char *hint, struct hf_err *err);
int64_t check_deadline_ms(const struct checking *c);

/* check_guest.c: the channel, its clock, services, freeze, dead-men */
int check_guest(struct checking *c, struct hf_err *err);
/* … and whether what is needed lies on disks that are captured */
int check_coverage(struct checking *c, struct hf_err *err);
/* check_apps.c: looks for what the VM's apps name, in the guest and in the database; what is missing is told by check_apps
 * alone, with the app that names it */
int check_apps_guest(struct checking *c, struct hf_err *err);
int check_apps_schemas(struct checking *c, struct hf_db_conn *db, struct hf_err *err);
int check_apps(struct checking *c, struct hf_err *err);
/* check_probes.c */
int check_probes(struct checking *c, struct hf_err *err);
/* check_stores.c: those that its backups go to */
int check_stores(struct checking *c, struct hf_err *err);
/* check_db.c */
int check_database(struct checking *c, struct hf_err *err);

#endif
