/* SPDX-License-Identifier: Apache-2.0 */
#include "base/list.h"
#include "point/verify_intern.h"

#include <stdlib.h>

static void note(struct hf_verify *v, struct hf_err *why)
{
    if (v->unmarked.cls == HF_E_NONE)
        hf_err_copy(&v->unmarked, why);
    hf_err_clear(why);
}

static void take_away(struct hf_verify *v, const unsigned char id[HF_IMAGE_PACK_ID])
{
    char name[HF_IMAGE_NAME_MAX];
    struct hf_err why = HF_ERR_INIT;
    hf_image_damaged_name(id, name);
    if (hf_store_remove(v->site->store, name, &why) < 0)
        note(v, &why);
}

/* ---- those that are there ---------------------------------------------------------------- */

struct listing {
    struct hf_verify *v;
    unsigned char (*strays)[HF_IMAGE_PACK_ID]; /* of packs that no index names: they are gone */
    size_t n, cap;
};

static int add_stray(struct listing *l, const unsigned char id[HF_IMAGE_PACK_ID],
                     struct hf_err *err)
{
    void *more = hf_list_room(l->strays, l->n, &l->cap, sizeof *l->strays, 16);
    if (!more)
        return hf_fail_nomem(err);
    l->strays = more;
    memcpy(l->strays[l->n++], id, HF_IMAGE_PACK_ID);
    return 0;
}

static int take_mark(void *ctx, const struct hf_store_object *o, struct hf_err *err)
{
    struct listing *l = ctx;
    unsigned char id[HF_IMAGE_PACK_ID];
    if (!hf_image_damaged_id(o->name, id))
        return 0;
    uint32_t number = hf_image_chunks_pack_find(hf_image_chunks(l->v->image), id);
    if (number >= l->v->n_packs)
        return add_stray(l, id, err);
    l->v->marks[number] = o->bytes ? HF_IMAGE_DAMAGED_CONTENT : HF_IMAGE_DAMAGED_OBJECT;
    return 0;
}

int hf_verify_marks_list(struct hf_verify *v, struct hf_err *err)
{
    struct listing l = {.v = v};
    const struct hf_store_list what = {.prefix = "damaged/"};
    v->marks = calloc(v->n_packs ? v->n_packs : 1, 1);
    if (!v->marks)
        return hf_fail_nomem(err);
    int rc = hf_store_list(v->site->store, &what, take_mark, &l, err) ? -1 : 0;
    for (size_t i = 0; rc == 0 && i < l.n; i++)
        take_away(v, l.strays[i]);
    free(l.strays);
    return rc;
}

/* ---- what is found ----------------------------------------------------------------------- */

void hf_verify_mark(struct hf_verify *v, uint32_t number, const unsigned char id[HF_IMAGE_PACK_ID],
                    enum hf_image_damage what)
{
    struct hf_err why = HF_ERR_INIT;
    if (v->marks[number] >= what)
        return;
    v->marks[number] = (unsigned char)what;
    if (hf_image_mark_damaged(v->image, id, what, &why) < 0)
        note(v, &why);
}

bool hf_verify_unmark(struct hf_verify *v, uint32_t number,
                      const unsigned char id[HF_IMAGE_PACK_ID])
{
    const enum hf_image_damage proven = v->opts.depth == HF_VERIFY_THERE ? HF_IMAGE_UNDAMAGED
                                        : v->opts.depth == HF_VERIFY_READ
                                            ? HF_IMAGE_DAMAGED_OBJECT
                                            : HF_IMAGE_DAMAGED_CONTENT;
    if (v->marks[number] > proven)
        return false;
    if (v->marks[number] != HF_IMAGE_UNDAMAGED)
        take_away(v, id);
    v->marks[number] = HF_IMAGE_UNDAMAGED;
    return true;
}
