/* SPDX-License-Identifier: Apache-2.0 */
#include "run/dumping.h"

#include "base/point.h"

void dumping_end(struct dumping *x)
{
    hf_db_lock_free(HF_STEAL(x->lock));
    hf_dump_close(HF_STEAL(x->dump));
    hf_way_close(&x->way);
}

void dumping_close(struct dumping *x)
{
    dumping_end(x);
    hf_db_position_free(&x->position);
}

static int check_way(const struct hf_config_vm *vm, struct hf_err *err)
{
    return hf_run_can_dump(vm)
               ? 0
               : hf_fail(err, HF_E_CONFIG, "vm %s: a dump needs db = tcp://HOST:PORT or ssh",
                         vm->label);
}

bool hf_run_can_dump(const struct hf_config_vm *vm)
{
    return vm->db.kind == HF_DB_TCP || vm->db.kind == HF_DB_SSH;
}

static int open_lock(struct dumping *x, struct hf_err *err)
{
    struct hf_db_lock_opts opts = hf_env_lock_opts(x->env, x->vm, &x->target, x->id);
    opts.mode = HF_DB_MODE_LOCK; /* an instant, whatever the VM's own way is */
    x->lock = hf_db_lock_prepare(&opts, err);
    return x->lock ? 0 : -1;
}

static int open_sessions(struct dumping *x, struct hf_err *err)
{
    bool is_part = x->req->only && x->req->only->n > 0;
    struct hf_dump_opts opts = {
        .target = &x->target,
        .dir = x->req->dir,
        .place = x->req->place,
        .threads = x->req->threads,
        .packing = x->req->packing,
        .only = x->req->only,
        .plain = x->req->plain,
        .strip_definers = x->req->strip_definers,
        .users = !is_part || x->req->accounts,
        .clock = x->env->clock,
        .cancel = x->env->cancel,
        .log = x->env->log,
        .progress = x->req->progress,
        .progress_ctx = x->req->progress_ctx,
    };
    x->dump = hf_dump_open(&opts, err);
    return x->dump ? 0 : -1;
}

int dumping_attach(struct dumping *x, struct hf_err *err)
{
    const struct hf_clock *clock = x->env->clock;
    if (open_lock(x, err) < 0 || hf_db_lock_acquire(x->lock, HF_NO_DEADLINE, &x->timing, err) < 0 ||
        hf_dump_attach(x->dump, hf_clock_mono_ms(clock) + x->vm->hold_limit, err) < 0 ||
        hf_dump_read_locked(x->dump, err) < 0 || HF_POINT_ERR("dump.before_release", err) < 0 ||
        hf_db_lock_release(x->lock, err) < 0 || hf_db_lock_verify(x->lock, err) < 0)
        return -1;
    const struct hf_db_position *at = hf_db_lock_position(x->lock);
    return at ? hf_db_position_copy(&x->position, at, err) : 0;
}

int dumping_open(struct dumping *x, struct hf_err *err)
{
    if (check_way(x->vm, err) < 0 ||
        hf_way_open(&x->way, x->env, x->vm, NULL, x->id, HF_WAY_DB, err) < 0)
        return -1;
    x->target = hf_way_db_target(&x->way);
    if (open_sessions(x, err) < 0)
        return -1;
    HF_POINT("dump.after_open");
    return 0;
}
