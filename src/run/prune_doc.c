/* SPDX-License-Identifier: Apache-2.0 */
#include "run/prune_intern.h"

int prune_add_point(struct pruning *p, const struct hf_point_name *n, int64_t taken_us,
                    const char *action, const char *why, struct hf_err *err)
{
    char at[HF_TIME_MAX];
    struct json_object *row = hf_json_append_object(p->points);
    hf_time_rfc3339(taken_us, at);
    if (!row || hf_json_add_string(row, "store", p->config->label) < 0 ||
        hf_json_add_string(row, "vm", n->vm) < 0 || hf_json_add_string(row, "point", n->id) < 0 ||
        hf_json_add_string(row, "taken_at", taken_us ? at : NULL) < 0 ||
        hf_json_add_string(row, "action", action) < 0 || hf_json_add_string(row, "why", why) < 0)
        return hf_fail_nomem(err);
    return 0;
}

static int add_sum(struct json_object *packs, const char *key, const struct hf_prune_sum *s)
{
    HF_AUTOJSON struct json_object *o = json_object_new_object();
    if (!o || hf_json_add_int(o, "packs", (int64_t)s->packs) < 0 ||
        hf_json_add_int(o, "bytes", (int64_t)s->bytes) < 0)
        return -1;
    return hf_json_add(packs, key, HF_STEAL(o));
}

/* Why some are left, or it is not known. */
static const char *word_of(enum hf_prune_why why)
{
    static const char *const words[] = {
        [HF_PRUNE_WHY_OFF] = "off",
        [HF_PRUNE_WHY_KEYLESS] = "no-identity",
        [HF_PRUNE_WHY_LATER] = "later",
        [HF_PRUNE_WHY_DAMAGED] = "damaged",
        [HF_PRUNE_WHY_UNREADABLE] = "unreadable",
    };
    return words[why];
}

/* null: not known. */
static int add_known(struct json_object *packs, const char *key, bool is_known,
                     const struct hf_prune_sum *s)
{
    return is_known ? add_sum(packs, key, s) : hf_json_add_string(packs, key, NULL);
}

static int add_repacked(struct json_object *packs, const struct hf_prune_repacked *r)
{
    char at[HF_TIME_MAX];
    hf_time_rfc3339(r->looked_s * 1000000, at);
    if (hf_json_add_string(packs, "trees_read_at", r->is_known ? at : NULL) < 0 ||
        add_known(packs, "wasted", r->is_known, &r->wasted) < 0 ||
        add_sum(packs, "repacked", &r->done) < 0 ||
        hf_json_add_int(packs, "moved_bytes", (int64_t)r->moved_bytes) < 0 ||
        add_known(packs, "left", r->is_known, &r->left) < 0)
        return -1;
    return hf_json_add_string(packs, "left_why", word_of(r->why));
}

/* null: they were not looked at. */
static int add_packs(struct json_object *row, const struct hf_pruned *done)
{
    if (!done)
        return hf_json_add_string(row, "packs", NULL);
    HF_AUTOJSON struct json_object *packs = json_object_new_object();
    if (!packs || add_sum(packs, "used", &done->used) < 0 ||
        add_sum(packs, "young", &done->young) < 0 ||
        add_sum(packs, "condemned", &done->condemned) < 0 ||
        add_sum(packs, "waiting", &done->waiting) < 0 ||
        add_sum(packs, "removed", &done->removed) < 0 || add_repacked(packs, &done->repacked) < 0 ||
        hf_json_add_int(packs, "reprieved", (int64_t)done->reprieved) < 0)
        return -1;
    return hf_json_add(row, "packs", HF_STEAL(packs));
}

int prune_add_store(struct pruning *p, const struct hf_prune_points *points,
                    const struct hf_pruned *done, const struct hf_err *why, struct hf_err *err)
{
    struct json_object *row = hf_json_append_object(p->stores);
    const size_t unreadable = points ? points->unreadable_n : 0;
    if (!row || hf_json_add_string(row, "name", p->config->label) < 0 ||
        hf_json_add_string(row, "id", p->site ? p->site->id : NULL) < 0 ||
        hf_json_add_int(row, "points", p->n_points) < 0 ||
        hf_json_add_int(row, "deleted", p->n_deleted) < 0 ||
        hf_json_add_int(row, "unreadable", (int64_t)unreadable) < 0 ||
        hf_json_add_string(row, "damage", unreadable ? points->first_damage.message : NULL) < 0 ||
        hf_json_add_int(row, "abandoned", done ? (int64_t)done->abandoned : 0) < 0 ||
        add_packs(row, done) < 0 ||
        hf_json_add_string(row, "error", why->cls ? why->message : NULL) < 0)
        return hf_fail_nomem(err);
    return 0;
}
