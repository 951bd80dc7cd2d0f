/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/path.h"
#include "restore/definition.h"
#include "restore/ovf.h"
#include "restore/vm_intern.h"
#include "run/recover.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PLAN_MS 60000

static int read_definition(struct restoring *r, struct hf_err *err)
{
    if (hf_restore_definition(&r->point, &r->definition, err) == 0)
        return 0;
    return hf_hint(err, "Its disks can be restored: `holdfast restore image`.");
}

static int open_point(struct restoring *r, struct hf_err *err)
{
    const struct hf_point_wish wish = {
        .text = r->req->point, .store = r->req->store, .to_read = true, .area = "restore"};
    if (hf_point_open(r->env, &wish, &r->point, err) < 0)
        return -1;
    const struct hf_point_artifact *a = hf_manifest_find(&r->point.manifest, HF_POINT_PUSHED);
    r->pushed = a ? &a->pushed : NULL;
    if (restoring_check_pushed(r, err) < 0)
        return -1;
    return r->pushed ? 0 : read_definition(r, err); /* the hypervisor has it in its backup */
}

/* In place without a name: the machine that this host knows by the point's label. */
static int choose_name(struct restoring *r, const char **hypervisor, struct hf_err *err)
{
    struct hf_err mine = HF_ERR_INIT;
    const struct hf_config_vm *vm =
        r->req->in_place ? hf_config_find_vm(r->env->config, r->point.manifest.point.vm, &mine)
                         : NULL;
    r->name = r->req->name ? r->req->name : vm ? vm->name : NULL;
    *hypervisor = r->req->hypervisor ? r->req->hypervisor
                  : vm               ? vm->hypervisor
                                     : r->point.manifest.hypervisor;
    if (!r->name) {
        hf_err_copy(err, &mine);
        return hf_hint(err, "Say which machine with --name.");
    }
    if (r->name[0] && r->name[0] != '.' && !strchr(r->name, '/'))
        return 0;
    hf_fail(err, HF_E_CONFIG, "'%.60s' is no name of a machine", r->name);
    return vm ? hf_hint(err,
                        "[vm %s] gives a path. Say how the machine is to be called with --name.",
                        vm->label)
              : -1;
}

static int choose_hypervisor(struct restoring *r, struct hf_err *err)
{
    struct hf_err mine = HF_ERR_INIT;
    const char *wanted = NULL;
    const struct hf_config *c = r->env->config;
    if (choose_name(r, &wanted, err) < 0)
        return -1;
    r->hypervisor = hf_config_find_hypervisor(c, wanted, &mine);
    if (!r->hypervisor && !r->req->hypervisor && hf_config_hypervisor_count(c) == 1)
        r->hypervisor = hf_config_hypervisor_at(c, 0);
    if (!r->hypervisor) {
        hf_err_copy(err, &mine);
        return hf_hint(err, "Say which with --hypervisor.");
    }
    r->hv = hf_env_open_hv(r->env, r->hypervisor, err);
    return r->hv ? 0 : -1;
}

/* In an envelope a name with a colon would be an address. */
static char *name_file(const struct restoring *r, const struct hf_point_artifact *a)
{
    const char *format = hf_disk_formats[r->req->format];
    if (!r->req->is_ovf)
        return hf_asprintf("%s.%s", a->name, format);
    HF_AUTOFREE char *base = hf_ovf_file_name(r->name);
    return base ? hf_asprintf("%s-disk%zu.%s", base, r->n_disks, format) : NULL;
}

static int name_disk(struct restoring *r, const struct hf_point_artifact *a, struct hf_err *err)
{
    struct restoring_disk *d = &r->disks[r->n_disks++];
    if (strchr(a->name, '/'))
        return hf_fail(err, HF_E_CORRUPT, "a disk called '%.60s'", a->name);
    d->artifact = a;
    if (r->req->is_instant) {
        d->file = hf_path_join(r->dir, a->name);
        return d->file ? 0 : hf_fail_nomem(err);
    }
    HF_AUTOFREE char *name = name_file(r, a);
    if (!name)
        return hf_fail_nomem(err);
    d->part = hf_path_join(r->part, name);
    d->file = hf_path_join(r->dir, name);
    return d->part && d->file ? 0 : hf_fail_nomem(err);
}

static int name_folders(struct restoring *r, struct hf_err *err)
{
    const struct hf_manifest *m = &r->point.manifest;
    if (r->pushed) { /* none: nothing of it comes here */
        r->dir = strdup("");
        r->part = strdup("");
        return r->dir && r->part ? 0 : hf_fail_nomem(err);
    }
    if (r->req->is_instant) {
        /* Another hypervisor may run one of the same name: its sockets are not ours to remove. */
        r->dir = hf_asprintf("%s/holdfast-%s-%s", r->req->dir, r->name, hf_id_digits(r->id));
        return r->dir ? 0 : hf_fail_nomem(err);
    }
    r->dir = hf_asprintf("%s/%s%s%s", r->req->dir, r->name, r->req->in_place ? "-" : "",
                         r->req->in_place ? m->point.id : "");
    r->part = hf_asprintf("%s/.%s-%s.holdfast-part", r->req->dir, r->name, m->point.id);
    return r->dir && r->part ? 0 : hf_fail_nomem(err);
}

static int name_all(struct restoring *r, struct hf_err *err)
{
    const struct hf_manifest *m = &r->point.manifest;
    r->disks = calloc(m->n_artifacts + 1, sizeof *r->disks);
    if (!r->disks)
        return hf_fail_nomem(err);
    if (name_folders(r, err) < 0)
        return -1;
    for (size_t i = 0; i < m->n_artifacts; i++)
        if (m->artifacts[i].kind == HF_POINT_IMAGE && name_disk(r, &m->artifacts[i], err) < 0)
            return -1;
    return r->n_disks || r->pushed ? 0 : hf_fail(err, HF_E_CONFIG, "%s has no disks", m->point.id);
}

