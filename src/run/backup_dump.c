/* SPDX-License-Identifier: Apache-2.0 */
#include "base/point.h"
#include "run/backup_intern.h"

#include <string.h>

#define PLAIN_NAMED 3 /* tables that a warning names */

/* With a lock that holds commits back dump and disks show the same instant. Else the dump takes a short lock of its own, later. */
static bool begins_under_lock(const struct backup *b)
{
    return b->run->vm->quiesce == HF_QUIESCE_LOCK;
}

static int begin_readers(void *ctx, int64_t deadline_ms, struct hf_err *err)
{
    struct backup *b = ctx;
    return hf_dump_attach(b->dump.dump, deadline_ms, err);
}

static int open_sessions(struct backup *b, const struct hf_env *env, struct hf_err *err)
{
    b->dump = (struct dumping){
        .env = env,
        .req = &b->dump_req,
        .vm = b->run->vm,
        .position = HF_DB_POSITION_INIT,
    };
    memcpy(b->dump.id, b->run->id, sizeof b->dump.id);
    return dumping_open(&b->dump, err) < 0 ? hf_wrap(err, "the dump") : 0;
}

int backup_open_dump(struct backup *b, struct hf_err *err)
{
    if (!b->parts[HF_POINT_DUMP].is_wanted)
        return 0;
    b->dump_req = (struct hf_run_dump){
        .vm = b->req->vm,
        .place = &b->parts[HF_POINT_DUMP].place,
        .packing = b->files_req.packing,
        .only = &b->run->vm->dump.schemas,
        .accounts = true, /* without its own no application comes back */
    };
    if (open_sessions(b, b->run->env, err) < 0)
        return -1;
    if (begins_under_lock(b))
        b->creation->readers = (struct hf_hold_readers){begin_readers, b};
    /* They would end with the server that is stopped: they have shown that they can be had. */
    if (b->run->vm->quiesce == HF_QUIESCE_STOP)
        dumping_close(&b->dump);
    return 0;
}

/* ---- after the hold --------------------------------------------------------------------- */

/* That of the point, whose instant it is. */
static int take_position(struct backup *b, struct hf_err *err)
{
    const struct hf_hold_result *r = &b->creation->result;
    const struct hf_db_position *at = r->has_position ? &r->position : &r->min;
    return at->has_binlog ? hf_db_position_copy(&b->dump.position, at, err) : 0;
}

static int begin(struct backup *b, const struct hf_env *env, struct hf_err *err)
{
    if (b->run->vm->quiesce == HF_QUIESCE_STOP && open_sessions(b, env, err) < 0)
        return -1;
    return begins_under_lock(b) ? take_position(b, err) : dumping_attach(&b->dump, err);
}

static int warn_of_plain(struct backup *b, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv plain = HF_STRV_INIT;
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    if (hf_dump_plain_tables(b->dump.dump, &plain, err) < 0)
        return -1;
    if (!plain.n)
        return 0;
    hf_buf_printf(&text,
                  "the dump of %zu tables without transactions is not of the instant:", plain.n);
    for (size_t i = 0; i < plain.n && i < PLAIN_NAMED; i++)
        hf_buf_printf(&text, " %s", plain.items[i]);
    if (plain.n > PLAIN_NAMED)
        hf_buf_str_add(&text, " ...");
    return hf_buf_ok(&text) ? creation_warn(b->creation, hf_buf_str(&text), err)
                            : hf_fail_nomem(err);
}

static int read_all(struct backup *b, const struct hf_env *env, struct hf_err *err)
{
    if (HF_POINT_ERR("backup.before_dump", err) < 0 || begin(b, env, err) < 0)
        return -1;
    hf_dump_heed(b->dump.dump, env->cancel);
    if (hf_dump_run(b->dump.dump, &b->dump.position, err) < 0)
        return -1;
    struct hf_dump_totals sums = hf_dump_totals(b->dump.dump);
    b->parts[HF_POINT_DUMP].bytes = sums.bytes;
    hf_log(env->log, HF_LOG_INFO, "backup", "the dump is on the stores: %zu tables", sums.tables);
    const struct hf_strv *said = hf_dump_warnings(b->dump.dump); /* and logged, by the dump */
    if (hf_strv_add_all(&b->creation->warnings, said) < 0)
        return hf_fail_nomem(err);
    return warn_of_plain(b, err);
}

int backup_read_dump(struct backup *b, const struct hf_env *env, struct hf_err *err)
{
    if (!b->parts[HF_POINT_DUMP].is_wanted)
        return 0;
    b->dump.env = env;
    int rc = read_all(b, env, err);
    b->dump.env = b->run->env;
    /* The disks may take hours; the position is for the manifest. */
    dumping_end(&b->dump);
    return rc < 0 ? hf_wrap(err, "the dump") : 0;
}
