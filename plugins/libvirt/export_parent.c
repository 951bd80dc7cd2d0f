/* SPDX-License-Identifier: Apache-2.0 */
#include "checkpoint_words.h"
#include "checkpoints.h"
#include "export.h"
#include "image.h"

#include <string.h>

struct parent {
    struct hf_instance *in;
    const struct hf_call *call;
    virDomainPtr dom;
    const struct lv_vm *vm;
    struct lv_export *e;
    bool is_newest;
    char *words;          /* what it says of itself; NULL: it is gone */
    struct hf_strv whole; /* the disks that it has a whole bitmap of; while the VM runs */
};

static void parent_drop(struct parent *p)
{
    free(p->words);
    hf_strv_free(&p->whole);
}
HF_DEFINE_AUTO_VALUE(parent, parent_drop)

static int look_at_it(struct parent *p, struct hf_err *err)
{
    bool is_ours = false;
    LV_AUTOCHECKPOINT virDomainCheckpointPtr c = NULL;
    if (lv_checkpoint_find(p->dom, p->e->parent, &c, err) != 0)
        return -1;
    if (!c)
        return 0;
    if (lv_checkpoint_judge(c, &is_ours, &p->words, err) != 0 ||
        lv_checkpoint_is_newest(p->dom, p->e->parent, &p->is_newest, err) != 0)
        return -1;
    return p->e->is_off ? 0 : lv_checkpoint_disks(p->dom, p->e->parent, &p->whole, NULL, err);
}

/* While the VM is off its file alone tells: the bitmap must be whole, of the only layer, and of the newest checkpoint (what
 * an older one knows lies in several). */
static int judge_off(const struct parent *p, const struct lv_export_disk *d, const char **why,
                     struct hf_err *err)
{
    bool is_whole = false;
    *why = !d->is_alone ? "the VM is off, and the disk has several layers" : NULL;
    if (!*why && !p->is_newest)
        *why = "the VM is off, and the checkpoint is not its newest";
    if (*why)
        return 0;
    if (lv_image_has_whole_bitmap(p->in, p->call, &d->layer, p->e->parent, &is_whole, err) != 0)
        return hf_wrap(err, "disk %s", d->target);
    *why = is_whole ? NULL : "its bitmap is lost or inconsistent";
    return 0;
}

static int judge_files(const struct parent *p, const struct lv_export_disk *d, const char **why,
                       struct hf_err *err)
{
    const struct lv_disk *now = lv_vm_disk(p->vm, d->target);
    HF_AUTO(hf_strv) struct hf_strv files = HF_STRV_INIT;
    if (now && lv_checkpoint_files(now, &files, err) != 0)
        return -1;
    *why = lv_checkpoint_doubt(p->words, d->target, &files);
    return 0;
}

/* *why NULL: its changes are known. */
static int judge_disk(const struct parent *p, const struct lv_export_disk *d, const char **why,
                      struct hf_err *err)
{
    *why = !p->words          ? "the checkpoint is gone"
           : !d->takes_bitmap ? "its format has no room for a bitmap"
                              : NULL;
    if (*why)
        return 0;
    if (judge_files(p, d, why, err) != 0 || *why)
        return *why ? 0 : -1;
    if (p->e->is_off)
        return judge_off(p, d, why, err);
    if (!hf_strv_has(&p->whole, d->target))
        *why = "its bitmap is lost or inconsistent";
    return 0;
}

int lv_export_plan_parent(struct hf_instance *in, const struct hf_call *call,
                          const struct lv_vm *vm, virDomainPtr dom, struct lv_export *e,
                          struct hf_err *err)
{
    HF_AUTO(parent) struct parent p = {.in = in, .call = call, .dom = dom, .vm = vm, .e = e};
    size_t n = 0;
    if (!e->parent)
        return 0;
    if (look_at_it(&p, err) != 0)
        return -1;
    for (size_t i = 0; i < e->n; i++) {
        const char *why = NULL;
        struct lv_export_disk *d = &e->disks[i];
        if (judge_disk(&p, d, &why, err) != 0)
            return -1;
        d->is_incremental = !why;
        d->has_lost_changes = why && d->takes_bitmap && !(e->is_off && !d->is_alone);
        d->compare_why = why ? strdup(why) : NULL;
        if (why && !d->compare_why)
            return hf_fail_nomem(err);
        n += d->is_incremental;
    }
    if (!n)
        free(HF_STEAL(e->parent));
    return 0;
}
