/* SPDX-License-Identifier: Apache-2.0 */
#include "drill/judge.h"

#include "base/buf.h"
#include "base/strv.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define READERS_BEGUN "readers_begun" /* of the timeline: hold/locking.c */

void hf_drill_recovered_free(struct hf_drill_recovered *r)
{
    hf_db_position_free(&r->at);
    *r = (struct hf_drill_recovered){0};
}

/* ---- sets ------------------------------------------------------------------------------- */

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void drop_blanks(char *text)
{
    char *to = text;
    for (; *text; text++)
        if (!isspace((unsigned char)*text))
            *to++ = (char)tolower((unsigned char)*text);
    *to = '\0';
}

static int split(const char *set, struct hf_strv *out)
{
    HF_AUTOFREE char *plain = strdup(set ? set : "");
    if (!plain)
        return -1;
    drop_blanks(plain);
    if (hf_strv_split(out, plain, ',') < 0)
        return -1;
    if (out->n)
        qsort(out->items, out->n, sizeof *out->items, compare_texts);
    return 0;
}

bool hf_drill_same_gtids(const char *a, const char *b)
{
    HF_AUTO(hf_strv) struct hf_strv x = HF_STRV_INIT, y = HF_STRV_INIT;
    if (split(a, &x) < 0 || split(b, &y) < 0 || x.n != y.n)
        return false;
    for (size_t i = 0; i < x.n; i++)
        if (strcmp(x.items[i], y.items[i]) != 0)
            return false;
    return true;
}

/* Does a later member have the domain of this one? */
static bool is_followed(const struct hf_strv *members, size_t i)
{
    size_t len = strcspn(members->items[i], "-") + 1;
    for (size_t j = i + 1; j < members->n; j++)
        if (strncmp(members->items[j], members->items[i], len) == 0)
            return true;
    return false;
}

char *hf_drill_gtid_state(const char *list)
{
    HF_AUTO(hf_strv) struct hf_strv members = HF_STRV_INIT;
    HF_AUTO(hf_buf) struct hf_buf out = HF_BUF_INIT;
    if (hf_strv_split(&members, list, ',') < 0)
        return NULL;
    hf_buf_str_add(&out, "");
    for (size_t i = 0; i < members.n; i++)
        if (!is_followed(&members, i))
            hf_buf_printf(&out, "%s%s", out.len ? "," : "", members.items[i]);
    return out.len ? hf_buf_steal(&out) : hf_buf_ok(&out) ? strdup("") : NULL;
}

/* ---- the position ----------------------------------------------------------------------- */

static bool is_text(const char *s)
{
    return s && *s;
}

static char *describe(const struct hf_db_position *p, bool with_gtid)
{
    HF_AUTO(hf_buf) struct hf_buf out = HF_BUF_INIT;
    if (p->file)
        hf_buf_printf(&out, "%s:%" PRIu64, p->file, p->offset);
    if (with_gtid && is_text(p->gtid))
        hf_buf_printf(&out, "%sGTID %.1000s", out.len ? ", " : "", p->gtid);
    return out.len ? hf_buf_steal(&out) : NULL;
}

static char *describe_bracket(const struct hf_manifest *m)
{
    HF_AUTOFREE char *min = describe(&m->min, false), *max = describe(&m->max, false);
    return min && max ? hf_asprintf("%s to %s", min, max) : NULL;
}

static const char *why_no_file(const struct hf_drill_recovered *r)
{
    return r->is_refused
               ? "the account may not ask for the binlog files (it needs REPLICATION CLIENT, "
                 "on MariaDB BINLOG MONITOR)"
               : "the server has thrown the binlog of the instant away, being older than it keeps "
                 "them";
}

