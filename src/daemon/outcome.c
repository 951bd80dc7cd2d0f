/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/outcome.h"

#include "base/buf.h"
#include "base/utf8.h"
#include "net/json.h"
#include "policy/run_report.h"

#include <string.h>
#include <sys/wait.h>

enum { STATUS_DONE = 0, STATUS_DEGRADED = 3, STATUS_BUSY = 4 };

void hf_outcome_free(struct hf_outcome *o)
{
    free(o->run_id);
    free(o->error);
    free(o->message);
    free(o->grade);
    free(o->datastores);
    *o = (struct hf_outcome){.stall_ms = -1};
}

/* ---- text ------------------------------------------------------------------------------- */

/* One line of at most HF_DUTY_TEXT_MAX bytes, cut between characters. */
static void make_line(char *s)
{
    size_t len = strlen(s);
    if (len >= HF_DUTY_TEXT_MAX)
        for (len = HF_DUTY_TEXT_MAX - 1; len > 0 && ((unsigned char)s[len] & 0xC0) == 0x80;)
            len--;
    s[len] = '\0';
    hf_replace_controls(s, ' ');
}

static int set_message(struct hf_outcome *out, char *owned, struct hf_err *err)
{
    if (!owned)
        return hf_fail_nomem(err);
    make_line(owned);
    free(out->message);
    out->message = owned;
    return 0;
}

static int set_copy(char **field, const char *text, struct hf_err *err)
{
    free(*field);
    *field = text ? strdup(text) : NULL;
    return text && !*field ? hf_fail_nomem(err) : 0;
}

/* ---- the document ------------------------------------------------------------------------ */

static bool is_true(struct json_object *doc, const char *key)
{
    struct hf_err none = HF_ERR_INIT;
    bool value = false;
    return hf_json_get_bool(doc, key, &value, &none) == 0 && value;
}

static struct json_object *error_of(struct json_object *doc)
{
    struct hf_err none = HF_ERR_INIT;
    struct json_object *error = NULL;
    return doc && hf_json_get_object(doc, "error", &error, &none) == 0 ? error : NULL;
}

static int add_datastores(struct json_object *doc, struct hf_outcome *out, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv names = HF_STRV_INIT;
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    struct hf_err none = HF_ERR_INIT;
    if (!hf_json_list(doc, "datastores") ||
        hf_json_get_strings(doc, "datastores", &names, &none) < 0)
        return 0;
    for (size_t i = 0; i < names.n; i++)
        hf_buf_printf(&text, "%s%s", i ? "\n" : "", names.items[i]);
    if (!hf_buf_ok(&text))
        return hf_fail_nomem(err);
    return set_copy(&out->datastores, hf_buf_str(&text), err);
}

/* What the duty keeps of a report. */
static int read_report(struct json_object *doc, struct hf_outcome *out, struct hf_err *err)
{
    const struct hf_run_figures f = hf_run_figures(doc);
    out->stall_ms = f.stall_ms;
    out->bytes = f.bytes;
    out->is_protected = f.is_protected;
    if (set_copy(&out->run_id, f.run, err) < 0 || set_copy(&out->grade, f.grade, err) < 0)
        return -1;
    return add_datastores(doc, out, err);
}

/* ---- what is wrong ----------------------------------------------------------------------- */

int hf_outcome_failed(const struct hf_err *why, struct hf_outcome *out, struct hf_err *err)
{
    hf_outcome_free(out);
    out->outcome = why->cls == HF_E_BUSY ? "busy" : "failed";
    if (set_copy(&out->error, hf_err_class_name(why->cls), err) < 0)
        return -1;
    return set_message(out, strdup(why->message), err);
}

static int take_error(struct json_object *error, struct hf_outcome *out, struct hf_err *err)
{
    const char *class = hf_json_text(error, "class"), *message = hf_json_text(error, "message");
    bool is_busy = class && strcmp(class, hf_err_class_name(HF_E_BUSY)) == 0;
    out->outcome = is_busy ? "busy" : "failed";
    if (set_copy(&out->error, class ? class : hf_err_class_name(HF_E_INTERNAL), err) < 0)
        return -1;
    return set_message(out, strdup(message ? message : "it failed without saying why"), err);
}

static int fail(struct hf_outcome *out, struct hf_err *err, const char *fmt, ...) HF_PRINTF(3, 4);

static int fail(struct hf_outcome *out, struct hf_err *err, const char *fmt, ...)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    hf_buf_vprintf(&text, fmt, ap);
    va_end(ap);
    out->outcome = "failed";
    if (set_copy(&out->error, hf_err_class_name(HF_E_INTERNAL), err) < 0)
        return -1;
    return set_message(out, hf_buf_steal(&text), err);
}

/* The first store that failed, to be freed; NULL: none did, or no memory. */
static char *failed_store(struct json_object *doc)
{
    struct json_object *stores = hf_json_list(doc, "stores");
    for (size_t i = 0; stores && i < json_object_array_length(stores); i++) {
        struct json_object *s = json_object_array_get_idx(stores, i);
        const char *name = hf_json_text(s, "name"), *error = hf_json_text(s, "error");
        if (error)
            return hf_asprintf("store %s: %s", name ? name : "?", error);
    }
    return NULL;
}

