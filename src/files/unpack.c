/* SPDX-License-Identifier: Apache-2.0 */
#include "files/unpack.h"

#include "base/path.h"
#include "files/folder.h"
#include "files/tar.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define SETUID_BITS 06000
#define CAPABILITY "security.capability"

struct unpacking {
    const struct hf_unpack *req;
    struct hf_unpacked *out;
    struct hf_io_folder folder;
    struct hf_archive_about about;
    int target_fd, before_fd;
    bool *is_found; /* one per path */
};

static void unpacking_close(struct unpacking *u)
{
    if (u->before_fd >= 0 && fchdir(u->before_fd) < 0)
        abort(); /* relative names of the caller would mean something else */
    if (u->before_fd >= 0)
        close(u->before_fd);
    if (u->target_fd >= 0)
        close(u->target_fd);
    hf_io_folder_close(&u->folder);
    free(u->is_found);
}
HF_DEFINE_AUTO_VALUE(unpacking, unpacking_close)

void hf_unpacked_free(struct hf_unpacked *u)
{
    hf_strv_free(&u->refused);
    hf_strv_free(&u->warnings);
}

static int note(struct hf_strv *list, uint64_t *n, const char *name, const char *what,
                struct hf_err *err)
{
    if ((*n)++ >= HF_UNPACK_NAMED)
        return 0;
    char *text = hf_asprintf("%s: %s", name, what ? what : "unknown");
    return hf_strv_take(list, text) < 0 ? hf_fail_nomem(err) : 0;
}

/* ---- which ------------------------------------------------------------------------------ */

static const char *plain_path(const char *path, size_t *len)
{
    while (*path == '/' || strncmp(path, "./", 2) == 0)
        path += *path == '/' ? 1 : 2;
    *len = strlen(path);
    while (*len > 0 && path[*len - 1] == '/')
        (*len)--;
    return path;
}

/* A path means itself and all below it. */
static bool is_wanted(struct unpacking *u, const char *name)
{
    const struct hf_strv *paths = u->req->paths;
    bool is = !paths || paths->n == 0;
    for (size_t i = 0; paths && i < paths->n; i++) {
        size_t len;
        const char *p = plain_path(paths->items[i], &len);
        if (len > 0 && (strncmp(name, p, len) != 0 || (name[len] && name[len] != '/')))
            continue;
        u->is_found[i] = is = true;
    }
    return is;
}

