/* SPDX-License-Identifier: Apache-2.0 */
#include "run/saved_writes.h"

#include "base/buf.h"
#include "base/path.h"

#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#define HOLD_WITHIN_S 10
/* What is left free for those who share the file system. */
#define SPARE_BYTES ((uint64_t)64 << 20)

int hf_saved_writes_check(const struct hf_env *env, const struct hf_config_vm *vm,
                          const char *vm_id, const char *run_id, struct hf_db_position *out,
                          struct hf_err *err)
{
    HF_AUTO(hf_way) struct hf_way way = {0};
    if (vm->db.kind == HF_DB_NONE)
        return hf_fail(err, HF_E_UNSUPPORTED, "vm %s has no database that holdfast knows of",
                       vm->label);
    if (hf_way_open(&way, env, vm, vm_id, run_id, HF_WAY_DB, err) < 0)
        return -1;
    struct hf_db_target target = hf_way_db_target(&way);
    HF_AUTO(hf_db_conn) struct hf_db_conn *db = hf_db_open(&target, err);
    if (!db || hf_db_binlog_check(db, err) < 0)
        return -1;
    return hf_db_position_read(db, out, err);
}

char *hf_saved_writes_make_dir(const struct hf_env *env, const char *run_id, struct hf_err *err)
{
    HF_AUTOFREE char *all = hf_path_join(hf_env_state(env), "saved");
    HF_AUTOFREE char *dir = all ? hf_path_join(all, run_id) : NULL;
    if (!dir) {
        hf_fail_nomem(err);
        return NULL;
    }
    if (hf_path_mkdirs(all, 0700, err) < 0 || hf_path_mkdirs(dir, 0700, err) < 0 ||
        hf_path_sync_dir(all, err) < 0)
        return NULL;
    return HF_STEAL(dir);
}

static uint64_t room(const char *dir)
{
    struct statvfs fs;
    if (statvfs(dir, &fs) < 0)
        return UINT64_MAX;
    uint64_t bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    return bytes > SPARE_BYTES ? bytes - SPARE_BYTES : 0;
}

/* Until the machine is off nothing more is acknowledged. */
static int hold(struct hf_saved_writes *s, const struct hf_db_target *target, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    s->holder = hf_db_open(target, err);
    if (!s->holder)
        return -1;
    if (hf_db_binlog_hold(s->holder, HOLD_WITHIN_S, &why) == 0)
        return 0;
    hf_db_close(HF_STEAL(s->holder));
    s->gap = hf_asprintf("commits could not be blocked (%s): what was written between saving and "
                         "the machine's stop is "
                         "not in it",
                         why.message);
    return s->gap ? 0 : hf_fail_nomem(err);
}

int hf_saved_writes_take(struct hf_saved_writes *s, const struct hf_env *env,
                         const struct hf_config_vm *vm, const char *vm_id, const char *run_id,
                         const char *file, uint64_t offset, struct hf_err *err)
{
    s->dir = hf_saved_writes_make_dir(env, run_id, err);
    if (!s->dir || hf_way_open(&s->way, env, vm, vm_id, run_id, HF_WAY_DB, err) < 0)
        return -1;
    struct hf_db_target target = hf_way_db_target(&s->way);
    if (hold(s, &target, err) < 0)
        return -1;
    struct hf_db_binlog what = {
        .file = file, .offset = offset, .dir = s->dir, .max_bytes = room(s->dir)};
    return hf_db_binlog_save(&target, &what, &s->files, &s->bytes, err);
}

void hf_saved_writes_release(struct hf_saved_writes *s)
{
    hf_db_close(s->holder);
    s->holder = NULL;
    hf_way_close(&s->way);
}

void hf_saved_writes_free(struct hf_saved_writes *s)
{
    hf_saved_writes_release(s);
    free(s->dir);
    free(s->gap);
    hf_strv_free(&s->files);
    *s = (struct hf_saved_writes){0};
}
