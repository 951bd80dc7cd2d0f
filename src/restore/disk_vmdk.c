/* SPDX-License-Identifier: Apache-2.0 */
#include "base/point.h"
#include "image/reader.h"
#include "restore/disk_target.h"
#include "restore/vmdk.h"

#include <stdlib.h>
#include <unistd.h>

#define PIECE_BYTES ((size_t)4 << 20) /* whole grains */

struct writing {
    const struct hf_disk_vmdk *what;
    struct hf_image_reader *reader;
    struct hf_vmdk *vmdk;
    unsigned char *piece;
    uint64_t size, at; /* at: a grain's begin */
    uint64_t *read, *written;
};

static void writing_close(struct writing *w)
{
    hf_vmdk_free(w->vmdk);
    hf_image_read_close(w->reader);
    free(w->piece);
}
HF_DEFINE_AUTO_VALUE(writing, writing_close)

static int open_both(struct writing *w, struct hf_err *err)
{
    w->reader =
        hf_image_read_open(w->what->image, w->what->root, &(struct hf_image_reader_opts){0}, err);
    w->piece = malloc(PIECE_BYTES);
    if (!w->reader)
        return -1;
    if (!w->piece)
        return hf_fail_nomem(err);
    w->size = hf_image_reader_source(w->reader)->size;
    w->vmdk = hf_vmdk_new(w->what->fd, w->size, w->what->root, err);
    return w->vmdk ? 0 : -1;
}

/* How far it goes from here, in whole grains or to the end; a hole that ends within a grain is read with it. */
static int look_ahead(struct writing *w, bool *out_is_hole, uint64_t *out_len, struct hf_err *err)
{
    uint64_t len = 0;
    if (hf_image_reader_extent(w->reader, w->at, out_is_hole, &len, err) < 0)
        return -1;
    uint64_t end = w->at + len, whole = end - end % HF_VMDK_GRAIN;
    if (end < w->size && *out_is_hole && whole > w->at)
        end = whole;
    else if (end < w->size) {
        end = (end + HF_VMDK_GRAIN - 1) / HF_VMDK_GRAIN * HF_VMDK_GRAIN;
        *out_is_hole = false;
    }
    *out_len = (end < w->size ? end : w->size) - w->at;
    return 0;
}

static int write_piece(struct writing *w, uint64_t len, struct hf_err *err)
{
    uint64_t written = 0;
    size_t n = len < PIECE_BYTES ? (size_t)len : PIECE_BYTES;
    if (hf_io_read_at(hf_image_reader_source(w->reader), w->at, w->piece, n, err) < 0 ||
        HF_POINT_ERR("restore.image.before_piece", err) < 0 ||
        hf_vmdk_put(w->vmdk, w->at, w->piece, n, &written, err) < 0)
        return -1;
    w->at += n;
    *w->read += n;
    *w->written += written;
    return 0;
}

static int step(struct writing *w, struct hf_err *err)
{
    bool is_hole = false;
    uint64_t len = 0;
    if (hf_cancel_check(w->what->cancel, err) < 0 || look_ahead(w, &is_hole, &len, err) < 0)
        return -1;
    if (is_hole)
        w->at += len;
    else if (write_piece(w, len, err) < 0)
        return -1;
    if (w->what->progress)
        w->what->progress(w->what->progress_ctx, w->at, w->size);
    return 0;
}

int hf_disk_vmdk_write(const struct hf_disk_vmdk *what, uint64_t *out_read, uint64_t *out_written,
                       struct hf_err *err)
{
    HF_AUTO(writing)
    struct writing w = {.what = what, .read = out_read, .written = out_written};
    *out_read = *out_written = 0;
    if (open_both(&w, err) < 0)
        return -1;
    while (w.at < w.size)
        if (step(&w, err) < 0)
            return -1;
    if (hf_vmdk_finish(w.vmdk, err) < 0)
        return -1;
    return fsync(what->fd) < 0 ? hf_fail_sys(err, errno, "sync") : 0;
}
