/* SPDX-License-Identifier: Apache-2.0
 *
 * What the server recovered to, asked of it: drill/judge.h says why so.
 */
#include "base/buf.h"
#include "base/point.h"
#include "db/dump/escape.h"
#include "drill/drill_intern.h"
#include "drill/judge.h"

#include <stdlib.h>
#include <string.h>

#define FILE_NAME_MAX 512

struct logs { /* the list of binlog files, in their order */
    const char *current;
    char before[FILE_NAME_MAX];
    uint64_t bytes;
    bool is_past; /* the current one was seen */
};

static int take_log(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    struct logs *l = ctx;
    (void)err;
    if (n < 2 || !values[0] || !values[1] || l->is_past)
        return 0;
    l->is_past = strcmp(values[0], l->current) == 0;
    if (l->is_past)
        return 0;
    snprintf(l->before, sizeof l->before, "%s", values[0]);
    l->bytes = strtoull(values[1], NULL, 10);
    return 0;
}

/* The head of a file: Format_desc, then the set of what came before. */
static int take_event(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    char **out = ctx;
    if (n < 6 || !values[2] || !values[5] || *out ||
        (strcmp(values[2], "Gtid_list") != 0 && strcmp(values[2], "Previous_gtids") != 0))
        return 0;
    size_t len = strlen(values[5]);
    bool is_bracketed = len >= 2 && values[5][0] == '[' && values[5][len - 1] == ']';
    *out = is_bracketed ? strndup(values[5] + 1, len - 2) : strdup(values[5]);
    return *out ? 0 : hf_fail_nomem(err);
}

static char *read_set(struct drill *d, const char *file, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf sql = HF_BUF_INIT;
    HF_AUTOFREE char *set = NULL;
    hf_buf_str_add(&sql, "SHOW BINLOG EVENTS IN ");
    hf_sql_add_text(&sql, file);
    hf_buf_str_add(&sql, " LIMIT 3");
    if (!hf_buf_ok(&sql)) {
        hf_fail_nomem(err);
        return NULL;
    }
    return hf_db_query(d->db, hf_buf_str(&sql), take_event, &set, err) < 0 ? NULL : HF_STEAL(set);
}

static int set_recovered(const struct logs *l, struct hf_drill_recovered *out, struct hf_err *err)
{
    out->at = (struct hf_db_position){.has_binlog = true, .offset = l->bytes};
    if (!l->before[0])
        return 0;
    out->at.file = strdup(l->before);
    return out->at.file ? 0 : hf_fail_nomem(err);
}

static int read_recovered(struct drill *d, struct hf_drill_recovered *out, struct hf_err *err)
{
    HF_AUTO(hf_db_position) struct hf_db_position now = HF_DB_POSITION_INIT;
    struct hf_err why = HF_ERR_INIT;
    if (hf_db_position_read(d->db, &now, err) < 0)
        return -1;
    out->has_binlog = now.has_binlog;
    if (!now.has_binlog || !now.file)
        return 0;
    struct logs l = {.current = now.file};
    if (hf_db_query(d->db, "SHOW BINARY LOGS", take_log, &l, err) < 0 ||
        set_recovered(&l, out, err) < 0)
        return -1;
    out->at.gtid = read_set(d, now.file, &why);
    out->has_gtid = out->at.gtid != NULL;
    if (why.cls == HF_E_NONE || out->has_gtid)
        return 0;
    /* Without the right to read events: the set of now, which is the same as long as nothing in the guest writes. */
    out->at.gtid = HF_STEAL(now.gtid);
    out->has_gtid = out->at.gtid != NULL;
    return 0;
}

int drill_compare_position(struct drill *d, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    HF_AUTO(hf_drill_recovered) struct hf_drill_recovered r = {0};
    if (HF_POINT_ERR("drill.before_position", err) < 0)
        return -1;
    if (!d->db) {
        hf_drill_note(&d->checks, HF_DRILL_POSITION, HF_DRILL_SKIPPED,
                      "the session with the database was lost");
        return 0;
    }
    if (read_recovered(d, &r, &why) == 0) {
        hf_drill_judge_position(d->m, &r, &d->checks);
        return 0;
    }
    hf_drill_note(&d->checks, HF_DRILL_POSITION, HF_DRILL_SKIPPED, "it could not be asked: %s",
                  why.message);
    return drill_heed(d, &why, err);
}
