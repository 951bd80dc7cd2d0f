/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "checkpoints.h"
#include "disks.h"
#include "export.h"
#include "net/json.h"
#include "vm.h"

#include <libgen.h>
#include <string.h>

/* {"v":1,"export":true,"vm":UUID,"name":NAME,"dir":DIR/NAME.export,"was_paused":false} */
char *lv_export_token(const char *uuid, const struct lv_export *e, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *o = json_object_new_object();
    bool ok = o && hf_json_add_int(o, "v", 1) == 0 && hf_json_add_bool(o, "export", true) == 0 &&
              hf_json_add_string(o, "vm", uuid) == 0 &&
              hf_json_add_string(o, "name", e->name) == 0 &&
              hf_json_add_string(o, "dir", e->dir) == 0 &&
              hf_json_add_bool(o, "was_paused", e->was_paused_by_io) == 0;
    const char *text = ok ? json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN) : NULL;
    char *copy = text ? strdup(text) : NULL;
    if (!copy)
        hf_fail_nomem(err);
    return copy;
}

bool lv_export_token_is(const char *token)
{
    struct hf_err ignored = HF_ERR_INIT;
    bool is_export = false;
    HF_AUTOJSON struct json_object *o = hf_json_parse(token, strlen(token), &ignored);
    return o && hf_json_get_bool(o, "export", &is_export, &ignored) == 0 && is_export;
}

struct undo {
    const char *name;
    struct hf_strv dirs; /* where an export of this name may have its files */
    bool was_paused;     /* by an I/O error, before the export */
};

static void undo_drop(struct undo *u)
{
    hf_strv_free(&u->dirs);
}
HF_DEFINE_AUTO_VALUE(undo, undo_drop)

/* The token comes from a file: what it names must look like what we make. */
static int read_token(struct undo *u, const char *token, const char *uuid, struct hf_err *err)
{
    const char *vm, *of, *dir;
    HF_AUTOJSON struct json_object *o = hf_json_parse(token, strlen(token), err);
    if (!o || hf_json_get_string(o, "vm", &vm, err) != 0 ||
        hf_json_get_string(o, "name", &of, err) != 0 ||
        hf_json_get_string(o, "dir", &dir, err) != 0 ||
        hf_json_get_bool(o, "was_paused", &u->was_paused, err) != 0)
        return hf_wrap(err, "undo token");
    if (strcmp(vm, uuid) != 0 || strcmp(of, u->name) != 0 || !lv_export_dir_is_of(dir, u->name))
        return hf_fail(err, HF_E_CORRUPT, "the undo token is not of '%s' of this VM", u->name);
    return hf_strv_add(&u->dirs, dir) == 0 ? 0 : hf_fail_nomem(err);
}

static int add_dir(struct undo *u, const char *base, struct hf_err *err)
{
    HF_AUTOFREE char *dir = lv_export_dir(base, u->name, err);
    if (!dir)
        return -1;
    if (hf_strv_has(&u->dirs, dir))
        return 0;
    return hf_strv_add(&u->dirs, dir) == 0 ? 0 : hf_fail_nomem(err);
}

/* Without the token: where the running job says, and where an export would have gone by itself. */
static int look_around(struct undo *u, const struct hf_instance *in, virDomainPtr dom,
                       struct hf_err *err)
{
    HF_AUTOFREE char *running = NULL;
    HF_AUTO(lv_vm) struct lv_vm *vm = lv_vm_load(dom, 0, err);
    if (!vm || lv_export_job_dir(dom, &running, err) != 0)
        return -1;
    if (running && lv_export_dir_is_of(running, u->name) && hf_strv_add(&u->dirs, running) != 0)
        return hf_fail_nomem(err);
    if ((in->scratch_dir && add_dir(u, in->scratch_dir, err) != 0) ||
        (in->overlay_dir && add_dir(u, in->overlay_dir, err) != 0))
        return -1;
    for (size_t i = 0; i < vm->n_disks; i++) {
        const struct lv_disk *d = &vm->disks[i];
        if (lv_disk_skipped(d) || !d->n_layers || !d->layers[0].path || *d->layers[0].path != '/')
            continue;
        HF_AUTOFREE char *beside = strdup(d->layers[0].path);
        if (!beside)
            return hf_fail_nomem(err);
        if (add_dir(u, dirname(beside), err) != 0)
            return -1;
    }
    return 0;
}

/* As long as there are files the undo is not finished: one before may have died between abort and resume. */
static int end_job(const struct undo *u, virDomainPtr dom, const char *dir, struct hf_err *err)
{
    bool is_there = false;
    if (lv_export_is_running(dom, dir, &is_there, err) != 0 ||
        (is_there && lv_export_abort(dom, dir, err) != 0))
        return -1;
    return u->was_paused || !(is_there || lv_export_dir_is_left(dir)) ? 0
                                                                      : lv_export_resume(dom, err);
}

int lv_export_discard(struct hf_instance *in, const struct hf_call *call, virDomainPtr dom,
                      const char *vm_id, const char *name, const char *token, struct hf_err *err)
{
    HF_AUTO(undo) struct undo u = {.name = name};
    if (token ? read_token(&u, token, vm_id, err) != 0 : dom && look_around(&u, in, dom, err) != 0)
        return -1;
    for (size_t i = 0; i < u.dirs.n; i++)
        if (lv_export_dir_retire(u.dirs.items[i], name, err) != 0)
            return -1;
    /* From here on a begin fails; one that was under way has had its effect when this returns. */
    if (dom && lv_vm_wait_for_calls(dom, err) != 0)
        return -1;
    for (size_t i = 0; i < u.dirs.n; i++)
        if (lv_export_off_end(u.dirs.items[i], err) != 0 ||
            (dom && end_job(&u, dom, u.dirs.items[i], err) != 0) ||
            lv_export_dir_remove(u.dirs.items[i], name, err) != 0)
            return -1;
    if (!dom || lv_checkpoint_delete(in, call, dom, name, err) == 0)
        return 0;
    return hf_left(err, "checkpoint '%s' of '%s'", name, virDomainGetName(dom));
}
