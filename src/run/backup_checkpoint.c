/* SPDX-License-Identifier: Apache-2.0
 *
 * What the hypervisor keeps for the next backup: one checkpoint per VM, that of its newest point.
 *
 * It is made with the capture and goes with it when the run fails: one journal entry for both (effects.h, export). The older
 * ones are deleted when the point counts, so that there is always one which belongs to a point. A death in between leaves one
 * too many, to which nobody refers any more: the next backup deletes it, as it does with those of runs that were lost.
 */
#include "base/buf.h"
#include "base/point.h"
#include "run/backup_intern.h"

#define DROP_MS 60000

const char *backup_checkpoint(const struct backup *b)
{
    return b->creation->plan.leaves_checkpoint ? b->creation->name : NULL;
}

static bool has_internal_snapshots(const struct backup *b)
{
    for (size_t i = 0; i < b->all_disks.n; i++)
        if (b->all_disks.items[i].flags & HF_DISK_INTERNAL_SNAPSHOTS)
            return true;
    return false;
}

/* Of a VM that is off no checkpoint can be made, and the one that it has goes on knowing what changes. */
static bool is_older_one_of_use(const struct backup *b)
{
    enum hf_checkpoint_use use = b->run->vm->checkpoint;
    return b->run->found.state == HF_VM_OFF && use != HF_CHECKPOINT_NEVER &&
           (use == HF_CHECKPOINT_ALWAYS || !has_internal_snapshots(b));
}

/* The document has the warnings of before. */
static void warn(struct backup *b, struct json_object *doc, const struct hf_err *why)
{
    struct hf_err ignored = HF_ERR_INIT;
    HF_AUTOFREE char *text =
        hf_asprintf("older checkpoints are not deleted, the next backup tries again: %s%s%s",
                    why->message, why->hint[0] ? " " : "", why->hint);
    if (!text || creation_warn(b->creation, text, &ignored) < 0 ||
        hf_json_add(doc, "warnings", hf_json_strings(&b->creation->warnings)) < 0)
        hf_log_err(b->run->env->log, HF_LOG_WARN, "backup", why);
}

void backup_drop_checkpoints(struct backup *b, struct json_object *doc)
{
    const struct hf_run *run = b->run;
    struct hf_err why = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv dropped = HF_STRV_INIT;
    const char *keep = backup_checkpoint(b);
    if (!keep && is_older_one_of_use(b))
        return;
    HF_POINT("backup.before_checkpoint_drop");
    struct hf_hv_call call = hf_env_call(run->env, run->id, DROP_MS);
    if (hf_hv_checkpoint_drop(run->hv, &call, run->found.id, keep, &dropped, &why) < 0) {
        /* A hypervisor without checkpoints has none that are older. */
        if (keep || why.cls != HF_E_UNSUPPORTED)
            warn(b, doc, &why);
        return;
    }
    for (size_t i = 0; i < dropped.n; i++)
        hf_log(run->env->log, HF_LOG_DETAIL, "backup", "checkpoint %s is deleted",
               dropped.items[i]);
    HF_POINT("backup.after_checkpoint_drop");
}
