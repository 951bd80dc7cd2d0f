/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/disk.h"

#include "base/point.h"
#include "base/units.h"
#include "image/format.h"
#include "image/rebuild.h"
#include "restore/disk_part.h"
#include "restore/disk_target.h"

#include <linux/fs.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>

#define FIRST_RECORD_MS 1000
#define RECORD_MS 8000 /* at most so much is done twice */
#define ZEROS_BYTES ((size_t)64 << 10)
#define DEVICE_STEP ((uint64_t)1 << 30)

struct restoring {
    const struct hf_restore_disk *what;
    struct hf_image_rebuild_opts opts;
    struct hf_image_shape shape;
    struct hf_disk_part part;
    struct hf_disk_target *target;
    pthread_mutex_t lock; /* of the next two */
    struct hf_chunk_set there;
    uint64_t written;
    struct hf_chunk_set durable; /* what a record is about to say */
    uint64_t before; /* chunks below it are done; the bytes handed over when that was said */
    uint64_t before_bytes;
    int64_t record_at_ms, wait_ms;
};

static void restoring_close(struct restoring *r)
{
    hf_disk_target_close(r->target);
    hf_disk_part_close(&r->part);
    hf_chunk_set_free(&r->there);
    hf_chunk_set_free(&r->durable);
    pthread_mutex_destroy(&r->lock);
}
HF_DEFINE_AUTO_VALUE(restoring, restoring_close)

/* ---- what the workers bring ------------------------------------------------------------- */

static size_t piece_len(size_t left)
{
    return left < ZEROS_BYTES ? left : ZEROS_BYTES;
}

/* From here on, alike: zeros or not. */
static size_t alike(const unsigned char *p, size_t len, bool *out_is_zero)
{
    size_t n = piece_len(len);
    *out_is_zero = hf_image_is_zero(p, n);
    while (n < len && hf_image_is_zero(p + n, piece_len(len - n)) == *out_is_zero)
        n += piece_len(len - n);
    return n;
}

static int put_data(struct restoring *r, unsigned worker, uint64_t at, const unsigned char *p,
                    size_t len, uint64_t *written, struct hf_err *err)
{
    while (len > 0) {
        bool is_nothing = false;
        size_t n = alike(p, len, &is_nothing);
        if (!is_nothing && r->target->ops->put(r->target, worker, at, p, n, err) < 0)
            return -1;
        *written += is_nothing ? 0 : n;
        p += n;
        at += n;
        len -= n;
    }
    return 0;
}

static int put(void *ctx, unsigned worker, uint64_t at, const void *data, size_t len,
               struct hf_err *err)
{
    struct restoring *r = ctx;
    uint64_t written = 0, chunk = at / r->shape.chunk_bytes;
    if (HF_POINT_ERR("restore.image.before_write", err) < 0 ||
        put_data(r, worker, at, data, len, &written, err) < 0)
        return -1;
    pthread_mutex_lock(&r->lock);
    hf_chunk_set_add(&r->there, chunk,
                     chunk + (len + r->shape.chunk_bytes - 1) / r->shape.chunk_bytes);
    r->written += written;
    pthread_mutex_unlock(&r->lock);
    return 0;
}

static bool is_done(void *ctx, uint64_t chunk)
{
    const struct restoring *r = ctx;
    return !r->part.is_device && hf_chunk_set_has(&r->part.record.durable, chunk);
}

/* ---- what is there for good ------------------------------------------------------------- */

/* Linux tells a descriptor once that a write was lost, and drops what it was: the next sync succeeds. */
static int no_record_any_more(struct restoring *r)
{
    r->part.is_lossy = true;
    return -1;
}

/* What was there before the sync is durable after it. */
static int record(struct restoring *r, struct hf_err *err)
{
    pthread_mutex_lock(&r->lock);
    hf_chunk_set_copy(&r->durable, &r->there);
    pthread_mutex_unlock(&r->lock);
    hf_chunk_set_add(&r->durable, 0, r->before); /* holes, too: the record gets shorter */
    if (r->target->ops->sync(r->target, err) < 0)
        return no_record_any_more(r);
    return hf_disk_part_record(&r->part, &r->durable, err);
}

