/* SPDX-License-Identifier: Apache-2.0 */
#include "base/list.h"
#include "base/point.h"
#include "point/repack_intern.h"

#include <stdlib.h>
#include <string.h>

void hf_repacking_end(struct repacking *r)
{
    for (size_t i = 0; i < r->n_pending; i++)
        free(r->pending[i].targets);
    free(r->pending);
    hf_image_mover_free(r->mover);
    r->pending = NULL;
    r->mover = NULL;
    r->n_pending = 0;
}

enum hf_prune_why hf_repack_why_not(const struct hf_prune *p, enum hf_image_kind kind)
{
    if (!p->opts.repacks)
        return HF_PRUNE_WHY_OFF;
    if (kind == HF_IMAGE_DATA && p->site->is_encrypted && !p->site->identities)
        return HF_PRUNE_WHY_KEYLESS;
    return HF_PRUNE_WHY_NOT;
}

/* ---- where its content is --------------------------------------------------------------- */

static int add_target(struct repack_look *l, const unsigned char *id, struct hf_err *err)
{
    for (size_t i = l->n; i-- > 0;)
        if (memcmp(l->targets[i].id, id, HF_IMAGE_PACK_ID) == 0)
            return 0;
    struct repack_target *more = hf_list_room(l->targets, l->n, &l->cap, sizeof *more, 8);
    if (!more)
        return hf_fail_nomem(err);
    l->targets = more;
    memcpy(l->targets[l->n++].id, id, HF_IMAGE_PACK_ID);
    return 0;
}

/* Copied, or dry as if it were. */
static int copy(struct repacking *r, struct repack_look *l, const struct hf_image_pack *pack,
                const struct hf_image_entry *e, struct hf_err *err)
{
    unsigned char id[HF_IMAGE_PACK_ID];
    l->is_settled = false;
    l->why = hf_repack_why_not(r->prune, r->kind);
    if (l->why != HF_PRUNE_WHY_NOT)
        return 0;
    r->out->repacked.moved_bytes += HF_IMAGE_RECORD_HEAD + (uint64_t)e->stored;
    if (r->prune->opts.is_dry)
        return 0;
    return hf_image_mover_take(r->mover, pack, e, id, err) < 0 ? -1 : add_target(l, id, err);
}

static int look_at_record(struct repacking *r, struct repack_look *l,
                          const struct hf_prune_pack *old, const struct hf_image_pack *pack,
                          const struct hf_image_entry *e, struct hf_err *err)
{
    struct hf_image_chunks *chunks = hf_image_chunks(r->waste->image);
    struct hf_image_pack other;
    if (!hf_image_alive_has(r->waste->alive, r->kind, e->id))
        return 0;
    const uint32_t number =
        hf_image_alive_elsewhere(r->waste->alive, r->kind, e->id, r->waste->worth,
                                 hf_image_chunks_pack_find(chunks, old->id));
    if (number == HF_IMAGE_NO_PACK || !hf_image_chunks_pack(chunks, number, &other))
        return copy(r, l, pack, e, err);
    return add_target(l, other.id, err);
}

/* Of one that nothing is needed of that is said, too, if nothing was before: moved to itself. Else its condemnation would look like a mistake. */
static int end_look(const struct repacking *r, struct repack_look *l,
                    const struct hf_prune_pack *old, struct hf_err *err)
{
    if (l->n == 0 && !(old->parts & HF_PRUNE_MOVED) && add_target(l, old->id, err) < 0)
        return -1;
    for (size_t i = 0; i < l->n; i++)
        if (!hf_moved_has(&r->view->moved, old->id, l->targets[i].id))
            l->is_settled = false;
    return 0;
}

int hf_repack_look(struct repacking *r, const struct hf_prune_pack *old, struct repack_look *l,
                   struct hf_err *err)
{
    struct hf_image_pack pack;
    HF_AUTOFREE struct hf_image_entry *entries = NULL;
    *l = (struct repack_look){.is_settled = true};
    if (hf_image_mover_entries(r->mover, old->id, &pack, &entries, err) < 0)
        return -1;
    if (pack.kind != r->kind)
        return hf_fail(err, HF_E_CORRUPT, "a pack does not lie where its index says");
    for (uint32_t i = 0; i < pack.records && l->why == HF_PRUNE_WHY_NOT; i++)
        if (look_at_record(r, l, old, &pack, &entries[i], err) < 0)
            return -1;
    return end_look(r, l, old, err);
}

/* ---- said, and condemned ---------------------------------------------------------------- */

static int say(struct repacking *r, const struct repack_pending *p, struct hf_err *err)
{
    struct hf_store_receipt receipt;
    char name[HF_IMAGE_MOVED_MAX];
    for (size_t i = 0; i < p->n; i++) {
        if (hf_moved_has(&r->view->moved, p->old->id, p->targets[i].id))
            continue;
        hf_image_moved_name(p->old->id, p->targets[i].id, name);
        if (HF_POINT_ERR("repack.before_moved", err) < 0 ||
            hf_store_put_bytes(r->prune->site->store, name, "", 0, true, &receipt, err) < 0)
            return -1;
    }
    return HF_POINT_ERR("repack.before_condemn", err) < 0
               ? -1
               : hf_prune_condemn(r->prune, r->view, p->old, err);
}

int hf_repack_flush(struct repacking *r, struct hf_err *err)
{
    int rc = HF_POINT_ERR("repack.before_send", err) < 0 ? -1 : hf_image_mover_send(r->mover, err);
    HF_POINT("repack.after_send");
    for (size_t i = 0; i < r->n_pending; i++) {
        rc = rc < 0 ? -1 : say(r, &r->pending[i], err);
        free(r->pending[i].targets);
    }
    r->n_pending = 0;
    return rc;
}

int hf_repack_later(struct repacking *r, const struct hf_prune_pack *old, struct repack_look *l,
                    struct hf_err *err)
{
    struct repack_pending *more = reallocarray(r->pending, r->n_pending + 1, sizeof *more);
    if (!more)
        return hf_fail_nomem(err);
    r->pending = more;
    r->pending[r->n_pending++] = (struct repack_pending){old, HF_STEAL(l->targets), l->n};
    return hf_image_mover_is_full(r->mover) ? hf_repack_flush(r, err) : 0;
}
