/* SPDX-License-Identifier: Apache-2.0 */
#include "run/maintenance.h"

#include "base/buf.h"
#include "run/snapshot.h"

#include <string.h>

#define RUNS_LOOKED_AT 100

int hf_maintenance_advise(const char *vm, const char *run_id, struct json_object *data,
                          struct hf_strv *lines, struct hf_err *err)
{
    const char *snapshot = NULL, *phase = NULL;
    if (hf_json_opt_string(data, "snapshot", &snapshot, err) < 0 ||
        hf_json_opt_string(data, "phase", &phase, err) < 0)
        return -1;
    if (!snapshot)
        return hf_strv_take(
                   lines,
                   hf_asprintf("maintenance %s of %s ended before its command was begun; `holdfast "
                               "snapshot list %s` shows whether its snapshot was taken",
                               run_id, vm, vm)) < 0
                   ? hf_fail_nomem(err)
                   : 0;
    if (hf_strv_take(lines, hf_asprintf("maintenance %s of %s did not end well (%s): everything "
                                        "stays until somebody decides",
                                        run_id, vm, phase ? phase : "after its command")) < 0 ||
        hf_strv_take(
            lines, hf_asprintf("to go back: holdfast snapshot rollback %s %s", vm, snapshot)) < 0 ||
        hf_strv_take(lines, hf_asprintf("to keep what is there: holdfast snapshot delete %s %s", vm,
                                        snapshot)) < 0)
        return hf_fail_nomem(err);
    return 0;
}

struct search {
    bool is_over; /* newest first: what comes later is older, and decided */
    struct json_object *report;
    char run_id[64];
};

static int look_at_run(void *ctx, const struct hf_catalog_run *r, struct hf_err *err)
{
    struct search *s = ctx;
    struct hf_err ignored = HF_ERR_INIT;
    (void)err;
    const char *outcome = r->outcome ? r->outcome : "";
    if (s->is_over)
        return 0;
    bool is_maintenance = strcmp(r->verb, HF_MAINTAIN_VERB) == 0;
    s->is_over =
        is_maintenance || (strcmp(r->verb, HF_VERB_ROLLBACK) == 0 && strcmp(outcome, "done") == 0);
    if (!is_maintenance || !r->report ||
        (strcmp(outcome, HF_MAINTENANCE_UNFINISHED) != 0 &&
         strcmp(outcome, HF_MAINTENANCE_FAILED_KEPT) != 0))
        return 0;
    snprintf(s->run_id, sizeof s->run_id, "%s", r->id);
    s->report = hf_json_parse(r->report, strlen(r->report), &ignored);
    return 0;
}

struct presence {
    const char *name;
    bool is_there;
};

static int look_at_snapshot(void *ctx, const struct hf_catalog_snapshot *s, struct hf_err *err)
{
    struct presence *p = ctx;
    (void)err;
    p->is_there = p->is_there || strcmp(s->name, p->name) == 0;
    return 0;
}

int hf_maintenance_undecided(struct hf_catalog *c, const char *vm, struct hf_strv *lines,
                             struct hf_err *err)
{
    struct search s = {0};
    struct presence p = {0};
    if (hf_catalog_runs(c, vm, RUNS_LOOKED_AT, look_at_run, &s, err) < 0)
        return -1;
    HF_AUTOJSON struct json_object *report = s.report;
    if (report && hf_json_opt_string(report, "snapshot", &p.name, err) < 0)
        return -1;
    if (!p.name)
        return 0;
    if (hf_catalog_snapshots(c, vm, false, look_at_snapshot, &p, err) < 0)
        return -1;
    return p.is_there ? hf_maintenance_advise(vm, s.run_id, report, lines, err) : 0;
}
