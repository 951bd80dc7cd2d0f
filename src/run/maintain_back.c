/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/path.h"
#include "base/point.h"
#include "run/dump_run.h"
#include "run/maintaining.h"
#include "run/snapshot.h"

#include <inttypes.h>
#include <string.h>

/* Where the snapshot's history ends: its own position, or the earlier end of the bracket it lies in, or where the server
 * stood before it. The earlier one saves too much, never too little. */
static int find_begin(struct maintaining *m, const char **file, int64_t *offset, struct hf_err *err)
{
    static const char *const keys[] = {"position", "position_min"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(keys); i++) {
        struct json_object *p = NULL;
        if (json_object_object_get_ex(m->taken, keys[i], &p) && p)
            return hf_json_get_string(p, "file", file, err) < 0 ||
                           hf_json_get_int(p, "offset", offset, err) < 0
                       ? -1
                       : 0;
    }
    *file = m->begin.file;
    *offset = (int64_t)m->begin.offset;
    return 0;
}

static int save(struct maintaining *m, struct hf_err *err)
{
    const struct hf_run *run = m->run;
    const char *file = NULL;
    int64_t offset = 0;
    if (!m->can_save)
        return hf_fail(err, HF_E_UNSUPPORTED, "%s", m->why_not_save);
    if (find_begin(m, &file, &offset, err) < 0)
        return -1;
    HF_POINT("maintain.before_save");
    if (hf_saved_writes_take(&m->saved, &m->inner, run->vm, run->found.id, run->id, file,
                             (uint64_t)offset, err) < 0)
        return -1;
    HF_POINT("maintain.after_save");
    hf_log(run->env->log, HF_LOG_INFO, "maintain", "the writes since the snapshot are saved in %s",
           m->saved.dir);
    return m->saved.gap ? maintaining_warn(m, err, "%s", m->saved.gap) : 0;
}

/* A help for whoever looks for what was written, and no more: commits go on meanwhile, and the disks are set aside anyway. */
static int dump_instead(struct maintaining *m, struct hf_err *err)
{
    const struct hf_run *run = m->run;
    struct hf_err why = HF_ERR_INIT;
    HF_AUTOJSON struct json_object *doc = NULL;
    if (run->vm->db.kind != HF_DB_TCP && run->vm->db.kind != HF_DB_SSH)
        return 0;
    HF_AUTOFREE char *dir = hf_saved_writes_make_dir(run->env, run->id, &why);
    HF_AUTOFREE char *dump = hf_path_join(dir ? dir : "", "dump");
    if (!dump)
        return hf_fail_nomem(err);
    struct hf_run_dump req = {.vm = run->vm->label, .dir = dump};
    if (!dir || hf_run_dump(&m->inner, &req, &doc, &why) < 0)
        return maintaining_warn(m, err, "nor could the databases be dumped: %s", why.message);
    m->dump = HF_STEAL(dump);
    return 0;
}

/* Unsaved writes are a loss that somebody must have agreed to: by --discard-writes, or when asked. */
static int save_or_agree(struct maintaining *m, bool *out_saved, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    *out_saved = save(m, &why) == 0;
    if (*out_saved)
        return 0;
    bool was_told = !m->can_save && m->req->ask;
    if (m->req->discard_writes || was_told)
        return maintaining_warn(m, err, "the writes since the snapshot were not saved: %s",
                                why.message) < 0
                   ? -1
                   : dump_instead(m, err);
    hf_saved_writes_release(&m->saved);
    hf_err_copy(err, &why);
    hf_wrap(err, "nothing was rolled back: the writes since the snapshot cannot be saved");
    return hf_hint(err, "`holdfast snapshot rollback %s %s` goes back without them.",
                   m->run->vm->label, m->snapshot);
}

static int try_again(struct maintaining *m, struct hf_err *err)
{
    const struct hf_run *run = m->run;
    if (hf_probing_init(&m->after, &m->inner, run->vm, run->found.id, run->id, err) < 0)
        return -1;
    m->has_after = true;
    if (hf_probing_run(&m->after, run->vm->probe_grace))
        return 0;
    return maintaining_warn(m, err, "after the rollback %zu of %zu probes do not pass",
                            hf_probing_failed(&m->after), run->vm->probe.n);
}

int maintaining_go_back(struct maintaining *m, struct hf_err *err)
{
    bool is_saved = false;
    m->inner.cancel = NULL; /* the decision is made */
    if (maintaining_phase(m, "saving", err) < 0 || save_or_agree(m, &is_saved, err) < 0 ||
        maintaining_phase(m, "rollback", err) < 0)
        return -1;
    struct hf_snapshot_rollback req = {.vm = m->run->vm->label,
                                       .name = m->snapshot,
                                       .keep_current = m->req->keep_current || !is_saved};
    HF_POINT("maintain.before_rollback");
    int rc = hf_run_snapshot_rollback(&m->inner, &req, &m->rollback, err);
    hf_saved_writes_release(&m->saved);
    if (rc < 0)
        return hf_wrap(err, "rollback of %s", m->run->vm->label);
    HF_POINT("maintain.after_rollback");
    return try_again(m, err);
}
