/* SPDX-License-Identifier: Apache-2.0 */
#include "base/point.h"
#include "run/backup_intern.h"

#include <stdlib.h>
#include <string.h>

static void backup_close(struct backup *b)
{
    backup_watch_stop(b);
    for (size_t i = 0; i < b->n_stores; i++) {
        for (size_t d = 0; b->stores[i].written && d < b->n_disks; d++)
            hf_image_written_free(&b->stores[i].written[d]);
        free(b->stores[i].written);
        backup_close_store(&b->stores[i]);
    }
    for (size_t d = 0; d < b->n_disks; d++)
        hf_export_copy_free(&b->disks[d].export);
    free(b->disks);
    free(b->definition);
    hf_strv_free(&b->guest_addresses);
    hf_disk_list_free(&b->all_disks);
}
HF_DEFINE_AUTO_VALUE(backup, backup_close)

static int check_request(const struct hf_backup *req, struct hf_err *err)
{
    if (!req->produce || strcmp(req->produce, "image") == 0)
        return 0;
    hf_fail(err, HF_E_UNSUPPORTED, "--produce %.60s: a backup produces image, and nothing else yet",
            req->produce);
    return hf_hint(err, "`holdfast dump` and `holdfast archive` write the others to a directory.");
}

/* ---- the record ------------------------------------------------------------------------- */

static struct hf_catalog_point point_row(const struct backup *b, const char *report)
{
    const struct hf_run *run = b->run;
    return (struct hf_catalog_point){
        .id = run->id,
        .vm = run->vm->label,
        .hypervisor = run->hypervisor->label,
        .vm_id = run->found.id,
        .grade = hf_grade_name(b->creation->result.grade),
        .taken_us = creation_taken_wall_us(b->creation) / 1000 * 1000,
        .stall_ms = b->creation->result.stall_ms,
        .checkpoint = backup_checkpoint(b),
        .report = report,
    };
}

static size_t copy_rows(const struct backup *b, struct hf_catalog_copy rows[HF_BACKUP_STORES_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < b->n_stores; i++) {
        const struct backup_store *s = &b->stores[i];
        if (!s->has_point)
            continue;
        rows[n++] = (struct hf_catalog_copy){
            .point_id = b->run->id,
            .store = s->config->label,
            .store_id = s->at.site->id,
            .objects = s->objects,
            .bytes = s->bytes,
            .is_protected = backup_is_protected(s),
        };
    }
    return n;
}

static int commit(struct backup *b, struct json_object *doc, bool is_degraded, struct hf_err *err)
{
    struct hf_catalog_copy copies[HF_BACKUP_STORES_MAX];
    const char *report = json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PLAIN);
    const struct hf_catalog_point point = point_row(b, report);
    const struct hf_catalog_run row = hf_run_row(b->run, is_degraded ? "degraded" : "done", report);
    size_t n = copy_rows(b, copies);
    HF_POINT("backup.before_commit");
    if (hf_catalog_point_commit(b->run->catalog, &point, copies, n, &row, err) < 0)
        return hf_hint(err, "The point is on its stores: `holdfast catalog rebuild` finds it.");
    HF_POINT("backup.after_commit");
    hf_run_commit(b->run);
    return 0;
}

/* All that was asked for: the grade, and every store. */
static bool is_degraded(const struct backup *b)
{
    if (!hf_grade_meets(b->creation->result.grade, b->run->vm->require))
        return true;
    for (size_t i = 0; i < b->n_stores; i++)
        if (!backup_is_protected(&b->stores[i]))
            return true;
    return false;
}

static int report_and_commit(struct backup *b, struct json_object **out_report, bool *out_degraded,
                             struct hf_err *err)
{
    HF_AUTOJSON struct json_object *doc = backup_report(b, err);
    *out_degraded = is_degraded(b);
    if (!doc || commit(b, doc, *out_degraded, err) < 0)
        return -1;
    backup_drop_checkpoints(b, doc);
    *out_report = HF_STEAL(doc);
    return 0;
}

/* ---- the run ---------------------------------------------------------------------------- */

/* Everything slow that needs no instant comes before it. */
static int make_point(struct backup *b, struct hf_err *err)
{
    if (backup_list_disks(b, err) < 0 || backup_open_stores(b, err) < 0 ||
        backup_take_definition(b, err) < 0 || creation_take(b->creation, err) < 0)
        return -1;
    if (backup_read_disks(b, err) < 0)
        return -1;
    return backup_commit_points(b, err);
}

int hf_run_backup(const struct hf_env *env, const struct hf_backup *req,
                  struct json_object **out_report, bool *out_degraded, struct hf_err *err)
{
    if (check_request(req, err) < 0)
        return -1;
    HF_AUTO(hf_run) struct hf_run run = {0};
    if (hf_run_begin(&run, env, "backup", req->vm, err) < 0)
        return -1;
    HF_AUTO(creation)
    struct creation c = {.run = &run, .kind = HF_CAPTURE_EXPORT, .guest_err = HF_ERR_INIT};
    HF_AUTO(backup) struct backup b = {.run = &run, .req = req, .creation = &c};
    c.look = backup_look_at_guest;
    c.look_ctx = &b;
    if (make_point(&b, err) == 0 && report_and_commit(&b, out_report, out_degraded, err) == 0)
        return 0;
    /* Sessions first: what is still held goes before anything slow is undone. */
    creation_close_lock(&c);
    backup_watch_stop(&b);
    return hf_run_fail(&run, err);
}
