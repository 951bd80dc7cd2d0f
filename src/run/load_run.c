/* SPDX-License-Identifier: Apache-2.0 */
#include "run/load_run.h"

#include "config/config.h"

static int fail_address(const char *to, struct hf_err *err)
{
    hf_fail(err, HF_E_CONFIG, "--to-db: '%s' is no address of a database", to);
    return hf_hint(err, "Write tcp://HOST:PORT; user and password stand in the --defaults-file.");
}

/* As of [vm] db =, of which only tcp:// is one for a load. */
static int read_address(const char *to, struct hf_db_address *out, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    bool is_read = hf_db_address_parse(to, out, &why) == 0;
    if (is_read && out->kind == HF_DB_TCP)
        return 0;
    if (is_read || why.cls == HF_E_CONFIG)
        return fail_address(to, err);
    hf_err_copy(err, &why);
    return -1;
}

static int add_compared(struct json_object *doc, const struct hf_load_result *r)
{
    struct json_object *o = json_object_new_object();
    if (!o || hf_json_add_int(o, "rows", (int64_t)r->compared_rows) < 0 ||
        hf_json_add_int(o, "checksums", (int64_t)r->compared_checksums) < 0) {
        json_object_put(o);
        return -1;
    }
    return hf_json_add(doc, "compared", o);
}

static struct json_object *make_document(const struct hf_run_load *req,
                                         const struct hf_load_result *r, int64_t ms,
                                         struct hf_err *err)
{
    HF_AUTOJSON struct json_object *doc = json_object_new_object();
    if (!doc || (!req->opts.files && hf_json_add_string(doc, "dir", req->opts.dir) < 0) ||
        hf_json_add_string(doc, "target", req->to) < 0 ||
        hf_json_add_int(doc, "schemas", (int64_t)r->schemas) < 0 ||
        hf_json_add_int(doc, "tables", (int64_t)r->tables) < 0 ||
        hf_json_add_int(doc, "views", (int64_t)r->views) < 0 ||
        hf_json_add_int(doc, "rows", (int64_t)r->rows) < 0 ||
        hf_json_add_int(doc, "bytes", (int64_t)r->bytes) < 0 ||
        hf_json_add_int(doc, "stored_bytes", (int64_t)r->stored_bytes) < 0 ||
        hf_json_add_int(doc, "duration_ms", ms) < 0 ||
        hf_json_add_bool(doc, "resumed", r->was_resumed) < 0 || add_compared(doc, r) < 0 ||
        hf_json_add(doc, "differences", hf_json_strings(&r->differences)) < 0 ||
        hf_json_add(doc, "warnings", hf_json_strings(&r->warnings)) < 0) {
        hf_fail_nomem(err);
        return NULL;
    }
    return HF_STEAL(doc);
}

int hf_run_load(const struct hf_env *env, struct hf_run_load *req, struct json_object **out,
                struct hf_err *err)
{
    HF_AUTO(hf_load_result) struct hf_load_result result = {0};
    HF_AUTO(hf_db_address) struct hf_db_address to = {0};
    int64_t begin_ms = hf_clock_mono_ms(env->clock);
    if (!req->target && read_address(req->to, &to, err))
        return -1;
    struct hf_db_target target = {
        .host = to.host, .port = to.port, .defaults_file = req->defaults_file};
    req->opts.target = req->target ? req->target : &target;
    req->opts.clock = env->clock;
    req->opts.cancel = env->cancel;
    req->opts.log = env->log;
    if (hf_load_run(&req->opts, &result, err))
        return hf_wrap(err, "load of %s", req->opts.files ? req->opts.files->label : req->opts.dir);
    *out = make_document(req, &result, hf_clock_mono_ms(env->clock) - begin_ms, err);
    if (!*out)
        return -1;
    return result.differences.n ? 1 : 0;
}
