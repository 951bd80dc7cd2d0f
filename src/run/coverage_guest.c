/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"
#include "run/coverage_intern.h"

#include <stdlib.h>
#include <string.h>

#define MOUNTINFO "/proc/self/mountinfo"
#define MOUNTINFO_BYTES_MAX ((size_t)1 << 20)

void hf_coverage_view_free(struct hf_coverage_view *v)
{
    for (size_t i = 0; i < v->n; i++)
        free(v->places[i].real);
    free(v->places);
    hf_mountinfo_free(&v->mounts);
    *v = (struct hf_coverage_view){0};
}

/* The guest, or its channel, said no; anything else means that nobody answered, or with nonsense. */
static bool is_refusal(const struct hf_err *e)
{
    return e->cls == HF_E_UNSUPPORTED || e->cls == HF_E_PLUGIN || e->cls == HF_E_NOT_FOUND;
}

/* ---- where paths lead -------------------------------------------------------------------- */

static bool is_plain(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (hf_is_control(s[i]))
            return false;
    return true;
}

static const char *why_not_asked(const char *path)
{
    size_t len = strlen(path);
    if (*path != '/')
        return "not an absolute path, so nobody can say where it lies";
    if (len > HF_COVERAGE_PATH_MAX)
        return "a path that is too long to look for";
    return is_plain(path, len) ? NULL : "a path with control characters, which is not looked for";
}

/* One path per line, as readlink prints them. */
static int split_lines(const struct hf_buf *said, struct hf_strv *lines, struct hf_err *err)
{
    const char *p = hf_buf_str(said), *end = p + said->len, *eol;
    for (; p < end; p = eol + 1) {
        eol = memchr(p, '\n', (size_t)(end - p));
        size_t len = eol ? (size_t)(eol - p) : 0;
        if (!len || *p != '/' || len > HF_COVERAGE_PATH_MAX || !is_plain(p, len))
            return hf_fail(err, HF_E_CORRUPT, "'readlink' in the guest: a line that is no path");
        if (hf_strv_take(lines, strndup(p, len)) < 0)
            return hf_fail_nomem(err);
    }
    return 0;
}

/* LC_ALL: what it says on stderr is read. */
static int readlink_of(struct hf_guest *guest, const char *mode, const struct hf_strv *paths,
                       int64_t deadline_ms, struct hf_hv_exec_result *out, struct hf_err *err)
{
    const char *const head[] = {"env", "LC_ALL=C", "readlink", "-v", mode, "--"};
    size_t n = HF_ARRAY_SIZE(head);
    HF_AUTOFREE const char **argv = calloc(n + paths->n + 1, sizeof *argv);
    if (!argv)
        return hf_fail_nomem(err);
    memcpy(argv, head, sizeof head);
    for (size_t i = 0; i < paths->n; i++)
        argv[n + i] = paths->items[i];
    struct hf_guest_cmd cmd = {.argv = argv, .deadline_ms = deadline_ms};
    if (hf_guest_exec(guest, &cmd, out, err) < 0)
        return -1;
    if (out->truncated)
        return hf_fail(err, HF_E_CORRUPT,
                       "'readlink' in the guest: more than %zu bytes for %zu paths",
                       HF_GUEST_OUTPUT_MAX, paths->n);
    return 0;
}

/* Those that exist: a line for each, and status 1 when that is not all of them (as for a readlink without -e). */
static int find_existing(struct hf_guest *guest, const struct hf_strv *paths, int64_t deadline_ms,
                         struct hf_strv *lines, bool *out_denied, struct hf_err *err)
{
    HF_AUTO(hf_hv_exec_result) struct hf_hv_exec_result r = {0};
    if (readlink_of(guest, "-e", paths, deadline_ms, &r, err) < 0)
        return -1;
    *out_denied = strstr(hf_buf_str(&r.err), "Permission denied") != NULL;
    if (r.exit_code != 0 && r.exit_code != 1)
        return hf_fail(err, HF_E_PLUGIN, "'readlink' in the guest: status %d", r.exit_code);
    if (split_lines(&r.out, lines, err) < 0)
        return -1;
    if (lines->n > paths->n || (r.exit_code == 0 && lines->n != paths->n))
        return hf_fail(err, HF_E_CORRUPT, "'readlink' in the guest: %zu lines for %zu paths",
                       lines->n, paths->n);
    return 0;
}

