/* SPDX-License-Identifier: Apache-2.0 */
#include "base/point.h"
#include "image/nbd.h"
#include "point/prune.h"
#include "run/backup_intern.h"
#include "run/datastores.h"

#include <stdlib.h>

#define ASK_MS 60000
#define END_MS (10 * 60 * 1000)
#define PASSES_MAX 3 /* over one disk, because packs are being condemned meanwhile */

/* ---- before the hold -------------------------------------------------------------------- */

int backup_list_disks(struct backup *b, struct hf_err *err)
{
    const struct hf_run *run = b->run;
    struct hf_hv_call call = hf_env_call(run->env, run->id, ASK_MS);
    if (hf_hv_vm_disks(run->hv, &call, run->found.id, &b->all_disks, err) < 0)
        return -1;
    b->disks = calloc(b->all_disks.n + 1, sizeof *b->disks);
    if (!b->disks)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < b->all_disks.n; i++)
        if (!b->all_disks.items[i].skipped)
            b->disks[b->n_disks++].target = b->all_disks.items[i].target;
    return hf_datastores_add(&b->creation->datastores, &b->all_disks, err);
}

static int make_room(struct backup *b, struct hf_err *err)
{
    for (size_t i = 0; i < b->n_stores; i++) {
        b->stores[i].written = calloc(b->n_disks + 1, sizeof *b->stores[i].written);
        if (!b->stores[i].written)
            return hf_fail_nomem(err);
    }
    return 0;
}

static int ask_exports(struct backup *b, struct hf_err *err)
{
    const struct creation *c = b->creation;
    if (b->n_disks != c->plan.n_disks)
        return hf_fail(err, HF_E_CONFLICT, "vm %s had %zu disks, and %u were captured",
                       b->run->vm->label, b->n_disks, c->plan.n_disks);
    for (size_t i = 0; i < b->n_disks; i++) {
        struct backup_disk *d = &b->disks[i];
        struct hf_hv_call call = hf_env_call(b->run->env, b->run->id, ASK_MS);
        if (hf_hv_export_disk(c->capture, &call, d->target, &d->export, err) < 0)
            return hf_wrap(err, "disk %s", d->target);
        if ((d->export.form == HF_EXPORT_PUSHED) != backup_is_pushed(b))
            return hf_fail(err, HF_E_UNSUPPORTED, "disk %s: it is exported otherwise than told",
                           d->target);
        b->all_bytes += d->export.size_bytes;
    }
    return 0;
}

/* ---- one disk --------------------------------------------------------------------------- */

static bool is_wanted(const struct backup_store *s, size_t disk)
{
    return backup_store_is_in(s) && !s->written[disk].packs;
}

static int open_writers(struct backup *b, size_t disk, struct hf_err *err)
{
    const struct hf_image_writer_opts opts = {.disk_bytes = b->disks[disk].export.size_bytes};
    for (size_t i = 0; i < b->n_stores; i++) {
        struct hf_err why = HF_ERR_INIT;
        struct backup_store *s = &b->stores[i];
        if (!is_wanted(s, disk))
            continue;
        s->writer = hf_image_write_begin(s->image, &opts, &why);
        if (!s->writer)
            backup_drop(b, s, &why);
    }
    return backup_has_stores(b, err);
}

static int finish_writers(struct backup *b, size_t disk, struct hf_err *err)
{
    for (size_t i = 0; i < b->n_stores; i++) {
        struct hf_err why = HF_ERR_INIT;
        struct backup_store *s = &b->stores[i];
        if (!s->writer)
            continue;
        if (hf_image_write_finish(s->writer, &s->written[disk], &why) < 0) {
            backup_drop(b, s, &why);
            continue;
        }
        hf_image_write_close(HF_STEAL(s->writer));
        s->objects += s->written[disk].objects;
        s->bytes += s->written[disk].stored_bytes;
    }
    return backup_has_stores(b, err);
}

