/* SPDX-License-Identifier: Apache-2.0 */
#include "image/tree.h"
#include "image/verify.h"
#include "point/verify_intern.h"

#include <stdlib.h>
#include <string.h>

/* FALSE: its object is what the index says, and its content is not */
enum { PACK_MISSING, PACK_OTHER_SIZE, PACK_THERE, PACK_GOOD, PACK_BAD, PACK_FALSE };

/* ---- what lies there -------------------------------------------------------------------- */

/* "packs/xx/ID[.age]", "trees/xx/ID[.age]": the pack of the index that would have this name; NO_PACK: none. */
static uint32_t pack_of(const struct hf_verify *v, const char *name, struct hf_image_pack *out)
{
    unsigned char id[HF_IMAGE_PACK_ID];
    struct hf_image_chunks *chunks = hf_image_chunks(v->image);
    const bool is_data = hf_image_pack_id(HF_IMAGE_DATA, name, v->site->is_encrypted, id);
    if (!is_data && !hf_image_pack_id(HF_IMAGE_TREE, name, v->site->is_encrypted, id))
        return HF_IMAGE_NO_PACK;
    uint32_t number = hf_image_chunks_pack_find(chunks, id);
    if (number == HF_IMAGE_NO_PACK || !hf_image_chunks_pack(chunks, number, out))
        return HF_IMAGE_NO_PACK;
    return out->kind == (is_data ? HF_IMAGE_DATA : HF_IMAGE_TREE) ? number : HF_IMAGE_NO_PACK;
}

static int take_pack(void *ctx, const struct hf_store_object *o, struct hf_err *err)
{
    struct hf_verify *v = ctx;
    struct hf_image_pack pack;
    uint32_t number = pack_of(v, o->name, &pack);
    (void)err;
    if (number < v->n_packs)
        v->packs[number] = o->bytes == pack.stored_bytes ? PACK_THERE : PACK_OTHER_SIZE;
    return 0;
}

int hf_verify_packs_begin(struct hf_verify *v, struct hf_err *err)
{
    struct hf_image_refreshed refreshed;
    const struct hf_store_list data = {.prefix = "packs/"}, trees = {.prefix = "trees/"};
    if (hf_moved_list(v->site, &v->moved, err) < 0 ||
        hf_image_refresh(v->image, &refreshed, err) < 0)
        return -1;
    v->n_packs = hf_image_chunks_packs_n(hf_image_chunks(v->image));
    v->packs = calloc(v->n_packs ? v->n_packs : 1, 1);
    if (!v->packs)
        return hf_fail_nomem(err);
    return hf_store_list(v->site->store, &data, take_pack, v, err) ||
                   hf_store_list(v->site->store, &trees, take_pack, v, err)
               ? -1
               : hf_verify_marks_list(v, err);
}

/* ---- packs ------------------------------------------------------------------------------ */

/* Without an index that could be used: reading it again says why. */
static int no_index(struct hf_verify *v, const unsigned char *id, struct hf_err *what)
{
    char name[HF_IMAGE_NAME_MAX];
    if (hf_image_verify_stored(v->image, id, what) < 0)
        return -1;
    hf_image_index_name(id, v->site->is_encrypted, name);
    return hf_fail(what, HF_E_CORRUPT, "%s came only now", name);
}

/* *out: what became of it; of one that cannot be looked at, nothing. */
static int read_pack(struct hf_verify *v, const unsigned char *id, unsigned char *out,
                     struct hf_err *what)
{
    unsigned char bad = PACK_BAD;
    int rc = hf_image_verify_stored(v->image, id, what);
    if (rc == 0 && v->opts.depth == HF_VERIFY_CONTENT) {
        bad = PACK_FALSE;
        rc = hf_image_verify_content(v->image, id, what);
    }
    if (rc == 0 || what->cls == HF_E_CORRUPT)
        *out = rc == 0 ? PACK_GOOD : bad;
    return rc;
}

