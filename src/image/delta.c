/* SPDX-License-Identifier: Apache-2.0 */
#include "image/delta.h"

#include "image/image_intern.h"

#include <stdlib.h>

struct hf_image_delta {
    uint64_t disk_bytes, n;
    uint32_t unit;
    unsigned char *read, *zero; /* a bit per unit */
};

static bool has_bit(const unsigned char *bits, uint64_t i)
{
    return bits[i / 8] >> i % 8 & 1;
}

static void set_bit(unsigned char *bits, uint64_t i)
{
    bits[i / 8] |= (unsigned char)(1 << i % 8);
}

struct hf_image_delta *hf_image_delta_new(uint64_t disk_bytes, uint32_t unit, struct hf_err *err)
{
    if (!unit || unit & (unit - 1)) {
        hf_fail(err, HF_E_INTERNAL, "units of %u bytes", unit);
        return NULL;
    }
    HF_AUTO(hf_image_delta) struct hf_image_delta *d = calloc(1, sizeof *d);
    if (d) {
        d->disk_bytes = disk_bytes;
        d->unit = unit;
        d->n = disk_bytes / unit + (disk_bytes % unit != 0);
        d->read = calloc(d->n / 8 + 1, 1);
        d->zero = calloc(d->n / 8 + 1, 1);
    }
    if (d && d->read && d->zero)
        return HF_STEAL(d);
    hf_fail_nomem(err);
    return NULL;
}

void hf_image_delta_free(struct hf_image_delta *d)
{
    if (!d)
        return;
    free(d->read);
    free(d->zero);
    free(d);
}

/* Units that [from, to) touches. */
static void mark_read(struct hf_image_delta *d, uint64_t from, uint64_t to)
{
    if (to > d->disk_bytes)
        to = d->disk_bytes;
    for (uint64_t i = from / d->unit; from < to && i <= (to - 1) / d->unit; i++)
        set_bit(d->read, i);
}

void hf_image_delta_dirty(struct hf_image_delta *d, const struct hf_nbd_ranges *changes)
{
    for (size_t i = 0; i < changes->n; i++)
        mark_read(d, changes->items[i].from, changes->items[i].to);
}

void hf_image_delta_zero(struct hf_image_delta *d, const struct hf_nbd_ranges *holes)
{
    for (size_t i = 0; i < holes->n; i++) {
        uint64_t to = holes->items[i].to, first = (holes->items[i].from + d->unit - 1) / d->unit;
        uint64_t end = to >= d->disk_bytes ? d->n : to / d->unit;
        for (uint64_t u = first; u < end; u++)
            set_bit(d->zero, u);
    }
}

/* ---- what the tree can give --------------------------------------------------------------- */

static bool is_there(struct hf_image *im, const unsigned char *id, uint32_t len)
{
    struct hf_image_place place;
    return hf_image_is_hole(id) ||
           (hf_image_chunks_find(im->chunks, HF_IMAGE_DATA, id, true, &place) &&
            place.entry.plain == len);
}

/* Chunk n of this disk. One whose length has changed was, or is, the last one of its disk. */
static int check_chunk(struct hf_image_delta *d, struct hf_image *im, struct hf_image_tree *t,
                       const struct hf_image_shape *now, uint64_t n, struct hf_err *err)
{
    unsigned char id[HF_IMAGE_ID];
    const struct hf_image_shape *then = hf_image_tree_shape(t);
    uint64_t at = n * now->chunk_bytes;
    uint32_t len = hf_image_chunk_len(now, n);
    if (n < hf_image_chunks_n(then) && hf_image_chunk_len(then, n) == len) {
        if (hf_image_tree_id(t, n, id, err) < 0)
            return -1;
        if (is_there(im, id, len))
            return 0;
    }
    mark_read(d, at, at + len);
    return 0;
}