static int put_range(struct backup_store *s, uint64_t at, const void *data, uint64_t len,
                     struct hf_err *err)
{
    return data ? hf_image_write(s->writer, at, data, (size_t)len, err)
                : hf_image_write_hole(s->writer, at, len, err);
}

int backup_put_range(struct backup *b, uint64_t at, const void *data, uint64_t len,
                     struct hf_err *err)
{
    if (backup_watch_check(b, err) < 0)
        return -1;
    for (size_t i = 0; i < b->n_stores; i++) {
        struct hf_err why = HF_ERR_INIT;
        struct backup_store *s = &b->stores[i];
        if (s->writer && put_range(s, at, data, len, &why) < 0)
            backup_drop(b, s, &why);
    }
    b->done_bytes += len;
    if (b->run->env->progress)
        b->run->env->progress(b->run->env->progress_ctx, b->done_bytes, b->all_bytes);
    return backup_has_stores(b, err);
}

static int take_range(void *ctx, uint64_t at, const void *data, uint64_t len, struct hf_err *err)
{
    return backup_put_range(ctx, at, data, len, err);
}

static struct hf_nbd *open_export(const struct backup *b, const struct hf_export_copy *e,
                                  bool with_changes, struct hf_err *err)
{
    const struct hf_nbd_opts opts = {
        .uri = e->uri,
        .allocation_ctx = e->allocation_ctx,
        .dirty_ctx = with_changes ? e->dirty_ctx : NULL,
        .clock = b->run->env->clock,
        .cancel = backup_watch_cancel(b),
    };
    struct hf_err why = HF_ERR_INIT;
    struct hf_nbd *n = hf_nbd_open(&opts, &why);
    if (!n && why.cls == HF_E_NOT_FOUND && opts.dirty_ctx)
        return open_export(b, e, false, err); /* a server that does not know the bitmap */
    if (!n)
        hf_err_copy(err, &why);
    return n;
}

static int read_export(struct backup *b, struct backup_disk *d, struct hf_err *err)
{
    bool is_done = false;
    const struct hf_export_copy *e = &d->export;
    if (e->form == HF_EXPORT_STREAM)
        return backup_read_stream(b, d, err);
    HF_AUTO(hf_nbd) struct hf_nbd *n = open_export(b, e, true, err);
    if (!n)
        return -1;
    if (hf_nbd_size(n) < e->size_bytes) /* more: rounded up to whole sectors */
        return hf_fail(err, HF_E_CONFLICT, "the export has %llu bytes, the disk %llu",
                       (unsigned long long)hf_nbd_size(n), (unsigned long long)e->size_bytes);
    if (backup_read_changes(b, d, n, &is_done, err) < 0)
        return -1;
    if (is_done)
        return 0;
    const struct hf_nbd_range whole = {0, e->size_bytes};
    d->read_bytes += e->size_bytes;
    return hf_nbd_read(n, &whole, e->size_bytes ? 1 : 0, take_range, b, err);
}

/* For those stores that do not have it yet. An export that was given up ends in a reading error: why is what the watch knows. */
static int read_disk(struct backup *b, size_t disk, struct hf_err *err)
{
    struct hf_err given_up = HF_ERR_INIT;
    struct backup_disk *d = &b->disks[disk];
    if (open_writers(b, disk, err) < 0)
        return -1;
    if (read_export(b, d, err) < 0) {
        if (backup_watch_check(b, &given_up) < 0)
            hf_err_copy(err, &given_up);
        return hf_wrap(err, "disk %s", d->target);
    }
    return finish_writers(b, disk, err);
}

/* ---- condemned meanwhile ---------------------------------------------------------------- */

static bool is_condemned(const struct backup_store *s, const struct hf_image_written *w)
{
    for (size_t i = 0; i < w->packs_n; i++)
        if (hf_image_chunks_is_condemned(hf_image_chunks(s->image), w->packs[i]))
            return true;
    return false;
}

