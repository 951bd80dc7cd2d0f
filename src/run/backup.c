/* SPDX-License-Identifier: Apache-2.0 */
#include "base/point.h"
#include "point/rebuild.h"
#include "run/backup_intern.h"

#include <stdlib.h>
#include <string.h>

static void backup_close(struct backup *b)
{
    backup_watch_stop(b);
    /* What they are still writing lies on the stores. */
    archiving_close(&b->files);
    dumping_close(&b->dump);
    for (size_t i = 0; i < b->n_stores; i++) {
        for (size_t d = 0; b->stores[i].written && d < b->n_disks; d++)
            hf_image_written_free(&b->stores[i].written[d]);
        free(b->stores[i].written);
        backup_close_store(&b->stores[i]);
    }
    for (size_t d = 0; d < b->n_disks; d++) {
        hf_export_copy_free(&b->disks[d].export);
        free(b->disks[d].incremental_why);
    }
    backup_parent_free(b);
    free(b->disks);
    free(b->definition);
    hf_secured_free(&b->secured);
    hf_at_rest_free(&b->rest);
    pthread_mutex_destroy(&b->lock);
    hf_disk_list_free(&b->all_disks);
    hf_pushed_copy_free(&b->pushed);
}
HF_DEFINE_AUTO_VALUE(backup, backup_close)

/* ---- what it produces ------------------------------------------------------------------- */

static int parse_produce(struct backup *b, const char *text, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv words = HF_STRV_INIT;
    if (hf_strv_split(&words, text, ',') < 0)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < words.n; i++) {
        enum hf_point_kind kind;
        if (hf_point_kind_parse(words.items[i], &kind) < 0 || kind == HF_POINT_DEFINITION ||
            kind == HF_POINT_PUSHED)
            return hf_fail(err, HF_E_CONFIG, "--produce: '%.60s' is none of image, dump, files",
                           words.items[i]);
        b->parts[kind].is_wanted = true;
    }
    return 0;
}

/* All that the configuration knows of, and the VM can give. */
static int choose_all(struct backup *b, struct hf_err *err)
{
    const struct hf_config_vm *vm = b->run->vm;
    bool *dump = &b->parts[HF_POINT_DUMP].is_wanted, *files = &b->parts[HF_POINT_FILES].is_wanted;
    b->parts[HF_POINT_IMAGE].is_wanted = true;
    *dump = vm->dump.kind != HF_DUMPED_NONE && hf_run_can_dump(vm);
    *files = vm->files.n > 0;
    if (b->run->found.state != HF_VM_OFF || !(*dump || *files))
        return 0;
    *dump = *files = false;
    return creation_warn(
        b->creation, "the VM is off: its disks alone are backed up, without a dump and files", err);
}

static void choose_as(struct backup *b, const struct hf_config_policy *policy)
{
    b->parts[HF_POINT_IMAGE].is_wanted = policy->produce & HF_PRODUCE_IMAGE;
    b->parts[HF_POINT_DUMP].is_wanted = policy->produce & HF_PRODUCE_DUMP;
    b->parts[HF_POINT_FILES].is_wanted = policy->produce & HF_PRODUCE_FILES;
}

/* What was asked for, else what the policy says, else all of it. */
static int choose_parts(struct backup *b, struct hf_err *err)
{
    const struct hf_config_policy *policy = b->run->env->policy;
    if (!b->req->produce && policy && policy->produce)
        choose_as(b, policy);
    else if ((b->req->produce ? parse_produce(b, b->req->produce, err) : choose_all(b, err)) < 0)
        return -1;
    if (!b->parts[HF_POINT_IMAGE].is_wanted) {
        hf_fail(err, HF_E_UNSUPPORTED, "--produce %.60s: a point has an image", b->req->produce);
        return hf_hint(err, "`holdfast dump` and `holdfast archive` write the others alone.");
    }
    backup_open_parts(b);
    return 0;
}

/* ---- the record ------------------------------------------------------------------------- */

const struct hf_manifest *backup_manifest(const struct backup *b)
{
    size_t i = 0;
    while (!b->stores[i].has_point)
        i++;
    return &b->stores[i].manifest;
}

static size_t copy_rows(const struct backup *b, struct hf_catalog_copy rows[HF_BACKUP_STORES_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < b->n_stores; i++) {
        const struct backup_store *s = &b->stores[i];
        if (!s->has_point)
            continue;
        hf_point_copy_row(s->at.site, &s->manifest, &rows[n]);
        rows[n].off_host = hf_off_host_word(s->config, &s->off_host);
        if (b->pushed.ref)
            rows[n].off_host = hf_off_host_weaker(rows[n].off_host, b->pushed_off_host);
        rows[n++].is_protected = backup_is_protected(b, s);
    }
    return n;
}

