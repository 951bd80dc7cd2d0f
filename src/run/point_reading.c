/* SPDX-License-Identifier: Apache-2.0 */
#include "run/point_reading.h"

#include "base/id.h"
#include "base/path.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define FILE_NAME "reading"

struct hf_point_reading {
    int fd;
};

static struct flock byte_of(const char *id, short type)
{
    return (struct flock){.l_type = type,
                          .l_whence = SEEK_SET,
                          .l_start = (off_t)strtoul(hf_id_digits(id), NULL, 16),
                          .l_len = 1};
}

static struct hf_point_reading *open_file(const struct hf_site *s, struct hf_err *err)
{
    HF_AUTO(hf_point_reading) struct hf_point_reading *r = malloc(sizeof *r);
    HF_AUTOFREE char *path = hf_path_join(s->dir, FILE_NAME);
    if (r)
        r->fd = -1;
    if (!r || !path) {
        hf_fail_nomem(err);
        return NULL;
    }
    r->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (r->fd < 0) {
        hf_fail_sys(err, errno, "'%s'", path);
        return NULL;
    }
    return HF_STEAL(r);
}

struct hf_point_reading *hf_point_reading_begin(const struct hf_site *s, const char *id)
{
    struct hf_err ignored = HF_ERR_INIT;
    struct flock shared = byte_of(id, F_RDLCK);
    HF_AUTO(hf_point_reading) struct hf_point_reading *r = open_file(s, &ignored);
    return r && fcntl(r->fd, F_OFD_SETLK, &shared) == 0 ? HF_STEAL(r) : NULL;
}

struct hf_point_reading *hf_point_reading_exclude(const struct hf_site *s, const char *id,
                                                  bool is_dry, bool *out_is_read,
                                                  struct hf_err *err)
{
    struct flock alone = byte_of(id, F_WRLCK);
    HF_AUTO(hf_point_reading) struct hf_point_reading *r = open_file(s, err);
    *out_is_read = false;
    if (!r)
        return NULL;
    const int rc = fcntl(r->fd, is_dry ? F_OFD_GETLK : F_OFD_SETLK, &alone);
    if (rc < 0 && errno != EAGAIN && errno != EACCES) {
        hf_fail_sys(err, errno, "is point %s being read?", id);
        return NULL;
    }
    *out_is_read = rc < 0 || (is_dry && alone.l_type != F_UNLCK);
    return *out_is_read || is_dry ? NULL : HF_STEAL(r);
}

void hf_point_reading_end(struct hf_point_reading *r)
{
    if (!r)
        return;
    if (r->fd >= 0)
        close(r->fd);
    free(r);
}
