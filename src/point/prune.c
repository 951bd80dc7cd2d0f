/* SPDX-License-Identifier: Apache-2.0 */
#include "base/point.h"
#include "point/prune_intern.h"

#include <stdlib.h>

#define LOCK "prune"

static int begin(struct hf_prune *p, struct hf_err *err)
{
    if (p->opts.is_dry)
        return 0;
    p->lock = hf_vmlock_take(p->site->dir, LOCK, p->opts.run_id, err);
    return p->lock ? hf_prune_finish_dead(p, err) : hf_wrap(err, "another prune");
}

struct hf_prune *hf_prune_begin(const struct hf_prune_opts *opts, struct hf_err *err)
{
    HF_AUTO(hf_prune) struct hf_prune *p = calloc(1, sizeof *p);
    if (!p) {
        hf_fail_nomem(err);
        return NULL;
    }
    p->opts = *opts;
    p->site = opts->site;
    return begin(p, err) < 0 ? NULL : HF_STEAL(p);
}

static bool is_open(const struct hf_journal *j)
{
    for (size_t i = 0; i < hf_journal_count(j); i++)
        if (!hf_journal_at(j, i)->is_undone)
            return true;
    return false;
}

/* One that does not end, or whose file stays, is looked at by the next prune: that costs it nothing. */
static void end_journal(struct hf_journal *j)
{
    struct hf_err err = HF_ERR_INIT;
    HF_POINT("prune.before_end");
    if (!is_open(j) && hf_journal_end(j, "done", &err) == 0 && hf_journal_finish(j, &err) < 0)
        hf_err_clear(&err);
}

void hf_prune_end(struct hf_prune *p)
{
    if (!p)
        return;
    if (p->journal)
        end_journal(p->journal);
    hf_journal_close(p->journal);
    hf_vmlock_release(p->lock);
    hf_prune_view_free(&p->view);
    hf_points_free(&p->deleted);
    free(p);
}

int hf_prune_points(struct hf_prune *p, const struct hf_prune_points **out, struct hf_err *err)
{
    if (!p->has_view && hf_prune_look(p, &p->view, err) < 0)
        return -1;
    p->has_view = true;
    *out = &p->view.points;
    return 0;
}
