/* SPDX-License-Identifier: Apache-2.0 */
#include "run/verify_points.h"

#include "run/known_points.h"
#include "run/point_reading.h"
#include "run/pushed.h"
#include "run/store_site.h"

#include <string.h>

struct verifying {
    const struct hf_env *env;
    const struct hf_verify_points *req;
    struct hf_catalog *catalog;
    struct json_object *copies, *stores; /* of the document */
    uint64_t damaged, failed;
    struct hf_keepers keepers;   /* of backups that hypervisors keep */
    struct hf_point_name wanted; /* of req->point, once it is known */
    bool is_wanted_known;
    /* of the store that is being looked at */
    const char *store;
    struct hf_site *site;
    struct hf_verify *verify;
    struct hf_points known; /* what the catalog says is there */
    struct hf_strv damage;  /* of a copy */
    struct hf_strv notes;   /* of a copy: what was not looked at, and why */
    bool is_nomem, is_absent;
    bool is_unproven; /* not all of it was looked at as deep as was asked for */
    bool is_unknown;  /* … or not at all */
    int64_t n_copies, n_unfinished;
};

const char *hf_verify_depth_name(enum hf_verify_depth depth)
{
    static const char *const names[] = {"there", "read", "content"};
    return names[depth];
}

/* ---- a copy ----------------------------------------------------------------------------- */

static void complain(void *ctx, const struct hf_point_name *n, const struct hf_err *what)
{
    struct verifying *v = ctx;
    v->is_absent = what->cls == HF_E_NOT_FOUND && v->damage.n == 0;
    (void)n;
    v->is_nomem = v->is_nomem || hf_strv_add(&v->damage, what->message) < 0;
}

/* Null: nobody knows. */
static int add_good(struct json_object *row, const struct verifying *v, bool is_damaged)
{
    return v->is_unknown && !is_damaged ? hf_json_add(row, "good", NULL)
                                        : hf_json_add_bool(row, "good", !is_damaged);
}

static int add_copy(struct verifying *v, const struct hf_point_name *n,
                    const struct hf_verified *done, struct hf_err *err)
{
    struct json_object *row = hf_json_append_object(v->copies);
    if (!row || hf_json_add_string(row, "point", n->id) < 0 ||
        hf_json_add_string(row, "vm", n->vm) < 0 ||
        hf_json_add_string(row, "store", v->store) < 0 ||
        add_good(row, v, done->complaints > 0) < 0 ||
        hf_json_add_int(row, "objects", (int64_t)done->objects) < 0 ||
        hf_json_add_int(row, "packs", (int64_t)done->packs) < 0 ||
        hf_json_add_int(row, "bytes_read", (int64_t)done->bytes_read) < 0 ||
        hf_json_add(row, "damage", hf_json_strings(&v->damage)) < 0 ||
        hf_json_add(row, "notes", hf_json_strings(&v->notes)) < 0)
        return hf_fail_nomem(err);
    return 0;
}

static int write_down(struct verifying *v, const struct hf_point_name *n, int64_t at_us,
                      bool is_damaged, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    if (hf_catalog_copy_verified(v->catalog, n->id, v->site->id, at_us, is_damaged, &why) == 0 ||
        why.cls == HF_E_NOT_FOUND) /* forgotten meanwhile */
        return 0;
    hf_err_copy(err, &why);
    return -1;
}

struct held_against {
    const char *store_id;
    bool is_damaged, drill_failed;
};

static int take_copy(void *ctx, const struct hf_catalog_copy *k, struct hf_err *err)
{
    struct held_against *h = ctx;
    (void)err;
    h->is_damaged = h->is_damaged || (k->is_damaged && strcmp(k->store_id, h->store_id) == 0);
    return 0;
}

static int take_drill(void *ctx, const struct hf_catalog_drill *d, struct hf_err *err)
{
    (void)err;
    ((struct held_against *)ctx)->drill_failed = !d->has_passed;
    return 0;
}

