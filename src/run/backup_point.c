/* SPDX-License-Identifier: Apache-2.0 */
#include "base/point.h"
#include "run/backup_intern.h"

#include <string.h>

#define ASK_MS 60000

/* A hypervisor that has none to give (UNSUPPORTED) is no reason not to back the disks up. */
int backup_take_definition(struct backup *b, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    struct hf_hv_call call = hf_env_call(b->run->env, b->run->id, ASK_MS);
    if (hf_hv_vm_definition(b->run->hv, &call, b->run->found.id, &b->definition, &why) == 0)
        return 0;
    if (why.cls == HF_E_UNSUPPORTED)
        return creation_warn(b->creation,
                             "the hypervisor gives no definition of the VM: the point "
                             "has its disks alone",
                             err);
    hf_err_copy(err, &why);
    return hf_wrap(err, "the definition of the VM");
}

/* ---- how -------------------------------------------------------------------------------- */

static int set_text(char **to, const char *text, struct hf_err *err)
{
    if (!text || !*text)
        return 0;
    *to = strdup(text);
    return *to ? 0 : hf_fail_nomem(err);
}

static char grade_letter(enum hf_grade g)
{
    return g == HF_GRADE_NONE ? '\0' : hf_grade_name(g)[0];
}

static int set_which(const struct backup *b, struct hf_manifest *m, struct hf_err *err)
{
    const struct hf_run *run = b->run;
    m->taken_us = creation_taken_wall_us(b->creation) / 1000 * 1000;
    m->point = b->point;
    if (set_text(&m->hypervisor, run->hypervisor->label, err) < 0 ||
        set_text(&m->vm_id, run->found.id, err) < 0)
        return -1;
    return set_text(&m->holdfast, HF_VERSION, err);
}

static int set_positions(struct hf_manifest *m, const struct hf_hold_result *r, struct hf_err *err)
{
    m->has_position = r->has_position && r->position.has_binlog;
    m->has_bracket = r->has_bracket && r->min.has_binlog && r->max.has_binlog;
    if (m->has_position && hf_db_position_copy(&m->position, &r->position, err) < 0)
        return -1;
    if (!m->has_bracket)
        return 0;
    if (hf_db_position_copy(&m->min, &r->min, err) < 0)
        return -1;
    return hf_db_position_copy(&m->max, &r->max, err);
}

