/* SPDX-License-Identifier: Apache-2.0
 *
 * Is the listing of a store whole? A server that shortens its listings, or a link in place of a folder, hides points, and what they need
 * would be removed. The catalog knows points, too: those that are not listed are asked for by name. One that is really gone, somebody
 * else has pruned; that it is missing is for `verify` to say.
 */
#include "base/many.h"
#include "run/known_points.h"
#include "run/prune_intern.h"

#define THREADS 15

struct checking {
    struct hf_site *site;
    struct hf_points unlisted;
};

static void checking_free(struct checking *c)
{
    hf_points_free(&c->unlisted);
}
HF_DEFINE_AUTO_VALUE(checking, checking_free)

static int gather_listed(const struct hf_prune_points *all, struct hf_points *out,
                         struct hf_err *err)
{
    for (size_t i = 0; i < all->n; i++)
        if (hf_points_add(out, &all->items[i].name, err) < 0)
            return -1;
    for (size_t i = 0; i < all->unreadable_n; i++)
        if (hf_points_add(out, &all->unreadable[i], err) < 0)
            return -1;
    hf_points_sort(out);
    return 0;
}

/* It may have come after the listing: then it is in the next. */
static int list_again(struct hf_site *site, const struct hf_point_name *n, struct hf_err *err)
{
    const struct hf_points_filter of_vm = {.vm = n->vm};
    HF_AUTO(hf_points) struct hf_points now = {0};
    if (hf_points_list(site, &of_vm, &now, err) < 0)
        return -1;
    if (hf_points_has(&now, n))
        return 0;
    hf_fail(err, HF_E_CORRUPT, "point %s/%s is there, and the store does not list it", n->vm,
            n->id);
    return hf_hint(err, "Nothing is removed by a listing that is not whole. If it stays so, look "
                        "whether the server shortens it, or a link stands for a folder.");
}

static int check_nth(void *checking, size_t i, struct hf_err *err)
{
    const struct checking *c = checking;
    const struct hf_point_name *n = &c->unlisted.items[i];
    char name[HF_POINT_NAME_MAX];
    struct hf_err why = HF_ERR_INIT;
    struct hf_store_object o;
    if (hf_cancel_check(c->site->cancel, err) < 0 ||
        hf_point_manifest_name(n, c->site->is_encrypted, name, err) < 0)
        return -1;
    if (hf_store_head(c->site->store, name, &o, &why) == 0)
        return list_again(c->site, n, err);
    if (why.cls == HF_E_NOT_FOUND)
        return 0;
    hf_err_copy(err, &why);
    return -1;
}

int prune_check_listed(struct pruning *p, const struct hf_prune_points *all, struct hf_err *err)
{
    HF_AUTO(hf_points) struct hf_points listed = {0};
    HF_AUTO(hf_points) struct hf_points known = {0};
    HF_AUTO(checking) struct checking c = {.site = p->site};
    if (gather_listed(all, &listed, err) < 0 ||
        hf_known_points_on(p->catalog, p->site->id, &known, err) < 0)
        return -1;
    for (size_t i = 0; i < known.n; i++)
        if (!hf_points_has(&listed, &known.items[i]) &&
            hf_points_add(&c.unlisted, &known.items[i], err) < 0)
            return -1;
    return hf_many(c.unlisted.n, THREADS, check_nth, &c, err);
}