bool backup_looked_long_ago(const struct backup *b, const struct backup_store *s)
{
    return hf_clock_past_ms(b->run->env->clock, &s->looked) > HF_PRUNE_HURRY_MS;
}

int backup_look_again(const struct backup *b, struct backup_store *s, size_t *out_n,
                      struct hf_err *err)
{
    const struct hf_clock_mark now = hf_clock_mark(b->run->env->clock);
    if (hf_image_refresh_condemned(s->image, backup_looked_long_ago(b, s), err) < 0)
        return -1;
    s->looked = now;
    *out_n = 0;
    for (size_t i = 0; i < b->n_disks; i++)
        *out_n += is_condemned(s, &s->written[i]);
    return 0;
}

/* What a prune has condemned since the run began is sent again: the disks of which something lies there count as not written. */
static int forget_condemned(struct backup *b, struct backup_store *s, size_t *n, struct hf_err *err)
{
    size_t found = 0;
    if (backup_look_again(b, s, &found, err) < 0)
        return -1;
    for (size_t i = 0; found && i < b->n_disks; i++) {
        if (!is_condemned(s, &s->written[i]))
            continue;
        hf_image_written_free(&s->written[i]);
        s->written[i] = (struct hf_image_written){0};
    }
    *n += found;
    return 0;
}

static int look_for_condemned(struct backup *b, size_t *n, struct hf_err *err)
{
    for (size_t i = 0; i < b->n_stores; i++) {
        struct hf_err why = HF_ERR_INIT;
        struct backup_store *s = &b->stores[i];
        if (backup_store_is_in(s) && forget_condemned(b, s, n, &why) < 0)
            backup_drop(b, s, &why);
    }
    return backup_has_stores(b, err);
}

/* ---- all of them ------------------------------------------------------------------------ */

static bool needs(const struct backup *b, size_t disk)
{
    for (size_t i = 0; i < b->n_stores; i++)
        if (is_wanted(&b->stores[i], disk))
            return true;
    return false;
}

static int read_all(struct backup *b, struct hf_err *err)
{
    for (int pass = 0; pass < PASSES_MAX; pass++) {
        size_t again = 0;
        for (size_t i = 0; i < b->n_disks; i++) {
            if (!needs(b, i))
                continue;
            b->all_bytes += pass ? b->disks[i].export.size_bytes : 0;
            if (read_disk(b, i, err) < 0)
                return -1;
        }
        if (look_for_condemned(b, &again, err) < 0)
            return -1;
        if (!again)
            return backup_watch_check(b, err);
    }
    return hf_fail(err, HF_E_CONFLICT,
                   "packs were condemned again and again while the disks were read");
}

int backup_open_exports(struct backup *b, struct hf_err *err)
{
    if (make_room(b, err) < 0)
        return -1;
    backup_watch_take_turn(b);
    int rc = creation_settle(b->creation, err) < 0 ? -1 : ask_exports(b, err);
    backup_watch_end_turn(b);
    return rc < 0 || backup_watch_check(b, err) < 0 ? -1 : 0;
}

/* A snapshot that a stream was read from is merged away in its end, which may take hours. */
static int end_export(struct backup *b, struct hf_err *err)
{
    if (backup_is_streamed(b))
        return backup_wait_for_end(b, err);
    struct hf_hv_call call = hf_env_call(b->run->env, b->run->id, END_MS);
    return hf_hv_export_end(b->creation->capture, &call, err);
}

int backup_read_disks(struct backup *b, struct hf_err *err)
{
    int rc = HF_POINT_ERR("backup.before_disks", err) < 0 ? -1 : read_all(b, err);
    backup_watch_stop(b);
    if (rc < 0)
        return -1;
    HF_POINT("backup.before_export_end");
    if (end_export(b, err) < 0)
        return hf_wrap(err, "the end of the export");
    HF_POINT("backup.after_export_end");
    return 0;
}
