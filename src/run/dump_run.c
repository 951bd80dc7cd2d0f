/* SPDX-License-Identifier: Apache-2.0 */
#include "run/dump_run.h"

#include "run/dumping.h"

/* ---- the document ----------------------------------------------------------------------- */

static int add_position(struct json_object *doc, const struct hf_db_position *p)
{
    if (!p->has_binlog)
        return hf_json_add_string(doc, "position", NULL);
    struct json_object *o = json_object_new_object();
    if (!o || hf_json_add_string(o, "file", p->file) < 0 ||
        hf_json_add_int(o, "offset", (int64_t)p->offset) < 0 ||
        hf_json_add_string(o, "gtid", p->gtid) < 0) {
        json_object_put(o);
        return -1;
    }
    return hf_json_add(doc, "position", o);
}

static int64_t ms_between(int64_t from_us, int64_t to_us)
{
    return to_us > from_us ? (to_us - from_us + 999) / 1000 : 0;
}

static int add_sums(const struct dumping *x, int64_t begin_us, struct json_object *doc)
{
    struct hf_dump_totals t = hf_dump_totals(x->dump);
    int64_t released_us = hf_db_lock_released_us(x->lock);
    return hf_json_add_int(doc, "schemas", (int64_t)t.schemas) < 0 ||
                   hf_json_add_int(doc, "tables", (int64_t)t.tables) < 0 ||
                   hf_json_add_int(doc, "views", (int64_t)t.views) < 0 ||
                   hf_json_add_int(doc, "rows", (int64_t)t.rows) < 0 ||
                   hf_json_add_int(doc, "files", (int64_t)t.files) < 0 ||
                   hf_json_add_int(doc, "bytes", (int64_t)t.bytes) < 0 ||
                   hf_json_add_int(doc, "stored_bytes", (int64_t)t.stored_bytes) < 0 ||
                   hf_json_add_int(doc, "stall_ms", ms_between(x->timing.begin_us, released_us)) <
                       0 ||
                   hf_json_add_int(doc, "held_ms", ms_between(x->timing.held_us, released_us)) <
                       0 ||
                   hf_json_add_int(doc, "duration_ms",
                                   ms_between(begin_us, hf_clock_mono_us(x->env->clock))) < 0
               ? -1
               : 0;
}

static int make_document(const struct dumping *x, int64_t begin_us, struct json_object **out,
                         struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv plain = HF_STRV_INIT;
    HF_AUTOJSON struct json_object *doc = json_object_new_object();
    if (hf_dump_plain_tables(x->dump, &plain, err) < 0)
        return -1;
    if (!doc || hf_json_add_string(doc, "run", x->id) < 0 ||
        hf_json_add_string(doc, "vm", x->vm->label) < 0 ||
        hf_json_add_string(doc, "dir", x->req->dir) < 0 || add_position(doc, &x->position) < 0 ||
        add_sums(x, begin_us, doc) < 0 ||
        hf_json_add(doc, "nontransactional", hf_json_strings(&plain)) < 0 ||
        hf_json_add(doc, "warnings", hf_json_strings(hf_dump_warnings(x->dump))) < 0)
        return hf_fail_nomem(err);
    *out = HF_STEAL(doc);
    return 0;
}

/* ---- all of it -------------------------------------------------------------------------- */

static int find_vm(struct dumping *x, struct hf_err *err)
{
    x->vm = hf_config_find_vm(x->env->config, x->req->vm, err);
    if (!x->vm || hf_id_new(x->env->clock, x->id, err) < 0)
        return -1;
    hf_log_bind(x->env->log, x->id, x->vm->label);
    return 0;
}

static int dump(struct dumping *x, struct hf_err *err)
{
    if (dumping_open(x, err) < 0)
        return -1;
    if (dumping_attach(x, err) < 0 || hf_dump_run(x->dump, &x->position, err) < 0)
        return hf_left(err, "%s, an unfinished dump", x->req->dir);
    return 0;
}

int hf_run_dump(const struct hf_env *env, const struct hf_run_dump *req, struct json_object **out,
                struct hf_err *err)
{
    int64_t begin_us = hf_clock_mono_us(env->clock);
    HF_AUTO(dumping)
    struct dumping x = {.env = env, .req = req, .position = HF_DB_POSITION_INIT};
    if (find_vm(&x, err) < 0)
        return -1;
    if (dump(&x, err) < 0)
        return hf_wrap(err, "dump of vm %s", x.vm->label);
    hf_log(env->log, HF_LOG_INFO, "dump", "all of it is in %s", req->dir);
    return make_document(&x, begin_us, out, err);
}
