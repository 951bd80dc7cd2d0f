/* SPDX-License-Identifier: Apache-2.0 */
#include "base/path.h"
#include "base/point.h"
#include "files/command.h"
#include "run/archiving.h"

#include <stdio.h>

void archiving_close(struct archiving *x)
{
    hf_stream_close(x->stream);
    hf_way_close(&x->way);
    hf_io_close(x->tar);
    hf_io_close(x->listing);
    for (size_t i = 0; i < HF_ARRAY_SIZE(x->packers); i++)
        hf_io_packer_free(x->packers[i]);
    hf_io_folder_close(&x->folder);
    hf_said_free(&x->said);
    hf_strv_free(&x->argv);
    hf_strv_free(&x->warnings);
    hf_at_rest_free(&x->rest);
    json_object_put(x->dump);
}

/* ---- before ----------------------------------------------------------------------------- */

static int check_way(const struct hf_config_vm *vm, struct hf_err *err)
{
    if (vm->ssh.host || vm->guest != HF_GUEST_NONE)
        return 0;
    hf_fail(err, HF_E_CONFIG, "vm %s: an archive needs a way into the guest", vm->label);
    return hf_hint(err,
                   "Set ssh, ssh-key and ssh-known-hosts in [vm %s], or guest = agent, which is "
                   "slower.",
                   vm->label);
}

static int check_wishes(const struct hf_run_archive *req, const struct hf_config_vm *vm,
                        struct hf_err *err)
{
    if (vm->files.n == 0) {
        hf_fail(err, HF_E_CONFIG, "vm %s has no files to archive", vm->label);
        return hf_hint(err, "Name folders and files of the guest in [vm %s]: files = /var/www/app",
                       vm->label);
    }
    if (req->with_dump && vm->dump.kind == HF_DUMPED_NONE)
        return hf_fail(err, HF_E_CONFIG, "vm %s: --with-dump, and dump = none", vm->label);
    if (vm->rest_until == HF_REST_FILES && vm->services.n == 0) {
        hf_fail(err, HF_E_CONFIG, "vm %s: rest-until = files, and there are no services to rest",
                vm->label);
        return hf_hint(err, "Name them in [vm %s]: services = apache2, cron", vm->label);
    }
    return check_way(vm, err);
}

int archiving_prepare(struct archiving *x, struct hf_err *err)
{
    if (check_wishes(x->req, x->vm, err) < 0)
        return -1;
    return hf_files_command(&x->vm->files, &x->vm->exclude, &x->argv, err);
}

static int find_files(struct archiving *x, struct hf_err *err)
{
    x->vm = hf_config_find_vm(x->env->config, x->req->vm, err);
    if (!x->vm || hf_id_new(x->env->clock, x->id, err) < 0)
        return -1;
    hf_log_bind(x->env->log, x->id, x->vm->label);
    return archiving_prepare(x, err);
}

/* ---- all of it -------------------------------------------------------------------------- */

static int dump(struct archiving *x, struct hf_err *err)
{
    HF_AUTOFREE char *dir = hf_path_join(x->req->dir, HF_ARCHIVE_DUMP);
    if (!dir)
        return hf_fail_nomem(err);
    struct hf_run_dump req = {.vm = x->req->vm,
                              .dir = dir,
                              .packing = x->req->packing,
                              .only = &x->vm->dump.schemas,
                              .accounts = true, /* without its own no application comes back */
                              .progress = x->req->dump_progress,
                              .progress_ctx = x->req->progress_ctx};
    return hf_run_dump(x->env, &req, &x->dump, err);
}

/* All that has to come from the guest. */
static int read_all(struct archiving *x, struct hf_err *err)
{
    if (x->req->with_dump && dump(x, err) < 0)
        return -1;
    return archiving_read_files(x, err);
}

static int read_at_rest(void *ctx, struct hf_cancel *until, struct hf_err *err)
{
    struct archiving *x = ctx;
    const struct hf_env *env = x->env;
    struct hf_env limited = *env;
    limited.cancel = until;
    x->env = &limited;
    int rc = read_all(x, err);
    x->env = env;
    return rc;
}

int archiving_finish(struct archiving *x, struct json_object **out, struct hf_err *err)
{
    if (HF_POINT_ERR("archive.before_finish", err) < 0 || hf_io_finish(x->tar, err) < 0 ||
        hf_io_finish(x->listing, err) < 0 || archiving_make_document(x, out, err) < 0)
        return -1;
    return archiving_write_about(x, *out, err);
}

static int archive(struct archiving *x, struct hf_run *run, struct json_object **out,
                   struct hf_err *err)
{
    const struct hf_hold_work work = {.run = read_at_rest, .ctx = x};
    if (hf_io_folder_begin(&x->folder, x->req->dir, "archive", err) < 0)
        return -1;
    x->place = hf_io_folder_place(&x->folder);
    int rc = run ? hf_run_at_rest(run, &x->vm->services, x->vm->rest_limit, &work, &x->rest, err)
                 : read_all(x, err);
    if (rc == 0 && hf_strv_add_all(&x->warnings, &x->rest.warnings) < 0)
        rc = hf_fail_nomem(err);
    if (rc == 0)
        rc = archiving_finish(x, out, err);
    if (rc == 0)
        rc = hf_io_folder_finish(&x->folder, err);
    return rc == 0 ? 0 : hf_left(err, "%s, an unfinished archive", x->req->dir);
}

static int archive_as_run(struct archiving *x, struct json_object **out, struct hf_err *err)
{
    HF_AUTO(hf_run) struct hf_run run = {0};
    if (hf_io_folder_check(x->req->dir, err) < 0 ||
        hf_run_begin(&run, x->env, "archive", x->req->vm, err) < 0)
        return -1;
    snprintf(x->id, sizeof x->id, "%s", run.id);
    if (archive(x, &run, out, err) < 0)
        return hf_run_fail(&run, err);
    hf_run_end(&run, "done", *out, "The archive is whole");
    return 0;
}

int hf_run_archive(const struct hf_env *env, const struct hf_run_archive *req,
                   struct json_object **out, struct hf_err *err)
{
    HF_AUTO(archiving)
    struct archiving x = {.env = env, .req = req, .folder = HF_IO_FOLDER_INIT};
    HF_AUTOJSON struct json_object *doc = NULL;
    if (find_files(&x, err) < 0)
        return -1;
    int rc = x.vm->rest_until == HF_REST_FILES ? archive_as_run(&x, &doc, err)
                                               : archive(&x, NULL, &doc, err);
    if (rc < 0)
        return hf_wrap(err, "archive of vm %s", x.vm->label);
    if (hf_json_add_string(doc, "dir", req->dir) < 0)
        return hf_fail_nomem(err);
    hf_log(env->log, HF_LOG_INFO, "archive", "all of it is in %s", req->dir);
    *out = HF_STEAL(doc);
    return 0;
}
