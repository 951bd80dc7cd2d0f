/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "restore/vm_intern.h"

static int add_disk(struct json_object *list, const struct restoring_disk *d)
{
    struct json_object *o = hf_json_append_object(list);
    if (!o || hf_json_add_string(o, "disk", d->artifact->name) < 0 ||
        hf_json_add_string(o, "file", d->file) < 0 ||
        hf_json_add_int(o, "bytes", (int64_t)d->artifact->bytes) < 0 ||
        hf_json_add_int(o, "written", (int64_t)d->done.written) < 0 ||
        hf_json_add_int(o, "fetched", (int64_t)d->done.fetched) < 0)
        return -1;
    return hf_json_add_bool(o, "resumed", d->done.is_resumed);
}

static int add_finding(struct json_object *list, enum hf_machine_finding_kind kind,
                       const char *about, const char *text)
{
    static const char *const kinds[] = {"", "changed", "left out", "cut off", "warning", "refused"};
    struct json_object *o = hf_json_append_object(list);
    if (!o || hf_json_add_string(o, "kind", kinds[kind]) < 0 ||
        hf_json_add_string(o, "about", about) < 0)
        return -1;
    return hf_json_add_string(o, "text", text);
}

static int add_kept(struct json_object *findings, struct json_object *files,
                    const struct restoring_kept *k)
{
    HF_AUTOFREE char *text =
        hf_asprintf("the machine has it now, the point does not: it will be without it%s%s%s",
                    k->file ? " ('" : "", k->file ? k->file : "", k->file ? "' is kept)" : "");
    if (!text || add_finding(findings, HF_MACHINE_LEFT_OUT, k->target, text) < 0)
        return -1;
    struct json_object *file = k->file ? json_object_new_string(k->file) : NULL;
    return !k->file || (file && json_object_array_add(files, file) == 0) ? 0 : -1;
}

static int add_lists(const struct restoring *r, struct json_object *doc)
{
    struct json_object *disks = json_object_new_array(), *findings = json_object_new_array();
    struct json_object *kept = json_object_new_array();
    if (hf_json_add(doc, "disks", disks) < 0 || hf_json_add(doc, "findings", findings) < 0 ||
        hf_json_add(doc, "former_disks", hf_json_strings(&r->former)) < 0 ||
        hf_json_add(doc, "kept_disks", kept) < 0)
        return -1;
    if (r->damage[0] && add_finding(findings, HF_MACHINE_WARNING, r->pushed->ref, r->damage) < 0)
        return -1;
    for (size_t i = 0; i < r->n_disks; i++)
        if (add_disk(disks, &r->disks[i]) < 0)
            return -1;
    for (size_t i = 0; i < r->plan.findings.n; i++) {
        const struct hf_machine_finding_copy *f = &r->plan.findings.items[i];
        if (add_finding(findings, f->kind, f->about, f->text) < 0)
            return -1;
    }
    for (size_t i = 0; i < r->n_kept; i++)
        if (add_kept(findings, kept, &r->kept[i]) < 0)
            return -1;
    return 0;
}

int restoring_document(const struct restoring *r, struct json_object **out, struct hf_err *err)
{
    const struct hf_manifest *m = &r->point.manifest;
    bool starts = r->req->start || r->req->in_place || r->req->is_instant;
    HF_AUTOJSON struct json_object *doc = json_object_new_object();
    HF_AUTOFREE char *ovf = r->req->is_ovf ? restoring_ovf_path(r, r->dir, "ovf") : NULL;
    if (!doc || (r->req->is_ovf && !ovf) || hf_json_add_string(doc, "point", m->point.id) < 0 ||
        hf_json_add_string(doc, "vm", m->point.vm) < 0 ||
        hf_json_add_string(doc, "store", r->point.config->label) < 0 ||
        hf_json_add_string(doc, "name", r->name) < 0 ||
        hf_json_add_string(doc, "hypervisor", r->hypervisor ? r->hypervisor->label : "") < 0 ||
        hf_json_add_string(doc, "id", r->plan.vm_id ? r->plan.vm_id : "") < 0 ||
        hf_json_add_string(doc, "dir", r->dir) < 0 || add_lists(r, doc) < 0 ||
        hf_json_add_string(doc, "backup", r->pushed ? r->pushed->ref : NULL) < 0 ||
        hf_json_add_string(doc, "ovf", ovf) < 0 ||
        hf_json_add_bool(doc, "started", starts && !r->req->dry_run) < 0 ||
        hf_json_add_bool(doc, "instant", r->req->is_instant) < 0 ||
        hf_json_add_bool(doc, "dry_run", r->req->dry_run) < 0 ||
        hf_json_add_int(doc, "duration_ms", hf_clock_mono_ms(r->env->clock) - r->began_ms) < 0)
        return hf_fail_nomem(err);
    *out = HF_STEAL(doc);
    return 0;
}
