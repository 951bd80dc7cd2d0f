/* SPDX-License-Identifier: Apache-2.0 */
#include "run/coverage_intern.h"

#include <string.h>

static bool is_one_of(const char *word, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return false;
}

/* ---- file systems without a device ------------------------------------------------------- */

static const char *const memory_types[] = {"tmpfs", "ramfs", "devtmpfs", "hugetlbfs"};

/* Their devices stand elsewhere (zpool status). */
static const char *const pool_types[] = {"zfs", "bcachefs"};

static const char *const no_data_types[] = {"aufs",        "autofs",
                                            "binfmt_misc", "bpf",
                                            "cgroup",      "cgroup2",
                                            "configfs",    "debugfs",
                                            "devpts",      "devtmpfs",
                                            "efivarfs",    "erofs",
                                            "fusectl",     "fuse.gvfsd-fuse",
                                            "fuse.lxcfs",  "fuse.portal",
                                            "hugetlbfs",   "iso9660",
                                            "mqueue",      "nsfs",
                                            "overlay",     "proc",
                                            "pstore",      "ramfs",
                                            "rpc_pipefs",  "securityfs",
                                            "selinuxfs",   "squashfs",
                                            "sysfs",       "tmpfs",
                                            "tracefs",     "udf"};

bool hf_coverage_is_no_data(const struct hf_mountinfo_entry *m)
{
    return is_one_of(m->type, no_data_types, HF_ARRAY_SIZE(no_data_types));
}

static enum hf_coverage_state without_device(const struct hf_mountinfo_entry *m,
                                             struct hf_buf *text)
{
    if (is_one_of(m->type, pool_types, HF_ARRAY_SIZE(pool_types))) {
        hf_buf_printf(text, "on %s (%s), whose disks cannot be seen from here", m->source, m->type);
        return HF_COVERAGE_UNKNOWN;
    }
    if (is_one_of(m->type, memory_types, HF_ARRAY_SIZE(memory_types)))
        hf_buf_printf(text, "in the guest's memory (%s), which the snapshot does not contain",
                      m->type);
    else
        hf_buf_printf(text, "on %s (%s), which the snapshot does not contain", m->source, m->type);
    return HF_COVERAGE_NOT_COVERED;
}

/* ---- which disks a mount lies on --------------------------------------------------------- */

/* What the hypervisor's agent tells about one file system. */
struct findings {
    const char *targets[64]; /* each once */
    size_t n;
    bool is_listed;  /* it was told at all */
    bool is_foreign; /* some of it is on no disk of this VM */
    bool is_cut;     /* more disks than we look at */
};

static void note(struct findings *f, const char *target)
{
    f->is_listed = true;
    f->is_foreign |= !target;
    if (!target || is_one_of(target, f->targets, f->n))
        return;
    if (f->n < HF_ARRAY_SIZE(f->targets))
        f->targets[f->n++] = target;
    else
        f->is_cut = true;
}

static void by_mountpoint(const struct hf_mount_list *mounts, const char *mountpoint,
                          struct findings *f)
{
    for (size_t i = 0; i < mounts->n; i++)
        if (strcmp(mounts->items[i].mountpoint, mountpoint) == 0)
            note(f, mounts->items[i].target);
}

static const char *bare_name(const char *device)
{
    return strncmp(device, "/dev/", 5) == 0 ? device + 5 : device;
}

static void by_device(const struct hf_mount_list *mounts, const char *source, struct findings *f)
{
    for (size_t i = 0; *source == '/' && i < mounts->n; i++) {
        const char *device = mounts->items[i].device;
        if (device && strcmp(bare_name(device), bare_name(source)) == 0)
            note(f, mounts->items[i].target);
    }
}

/* An agent that leaves out bind mounts and subvolumes, or knows no disk for them, knows the file
 * system by another of its mounts. An answer without any disk is kept only when there is no other. */
static void find_disks(const struct hf_coverage_scene *s, const struct hf_mountinfo_entry *m,
                       struct findings *out)
{
    bool is_listed = false;
    by_mountpoint(s->mounts, m->mountpoint, out);
    for (size_t i = 0; !out->n && i < s->mountinfo->n; i++) {
        const struct hf_mountinfo_entry *other = &s->mountinfo->items[i];
        is_listed |= out->is_listed;
        *out = (struct findings){0};
        if (!other->is_hidden && other->major == m->major && other->minor == m->minor)
            by_mountpoint(s->mounts, other->mountpoint, out);
    }
    if (!out->n) {
        is_listed |= out->is_listed;
        *out = (struct findings){0};
        by_device(s->mounts, m->source, out);
    }
    out->is_listed |= is_listed;
}

/* ---- and whether these are captured ------------------------------------------------------ */

static const struct hf_disk_copy *disk_of(const struct hf_disk_list *disks, const char *target)
{
    for (size_t i = 0; i < disks->n; i++)
        if (strcmp(disks->items[i].target, target) == 0)
            return &disks->items[i];
    return NULL;
}

static bool is_captured(const struct hf_disk_copy *d)
{
    return d && !d->skipped && !d->refused;
}

