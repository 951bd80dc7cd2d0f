/* SPDX-License-Identifier: Apache-2.0 */
#include "base/point.h"
#include "point/repack_intern.h"

#include <stdlib.h>

#define BYTES_MAX ((uint64_t)1 << 30) /* copied by one run */

/* ---- what is left ----------------------------------------------------------------------- */

static void leave(struct hf_pruned *out, const struct hf_prune_pack *p, enum hf_prune_why why)
{
    hf_prune_count(&out->repacked.left, p);
    if (out->repacked.why == HF_PRUNE_WHY_NOT)
        out->repacked.why = why;
}

static void leave_damaged(struct hf_pruned *out, const struct hf_prune_pack *p,
                          const struct hf_err *what)
{
    if (out->repacked.why == HF_PRUNE_WHY_NOT)
        hf_err_copy(&out->repacked.damage, what);
    leave(out, p, HF_PRUNE_WHY_DAMAGED);
}

static enum hf_image_kind kind_of(const struct hf_prune_pack *p)
{
    return p->parts & HF_PRUNE_DATA ? HF_IMAGE_DATA : HF_IMAGE_TREE;
}

/* What is wrong with a pack is no failure of the prune: it stays. */
static bool is_damage(const struct hf_err *what)
{
    return what->cls == HF_E_CORRUPT || what->cls == HF_E_UNSUPPORTED ||
           what->cls == HF_E_NOT_FOUND || what->cls == HF_E_AUTH;
}

/* ---- packs that are half needed --------------------------------------------------------- */

static int move_one(struct repacking *r, const struct hf_prune_pack *old, struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    struct repack_look l;
    const uint64_t moved = r->out->repacked.moved_bytes;
    int rc = hf_repack_look(r, old, &l, &what);
    if (rc == 0 && l.why != HF_PRUNE_WHY_NOT)
        leave(r->out, old, l.why);
    else if (rc == 0) {
        hf_prune_count(&r->out->repacked.done, old);
        rc = r->prune->opts.is_dry ? 0 : hf_repack_later(r, old, &l, &what);
    } else if (is_damage(&what)) {
        leave_damaged(r->out, old, &what);
        r->out->repacked.moved_bytes = moved;
        rc = 0;
    }
    free(l.targets);
    if (rc < 0)
        hf_err_copy(err, &what);
    return rc;
}

struct candidate {
    const struct hf_prune_pack *pack;
    uint32_t number;
    uint64_t wasted, needed;
};

static int most_first(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    return (x->wasted < y->wasted) - (x->wasted > y->wasted);
}

/* What is wasted, and which of it is to be moved, most first. */
static size_t choose(struct repacking *r, struct candidate *out)
{
    struct hf_image_chunks *chunks = hf_image_chunks(r->waste->image);
    size_t n = 0;
    for (size_t i = 0; i < r->view->n_packs; i++) {
        const struct hf_prune_pack *p = &r->view->packs[i];
        const uint32_t number = hf_image_chunks_pack_find(chunks, p->id);
        if (number >= r->waste->n || !r->waste->worth[number] || kind_of(p) != r->kind)
            continue;
        const struct hf_image_alive_sum *s = &r->waste->sums[number];
        const struct candidate one = {p, number, s->all - s->alive, s->alive};
        if (one.wasted == 0)
            continue;
        r->out->repacked.wasted.packs++;
        r->out->repacked.wasted.bytes += one.wasted;
        if (one.wasted >= one.needed && !hf_prune_is_young(r->prune, r->view, p))
            out[n++] = one;
    }
    if (n)
        qsort(out, n, sizeof *out, most_first);
    return n;
}

