/* SPDX-License-Identifier: Apache-2.0 */
#include "base/point.h"
#include "run/backup_intern.h"

#include <string.h>

int backup_check_files(struct backup *b, struct hf_err *err)
{
    if (!b->parts[HF_POINT_FILES].is_wanted)
        return 0;
    b->files_req.vm = b->req->vm;
    b->files.env = b->run->env;
    b->files.req = &b->files_req;
    b->files.vm = b->run->vm;
    b->files.place = b->parts[HF_POINT_FILES].place;
    memcpy(b->files.id, b->run->id, sizeof b->files.id);
    return archiving_prepare(&b->files, err);
}

static int read_all(struct backup *b, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *about = NULL;
    if (HF_POINT_ERR("backup.before_files", err) < 0 || archiving_read_files(&b->files, err) < 0 ||
        archiving_finish(&b->files, &about, err) < 0)
        return -1;
    b->parts[HF_POINT_FILES].bytes = b->files.totals.tar_bytes;
    hf_log(b->run->env->log, HF_LOG_INFO, "backup", "the files are on the stores: %llu entries",
           (unsigned long long)b->files.totals.entries);
    return creation_warn_all(b->creation, &b->files.warnings, err);
}

int backup_read_files(struct backup *b, const struct hf_env *env, struct hf_err *err)
{
    if (!b->parts[HF_POINT_FILES].is_wanted)
        return 0;
    b->files.env = env;
    int rc = read_all(b, err);
    b->files.env = b->run->env;
    return rc < 0 ? hf_wrap(err, "the files") : 0;
}
