/* SPDX-License-Identifier: Apache-2.0 */
#include "run/point_kept.h"

#include "run/pushed.h"

#include <stdlib.h>
#include <string.h>

const char *hf_pushed_check_name(enum hf_pushed_check check)
{
    static const char *const names[] = {"unchecked", "good", "bad"};
    return names[check];
}

/* ---- whose machine it is of --------------------------------------------------------------- */

struct asking {
    const char *point;
    struct hf_kept *out;
};

static int take_place(void *ctx, const struct hf_catalog_point *p, struct hf_err *err)
{
    struct asking *a = ctx;
    if (a->out->hypervisor || strcmp(p->id, a->point) != 0)
        return 0;
    a->out->hypervisor = strdup(p->hypervisor);
    a->out->vm_id = strdup(p->vm_id);
    return a->out->hypervisor && a->out->vm_id ? 0 : hf_fail_nomem(err);
}

/* A manifest says it itself; a report is of a point that the catalog knows, or knew. */
static int find_place(struct json_object *doc, struct hf_catalog *c, struct hf_kept *out,
                      struct hf_err *err)
{
    const char *hypervisor = hf_json_text(doc, "hypervisor"), *vm_id = hf_json_text(doc, "vm_id");
    struct asking a = {hf_json_text(doc, "point"), out};
    if (!a.point)
        return 0;
    hf_point_mark(a.point, out->run);
    if (!hypervisor || !vm_id)
        return hf_catalog_points(c, hf_json_text(doc, "vm"), 0, take_place, &a, err);
    out->hypervisor = strdup(hypervisor);
    out->vm_id = strdup(vm_id);
    return out->hypervisor && out->vm_id ? 0 : hf_fail_nomem(err);
}

/* ---- what it is now ------------------------------------------------------------------------ */

static int add_there(struct json_object *now, const struct hf_kept_look *l)
{
    return l->unknown.cls ? hf_json_add_string(now, "there", NULL)
                          : hf_json_add_bool(now, "there", l->is.ref != NULL);
}

static int add_now(struct json_object *artifact, const struct hf_kept_look *l)
{
    HF_AUTOJSON struct json_object *now = json_object_new_object();
    const bool is_there = l->is.ref != NULL;
    if (!now || add_there(now, l) < 0 ||
        hf_json_add_string(now, "check", is_there ? hf_pushed_check_name(l->is.check) : NULL) < 0 ||
        (is_there ? hf_json_add_bool(now, "protected", l->is.is_protected)
                  : hf_json_add_string(now, "protected", NULL)) < 0 ||
        hf_json_add_string(now, "damage", l->damage[0] ? l->damage : NULL) < 0 ||
        hf_json_add_string(now, "error", l->unknown.cls ? l->unknown.message : NULL) < 0)
        return -1;
    return hf_json_add(artifact, "now", HF_STEAL(now));
}

static int ask(struct json_object *artifact, const struct hf_env *env, const struct hf_kept *b,
               struct hf_err *err)
{
    HF_AUTO(hf_keepers) struct hf_keepers k = {.env = env};
    HF_AUTO(hf_kept_look) struct hf_kept_look l = {.unknown = HF_ERR_INIT};
    if (!b->hypervisor)
        hf_fail(&l.unknown, HF_E_NOT_FOUND, "the catalog does not know the point's hypervisor");
    else if (hf_keepers_look(&k, b, &l, err) < 0)
        return -1;
    return add_now(artifact, &l) < 0 ? hf_fail_nomem(err) : 0;
}

int hf_point_doc_kept(struct json_object *doc, const struct hf_env *env, struct hf_catalog *c,
                      struct hf_err *err)
{
    struct json_object *list = hf_json_list(doc, "artifacts");
    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        HF_AUTO(hf_kept) struct hf_kept b = {0};
        struct json_object *a = json_object_array_get_idx(list, i), *bytes = NULL;
        const char *kind = hf_json_text(a, "kind"), *ref = hf_json_text(a, "ref");
        if (!kind || !ref || strcmp(kind, hf_point_kind_name(HF_POINT_PUSHED)) != 0)
            continue;
        json_object_object_get_ex(a, "stored_bytes", &bytes);
        b.stored_bytes = (uint64_t)json_object_get_int64(bytes);
        b.ref = strdup(ref);
        if (!b.ref)
            return hf_fail_nomem(err);
        if (find_place(doc, c, &b, err) < 0 || ask(a, env, &b, err) < 0)
            return -1;
    }
    return 0;
}
