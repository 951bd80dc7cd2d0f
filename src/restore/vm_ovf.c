/* SPDX-License-Identifier: Apache-2.0
 *
 * A machine as a package that others import: its disks, an envelope, a manifest.
 */
#include "base/list.h"
#include "base/path.h"
#include "base/point.h"
#include "io/sha256.h"
#include "restore/ovf.h"
#include "restore/vm_intern.h"
#include "run/effects.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE_BYTES ((size_t)1 << 20)
#define FINDINGS_FIRST 16

struct package {
    struct hf_machine_doc machine;
    struct hf_ovf_file *files;
    struct hf_ovf ovf;
};

static void package_close(struct package *p)
{
    hf_machine_doc_free(&p->machine);
    free(p->files);
}
HF_DEFINE_AUTO_VALUE(package, package_close)

char *restoring_ovf_path(const struct restoring *r, const char *dir, const char *suffix)
{
    HF_AUTOFREE char *base = hf_ovf_file_name(r->name);
    return base ? hf_asprintf("%s/%s.%s", dir, base, suffix) : NULL;
}

static const char *last_part(const char *path)
{
    return strrchr(path, '/') + 1;
}

static int open_package(const struct restoring *r, struct package *p, struct hf_err *err)
{
    if (hf_machine_doc_parse(hf_buf_str(&r->definition), r->definition.len, &p->machine, err) < 0)
        return hf_wrap(err, "%s", r->point.manifest.point.id);
    p->files = calloc(r->n_disks + 1, sizeof *p->files);
    if (!p->files)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < r->n_disks; i++)
        p->files[i] = (struct hf_ovf_file){.target = r->disks[i].artifact->name,
                                           .name = last_part(r->disks[i].file),
                                           .disk_bytes = r->disks[i].artifact->bytes};
    p->ovf = (struct hf_ovf){.machine = &p->machine,
                             .name = r->name,
                             .format = r->req->format,
                             .keep_mac = r->req->flags & HF_MACHINE_KEEP_MAC,
                             .files = p->files,
                             .n_files = r->n_disks};
    return 0;
}

/* ---- what is to be said of it ----------------------------------------------------------- */

struct telling {
    struct hf_machine_finding_list *to;
    size_t cap;
    bool has_no_memory;
};

static void tell(struct telling *t, enum hf_machine_finding_kind kind, const char *about,
                 const char *text)
{
    void *room =
        hf_list_room(t->to->items, t->to->n, &t->cap, sizeof *t->to->items, FINDINGS_FIRST);
    char *a = strdup(about), *b = strdup(text);
    if (room)
        t->to->items = room;
    if (room && a && b) {
        t->to->items[t->to->n++] =
            (struct hf_machine_finding_copy){.kind = kind, .about = a, .text = b};
        return;
    }
    free(a);
    free(b);
    t->has_no_memory = true;
}

static bool has_file(const struct package *p, const char *target)
{
    for (size_t i = 0; i < p->ovf.n_files; i++)
        if (strcmp(p->files[i].target, target) == 0)
            return true;
    return false;
}

static void tell_disks(const struct package *p, struct telling *t)
{
    for (size_t i = 0; i < p->machine.n_disks; i++) {
        const struct hf_doc_disk *d = &p->machine.disks[i];
        if (!has_file(p, d->target))
            tell(t, HF_MACHINE_LEFT_OUT, d->target,
                 d->is_captured ? "the point does not have this disk"
                                : "snapshots of the machine did not have this disk");
    }
    for (size_t i = 0; i < p->machine.n_controllers; i++)
        if (!hf_ovf_knows_controller(p->machine.controllers[i].kind))
            tell(t, HF_MACHINE_CHANGED, "controller", "of a kind without a name in OVF: lsilogic");
}

static void tell_nics(const struct package *p, struct telling *t)
{
    for (size_t i = 0; i < p->machine.n_nics; i++) {
        const struct hf_doc_nic *n = &p->machine.nics[i];
        if (!hf_ovf_knows_nic(n->kind))
            tell(t, HF_MACHINE_CHANGED, n->network,
                 "a card of a kind without a name in OVF: e1000e");
        if (!p->ovf.keep_mac && n->mac)
            tell(t, HF_MACHINE_CHANGED, n->network, "a new MAC address when it is imported");
    }
}

