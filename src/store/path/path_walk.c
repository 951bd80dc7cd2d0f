/* SPDX-License-Identifier: Apache-2.0
 *
 * Ways to a name: directories opened one by one, so that no link leads out of the store.
 */
#include "base/buf.h"
#include "store/path/path_intern.h"

#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#define MOUNT_HINT "Look whether its file system is mounted, and whether its server answers."

int hf_path_store_fail(struct hf_err *err, int sys_errno, const char *what)
{
    static const int gone[] = {EIO,          ESTALE, ENOTCONN, ESHUTDOWN, EHOSTDOWN,
                               EHOSTUNREACH, ENODEV, ENXIO,    EREMOTEIO, ETIMEDOUT};
    if (sys_errno == ELOOP)
        return hf_fail(err, HF_E_CONFLICT, "%s: links are not followed", what);
    hf_fail_sys(err, sys_errno, "%s", what);
    for (size_t i = 0; i < HF_ARRAY_SIZE(gone); i++) {
        if (sys_errno != gone[i])
            continue;
        err->cls = HF_E_UNREACHABLE;
        return hf_hint(err, MOUNT_HINT);
    }
    return -1;
}

/* CIFS cannot sync a directory: EINVAL. There the server has it, or nobody. */
int hf_path_store_sync_dir(int fd, struct hf_err *err)
{
    return fsync(fd) == 0 || errno == EINVAL
               ? 0
               : hf_path_store_fail(err, errno, "cannot sync its directory");
}

int hf_path_store_open_dir(int at, const char *part)
{
    return openat(at, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

void hf_path_store_auto_dir(DIR **d)
{
    int saved = errno;
    if (*d)
        closedir(*d);
    errno = saved;
}

/* dup would share the place in the listing. */
DIR *hf_path_store_open_listing(int fd, struct hf_err *err)
{
    HF_AUTOFD int own = hf_path_store_open_dir(fd, ".");
    DIR *d = own < 0 ? NULL : fdopendir(own);
    if (!d)
        hf_path_store_fail(err, errno, "cannot list a directory");
    else
        (void)HF_STEAL_FD(own);
    return d;
}

/* Closes `at`. The directory above is synced also when somebody else made this one: he may not have come to it yet. */
static int step(int at, const char *part, bool create, struct hf_err *err)
{
    HF_AUTOFD int here = at;
    int next = hf_path_store_open_dir(here, part);
    if (next < 0 && errno == ENOENT && create) {
        if (mkdirat(here, part, 0755) < 0 && errno != EEXIST)
            return hf_path_store_fail(err, errno, "cannot create a directory for it");
        next = hf_path_store_open_dir(here, part);
    }
    if (next < 0 && errno == ENOTDIR)
        return hf_fail(err, HF_E_CONFLICT, "'%s' is no directory: links are not followed", part);
    if (next < 0)
        return hf_path_store_fail(err, errno, "cannot open its directory");
    if (create && hf_path_store_sync_dir(here, err) < 0) {
        close(next);
        return -1;
    }
    return next;
}

/* In a directory that was removed nothing is found, which is not to look like an empty store. */
static int open_root(struct hf_path_store *s, struct hf_err *err)
{
    struct stat st;
    if (fstat(s->root, &st) < 0)
        return hf_path_store_fail(err, errno, "cannot examine the store's directory");
    if (st.st_nlink == 0) {
        hf_fail(err, HF_E_UNREACHABLE, "the store's directory was removed");
        return hf_hint(err, MOUNT_HINT);
    }
    int fd = hf_path_store_open_dir(s->root, ".");
    return fd < 0 ? hf_path_store_fail(err, errno, "cannot open the store's directory") : fd;
}

int hf_path_store_walk(struct hf_path_store *s, const char *name, bool create,
                       const char **out_last, struct hf_err *err)
{
    char part[HF_STORE_PART_MAX + 1];
    int at = open_root(s, err);
    for (const char *slash = strchr(name, '/'); slash && at >= 0; slash = strchr(name, '/')) {
        memcpy(part, name, (size_t)(slash - name));
        part[slash - name] = '\0';
        at = step(at, part, create, err);
        name = slash + 1;
    }
    *out_last = name;
    return at;
}

int hf_path_store_make_tmp(int dir, const char *last, char **out_name, struct hf_err *err)
{
    uint64_t salt = 0;
    if (getrandom(&salt, sizeof salt, 0) != sizeof salt)
        return hf_fail_sys(err, errno, "no random numbers");
    HF_AUTOFREE char *name =
        hf_asprintf(".%s.%016llx" HF_PATH_TMP_END, last, (unsigned long long)salt);
    if (!name)
        return hf_fail_nomem(err);
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return hf_path_store_fail(err, errno, "cannot create it");
    *out_name = HF_STEAL(name);
    return fd;
}
