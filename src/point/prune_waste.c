/* SPDX-License-Identifier: Apache-2.0
 *
 * What of the packs that manifests name is needed by their trees; and what was found of it last time.
 */
#include "base/many.h"
#include "base/path.h"
#include "point/prune_intern.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define READERS 7 /* beside the caller: trees that are read at once */
#define FILE_NAME "waste"
#define MAGIC "HFWAST01"
#define DAY_S (INT64_C(24) * 3600)

void hf_prune_waste_free(struct hf_prune_waste *w)
{
    hf_image_alive_free(w->alive);
    hf_image_close(w->image);
    free(w->worth);
    free(w->sums);
    *w = (struct hf_prune_waste){0};
}

/* ---- what packs are worth --------------------------------------------------------------- */

/* Only one that is named, is not going to go, and is as its index says, for all that is known. What came later is worth more: what was copied is to be needed there. */
static uint64_t worth_of(struct hf_image_chunks *chunks, const struct hf_prune_pack *p,
                         const struct hf_image_pack *pack)
{
    const unsigned object = pack->kind == HF_IMAGE_DATA ? HF_PRUNE_DATA : HF_PRUNE_TREE;
    const unsigned parts = p->parts & ~(unsigned)HF_PRUNE_MOVED;
    if (!p->is_named || parts != (HF_PRUNE_INDEX | object) || p->content != pack->stored_bytes ||
        hf_image_chunks_is_condemned(chunks, p->id)) /* or damaged */
        return 0;
    return p->newest_s > 0 ? (uint64_t)p->newest_s + 1 : 1;
}

static int judge_packs(const struct hf_prune_view *v, struct hf_prune_waste *w, struct hf_err *err)
{
    struct hf_image_chunks *chunks = hf_image_chunks(w->image);
    struct hf_image_pack pack;
    w->n = hf_image_chunks_packs_n(chunks);
    w->worth = calloc((size_t)w->n + 1, sizeof *w->worth);
    w->sums = calloc((size_t)w->n + 1, sizeof *w->sums);
    if (!w->worth || !w->sums)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < v->n_packs; i++) {
        const uint32_t number = hf_image_chunks_pack_find(chunks, v->packs[i].id);
        if (number < w->n && hf_image_chunks_pack(chunks, number, &pack))
            w->worth[number] = worth_of(chunks, &v->packs[i], &pack);
    }
    return 0;
}

/* ---- trees ------------------------------------------------------------------------------ */

struct reading {
    struct hf_prune *prune;
    const struct hf_prune_view *view;
    struct hf_image_alive *alive;
};

/* Then its packs are for something that is not known here. */
static int check_roots(const struct hf_prune_view *v, struct hf_err *err)
{
    return v->has_rootless ? hf_fail(err, HF_E_UNSUPPORTED, "a point needs packs, and has no disk")
                           : 0;
}

static int read_nth(void *reading, size_t i, struct hf_err *err)
{
    const struct reading *r = reading;
    if (hf_cancel_check(r->prune->site->cancel, err) < 0)
        return -1;
    return hf_image_alive_tree(r->alive, r->view->roots[i], err);
}

/* A tree that is damaged is no failure: then nothing is known. */
static int read_trees(struct hf_prune *p, const struct hf_prune_view *v, struct hf_prune_waste *w,
                      struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    struct reading r = {p, v, w->alive};
    if (check_roots(v, &what) == 0 && hf_many(v->n_roots, READERS, read_nth, &r, &what) == 0)
        return 0;
    if (what.cls != HF_E_CORRUPT && what.cls != HF_E_UNSUPPORTED) {
        hf_err_copy(err, &what);
        return -1;
    }
    hf_err_copy(&w->damage, &what);
    hf_image_alive_free(HF_STEAL(w->alive));
    return 0;
}

/* The indexes are read when all manifests have been: what those name is among them. */
int hf_prune_waste(struct hf_prune *p, const struct hf_prune_view *v, struct hf_prune_waste *out,
                   struct hf_err *err)
{
    struct hf_image_refreshed refreshed;
    out->damage = (struct hf_err)HF_ERR_INIT;
    out->image = hf_site_image(p->site, err);
    if (!out->image || hf_image_refresh(out->image, &refreshed, err) < 0)
        return -1;
    out->alive = hf_image_alive_new(out->image, err);
    if (!out->alive || judge_packs(v, out, err) < 0 || read_trees(p, v, out, err) < 0)
        return -1;
    if (out->alive)
        hf_image_alive_sum(out->alive, out->worth, out->sums);
    return 0;
}

/* ---- last time -------------------------------------------------------------------------- */

/* In this host's own byte order; the seal is of all before it. */
struct note {
    char magic[8];
    unsigned char key[HF_IMAGE_ID];
    uint64_t wasted_packs, wasted_bytes, left_packs, left_bytes;
    uint64_t why;
    int64_t looked_s;
    uint64_t is_known;
    char damage[256]; /* why not */
    unsigned char seal[HF_IMAGE_ID];
};