static int move_all(struct repacking *r, struct hf_err *err)
{
    HF_AUTOFREE struct candidate *c = calloc(r->view->n_packs + 1, sizeof *c);
    if (!c)
        return hf_fail_nomem(err);
    const size_t n = choose(r, c);
    const enum hf_prune_why why = hf_repack_why_not(r->prune, r->kind);
    for (size_t i = 0; i < n; i++)
        r->waste->worth[c[i].number] = 0; /* they go: nothing is left to any of them */
    for (size_t i = 0; i < n; i++) {
        if (why != HF_PRUNE_WHY_NOT && c[i].needed)
            leave(r->out, c[i].pack, why);
        else if (r->out->repacked.moved_bytes + c[i].needed > BYTES_MAX) {
            leave(r->out, c[i].pack, HF_PRUNE_WHY_LATER);
            r->has_more = true;
        } else if (hf_cancel_check(r->prune->site->cancel, err) < 0 ||
                   move_one(r, c[i].pack, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- packs whose time is over ----------------------------------------------------------- */

static bool is_late(const struct repacking *r)
{
    return hf_clock_past_ms(r->prune->site->clock, &r->view->since) > HF_PRUNE_HURRY_MS;
}

static int let_go(struct repacking *r, const struct hf_prune_pack *old, struct hf_err *err)
{
    if (is_late(r)) { /* what was found out is too old */
        leave(r->out, old, HF_PRUNE_WHY_LATER);
        r->has_more = true;
        return 0;
    }
    if (HF_POINT_ERR("repack.before_remove", err) < 0 ||
        hf_prune_remove_pack(r->prune, old, err) < 0)
        return -1;
    hf_prune_count(&r->out->removed, old);
    r->out->waiting.packs--;
    r->out->waiting.bytes -= old->bytes;
    return 0;
}

/* Without an index nobody finds anything in it; it is half of one that was being removed. But if anything is missing anywhere it may be what is needed. */
static int end_headless(struct repacking *r, const struct hf_prune_pack *old, struct hf_err *err)
{
    return hf_image_alive_missing(r->waste->alive) ? 0 : let_go(r, old, err);
}

static int end_one(struct repacking *r, const struct hf_prune_pack *old, struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    struct repack_look l = {0};
    if (!(old->parts & HF_PRUNE_INDEX))
        return end_headless(r, old, err);
    int rc = hf_repack_look(r, old, &l, &what);
    if (rc == 0 && l.why != HF_PRUNE_WHY_NOT)
        leave(r->out, old, l.why);
    else if (rc == 0 && l.is_settled)
        rc = let_go(r, old, &what);
    else if (rc == 0 && !r->prune->opts.is_dry)
        rc = hf_repack_later(r, old, &l, &what);
    else if (rc < 0 && is_damage(&what)) {
        leave_damaged(r->out, old, &what);
        rc = 0;
    }
    free(l.targets);
    if (rc < 0)
        hf_err_copy(err, &what);
    return rc;
}

/* Condemned for long enough, though it is named: its content was moved. */
static bool is_due(const struct hf_prune *p, const struct hf_prune_view *v,
                   const struct hf_prune_pack *pack)
{
    const unsigned both = HF_PRUNE_CONDEMNED | HF_PRUNE_MOVED;
    return pack->is_named && (pack->parts & both) == both && hf_prune_is_there(pack) &&
           hf_prune_is_due(p, v, pack);
}

static int end_all(struct repacking *r, struct hf_err *err)
{
    for (size_t i = 0; i < r->view->n_packs; i++) {
        const struct hf_prune_pack *p = &r->view->packs[i];
        if (!is_due(r->prune, r->view, p) || kind_of(p) != r->kind)
            continue;
        if (hf_cancel_check(r->prune->site->cancel, err) < 0 || end_one(r, p, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- what was said of packs that are gone ----------------------------------------------- */

static int unsay(struct hf_prune *p, const struct hf_prune_view *v, const struct hf_prune_pack *old,
                 struct hf_err *err)
{
    char name[HF_IMAGE_MOVED_MAX];
    size_t n = 0;
    const struct hf_moved_pair *m = hf_moved_of(&v->moved, old->id, &n);
    for (size_t i = 0; i < n && !p->opts.is_dry; i++) {
        if (hf_clock_past_ms(p->site->clock, &v->since) > HF_PRUNE_HURRY_MS)
            return 0;
        hf_image_moved_name(m[i].old, m[i].new_id, name);
        if (HF_POINT_ERR("repack.before_unsay", err) < 0 ||
            hf_store_remove(p->site->store, name, err) < 0)
            return -1;
    }
    return 0;
}

static int unsay_all(struct hf_prune *p, const struct hf_prune_view *v, struct hf_err *err)
{
    for (size_t i = 0; i < v->n_packs; i++)
        if (v->packs[i].parts == HF_PRUNE_MOVED && !v->packs[i].is_named &&
            unsay(p, v, &v->packs[i], err) < 0)
            return -1;
    return 0;
}

/* ---- the whole -------------------------------------------------------------------------- */

static bool has_due(const struct hf_prune *p, const struct hf_prune_view *v)
{
    for (size_t i = 0; i < v->n_packs; i++)
        if (is_due(p, v, &v->packs[i]))
            return true;
    return false;
}

/* What lay there last time is still good enough, and nothing of it is to be done. */
static bool is_as_it_was(struct hf_prune *p, const struct hf_prune_view *v,
                         struct hf_prune_repacked *out)
{
    if (has_due(p, v) || !hf_prune_waste_recall(p, v, out))
        return false;
    if (!out->is_known || out->left.packs == 0 || out->why == HF_PRUNE_WHY_DAMAGED ||
        out->why == hf_repack_why_not(p, HF_IMAGE_DATA))
        return true;
    *out = (struct hf_prune_repacked){.damage = HF_ERR_INIT};
    return false;
}

static int repack_kind(struct repacking *r, enum hf_image_kind kind, struct hf_err *err)
{
    r->kind = kind;
    r->mover = hf_image_mover_new(r->waste->image, kind, err);
    int rc = r->mover ? 0 : -1;
    rc = rc < 0 || end_all(r, err) < 0 || move_all(r, err) < 0 ? -1 : 0;
    rc = rc < 0 || r->prune->opts.is_dry ? rc : hf_repack_flush(r, err);
    hf_repacking_end(r);
    return rc;
}

int hf_prune_repack(struct hf_prune *p, struct hf_prune_view *v, struct hf_pruned *out,
                    struct hf_err *err)
{
    HF_AUTO(hf_prune_waste) struct hf_prune_waste waste = {0};
    struct hf_prune_repacked *found = &out->repacked;
    if (out->is_refused) {
        found->why = HF_PRUNE_WHY_UNREADABLE;
        return 0;
    }
    if (unsay_all(p, v, err) < 0)
        return -1;
    if (is_as_it_was(p, v, found))
        return 0;
    if (hf_prune_waste(p, v, &waste, err) < 0)
        return -1;
    if (!waste.alive) {
        found->why = HF_PRUNE_WHY_UNREADABLE;
        hf_err_copy(&found->damage, &waste.damage);
        found->looked_s = v->points.now_s;
        hf_prune_waste_note(p, v, found);
        return 0;
    }
    struct repacking r = {.prune = p, .view = v, .waste = &waste, .out = out};
    found->is_known = true;
    found->looked_s = v->points.now_s;
    HF_POINT("repack.after_trees");
    if (repack_kind(&r, HF_IMAGE_DATA, err) < 0 || repack_kind(&r, HF_IMAGE_TREE, err) < 0)
        return -1;
    if (!r.has_more && !found->done.packs) /* else what is there now is not what was found */
        hf_prune_waste_note(p, v, found);
    return 0;
}
