/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"
#include "hypervisor/worker.h"

#include <stdlib.h>
#include <string.h>

#define LINES_MAX 256

static int fail_nonsense(struct hf_err *err, const char *what)
{
    return hf_fail(err, HF_E_PLUGIN, "the plugin delivered nonsense: %s", what);
}

int hv_copy_text(const char *text, size_t max, char **out, struct hf_err *err)
{
    if (!text)
        return 0;
    size_t len = strnlen(text, max + 1);
    if (len > max)
        return fail_nonsense(err, "a text without end");
    *out = strndup(text, len);
    return *out ? 0 : hf_fail_nomem(err);
}

static int copy_name(const char *text, const char *what, char **out, struct hf_err *err)
{
    if (!text || !*text)
        return fail_nonsense(err, what);
    return hv_copy_text(text, HV_TEXT_MAX, out, err);
}

/* min(theirs, ours) bytes; what an older plugin does not know reads as zero. */
static int adopt(void *ours, size_t ours_size, const void *theirs, size_t least, struct hf_err *err)
{
    uint32_t size;
    memcpy(&size, theirs, sizeof size);
    if (size < least || size > 65536)
        return fail_nonsense(err, "a struct of impossible size");
    memset(ours, 0, ours_size);
    memcpy(ours, theirs, size < ours_size ? size : ours_size);
    return 0;
}

int hv_copy_vm(const struct hf_vm *theirs, struct hf_vm_copy *out, struct hf_err *err)
{
    struct hf_vm v;
    if (!theirs || adopt(&v, sizeof v, theirs, offsetof(struct hf_vm, cannot), err) != 0)
        return theirs ? -1 : fail_nonsense(err, "a VM that is NULL");
    if ((int)v.state < HF_VM_OTHER || (int)v.state > HF_VM_CRASHED)
        return fail_nonsense(err, "an unknown state of a VM");
    out->state = v.state;
    out->can = v.can;
    out->n_disks = v.n_disks;
    out->has_agent = v.has_agent;
    out->is_uefi = v.is_uefi;
    if (copy_name(v.id, "a VM without id", &out->id, err) != 0 ||
        copy_name(v.name, "a VM without name", &out->name, err) != 0)
        return -1;
    return hv_copy_text(v.cannot, HV_TEXT_MAX, &out->cannot, err);
}

int hv_copy_disk(const struct hf_disk *theirs, struct hf_disk_copy *out, struct hf_err *err)
{
    struct hf_disk d;
    if (!theirs || adopt(&d, sizeof d, theirs, offsetof(struct hf_disk, source), err) != 0)
        return theirs ? -1 : fail_nonsense(err, "a disk that is NULL");
    if ((int)d.kind < HF_DISK_DISK || (int)d.kind > HF_DISK_LUN)
        return fail_nonsense(err, "an unknown kind of disk");
    out->kind = d.kind;
    out->flags = d.flags;
    out->chain_depth = d.chain_depth;
    out->capacity_bytes = d.capacity_bytes;
    out->allocated_bytes = d.allocated_bytes;
    out->store_total_bytes = d.store_total_bytes;
    out->store_free_bytes = d.store_free_bytes;
    if (copy_name(d.target, "a disk without target", &out->target, err) != 0 ||
        hv_copy_text(d.source, HV_TEXT_MAX, &out->source, err) != 0 ||
        hv_copy_text(d.format, HV_TEXT_MAX, &out->format, err) != 0 ||
        hv_copy_text(d.serial, HV_TEXT_MAX, &out->serial, err) != 0 ||
        hv_copy_text(d.address, HV_TEXT_MAX, &out->address, err) != 0 ||
        hv_copy_text(d.skipped, HV_TEXT_MAX, &out->skipped, err) != 0 ||
        hv_copy_text(d.store, HV_TEXT_MAX, &out->store, err) != 0)
        return -1;
    return hv_copy_text(d.refused, HV_TEXT_MAX, &out->refused, err);
}

int hv_copy_snapshot(const struct hf_snapshot *theirs, struct hf_snapshot_copy *out,
                     struct hf_err *err)
{
    struct hf_snapshot s;
    if (!theirs || adopt(&s, sizeof s, theirs, offsetof(struct hf_snapshot, parent), err) != 0)
        return theirs ? -1 : fail_nonsense(err, "a snapshot that is NULL");
    out->is_ours = s.is_ours;
    out->is_current = s.is_current;
    out->is_memory = s.is_memory;
    out->created_at_s = s.created_at_s;
    out->overlay_bytes = s.overlay_bytes;
    if (copy_name(s.name, "a snapshot without name", &out->name, err) != 0 ||
        hv_copy_text(s.parent, HV_TEXT_MAX, &out->parent, err) != 0)
        return -1;
    return hv_copy_text(s.description, HV_TEXT_MAX, &out->description, err);
}