static void say_names(const struct findings *f, struct hf_buf *text)
{
    for (size_t i = 0; i < f->n; i++)
        hf_buf_printf(text, "%s%s", i == 0 ? "on " : i + 1 == f->n ? " and " : ", ", f->targets[i]);
}

static void say_why_not(const struct findings *f, const char *target, const struct hf_disk_copy *d,
                        struct hf_buf *text)
{
    say_names(f, text);
    hf_buf_str_add(text, f->n > 1 ? ", of which " : ", which");
    if (f->n > 1)
        hf_buf_str_add(text, target);
    if (!d)
        hf_buf_str_add(text, " is not among the VM's disks");
    else
        hf_buf_printf(text, " %s captured: %s", d->skipped ? "is not" : "cannot be",
                      d->skipped ? d->skipped : d->refused);
}

static bool has_mount_on(const struct hf_mount_list *mounts, const char *target)
{
    for (size_t i = 0; i < mounts->n; i++)
        if (mounts->items[i].target && strcmp(mounts->items[i].target, target) == 0)
            return true;
    return false;
}

/* The guest's agent knows one device of a btrfs only: another one is seen as a disk on which nothing
 * seems to be mounted. */
static const struct hf_disk_copy *may_be_btrfs(const struct hf_coverage_scene *s)
{
    for (size_t i = 0; i < s->disks->n; i++) {
        const struct hf_disk_copy *d = &s->disks->items[i];
        if (!is_captured(d) && (d->kind == HF_DISK_DISK || d->kind == HF_DISK_LUN) &&
            !has_mount_on(s->mounts, d->target))
            return d;
    }
    return NULL;
}

static enum hf_coverage_state on_disks(const struct hf_coverage_scene *s,
                                       const struct hf_mountinfo_entry *m, const struct findings *f,
                                       struct hf_buf *text)
{
    for (size_t i = 0; i < f->n; i++) {
        const struct hf_disk_copy *d = disk_of(s->disks, f->targets[i]);
        if (!is_captured(d)) {
            say_why_not(f, f->targets[i], d, text);
            return HF_COVERAGE_NOT_COVERED;
        }
    }
    say_names(f, text);
    if (f->is_foreign || f->is_cut) {
        hf_buf_str_add(text, f->is_cut ? " and more disks than are looked at"
                                       : ", and in part on no disk of this VM");
        return f->is_cut ? HF_COVERAGE_UNKNOWN : HF_COVERAGE_NOT_COVERED;
    }
    const struct hf_disk_copy *other = strcmp(m->type, "btrfs") == 0 ? may_be_btrfs(s) : NULL;
    if (other) {
        hf_buf_printf(text, ", but its btrfs may have %s as well, which is not captured",
                      other->target);
        return HF_COVERAGE_UNKNOWN;
    }
    hf_buf_str_add(text, ", captured");
    return HF_COVERAGE_COVERED;
}

/* ---- no agent ---------------------------------------------------------------------------- */

static bool is_local_device(const char *source)
{
    static const char *const beginnings[] = {"/dev/vd", "/dev/sd", "/dev/nvme", "/dev/mapper/",
                                             "/dev/dm-"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(beginnings); i++)
        if (strncmp(source, beginnings[i], strlen(beginnings[i])) == 0)
            return true;
    return false;
}

/* iSCSI and passed-through devices look the same from inside: this is a conclusion, no knowledge. */
static enum hf_coverage_state infer(const struct hf_coverage_scene *s,
                                    const struct hf_mountinfo_entry *m, struct hf_buf *text)
{
    size_t n_captured = 0;
    hf_buf_printf(text, "on %s; no agent tells which disk that is", m->source);
    for (size_t i = 0; i < s->disks->n; i++) {
        const struct hf_disk_copy *d = &s->disks->items[i];
        if (d->kind != HF_DISK_DISK && d->kind != HF_DISK_LUN)
            continue;
        if (!is_captured(d)) {
            hf_buf_printf(text, ", and %s is not captured", d->target);
            return HF_COVERAGE_UNKNOWN;
        }
        n_captured++;
    }
    if (!n_captured || !is_local_device(m->source))
        return HF_COVERAGE_UNKNOWN;
    hf_buf_str_add(text, ", inferred: every disk of the VM is captured");
    return HF_COVERAGE_COVERED;
}

enum hf_coverage_state hf_coverage_of_mount(const struct hf_coverage_scene *s,
                                            const struct hf_mountinfo_entry *m, struct hf_buf *text)
{
    struct findings f = {0};
    if (!m->has_device)
        return without_device(m, text);
    if (!s->mounts->n)
        return infer(s, m, text);
    find_disks(s, m, &f);
    if (f.n)
        return on_disks(s, m, &f, text);
    hf_buf_printf(text, "on %s, %s", m->source,
                  f.is_listed ? "which is on no disk of this VM"
                              : "of which the hypervisor's agent tells nothing");
    return f.is_listed ? HF_COVERAGE_NOT_COVERED : HF_COVERAGE_UNKNOWN;
}
