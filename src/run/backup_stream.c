/* SPDX-License-Identifier: Apache-2.0
 *
 * A disk that the hypervisor delivers itself, from its first byte to its last.
 *
 * What changed is not known, so all of it is read; what the stores have already is not sent again. The hypervisor can be asked nothing
 * else meanwhile: that the export still stands is the plugin's to find out, in the stream.
 */
#include "run/backup_intern.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define WHOLE_MS (INT64_C(7) * 24 * 3600 * 1000)

struct streaming {
    struct backup *b;
    uint64_t size, told;
};

static int take_extent(void *ctx, uint64_t at, const void *data, uint64_t len, struct hf_err *err)
{
    struct streaming *s = ctx;
    if (len > s->size - s->told)
        return hf_fail(err, HF_E_CONFLICT, "more comes than the %" PRIu64 " bytes that it had",
                       s->size);
    s->told += len;
    return backup_put_range(s->b, at, data, len, err);
}

static int note_compared(struct backup *b, struct backup_disk *d, struct hf_err *err)
{
    free(d->incremental_why);
    d->incremental_why =
        strdup(b->parent.why ? b->parent.why : "the hypervisor does not tell what changed");
    return d->incremental_why ? 0 : hf_fail_nomem(err);
}

int backup_read_stream(struct backup *b, struct backup_disk *d, struct hf_err *err)
{
    struct streaming s = {.b = b, .size = d->export.size_bytes};
    if (note_compared(b, d, err) < 0)
        return -1;
    d->read_bytes += s.size;
    backup_watch_take_turn(b);
    struct hf_hv_call call = hf_env_call(b->run->env, b->run->id, WHOLE_MS);
    int rc = hf_hv_export_stream(b->creation->capture, &call, d->target, take_extent, &s, err);
    backup_watch_end_turn(b);
    if (rc < 0 || s.told == s.size)
        return rc;
    return hf_fail(err, HF_E_CONFLICT, "it ends at byte %" PRIu64 " of %" PRIu64, s.told, s.size);
}

bool backup_is_streamed(const struct backup *b)
{
    for (size_t i = 0; i < b->n_disks; i++)
        if (b->disks[i].export.form == HF_EXPORT_STREAM)
            return true;
    return false;
}
