/* SPDX-License-Identifier: Apache-2.0 */
#include "run/archive_run.h"

#include "base/buf.h"
#include "base/id.h"
#include "base/point.h"
#include "files/command.h"
#include "files/said.h"
#include "files/tar.h"
#include "guest/stream_agent.h"
#include "guest/stream_ssh.h"
#include "io/aside.h"
#include "io/folder.h"
#include "run/way.h"

#include <string.h>

/* Status of tar: files changed or vanished; something is missing. */
enum { TAR_DIFFERS = 1, TAR_FAILED = 2 };

#define FIND_MS 15000

struct archiving {
    const struct hf_env *env;
    const struct hf_run_archive *req;
    const struct hf_config_vm *vm;
    char id[HF_ID_MAX];
    struct hf_io_folder folder;
    struct hf_strv argv, warnings;
    struct hf_said said;
    struct hf_way way; /* for the agent */
    struct hf_stream *stream;
    struct hf_io_packer *packers[2]; /* of tar and listing, which are written side by side */
    struct hf_io_sink *tar, *listing;
    struct hf_io_digest tar_digest, listing_digest;
    uint64_t tar_stored, listing_stored;
    struct hf_tar_totals totals;
    int64_t from_us, until_us;
};

static void archiving_close(struct archiving *x)
{
    hf_stream_close(x->stream);
    hf_way_close(&x->way);
    hf_io_close(x->tar);
    hf_io_close(x->listing);
    for (size_t i = 0; i < HF_ARRAY_SIZE(x->packers); i++)
        hf_io_packer_free(x->packers[i]);
    hf_io_folder_close(&x->folder);
    hf_said_free(&x->said);
    hf_strv_free(&x->argv);
    hf_strv_free(&x->warnings);
}
HF_DEFINE_AUTO_VALUE(archiving, archiving_close)

/* ---- before ----------------------------------------------------------------------------- */

static int find_files(struct archiving *x, struct hf_err *err)
{
    x->vm = hf_config_find_vm(x->env->config, x->req->vm, err);
    if (!x->vm || hf_id_new(x->env->clock, x->id, err) < 0)
        return -1;
    hf_log_bind(x->env->log, x->id, x->vm->label);
    if (x->vm->files.n == 0) {
        hf_fail(err, HF_E_CONFIG, "vm %s has no files to archive", x->vm->label);
        return hf_hint(err, "Name folders and files of the guest in [vm %s]: files = /var/www/app",
                       x->vm->label);
    }
    if (!x->vm->ssh.host && x->vm->guest == HF_GUEST_NONE) {
        hf_fail(err, HF_E_CONFIG, "vm %s: an archive needs a way into the guest", x->vm->label);
        return hf_hint(
            err,
            "Set ssh, ssh-key and ssh-known-hosts in [vm %s], or guest = agent, which is "
            "slower.",
            x->vm->label);
    }
    return hf_files_command(&x->vm->files, &x->vm->exclude, &x->argv, err);
}

static struct hf_io_sink *open_sink(struct archiving *x, const char *name, int which,
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
        x->packers[which] ? hf_io_file_new(x->folder.fd, x->req->dir, file, stored, err) : NULL;
    s = s ? hf_io_pack_new(x->packers[which], s, err) : NULL;
    s = s ? hf_io_hash_new(s, digest, err) : NULL;
    return s ? hf_io_aside_new(s, err) : NULL;
}

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

/* ---- the stream ------------------------------------------------------------------------- */

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

/* ---- the document ----------------------------------------------------------------------- */

static int add_times(const struct archiving *x, struct json_object *doc)
{
    char from[HF_TIME_MAX], until[HF_TIME_MAX];
    hf_time_rfc3339(x->from_us, from);
    hf_time_rfc3339(x->until_us, until);
    return hf_json_add_string(doc, "read_from", from) < 0 ||
                   hf_json_add_string(doc, "read_until", until) < 0 ||
                   hf_json_add_int(doc, "duration_ms", (x->until_us - x->from_us) / 1000) < 0
               ? -1
               : 0;
}