/* All that can be looked at is as it should be, and more will never be: what was called damaged for what is not so any more would be it
 * for ever. What a drill has found, only another one takes back. */
static int take_back(struct verifying *v, const struct hf_point_name *n, struct hf_err *err)
{
    struct held_against h = {.store_id = v->site->id};
    if (hf_catalog_copies(v->catalog, n->id, take_copy, &h, err) < 0 ||
        hf_catalog_drills(v->catalog, n->id, NULL, 1, take_drill, &h, err) < 0)
        return -1;
    return h.is_damaged && !h.drill_failed ? write_down(v, n, 0, false, err) : 0;
}

/* That all is there says nothing of what it holds: it is no verification, but damage it can find. */
static int note_in_catalog(struct verifying *v, const struct hf_point_name *n, bool is_damaged,
                           struct hf_err *err)
{
    if (!hf_points_has(&v->known, n) || (!is_damaged && v->req->depth == HF_VERIFY_THERE) ||
        (!is_damaged && v->is_unknown))
        return 0;
    return v->is_unproven && !is_damaged
               ? take_back(v, n, err)
               : write_down(v, n, hf_clock_wall_us(v->env->clock), is_damaged, err);
}

static void log_copy(const struct verifying *v, const struct hf_point_name *n)
{
    for (size_t i = 0; i < v->damage.n; i++)
        hf_log(v->env->log, HF_LOG_ERROR, "verify", "store %s: %s/%s: %s", v->store, n->vm, n->id,
               v->damage.items[i]);
    for (size_t i = 0; i < v->notes.n; i++)
        hf_log(v->env->log, HF_LOG_WARN, "verify", "store %s: %s/%s: %s", v->store, n->vm, n->id,
               v->notes.items[i]);
    if (v->damage.n == 0 && !v->is_unknown)
        hf_log(v->env->log, HF_LOG_INFO, "verify", "store %s: %s/%s is good", v->store, n->vm,
               n->id);
}

/* ---- a backup that the hypervisor keeps --------------------------------------------------- */

static int note(struct verifying *v, char *text, struct hf_err *err)
{
    return hf_strv_take(&v->notes, text) < 0 ? hf_fail_nomem(err) : 0;
}

/* Nothing of it can be read from here; its place may have done so. */
static int note_unread(struct verifying *v, const struct hf_kept *b, const struct hf_kept_look *l,
                       struct hf_err *err)
{
    if (!l->is.is_protected &&
        note(v,
             hf_asprintf("backup %s is not protected from the hypervisor's own retention", b->ref),
             err) < 0)
        return -1;
    v->is_unproven = l->is.check != HF_PUSHED_GOOD;
    if (v->req->depth == HF_VERIFY_THERE || !v->is_unproven)
        return 0;
    return note(
        v,
        hf_asprintf("backup %s cannot be read from here, and its place has not verified it: "
                    "its data are not proven",
                    b->ref),
        err);
}

static int look_at_backup(struct verifying *v, const struct hf_kept *b, struct hf_verified *done,
                          struct hf_err *err)
{
    HF_AUTO(hf_kept_look) struct hf_kept_look l = {.unknown = HF_ERR_INIT};
    if (hf_keepers_look(&v->keepers, b, &l, err) < 0)
        return -1;
    if (l.unknown.cls) {
        v->failed++;
        v->is_unknown = true;
        return note(
            v, hf_asprintf("backup %s could not be looked at: %s", b->ref, l.unknown.message), err);
    }
    if (l.damage[0]) {
        done->complaints++;
        return hf_strv_add(&v->damage, l.damage) < 0 ? hf_fail_nomem(err) : 0;
    }
    return note_unread(v, b, &l, err);
}

static int verify_backup(struct verifying *v, const struct hf_point_name *n,
                         struct hf_verified *done, struct hf_err *err)
{
    HF_AUTO(hf_manifest) struct hf_manifest m = {0};
    HF_AUTO(hf_kept) struct hf_kept b = {0};
    if (!done->has_pushed)
        return 0;
    int rc = hf_point_read(v->site, n, &m, err) < 0 ? -1 : hf_kept_of(&m, &b, err);
    return rc > 0 ? look_at_backup(v, &b, done, err) : rc;
}