static void show(struct restoring *r, const struct hf_image_rebuilt *so_far)
{
    uint64_t all = so_far->bytes + so_far->skipped, total = r->shape.disk_bytes;
    if (so_far->before > r->before) {
        r->before = so_far->before;
        r->before_bytes = all;
    }
    uint64_t done = r->before * r->shape.chunk_bytes + all - r->before_bytes;
    if (r->what->progress)
        r->what->progress(r->what->progress_ctx, done < total ? done : total, total);
}

static int tick(void *ctx, const struct hf_image_rebuilt *so_far, struct hf_err *err)
{
    struct restoring *r = ctx;
    show(r, so_far);
    if (hf_cancel_check(r->what->cancel, err) < 0)
        return -1;
    if (r->part.is_device || hf_clock_mono_ms(r->what->clock) < r->record_at_ms)
        return 0;
    if (record(r, err) < 0)
        return hf_wrap(err, "'%s'", r->part.path);
    r->wait_ms = 2 * r->wait_ms < RECORD_MS ? 2 * r->wait_ms : RECORD_MS;
    r->record_at_ms = hf_clock_mono_ms(r->what->clock) + r->wait_ms;
    return 0;
}

/* ---- begin ------------------------------------------------------------------------------ */

/* Holes are not written, and who knows what is there. */
static int zero_device(struct restoring *r, struct hf_err *err)
{
    uint64_t end = (r->shape.disk_bytes + 511) / 512 * 512;
    for (uint64_t at = 0; at < end; at += DEVICE_STEP) {
        uint64_t range[2] = {at, end - at < DEVICE_STEP ? end - at : DEVICE_STEP};
        if (hf_cancel_check(r->what->cancel, err) < 0)
            return -1;
        if (ioctl(r->part.fd, BLKZEROOUT, range) < 0)
            return hf_fail_sys(err, errno, "'%s' cannot be zeroed", r->part.file);
    }
    return 0;
}

static int open_qcow2(struct restoring *r, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    const struct hf_disk_qcow2_opts o = {.path = r->part.path,
                                         .disk_bytes = r->shape.disk_bytes,
                                         .workers = r->opts.workers,
                                         .clock = r->what->clock,
                                         .cancel = r->what->cancel};
    if (r->part.is_resumed && hf_disk_qcow2_check(&o, &why) < 0) {
        if (why.cls != HF_E_CORRUPT) {
            hf_err_copy(err, &why);
            return -1;
        }
        hf_log_err(r->what->log, HF_LOG_WARN, "restore", &why);
        if (hf_disk_part_restart(&r->part, err) < 0)
            return -1;
    }
    if (!r->part.is_resumed && hf_disk_qcow2_create(&o, err) < 0)
        return -1;
    r->target = hf_disk_qcow2(&o, err);
    return r->target ? 0 : -1;
}

static int open_target(struct restoring *r, struct hf_err *err)
{
    if (r->what->format == HF_DISK_QCOW2)
        return open_qcow2(r, err);
    if (r->part.is_device && zero_device(r, err) < 0)
        return -1;
    r->target = hf_disk_raw(r->part.fd, err);
    return r->target ? 0 : -1;
}

static int open_sets(struct restoring *r, struct hf_err *err)
{
    uint64_t n = hf_image_chunks_n(&r->shape);
    if (hf_chunk_set_init(&r->there, n, err) < 0 || hf_chunk_set_init(&r->durable, n, err) < 0)
        return -1;
    if (r->part.is_resumed)
        hf_chunk_set_copy(&r->there, &r->part.record.durable);
    r->wait_ms = FIRST_RECORD_MS;
    r->record_at_ms = hf_clock_mono_ms(r->what->clock) + r->wait_ms;
    return 0;
}

/* ---- the whole -------------------------------------------------------------------------- */

/* In one go: of what was interrupted nothing can be gone on with. */
static int fill_vmdk(struct restoring *r, struct hf_image_rebuilt *done, struct hf_err *err)
{
    const struct hf_disk_vmdk w = {.image = r->what->image,
                                   .root = r->what->root,
                                   .fd = r->part.fd,
                                   .cancel = r->what->cancel,
                                   .progress = r->what->progress,
                                   .progress_ctx = r->what->progress_ctx};
    return hf_disk_vmdk_write(&w, &done->fetched, &r->written, err);
}