static int add_sums(const struct archiving *x, struct json_object *doc)
{
    struct json_object *types = json_object_new_object();
    if (!types || hf_json_add(doc, "types", types) < 0)
        return -1;
    for (int i = 0; i < HF_ENTRY_TYPES; i++)
        if (hf_json_add_int(types, hf_entry_type_name((enum hf_entry_type)i),
                            (int64_t)x->totals.by_type[i]) < 0)
            return -1;
    for (int i = 0; i < HF_SAID_OTHER; i++)
        if (hf_json_add_int(doc, hf_said_name((enum hf_said_kind)i), (int64_t)x->said.n[i]) < 0)
            return -1;
    return hf_json_add_int(doc, "entries", (int64_t)x->totals.entries) < 0 ||
                   hf_json_add_int(doc, "bytes", (int64_t)x->totals.content_bytes) < 0 ||
                   hf_json_add_int(doc, "tar_bytes", (int64_t)x->totals.tar_bytes) < 0 ||
                   hf_json_add_int(doc, "stored_bytes",
                                   (int64_t)(x->tar_stored + x->listing_stored)) < 0 ||
                   hf_json_add_string(doc, "tar_sha256", x->tar_digest.sha256) < 0 ||
                   hf_json_add_string(doc, "listing_sha256", x->listing_digest.sha256) < 0
               ? -1
               : 0;
}

static int make_document(const struct archiving *x, struct json_object **out, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *doc = json_object_new_object();
    if (!doc || hf_json_add_int(doc, "format", 1) < 0 ||
        hf_json_add_string(doc, "run", x->id) < 0 ||
        hf_json_add_string(doc, "vm", x->vm->label) < 0 ||
        hf_json_add(doc, "paths", hf_json_strings(&x->vm->files)) < 0 ||
        hf_json_add(doc, "exclude", hf_json_strings(&x->vm->exclude)) < 0 ||
        hf_json_add_string(doc, "compression", hf_io_packing_name(x->req->packing)) < 0 ||
        add_times(x, doc) < 0 || add_sums(x, doc) < 0 ||
        hf_json_add(doc, "warnings", hf_json_strings(&x->warnings)) < 0)
        return hf_fail_nomem(err);
    *out = HF_STEAL(doc);
    return 0;
}

static int write_about(struct archiving *x, struct json_object *doc, struct hf_err *err)
{
    const char *text = json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PRETTY |
                                                               JSON_C_TO_STRING_NOSLASHESCAPE);
    HF_AUTO(hf_io_sink)
    struct hf_io_sink *s = hf_io_file_new(x->folder.fd, x->req->dir, HF_ARCHIVE_ABOUT, NULL, err);
    return s && hf_io_write(s, text, strlen(text), err) == 0 && hf_io_write(s, "\n", 1, err) == 0
               ? hf_io_finish(s, err)
               : -1;
}

/* ---- all of it -------------------------------------------------------------------------- */

static int archive(struct archiving *x, struct json_object **out, struct hf_err *err)
{
    if (!(x->tar = open_sink(x, HF_ARCHIVE_TAR, 0, &x->tar_digest, &x->tar_stored, err)) ||
        !(x->listing =
              open_sink(x, HF_ARCHIVE_LISTING, 1, &x->listing_digest, &x->listing_stored, err)) ||
        start(x, err) < 0)
        return -1;
    if (take_stream(x, err) < 0)
        return explain(x, err);
    if (judge(x, err) < 0 || HF_POINT_ERR("archive.before_finish", err) < 0 ||
        hf_io_finish(x->tar, err) < 0 || hf_io_finish(x->listing, err) < 0 ||
        make_document(x, out, err) < 0 || write_about(x, *out, err) < 0)
        return -1;
    return hf_io_folder_finish(&x->folder, err);
}

int hf_run_archive(const struct hf_env *env, const struct hf_run_archive *req,
                   struct json_object **out, struct hf_err *err)
{
    HF_AUTO(archiving)
    struct archiving x = {.env = env, .req = req, .folder = HF_IO_FOLDER_INIT};
    HF_AUTOJSON struct json_object *doc = NULL;
    if (find_files(&x, err) < 0 || hf_io_folder_begin(&x.folder, req->dir, "archive", err) < 0)
        return -1;
    if (archive(&x, &doc, err) < 0) {
        hf_left(err, "%s, an unfinished archive", req->dir);
        return hf_wrap(err, "archive of vm %s", x.vm->label);
    }
    if (hf_json_add_string(doc, "dir", req->dir) < 0)
        return hf_fail_nomem(err);
    hf_log(env->log, HF_LOG_INFO, "archive", "all of it is in %s", req->dir);
    *out = HF_STEAL(doc);
    return 0;
}
