/* SPDX-License-Identifier: Apache-2.0
 *
 * A disk of which only what changed is read: all else is as the parent's tree has it, on each store as that store's own tree has it.
 *
 * What the stores' trees cannot give (a chunk that is gone, or condemned) is read with the changes. A tree that cannot be read itself
 * ends it before anything was told: the disk is compared then.
 *
 * A bitmap is found by its name alone, and each disk of a checkpoint has one of that name: in a disk that another one was copied onto, whole and
 * true, lies the bitmap of the other. So what would be taken over has to prove first, at a few places, that it is as the parent has it.
 */
#include "base/buf.h"
#include "image/delta.h"
#include "run/backup_intern.h"

#include <stdlib.h>
#include <string.h>

/* Told between two streams, not inside of one: ids of unchanged chunks come from the store, and answers to what was asked of the
 * disk have a deadline. */
#define GAP_MAX ((uint64_t)256 << 20)

struct changing {
    struct backup *b;
    struct backup_disk *disk;
    struct hf_image_delta *delta;
    struct hf_image_tree *trees[HF_BACKUP_STORES_MAX]; /* NULL: that store has no writer */
    struct hf_nbd_ranges read;
    uint64_t told; /* up to there */
};

static void changing_drop(struct changing *c)
{
    hf_image_delta_free(c->delta);
    for (size_t i = 0; i < HF_ARRAY_SIZE(c->trees); i++)
        hf_image_tree_close(c->trees[i]);
    hf_nbd_ranges_free(&c->read);
}
HF_DEFINE_AUTO_VALUE(changing, changing_drop)

/* ---- it is compared ---------------------------------------------------------------------- */

static int compare(struct backup *b, struct backup_disk *d, bool is_news, const char *why,
                   struct hf_err *err)
{
    HF_AUTOFREE char *text = hf_asprintf("disk %s is read whole and compared: %s", d->target, why);
    char *copy = strdup(why);
    if (!text || !copy) {
        free(copy);
        return hf_fail_nomem(err);
    }
    is_news = is_news && !d->incremental_why;
    free(d->incremental_why);
    d->incremental_why = copy;
    d->is_incremental = false;
    return is_news ? creation_warn(b->creation, text, err) : 0;
}

/* Known without a look at the stores. */
static const char *known_reason(const struct backup *b, const struct backup_disk *d, bool *is_news)
{
    const struct hf_export_copy *e = &d->export;
    *is_news = true;
    if (!b->parent.checkpoint) {
        *is_news = b->parent.is_lost;
        return b->parent.why;
    }
    if (e->dirty_ctx)
        return NULL;
    *is_news = e->has_lost_changes;
    return e->compare_why ? e->compare_why : "the hypervisor does not tell what changed";
}

/* ---- what is to be read ------------------------------------------------------------------ */

/* The largest chunk of all: each is a power of two. */
static uint32_t unit_of(const struct backup *b)
{
    uint32_t unit = 0;
    for (size_t i = 0; i < b->n_stores; i++)
        if (b->stores[i].writer && b->stores[i].at.site->chunk_bytes > unit)
            unit = b->stores[i].at.site->chunk_bytes;
    return unit;
}

static int take_extents(struct changing *c, struct hf_nbd *n, uint32_t unit, struct hf_err *err)
{
    uint64_t size = c->disk->export.size_bytes;
    HF_AUTO(hf_nbd_ranges) struct hf_nbd_ranges dirty = {0}, holes = {0};
    c->delta = hf_image_delta_new(size, unit, err);
    if (!c->delta || hf_nbd_changes(n, size, unit, &dirty, err) < 0 ||
        hf_nbd_holes(n, size, unit, &holes, err) < 0)
        return -1;
    hf_image_delta_dirty(c->delta, &dirty);
    hf_image_delta_zero(c->delta, &holes);
    return 0;
}

static const struct hf_point_artifact *image_of(const struct hf_manifest *m, const char *target)
{
    for (size_t i = 0; i < m->n_artifacts; i++)
        if (m->artifacts[i].kind == HF_POINT_IMAGE && strcmp(m->artifacts[i].name, target) == 0)
            return &m->artifacts[i];
    return NULL;
}

static int look_at_store(struct changing *c, size_t store, struct hf_err *err)
{
    struct backup_store *s = &c->b->stores[store];
    const struct hf_point_artifact *then = image_of(&s->parent, c->disk->target);
    if (!then)
        return hf_fail(err, HF_E_NOT_FOUND, "point %s does not have this disk",
                       c->b->parent.point.id);
    c->trees[store] = hf_image_tree_open(s->image, then->root, err);
    return c->trees[store] ? hf_image_delta_against(c->delta, s->image, c->trees[store], err) : -1;
}

/* 0, and *why has it; -1: the run is to end. */
static int fail_store(const struct changing *c, const struct backup_store *s,
                      const struct hf_err *mine, char **why, struct hf_err *err)
{
    if (mine->cls == HF_E_CANCELLED || hf_cancel_check(c->b->run->env->cancel, err) < 0) {
        hf_err_copy(err, mine);
        return -1;
    }
    *why = hf_asprintf("store %s: %s", s->config->label, mine->message);
    return *why ? 0 : hf_fail_nomem(err);
}

/* 1: each can give what is not read. 0: one cannot, and why stands in *why. */
static int look_at_stores(struct changing *c, char **why, struct hf_err *err)
{
    for (size_t i = 0; i < c->b->n_stores; i++) {
        struct hf_err mine = HF_ERR_INIT;
        if (c->b->stores[i].writer && look_at_store(c, i, &mine) < 0)
            return fail_store(c, &c->b->stores[i], &mine, why, err);
    }
    return 1;
}