static int by_id(const void *a, const void *b)
{
    return memcmp(a, b, HF_IMAGE_ID);
}

static void add_packs(crypto_generichash_state *h, const struct hf_prune *pr,
                      const struct hf_prune_view *v)
{
    for (size_t i = 0; i < v->n_packs; i++) {
        const struct hf_prune_pack *p = &v->packs[i];
        if (!p->is_named)
            continue;
        const unsigned parts[] = {p->parts, hf_prune_is_young(pr, v, p)};
        crypto_generichash_update(h, p->id, sizeof p->id);
        crypto_generichash_update(h, (const unsigned char *)parts, sizeof parts);
        crypto_generichash_update(h, (const unsigned char *)&p->content, sizeof p->content);
    }
}

/* All that what was found depends on: the trees, and the packs that are named, with whether they are old enough. */
static bool key_of(const struct hf_prune *p, const struct hf_prune_view *v,
                   unsigned char out[HF_IMAGE_ID])
{
    crypto_generichash_state h;
    HF_AUTOFREE unsigned char(*roots)[HF_IMAGE_ID] = calloc(v->n_roots + 1, HF_IMAGE_ID);
    if (!roots)
        return false;
    if (v->n_roots) {
        memcpy(roots, v->roots, v->n_roots * HF_IMAGE_ID);
        qsort(roots, v->n_roots, HF_IMAGE_ID, by_id);
    }
    crypto_generichash_init(&h, p->site->keys->manifest_mac, HF_IMAGE_KEY, HF_IMAGE_ID);
    crypto_generichash_update(&h, (const unsigned char *)roots, v->n_roots * HF_IMAGE_ID);
    add_packs(&h, p, v);
    crypto_generichash_final(&h, out, HF_IMAGE_ID);
    return true;
}

static void seal(const struct hf_prune *p, const struct note *n, unsigned char out[HF_IMAGE_ID])
{
    hf_image_id(p->site->keys->manifest_mac, n, offsetof(struct note, seal), out);
}

static bool read_note(const struct hf_prune *p, struct note *out)
{
    struct hf_err ignored = HF_ERR_INIT;
    unsigned char is[HF_IMAGE_ID];
    size_t len = 0;
    HF_AUTOFREE char *path = hf_path_join(p->site->dir, FILE_NAME);
    HF_AUTOFREE char *text = path ? hf_path_read(path, sizeof *out, &len, &ignored) : NULL;
    if (!text || len != sizeof *out)
        return false;
    memcpy(out, text, sizeof *out);
    seal(p, out, is);
    return memcmp(out->magic, MAGIC, sizeof out->magic) == 0 &&
           memcmp(is, out->seal, sizeof is) == 0;
}

/* Trees over the network are many bytes, which may have to be paid for: once a day is enough, unless somebody asks. */
static bool is_recent(const struct hf_prune *p, const struct hf_prune_view *v, const struct note *n)
{
    const int64_t age_s = v->points.now_s - n->looked_s;
    return !p->opts.is_dry && !(p->site->store->features & HF_STORE_LOCAL) && age_s >= 0 &&
           age_s < DAY_S;
}

bool hf_prune_waste_recall(struct hf_prune *p, const struct hf_prune_view *v,
                           struct hf_prune_repacked *out)
{
    struct note n;
    unsigned char key[HF_IMAGE_ID];
    if (!read_note(p, &n) || !key_of(p, v, key))
        return false;
    if ((!n.is_known || memcmp(key, n.key, sizeof key) != 0) && !is_recent(p, v, &n))
        return false;
    out->is_known = n.is_known;
    if (!n.is_known)
        hf_fail(&out->damage, HF_E_CORRUPT, "%.*s", (int)sizeof n.damage, n.damage);
    out->looked_s = n.looked_s;
    out->wasted = (struct hf_prune_sum){n.wasted_packs, n.wasted_bytes};
    out->left = (struct hf_prune_sum){n.left_packs, n.left_bytes};
    out->why = (enum hf_prune_why)n.why;
    return true;
}

/* One that cannot be written is none. */
void hf_prune_waste_note(struct hf_prune *p, const struct hf_prune_view *v,
                         const struct hf_prune_repacked *found)
{
    struct hf_err ignored = HF_ERR_INIT;
    struct note n;
    HF_AUTOFREE char *path = hf_path_join(p->site->dir, FILE_NAME);
    memset(&n, 0, sizeof n);
    memcpy(n.magic, MAGIC, sizeof n.magic);
    n.wasted_packs = found->wasted.packs;
    n.wasted_bytes = found->wasted.bytes;
    n.left_packs = found->left.packs;
    n.left_bytes = found->left.bytes;
    n.why = (uint64_t)found->why;
    n.looked_s = found->looked_s;
    n.is_known = found->is_known;
    if (!found->is_known)
        snprintf(n.damage, sizeof n.damage, "%.255s", found->damage.message);
    if (!path || !key_of(p, v, n.key))
        return;
    seal(p, &n, n.seal);
    if (hf_path_write(path, &n, sizeof n, 0600, &ignored) < 0)
        hf_err_clear(&ignored);
}
