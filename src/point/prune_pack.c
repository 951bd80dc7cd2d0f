/* SPDX-License-Identifier: Apache-2.0 */
#include "base/point.h"
#include "point/prune_intern.h"

/* ---- the time --------------------------------------------------------------------------- */

/* The store's clock dates what lies there. But it may run wrong, or have been set just now: what is to be old has to be so by this host's, too. */
static int64_t here_s(const struct hf_prune *p)
{
    return hf_clock_wall_us(p->site->clock) / 1000000;
}

int64_t hf_prune_earlier_s(const struct hf_prune *p, const struct hf_prune_view *v)
{
    const int64_t here = here_s(p), there = v->points.now_s;
    return here < there ? here : there;
}

int64_t hf_prune_later_s(const struct hf_prune *p, const struct hf_prune_view *v)
{
    const int64_t here = here_s(p), there = v->points.now_s;
    return here > there ? here : there;
}

/* A condemnation with a date that is so far behind would be due as soon as that clock is mended, and writers that do not know of it are at work. */
static int check_clock(const struct hf_prune *p, const struct hf_prune_view *v, struct hf_err *err)
{
    const int64_t behind_s = here_s(p) - v->points.now_s;
    if (behind_s <= p->opts.grace_s - HF_PRUNE_SETTLED_S)
        return 0;
    hf_fail(err, HF_E_CONFLICT,
            "the store's clock is %lld minutes behind this host's: no pack is condemned",
            (long long)behind_s / 60);
    return hf_hint(err, "Set the one that is wrong.");
}

/* ---- judged ----------------------------------------------------------------------------- */

bool hf_prune_is_there(const struct hf_prune_pack *pack)
{
    return pack->parts & (HF_PRUNE_INDEX | HF_PRUNE_DATA | HF_PRUNE_TREE);
}

bool hf_prune_is_young(const struct hf_prune *p, const struct hf_prune_view *v,
                       const struct hf_prune_pack *pack)
{
    return pack->newest_s && hf_prune_earlier_s(p, v) - pack->newest_s < p->opts.grace_s;
}

bool hf_prune_is_due(const struct hf_prune *p, const struct hf_prune_view *v,
                     const struct hf_prune_pack *pack)
{
    return pack->condemned_s && hf_prune_earlier_s(p, v) - pack->condemned_s >= p->opts.grace_s;
}

void hf_prune_count(struct hf_prune_sum *s, const struct hf_prune_pack *pack)
{
    s->packs++;
    s->bytes += pack->bytes;
}

/* ---- condemned, and gone ---------------------------------------------------------------- */

int hf_prune_condemn(struct hf_prune *p, const struct hf_prune_view *v,
                     const struct hf_prune_pack *pack, struct hf_err *err)
{
    char name[HF_IMAGE_NAME_MAX];
    struct hf_store_receipt receipt;
    hf_image_condemned_name(pack->id, name);
    if (check_clock(p, v, err) < 0)
        return -1;
    if (p->opts.is_dry)
        return 0;
    if (HF_POINT_ERR("prune.before_condemn", err) < 0 ||
        hf_store_put_bytes(p->site->store, name, "", 0, true, &receipt, err) < 0)
        return -1;
    HF_POINT("prune.after_condemn");
    return 0;
}

int hf_prune_lift(struct hf_prune *p, const struct hf_prune_pack *pack, struct hf_err *err)
{
    char name[HF_IMAGE_NAME_MAX];
    hf_image_condemned_name(pack->id, name);
    if (p->opts.is_dry)
        return 0;
    return HF_POINT_ERR("prune.before_lift", err) < 0 ? -1
                                                      : hf_store_remove(p->site->store, name, err);
}

/* Its condemnation goes with a later prune: a store whose listings are behind shows the index for a while, and no writer is to take it at its word. */
int hf_prune_remove_pack(struct hf_prune *p, const struct hf_prune_pack *pack, struct hf_err *err)
{
    const bool is_encrypted = p->site->is_encrypted;
    struct hf_store *store = p->site->store;
    char name[HF_IMAGE_NAME_MAX];
    if (p->opts.is_dry)
        return 0;
    hf_image_index_name(pack->id, is_encrypted, name);
    if (pack->parts & HF_PRUNE_INDEX &&
        (HF_POINT_ERR("prune.before_index", err) < 0 || hf_store_remove(store, name, err) < 0))
        return -1;
    hf_image_pack_name(HF_IMAGE_DATA, pack->id, is_encrypted, name);
    if (HF_POINT_ERR("prune.before_pack", err) < 0 ||
        (pack->parts & HF_PRUNE_DATA && hf_store_remove(store, name, err) < 0))
        return -1;
    hf_image_pack_name(HF_IMAGE_TREE, pack->id, is_encrypted, name);
    return pack->parts & HF_PRUNE_TREE ? hf_store_remove(store, name, err) : 0;
}
