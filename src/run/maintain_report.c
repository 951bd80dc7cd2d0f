/* SPDX-License-Identifier: Apache-2.0 */
#include "run/maintaining.h"
#include "run/report.h"

static const char *const outcomes[] = {[HF_MAINTAIN_KEPT] = "kept",
                                       [HF_MAINTAIN_ROLLED_BACK] = "rolled-back",
                                       [HF_MAINTAIN_FAILED_KEPT] = "failed-kept",
                                       [HF_MAINTAIN_NOT_BEGUN] = "not-begun"};

static struct json_object *command(const struct maintaining *m)
{
    struct json_object *o = json_object_new_object(), *argv = json_object_new_array();
    int bad = !o || !argv;
    for (size_t i = 0; !bad && m->req->argv[i]; i++)
        bad = json_object_array_add(argv, json_object_new_string(m->req->argv[i]));
    if (!o)
        json_object_put(argv);
    bad = bad || hf_json_add(o, "argv", argv) < 0 ||
          hf_json_add(o, "exit_status",
                      m->has_run ? json_object_new_int(m->command.exit_status) : NULL) < 0 ||
          hf_json_add_string(o, "log", m->has_run ? m->log : NULL) < 0;
    if (!bad)
        return o;
    json_object_put(o);
    return NULL;
}

static struct json_object *probes(const struct hf_probing *p)
{
    struct json_object *rows = json_object_new_array();
    for (size_t i = 0; rows && p->results && i < p->vm->probe.n; i++) {
        const struct hf_probe_result *r = &p->results[i];
        struct json_object *row = hf_json_append_object(rows);
        if (!row || hf_json_add_string(row, "probe", r->probe->text) < 0 ||
            hf_json_add_bool(row, "ok", r->ok) < 0 ||
            hf_json_add_string(row, "message", r->message[0] ? r->message : NULL) < 0 ||
            hf_json_add_int(row, "took_ms", r->took_ms) < 0) {
            json_object_put(rows);
            return NULL;
        }
    }
    return rows;
}

/* NULL and *bad unset: nothing was saved. */
static struct json_object *saved(const struct hf_saved_writes *s, int *bad)
{
    if (!s->dir || s->files.n == 0)
        return NULL;
    struct json_object *o = json_object_new_object();
    *bad |= !o || hf_json_add_string(o, "dir", s->dir) < 0 ||
            hf_json_add(o, "files", hf_json_strings(&s->files)) < 0 ||
            hf_json_add_int(o, "bytes", (int64_t)s->bytes) < 0;
    return o;
}

struct json_object *maintaining_report(const struct maintaining *m,
                                       enum hf_maintain_outcome outcome, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *doc = json_object_new_object();
    struct json_object *cmd = command(m), *before = probes(&m->before),
                       *after = m->has_after ? probes(&m->after) : NULL;
    int bad = !doc || !cmd || !before || (m->has_after && !after);
    struct json_object *writes = saved(&m->saved, &bad);
    if (bad) {
        json_object_put(cmd);
        json_object_put(before);
        json_object_put(after);
        json_object_put(writes);
        hf_fail_nomem(err);
        return NULL;
    }
    bad = hf_json_add_string(doc, "run", m->run->id) |
          hf_json_add_string(doc, "vm", m->run->vm->label) |
          hf_json_add_string(doc, "snapshot", m->snapshot) | hf_json_add(doc, "command", cmd) |
          hf_json_add(doc, "probes", before) | hf_json_add(doc, "probes_after", after) |
          hf_json_add_string(doc, "outcome", outcomes[outcome]) |
          hf_json_add_string(doc, "why", m->why) | hf_json_add(doc, "saved", writes) |
          hf_json_add_string(doc, "dump", m->dump) |
          hf_json_add(doc, "rollback", json_object_get(m->rollback)) |
          hf_json_add(doc, "warnings", hf_json_strings(&m->warnings));
    if (!bad)
        return HF_STEAL(doc);
    hf_fail_nomem(err);
    return NULL;
}