static int fill(struct restoring *r, struct hf_image_tree *tree, struct hf_image_rebuilt *done,
                struct hf_err *err)
{
    if (r->what->format == HF_DISK_VMDK)
        return fill_vmdk(r, done, err);
    if (open_target(r, err) < 0 || open_sets(r, err) < 0)
        return -1;
    if (r->part.is_resumed)
        hf_log(r->what->log, HF_LOG_INFO, "restore", "goes on with '%s'", r->part.path);
    if (hf_image_rebuild(r->what->image, tree, &r->opts, done, err) < 0)
        return -1;
    return r->target->ops->finish(r->target, err) < 0 ? no_record_any_more(r) : 0;
}

static uint64_t durable_bytes(const struct hf_disk_part *p)
{
    uint64_t from = 0, to = 0, chunks = 0;
    while (hf_chunk_set_run(&p->record.durable, to, &from, &to))
        chunks += to - from;
    return chunks * p->record.shape.chunk_bytes;
}

/* After an error: what is of use stays, and is named. */
static int leave(struct restoring *r, struct hf_err *err)
{
    struct hf_err ignored =
        HF_ERR_INIT; /* a full disk takes no record either: then the last one counts */
    char size[HF_UNITS_MAX];
    if (r->part.is_device)
        return hf_left(err, "'%s' is overwritten in part", r->part.file);
    if (r->part.is_finished)
        return hf_left(err, "'%s'", r->part.record_path);
    if (r->target && r->there.bits && !r->part.is_lossy && record(r, &ignored) < 0)
        hf_log_err(r->what->log, HF_LOG_DETAIL, "restore", &ignored);
    uint64_t bytes = durable_bytes(&r->part);
    if (bytes == 0) {
        hf_disk_part_remove(&r->part);
        return -1;
    }
    hf_format_size(bytes, size);
    hf_left(err, "'%s' and its .json, with %s of the disk", r->part.path, size);
    return hf_hint(err,
                   "The same command goes on from there. Whoever does not want to removes both.");
}

static int restore_part(struct restoring *r, struct hf_image_tree *tree,
                        struct hf_restored_disk *out, struct hf_err *err)
{
    struct hf_image_rebuilt done = {0};
    out->is_resumed = r->part.is_finished;
    if ((!r->part.is_finished && fill(r, tree, &done, err) < 0) ||
        hf_disk_part_finish(&r->part, err) < 0) {
        if (err->cls == HF_E_CORRUPT)
            hf_hint(err,
                    "`holdfast verify --read` names all that is damaged. Where the point lies on "
                    "another store, --store restores it from there.");
        leave(r, err);
        return hf_wrap(err, "'%s'", r->what->file);
    }
    out->is_resumed = out->is_resumed || r->part.is_resumed;
    out->written = r->written;
    out->fetched = done.fetched;
    return 0;
}

int hf_restore_disk(const struct hf_restore_disk *what, struct hf_restored_disk *out,
                    struct hf_err *err)
{
    HF_AUTO(hf_image_tree)
    struct hf_image_tree *tree = hf_image_tree_open(what->image, what->root, err);
    if (!tree)
        return -1;
    HF_AUTO(restoring) struct restoring r = {.what = what, .part = {.fd = -1}};
    pthread_mutex_init(&r.lock, NULL);
    r.opts =
        (struct hf_image_rebuild_opts){.ctx = &r, .put = put, .is_done = is_done, .tick = tick};
    r.opts.workers = hf_image_rebuild_workers(&r.opts); /* once: processors come and go */
    r.shape = *hf_image_tree_shape(tree);
    struct hf_disk_record want = {.point = (char *)what->point,
                                  .disk = (char *)what->disk,
                                  .format = what->format,
                                  .shape = r.shape};
    memcpy(want.root, what->root, HF_IMAGE_ID);
    *out = (struct hf_restored_disk){.bytes = r.shape.disk_bytes};
    enum hf_disk_part_mode mode = what->is_provisional ? HF_DISK_PART_PROVISIONAL
                                  : what->overwrite    ? HF_DISK_PART_OVERWRITE
                                                       : HF_DISK_PART_NEW;
    if (hf_disk_part_open(what->file, &want, mode, &r.part, err) < 0)
        return -1;
    return restore_part(&r, tree, out, err);
}
