/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/path.h"
#include "base/point.h"
#include "drill/drill_intern.h"
#include "net/machine_doc.h"
#include "restore/definition.h"
#include "run/drillable.h"
#include "run/effects.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_PORT 3306
#define PLAN_MS 30000
#define CREATE_MS 120000
/* How long what leads to the database outlives us: the machine goes first. */
#define LIFETIME_MS (10 * 60 * 1000)

/* ---- how it is reached ------------------------------------------------------------------ */

static unsigned port_of(const struct hf_db_address *db)
{
    bool is_forwarded = db->kind == HF_DB_TCP && db->host &&
                        (strncmp(db->host, "127.", 4) == 0 || !strcmp(db->host, "localhost") ||
                         !strcmp(db->host, "::1"));
    return db->socket || is_forwarded || !db->port ? DEFAULT_PORT : db->port;
}

/* The machine has no network: the agent is the only way in. */
static void turn_to_agent(struct drill *d)
{
    d->vm.db = d->vm.drill_db.kind == HF_DB_AGENT
                   ? d->vm.drill_db
                   : (struct hf_db_address){
                         .kind = HF_DB_AGENT, .host = d->loopback, .port = port_of(&d->vm.db)};
    d->vm.guest = HF_GUEST_AGENT;
    d->vm.hold_limit = LIFETIME_MS;
}

/* Those that are asked from this host would ask the VM itself, which runs on. */
static int keep_probes(struct drill *d, struct hf_err *err)
{
    const struct hf_vm_probes all = d->vm.probe;
    d->probes = calloc(all.n + 1, sizeof *d->probes);
    if (!d->probes)
        return hf_fail_nomem(err);
    d->vm.probe = (struct hf_vm_probes){.items = d->probes};
    for (size_t i = 0; i < all.n; i++)
        if (all.items[i].kind != HF_PROBE_HTTP && all.items[i].kind != HF_PROBE_COMMAND)
            d->probes[d->vm.probe.n++] = all.items[i];
    return 0;
}

int drill_prepare(struct drill *d, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    const struct hf_config_vm *vm = hf_config_find_vm(d->env->config, d->m->point.vm, &why);
    if (!vm) {
        hf_fail(err, HF_E_UNSUPPORTED,
                "no drill of %s: the configuration has no section of this VM, so that nothing is "
                "known of its database",
                d->m->point.vm);
        return hf_hint(err,
                       "Write a section [vm %s] with hypervisor, guest, db and db-defaults-file.",
                       d->m->point.vm);
    }
    if (hf_drillable(vm, err) < 0)
        return -1;
    snprintf(d->loopback, sizeof d->loopback, "127.0.0.1");
    d->vm = *vm;
    turn_to_agent(d);
    return keep_probes(d, err);
}

static bool is_of_the_store(enum hf_err_class cls)
{
    return cls == HF_E_CORRUPT || cls == HF_E_NOT_FOUND;
}

int drill_blame_point(struct drill *d, struct hf_err *err)
{
    if (!is_of_the_store(err->cls) || hf_cancel_is_set(d->env->cancel))
        return -1;
    d->found_damage = true;
    hf_drill_note(&d->checks, "boot", HF_DRILL_FAILED, "%s", err->message);
    hf_err_clear(err);
    return 0;
}

const char *drill_host(const struct drill *d)
{
    return d->req->hypervisor ? d->req->hypervisor : d->vm.drill_hypervisor;
}

/* ---- plan ------------------------------------------------------------------------------- */

/* One that is damaged is the point's fault, and noted; 0. */
static int read_definition(struct drill *d, struct hf_err *err)
{
    if (!hf_manifest_find(d->m, HF_POINT_DEFINITION))
        return hf_fail(err, HF_E_UNSUPPORTED, "%s has no definition of its machine",
                       d->m->point.id);
    if (!hf_manifest_find(d->m, HF_POINT_IMAGE))
        return hf_fail(err, HF_E_UNSUPPORTED, "%s has no disks to boot from", d->m->point.id);
    return hf_restore_definition(&d->point, &d->definition, err) < 0 ? drill_blame_point(d, err)
                                                                     : 0;
}

