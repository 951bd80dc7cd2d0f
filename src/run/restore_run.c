/* SPDX-License-Identifier: Apache-2.0 */
#include "run/restore_run.h"

#include "base/point.h"
#include "files/retar.h"
#include "files/said.h"
#include "guest/feed_ssh.h"
#include "run/restore_ask.h"
#include "run/way.h"

#include <string.h>

#define LOGIN_MS 15000
#define SYNC_MS (5 * 60 * 1000)

struct restoring {
    const struct hf_env *env;
    const struct hf_run_restore *req;
    struct hf_unpacked *out;
    const struct hf_config_vm *vm;
    struct hf_ssh_target login;
    struct hf_plan plan;
    struct hf_said said; /* by the guest's tar */
    uint64_t n_said;
    struct hf_guest *guest;
    struct hf_feed *feed;
    struct hf_retar *tar;
};

static void restoring_close(struct restoring *x)
{
    hf_retar_close(x->tar);
    hf_feed_close(x->feed);
    hf_guest_close(x->guest);
    hf_said_free(&x->said);
    hf_plan_close(&x->plan);
}
HF_DEFINE_AUTO_VALUE(restoring, restoring_close)

static int find_guest(struct restoring *x, struct hf_err *err)
{
    x->vm = hf_config_find_vm(x->env->config, x->req->vm, err);
    if (!x->vm)
        return -1;
    if (!x->vm->ssh.host) {
        hf_fail(err, HF_E_CONFIG, "vm %s: a restore needs a way into the guest by ssh",
                x->vm->label);
        return hf_hint(err, "Set ssh, ssh-key and ssh-known-hosts in [vm %s].", x->vm->label);
    }
    if (x->req->what.target[0] != '/')
        return hf_fail(err, HF_E_CONFIG, "'%s' is no absolute path in the guest",
                       x->req->what.target);
    x->login = hf_way_ssh_target(x->vm);
    return 0;
}

static int open_guest(struct restoring *x, struct hf_err *err)
{
    int64_t until_ms = hf_clock_mono_ms(x->env->clock) + LOGIN_MS;
    x->guest = hf_guest_ssh(&x->login, x->env->clock, x->env->log, until_ms, err);
    return x->guest ? 0 : -1;
}

/* ---- the guest's tar -------------------------------------------------------------------- */

static void take_said(void *ctx, const char *data, size_t len)
{
    hf_said_add(ctx, data, len);
}

/* -k: what has come into being since it was asked about is an error, too. */
static int start(struct restoring *x, struct hf_err *err)
{
    const struct hf_unpack *what = &x->req->what;
    const char *const argv[] = {"env",
                                "-u",
                                "TAR_OPTIONS",
                                "LC_ALL=C",
                                "tar",
                                "--extract",
                                "--file=-",
                                "--preserve-permissions",
                                "--numeric-owner",
                                "--acls",
                                "--xattrs",
                                "--xattrs-include=user.*",
                                "--xattrs-include=trusted.*",
                                "--xattrs-include=security.*",
                                "--warning=no-unknown-keyword",
                                "--warning=no-timestamp",
                                "--quoting-style=escape",
                                "-C",
                                what->target,
                                what->overwrite ? NULL : "--keep-old-files",
                                NULL};
    const struct hf_feed_opts opts = {.argv = argv,
                                      .said = take_said,
                                      .ctx = &x->said,
                                      .clock = x->env->clock,
                                      .cancel = x->env->cancel,
                                      .log = x->env->log};
    x->feed = hf_feed_ssh(&x->login, &opts, err);
    return x->feed ? 0 : -1;
}

static const char *find_said(const struct hf_said *said, const char *text)
{
    for (int kind = 0; kind < HF_SAID_KINDS; kind++)
        for (size_t i = 0; i < said->kept[kind].n; i++)
            if (strstr(said->kept[kind].items[i], text))
                return said->kept[kind].items[i];
    return NULL;
}