static int verify_copy(struct verifying *v, const struct hf_point_name *n, struct hf_err *err)
{
    struct hf_verified done = {0};
    HF_AUTO(hf_point_reading)
    struct hf_point_reading *reading = hf_point_reading_begin(v->site, n->id);
    hf_strv_free(&v->damage);
    hf_strv_free(&v->notes);
    v->is_absent = v->is_unproven = v->is_unknown = false;
    if (hf_verify_point(v->verify, n, &done, err) < 0 || verify_backup(v, n, &done, err) < 0)
        return -1;
    if (v->is_nomem)
        return hf_fail_nomem(err);
    if (done.objects == 0 && v->is_absent && !hf_points_has(&v->known, n)) {
        v->n_unfinished++;
        return 0;
    }
    v->n_copies++;
    v->damaged += done.complaints > 0;
    log_copy(v, n);
    return add_copy(v, n, &done, err) < 0 ? -1 : note_in_catalog(v, n, done.complaints > 0, err);
}

/* ---- which ------------------------------------------------------------------------------ */

/* What lies there, and what should. */
static int list_all(struct verifying *v, struct hf_points *out, struct hf_err *err)
{
    const struct hf_points_filter all = {0};
    if (hf_points_list(v->site, &all, out, err) < 0)
        return -1;
    const size_t there = out->n;
    for (size_t i = 0; i < v->known.n; i++) {
        const struct hf_point_name *k = &v->known.items[i];
        const struct hf_points listed = {out->items, there}; /* what is added is not sorted */
        if (!hf_points_has(&listed, k) && hf_points_add(out, k, err) < 0)
            return -1;
    }
    return 0;
}

static int list_one(struct verifying *v, struct hf_points *out, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    struct hf_point_name n;
    HF_AUTOFREE char *whole = v->is_wanted_known ? hf_asprintf("%s/%s", v->wanted.vm, v->wanted.id)
                                                 : strdup(v->req->point);
    if (!whole)
        return hf_fail_nomem(err);
    if (v->is_wanted_known && hf_points_has(&v->known, &v->wanted))
        return hf_points_add(out, &v->wanted, err);
    if (hf_points_find(v->site, whole, &n, &why) == 0)
        return hf_points_add(out, &n, err);
    if (why.cls == HF_E_NOT_FOUND)
        return 0;
    hf_err_copy(err, &why);
    return -1;
}

/* ---- a store ---------------------------------------------------------------------------- */

static void log_unmarked(const struct verifying *v)
{
    struct hf_err why = HF_ERR_INIT;
    const struct hf_err *found = hf_verify_unmarked(v->verify);
    if (!found)
        return;
    hf_err_copy(&why, found);
    hf_wrap(&why,
            "store %s: a mark of damage could not be set or taken away; without it backups go on "
            "relying on what is damaged",
            v->store);
    hf_log_err(v->env->log, HF_LOG_WARN, "verify", &why);
}

static int look(struct verifying *v, struct hf_err *err)
{
    HF_AUTO(hf_points) struct hf_points points = {0};
    HF_AUTO(hf_image) struct hf_image *image = hf_site_image(v->site, err);
    const struct hf_verify_opts opts = {
        .depth = v->req->depth,
        .complain = complain,
        .ctx = v,
        .progress = v->env->progress,
        .progress_ctx = v->env->progress_ctx,
    };
    if (!image || hf_known_points_on(v->catalog, v->site->id, &v->known, err) < 0 ||
        (v->req->point ? list_one : list_all)(v, &points, err) < 0)
        return -1;
    if (points.n == 0) /* then its indexes need not be read */
        return 0;
    HF_AUTO(hf_verify) struct hf_verify *verify = hf_verify_begin(v->site, image, &opts, err);
    v->verify = verify;
    for (size_t i = 0; verify && i < points.n; i++)
        if (verify_copy(v, &points.items[i], err) < 0)
            return -1;
    if (verify)
        log_unmarked(v);
    return verify ? 0 : -1;
}

