/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/app.h"

#include "base/point.h"
#include "restore/dump.h"
#include "restore/files.h"
#include "restore/part.h"
#include "run/at_rest.h"
#include "run/dump_run.h"
#include "run/way.h"

struct restoring {
    const struct hf_restore_app *req;
    const struct hf_run *run;
    struct hf_at_rest rest;
    struct json_object *dump, *files;
    bool is_less; /* rows differ, or a file was refused */
};

static void restoring_close(struct restoring *x)
{
    hf_at_rest_free(&x->rest);
    json_object_put(x->dump);
    json_object_put(x->files);
}
HF_DEFINE_AUTO_VALUE(restoring, restoring_close)

/* ---- before ----------------------------------------------------------------------------- */

static int check_vm(const struct hf_env *env, const char *label, struct hf_err *err)
{
    const struct hf_config_vm *vm = hf_config_find_vm(env->config, label, err);
    if (!vm)
        return -1;
    if (!hf_run_can_dump(vm))
        return hf_fail(err, HF_E_CONFIG, "vm %s: a restore needs db = tcp://HOST:PORT or ssh",
                       label);
    if (!vm->ssh.host)
        return hf_fail(err, HF_E_CONFIG, "vm %s: a restore needs a way into the guest by ssh",
                       label);
    if (vm->services.n)
        return 0;
    hf_fail(err, HF_E_CONFIG, "vm %s: there are no services to rest meanwhile", label);
    return hf_hint(err, "Name them in [vm %s]: services = apache2, cron", label);
}

static int check_part(const struct hf_env *env, const struct hf_restore_app *req,
                      enum hf_point_kind kind, struct hf_err *err)
{
    HF_AUTO(hf_restore_part) struct hf_restore_part part = {0};
    const struct hf_restore_wish wish = {.point = req->point, .store = req->store, .kind = kind};
    return hf_restore_part_open(env, &wish, &part, err) < 0 ? -1
                                                            : hf_point_part_check(part.files, err);
}

/* ---- while services rest ---------------------------------------------------------------- */

static int restore_rows(struct restoring *x, const struct hf_env *env, struct hf_err *err)
{
    const struct hf_run *run = x->run;
    HF_AUTO(hf_way) struct hf_way way = {0};
    if (HF_POINT_ERR("app.before_dump", err) < 0 ||
        hf_way_open(&way, env, run->vm, run->found.id, run->id, HF_WAY_DB, err) < 0)
        return -1;
    struct hf_db_target target = hf_way_db_target(&way);
    if (x->req->defaults_file)
        target.defaults_file = x->req->defaults_file;
    struct hf_restore_dump req = {
        .point = x->req->point,
        .store = x->req->store,
        .load = {.to = run->vm->label,
                 .target = &target,
                 .opts = {.users = true, .replace = x->req->replace, .resume = x->req->resume}}};
    int rc = hf_restore_dump(env, &req, &x->dump, err);
    x->is_less = rc > 0;
    return rc < 0 ? hf_wrap(err, "the dump") : 0;
}

static int restore_files(struct restoring *x, const struct hf_env *env, struct hf_err *err)
{
    HF_AUTO(hf_unpacked) struct hf_unpacked u = {0};
    const struct hf_restore_files req = {.from = x->req->point,
                                         .store = x->req->store,
                                         .vm = x->req->vm,
                                         .what = {.target = "/",
                                                  .overwrite = x->req->replace,
                                                  .with_links = true, /* below / none leads out */
                                                  .with_devices = x->req->with_devices,
                                                  .with_setuid = x->req->with_setuid,
                                                  .cancel = env->cancel}};
    if (HF_POINT_ERR("app.before_files", err) < 0 ||
        hf_restore_files(env, &req, &u, &x->files, err) < 0) {
        hf_left(err, "the rows of vm %s are restored, its files are not", x->req->vm);
        return hf_wrap(err, "the files");
    }
    x->is_less = x->is_less || u.n_refused;
    return 0;
}

static int restore_all(void *ctx, struct hf_cancel *until, struct hf_err *err)
{
    struct restoring *x = ctx;
    struct hf_env limited = *x->run->env;
    limited.cancel = until;
    return restore_rows(x, &limited, err) < 0 ? -1 : restore_files(x, &limited, err);
}

/* ---- the run ---------------------------------------------------------------------------- */

static int make_document(const struct restoring *x, struct json_object **out, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *doc = json_object_new_object();
    if (!doc || hf_json_add_string(doc, "run", x->run->id) < 0 ||
        hf_json_add_string(doc, "vm", x->run->vm->label) < 0 ||
        hf_json_add(doc, "stopped", hf_json_strings(&x->rest.stopped)) < 0 ||
        hf_json_add_int(doc, "rest_ms", (int64_t)(x->rest.rest_ms + 0.5)) < 0 ||
        hf_json_add(doc, "dump", json_object_get(x->dump)) < 0 ||
        hf_json_add(doc, "files", json_object_get(x->files)) < 0 ||
        hf_json_add(doc, "warnings", hf_json_strings(&x->rest.warnings)) < 0)
        return hf_fail_nomem(err);
    *out = HF_STEAL(doc);
    return 0;
}

static int restore(struct restoring *x, struct hf_run *run, struct json_object **out,
                   struct hf_err *err)
{
    const struct hf_hold_work work = {.run = restore_all, .ctx = x};
    x->run = run;
    if (hf_run_at_rest(run, &run->vm->services, run->vm->rest_limit, &work, &x->rest, err) < 0 ||
        make_document(x, out, err) < 0)
        return hf_run_fail(run, err);
    hf_run_end(run, x->is_less ? "degraded" : "done", *out, "The application is restored");
    return x->is_less ? 1 : 0;
}

int hf_restore_app(const struct hf_env *env, const struct hf_restore_app *req,
                   struct json_object **out, struct hf_err *err)
{
    HF_AUTO(restoring) struct restoring x = {.req = req};
    HF_AUTO(hf_run) struct hf_run run = {0};
    if (check_vm(env, req->vm, err) < 0 || check_part(env, req, HF_POINT_DUMP, err) < 0 ||
        check_part(env, req, HF_POINT_FILES, err) < 0 ||
        hf_run_begin(&run, env, "restore app", req->vm, err) < 0)
        return -1;
    int rc = restore(&x, &run, out, err);
    return rc < 0 ? hf_wrap(err, "restore of '%s' into vm %s", req->point, req->vm) : rc;
}