/* The first time it is read; a bad one says so for each point that needs it. */
static int look(struct hf_verify *v, uint32_t number, const struct hf_image_pack *pack,
                struct hf_verified *out, struct hf_err *what)
{
    char name[HF_IMAGE_NAME_MAX];
    hf_image_pack_name((enum hf_image_kind)pack->kind, pack->id, v->site->is_encrypted, name);
    switch (v->packs[number]) {
    case PACK_MISSING:
        return hf_fail(what, HF_E_NOT_FOUND, "%s is missing", name);
    case PACK_OTHER_SIZE:
        return hf_fail(what, HF_E_CORRUPT, "%s has another size than its index says", name);
    case PACK_BAD:
    case PACK_FALSE:
        return hf_fail(what, HF_E_CORRUPT, "%s is damaged, as was said", name);
    case PACK_GOOD:
        break;
    default:
        if (v->opts.depth == HF_VERIFY_THERE)
            break;
        if (read_pack(v, pack->id, &v->packs[number], what) < 0)
            return -1;
        out->bytes_read += pack->stored_bytes;
    }
    if (hf_verify_unmark(v, number, pack->id))
        return 0;
    return hf_fail(what, HF_E_CORRUPT, "%s was found damaged before, by reading %s", name,
                   v->marks[number] == HF_IMAGE_DAMAGED_CONTENT ? "its content" : "it");
}

/* ---- packs that were moved --------------------------------------------------------------- */

static bool was_moved(const struct hf_verify *v, const unsigned char *id)
{
    size_t n = 0;
    return hf_moved_of(&v->moved, id, &n) != NULL;
}

/* Its content was moved, and now it is gone, perhaps since we began: what is needed of it has to lie elsewhere, which the disks tell. */
static bool is_gone(struct hf_verify *v, const unsigned char *id, uint32_t number)
{
    char name[HF_IMAGE_NAME_MAX];
    struct hf_err what = HF_ERR_INIT;
    struct hf_store_object o;
    if (!was_moved(v, id))
        return false;
    hf_image_index_name(id, v->site->is_encrypted, name);
    if (hf_store_head(v->site->store, name, &o, &what) == 0 || what.cls != HF_E_NOT_FOUND)
        return false;
    if (number < v->n_packs)
        v->packs[number] = PACK_MISSING;
    hf_image_chunks_condemn(hf_image_chunks(v->image), id,
                            true); /* others come first from now on */
    v->has_gone = true;
    return true;
}

/* ---- looked at --------------------------------------------------------------------------- */

static int look_at(struct hf_verify *v, uint32_t number, const struct hf_image_pack *pack,
                   struct hf_verified *out, struct hf_err *what)
{
    int rc = look(v, number, pack, out, what);
    if (rc < 0 && (what->cls == HF_E_CORRUPT || what->cls == HF_E_NOT_FOUND) &&
        !is_gone(v, pack->id, number))
        hf_verify_mark(v, number, pack->id,
                       v->packs[number] == PACK_FALSE ? HF_IMAGE_DAMAGED_CONTENT
                                                      : HF_IMAGE_DAMAGED_OBJECT);
    return rc;
}

bool hf_verify_pack_is_bad(const struct hf_verify *v, uint32_t number)
{
    return number >= v->n_packs || v->packs[number] == PACK_MISSING ||
           v->marks[number] != HF_IMAGE_UNDAMAGED;
}

static uint64_t stored_bytes(struct hf_verify *v, const unsigned char *id)
{
    struct hf_image_pack pack;
    struct hf_image_chunks *chunks = hf_image_chunks(v->image);
    uint32_t number = hf_image_chunks_pack_find(chunks, id);
    return number < v->n_packs && hf_image_chunks_pack(chunks, number, &pack) ? pack.stored_bytes
                                                                              : 0;
}