/* Where they lead, or would: a line for each, also when something on the way does not exist. */
static int find_all(struct hf_guest *guest, const struct hf_strv *paths, int64_t deadline_ms,
                    struct hf_strv *lines, struct hf_err *err)
{
    HF_AUTO(hf_hv_exec_result) struct hf_hv_exec_result r = {0};
    if (readlink_of(guest, "-m", paths, deadline_ms, &r, err) < 0)
        return -1;
    if (r.exit_code != 0)
        return hf_fail(err, HF_E_PLUGIN, "'readlink -m' in the guest: status %d", r.exit_code);
    if (split_lines(&r.out, lines, err) < 0)
        return -1;
    return lines->n == paths->n
               ? 0
               : hf_fail(err, HF_E_CORRUPT, "'readlink' in the guest: %zu lines for %zu paths",
                         lines->n, paths->n);
}

/* `all` has a line per path that was asked for; those that `existing` has as well are there. Where
 * something could not be looked at, "missing" may as well mean a link that we did not see. */
static int fill_places(struct hf_coverage_view *v, const struct hf_strv *all,
                       const struct hf_strv *existing, bool is_denied, struct hf_err *err)
{
    for (size_t i = 0, line = 0; i < v->n; i++) {
        struct hf_coverage_place *p = &v->places[i];
        if (p->why)
            continue;
        const char *real = all->items[line++];
        p->is_missing = !hf_strv_has(existing, real);
        if (p->is_missing && is_denied)
            p->why = "in a directory that we may not enter in the guest";
        else if (!(p->real = strdup(real)))
            return hf_fail_nomem(err);
        p->is_missing &= !p->why;
    }
    return 0;
}

static int follow_links(struct hf_guest *guest, const struct hf_wanted_list *wanted,
                        int64_t deadline_ms, struct hf_coverage_view *v, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv paths = HF_STRV_INIT;
    HF_AUTO(hf_strv) struct hf_strv existing = HF_STRV_INIT;
    HF_AUTO(hf_strv) struct hf_strv all = HF_STRV_INIT;
    bool is_denied = false;
    for (size_t i = 0; i < wanted->n; i++) {
        v->places[i].why = why_not_asked(wanted->items[i].path);
        if (!v->places[i].why && hf_strv_add(&paths, wanted->items[i].path) < 0)
            return hf_fail_nomem(err);
    }
    if (!paths.n)
        return 0;
    if (find_existing(guest, &paths, deadline_ms, &existing, &is_denied, err) < 0)
        return -1;
    if (existing.n == paths.n)
        return fill_places(v, &existing, &existing, false, err);
    if (find_all(guest, &paths, deadline_ms, &all, err) < 0)
        return -1;
    return fill_places(v, &all, &existing, is_denied, err);
}

/* ---- what is mounted --------------------------------------------------------------------- */

/* For a channel that reads no files, or none of size 0. */
static int cat_mountinfo(struct hf_guest *guest, int64_t deadline_ms, struct hf_buf *out,
                         struct hf_err *err)
{
    static const char *const argv[] = {"cat", MOUNTINFO, NULL};
    HF_AUTO(hf_hv_exec_result) struct hf_hv_exec_result r = {0};
    struct hf_guest_cmd cmd = {.argv = argv, .deadline_ms = deadline_ms};
    if (hf_guest_run(guest, &cmd, &r, err) < 0)
        return -1;
    if (r.truncated)
        return hf_fail(err, HF_E_UNSUPPORTED, "the guest's list of mounts is longer than %zu bytes",
                       HF_GUEST_OUTPUT_MAX);
    hf_buf_free(out);
    *out = r.out;
    r.out = (struct hf_buf)HF_BUF_INIT;
    return 0;
}

static int read_mounts(struct hf_guest *guest, int64_t deadline_ms, struct hf_coverage_view *v,
                       struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    struct hf_err why = HF_ERR_INIT;
    int rc = hf_guest_read(guest, MOUNTINFO, MOUNTINFO_BYTES_MAX, deadline_ms, &text, &why);
    if (rc < 0 && !is_refusal(&why) && why.cls != HF_E_AUTH) {
        hf_err_copy(err, &why);
        return -1;
    }
    if ((rc < 0 || !text.len) && cat_mountinfo(guest, deadline_ms, &text, err) < 0)
        return -1;
    if (hf_mountinfo_parse(hf_buf_str(&text), text.len, &v->mounts, err) < 0)
        return hf_wrap(err, "'" MOUNTINFO "' in the guest");
    return 0;
}

int hf_coverage_look(struct hf_guest *guest, const struct hf_wanted_list *wanted,
                     int64_t deadline_ms, struct hf_coverage_view *out, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    out->places = calloc(wanted->n + 1, sizeof *out->places);
    if (!out->places)
        return hf_fail_nomem(err);
    out->n = wanted->n;
    if (follow_links(guest, wanted, deadline_ms, out, &why) == 0 &&
        read_mounts(guest, deadline_ms, out, &why) == 0)
        return 0;
    hf_err_copy(is_refusal(&why) ? &out->refused : err, &why);
    return is_refusal(&why) ? 0 : -1;
}
