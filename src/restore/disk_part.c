/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/disk_part.h"

#include "base/clock.h"
#include "base/path.h"
#include "base/point.h"
#include "run/effects.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

/* Where QEMU locks an image (block/file-posix.c): a byte per right, from 100 on those it uses, from 200 on those it allows. */
#define QEMU_LOCKS_AT 100
#define QEMU_LOCKS_LEN 200
#define SHUT_DOWN "Shut the VM down, or restore to another file."
#define DYING_MS 5000
#define POLL_MS 20

void hf_disk_part_close(struct hf_disk_part *p)
{
    hf_disk_record_free(&p->record);
    if (p->file && p->fd >= 0)
        close(p->fd);
    free(p->file);
    free(p->path);
    free(p->record_path);
    free(p->dir);
    *p = (struct hf_disk_part){.fd = -1};
}

/* ---- names ------------------------------------------------------------------------------ */

/* Absolute, so that no program takes a name for an option or a protocol. */
static int set_names(struct hf_disk_part *p, const char *file, struct hf_err *err)
{
    const char *slash = strrchr(file, '/'), *name = slash ? slash + 1 : file;
    HF_AUTOFREE char *parent =
        slash ? strndup(file, slash == file ? 1 : (size_t)(slash - file)) : strdup(".");
    if (!parent)
        return hf_fail_nomem(err);
    if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return hf_fail(err, HF_E_CONFIG, "'%s' is no name of a file", file);
    p->dir = realpath(parent, NULL);
    if (!p->dir)
        return hf_fail_sys(err, errno, "the folder of '%s'", file);
    p->file = hf_path_join(p->dir, name);
    p->path = p->file ? hf_asprintf("%s" HF_DISK_PART, p->file) : NULL;
    p->record_path = p->path ? hf_asprintf("%s" HF_DISK_RECORD, p->file) : NULL;
    return p->record_path ? 0 : hf_fail_nomem(err);
}

/* ---- what is there already -------------------------------------------------------------- */

/* A running VM would write on, into a file without a name or into our midst. */
static int check_unused(const char *path, int fd, const char *hint, struct hf_err *err)
{
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = QEMU_LOCKS_AT, .l_len = QEMU_LOCKS_LEN};
    if (fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK) {
        hf_fail(err, HF_E_BUSY,
                "'%s' is in use: a program holds a lock on it, as a running VM does", path);
        return hf_hint(err, "%s", hint);
    }
    return 0;
}

static int open_device(struct hf_disk_part *p, const struct hf_disk_record *want, bool overwrite,
                       struct hf_err *err)
{
    uint64_t bytes = 0;
    p->is_device = true;
    if (!overwrite) {
        hf_fail(err, HF_E_CONFLICT, "'%s' is a device, and its content would be lost", p->file);
        return hf_hint(err, "With --overwrite it is written in place.");
    }
    if (want->format != HF_DISK_RAW)
        return hf_fail(err, HF_E_UNSUPPORTED, "'%s' is a device: it takes --format raw", p->file);
    p->fd = open(p->file, O_RDWR | O_EXCL | O_CLOEXEC); /* O_EXCL: not one that is mounted */
    if (p->fd < 0) {
        int e = errno;
        hf_fail_sys(err, e, "'%s'", p->file);
        if (e == EBUSY)
            err->cls = HF_E_BUSY;
        return -1;
    }
    if (ioctl(p->fd, BLKGETSIZE64, &bytes) < 0)
        return hf_fail_sys(err, errno, "'%s'", p->file);
    if (bytes < want->shape.disk_bytes)
        return hf_fail(err, HF_E_NOSPACE, "'%s' has %llu bytes, the disk has %llu", p->file,
                       (unsigned long long)bytes, (unsigned long long)want->shape.disk_bytes);
    return check_unused(p->file, p->fd, SHUT_DOWN, err);
}