static void tell_progress(const struct hf_verify *v, uint64_t done, uint64_t all)
{
    if (v->opts.progress && v->opts.depth > HF_VERIFY_THERE && all)
        v->opts.progress(v->opts.progress_ctx, done, all);
}

/* ---- those of a point -------------------------------------------------------------------- */

/* is_own: the manifest names it; else only what was moved there does, and whether it is needed the trees say. */
static int verify_pack(struct hf_verify *v, const struct hf_manifest *m, const unsigned char *id,
                       bool is_own, struct hf_verified *out, struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    struct hf_image_pack pack;
    struct hf_image_chunks *chunks = hf_image_chunks(v->image);
    uint32_t number = hf_image_chunks_pack_find(chunks, id);
    bool is_known = number < v->n_packs && hf_image_chunks_pack(chunks, number, &pack);
    if (!is_known && !is_own)
        return 0;
    out->packs++;
    int rc = is_known ? look_at(v, number, &pack, out, &what) : no_index(v, id, &what);
    if (rc < 0 && is_gone(v, id, number)) {
        out->packs--;
        return 0;
    }
    return rc < 0 ? hf_verify_judge(v, &m->point, out, &what, err) : 0;
}

int hf_verify_packs(struct hf_verify *v, const struct hf_manifest *m, struct hf_verified *out,
                    struct hf_err *err)
{
    HF_AUTOFREE unsigned char(*packs)[HF_IMAGE_PACK_ID] = NULL;
    uint64_t done = 0, all = 0;
    size_t n = 0;
    v->has_gone = false;
    if (hf_moved_closure(&v->moved, (const unsigned char(*)[HF_IMAGE_PACK_ID])m->packs, m->n_packs,
                         &packs, &n, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        all += stored_bytes(v, packs[i]);
    for (size_t i = 0; i < n; i++) {
        if (hf_cancel_check(v->site->cancel, err) < 0 ||
            verify_pack(v, m, packs[i], i < m->n_packs, out, err) < 0)
            return -1;
        done += stored_bytes(v, packs[i]);
        tell_progress(v, done, all);
    }
    return 0;
}

int hf_verify_pack_read(struct hf_verify *v, uint32_t number, struct hf_verified *out,
                        struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    struct hf_image_pack pack;
    if (number >= v->n_packs || v->packs[number] != PACK_THERE ||
        !hf_image_chunks_pack(hf_image_chunks(v->image), number, &pack) ||
        look_at(v, number, &pack, out, &what) == 0 || what.cls == HF_E_CORRUPT)
        return 0;
    hf_err_copy(err, &what);
    return -1;
}

/* ---- trees ------------------------------------------------------------------------------ */

static int check_shape(const struct hf_image_shape *shape, const struct hf_verify *v,
                       const struct hf_point_artifact *a, struct hf_err *what)
{
    if (shape->disk_bytes != a->bytes || shape->chunk_bytes != v->site->chunk_bytes)
        return hf_fail(what, HF_E_CORRUPT, "its tree is of a disk of %llu bytes, not of %llu",
                       (unsigned long long)shape->disk_bytes, (unsigned long long)a->bytes);
    return 0;
}

static int check_tree(struct hf_verify *v, const struct hf_point_artifact *a, struct hf_err *what)
{
    HF_AUTO(hf_image_needs) struct hf_image_needs needs = {0};
    HF_AUTO(hf_image_tree)
    struct hf_image_tree *t = hf_image_tree_open(v->image, a->root, what);
    if (!t || check_shape(hf_image_tree_shape(t), v, a, what) < 0)
        return -1;
    return hf_image_verify_tree(v->image, a->root, &needs, what);
}

int hf_verify_tree(struct hf_verify *v, const struct hf_manifest *m,
                   const struct hf_point_artifact *a, struct hf_verified *out, struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    if (check_tree(v, a, &what) == 0)
        return 0;
    hf_wrap(&what, "disk '%s'", a->name);
    return hf_verify_judge(v, &m->point, out, &what, err);
}