/* tar goes on with the next file when one does not fit. */
static int check_full(struct restoring *x, struct hf_err *err)
{
    uint64_t n = 0;
    for (int kind = 0; kind < HF_SAID_KINDS; kind++)
        n += x->said.n[kind];
    if (n == x->n_said)
        return 0;
    x->n_said = n;
    const char *line = find_said(&x->said, "No space left on device");
    line = line ? line : find_said(&x->said, "Disk quota exceeded");
    return line ? hf_fail(err, HF_E_NOSPACE, "tar in the guest: %s", line) : 0;
}

static int write_tar(void *ctx, const void *data, size_t len, struct hf_err *err)
{
    struct restoring *x = ctx;
    if (x->req->progress)
        x->req->progress(x->req->progress_ctx, x->out->entries, hf_retar_bytes(x->tar));
    return hf_feed_write(x->feed, data, len, err) < 0 ? -1 : check_full(x, err);
}

static int warn_of_said(struct restoring *x, struct hf_err *err)
{
    if (x->said.is_nomem)
        return hf_fail_nomem(err);
    for (int kind = 0; kind < HF_SAID_KINDS; kind++)
        for (size_t i = 0; i < x->said.kept[kind].n; i++)
            if (hf_unpacked_warn(x->out, "tar in the guest", x->said.kept[kind].items[i], err) < 0)
                return -1;
    return 0;
}

/* The session that asked may have been idle for hours; one that was lost is opened again. */
static int sync_guest(struct restoring *x, struct hf_err *err)
{
    static const char *const argv[] = {"sync", NULL};
    const struct hf_guest_cmd cmd = {.argv = argv,
                                     .deadline_ms = hf_clock_mono_ms(x->env->clock) + SYNC_MS};
    if (HF_POINT_ERR("restore.before_sync", err) < 0)
        return -1;
    return hf_guest_run(x->guest, &cmd, NULL, err);
}

static int send_all(struct restoring *x, struct hf_err *err)
{
    if (!(x->tar = hf_retar_new(write_tar, x, err)))
        return -1;
    const struct hf_plan_sink sink = hf_retar_sink(x->tar);
    if (hf_plan_run(&x->plan, &sink, err) < 0 || hf_retar_finish(x->tar, err) < 0)
        return -1;
    return hf_feed_finish(x->feed, err);
}

static int restore(struct restoring *x, struct hf_err *err)
{
    struct hf_err full = HF_ERR_INIT;
    if (start(x, err) < 0)
        return -1;
    if (send_all(x, err) < 0) {
        x->n_said = 0;
        if (err->cls == HF_E_PLUGIN && check_full(x, &full) < 0)
            hf_err_copy(err, &full);
        return -1;
    }
    return warn_of_said(x, err) < 0 ? -1 : sync_guest(x, err);
}

int hf_run_restore(const struct hf_env *env, const struct hf_run_restore *req,
                   struct hf_unpacked *out, struct hf_err *err)
{
    HF_AUTO(restoring)
    struct restoring x = {.env = env, .req = req, .out = out, .plan = HF_PLAN_INIT};
    if (find_guest(&x, err) < 0 || hf_plan_open(&x.plan, &req->what, out, err) < 0)
        return -1;
    if (open_guest(&x, err) < 0 || hf_restore_ask(x.guest, env->clock, &x.plan, err) < 0)
        return hf_wrap(err, "vm %s", x.vm->label);
    if (restore(&x, err) < 0) {
        hf_left(err, "the guest of vm %s may have a part of it, below %s", x.vm->label,
                req->what.target);
        hf_hint(err, "Once that is mended, the same with --overwrite completes it.");
        return hf_wrap(err, "vm %s", x.vm->label);
    }
    hf_log(env->log, HF_LOG_INFO, "restore", "all of it is in the guest, below %s",
           req->what.target);
    return 0;
}