/* ---- is it true? --------------------------------------------------------------------------- */

struct proving {
    struct changing *c;
    struct hf_nbd *n;
    struct backup_store *store;
    struct hf_image_tree *tree; /* of the store */
    char **why;
};

/* 1: it is as the parent has it. 0: not, and that is in *why. */
static int prove_unit(struct proving *p, uint64_t unit, struct hf_err *err)
{
    bool is_so = false;
    if (hf_image_delta_prove(p->c->delta, p->store->image, p->tree, p->n, unit, &is_so, err) < 0)
        return -1;
    if (is_so)
        return 1;
    *p->why = hf_asprintf("what its bitmap calls unchanged is not what point %s has, at %llu",
                          p->c->b->parent.point.id, (unsigned long long)(unit * unit_of(p->c->b)));
    return *p->why ? 0 : hf_fail_nomem(err);
}

/* Is it not this other disk of the parent? A tree that cannot be read does not tell: then it is compared. */
static int prove_other(struct proving *p, const struct hf_point_artifact *other, struct hf_err *err)
{
    uint64_t unit = 0;
    bool is_found = false;
    struct hf_err mine = HF_ERR_INIT;
    HF_AUTO(hf_image_tree)
    struct hf_image_tree *t = hf_image_tree_open(p->store->image, other->root, &mine);
    if (t && hf_image_delta_unlike(p->c->delta, p->tree, t, &unit, &is_found, &mine) == 0)
        return is_found ? prove_unit(p, unit, err) : 1;
    return fail_store(p->c, p->store, &mine, p->why, err);
}

static int prove_on(struct proving *p, struct hf_err *err)
{
    uint64_t units[HF_IMAGE_DELTA_SAMPLE];
    const struct hf_manifest *m = &p->store->parent;
    int rc = 1;
    for (size_t i = hf_image_delta_sample(p->c->delta, units); rc == 1 && i-- > 0;)
        rc = prove_unit(p, units[i], err);
    for (size_t i = 0; rc == 1 && i < m->n_artifacts; i++)
        if (m->artifacts[i].kind == HF_POINT_IMAGE &&
            strcmp(m->artifacts[i].name, p->c->disk->target) != 0)
            rc = prove_other(p, &m->artifacts[i], err);
    return rc;
}

/* By one store: the trees of all are of the same point. */
static int prove(struct changing *c, struct hf_nbd *n, char **why, struct hf_err *err)
{
    size_t i = 0;
    while (!c->trees[i])
        i++;
    struct proving p = {c, n, &c->b->stores[i], c->trees[i], why};
    return prove_on(&p, err);
}

/* ---- read and told ----------------------------------------------------------------------- */

static int take_over(struct changing *c, uint64_t to, struct hf_err *err)
{
    for (size_t i = 0; to > c->told && i < c->b->n_stores; i++) {
        struct hf_err why = HF_ERR_INIT;
        struct backup_store *s = &c->b->stores[i];
        if (s->writer &&
            hf_image_delta_take(c->delta, c->trees[i], s->writer, c->told, to, &why) < 0)
            backup_drop(c->b, s, &why);
    }
    c->told = to;
    return backup_has_stores(c->b, err);
}

static int take_range(void *ctx, uint64_t at, const void *data, uint64_t len, struct hf_err *err)
{
    struct changing *c = ctx;
    if (at > c->told && take_over(c, at, err) < 0)
        return -1;
    c->told = at + len;
    return backup_put_range(c->b, at, data, len, err);
}

static int read_and_tell(struct changing *c, struct hf_nbd *n, struct hf_err *err)
{
    const struct hf_nbd_range *r = c->read.items;
    for (size_t i = 0, next; i < c->read.n; i = next) {
        next = i + 1;
        while (next < c->read.n && r[next].from - r[next - 1].to <= GAP_MAX)
            next++;
        if (take_over(c, r[i].from, err) < 0 ||
            hf_nbd_read(n, &r[i], next - i, take_range, c, err) < 0)
            return -1;
    }
    return take_over(c, c->disk->export.size_bytes, err);
}

int backup_read_changes(struct backup *b, struct backup_disk *d, struct hf_nbd *n, bool *out_done,
                        struct hf_err *err)
{
    HF_AUTO(changing) struct changing c = {.b = b, .disk = d};
    HF_AUTOFREE char *found = NULL;
    bool is_news = true;
    uint64_t bytes = 0;
    const char *why = known_reason(b, d, &is_news);
    *out_done = false;
    if (!why && !hf_nbd_knows_changes(n))
        why = "the server of the export does not know its bitmap";
    if (why)
        return compare(b, d, is_news, why, err);
    if (take_extents(&c, n, unit_of(b), err) < 0)
        return -1;
    int rc = look_at_stores(&c, &found, err);
    if (rc > 0)
        rc = prove(&c, n, &found, err);
    if (rc <= 0)
        return rc < 0 ? -1 : compare(b, d, true, found, err);
    if (hf_image_delta_ranges(c.delta, &c.read, &bytes, err) < 0)
        return -1;
    d->is_incremental = !d->incremental_why; /* it was read whole before, for another store */
    d->read_bytes += bytes;
    b->all_bytes -= d->export.size_bytes - bytes;
    *out_done = true;
    return read_and_tell(&c, n, err);
}