int hv_copy_mount(const struct hf_guest_mount *theirs, struct hf_mount_copy *out,
                  struct hf_err *err)
{
    struct hf_guest_mount m;
    if (!theirs || adopt(&m, sizeof m, theirs, offsetof(struct hf_guest_mount, device), err) != 0)
        return theirs ? -1 : fail_nonsense(err, "a mount that is NULL");
    if (copy_name(m.mountpoint, "a mount without place", &out->mountpoint, err) != 0 ||
        copy_name(m.fstype, "a mount without type", &out->fstype, err) != 0 ||
        hv_copy_text(m.device, HV_TEXT_MAX, &out->device, err) != 0)
        return -1;
    return hv_copy_text(m.target, HV_TEXT_MAX, &out->target, err);
}

int hv_copy_finding(const struct hf_machine_finding *theirs, struct hf_machine_finding_copy *out,
                    struct hf_err *err)
{
    struct hf_machine_finding f;
    if (!theirs || adopt(&f, sizeof f, theirs, sizeof f, err) != 0)
        return theirs ? -1 : fail_nonsense(err, "a finding that is NULL");
    if ((int)f.kind < HF_MACHINE_CHANGED || (int)f.kind > HF_MACHINE_REFUSED)
        return fail_nonsense(err, "an unknown kind of finding");
    out->kind = f.kind;
    if (copy_name(f.about, "a finding about nothing", &out->about, err) != 0)
        return -1;
    return copy_name(f.text, "a finding without words", &out->text, err);
}

int hv_copy_machine(const struct hf_machine *theirs, struct hf_machine_copy *out,
                    struct hf_err *err)
{
    struct hf_machine m;
    if (!theirs || adopt(&m, sizeof m, theirs, sizeof m, err) != 0)
        return theirs ? -1 : fail_nonsense(err, "a machine that is NULL");
    if ((int)m.state < HF_VM_OTHER || (int)m.state > HF_VM_CRASHED)
        return fail_nonsense(err, "an unknown state of a machine");
    out->state = m.state;
    out->is_transient = m.is_transient;
    if (copy_name(m.vm_id, "a machine without id", &out->vm_id, err) != 0 ||
        copy_name(m.name, "a machine without name", &out->name, err) != 0 ||
        copy_name(m.run, "a machine of no run", &out->run, err) != 0 ||
        copy_name(m.undo_token, "a machine without token", &out->undo_token, err) != 0)
        return -1;
    return copy_name(m.purpose, "a machine without purpose", &out->purpose, err);
}

int hv_copy_export(const struct hf_export *theirs, struct hf_export_copy *out, struct hf_err *err)
{
    if (theirs->form != HF_EXPORT_NBD && theirs->form != HF_EXPORT_STREAM &&
        theirs->form != HF_EXPORT_PUSHED)
        return fail_nonsense(err, "an unknown form of export");
    if (theirs->form != HF_EXPORT_STREAM && (!theirs->uri || !*theirs->uri))
        return fail_nonsense(err, "an export that lies nowhere");
    out->form = theirs->form;
    out->size_bytes = theirs->size_bytes;
    out->has_lost_changes = theirs->has_lost_changes;
    if (hv_copy_text(theirs->uri, HV_TEXT_MAX, &out->uri, err) != 0 ||
        hv_copy_text(theirs->allocation_ctx, HV_TEXT_MAX, &out->allocation_ctx, err) != 0)
        return -1;
    if (hv_copy_text(theirs->dirty_ctx, HV_TEXT_MAX, &out->dirty_ctx, err) != 0)
        return -1;
    return hv_copy_text(theirs->compare_why, HV_TEXT_MAX, &out->compare_why, err);
}

/* ---- backups that it keeps: what is told of them goes into a manifest, which is read back in years ---- */

/* Of where_why; notes and the like are cut there, too. */
#define LINE_BYTES 511
#define REF_BYTES 511
#define STORED_MAX ((UINT64_C(1) << 53) - 1)
#define TIME_MAX_S INT64_C(253402300799) /* the last second of year 9999 */

static int copy_ref(const char *text, const char *what, char **out, struct hf_err *err)
{
    if (copy_name(text, what, out, err) != 0)
        return -1;
    for (const char *p = *out; *p; p += hf_utf8_character(p))
        if (hf_is_control(*p) || !hf_utf8_character(p))
            return fail_nonsense(err, what);
    return strlen(*out) <= REF_BYTES ? 0 : fail_nonsense(err, what);
}

/* For people to read: one line, and never half a character. */
static int copy_line(const char *text, char **out, struct hf_err *err)
{
    HF_AUTOFREE char *whole = NULL;
    HF_AUTO(hf_buf) struct hf_buf line = HF_BUF_INIT;
    if (!text || hv_copy_text(text, HV_TEXT_MAX, &whole, err) != 0)
        return text ? -1 : 0;
    hf_utf8_add_line(&line, whole);
    const char *s = hf_buf_str(&line);
    *out = hf_buf_ok(&line) ? strndup(s, hf_utf8_fit(s, LINE_BYTES)) : NULL;
    return *out ? 0 : hf_fail_nomem(err);
}