static int check_replace(struct hf_disk_part *p, const struct stat *st, bool overwrite,
                         struct hf_err *err)
{
    if (!S_ISREG(st->st_mode))
        return hf_fail(err, HF_E_CONFLICT, "'%s' is there, and no file", p->file);
    if (!overwrite) {
        hf_fail(err, HF_E_CONFLICT, "'%s' exists", p->file);
        return hf_hint(err, "With --overwrite it is replaced, once the whole disk is there.");
    }
    HF_AUTOFD int fd = open(p->file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return hf_fail_sys(err, errno, "'%s'", p->file);
    p->replaces = true;
    p->replaced = *st;
    return check_unused(p->file, fd, SHUT_DOWN, err);
}

/* ---- the record ------------------------------------------------------------------------- */

static bool is_same_disk(const struct hf_disk_record *a, const struct hf_disk_record *b)
{
    return memcmp(a->root, b->root, HF_IMAGE_ID) == 0 && a->format == b->format &&
           a->shape.disk_bytes == b->shape.disk_bytes &&
           a->shape.chunk_bytes == b->shape.chunk_bytes;
}

/* Empty when there is none, or none that can be used. */
static void load_record(struct hf_disk_part *p, const struct hf_disk_record *want)
{
    struct hf_err why = HF_ERR_INIT;
    size_t len = 0;
    hf_disk_record_free(&p->record);
    HF_AUTOFREE char *text = hf_path_read(p->record_path, HF_DISK_RECORD_MAX, &len, &why);
    if (!text)
        return;
    if (hf_disk_record_parse(text, len, &p->record, &why) < 0 || !is_same_disk(&p->record, want))
        hf_disk_record_free(&p->record);
}

static int write_record(struct hf_disk_part *p, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    if (hf_disk_record_write(&p->record, &text, err) < 0 ||
        HF_POINT_ERR("restore.image.before_record", err) < 0 ||
        hf_path_write(p->record_path, hf_buf_str(&text), text.len, 0600, err) < 0)
        return -1;
    HF_POINT("restore.image.after_record");
    return 0;
}

static int64_t changed_ns(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

/* ---- the part --------------------------------------------------------------------------- */

/* The qemu-nbd of a run that was killed dies with it, a moment later. */
static int wait_unused(struct hf_disk_part *p, struct hf_err *err)
{
    int rc = -1;
    for (int waited = 0;
         (rc = check_unused(p->path, p->fd, SHUT_DOWN, err)) < 0 && waited < DYING_MS;
         waited += POLL_MS)
        hf_clock_sleep_ms(hf_clock_system(), POLL_MS);
    if (rc == 0)
        hf_err_clear(err);
    return rc;
}

/* A run that ended right before the renaming has given it to the owner of FILE already. */
static bool is_ours(const struct hf_disk_part *p, const struct stat *st)
{
    return S_ISREG(st->st_mode) && st->st_nlink <= 1 &&
           (st->st_uid == geteuid() || (p->replaces && st->st_uid == p->replaced.st_uid));
}

static int open_part(struct hf_disk_part *p, struct stat *st, struct hf_err *err)
{
    struct stat named;
    if (HF_POINT_ERR("restore.image.before_part", err) < 0)
        return -1;
    p->fd = open(p->path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
    if (p->fd < 0 || fstat(p->fd, st) < 0)
        return hf_fail_sys(err, errno, "'%s'", p->path);
    if (!is_ours(p, st))
        return hf_fail(err, HF_E_CONFLICT, "'%s' is there, and not ours", p->path);
    if (flock(p->fd, LOCK_EX | LOCK_NB) < 0 || lstat(p->path, &named) < 0 ||
        named.st_ino != st->st_ino || named.st_dev != st->st_dev)
        return hf_fail(err, HF_E_BUSY, "'%s' is being restored already", p->file);
    return wait_unused(p, err);
}

static int begin(struct hf_disk_part *p, const struct hf_disk_record *want, struct hf_err *err)
{
    struct stat st;
    struct hf_disk_record *r = &p->record;
    if (fstat(p->fd, &st) < 0)
        return hf_fail_sys(err, errno, "'%s'", p->path);
    hf_disk_record_free(r);
    *r = (struct hf_disk_record){.format = want->format, .shape = want->shape, .inode = st.st_ino};
    memcpy(r->root, want->root, HF_IMAGE_ID);
    r->point = strdup(want->point);
    r->disk = strdup(want->disk);
    if (!r->point || !r->disk)
        return hf_fail_nomem(err);
    if (hf_chunk_set_init(&r->durable, hf_image_chunks_n(&r->shape), err) < 0)
        return -1;
    return hf_disk_part_restart(p, err);
}

int hf_disk_part_restart(struct hf_disk_part *p, struct hf_err *err)
{
    off_t size = p->record.format == HF_DISK_RAW ? (off_t)p->record.shape.disk_bytes : 0;
    memset(p->record.durable.bits, 0, (size_t)(p->record.durable.n / 8 + 1));
    p->record.whole_ns = 0;
    p->is_resumed = false;
    if (write_record(p, err) < 0)
        return -1;
    if (ftruncate(p->fd, 0) < 0 || ftruncate(p->fd, size) < 0)
        return hf_fail_sys(err, errno, "'%s'", p->path);
    return 0;
}

static bool can_go_on(const struct hf_disk_part *p, const struct stat *st)
{
    uint64_t from, to;
    return p->record.durable.n && p->record.inode == st->st_ino &&
           (p->record.format != HF_DISK_RAW ||
            (uint64_t)st->st_size == p->record.shape.disk_bytes) &&
           hf_chunk_set_run(&p->record.durable, 0, &from, &to);
}

/* As it was when its record called it whole. */
static bool is_unchanged(const struct hf_disk_part *p, const struct stat *st)
{
    bool is_ours = S_ISREG(st->st_mode) && st->st_uid == geteuid() && st->st_nlink == 1;
    return p->record.whole_ns && p->record.inode == st->st_ino &&
           changed_ns(st) == p->record.whole_ns && (is_ours || !p->is_provisional);
}

/* What it says goes first: the inode may come back as another file's. */
static int drop_file(struct hf_disk_part *p, struct hf_err *err)
{
    hf_disk_record_free(&p->record);
    if (unlink(p->record_path) < 0 && errno != ENOENT)
        return hf_fail_sys(err, errno, "'%s'", p->record_path);
    if (hf_path_sync_dir(p->dir, err) < 0)
        return -1;
    return unlink(p->file) == 0 ? 0 : hf_fail_sys(err, errno, "'%s'", p->file);
}

int hf_disk_part_open(const char *file, const struct hf_disk_record *want,
                      enum hf_disk_part_mode mode, struct hf_disk_part *out, struct hf_err *err)
{
    struct stat st;
    bool overwrite = mode == HF_DISK_PART_OVERWRITE;
    *out = (struct hf_disk_part){.fd = -1, .is_provisional = mode == HF_DISK_PART_PROVISIONAL};
    if (set_names(out, file, err) < 0)
        return -1;
    if (!out->is_provisional && stat(out->file, &st) == 0 && S_ISBLK(st.st_mode))
        return open_device(out, want, overwrite, err);
    load_record(out, want);
    if (lstat(out->file, &st) == 0) {
        out->is_finished = is_unchanged(out, &st);
        if (out->is_finished)
            return 0;
        if ((out->is_provisional ? drop_file(out, err) : check_replace(out, &st, overwrite, err)) <
            0)
            return -1;
    }
    if (open_part(out, &st, err) < 0)
        return -1;
    load_record(out, want); /* again: only who has the lock knows that nobody writes another one */
    out->is_resumed = can_go_on(out, &st);
    if (out->is_resumed || begin(out, want, err) == 0)
        return 0;
    hf_disk_part_remove(out);
    return -1;
}

static void exchange(struct hf_chunk_set *a, struct hf_chunk_set *b)
{
    struct hf_chunk_set kept = *a;
    *a = *b;
    *b = kept;
}

int hf_disk_part_record(struct hf_disk_part *p, struct hf_chunk_set *durable, struct hf_err *err)
{
    exchange(&p->record.durable, durable);
    if (write_record(p, err) == 0)
        return 0;
    exchange(&p->record.durable, durable);
    return -1;
}

void hf_disk_part_remove(struct hf_disk_part *p)
{
    if (p->is_device || p->fd < 0)
        return;
    unlink(p->record_path);
    unlink(p->path);
}

/* ---- the end ---------------------------------------------------------------------------- */

/* As the one it replaces: a VM's disk belongs to who runs it. */
static int take_over_owner(struct hf_disk_part *p, struct hf_err *err)
{
    struct stat st;
    if (!p->replaces || lstat(p->file, &st) < 0)
        return 0;
    if (fchown(p->fd, st.st_uid, st.st_gid) < 0 || fchmod(p->fd, st.st_mode & 07777) < 0)
        return hf_fail_sys(err, errno, "owner and mode of '%s'", p->file);
    return 0;
}

/* File systems without RENAME_NOREPLACE (NFS, FUSE) get a link, which fails alike when the name is there. */
static int rename_to_new(const struct hf_disk_part *p)
{
    if (renameat2(AT_FDCWD, p->path, AT_FDCWD, p->file, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    return link(p->path, p->file) < 0 || unlink(p->path) < 0 ? -1 : 0;
}

/* Hours may have passed: a VM was started on it, or another file has its name. */
static int check_replace_again(struct hf_disk_part *p, struct hf_err *err)
{
    struct stat st;
    HF_AUTOFD int fd = open(p->file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        p->replaces = false;
        return 0;
    }
    if (fd < 0 || fstat(fd, &st) < 0)
        return hf_fail_sys(err, errno, "'%s'", p->file);
    if (st.st_dev != p->replaced.st_dev || st.st_ino != p->replaced.st_ino) {
        hf_fail(err, HF_E_CONFLICT, "'%s' is another file than at the start", p->file);
        return hf_hint(err, "The same command replaces that one; nothing is restored again.");
    }
    return check_unused(p->file, fd, "Shut the VM down: the same command then ends this.", err);
}

static int rename_to_file(struct hf_disk_part *p, struct hf_err *err)
{
    if (HF_POINT_ERR("restore.image.before_rename", err) < 0 ||
        (p->replaces && check_replace_again(p, err) < 0))
        return -1;
    if ((p->replaces ? rename(p->path, p->file) : rename_to_new(p)) == 0) {
        HF_POINT("restore.image.after_rename");
        return 0;
    }
    if (errno != EEXIST)
        return hf_fail_sys(err, errno, "rename to '%s'", p->file);
    hf_fail(err, HF_E_CONFLICT, "'%s' has come into being meanwhile", p->file);
    return hf_hint(err, "With --overwrite it is replaced.");
}

static int make_whole(struct hf_disk_part *p, struct hf_err *err)
{
    struct stat st;
    if (take_over_owner(p, err) < 0)
        return -1;
    if (fsync(p->fd) < 0) {
        p->is_lossy = true;
        return hf_fail_sys(err, errno, "sync");
    }
    if (fstat(p->fd, &st) < 0)
        return hf_fail_sys(err, errno, "'%s'", p->path);
    hf_chunk_set_add(&p->record.durable, 0, p->record.durable.n);
    p->record.whole_ns = changed_ns(&st);
    if (write_record(p, err) < 0)
        return -1;
    return rename_to_file(p, err);
}

int hf_disk_part_finish(struct hf_disk_part *p, struct hf_err *err)
{
    if (p->is_device)
        return 0;
    if (!p->is_finished && make_whole(p, err) < 0)
        return -1;
    p->is_finished = true;
    if (hf_path_sync_dir(p->dir, err) < 0)
        return -1;
    if (!p->is_provisional && unlink(p->record_path) < 0 && errno != ENOENT)
        return hf_fail_sys(err, errno, "'%s'", p->record_path);
    return 0;
}