static int add_store(struct verifying *v, const struct hf_err *why, struct hf_err *err)
{
    struct json_object *row = hf_json_append_object(v->stores);
    if (!row || hf_json_add_string(row, "name", v->store) < 0 ||
        hf_json_add_string(row, "id", v->site ? v->site->id : NULL) < 0 ||
        hf_json_add_int(row, "copies", v->n_copies) < 0 ||
        hf_json_add_int(row, "unfinished", v->n_unfinished) < 0 ||
        hf_json_add_string(row, "error", why->cls ? why->message : NULL) < 0)
        return hf_fail_nomem(err);
    return 0;
}

/* -1: nothing can go on; what keeps from looking at this one is told. */
static int verify_store(void *verifying, const struct hf_config_store *config, struct hf_err *err)
{
    struct verifying *v = verifying;
    struct hf_err why = HF_ERR_INIT;
    HF_AUTO(hf_store_site) struct hf_store_site at = {0};
    v->store = config->label;
    v->n_copies = v->n_unfinished = 0;
    if (hf_store_site_open(v->env, config, &at, &why) == 0) {
        v->site = at.site;
        (void)!look(v, &why); /* why says it */
    }
    int rc = hf_cancel_check(v->env->cancel, err);
    if (why.cls) {
        hf_store_site_name(config, &why);
        hf_log_err(v->env->log, HF_LOG_ERROR, "verify", &why);
        v->failed++;
    }
    if (rc == 0)
        rc = add_store(v, &why, err);
    hf_points_free(&v->known);
    v->site = NULL;
    return rc;
}

/* ---- the whole -------------------------------------------------------------------------- */

static int verify_wanted(struct verifying *v, struct hf_err *err)
{
    if (v->req->point) {
        int found = hf_known_point_find(v->catalog, v->req->point, &v->wanted, err);
        if (found < 0)
            return -1;
        v->is_wanted_known = found > 0;
    }
    if (hf_store_site_each(v->env, v->req->store, verify_store, v, err) < 0)
        return -1;
    if (!v->req->point || v->failed || json_object_array_length(v->copies) > 0)
        return 0;
    hf_fail(err, HF_E_NOT_FOUND, "no store has a point '%.60s'", v->req->point);
    return hf_hint(err, "`holdfast list` shows those that are known.");
}

static void verifying_close(struct verifying *v)
{
    hf_strv_free(&v->damage);
    hf_strv_free(&v->notes);
    hf_keepers_free(&v->keepers);
    hf_catalog_close(v->catalog);
}
HF_DEFINE_AUTO_VALUE(verifying, verifying_close)

int hf_run_verify_points(const struct hf_env *env, const struct hf_verify_points *req,
                         struct json_object **out_report, bool *out_is_bad, struct hf_err *err)
{
    HF_AUTO(verifying) struct verifying v = {.env = env, .req = req, .keepers = {.env = env}};
    HF_AUTOJSON struct json_object *doc = json_object_new_object();
    v.copies = json_object_new_array();
    v.stores = json_object_new_array();
    if (!doc || hf_json_add_string(doc, "depth", hf_verify_depth_name(req->depth)) < 0 ||
        (hf_json_add(doc, "copies", v.copies) | hf_json_add(doc, "stores", v.stores)) < 0)
        return hf_fail_nomem(err);
    v.catalog = hf_catalog_open(hf_env_state(env), env->clock, err);
    if (!v.catalog || verify_wanted(&v, err) < 0)
        return -1;
    if (hf_json_add_int(doc, "damaged", (int64_t)v.damaged) < 0)
        return hf_fail_nomem(err);
    *out_is_bad = v.damaged > 0 || v.failed > 0;
    *out_report = HF_STEAL(doc);
    return 0;
}
