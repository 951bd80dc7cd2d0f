/* SPDX-License-Identifier: Apache-2.0
 *
 * The folder that a machine's disks are restored into, until all of them are there: ours, and nobody's link to elsewhere.
 */
#include "base/path.h"
#include "restore/vm_intern.h"
#include "run/effects.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int not_ours(const struct restoring *r, struct hf_err *err)
{
    hf_fail(err, HF_E_CONFLICT, "'%s' is there, and not ours", r->part);
    return hf_hint(err, "Nothing in it was touched: see what it is, and remove it, or choose "
                        "another --dir.");
}

static int open_part(const struct restoring *r, struct hf_err *err)
{
    int fd = open(r->part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0)
        return fd;
    return errno == ELOOP || errno == ENOTDIR ? not_ours(r, err)
                                              : hf_fail_sys(err, errno, "folder '%s'", r->part);
}

int restoring_make_part(const struct restoring *r, struct hf_err *err)
{
    struct stat st;
    if (mkdir(r->part, 0700) != 0 && errno != EEXIST)
        return hf_fail_sys(err, errno, "folder '%s'", r->part);
    HF_AUTOFD int fd = open_part(r, err);
    if (fd < 0)
        return -1;
    if (fstat(fd, &st) != 0)
        return hf_fail_sys(err, errno, "folder '%s'", r->part);
    if (st.st_uid != geteuid())
        return not_ours(r, err);
    /* The hypervisor's user has to reach its files, and nobody else to list them, whatever our umask is. */
    return fchmod(fd, 0711) == 0 ? 0 : hf_fail_sys(err, errno, "folder '%s'", r->part);
}

/* Ours by its name: of a try with another --format or --ovf, or of one that died while it wrote a record. */
static bool is_left_over(const struct restoring *r, const char *name)
{
    const char *dot = strrchr(name, '.');
    bool is_result = dot && (strcmp(dot, ".ovf") == 0 || strcmp(dot, ".mf") == 0);
    for (int i = 0; dot && i < HF_DISK_FORMATS; i++)
        is_result = is_result || strcmp(dot + 1, hf_disk_formats[i]) == 0;
    if (!is_result && !strstr(name, HF_DISK_PART))
        return false;
    for (size_t i = 0; i < r->n_disks; i++) {
        const char *ours = strrchr(r->disks[i].part, '/') + 1;
        size_t len = strlen(ours);
        if (strncmp(name, ours, len) == 0 && (!name[len] || !strcmp(name + len, HF_DISK_RECORD)))
            return false;
    }
    return true;
}

int restoring_tidy_part(const struct restoring *r, struct hf_err *err)
{
    DIR *d = opendir(r->part);
    int rc = d ? 0 : hf_fail_sys(err, errno, "folder '%s'", r->part);
    for (struct dirent *e = d ? readdir(d) : NULL; rc == 0 && e; e = readdir(d))
        if (is_left_over(r, e->d_name) && unlinkat(dirfd(d), e->d_name, 0) != 0)
            rc = hf_fail_sys(err, errno, "'%s' in '%s'", e->d_name, r->part);
    if (d)
        closedir(d);
    return rc < 0 ? -1 : hf_path_sync_dir(r->part, err);
}
