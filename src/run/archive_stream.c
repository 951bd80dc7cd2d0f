/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "guest/stream_agent.h"
#include "guest/stream_ssh.h"
#include "io/aside.h"
#include "run/archiving.h"

/* Status of tar: files changed or vanished; something is missing. */
enum { TAR_DIFFERS = 1, TAR_FAILED = 2 };

#define FIND_MS 15000

/* ---- where it goes ---------------------------------------------------------------------- */

typedef struct hf_io_sink *packing(struct hf_io_packer *p, struct hf_io_sink *next,
                                   struct hf_err *err);

static struct hf_io_sink *open_sink(struct archiving *x, const char *name, int which, packing *pack,
                                    struct hf_io_digest *digest, uint64_t *stored,
                                    struct hf_err *err)
{
    HF_AUTOFREE char *file = hf_asprintf("%s%s", name, hf_io_packing_suffix(x->req->packing));
    if (!file) {
        hf_fail_nomem(err);
        return NULL;
    }
    x->packers[which] = hf_io_packer_new(x->req->packing, 0, err);
    struct hf_io_sink *s =
        x->packers[which] ? x->place.open(x->place.ctx, file, stored, err) : NULL;
    s = s ? pack(x->packers[which], s, err) : NULL;
    s = s ? hf_io_hash_new(s, digest, err) : NULL;
    return s ? hf_io_aside_new(s, err) : NULL;
}

/* ---- where it comes from ---------------------------------------------------------------- */

static void take_said(void *ctx, const char *data, size_t len)
{
    hf_said_add(ctx, data, len);
}

static struct hf_stream *start_by_agent(struct archiving *x, const struct hf_stream_opts *opts,
                                        struct hf_err *err)
{
    HF_AUTO(hf_vm_copy) struct hf_vm_copy found = {0};
    struct hf_hv_call call = hf_env_call(x->env, x->id, FIND_MS);
    if (hf_way_open(&x->way, x->env, x->vm, NULL, x->id, HF_WAY_AGENT, err) < 0 ||
        hf_hv_vm_find(x->way.hv, &call, x->vm->name, &found, err) < 0 ||
        hf_way_open(&x->way, x->env, x->vm, found.id, x->id, HF_WAY_GUEST, err) < 0)
        return NULL;
    return hf_stream_agent(x->way.guest, x->id, HF_STREAM_LIFE_MS, opts, err);
}

/* By ssh where there is one: it is the faster. */
static int start(struct archiving *x, struct hf_err *err)
{
    struct hf_stream_opts opts = {
        .argv = (const char *const *)x->argv.items,
        .said = take_said,
        .ctx = &x->said,
        .clock = x->env->clock,
        .cancel = x->env->cancel,
        .log = x->env->log,
    };
    x->from_us = hf_clock_wall_us(x->env->clock);
    if (x->vm->ssh.host) {
        struct hf_ssh_target target = hf_way_ssh_target(x->vm);
        x->stream = hf_stream_ssh(&target, &opts, err);
    } else {
        x->stream = start_by_agent(x, &opts, err);
    }
    return x->stream ? 0 : -1;
}

/* ---- what it is ------------------------------------------------------------------------- */

static ssize_t read_and_keep(void *ctx, void *buf, size_t size, struct hf_err *err)
{
    struct archiving *x = ctx;
    ssize_t n = hf_stream_read(x->stream, buf, size, err);
    if (n > 0 && hf_io_write(x->tar, buf, (size_t)n, err) < 0)
        return -1;
    return n;
}

static int list_entry(struct archiving *x, struct hf_tar *tar, struct hf_entry *e,
                      struct hf_buf *line, struct hf_err *err)
{
    hf_buf_clear(line);
    if ((e->type == HF_ENTRY_FILE && hf_tar_content(tar, e, NULL, err) < 0) ||
        hf_entry_print(e, line, err) < 0)
        return -1;
    x->totals = hf_tar_totals(tar);
    if (x->req->progress)
        x->req->progress(x->req->progress_ctx, x->totals.entries, x->totals.tar_bytes);
    return hf_io_write(x->listing, line->data, line->len, err);
}