static int set_how(const struct backup *b, struct hf_manifest *m, struct hf_err *err)
{
    const struct creation *c = b->creation;
    const struct hf_hold_result *r = &c->result;
    m->grade = grade_letter(r->grade);
    m->required = grade_letter(hf_run_required(b->run));
    m->stall_ms = r->stall_ms;
    m->held_ms = r->held_ms;
    if (set_text(&m->proof, r->proof, err) < 0 || set_text(&m->grade_why, r->why, err) < 0 ||
        set_text(&m->server, c->server, err) < 0 ||
        set_text(&m->checkpoint, backup_checkpoint(b), err) < 0 || set_positions(m, r, err) < 0)
        return -1;
    for (size_t i = 0; i < r->timeline.n; i++) {
        double at_ms = (double)(r->timeline.items[i].at_us - r->timeline.start_us) / 1000.0;
        if (hf_manifest_add_event(m, at_ms, r->timeline.items[i].event, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- what ------------------------------------------------------------------------------- */

static int set_changes(const struct backup *b, const struct backup_disk *d,
                       struct hf_point_artifact *a, struct hf_err *err)
{
    a->is_incremental = d->is_incremental;
    a->read_bytes = d->read_bytes;
    if (d->is_incremental)
        memcpy(a->parent, b->parent.point.id, sizeof a->parent);
    return set_text(&a->incremental_why, d->incremental_why, err);
}

static int add_disks(const struct backup *b, struct backup_store *s, struct hf_err *err)
{
    for (size_t i = 0; i < b->n_disks; i++) {
        const struct hf_image_written *w = &s->written[i];
        struct hf_point_artifact *a =
            hf_manifest_add_artifact(&s->manifest, HF_POINT_IMAGE, b->disks[i].target, err);
        if (!a)
            return -1;
        a->bytes = b->disks[i].export.size_bytes;
        a->stored_bytes = w->stored_bytes;
        memcpy(a->root, w->root, sizeof a->root);
        if (set_changes(b, &b->disks[i], a, err) < 0 ||
            hf_manifest_add_packs(&s->manifest, w->packs, w->packs_n, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- packs that are condemned meanwhile ------------------------------------------------- */

/* The disks cannot be read any more: only whether all is still there. */
static int look_once_more(const struct backup *b, struct backup_store *s, struct hf_err *err)
{
    size_t n = 0;
    if (b->pushed.ref || !backup_looked_long_ago(b, s))
        return 0;
    if (backup_look_again(b, s, &n, err) < 0)
        return -1;
    if (n == 0)
        return 0;
    hf_fail(err, HF_E_CONFLICT, "packs were condemned when the disks had been read already");
    return hf_hint(err, "The next backup sends again what is missing.");
}

/* Who removes packs relies on that there is no manifest any more which knew nothing of their condemnation. */
static int stand_by(const struct backup *b, struct backup_store *s, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    if (b->pushed.ref || !backup_looked_long_ago(b, s))
        return 0;
    hf_fail(err, HF_E_CONFLICT, "the manifest took so long that packs it names may be gone");
    if (hf_point_withdraw(s->at.site, &b->point, &why) < 0) {
        hf_also(err, &why);
        return hf_left(err, "point %s/%s on store '%s', which may lack packs", b->point.vm,
                       b->point.id, s->config->label);
    }
    return hf_hint(err, "It is taken back. The next backup sends again what is missing.");
}

static int commit_point(const struct backup *b, struct backup_store *s, struct hf_err *err)
{
    if (set_which(b, &s->manifest, err) < 0 || set_how(b, &s->manifest, err) < 0 ||
        (b->pushed.ref ? backup_add_pushed(b, s, err) : add_disks(b, s, err)) < 0 ||
        backup_add_parts(b, s, err) < 0 || look_once_more(b, s, err) < 0 ||
        hf_point_commit(s->at.site, &s->manifest, err) < 0 || stand_by(b, s, err) < 0)
        return -1;
    s->objects++;
    s->has_point = true;
    return 0;
}

static int put_definition(struct backup *b, struct hf_err *err)
{
    struct backup_part *p = &b->parts[HF_POINT_DEFINITION];
    if (!b->definition)
        return 0;
    p->is_wanted = true;
    p->bytes = strlen(b->definition);
    if (HF_POINT_ERR("backup.before_definition", err) < 0)
        return -1;
    HF_AUTO(hf_io_sink)
    struct hf_io_sink *s = p->place.open(p->place.ctx, HF_BACKUP_DEFINITION, NULL, err);
    return s && hf_io_write(s, b->definition, p->bytes, err) == 0 ? hf_io_finish(s, err) : -1;
}

int backup_commit_points(struct backup *b, struct hf_err *err)
{
    if (put_definition(b, err) < 0)
        return hf_wrap(err, "the definition of the VM");
    if (b->pushed.ref && backup_decide_push(b, err) < 0)
        return -1;
    for (size_t i = 0; i < b->n_stores; i++) {
        struct hf_err why = HF_ERR_INIT;
        struct backup_store *s = &b->stores[i];
        if (backup_store_is_in(s) && commit_point(b, s, &why) < 0)
            backup_drop(b, s, &why);
    }
    for (size_t i = 0; i < b->n_stores; i++)
        if (b->stores[i].has_point)
            return 0;
    int rc = backup_has_stores(b, err);
    return b->pushed.ref ? hf_left(err, "backup %s, which may be without a point", b->pushed.ref)
                         : rc;
}
