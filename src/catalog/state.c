/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "base/path.h"
#include "catalog/state_intern.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int hf_state_dir(const char *state_dir, struct hf_err *err)
{
    struct stat st;
    if (hf_path_mkdirs(state_dir, 0700, err))
        return -1;
    HF_AUTOFD int fd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st))
        return hf_fail_sys(err, errno, "state directory '%s'", state_dir);
    if ((st.st_uid == geteuid() || st.st_uid == 0) && !(st.st_mode & (S_IWGRP | S_IWOTH)))
        return 0;
    hf_fail(err, HF_E_CONFIG, "state directory '%s' can be written to by others", state_dir);
    return hf_hint(err,
                   "Its journals decide what is undone. Run: chmod 0700 '%s', and make it yours.",
                   state_dir);
}

char *hf_state_subdir(const char *state_dir, const char *name, struct hf_err *err)
{
    /* In two steps: parents made on the way would be 0755, and nothing in the state directory is
     * for others to read. */
    if (hf_state_dir(state_dir, err))
        return NULL;
    HF_AUTOFREE char *path = hf_path_join(state_dir, name);
    if (!path) {
        hf_fail_nomem(err);
        return NULL;
    }
    if (hf_path_mkdirs(path, 0700, err) || hf_path_sync_dir(state_dir, err))
        return NULL;
    return HF_STEAL(path);
}
