/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/point.h"
#include "export.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SUFFIX ".export"
#define ASIDE ".removed"

char *lv_export_dir(const char *base, const char *name, struct hf_err *err)
{
    char *dir = hf_asprintf("%s/%s" SUFFIX, strcmp(base, "/") == 0 ? "" : base, name);
    if (!dir)
        hf_fail_nomem(err);
    return dir;
}

bool lv_export_dir_is_of(const char *dir, const char *name)
{
    const char *slash = strrchr(dir, '/');
    size_t len = strlen(name);
    return *dir == '/' && slash && len && strncmp(slash + 1, name, len) == 0 &&
           strcmp(slash + 1 + len, SUFFIX) == 0;
}

int lv_export_dir_make(const char *dir, struct hf_err *err)
{
    if (HF_POINT_ERR("libvirt.before_export_dir", err) != 0)
        return -1;
    if (mkdir(dir, 0700) != 0)
        return errno == EEXIST ? hf_fail(err, HF_E_CONFLICT, "'%s' exists already", dir)
                               : hf_fail_sys(err, errno, "create '%s'", dir);
    return HF_POINT_ERR("libvirt.after_export_dir", err);
}

int lv_export_dir_give(const char *dir, const char *like, struct hf_err *err)
{
    struct stat st;
    if (stat(like, &st) != 0)
        return hf_fail_sys(err, errno, "'%s'", like);
    if (chown(dir, st.st_uid, st.st_gid) != 0 && geteuid() == 0)
        return hf_fail_sys(err, errno, "owner of '%s'", dir);
    return 0;
}

static int check_is_ours(const char *dir, const char *name, struct hf_err *err)
{
    if (lv_export_dir_is_of(dir, name))
        return 0;
    return hf_fail(err, HF_E_CORRUPT, "'%s' is no directory of export '%s'", dir, name);
}

int lv_export_dir_retire(const char *dir, const char *name, struct hf_err *err)
{
    HF_AUTOFREE char *aside = hf_asprintf("%s" ASIDE, dir);
    if (!aside)
        return hf_fail_nomem(err);
    if (check_is_ours(dir, name, err) != 0)
        return -1;
    if (rename(dir, aside) != 0 && errno != ENOENT)
        return hf_fail_sys(err, errno, "rename '%s'", dir);
    return HF_POINT_ERR("libvirt.after_export_retire", err);
}

bool lv_export_dir_is_left(const char *dir)
{
    HF_AUTOFREE char *aside = hf_asprintf("%s" ASIDE, dir);
    return access(dir, F_OK) == 0 || (aside && access(aside, F_OK) == 0);
}

static inline void auto_dir(DIR **d)
{
    if (*d)
        closedir(*d);
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Files and sockets, no directory: we made none there. */
static int empty_dir(const char *dir, struct hf_err *err)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : hf_fail_sys(err, errno, "'%s'", dir);
    __attribute__((cleanup(auto_dir))) DIR *d = fdopendir(fd);
    if (!d) {
        close(fd);
        return hf_fail_nomem(err);
    }
    for (struct dirent *one; (one = readdir(d));)
        if (!is_dots(one->d_name) && unlinkat(fd, one->d_name, 0) != 0 && errno != ENOENT)
            return hf_fail_sys(err, errno, "remove '%s/%s'", dir, one->d_name);
    return 0;
}

static int remove_one(const char *dir, struct hf_err *err)
{
    if (empty_dir(dir, err) != 0)
        return -1;
    if (rmdir(dir) != 0 && errno != ENOENT)
        return hf_fail_sys(err, errno, "remove '%s'", dir);
    return 0;
}

int lv_export_dir_remove(const char *dir, const char *name, struct hf_err *err)
{
    HF_AUTOFREE char *aside = hf_asprintf("%s" ASIDE, dir);
    if (!aside)
        return hf_fail_nomem(err);
    if (check_is_ours(dir, name, err) != 0 ||
        HF_POINT_ERR("libvirt.before_export_remove", err) != 0 || remove_one(dir, err) != 0)
        return -1;
    return remove_one(aside, err);
}

char *lv_export_scratch(const struct lv_export *e, const char *target)
{
    return hf_asprintf("%s/%s.scratch", e->dir, target);
}

int lv_export_scratch_use(const struct lv_export *e, uint64_t *used, uint64_t *room,
                          struct hf_err *err)
{
    struct statvfs fs;
    *used = *room = 0;
    for (size_t i = 0; i < e->n; i++) {
        struct stat st;
        HF_AUTOFREE char *path = lv_export_scratch(e, e->disks[i].target);
        if (!path)
            return hf_fail_nomem(err);
        if (stat(path, &st) != 0)
            return hf_fail_sys(err, errno, "'%s'", path);
        *used += (uint64_t)st.st_blocks * 512;
    }
    if (statvfs(e->dir, &fs) != 0)
        return hf_fail_sys(err, errno, "'%s'", e->dir);
    /* What other files leave free counts only: a scratch file beside a growing disk is full early. */
    *room = *used + (uint64_t)fs.f_bavail * fs.f_frsize;
    return 0;
}