static int check_free(struct unpacking *u, const struct hf_entry *e, struct hf_err *err)
{
    struct stat st;
    if (u->req->overwrite || fstatat(u->target_fd, e->name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        (S_ISDIR(st.st_mode) && e->type == HF_ENTRY_DIR))
        return 0;
    hf_fail(err, HF_E_CONFLICT, "'%s/%s' exists already", u->req->target, e->name);
    return hf_hint(err, "Take another folder, or --overwrite. Nothing was written.");
}

static int check_entry(struct unpacking *u, const struct hf_entry *e, struct hf_err *err)
{
    if (!hf_entry_name_is_safe(e->name) ||
        (e->type == HF_ENTRY_HARDLINK && !hf_entry_name_is_safe(e->link)))
        return hf_fail(err, HF_E_CORRUPT, "a name in the archive leads out of the target");
    if (!is_wanted(u, e->name))
        return 0;
    if (e->type == HF_ENTRY_HARDLINK && !is_wanted(u, e->link)) {
        hf_fail(err, HF_E_CONFLICT, "'%s' is another name of '%s'", e->name, e->link);
        return hf_hint(err, "Name that one, too: it has the content.");
    }
    return check_free(u, e, err);
}

static int check_all(struct unpacking *u, struct hf_err *err)
{
    HF_AUTO(hf_listing) struct hf_listing l = HF_LISTING_INIT;
    HF_AUTO(hf_entry) struct hf_entry e = {0};
    int rc = hf_listing_open(&l, &u->folder, err) < 0 ? -1 : 1;
    while (rc == 1 && (rc = hf_listing_next(&l, &e, err)) == 1)
        if (hf_cancel_check(u->req->cancel, err) < 0 || check_entry(u, &e, err) < 0)
            return -1;
    if (rc < 0 || hf_archive_check(l.r, HF_ARCHIVE_LISTING, u->about.listing_sha256, err) < 0)
        return -1;
    for (size_t i = 0; u->req->paths && i < u->req->paths->n; i++)
        if (!u->is_found[i])
            return hf_fail(err, HF_E_NOT_FOUND, "there is no '%s' in the archive",
                           u->req->paths->items[i]);
    return 0;
}

/* ---- one entry -------------------------------------------------------------------------- */

static int refuse(struct unpacking *u, const struct hf_entry *e, const char *why,
                  struct hf_err *err)
{
    return note(&u->out->refused, &u->out->n_refused, e->name, why, err);
}

/* 1: it is not restored. */
static int is_refused(struct unpacking *u, const struct hf_entry *e, struct hf_err *err)
{
    bool is_device = e->type == HF_ENTRY_CHAR || e->type == HF_ENTRY_BLOCK;
    if (is_device && !u->req->with_devices)
        return refuse(u, e, "a device node", err) < 0 ? -1 : 1;
    if (e->type == HF_ENTRY_SYMLINK && !u->req->with_links &&
        hf_entry_link_leaves(e->name, e->link))
        return refuse(u, e, "a symlink that leads out of the target", err) < 0 ? -1 : 1;
    return 0;
}

/* libarchive takes all attributes or none. */
static bool drop_capability(struct archive_entry *raw)
{
    const char *name;
    const void *value;
    size_t size;
    bool has = false;
    archive_entry_xattr_reset(raw);
    while (archive_entry_xattr_next(raw, &name, &value, &size) == ARCHIVE_OK)
        has |= strcmp(name, CAPABILITY) == 0;
    if (!has)
        return false;
    struct archive_entry *all = archive_entry_clone(raw);
    archive_entry_xattr_clear(raw);
    if (all)
        archive_entry_xattr_reset(all);
    while (all && archive_entry_xattr_next(all, &name, &value, &size) == ARCHIVE_OK)
        if (strcmp(name, CAPABILITY) != 0)
            archive_entry_xattr_add_entry(raw, name, value, size);
    archive_entry_free(all);
    return true;
}

/* A setgid directory only hands down its group. */
static int drop_rights(struct unpacking *u, const struct hf_entry *e, struct archive_entry *raw,
                       struct hf_err *err)
{
    if (u->req->with_setuid || e->type == HF_ENTRY_DIR)
        return 0;
    bool has = drop_capability(raw) || (e->mode & SETUID_BITS);
    archive_entry_set_perm(raw, e->mode & ~(unsigned)SETUID_BITS);
    return has ? refuse(u, e, "restored without its setuid, setgid or capability", err) : 0;
}

/* After a failure the disk says why; a warning is about something beside the content. */
static int check_write(struct unpacking *u, const struct hf_entry *e, struct archive *disk, int rc,
                       struct hf_err *err)
{
    if (rc == ARCHIVE_OK)
        return 0;
    if (rc == ARCHIVE_WARN)
        return note(&u->out->warnings, &u->out->n_warnings, e->name, archive_error_string(disk),
                    err);
    return hf_fail(err, archive_errno(disk) == ENOSPC ? HF_E_NOSPACE : HF_E_INTERNAL,
                   "cannot restore '%s': %s", e->name, archive_error_string(disk));
}

static int unpack_entry(struct unpacking *u, struct hf_tar *tar, struct hf_entry *e,
                        struct archive_entry *raw, struct archive *disk, struct hf_err *err)
{
    archive_entry_copy_pathname(raw, e->name);
    if (e->type == HF_ENTRY_HARDLINK) {
        archive_entry_copy_hardlink(raw, e->link);
        archive_entry_unset_size(raw);
    }
    if (drop_rights(u, e, raw, err) < 0 ||
        check_write(u, e, disk, archive_write_header(disk, raw), err) < 0 ||
        (e->type == HF_ENTRY_FILE && hf_tar_content(tar, e, disk, err) < 0))
        return -1;
    u->out->entries++;
    u->out->bytes += e->size;
    return check_write(u, e, disk, archive_write_finish_entry(disk), err);
}

/* ---- all -------------------------------------------------------------------------------- */

static ssize_t read_tar(void *ctx, void *buf, size_t size, struct hf_err *err)
{
    size_t n = 0;
    return hf_io_read_some(ctx, buf, size, &n, err) < 0 ? -1 : (ssize_t)n;
}

static bool is_same(const struct hf_entry *a, const struct hf_entry *b)
{
    return a->type == b->type && a->size == b->size && a->mode == b->mode && a->uid == b->uid &&
           a->gid == b->gid && a->mtime_s == b->mtime_s && a->mtime_ns == b->mtime_ns &&
           strcmp(a->name, b->name) == 0 && !a->link == !b->link &&
           (!a->link || strcmp(a->link, b->link) == 0);
}

static int differs(const struct hf_entry *e, struct hf_err *err)
{
    return hf_fail(err, HF_E_CORRUPT, "'%s' in the tar is not what the listing says",
                   e->name ? e->name : "nothing");
}

static int unpack_next(struct unpacking *u, struct hf_tar *tar, struct hf_entry *e,
                       struct archive_entry *raw, const struct hf_entry *listed,
                       struct archive *disk, struct hf_err *err)
{
    if (!is_same(e, listed))
        return differs(e, err);
    int rc = is_wanted(u, e->name) ? is_refused(u, e, err) : 1;
    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (unpack_entry(u, tar, e, raw, disk, err) < 0)
        return -1;
    return strcmp(e->sha256, listed->sha256) == 0 ? 0 : differs(e, err);
}

static int unpack_all(struct unpacking *u, struct archive *disk, struct hf_err *err)
{
    struct archive_entry *raw = NULL;
    HF_AUTO(hf_listing) struct hf_listing l = HF_LISTING_INIT;
    HF_AUTO(hf_entry) struct hf_entry e = {0}, listed = {0};
    HF_AUTO(hf_io_read) struct hf_io_read *r = hf_archive_open(&u->folder, HF_ARCHIVE_TAR, err);
    const struct hf_tar_source source = {read_tar, r};
    if (!r || hf_listing_open(&l, &u->folder, err) < 0)
        return -1;
    HF_AUTO(hf_tar) struct hf_tar *tar = hf_tar_open(&source, u->req->cancel, err);
    if (!tar)
        return -1;
    for (;;) {
        int has = hf_tar_next(tar, &e, &raw, err);
        int has_listed = has < 0 ? -1 : hf_listing_next(&l, &listed, err);
        if (has_listed < 0)
            return -1;
        if (has != has_listed)
            return differs(has ? &e : &listed, err);
        if (!has)
            return hf_archive_check(r, HF_ARCHIVE_TAR, u->about.tar_sha256, err);
        if (unpack_next(u, tar, &e, raw, &listed, disk, err) < 0)
            return -1;
    }
}

static int unpack(struct unpacking *u, struct hf_err *err)
{
    int flags = ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_ACL |
                ARCHIVE_EXTRACT_XATTR | ARCHIVE_EXTRACT_SECURE_SYMLINKS |
                ARCHIVE_EXTRACT_SECURE_NODOTDOT | ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS;
    flags |= geteuid() == 0 ? ARCHIVE_EXTRACT_OWNER : 0;
    struct archive *disk = archive_write_disk_new();
    if (!disk || archive_write_disk_set_options(disk, flags) != ARCHIVE_OK) {
        archive_write_free(disk);
        return hf_fail_nomem(err);
    }
    int rc = unpack_all(u, disk, err);
    /* Times and modes of directories are set here. */
    const struct hf_entry folders = {.name = (char *)"folders"};
    if (rc == 0)
        rc = check_write(u, &folders, disk, archive_write_close(disk), err);
    archive_write_free(disk);
    if (rc == 0 && syncfs(u->target_fd) < 0)
        rc = hf_fail_sys(err, errno, "cannot sync the file system of '%s'", u->req->target);
    return rc;
}

static int open_target(struct unpacking *u, struct hf_err *err)
{
    if (hf_path_mkdirs(u->req->target, 0700, err) < 0)
        return -1;
    u->target_fd = open(u->req->target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return u->target_fd < 0 ? hf_fail_sys(err, errno, "cannot open '%s'", u->req->target) : 0;
}

static int enter_target(struct unpacking *u, struct hf_err *err)
{
    u->before_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (u->before_fd < 0 || fchdir(u->target_fd) < 0)
        return hf_fail_sys(err, errno, "cannot enter '%s'", u->req->target);
    return 0;
}

int hf_files_unpack(const struct hf_unpack *req, struct hf_unpacked *out, struct hf_err *err)
{
    HF_AUTO(unpacking)
    struct unpacking u = {
        .req = req, .out = out, .folder = HF_IO_FOLDER_INIT, .target_fd = -1, .before_fd = -1};
    u.is_found = calloc(req->paths ? req->paths->n + 1 : 1, sizeof *u.is_found);
    if (!u.is_found)
        return hf_fail_nomem(err);
    if (hf_io_folder_open(&u.folder, req->dir, err) < 0 ||
        hf_archive_about(&u.folder, &u.about, err) < 0 || open_target(&u, err) < 0 ||
        check_all(&u, err) < 0 || enter_target(&u, err) < 0)
        return -1;
    if (unpack(&u, err) < 0) {
        hf_left(err, "what was restored so far is in %s", req->target);
        return -1;
    }
    return 0;
}
