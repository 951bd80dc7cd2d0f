/* SPDX-License-Identifier: Apache-2.0
 *
 * drill/drill_intern.h - what the steps of a drill share, for src/drill only.
 *
 * Steps return -1 with err when no drill can be made; what speaks against the point is noted in checks, and they return 0.
 */
#ifndef HF_DRILL_DRILL_INTERN_H
#define HF_DRILL_DRILL_INTERN_H

#include "base/buf.h"
#include "db/conn.h"
#include "drill/checks.h"
#include "drill/drill.h"
#include "restore/serve.h"
#include "run/point_open.h"
#include "run/run.h"
#include "run/way.h"

#include <pthread.h>

/* What looks after the session while a statement is away: cuts it off when somebody cancels or a disk cannot be read. */
struct drill_watch {
    struct hf_db_conn *conn; /* NULL: nobody is watched */
    pthread_t thread;
    int wake_fd;
};

struct drill {
    const struct hf_env *env;
    const struct hf_drill *req;
    struct hf_open_point point;
    const struct hf_manifest *m;
    struct hf_run run;
    struct hf_config_vm
        vm;            /* the section, with the ways into the machine that is booted; borrows */
    char loopback[16]; /* its db.host */
    struct hf_vm_probe *probes; /* of it: those that lead into the guest */
    char *name, *dir;
    bool
        is_pushed; /* its disks are in a backup that the hypervisor keeps: nothing is served, and dir is "" */
    struct hf_buf definition;
    struct hf_hv_machine_plan plan;
    struct hf_serving **serving; /* of each disk */
    size_t n_serving;
    struct hf_way way;
    struct hf_db_conn *db; /* NULL: it never answered, or is lost */
    struct drill_watch watch;
    struct hf_strv schemas, tables, types; /* of the users' base tables, side by side */
    struct hf_drill_checks checks;
    struct hf_strv warnings;
    bool
        is_deaf; /* the last try failed by this host or its hypervisor, which says nothing of the point */
    bool is_up;        /* the database answered */
    bool is_written;   /* something in the guest wrote before we looked */
    bool is_quiet;     /* its services were stopped */
    bool found_damage; /* of the copy on the store */
    int64_t begun_ms, started_ms, agent_ms, recovered_ms,
        compared_ms; /* monotonic; 0: not come to */
};

bool drill_has_failed(const struct drill *d);

/* ---- drill_boot.c: from the point to a machine that runs ---- */

/* Label of the hypervisor's section that boots it, once prepared; NULL: the VM's own. */
const char *drill_host(const struct drill *d);
/* How the machine is reached; refuses what cannot be drilled. */
int drill_prepare(struct drill *d, struct hf_err *err) HF_CHECKED;
/* Changes nothing. 0 also where the definition is damaged, which is noted. */
int drill_plan(struct drill *d, struct hf_err *err) HF_CHECKED;
int drill_boot(struct drill *d, struct hf_err *err) HF_CHECKED;
void drill_log_findings(const struct drill *d);
/* What is wrong with the data is the point's fault, and noted: 0; what is wrong with the host is not: -1. */
int drill_blame_point(struct drill *d, struct hf_err *err) HF_CHECKED;
/* The disks are no longer served. */
void drill_end_serving(struct drill *d);
/* 1: a disk could not be read because of what is on the store, and that is noted; 0; -1: because of something else, so that nothing is
 * known of the point. */
int drill_note_disks(struct drill *d, struct hf_err *err) HF_CHECKED;

/* ---- drill_pushed.c: the same from a backup that the hypervisor keeps, on disks of its own ---- */

int drill_plan_pushed(struct drill *d, struct hf_err *err) HF_CHECKED;
int drill_create_pushed(struct drill *d, struct hf_err *err) HF_CHECKED;

/* ---- drill_db.c: until the database answers ---- */

int drill_await_db(struct drill *d, struct hf_err *err) HF_CHECKED;
void drill_close_db(struct drill *d);
/* A statement of a check failed: 0 when that says something of the point or of our rights, and the check can note it; -1: somebody
 * cancels. A session that was lost is closed. */
int drill_heed(struct drill *d, const struct hf_err *why, struct hf_err *err) HF_CHECKED;

/* ---- drill_quiet.c: services of the guest, at rest while its tables are compared, at work for its probes ---- */

/* A guest that refuses is a warning. */
void drill_quiet(struct drill *d);
void drill_wake(struct drill *d);

/* ---- drill_position.c, drill_tables.c, drill_dump.c, drill_probes.c ---- */

/* Into schemas and tables. */
int drill_list_tables(struct drill *d, struct hf_err *err) HF_CHECKED;
int drill_compare_position(struct drill *d, struct hf_err *err) HF_CHECKED;
int drill_compare_dump(struct drill *d, struct hf_err *err) HF_CHECKED;
int drill_check_tables(struct drill *d, struct hf_err *err) HF_CHECKED;
int drill_probe(struct drill *d, struct hf_err *err) HF_CHECKED;

/* ---- drill_report.c ---- */

struct json_object *drill_report(const struct drill *d, bool passed, const char *why,
                                 struct hf_err *err) HF_CHECKED;
int drill_record(struct drill *d, bool passed, const char *why, struct json_object *doc,
                 struct hf_err *err) HF_CHECKED;

#endif