static int name_all(struct drill *d, struct hf_err *err)
{
    d->name = hf_asprintf("holdfast-drill-%s", hf_id_digits(d->run.id));
    const char *under = d->is_pushed ? "" : hf_serve_dir(err);
    if (!under)
        return -1;
    d->dir = !d->name ? NULL : d->is_pushed ? strdup("") : hf_path_join(under, d->name);
    return d->dir ? 0 : hf_fail_nomem(err);
}

static char *socket_of(const struct drill *d, const char *target)
{
    return hf_asprintf("%s/%s", d->dir, target);
}

void drill_log_findings(const struct drill *d)
{
    for (size_t i = 0; i < d->plan.findings.n; i++)
        hf_log(d->env->log, HF_LOG_DETAIL, "drill", "%s: %s", d->plan.findings.items[i].about,
               d->plan.findings.items[i].text);
}

static int add_disk(const struct drill *d, const char *target, struct hf_strv *paths,
                    struct hf_machine_disk *disk, struct hf_err *err)
{
    if (hf_strv_take(paths, socket_of(d, target)) < 0)
        return hf_fail_nomem(err);
    *disk = (struct hf_machine_disk){.struct_size = sizeof *disk,
                                     .source = HF_MACHINE_NBD,
                                     .target = target,
                                     .path = paths->items[paths->n - 1],
                                     .format = "raw"};
    return 0;
}

int drill_plan(struct drill *d, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv paths = HF_STRV_INIT;
    HF_AUTOFREE struct hf_machine_disk *disks = calloc(d->m->n_artifacts + 1, sizeof *disks);
    uint32_t n = 0;
    if (!disks)
        return hf_fail_nomem(err);
    d->is_pushed = hf_manifest_find(d->m, HF_POINT_PUSHED);
    if ((!d->is_pushed && read_definition(d, err) < 0) || name_all(d, err) < 0)
        return -1;
    if (d->is_pushed)
        return drill_plan_pushed(d, err);
    if (drill_has_failed(d))
        return 0;
    for (size_t i = 0; i < d->m->n_artifacts; i++)
        if (d->m->artifacts[i].kind == HF_POINT_IMAGE &&
            add_disk(d, d->m->artifacts[i].name, &paths, &disks[n++], err) < 0)
            return -1;
    const struct hf_machine_request req = {.struct_size = sizeof req,
                                           .flags = HF_MACHINE_ISOLATED | HF_MACHINE_TRANSIENT,
                                           .definition = hf_buf_str(&d->definition),
                                           .name = d->name,
                                           .run = d->run.id,
                                           .purpose = HF_VERB_DRILL,
                                           .dir = d->dir,
                                           .disks = disks,
                                           .n_disks = n};
    struct hf_hv_call call = hf_env_call(d->env, d->run.id, PLAN_MS);
    int rc = hf_hv_machine_plan(d->run.hv, &call, &req, &d->plan, err);
    drill_log_findings(d);
    if (rc < 0 && err->cls == HF_E_UNSUPPORTED && !err->hint[0] && /* its own says more */
        hf_machine_doc_is(hf_buf_str(&d->definition), d->definition.len))
        hf_hint(err,
                "A host of libvirt makes a machine of it: say which with --hypervisor, or with "
                "drill-hypervisor in [vm %s].",
                d->vm.label);
    return rc < 0 ? hf_wrap(err, "machine %s", d->name) : 0;
}

/* ---- boot ------------------------------------------------------------------------------- */

static int serve_disk(struct drill *d, const char *target, struct hf_err *err)
{
    HF_AUTOFREE char *socket = socket_of(d, target);
    if (!socket)
        return hf_fail_nomem(err);
    struct hf_serving *s = hf_serve_begin_open(d->env, &d->point, target, socket, err);
    if (!s)
        return -1;
    d->serving[d->n_serving++] = s;
    return 0;
}

