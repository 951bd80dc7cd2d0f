/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/files.h"

#include "base/path.h"
#include "files/unpack.h"
#include "restore/part.h"

#include <string.h>
#include <unistd.h>

#define DATE_DIGITS 8 /* at the beginning of a point's id */

static bool has(const char *dir, const char *name)
{
    HF_AUTOFREE char *path = hf_path_join(dir, name);
    return path && access(path, F_OK) == 0;
}

/* One that was not finished, too: that is what has to be said of it. */
static bool is_archive(const char *dir)
{
    return has(dir, HF_ARCHIVE_ABOUT) || has(dir, HF_IO_INCOMPLETE);
}

bool hf_restore_files_is_point(const char *from)
{
    const char *slash = strrchr(from, '/'), *id = slash ? slash + 1 : from;
    return !is_archive(from) && strspn(id, "0123456789") >= DATE_DIGITS &&
           id[strspn(id, "0123456789abcdefTZ-")] == '\0';
}

/* part NULL: from a directory. */
static int make_document(const struct hf_restore_files *req, const struct hf_restore_part *part,
                         const struct hf_unpacked *u, struct json_object **out, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *doc = json_object_new_object();
    if (!doc || (!part && hf_json_add_string(doc, "dir", req->from) < 0) ||
        (part && (hf_restore_part_document(part, doc) < 0 ||
                  hf_json_add_string(doc, "archive", part->artifact->name) < 0)) ||
        (req->vm && hf_json_add_string(doc, "vm", req->vm) < 0) ||
        hf_json_add_string(doc, "target", req->what.target) < 0 ||
        hf_json_add_int(doc, "entries", (int64_t)u->entries) < 0 ||
        hf_json_add_int(doc, "bytes", (int64_t)u->bytes) < 0 ||
        hf_json_add_int(doc, "n_refused", (int64_t)u->n_refused) < 0 ||
        hf_json_add(doc, "refused", hf_json_strings(&u->refused)) < 0 ||
        hf_json_add(doc, "warnings", hf_json_strings(&u->warnings)) < 0)
        return hf_fail_nomem(err);
    *out = HF_STEAL(doc);
    return 0;
}

static int restore(const struct hf_env *env, const struct hf_restore_files *req,
                   const struct hf_unpack *what, struct hf_unpacked *out, struct hf_err *err)
{
    const struct hf_run_restore into_guest = {
        .vm = req->vm, .what = *what, .progress = req->progress, .progress_ctx = req->progress_ctx};
    return req->vm ? hf_run_restore(env, &into_guest, out, err) : hf_files_unpack(what, out, err);
}

static int open_point(const struct hf_env *env, const struct hf_restore_files *req,
                      struct hf_restore_part *part, struct hf_unpack *what, struct hf_err *err)
{
    const struct hf_restore_wish wish = {
        .point = req->from, .store = req->store, .kind = HF_POINT_FILES, .name = req->archive};
    if (hf_restore_part_open(env, &wish, part, err) < 0 ||
        hf_point_part_check(part->files, err) < 0)
        return -1;
    what->files = part->files;
    what->stops_early = true;
    return 0;
}

int hf_restore_files(const struct hf_env *env, const struct hf_restore_files *req,
                     struct hf_unpacked *out, struct json_object **doc, struct hf_err *err)
{
    HF_AUTO(hf_restore_part) struct hf_restore_part part = {0};
    const bool is_point = req->is_point || hf_restore_files_is_point(req->from);
    struct hf_unpack what = req->what;
    what.dir = req->from;
    if (!is_point && (req->store || req->archive))
        return hf_fail(err, HF_E_CONFIG, "'%s' is no point: --store and --archive are for one",
                       req->from);
    if ((is_point && open_point(env, req, &part, &what, err) < 0) ||
        restore(env, req, &what, out, err) < 0)
        return hf_wrap(err, "restore of '%s'", req->from);
    return make_document(req, is_point ? &part : NULL, out, doc, err);
}
