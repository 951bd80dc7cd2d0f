/* SPDX-License-Identifier: Apache-2.0 */
#include "point/moved.h"

#include "base/list.h"

#include <stdlib.h>
#include <string.h>

void hf_moved_free(struct hf_moved *m)
{
    free(m->items);
    *m = (struct hf_moved){0};
}

/* ---- listed ----------------------------------------------------------------------------- */

struct listing {
    struct hf_moved *moved;
    size_t cap;
};

/* What is named otherwise is none of ours. */
static int take(void *listing, const struct hf_store_object *o, struct hf_err *err)
{
    struct listing *l = listing;
    struct hf_moved *m = l->moved;
    struct hf_moved_pair one;
    if (!hf_image_moved_ids(o->name, one.old, one.new_id))
        return 0;
    if (m->n == HF_MOVED_MAX)
        return hf_fail(err, HF_E_CORRUPT, "the store has more than %zu objects in moved/",
                       HF_MOVED_MAX);
    struct hf_moved_pair *more = hf_list_room(m->items, m->n, &l->cap, sizeof *more, 64);
    if (!more)
        return hf_fail_nomem(err);
    m->items = more;
    m->items[m->n++] = one;
    return 0;
}

static int by_pair(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct hf_moved_pair));
}

int hf_moved_list(struct hf_site *s, struct hf_moved *out, struct hf_err *err)
{
    const struct hf_store_list what = {.prefix = "moved/"};
    struct listing l = {.moved = out};
    if (hf_store_list(s->store, &what, take, &l, err))
        return hf_wrap(err, "the list of moved packs");
    if (out->n)
        qsort(out->items, out->n, sizeof *out->items, by_pair);
    return 0;
}

/* ---- asked ------------------------------------------------------------------------------ */

const struct hf_moved_pair *hf_moved_of(const struct hf_moved *m,
                                        const unsigned char old[HF_IMAGE_PACK_ID], size_t *out_n)
{
    size_t low = 0, high = m->n;
    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        if (memcmp(m->items[mid].old, old, HF_IMAGE_PACK_ID) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    for (high = low; high < m->n; high++)
        if (memcmp(m->items[high].old, old, HF_IMAGE_PACK_ID) != 0)
            break;
    *out_n = high - low;
    return high > low ? &m->items[low] : NULL;
}

bool hf_moved_has(const struct hf_moved *m, const unsigned char old[HF_IMAGE_PACK_ID],
                  const unsigned char new_id[HF_IMAGE_PACK_ID])
{
    struct hf_moved_pair one;
    memcpy(one.old, old, sizeof one.old);
    memcpy(one.new_id, new_id, sizeof one.new_id);
    return m->n && bsearch(&one, m->items, m->n, sizeof one, by_pair);
}

/* ---- what packs stand for --------------------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
    return memcmp(a, b, HF_IMAGE_PACK_ID);
}

/* Follows each pair once, so loops end. *have: of all, in which some may stand twice. */
static int follow(const struct hf_moved *m, unsigned char (*all)[HF_IMAGE_PACK_ID], size_t *have,
                  struct hf_err *err)
{
    HF_AUTOFREE bool *is_followed = calloc(m->n + 1, sizeof *is_followed);
    if (!is_followed)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < *have; i++) {
        size_t pairs = 0;
        const struct hf_moved_pair *p = hf_moved_of(m, all[i], &pairs);
        if (!p || is_followed[p - m->items])
            continue;
        is_followed[p - m->items] = true;
        for (size_t j = 0; j < pairs; j++)
            memcpy(all[(*have)++], p[j].new_id, HF_IMAGE_PACK_ID);
    }
    return 0;
}

/* Those behind the first n, without the ones that are among these, or stand there twice. */
static size_t make_unique(unsigned char (*all)[HF_IMAGE_PACK_ID], size_t n, size_t have)
{
    size_t kept = n;
    if (have > n)
        qsort(all + n, have - n, sizeof *all, by_id);
    for (size_t i = n; i < have; i++) {
        const bool is_twice = kept > n && by_id(all[kept - 1], all[i]) == 0;
        if (!is_twice && !(n && bsearch(all[i], all, n, sizeof *all, by_id)))
            memmove(all[kept++], all[i], sizeof *all);
    }
    return kept;
}

int hf_moved_closure(const struct hf_moved *m, const unsigned char (*packs)[HF_IMAGE_PACK_ID],
                     size_t n, unsigned char (**out)[HF_IMAGE_PACK_ID], size_t *out_n,
                     struct hf_err *err)
{
    size_t have = n;
    unsigned char(*all)[HF_IMAGE_PACK_ID] = calloc(n + m->n + 1, HF_IMAGE_PACK_ID);
    *out = all; /* the caller's, also when this fails */
    if (!all)
        return hf_fail_nomem(err);
    if (n)
        memcpy(all, packs, n * sizeof *all);
    if (follow(m, all, &have, err) < 0)
        return -1;
    *out_n = make_unique(all, n, have);
    return 0;
}
