/* SPDX-License-Identifier: Apache-2.0 */
#include "files/unpack.h"

#include "base/path.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

struct unpacking {
    struct hf_plan plan;
    struct archive *disk;
    int target_fd, before_fd;
    char *unfinished; /* the file that is being written, or NULL */
};

static void unpacking_close(struct unpacking *u)
{
    free(u->unfinished);
    archive_write_free(u->disk); /* which may still set times, by names relative to the target */
    if (u->before_fd >= 0 && fchdir(u->before_fd) < 0)
        abort(); /* relative names of the caller would mean something else */
    if (u->before_fd >= 0)
        close(u->before_fd);
    if (u->target_fd >= 0)
        close(u->target_fd);
    hf_plan_close(&u->plan);
}
HF_DEFINE_AUTO_VALUE(unpacking, unpacking_close)

static int check_free(void *ctx, const struct hf_entry *e, struct hf_err *err)
{
    const struct unpacking *u = ctx;
    const struct hf_unpack *req = u->plan.req;
    struct stat st;
    if (req->overwrite || fstatat(u->target_fd, e->name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        (S_ISDIR(st.st_mode) && e->type == HF_ENTRY_DIR))
        return 0;
    hf_fail(err, HF_E_CONFLICT, "'%s/%s' exists already", req->target, e->name);
    return hf_hint(err, "Take another folder, or --overwrite. Nothing was written.");
}

/* ---- the disk --------------------------------------------------------------------------- */

static int fail_write(const struct unpacking *u, const char *name, struct hf_err *err)
{
    return hf_fail(err, archive_errno(u->disk) == ENOSPC ? HF_E_NOSPACE : HF_E_INTERNAL,
                   "cannot restore '%s': %s", name, archive_error_string(u->disk));
}

/* After a failure the disk says why; a warning is about something beside the content. */
static int check_write(const struct unpacking *u, const char *name, int rc, struct hf_err *err)
{
    if (rc == ARCHIVE_OK)
        return 0;
    if (rc == ARCHIVE_WARN)
        return hf_unpacked_warn(u->plan.out, name, archive_error_string(u->disk), err);
    return fail_write(u, name, err);
}

static int begin_entry(void *ctx, const struct hf_entry *e, struct archive_entry *raw,
                       struct hf_err *err)
{
    struct unpacking *u = ctx;
    /* What could not be made is not ours to take away: it may be reached by way of somebody's symlink. */
    if (check_write(u, e->name, archive_write_header(u->disk, raw), err) < 0)
        return -1;
    if (e->type == HF_ENTRY_FILE && !(u->unfinished = strdup(e->name)))
        return hf_fail_nomem(err);
    return 0;
}

static int write_data(void *ctx, const struct hf_entry *e, const void *data, size_t len,
                      uint64_t offset, struct hf_err *err)
{
    const struct unpacking *u = ctx;
    return archive_write_data_block(u->disk, data, len, (la_int64_t)offset) < ARCHIVE_OK
               ? fail_write(u, e->name, err)
               : 0;
}

static int end_entry(void *ctx, const struct hf_entry *e, struct hf_err *err)
{
    struct unpacking *u = ctx;
    if (check_write(u, e->name, archive_write_finish_entry(u->disk), err) < 0)
        return -1;
    free(HF_STEAL(u->unfinished));
    return 0;
}

/* libarchive has made it anew, also where one of that name was there: it is ours. */
static void take_away(struct unpacking *u)
{
    if (!u->unfinished)
        return;
    archive_write_free(HF_STEAL(u->disk));
    (void)unlinkat(u->target_fd, u->unfinished, 0);
}

/* ---- all -------------------------------------------------------------------------------- */

static int unpack(struct unpacking *u, struct hf_err *err)
{
    const struct hf_plan_sink sink = {begin_entry, write_data, end_entry, u};
    int flags = ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_ACL |
                ARCHIVE_EXTRACT_XATTR | ARCHIVE_EXTRACT_SECURE_SYMLINKS |
                ARCHIVE_EXTRACT_SECURE_NODOTDOT | ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS;
    flags |= geteuid() == 0 ? ARCHIVE_EXTRACT_OWNER : 0;
    u->disk = archive_write_disk_new();
    if (!u->disk || archive_write_disk_set_options(u->disk, flags) != ARCHIVE_OK)
        return hf_fail_nomem(err);
    /* Times and modes of directories are set when it is closed. */
    if (hf_plan_run(&u->plan, &sink, err) < 0) {
        take_away(u);
        return -1;
    }
    if (check_write(u, "folders", archive_write_close(u->disk), err) < 0)
        return -1;
    return syncfs(u->target_fd) < 0
               ? hf_fail_sys(err, errno, "cannot sync the file system of '%s'", u->plan.req->target)
               : 0;
}

static int open_target(struct unpacking *u, struct hf_err *err)
{
    const char *target = u->plan.req->target;
    if (hf_path_mkdirs(target, 0700, err) < 0)
        return -1;
    u->target_fd = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return u->target_fd < 0 ? hf_fail_sys(err, errno, "cannot open '%s'", target) : 0;
}

static int enter_target(struct unpacking *u, struct hf_err *err)
{
    u->before_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (u->before_fd < 0 || fchdir(u->target_fd) < 0)
        return hf_fail_sys(err, errno, "cannot enter '%s'", u->plan.req->target);
    return 0;
}

int hf_files_unpack(const struct hf_unpack *req, struct hf_unpacked *out, struct hf_err *err)
{
    HF_AUTO(unpacking)
    struct unpacking u = {.plan = HF_PLAN_INIT, .target_fd = -1, .before_fd = -1};
    if (hf_plan_open(&u.plan, req, out, err) < 0 || open_target(&u, err) < 0 ||
        hf_plan_check(&u.plan, check_free, &u, err) < 0 || enter_target(&u, err) < 0)
        return -1;
    if (unpack(&u, err) < 0) {
        hf_left(err, "what was restored so far is in %s", req->target);
        return -1;
    }
    return 0;
}