int hv_copy_pushed(const struct hf_pushed *theirs, struct hf_pushed_copy *out, struct hf_err *err)
{
    struct hf_pushed p;
    if (!theirs || adopt(&p, sizeof p, theirs, sizeof p, err) != 0)
        return theirs ? -1 : fail_nonsense(err, "a backup that is NULL");
    if ((int)p.check < HF_PUSHED_UNCHECKED || (int)p.check > HF_PUSHED_BAD ||
        (int)p.where < HF_PLACE_UNKNOWN || (int)p.where > HF_PLACE_ELSEWHERE)
        return fail_nonsense(err, "an unknown state of a backup");
    out->check = p.check;
    out->where = p.where;
    out->is_ours = p.is_ours;
    out->is_protected = p.is_protected;
    out->taken_at_s = p.taken_at_s > 0 && p.taken_at_s <= TIME_MAX_S ? p.taken_at_s : 0;
    out->stored_bytes = p.stored_bytes;
    if (copy_ref(p.ref, "a backup that lies nowhere", &out->ref, err) != 0 ||
        copy_ref(p.form, "a backup of no form", &out->form, err) != 0 ||
        copy_ref(p.place, "a backup without place", &out->place, err) != 0 ||
        copy_line(p.server, &out->server, err) != 0 ||
        copy_line(p.where_why, &out->where_why, err) != 0 || copy_line(p.run, &out->run, err) != 0)
        return -1;
    if (p.stored_bytes > STORED_MAX || (p.is_ours && (!p.run || !*p.run)))
        return fail_nonsense(err, "a backup that no manifest could hold");
    return copy_line(p.notes, &out->notes, err);
}

/* The capacity follows from n: powers of two. */
void *hv_one_more(void *items, size_t n, size_t size, struct hf_err *err)
{
    if (n >= HV_LIST_MAX) {
        fail_nonsense(err, "a list without end");
        return NULL;
    }
    if (n & (n - 1)) /* not full yet */
        return items;
    void *grown = reallocarray(items, n ? 2 * n : 1, size);
    if (!grown)
        hf_fail_nomem(err);
    return grown;
}

void hf_vm_copy_free(struct hf_vm_copy *vm)
{
    free(vm->id);
    free(vm->name);
    free(vm->cannot);
    *vm = (struct hf_vm_copy){0};
}

static void disk_copy_free(struct hf_disk_copy *d)
{
    free(d->target);
    free(d->source);
    free(d->format);
    free(d->serial);
    free(d->address);
    free(d->skipped);
    free(d->refused);
    free(d->store);
}

static void snapshot_copy_free(struct hf_snapshot_copy *s)
{
    free(s->name);
    free(s->parent);
    free(s->description);
}

void hf_vm_list_free(struct hf_vm_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        hf_vm_copy_free(&l->items[i]);
    free(l->items);
    *l = (struct hf_vm_list){0};
}

void hf_disk_list_free(struct hf_disk_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        disk_copy_free(&l->items[i]);
    free(l->items);
    *l = (struct hf_disk_list){0};
}

void hf_snapshot_list_free(struct hf_snapshot_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        snapshot_copy_free(&l->items[i]);
    free(l->items);
    *l = (struct hf_snapshot_list){0};
}

/* Names begin with their time, which is finer than the hypervisor's. */
static int by_time(const void *a, const void *b)
{
    const struct hf_snapshot_copy *x = a, *y = b;
    if (x->created_at_s != y->created_at_s)
        return x->created_at_s < y->created_at_s ? -1 : 1;
    return strcmp(x->name, y->name);
}

void hf_snapshot_list_sort(struct hf_snapshot_list *l)
{
    if (l->n > 1)
        qsort(l->items, l->n, sizeof *l->items, by_time);
}

void hf_mount_list_free(struct hf_mount_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->items[i].mountpoint);
        free(l->items[i].fstype);
        free(l->items[i].device);
        free(l->items[i].target);
    }
    free(l->items);
    *l = (struct hf_mount_list){0};
}

void hf_probe_copy_free(struct hf_probe_copy *p)
{
    free(p->product);
    free(p->endpoint);
    free(p->host);
    *p = (struct hf_probe_copy){0};
}

void hf_hv_capture_plan_free(struct hf_hv_capture_plan *p)
{
    free(p->undo_token);
    hf_strv_free(&p->warnings);
    *p = (struct hf_hv_capture_plan){0};
}

void hf_export_copy_free(struct hf_export_copy *e)
{
    free(e->uri);
    free(e->allocation_ctx);
    free(e->dirty_ctx);
    free(e->compare_why);
    *e = (struct hf_export_copy){0};
}

void hf_hv_exec_result_free(struct hf_hv_exec_result *r)
{
    hf_buf_free(&r->out);
    hf_buf_free(&r->err);
    *r = (struct hf_hv_exec_result){0};
}

int hv_copy_line(struct hf_strv *lines, const char *line, struct hf_err *err)
{
    if (!line || lines->n >= LINES_MAX)
        return hf_fail(err, HF_E_PLUGIN, "the plugin delivered nonsense: warnings without end");
    char *copy = NULL;
    if (hv_copy_text(line, HV_TEXT_MAX, &copy, err) != 0)
        return -1;
    return hf_strv_take(lines, copy) == 0 ? 0 : hf_fail_nomem(err);
}