static int create_journal(struct restoring *r, const char *key, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *data = json_object_new_object();
    if (!data || hf_json_add_string(data, "verb", "restore vm") < 0 ||
        hf_json_add_string(data, "vm", r->name) < 0 ||
        hf_json_add_string(data, "hypervisor", r->hypervisor->label) < 0 ||
        hf_json_add_string(data, "vm_id", r->found.id ? r->found.id : "") < 0 ||
        hf_json_add_string(data, "lock_key", key) < 0 ||
        hf_json_add_int(data, "sectionless", 1) < 0)
        return hf_fail_nomem(err);
    r->journal = hf_journal_create(hf_env_state(r->env), r->id, data, r->env->clock, err);
    return r->journal ? 0 : -1;
}

/* One restore of a name at a time, and in place no other run on that machine; what a dead one left is undone, or finished, first. A dry
 * run does neither, and leaves no journal. */
static int take_lock(struct restoring *r, struct hf_err *err)
{
    HF_AUTOFREE char *key = r->req->in_place
                                ? hf_asprintf("%s.%s", r->hypervisor->label, r->found.id)
                                : hf_asprintf("%s.machine.%s", r->hypervisor->label, r->name);
    if (!key)
        return hf_fail_nomem(err);
    r->lock = hf_vmlock_take(hf_env_state(r->env), key, r->id, err);
    if (!r->lock)
        return hf_wrap(err, "machine %s", r->name);
    if (r->req->dry_run)
        return hf_recover_is_done(r->env, key, err);
    return hf_recover_vm(r->env, NULL, key, err) < 0 ? -1 : create_journal(r, key, err);
}

static uint32_t machine_flags(const struct hf_restore_vm *req)
{
    return req->flags | (req->in_place ? HF_MACHINE_REPLACE : 0) |
           (req->is_instant ? HF_MACHINE_TRANSIENT : 0);
}

static int ask_hypervisor(struct restoring *r, struct hf_err *err)
{
    bool is_instant = r->req->is_instant;
    HF_AUTOFREE struct hf_machine_disk *disks = calloc(r->n_disks + 1, sizeof *disks);
    if (!disks)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < r->n_disks; i++)
        disks[i] = (struct hf_machine_disk){.struct_size = sizeof disks[i],
                                            .source = is_instant ? HF_MACHINE_NBD : HF_MACHINE_FILE,
                                            .target = r->disks[i].artifact->name,
                                            .path = r->disks[i].file,
                                            .format = is_instant ? "raw"
                                                                 : hf_disk_formats[r->req->format]};
    const struct hf_machine_request req = {.struct_size = sizeof req,
                                           .flags = machine_flags(r->req),
                                           .definition = hf_buf_str(&r->definition),
                                           .name = r->name,
                                           .purpose = is_instant ? "instant" : "restore",
                                           .dir = r->dir,
                                           .disks = disks,
                                           .n_disks = (uint32_t)r->n_disks};
    struct hf_hv_call call = hf_env_call(r->env, r->id, PLAN_MS);
    int rc = hf_hv_machine_plan(r->hv, &call, &req, &r->plan, err);
    if (rc < 0 && err->cls == HF_E_UNSUPPORTED && !err->hint[0] && /* its own says more */
        hf_machine_doc_is(hf_buf_str(&r->definition), r->definition.len))
        hf_hint(err, "A host of libvirt makes a machine of it: say which with --hypervisor. With "
                     "--ovf its disks come with an OVF, for the hypervisor to import.");
    return rc;
}

static int check_folders(const struct restoring *r, struct hf_err *err)
{
    struct stat st;
    if (r->pushed)
        return 0;
    if (r->req->dir[0] != '/')
        return hf_fail(err, HF_E_CONFIG, "--dir '%s' is no absolute path", r->req->dir);
    if (stat(r->req->dir, &st) != 0)
        return hf_fail_sys(err, errno, "--dir '%s'", r->req->dir);
    if (!S_ISDIR(st.st_mode))
        return hf_fail(err, HF_E_CONFIG, "--dir '%s' is no folder", r->req->dir);
    if (lstat(r->dir, &st) == 0) {
        hf_fail(err, HF_E_CONFLICT, "'%s' exists already", r->dir);
        return hf_hint(err, "Nothing in it was touched: choose another --name or --dir.");
    }
    return 0;
}

/* Without a hypervisor: it may be what is to be brought back. */
static int plan_ovf(struct restoring *r, struct hf_err *err)
{
    const char *nobody = NULL;
    HF_AUTOFREE char *key = hf_asprintf("ovf.machine.%s", r->req->name);
    if (!key)
        return hf_fail_nomem(err);
    if (open_point(r, err) < 0 || choose_name(r, &nobody, err) < 0 || name_all(r, err) < 0)
        return -1;
    r->lock = hf_vmlock_take(hf_env_state(r->env), key, r->id, err);
    if (!r->lock)
        return hf_wrap(err, "machine %s", r->name);
    return check_folders(r, err) < 0 ? -1 : restoring_plan_ovf(r, err);
}

int restoring_plan(struct restoring *r, struct hf_err *err)
{
    if (r->req->is_ovf)
        return plan_ovf(r, err);
    if (open_point(r, err) < 0 || choose_hypervisor(r, err) < 0 ||
        restoring_find_former(r, err) < 0 || name_all(r, err) < 0 || take_lock(r, err) < 0 ||
        restoring_list_former(r, err) < 0 || check_folders(r, err) < 0)
        return -1;
    return r->pushed ? restoring_plan_pushed(r, err) : ask_hypervisor(r, err);
}