static int say_degraded(struct json_object *doc, struct hf_outcome *out, struct hf_err *err)
{
    const char *grade = hf_json_text(doc, "grade"), *required = hf_json_text(doc, "required");
    const char *why = hf_json_text(doc, "grade_why");
    char *store = failed_store(doc);
    if (store)
        return set_message(out, store, err);
    if (grade && required && strcmp(grade, required) > 0)
        return set_message(out,
                           hf_asprintf("grade %s, and %s is required%s%s", grade, required,
                                       why ? ": " : "", why ? why : ""),
                           err);
    return set_message(out, strdup("done, but less than what is required"), err);
}

/* ---- of a child -------------------------------------------------------------------------- */

static int say_status(const struct hf_ending *e, struct hf_outcome *out, struct hf_err *err)
{
    const char *joint = *e->said ? ": " : "";
    if (WIFSIGNALED(e->status))
        return fail(out, err, "ended by signal %d%s%s", WTERMSIG(e->status), joint, e->said);
    return fail(out, err, "ended with status %d%s%s", WEXITSTATUS(e->status), joint, e->said);
}

/* The document says what the verb did, where it ended well. */
static int take_success(const char *kind, struct json_object *doc, struct hf_outcome *out,
                        struct hf_err *err)
{
    if (!out->run_id)
        return fail(out, err, "ended well, and its report names no run");
    if (strcmp(kind, HF_DUTY_DRILL) == 0 && !is_true(doc, "passed"))
        return fail(out, err, "ended well, and its report says no drill that passed");
    out->outcome = "done";
    return 0;
}

static int take_other_status(struct json_object *doc, const struct hf_ending *e,
                             struct hf_outcome *out, struct hf_err *err)
{
    const char *why = doc ? hf_json_text(doc, "why") : NULL;
    if (error_of(doc))
        return take_error(error_of(doc), out, err);
    if (why)
        return fail(out, err, "the drill failed: %s", why);
    if (say_status(e, out, err) < 0)
        return -1;
    if (WIFEXITED(e->status) && WEXITSTATUS(e->status) == STATUS_BUSY) {
        out->outcome = "busy";
        return set_copy(&out->error, hf_err_class_name(HF_E_BUSY), err);
    }
    return 0;
}

int hf_outcome_of_child(const char *kind, const struct hf_ending *e, struct hf_outcome *out,
                        struct hf_err *err)
{
    struct hf_err bad = HF_ERR_INIT;
    HF_AUTOJSON struct json_object *doc = NULL;
    int status = WIFEXITED(e->status) ? WEXITSTATUS(e->status) : -1;
    hf_outcome_free(out);
    if (e->is_cut)
        hf_fail(&bad, HF_E_CORRUPT, "it is too long");
    else
        doc = hf_json_parse(e->out, e->out_len, &bad);
    if (doc && read_report(doc, out, err) < 0)
        return -1;
    if (status != STATUS_DONE && status != STATUS_DEGRADED)
        return take_other_status(doc, e, out, err);
    if (!doc)
        return fail(out, err, "ended with status %d, and its report cannot be read: %s", status,
                    bad.message);
    if (error_of(doc))
        return take_error(error_of(doc), out, err);
    if (status == STATUS_DONE)
        return take_success(kind, doc, out, err);
    out->outcome = "degraded";
    return say_degraded(doc, out, err);
}

/* ---- of the catalog's row ---------------------------------------------------------------- */

static int take_row(const char *kind, const struct hf_catalog_run *run, struct json_object *doc,
                    struct hf_outcome *out, struct hf_err *err)
{
    if (!run->outcome)
        return fail(out, err, "interrupted: its process is gone, and nobody has seen its end");
    if (error_of(doc))
        return take_error(error_of(doc), out, err);
    if (strcmp(run->outcome, "done") == 0 && doc)
        return take_success(kind, doc, out, err);
    if (strcmp(run->outcome, "degraded") == 0 && doc) {
        out->outcome = "degraded";
        return say_degraded(doc, out, err);
    }
    const char *why = doc ? hf_json_text(doc, "why") : NULL;
    return why ? fail(out, err, "the drill failed: %s", why)
               : fail(out, err, "interrupted: the catalog says '%s'", run->outcome);
}

int hf_outcome_of_run(const char *kind, const struct hf_catalog_run *run, struct hf_outcome *out,
                      struct hf_err *err)
{
    struct hf_err bad = HF_ERR_INIT;
    HF_AUTOJSON struct json_object *doc = NULL;
    hf_outcome_free(out);
    if (run->report)
        doc = hf_json_parse(run->report, strlen(run->report), &bad);
    if (doc && read_report(doc, out, err) < 0)
        return -1;
    out->started_us = run->started_us;
    out->ended_us = run->ended_us;
    if (set_copy(&out->run_id, run->id, err) < 0)
        return -1;
    return take_row(kind, run, doc, out, err);
}