static void judge_exact(const struct hf_db_position *want, const struct hf_drill_recovered *r,
                        struct hf_drill_checks *out)
{
    bool same_file = r->at.file && want->file && strcmp(r->at.file, want->file) == 0 &&
                     r->at.offset == want->offset;
    bool same_set = hf_drill_same_gtids(want->gtid, r->at.gtid);
    bool has_set =
        r->has_gtid && (same_set || !r->is_later) && (is_text(want->gtid) || is_text(r->at.gtid));
    HF_AUTOFREE char *expected = describe(want, true), *found = describe(&r->at, r->has_gtid);
    if (r->at.file && !same_file)
        hf_drill_note(out, HF_DRILL_POSITION, HF_DRILL_FAILED,
                      "the server recovered to another binlog position than was recorded");
    else if (has_set && !same_set)
        hf_drill_note(out, HF_DRILL_POSITION, HF_DRILL_FAILED,
                      "the server recovered to another GTID set than was recorded");
    else if (!r->at.file && !has_set)
        hf_drill_note(out, HF_DRILL_POSITION, HF_DRILL_SKIPPED,
                      "not checkable: %s, and there is no GTID set of the instant", why_no_file(r));
    else if (!r->at.file)
        hf_drill_note(out, HF_DRILL_POSITION, HF_DRILL_OK, "as recorded, by GTID: %s",
                      why_no_file(r));
    else
        hf_drill_note(out, HF_DRILL_POSITION, HF_DRILL_OK,
                      has_set ? "as recorded" : "as recorded; no GTID was compared");
    hf_drill_values(out, expected, found);
}

static void judge_bracket(const struct hf_manifest *m, const struct hf_drill_recovered *r,
                          struct hf_drill_checks *out)
{
    HF_AUTOFREE char *expected = describe_bracket(m), *found = describe(&r->at, false);
    struct hf_db_position at = {.has_binlog = true, .file = r->at.file, .offset = r->at.offset};
    if (!at.file)
        hf_drill_note(out, HF_DRILL_POSITION, HF_DRILL_SKIPPED, "not checkable: %s",
                      why_no_file(r));
    else if (!hf_db_position_can_follow(&at, &m->min))
        hf_drill_note(
            out, HF_DRILL_POSITION, HF_DRILL_FAILED,
            "the server recovered to a position before the one recorded ahead of the capture");
    else if (!hf_db_position_can_follow(&m->max, &at))
        hf_drill_note(
            out, HF_DRILL_POSITION, HF_DRILL_FAILED,
            "the server recovered to a position behind the one recorded after the capture");
    else
        hf_drill_note(out, HF_DRILL_POSITION, HF_DRILL_OK, "within what was recorded");
    hf_drill_values(out, expected, found);
}

void hf_drill_judge_position(const struct hf_manifest *m, const struct hf_drill_recovered *r,
                             struct hf_drill_checks *out)
{
    bool is_recorded = m->has_position || m->has_bracket;
    const struct hf_db_position *one = m->has_position ? &m->position : &m->min;
    if (!is_recorded || !one->has_binlog) {
        hf_drill_note(
            out, HF_DRILL_POSITION, HF_DRILL_SKIPPED,
            "not checkable: no position was recorded (binlog off, or the database was not asked)");
        return;
    }
    if (!r->has_binlog)
        hf_drill_note(out, HF_DRILL_POSITION, HF_DRILL_FAILED,
                      "a position was recorded, and the server that came up writes no binlog");
    else if (m->has_position)
        judge_exact(&m->position, r, out);
    else
        judge_bracket(m, r, out);
}

/* ---- the dump --------------------------------------------------------------------------- */

bool hf_drill_is_same_instant(const struct hf_manifest *m, const struct hf_point_artifact *dump)
{
    bool began_inside = false;
    for (size_t i = 0; i < m->n_events; i++)
        began_inside = began_inside || strcmp(m->events[i].event, READERS_BEGUN) == 0;
    if (!began_inside || m->grade != 'B')
        return false;
    return !m->has_position ||
           (dump->has_position && hf_db_position_equal(&m->position, &dump->position));
}
