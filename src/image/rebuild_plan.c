/* SPDX-License-Identifier: Apache-2.0 */
#include "base/list.h"
#include "image/rebuild_intern.h"

#include <stdlib.h>

int rebuild_plan_init(struct rebuild_plan *p, struct hf_err *err)
{
    *p = (struct rebuild_plan){0};
    p->items = calloc(REBUILD_WINDOW, sizeof *p->items);
    return p->items ? 0 : hf_fail_nomem(err);
}

void rebuild_plan_free(struct rebuild_plan *p)
{
    free(p->items);
    free(p->packs);
    *p = (struct rebuild_plan){0};
}

/* ---- a window --------------------------------------------------------------------------- */

static int take_chunk(struct rebuild_plan *p, struct hf_image_tree *tree, uint64_t n,
                      struct hf_err *err)
{
    struct rebuild_item *it = &p->items[p->n_items];
    bool is_hole = false;
    if (hf_image_tree_place(tree, n, &is_hole, &it->place, err) < 0)
        return -1;
    it->n = n;
    p->n_items += !is_hole;
    return 0;
}

static int take_run(struct rebuild_plan *p, struct hf_image_tree *tree, uint64_t from, uint64_t to,
                    const struct hf_image_rebuild_opts *opts, struct hf_err *err)
{
    for (uint64_t n = from; n < to; n++) {
        if (opts->is_done && opts->is_done(opts->ctx, n))
            p->skipped += hf_image_chunk_len(hf_image_tree_shape(tree), n);
        else if (take_chunk(p, tree, n, err) < 0)
            return -1;
    }
    return 0;
}

static int take_window(struct rebuild_plan *p, struct hf_image_tree *tree, uint64_t from,
                       uint64_t to, const struct hf_image_rebuild_opts *opts, struct hf_err *err)
{
    p->n_items = 0;
    while (from < to) {
        bool is_hole = false;
        uint64_t count = 0;
        if (hf_image_tree_run(tree, from, &is_hole, &count, err) < 0)
            return -1;
        uint64_t end = count < to - from ? from + count : to;
        if (!is_hole && take_run(p, tree, from, end, opts, err) < 0)
            return -1;
        from = end;
    }
    return 0;
}

static int order(const void *a, const void *b)
{
    const struct rebuild_item *x = a, *y = b;
    if (x->place.pack != y->place.pack)
        return x->place.pack < y->place.pack ? -1 : 1;
    if (x->place.entry.at != y->place.entry.at)
        return x->place.entry.at < y->place.entry.at ? -1 : 1;
    return (x->n > y->n) - (x->n < y->n);
}

static int add_pack(struct rebuild_plan *p, size_t from, size_t to, struct hf_err *err)
{
    struct rebuild_pack *more = hf_list_room(p->packs, p->n_packs, &p->cap_packs, sizeof *more, 64);
    if (!more)
        return hf_fail_nomem(err);
    p->packs = more;
    p->packs[p->n_packs++] = (struct rebuild_pack){.next = from, .end = to};
    return 0;
}

int rebuild_plan_window(struct rebuild_plan *p, struct hf_image_tree *tree, uint64_t from,
                        const struct hf_image_rebuild_opts *opts, struct hf_err *err)
{
    uint64_t chunks = hf_image_chunks_n(hf_image_tree_shape(tree));
    uint64_t to = chunks - from < REBUILD_WINDOW ? chunks : from + REBUILD_WINDOW;
    if (take_window(p, tree, from, to, opts, err) < 0)
        return -1;
    if (p->n_items)
        qsort(p->items, p->n_items, sizeof *p->items, order);
    p->n_packs = 0;
    for (size_t i = 0, j; i < p->n_items; i = j) {
        for (j = i + 1; j < p->n_items && p->items[j].place.pack == p->items[i].place.pack;)
            j++;
        if (add_pack(p, i, j, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- who does what ---------------------------------------------------------------------- */

/* How many of them one worker reads at once: what lies within a range, and is not too much unpacked. */
static size_t job_len(const struct rebuild_plan *p, const struct rebuild_pack *k)
{
    const struct rebuild_item *first = &p->items[k->next];
    uint64_t plain = 0;
    size_t n = 0;
    for (; k->next + n < k->end; n++) {
        const struct hf_image_entry *e = &first[n].place.entry;
        uint64_t span = (uint64_t)e->at + HF_IMAGE_RECORD_HEAD + e->stored - first->place.entry.at;
        plain += e->plain;
        if (n > 0 && (plain > REBUILD_JOB_BYTES || span > REBUILD_JOB_BYTES))
            break;
    }
    return n;
}

static bool has_more(const struct rebuild_pack *k)
{
    return k->next < k->end;
}

/* One that nobody has begun, or the first that is not finished. */
static size_t pick_pack(const struct rebuild_plan *p)
{
    size_t any = HF_IMAGE_NO_PACK;
    for (size_t i = 0; i < p->n_packs; i++) {
        if (!has_more(&p->packs[i]))
            continue;
        if (!p->packs[i].is_taken)
            return i;
        any = any == HF_IMAGE_NO_PACK ? i : any;
    }
    return any;
}

size_t rebuild_plan_next(struct rebuild_plan *p, size_t *pack, size_t *out_from)
{
    if (*pack >= p->n_packs || !has_more(&p->packs[*pack]))
        *pack = pick_pack(p);
    if (*pack == HF_IMAGE_NO_PACK)
        return 0;
    struct rebuild_pack *k = &p->packs[*pack];
    size_t n = job_len(p, k);
    k->is_taken = true;
    *out_from = k->next;
    k->next += n;
    return n;
}