static int tell_all(const struct restoring *r, const struct package *p,
                    struct hf_machine_finding_list *to, struct hf_err *err)
{
    struct telling t = {.to = to};
    if (strcmp(p->machine.name, r->name) != 0)
        tell(&t, HF_MACHINE_CHANGED, "name", r->name);
    tell_disks(p, &t);
    tell_nics(p, &t);
    if (r->req->format != HF_DISK_VMDK)
        tell(&t, HF_MACHINE_WARNING, hf_disk_formats[r->req->format],
             "vSphere imports disks in vmdk only");
    return t.has_no_memory ? hf_fail_nomem(err) : 0;
}

int restoring_plan_ovf(struct restoring *r, struct hf_err *err)
{
    HF_AUTO(package) struct package p = {0};
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    if (open_package(r, &p, err) < 0 || hf_ovf_write(&p.ovf, &text, err) < 0)
        return hf_hint(err, "Its disks can be restored: `holdfast restore image`.");
    return tell_all(r, &p, &r->plan.findings, err);
}

/* ---- written ---------------------------------------------------------------------------- */

static int digest(const struct restoring *r, int fd, struct hf_ovf_file *f, struct hf_err *err)
{
    HF_AUTO(hf_sha256) struct hf_sha256 *s = hf_sha256_new(err);
    HF_AUTOFREE char *piece = malloc(PIECE_BYTES);
    if (!s)
        return -1;
    if (!piece)
        return hf_fail_nomem(err);
    for (;;) {
        ssize_t n = read(fd, piece, PIECE_BYTES);
        if (hf_cancel_check(r->env->cancel, err) < 0)
            return -1;
        if (n == 0)
            return hf_sha256_end(s, f->sha256, err);
        if (n < 0 && errno != EINTR)
            return hf_fail_sys(err, errno, "read");
        if (n > 0 && hf_sha256_add(s, piece, (size_t)n, err) < 0)
            return -1;
        f->bytes += n > 0 ? (uint64_t)n : 0;
    }
}

/* As it lies there, not as it was written: a manifest is for who reads it. */
static int digest_disk(const struct restoring *r, size_t i, struct hf_ovf_file *f,
                       struct hf_err *err)
{
    const char *path = r->disks[i].part;
    HF_AUTOFD int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return hf_fail_sys(err, errno, "'%s'", path);
    return digest(r, fd, f, err) < 0 ? hf_wrap(err, "'%s'", path) : 0;
}

static int digest_text(const struct hf_buf *text, char out[HF_SHA256_HEX], struct hf_err *err)
{
    HF_AUTO(hf_sha256) struct hf_sha256 *s = hf_sha256_new(err);
    if (!s || hf_sha256_add(s, hf_buf_str(text), text->len, err) < 0)
        return -1;
    return hf_sha256_end(s, out, err);
}

static int write_text(const struct restoring *r, const char *suffix, const struct hf_buf *text,
                      struct hf_err *err)
{
    HF_AUTOFREE char *path = restoring_ovf_path(r, r->part, suffix);
    if (!path)
        return hf_fail_nomem(err);
    return hf_path_write(path, hf_buf_str(text), text->len, 0600, err);
}

int restoring_write_ovf(struct restoring *r, struct hf_err *err)
{
    HF_AUTO(package) struct package p = {0};
    HF_AUTO(hf_buf) struct hf_buf envelope = HF_BUF_INIT;
    HF_AUTO(hf_buf) struct hf_buf manifest = HF_BUF_INIT;
    HF_AUTOFREE char *name = restoring_ovf_path(r, "", "ovf");
    char sha256[HF_SHA256_HEX];
    if (!name)
        return hf_fail_nomem(err);
    if (open_package(r, &p, err) < 0)
        return -1;
    for (size_t i = 0; i < r->n_disks; i++)
        if (digest_disk(r, i, &p.files[i], err) < 0)
            return -1;
    if (hf_ovf_write(&p.ovf, &envelope, err) < 0 || digest_text(&envelope, sha256, err) < 0 ||
        hf_ovf_manifest(&p.ovf, last_part(name), sha256, &manifest, err) < 0 ||
        HF_POINT_ERR("restore.ovf.before_envelope", err) < 0 ||
        write_text(r, "ovf", &envelope, err) < 0 ||
        HF_POINT_ERR("restore.ovf.after_envelope", err) < 0 ||
        write_text(r, "mf", &manifest, err) < 0 ||
        HF_POINT_ERR("restore.ovf.after_manifest", err) < 0)
        return -1;
    return hf_effect_remove_records(r->part, err);
}
