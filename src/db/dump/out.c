/* SPDX-License-Identifier: Apache-2.0 */
#include "db/dump/out.h"

#include "base/path.h"
#include "base/point.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define MARK "INCOMPLETE"

static const char mark_text[] =
    "This dump is being written, or its writing was cut short: it is no dump.\n"
    "When no holdfast is at work on it any more, remove the directory.\n";

static int check_empty(struct hf_dump *d, struct hf_err *err)
{
    int fd = openat(d->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir)
        return hf_fail_sys(err, errno, "cannot read directory '%s'", d->dir);
    bool is_empty = true;
    for (struct dirent *e; (e = readdir(dir));)
        is_empty &= !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..");
    closedir(dir);
    if (is_empty)
        return 0;
    hf_fail(err, HF_E_CONFLICT, "directory '%s' is not empty", d->dir);
    return hf_hint(err, "A dump needs a directory of its own: name a new one.");
}

/* The directory's own entry, and what is in it. */
static int sync_entries(struct hf_dump *d, struct hf_err *err)
{
    if (fsync(d->dir_fd) < 0)
        return hf_fail_sys(err, errno, "cannot sync directory '%s'", d->dir);
    int parent = openat(d->dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = parent < 0 ? -1 : fsync(parent);
    int saved = errno;
    if (parent >= 0)
        close(parent);
    /* A parent that we may not read is somebody else's to keep. */
    if (rc < 0 && saved != EACCES)
        return hf_fail_sys(err, saved, "cannot sync the directory of '%s'", d->dir);
    return 0;
}

static int write_mark(struct hf_dump *d, struct hf_err *err)
{
    HF_AUTO(hf_io_sink) struct hf_io_sink *s = hf_io_file_new(d->dir_fd, d->dir, MARK, NULL, err);
    return s && hf_io_write(s, mark_text, sizeof mark_text - 1, err) == 0 ? hf_io_finish(s, err)
                                                                          : -1;
}

int hf_dump_out_begin(struct hf_dump *d, struct hf_err *err)
{
    if (hf_path_mkdirs(d->dir, 0700, err) < 0)
        return -1;
    d->dir_fd = open(d->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->dir_fd < 0)
        return hf_fail_sys(err, errno, "cannot open directory '%s'", d->dir);
    if (check_empty(d, err) < 0 || write_mark(d, err) < 0)
        return -1;
    return sync_entries(d, err);
}

int hf_dump_out_finish(struct hf_dump *d, struct hf_err *err)
{
    HF_POINT("dump.before_sync");
    /* One call instead of one fsync for each of perhaps a hundred thousand files. */
    if (syncfs(d->dir_fd) < 0)
        return hf_fail_sys(err, errno, "cannot sync the file system of '%s'", d->dir);
    HF_POINT("dump.before_complete");
    if (unlinkat(d->dir_fd, MARK, 0) < 0)
        return hf_fail_sys(err, errno, "cannot remove '%s/" MARK "'", d->dir);
    return sync_entries(d, err);
}

struct hf_io_sink *hf_dump_out_open(struct hf_dump *d, const char *name,
                                    struct hf_io_packer *packer, struct hf_dump_file *file,
                                    struct hf_err *err)
{
    file->name = strdup(name);
    if (!file->name) {
        hf_fail_nomem(err);
        return NULL;
    }
    struct hf_io_sink *s = hf_io_file_new(d->dir_fd, d->dir, name, &file->stored_bytes, err);
    if (s && packer)
        s = hf_io_pack_new(packer, s, err);
    return s ? hf_io_hash_new(s, &file->digest, err) : NULL;
}

int hf_dump_out_text(struct hf_dump *d, const char *name, const struct hf_buf *text,
                     struct hf_dump_file *file, struct hf_err *err)
{
    if (!hf_buf_ok(text))
        return hf_fail_nomem(err);
    if (text->len == 0)
        return 0;
    HF_AUTO(hf_io_sink) struct hf_io_sink *s = hf_dump_out_open(d, name, NULL, file, err);
    return s && hf_io_write(s, text->data, text->len, err) == 0 ? hf_io_finish(s, err) : -1;
}