static int commit(struct backup *b, struct json_object *doc, bool is_degraded, struct hf_err *err)
{
    struct hf_catalog_copy copies[HF_BACKUP_STORES_MAX];
    const char *report = json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PLAIN);
    char grade[2];
    struct hf_catalog_point point;
    hf_point_row(backup_manifest(b), grade, &point);
    point.report = report;
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
    if (!hf_grade_meets(b->creation->result.grade, hf_run_required(b->run)))
        return true;
    for (size_t i = 0; i < b->n_stores; i++)
        if (!backup_is_protected(b, &b->stores[i]))
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
    if (!b->pushed.ref)
        backup_drop_checkpoints(b, doc);
    *out_report = HF_STEAL(doc);
    return 0;
}

/* ---- the run ---------------------------------------------------------------------------- */

/* Packed once for all stores: as the first that is in the run wants it. */
static enum hf_io_packing packing(const struct backup *b)
{
    static const enum hf_io_packing of[] = {[HF_COMPRESSION_ZSTD] = HF_IO_ZSTD,
                                            [HF_COMPRESSION_GZIP] = HF_IO_GZIP,
                                            [HF_COMPRESSION_NONE] = HF_IO_PLAIN};
    for (size_t i = 0; i < b->n_stores; i++)
        if (backup_store_is_in(&b->stores[i]))
            return of[b->stores[i].config->compression];
    return HF_IO_ZSTD;
}

/* Before anything is held, with the guest at hand. */
static int look(void *backup, struct hf_err *err)
{
    struct backup *b = backup;
    b->files_req.packing = packing(b);
    if (backup_look_at_guest(b, err) < 0 || backup_check_files(b, err) < 0 ||
        backup_open_dump(b, err) < 0)
        return -1;
    return backup_watch_start(b, err);
}

/* The instant, and what is read of the guest while it goes on. The dump first: the server keeps old versions of rows for as long as
 * it lasts. */
static int take(struct backup *b, const struct hf_env *env, struct hf_err *err)
{
    if (creation_take(b->creation, err) < 0 || backup_open_exports(b, err) < 0)
        return -1;
    return backup_read_dump(b, env, err) < 0 ? -1 : backup_read_files(b, env, err);
}

static int take_at_rest(void *backup, struct hf_cancel *until, struct hf_err *err)
{
    struct backup *b = backup;
    struct hf_env limited = *b->run->env;
    limited.cancel = until;
    return take(b, &limited, err);
}

static bool rests_until_files(const struct backup *b)
{
    return b->run->vm->rest_until == HF_REST_FILES && b->parts[HF_POINT_FILES].is_wanted;
}

static int take_with_rest(struct backup *b, struct hf_err *err)
{
    const struct hf_config_vm *vm = b->run->vm;
    const struct hf_hold_work work = {.run = take_at_rest, .ctx = b};
    if (hf_run_at_rest(b->run, &vm->services, vm->rest_limit, &work, &b->rest, err) < 0)
        return -1;
    b->creation->result.rest_ms = b->rest.rest_ms;
    if (hf_strv_add_all(&b->creation->to_start, &b->rest.stopped) < 0)
        return hf_fail_nomem(err);
    return creation_warn_all(b->creation, &b->rest.warnings, err);
}

/* Everything slow that needs no instant comes before it. */
static int make_point(struct backup *b, struct hf_err *err)
{
    bool with_rest = rests_until_files(b);
    b->creation->services_rest = with_rest;
    if (backup_check_way(b, err) < 0 || backup_list_disks(b, err) < 0 ||
        backup_know_secured(b, err) < 0 || backup_open_stores(b, err) < 0 ||
        (!backup_is_pushed(b) && backup_choose_parent(b, err) < 0) ||
        backup_take_definition(b, err) < 0 || creation_prepare(b->creation, err) < 0)
        return -1;
    int rc = with_rest ? take_with_rest(b, err) : take(b, b->run->env, err);
    if (rc < 0 || (backup_is_pushed(b) ? backup_end_push(b, err) : backup_read_disks(b, err)) < 0)
        return -1;
    return backup_commit_points(b, err);
}

int hf_run_backup(const struct hf_env *env, const struct hf_backup *req,
                  struct json_object **out_report, bool *out_degraded, struct hf_err *err)
{
    HF_AUTO(hf_run) struct hf_run run = {0};
    if (hf_run_begin(&run, env, "backup", req->vm, err) < 0)
        return -1;
    HF_AUTO(creation)
    struct creation c = {.run = &run, .kind = HF_CAPTURE_EXPORT, .guest_err = HF_ERR_INIT};
    HF_AUTO(backup)
    struct backup b = {.run = &run,
                       .req = req,
                       .creation = &c,
                       .lock = PTHREAD_MUTEX_INITIALIZER,
                       .dump = {.position = HF_DB_POSITION_INIT},
                       .files = {.folder = HF_IO_FOLDER_INIT}};
    c.look = look;
    c.look_ctx = &b;
    if (hf_point_name_set(&b.point, run.vm->label, run.id, err) == 0 &&
        choose_parts(&b, err) == 0 && make_point(&b, err) == 0 &&
        report_and_commit(&b, out_report, out_degraded, err) == 0) {
        backup_sweep_stores(&b);
        return 0;
    }
    /* Sessions first: what is still held goes before anything slow is undone. */
    creation_close_lock(&c);
    dumping_close(&b.dump);
    backup_watch_stop(&b);
    return hf_run_fail(&run, err);
}
