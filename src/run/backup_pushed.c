/* SPDX-License-Identifier: Apache-2.0
 *
 * The disks as a backup that the hypervisor writes itself, and keeps: waited for, looked at, judged, decided on.
 *
 * Until it is decided the run's undo takes the backup away. From then on a manifest may name it, and nobody deletes it but prune:
 * one without a point costs room, a point without its backup costs the data.
 */
#include "base/buf.h"
#include "base/point.h"
#include "run/backup_intern.h"
#include "run/effects.h"
#include "run/pushed.h"

#include <stdlib.h>
#include <string.h>

#define ASK_MS 60000

bool backup_is_pushed(const struct backup *b)
{
    return hf_pushed_is_way(&b->run->found);
}

/* Before anything else: one that has no way would be found out with the database held. */
int backup_check_way(const struct backup *b, struct hf_err *err)
{
    return hf_pushed_check_way(b->run->hv, &b->run->found, b->run->hypervisor->label, err);
}

/* ---- the copy ---------------------------------------------------------------------------- */

static int end_export(void *ctx, const struct hf_hv_call *call, struct hf_err *err)
{
    const struct backup *b = ctx;
    return hf_hv_export_end(b->creation->capture, call, err);
}

int backup_wait_for_end(struct backup *b, struct hf_err *err)
{
    const struct hf_pushed_copying copying = {
        .env = b->run->env, .hv = b->run->hv, .area = "backup", .ask = end_export, .ctx = b};
    return hf_pushed_wait(&copying, b->run->id, err);
}

/* ---- what lies there --------------------------------------------------------------------- */

static int look_at_it(struct backup *b, struct hf_err *err)
{
    const char *name = b->creation->name;
    struct hf_pushed_copy *p = &b->pushed;
    struct hf_hv_call call = hf_env_call(b->run->env, b->run->id, ASK_MS);
    if (hf_hv_export_pushed(b->creation->capture, &call, p, err) < 0)
        return -1;
    if (!p->is_ours || strcmp(p->run, name) != 0 || !p->stored_bytes)
        return hf_fail(err, HF_E_CONFLICT, "%s is %s", p->ref,
                       p->stored_bytes ? "not of this run" : "empty");
    if (p->is_protected)
        return 0;
    HF_AUTOFREE char *text =
        hf_asprintf("backup %s is not protected from the hypervisor's own retention", p->ref);
    return text ? creation_warn(b->creation, text, err) : hf_fail_nomem(err);
}

static void set_why(struct backup *b, const char *why)
{
    snprintf(b->pushed_why, sizeof b->pushed_why, "%s", why);
}

/* Its server may be the guest, this host or the hypervisor. */
static bool is_proven(struct backup *b)
{
    const struct hf_pushed_copy *p = &b->pushed;
    struct hf_offhost_verdict v = {0};
    struct hf_err why = HF_ERR_INIT;
    set_why(b, p->where_why ? p->where_why : "");
    if (p->where != HF_PLACE_ELSEWHERE)
        return false;
    if (!p->server)
        return true;
    int rc = hf_secured_judge_server(&b->secured, b->run->env, p->server, &v, &why);
    set_why(b, rc < 0 ? why.message : v.why);
    return rc == 0 && v.is == HF_OFFHOST_PROVEN;
}

static int judge(struct backup *b, struct hf_err *err)
{
    if (is_proven(b)) {
        b->pushed_off_host = HF_POINT_OFF_HOST_PROVEN;
        return 0;
    }
    bool is_assumed = b->run->hypervisor->off_host == HF_OFF_HOST_ASSUME;
    b->pushed_off_host = is_assumed ? HF_POINT_OFF_HOST_ASSUMED : HF_POINT_NOT_OFF_HOST;
    HF_AUTOFREE char *text =
        hf_asprintf(is_assumed ? "backup %s is only assumed to be off the host%s%s"
                               : "backup %s does not protect from the loss of the host%s%s",
                    b->pushed.ref, b->pushed_why[0] ? ": " : "", b->pushed_why);
    return text ? creation_warn(b->creation, text, err) : hf_fail_nomem(err);
}

int backup_end_push(struct backup *b, struct hf_err *err)
{
    int rc = HF_POINT_ERR("backup.before_push_end", err) < 0 ? -1 : backup_watch_check(b, err);
    backup_watch_stop(b);
    if (rc < 0)
        return -1;
    if (backup_wait_for_end(b, err) < 0)
        return hf_wrap(err, "the backup by the hypervisor");
    HF_POINT("backup.after_push_end");
    return look_at_it(b, err) < 0 ? -1 : judge(b, err);
}

/* ---- the record -------------------------------------------------------------------------- */

int backup_decide_push(struct backup *b, struct hf_err *err)
{
    const struct creation *c = b->creation;
    if (HF_POINT_ERR("backup.before_export_decided", err) < 0 ||
        hf_effect_export_decided(b->run->journal, b->run->found.id, c->name, c->plan.undo_token,
                                 b->pushed.ref, err) < 0)
        return -1;
    HF_POINT("backup.after_export_decided");
    return 0;
}

static int fill(const struct backup *b, struct hf_point_pushed *out, struct hf_err *err)
{
    const struct hf_pushed_copy *p = &b->pushed;
    out->ref = strdup(p->ref);
    out->form = strdup(p->form);
    out->place = strdup(p->place);
    out->off_host = b->pushed_off_host;
    out->off_host_why = b->pushed_why[0] ? strdup(b->pushed_why) : NULL;
    out->taken_us = p->taken_at_s > 0 ? p->taken_at_s * 1000000 : 0;
    if (!out->ref || !out->form || !out->place || (b->pushed_why[0] && !out->off_host_why))
        return hf_fail_nomem(err);
    for (size_t i = 0; i < b->n_disks; i++)
        if (hf_strv_add(&out->disks, b->disks[i].target) < 0)
            return hf_fail_nomem(err);
    return 0;
}

int backup_add_pushed(const struct backup *b, struct backup_store *s, struct hf_err *err)
{
    struct hf_point_artifact *a =
        hf_manifest_add_artifact(&s->manifest, HF_POINT_PUSHED, HF_MANIFEST_PUSHED, err);
    if (!a)
        return -1;
    a->bytes = b->all_bytes;
    a->stored_bytes = b->pushed.stored_bytes;
    return fill(b, &a->pushed, err);
}
