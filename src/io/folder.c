/* SPDX-License-Identifier: Apache-2.0 */
#include "io/folder.h"

#include "base/buf.h"
#include "base/path.h"
#include "base/point.h"
#include "io/sink.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

static int open_dir(struct hf_io_folder *f, const char *path, struct hf_err *err)
{
    f->path = path;
    f->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return f->fd < 0 ? hf_fail_sys(err, errno, "cannot open directory '%s'", path) : 0;
}

static int check_empty(const struct hf_io_folder *f, struct hf_err *err)
{
    int fd = openat(f->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir)
        return hf_fail_sys(err, errno, "cannot read directory '%s'", f->path);
    bool is_empty = true;
    for (struct dirent *e; (errno = 0, e = readdir(dir));)
        is_empty &= !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..");
    int e = errno;
    closedir(dir);
    if (e)
        return hf_fail_sys(err, e, "cannot read directory '%s'", f->path);
    if (is_empty)
        return 0;
    hf_fail(err, HF_E_CONFLICT, "directory '%s' is not empty", f->path);
    return hf_hint(err, "It needs a directory of its own: name a new one.");
}

int hf_io_folder_check(const char *path, struct hf_err *err)
{
    HF_AUTO(hf_io_folder) struct hf_io_folder f = HF_IO_FOLDER_INIT;
    if (access(path, F_OK) < 0 && errno == ENOENT)
        return 0;
    return open_dir(&f, path, err) < 0 ? -1 : check_empty(&f, err);
}

/* The directory's own entry, and what is in it. */
static int sync_entries(const struct hf_io_folder *f, struct hf_err *err)
{
    if (fsync(f->fd) < 0)
        return hf_fail_sys(err, errno, "cannot sync directory '%s'", f->path);
    HF_AUTOFD int parent = openat(f->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = parent < 0 ? -1 : fsync(parent);
    /* A parent that we may not read is somebody else's to keep. */
    return rc < 0 && errno != EACCES
               ? hf_fail_sys(err, errno, "cannot sync the directory of '%s'", f->path)
               : 0;
}

int hf_io_folder_begin(struct hf_io_folder *f, const char *path, const char *what,
                       struct hf_err *err)
{
    HF_AUTOFREE char *text =
        hf_asprintf("This %s is being written, or its writing was cut short: it is none.\n"
                    "When no holdfast is at work on it any more, remove the directory.\n",
                    what);
    if (!text)
        return hf_fail_nomem(err);
    if (hf_path_mkdirs(path, 0700, err) < 0 || open_dir(f, path, err) < 0 ||
        check_empty(f, err) < 0)
        return -1;
    HF_AUTO(hf_io_sink)
    struct hf_io_sink *s = hf_io_file_new(f->fd, path, HF_IO_INCOMPLETE, NULL, err);
    if (!s || hf_io_write(s, text, strlen(text), err) < 0 || hf_io_finish(s, err) < 0)
        return -1;
    return sync_entries(f, err);
}

int hf_io_folder_finish(struct hf_io_folder *f, struct hf_err *err)
{
    if (HF_POINT_ERR("io.before_folder_sync", err) < 0)
        return -1;
    /* One call instead of one fsync for each of perhaps a hundred thousand files. */
    if (syncfs(f->fd) < 0)
        return hf_fail_sys(err, errno, "cannot sync the file system of '%s'", f->path);
    HF_POINT("io.before_folder_complete");
    if (unlinkat(f->fd, HF_IO_INCOMPLETE, 0) < 0)
        return hf_fail_sys(err, errno, "cannot remove '%s/" HF_IO_INCOMPLETE "'", f->path);
    return sync_entries(f, err);
}

struct hf_io_files *hf_io_folder_open(const char *path, struct hf_err *err)
{
    HF_AUTO(hf_io_files) struct hf_io_files *f = hf_io_files_dir(path, err);
    enum hf_io_seen seen;
    uint64_t bytes;
    if (!f || hf_io_files_look(f, HF_IO_INCOMPLETE, &seen, &bytes, err) < 0)
        return NULL;
    if (seen == HF_IO_SEEN_NONE)
        return HF_STEAL(f);
    hf_fail(err, HF_E_CONFLICT, "'%s' is incomplete: there is '" HF_IO_INCOMPLETE "' in it", path);
    return NULL;
}

static struct hf_io_sink *open_file(void *ctx, const char *name, uint64_t *out_stored,
                                    struct hf_err *err)
{
    const struct hf_io_folder *f = ctx;
    return hf_io_file_new(f->fd, f->path, name, out_stored, err);
}

struct hf_io_place hf_io_folder_place(const struct hf_io_folder *f)
{
    return (struct hf_io_place){open_file, (void *)f};
}

void hf_io_folder_close(struct hf_io_folder *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}
