/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/adopt.h"

#include "net/json.h"

#include <string.h>

#define LOOK_BACK 50 /* runs of the VM: those by hand since the attempt began */

enum hf_adoption hf_adopt(const struct hf_duty *d, bool is_alive, const struct hf_catalog_run *run)
{
    if (d->pid == 0)
        return HF_ADOPT_WITHDRAW; /* it was never let go */
    if (is_alive)
        return HF_ADOPT_WATCH;
    return run ? HF_ADOPT_JUDGE : HF_ADOPT_WITHDRAW;
}

static bool is_verb_of(const char *kind, const char *verb)
{
    if (strcmp(kind, HF_DUTY_DRILL) == 0)
        return strcmp(verb, "drill") == 0;
    return strcmp(verb, "backup") == 0 || strcmp(verb, "snapshot create") == 0;
}

/* One that ended well says for which policy. */
static bool is_for_another(const struct hf_duty *d, const struct hf_catalog_run *run)
{
    struct hf_err none = HF_ERR_INIT;
    const char *policy = NULL;
    bool is_good = run->outcome &&
                   (strcmp(run->outcome, "done") == 0 || strcmp(run->outcome, "degraded") == 0);
    HF_AUTOJSON struct json_object *doc =
        run->report ? hf_json_parse(run->report, strlen(run->report), &none) : NULL;
    if (!doc || hf_json_opt_string(doc, "policy", &policy, &none) < 0 || !policy)
        return is_good;
    return strcmp(policy, d->policy) != 0;
}

bool hf_adopt_is_of(const struct hf_duty *d, const struct hf_catalog_run *run)
{
    if (strcmp(run->vm, d->vm) != 0 || !is_verb_of(d->kind, run->verb) ||
        run->started_us < d->began_us)
        return false;
    if (strcmp(d->kind, HF_DUTY_DRILL) == 0)
        return true; /* whoever had it made: the point was drilled */
    return !is_for_another(d, run);
}

struct search {
    const struct hf_duty *duty;
    struct hf_outcome *out;
};

/* The rows come newest first, and ours is the oldest that it can be: it began right behind the duty's row. */
static int look_at(void *ctx, const struct hf_catalog_run *run, struct hf_err *err)
{
    struct search *s = ctx;
    if (!hf_adopt_is_of(s->duty, run) || hf_adopt(s->duty, false, run) != HF_ADOPT_JUDGE)
        return 0;
    return hf_outcome_of_run(s->duty->kind, run, s->out, err);
}

int hf_adopt_find(struct hf_catalog *c, const struct hf_duty *d, struct hf_outcome *out,
                  struct hf_err *err)
{
    struct search s = {d, out};
    hf_outcome_free(out);
    return hf_catalog_runs(c, d->vm, LOOK_BACK, look_at, &s, err);
}
