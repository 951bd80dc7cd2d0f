/* SPDX-License-Identifier: Apache-2.0 */
#include "run/coverage.h"

#include "base/list.h"
#include "base/utf8.h"
#include "run/coverage_intern.h"

#include <stdlib.h>
#include <string.h>

int hf_wanted_add(struct hf_wanted_list *l, const char *what, const char *path)
{
    struct hf_wanted *grown = hf_list_room(l->items, l->n, &l->cap, sizeof *grown, 16);
    if (!grown)
        return -1;
    l->items = grown;
    struct hf_wanted w = {strdup(what), strdup(path)};
    if (!w.what || !w.path) {
        free(w.what);
        free(w.path);
        return -1;
    }
    l->items[l->n++] = w;
    return 0;
}

void hf_wanted_list_free(struct hf_wanted_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->items[i].what);
        free(l->items[i].path);
    }
    free(l->items);
    *l = (struct hf_wanted_list){0};
}

void hf_coverage_free(struct hf_coverage *c)
{
    for (size_t i = 0; i < c->n; i++) {
        free(c->items[i].what);
        free(c->items[i].path);
        free(c->items[i].text);
    }
    free(c->items);
    *c = (struct hf_coverage){0};
}

/* ---- one path ---------------------------------------------------------------------------- */

/* What lies below the path on mounts of their own. Adds to text, and returns the state, only when something there
 * is not covered. */
static enum hf_coverage_state look_below(const struct hf_coverage_scene *s, const char *real,
                                         struct hf_buf *text)
{
    for (size_t i = 0; i < s->mountinfo->n; i++) {
        const struct hf_mountinfo_entry *m = &s->mountinfo->items[i];
        HF_AUTO(hf_buf) struct hf_buf said = HF_BUF_INIT;
        if (m->is_hidden || hf_coverage_is_no_data(m) ||
            !hf_mountinfo_is_below(m->mountpoint, real))
            continue;
        enum hf_coverage_state state = hf_coverage_of_mount(s, m, &said);
        if (state == HF_COVERAGE_COVERED)
            continue;
        hf_buf_printf(text, ", but %s below it lies %s", m->mountpoint, hf_buf_str(&said));
        return state;
    }
    return HF_COVERAGE_COVERED;
}

static enum hf_coverage_state judge(const struct hf_coverage_scene *s, const char *real,
                                    struct hf_buf *text)
{
    const struct hf_mountinfo_entry *m = hf_mountinfo_find(s->mountinfo, real);
    if (!m) {
        hf_buf_str_add(text, "on no mount that the guest tells of");
        return HF_COVERAGE_UNKNOWN;
    }
    enum hf_coverage_state state = hf_coverage_of_mount(s, m, text);
    return state == HF_COVERAGE_COVERED ? look_below(s, real, text) : state;
}

static void judge_place(const struct hf_coverage_scene *s, const struct hf_coverage_place *place,
                        struct hf_coverage_finding *f, struct hf_buf *text)
{
    if (!place->real) {
        hf_buf_str_add(text, place->why);
        return;
    }
    f->is_missing = place->is_missing;
    if (f->is_missing)
        hf_buf_str_add(text, "does not exist; would be ");
    f->state = judge(s, place->real, text);
}

/* Hostile names stand in it. */
static int finish_text(struct hf_coverage_finding *f, struct hf_buf *text, struct hf_err *err)
{
    f->text = hf_buf_steal(text);
    if (!f->text)
        return hf_fail_nomem(err);
    hf_replace_controls(f->text, '?');
    return 0;
}

static int start_finding(const struct hf_wanted *w, const char *real, struct hf_coverage_finding *f,
                         struct hf_buf *text, struct hf_err *err)
{
    if (!(f->what = strdup(w->what)) || !(f->path = strdup(w->path)))
        return hf_fail_nomem(err);
    hf_buf_printf(text, "%s %s", w->what, w->path);
    if (real && strcmp(real, w->path) != 0)
        hf_buf_printf(text, " (really %s)", real);
    hf_buf_str_add(text, ": ");
    return 0;
}

/* ---- all of them ------------------------------------------------------------------------- */

/* why not NULL: nothing could be found out about any of them. */
static int make_findings(const struct hf_wanted_list *wanted, const struct hf_coverage_view *view,
                         const struct hf_coverage_scene *s, const char *why,
                         struct hf_coverage *out, struct hf_err *err)
{
    out->items = calloc(wanted->n + 1, sizeof *out->items);
    if (!out->items)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < wanted->n; i++) {
        HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
        struct hf_coverage_finding *f = &out->items[out->n++];
        if (start_finding(&wanted->items[i], why ? NULL : view->places[i].real, f, &text, err) < 0)
            return -1;
        if (why)
            hf_buf_printf(&text, "where it lies could not be found out: %s", why);
        else
            judge_place(s, &view->places[i], f, &text);
        if (finish_text(f, &text, err) < 0)
            return -1;
    }
    return 0;
}

int hf_coverage_check(struct hf_guest *guest, const struct hf_wanted_list *wanted,
                      const struct hf_mount_list *mounts, const struct hf_disk_list *disks,
                      int64_t deadline_ms, struct hf_coverage *out, struct hf_err *err)
{
    HF_AUTO(hf_coverage_view) struct hf_coverage_view view = {.refused = HF_ERR_INIT};
    HF_AUTO(hf_coverage) struct hf_coverage made = {0};
    struct hf_coverage_scene scene = {&view.mounts, mounts, disks};
    const char *why = guest ? NULL : "there is no way into the guest";
    if (guest && hf_coverage_look(guest, wanted, deadline_ms, &view, err) < 0)
        return hf_wrap(err, "where the data lies");
    if (view.refused.cls != HF_E_NONE)
        why = view.refused.message;
    if (make_findings(wanted, &view, &scene, why, &made, err) < 0)
        return -1;
    *out = made;
    made = (struct hf_coverage){0};
    return 0;
}

/* ---- what is made of it ------------------------------------------------------------------ */

bool hf_coverage_is_problem(const struct hf_coverage_finding *f)
{
    return f->state != HF_COVERAGE_COVERED && strcmp(f->what, HF_WANTED_TMP) != 0;
}

#define TEXTS_MAX 400 /* of HF_ERR_MESSAGE_MAX: callers wrap */

int hf_coverage_refuse(const struct hf_coverage *c, struct hf_err *err)
{
    char texts[TEXTS_MAX] = "", more[48] = "";
    size_t len = 0, n_more = 0;
    for (size_t i = 0; i < c->n; i++) {
        const struct hf_coverage_finding *f = &c->items[i];
        if (!hf_coverage_is_problem(f))
            continue;
        if (len && len + 2 + strlen(f->text) >= sizeof texts)
            n_more++;
        else
            len +=
                (size_t)snprintf(texts + len, sizeof texts - len, "%s%s", len ? "; " : "", f->text);
        if (len >= sizeof texts)
            len = sizeof texts - 1;
    }
    if (!len)
        return 0;
    if (n_more)
        snprintf(more, sizeof more, "; and %zu more", n_more);
    hf_fail(err, HF_E_UNSUPPORTED, "a restore would miss something: %s%s", texts, more);
    return hf_hint(
        err,
        "let the snapshot contain the disk, move the directory to one that it contains, or set "
        "'uncovered = lower' for a snapshot of grade E");
}
