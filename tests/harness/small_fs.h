/* SPDX-License-Identifier: Apache-2.0
 *
 * harness/small_fs.h - a file system that is soon full, in a mount namespace of this process.
 *
 * Needs the right to mount: root, or user namespaces. Without it `mount` is missing (hf_test.h).
 */
#ifndef HF_TEST_SMALL_FS_H
#define HF_TEST_SMALL_FS_H

#include "harness/hf_test.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static inline bool small_fs_namespace(void)
{
    return (!unshare(CLONE_NEWNS) || !unshare(CLONE_NEWUSER | CLONE_NEWNS)) &&
           !mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

/* A directory of this many KiB; give it back with small_fs_umount. */
static inline const char *small_fs_mount(void **state, int kib)
{
    char options[64];
    const char *dir = hf_test_path(state, "small");
    snprintf(options, sizeof(options), "mode=0700,size=%dk", kib);
    assert_int_equal(mkdir(dir, 0700), 0);
    if (!small_fs_namespace() || mount("holdfast-test", dir, "tmpfs", 0, options))
        hf_test_missing("mount", strerror(errno));
    return dir;
}

static inline void small_fs_umount(const char *dir)
{
    assert_int_equal(umount2(dir, MNT_DETACH), 0);
}

/* Leaves no free block behind. */
static inline void small_fs_fill(const char *dir)
{
    static const char block[1024];
    char path[4096];
    snprintf(path, sizeof(path), "%s/filler", dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    while (write(fd, block, sizeof(block)) > 0)
        ;
    assert_int_equal(errno, ENOSPC);
    close(fd);
}

static inline void small_fs_relieve(const char *dir)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/filler", dir);
    assert_int_equal(unlink(path), 0);
}

#endif
