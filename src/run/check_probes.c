/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "db/binlog.h"
#include "run/checking.h"
#include "run/probe.h"

#include <inttypes.h>

/* Only a rollback needs it, and whoever has probes means to roll back by them. */
static int check_saving(struct checking *c, struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    if (!c->has_db)
        return 0;
    struct hf_db_target target = hf_way_db_target(&c->way);
    HF_AUTO(hf_db_conn) struct hf_db_conn *db = hf_db_open(&target, &what);
    if (db && hf_db_binlog_check(db, &what) == 0)
        return check_tell(c, "rights", HF_FINDING_OK,
                          "the writes since a snapshot could be saved before a rollback", NULL,
                          err);
    HF_AUTOFREE char *text = hf_asprintf(
        "the writes since a snapshot could not be saved before a rollback: %s", what.message);
    if (!text)
        return hf_fail_nomem(err);
    return check_tell(c, "rights", HF_FINDING_WARN, text, what.hint[0] ? what.hint : NULL, err);
}

/* A snapshot does not need them, so that none is a failure here; `maintain` refuses where one does not pass. */
int check_probes(struct checking *c, struct hf_err *err)
{
    HF_AUTO(hf_probing) struct hf_probing p = {0};
    if (!c->vm->probe.n)
        return 0;
    if (check_saving(c, err) < 0)
        return -1;
    if (hf_probing_init(&p, c->env, c->vm, c->found.id, c->id, err) < 0)
        return -1;
    hf_probing_run(&p, 0);
    for (size_t i = 0; i < c->vm->probe.n; i++) {
        const struct hf_probe_result *r = &p.results[i];
        HF_AUTOFREE char *text =
            r->ok ? hf_asprintf("%s: passes, in %" PRId64 " ms", r->probe->text, r->took_ms)
                  : hf_asprintf("%s: does not pass: %s", r->probe->text, r->message);
        if (!text)
            return hf_fail_nomem(err);
        if (check_tell(c, HF_FINDING_PROBES, r->ok ? HF_FINDING_OK : HF_FINDING_WARN, text,
                       "`holdfast maintain` refuses to begin a change before all probes pass.",
                       err) < 0)
            return -1;
    }
    return 0;
}