int hf_image_delta_against(struct hf_image_delta *d, struct hf_image *im, struct hf_image_tree *t,
                           struct hf_err *err)
{
    const struct hf_image_shape now = {d->disk_bytes, im->chunk_bytes};
    if (hf_image_tree_shape(t)->chunk_bytes != im->chunk_bytes || im->chunk_bytes > d->unit)
        return hf_fail(err, HF_E_CONFLICT, "its tree is of chunks of %u bytes",
                       hf_image_tree_shape(t)->chunk_bytes);
    uint32_t per_unit = d->unit / im->chunk_bytes;
    uint64_t chunks = hf_image_chunks_n(&now);
    for (uint64_t n = 0; n < chunks; n++) {
        uint64_t unit = n / per_unit;
        if (has_bit(d->read, unit) || has_bit(d->zero, unit))
            n = (unit + 1) * per_unit - 1;
        else if (check_chunk(d, im, t, &now, n, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- a sample of what would be taken ------------------------------------------------------ */

static bool is_taken(const struct hf_image_delta *d, uint64_t unit)
{
    return !has_bit(d->read, unit) && !has_bit(d->zero, unit);
}

static uint64_t next_taken(const struct hf_image_delta *d, uint64_t unit)
{
    while (unit < d->n && !is_taken(d, unit))
        unit++;
    return unit;
}

size_t hf_image_delta_sample(const struct hf_image_delta *d, uint64_t out[HF_IMAGE_DELTA_SAMPLE])
{
    uint64_t first = next_taken(d, 0), last = d->n;
    if (first == d->n)
        return 0;
    while (!is_taken(d, last - 1))
        last--;
    size_t n = 0;
    out[n++] = first;
    uint64_t middle = next_taken(d, first + (last - first) / 2);
    if (middle > first && middle < last - 1)
        out[n++] = middle;
    if (last - 1 > first)
        out[n++] = last - 1;
    return n;
}

static int id_of(struct hf_image_tree *t, uint64_t n, unsigned char out[HF_IMAGE_ID],
                 struct hf_err *err)
{
    memcpy(out, hf_image_hole, HF_IMAGE_ID);
    return n < hf_image_chunks_n(hf_image_tree_shape(t)) ? hf_image_tree_id(t, n, out, err) : 0;
}

int hf_image_delta_unlike(const struct hf_image_delta *d, struct hf_image_tree *t,
                          struct hf_image_tree *other, uint64_t *out_unit, bool *out_found,
                          struct hf_err *err)
{
    uint32_t chunk = hf_image_tree_shape(t)->chunk_bytes, per_unit = d->unit / chunk;
    *out_found = false;
    for (uint64_t u = next_taken(d, 0); u < d->n; u = next_taken(d, u + 1)) {
        for (uint64_t n = u * per_unit; n < (u + 1) * per_unit; n++) {
            unsigned char mine[HF_IMAGE_ID], its[HF_IMAGE_ID];
            if (id_of(t, n, mine, err) < 0 || id_of(other, n, its, err) < 0)
                return -1;
            *out_found = *out_found || memcmp(mine, its, HF_IMAGE_ID) != 0;
        }
        *out_unit = u;
        if (*out_found)
            return 0;
    }
    return 0;
}

struct proof {
    unsigned char *data;
    uint64_t from;
};

static int take_data(void *ctx, uint64_t at, const void *data, uint64_t len, struct hf_err *err)
{
    struct proof *p = ctx;
    (void)err;
    if (data)
        memcpy(p->data + (at - p->from), data, (size_t)len);
    return 0;
}

static int is_as_in(struct hf_image *im, struct hf_image_tree *t, const unsigned char *data,
                    uint64_t n, uint32_t len, bool *out, struct hf_err *err)
{
    unsigned char is[HF_IMAGE_ID], was[HF_IMAGE_ID];
    if (hf_image_tree_id(t, n, was, err) < 0)
        return -1;
    memcpy(is, hf_image_hole, HF_IMAGE_ID);
    if (!hf_image_is_zero(data, len))
        hf_image_id(im->keys->chunk_id, data, len, is);
    *out = memcmp(is, was, HF_IMAGE_ID) == 0;
    return 0;
}

int hf_image_delta_prove(const struct hf_image_delta *d, struct hf_image *im,
                         struct hf_image_tree *t, struct hf_nbd *n, uint64_t unit, bool *out_is_so,
                         struct hf_err *err)
{
    const struct hf_image_shape now = {d->disk_bytes, im->chunk_bytes};
    const uint64_t from = unit * d->unit;
    const struct hf_nbd_range range = {from, d->disk_bytes - from < d->unit ? d->disk_bytes
                                                                            : from + d->unit};
    HF_AUTOFREE unsigned char *data = calloc(1, d->unit);
    struct proof p = {data, from};
    if (!data)
        return hf_fail_nomem(err);
    if (hf_nbd_read(n, &range, 1, take_data, &p, err) < 0)
        return -1;
    *out_is_so = true;
    for (uint64_t at = from; *out_is_so && at < range.to; at += im->chunk_bytes) {
        const uint64_t chunk = at / im->chunk_bytes;
        if (is_as_in(im, t, data + (at - from), chunk, hf_image_chunk_len(&now, chunk), out_is_so,
                     err) < 0)
            return -1;
    }
    return 0;
}

/* ---- the outcome ------------------------------------------------------------------------- */

int hf_image_delta_ranges(const struct hf_image_delta *d, struct hf_nbd_ranges *out,
                          uint64_t *out_bytes, struct hf_err *err)
{
    *out_bytes = 0;
    for (uint64_t i = 0; i < d->n; i++) {
        uint64_t from = i * d->unit, to = i + 1 < d->n ? from + d->unit : d->disk_bytes;
        if (!has_bit(d->read, i))
            continue;
        *out_bytes += to - from;
        if (hf_nbd_ranges_add(out, from, to, err) < 0)
            return -1;
    }
    return 0;
}

int hf_image_delta_take(const struct hf_image_delta *d, struct hf_image_tree *t,
                        struct hf_image_writer *w, uint64_t from, uint64_t to, struct hf_err *err)
{
    uint32_t chunk = hf_image_tree_shape(t)->chunk_bytes, per_unit = d->unit / chunk;
    for (uint64_t n = (from + chunk - 1) / chunk; n * chunk < to; n++) {
        unsigned char id[HF_IMAGE_ID];
        if (has_bit(d->zero, n / per_unit)) { /* what is left out is a hole */
            n = (n / per_unit + 1) * per_unit - 1;
            continue;
        }
        if (hf_image_tree_id(t, n, id, err) < 0 ||
            (!hf_image_is_hole(id) && hf_image_write_same(w, n, id, err) < 0))
            return -1;
    }
    return 0;
}
