/* SPDX-License-Identifier: Apache-2.0
 *
 * What dead puts left behind: hidden files, and directories that nothing was put into.
 */
#include "store/path/path_intern.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

struct sweep {
    int64_t before_s;
    uint64_t *n;
};

static int sweep_dir(const struct sweep *s, int fd, int depth, struct hf_err *err);

static bool is_tmp(const char *name)
{
    size_t len = strlen(name), end = strlen(HF_PATH_TMP_END);
    return name[0] == '.' && len > end && strcmp(name + len - end, HF_PATH_TMP_END) == 0;
}

static int remove_one(const struct sweep *s, int fd, const char *name, int flags,
                      struct hf_err *err)
{
    if (unlinkat(fd, name, flags) == 0)
        ++*s->n;
    else if (errno != ENOENT && errno != ENOTEMPTY && errno != EEXIST && errno != EBUSY)
        return hf_path_store_fail(err, errno, "cannot remove what a put left");
    return 0;
}

/* A directory's own time is taken before the sweep of what lies in it changes that. */
static int sweep_entry(const struct sweep *s, int fd, const char *name, int depth,
                       struct hf_err *err)
{
    struct stat st;
    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : hf_path_store_fail(err, errno, "cannot examine it");
    bool is_old = st.st_mtim.tv_sec < s->before_s;
    if (S_ISREG(st.st_mode) && is_tmp(name) && is_old)
        return remove_one(s, fd, name, 0, err);
    if (!S_ISDIR(st.st_mode) || !hf_store_name_is_valid(name) || depth == HF_STORE_PARTS_MAX)
        return 0;
    HF_AUTOFD int below = hf_path_store_open_dir(fd, name);
    if (below < 0)
        return errno == ENOENT ? 0 : hf_path_store_fail(err, errno, "cannot open a directory");
    if (sweep_dir(s, below, depth + 1, err) < 0)
        return -1;
    return is_old ? remove_one(s, fd, name, AT_REMOVEDIR, err) : 0;
}

static int sweep_dir(const struct sweep *s, int fd, int depth, struct hf_err *err)
{
    HF_PATH_AUTODIR DIR *d = hf_path_store_open_listing(fd, err);
    if (!d)
        return -1;
    errno = 0;
    for (struct dirent *e = readdir(d); e; errno = 0, e = readdir(d))
        if (sweep_entry(s, fd, e->d_name, depth, err) < 0)
            return hf_wrap(err, "%s", e->d_name);
    return errno ? hf_path_store_fail(err, errno, "cannot list a directory") : 0;
}

int hf_path_store_sweep(struct hf_store *s, int64_t before_s, uint64_t *out_n, struct hf_err *err)
{
    const char *last = NULL;
    struct sweep sweep = {before_s, out_n};
    HF_AUTOFD int root = hf_path_store_walk((struct hf_path_store *)s, "", false, &last, err);
    return root < 0 ? -1 : sweep_dir(&sweep, root, 1, err);
}