static int take_stream(struct archiving *x, struct hf_err *err)
{
    const struct hf_tar_source source = {read_and_keep, x};
    HF_AUTO(hf_buf) struct hf_buf line = HF_BUF_INIT;
    HF_AUTO(hf_entry) struct hf_entry e = {0};
    HF_AUTO(hf_tar) struct hf_tar *tar = hf_tar_open(&source, x->env->cancel, err);
    int rc = tar ? 1 : -1;
    while (rc == 1 && (rc = hf_tar_next(tar, &e, NULL, err)) == 1)
        if (list_entry(x, tar, &e, &line, err) < 0)
            rc = -1;
    if (tar)
        x->totals = hf_tar_totals(tar);
    x->until_us = hf_clock_wall_us(x->env->clock);
    return rc;
}

/* What tar said explains best why its stream is none. */
static int explain(struct archiving *x, struct hf_err *err)
{
    hf_said_add(&x->said, NULL, 0);
    if (err->cls == HF_E_CORRUPT && x->said.kept[HF_SAID_OTHER].n)
        hf_wrap(err, "the guest says '%s'", x->said.kept[HF_SAID_OTHER].items[0]);
    return -1;
}

static int warn_of(struct archiving *x, enum hf_said_kind kind, struct hf_err *err)
{
    const struct hf_strv *kept = &x->said.kept[kind];
    for (size_t i = 0; i < kept->n; i++)
        if (hf_strv_take(&x->warnings, hf_asprintf("%s: %s", hf_said_name(kind), kept->items[i])) <
            0)
            return hf_fail_nomem(err);
    if (x->said.n[kind] > kept->n &&
        hf_strv_take(&x->warnings, hf_asprintf("%s: %llu more", hf_said_name(kind),
                                               (unsigned long long)(x->said.n[kind] - kept->n))) <
            0)
        return hf_fail_nomem(err);
    return 0;
}

static int judge(struct archiving *x, struct hf_err *err)
{
    int status = hf_stream_status(x->stream);
    const struct hf_said *said = &x->said;
    if (said->is_nomem)
        return hf_fail_nomem(err);
    if (said->n[HF_SAID_UNREADABLE] && x->vm->unreadable == HF_UNREADABLE_FAIL) {
        hf_fail(err, HF_E_PLUGIN, "%llu not readable, the first: %s",
                (unsigned long long)said->n[HF_SAID_UNREADABLE],
                said->kept[HF_SAID_UNREADABLE].items[0]);
        return hf_hint(err, "Leave it out (exclude), or set unreadable = warn.");
    }
    /* For what cannot be read tar has a failure's status, too. */
    if (status > TAR_FAILED || (status == TAR_FAILED && !said->n[HF_SAID_UNREADABLE]))
        return hf_fail(err, HF_E_PLUGIN, "tar in the guest: status %d%s%s", status,
                       said->kept[HF_SAID_OTHER].n ? ": " : "",
                       said->kept[HF_SAID_OTHER].n ? said->kept[HF_SAID_OTHER].items[0] : "");
    for (int kind = 0; kind < HF_SAID_KINDS; kind++)
        if (warn_of(x, (enum hf_said_kind)kind, err) < 0)
            return -1;
    return 0;
}

static int open_sinks(struct archiving *x, struct hf_err *err)
{
    x->tar =
        open_sink(x, HF_ARCHIVE_TAR, 0, hf_io_pack_frames_new, &x->tar_digest, &x->tar_stored, err);
    if (x->tar)
        x->listing = open_sink(x, HF_ARCHIVE_LISTING, 1, hf_io_pack_new, &x->listing_digest,
                               &x->listing_stored, err);
    return x->listing ? 0 : -1;
}

int archiving_read_files(struct archiving *x, struct hf_err *err)
{
    if (open_sinks(x, err) < 0 || start(x, err) < 0)
        return -1;
    int rc = take_stream(x, err) < 0 ? explain(x, err) : judge(x, err);
    hf_stream_close(HF_STEAL(x->stream));
    return rc;
}