static int serve_all(struct drill *d, struct hf_err *err)
{
    d->serving = calloc(d->m->n_artifacts + 1, sizeof *d->serving);
    if (!d->serving)
        return hf_fail_nomem(err);
    if (hf_serve_make_dir(d->dir, err) < 0)
        return -1;
    for (size_t i = 0; i < d->m->n_artifacts; i++)
        if (d->m->artifacts[i].kind == HF_POINT_IMAGE &&
            serve_disk(d, d->m->artifacts[i].name, err) < 0)
            return -1;
    return 0;
}

int drill_note_disks(struct drill *d, struct hf_err *err)
{
    if (hf_drill_has(&d->checks, HF_DRILL_DISKS))
        return 1;
    for (size_t i = 0; i < d->n_serving; i++) {
        struct hf_err why = HF_ERR_INIT;
        struct hf_serve_facts facts;
        if (hf_serve_check(d->serving[i], &why) == 0)
            continue;
        hf_serve_facts(d->serving[i], &facts);
        if (!is_of_the_store(why.cls)) {
            hf_err_copy(err, &why);
            hf_wrap(err, "disk %s of the machine", facts.disk);
            return -1;
        }
        d->found_damage = true;
        hf_drill_note(&d->checks, HF_DRILL_DISKS, HF_DRILL_FAILED, "disk %s cannot be read: %s",
                      facts.disk, why.message);
        return 1;
    }
    return 0;
}

static int create(struct drill *d, struct hf_err *err)
{
    struct hf_hv_call call = hf_env_call(d->env, d->run.id, CREATE_MS);
    if (d->is_pushed)
        return drill_create_pushed(d, err);
    return hf_hv_machine_create(d->run.hv, &call, d->plan.definition, d->plan.undo_token, err);
}

static int start_machine(struct drill *d, struct hf_err *err)
{
    if (HF_POINT_ERR("drill.before_create", err) < 0 || create(d, err) < 0)
        return -1;
    HF_POINT("drill.after_create");
    d->started_ms = hf_clock_mono_ms(d->env->clock);
    struct hf_hv_call call = hf_env_call(d->env, d->run.id, CREATE_MS);
    if (HF_POINT_ERR("drill.before_start", err) < 0 ||
        hf_hv_machine_start(d->run.hv, &call, d->plan.undo_token, false, err) < 0)
        return -1;
    HF_POINT("drill.after_start");
    hf_log(d->env->log, HF_LOG_INFO, "drill", "machine %s boots from %s", d->name,
           d->point.config->label);
    return 0;
}

int drill_boot(struct drill *d, struct hf_err *err)
{
    if (hf_run_wait_guardian(&d->run, err) < 0 || HF_POINT_ERR("drill.before_journal", err) < 0 ||
        hf_effect_machine_served(d->run.journal, d->run.hypervisor->label, d->name,
                                 d->plan.undo_token, d->dir, err) < 0)
        return -1;
    HF_POINT("drill.after_journal");
    d->vm.hypervisor = d->run.hypervisor->label;
    if (!d->is_pushed && serve_all(d, err) < 0)
        return drill_blame_point(d, err);
    struct hf_err why = HF_ERR_INIT;
    if (start_machine(d, &why) < 0) {
        int rc = drill_note_disks(d, err); /* the better reason, where there is one */
        if (rc == 0)
            hf_err_copy(err, &why);
        if (rc == 0 && d->is_pushed && err->cls == HF_E_CORRUPT)
            return drill_blame_point(d, err);
        return rc == 1 ? 0 : -1;
    }
    hf_drill_note(&d->checks, "boot", HF_DRILL_OK, NULL);
    return 0;
}

void drill_end_serving(struct drill *d)
{
    for (size_t i = 0; i < d->n_serving; i++)
        hf_serving_free(d->serving[i]);
    free(d->serving);
    d->serving = NULL;
    d->n_serving = 0;
}
