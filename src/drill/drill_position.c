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

/* What a file begins with, written by the server's start. */
static bool is_of_head(const char *type)
{
    static const char *const head[] = {"Format_desc", "Gtid_list", "Previous_gtids",
                                       "Binlog_checkpoint", "Start_encryption"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(head); i++)
        if (strcmp(type, head[i]) == 0)
            return true;
    return false;
}

struct head {
    char *set;       /* of what came before; NULL: not told */
    bool is_logged;  /* MySQL's: of what is in the binlog, which need not be all */
    bool is_written; /* something follows: the guest writes */
};

/* MariaDB puts its list into brackets; MySQL's set is as it is. */
static int take_set(struct head *h, const char *type, const char *info, struct hf_err *err)
{
    size_t len = strlen(info);
    if (strcmp(type, "Previous_gtids") == 0) {
        h->set = strdup(info);
        h->is_logged = true;
    } else {
        bool is_bracketed = len >= 2 && info[0] == '[' && info[len - 1] == ']';
        HF_AUTOFREE char *list = is_bracketed ? strndup(info + 1, len - 2) : strdup(info);
        h->set = list ? hf_drill_gtid_state(list) : NULL;
    }
    return h->set ? 0 : hf_fail_nomem(err);
}

static int take_event(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    struct head *h = ctx;
    if (n < 6 || !values[2] || !values[5])
        return 0;
    h->is_written = h->is_written || !is_of_head(values[2]);
    bool is_set = strcmp(values[2], "Gtid_list") == 0 || strcmp(values[2], "Previous_gtids") == 0;
    return is_set && !h->set ? take_set(h, values[2], values[5], err) : 0;
}

static int read_head(struct drill *d, const char *file, struct head *h, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf sql = HF_BUF_INIT;
    hf_buf_str_add(&sql, "SHOW BINLOG EVENTS IN ");
    hf_sql_add_text(&sql, file);
    hf_buf_str_add(&sql, " LIMIT 8");
    if (!hf_buf_ok(&sql))
        return hf_fail_nomem(err);
    return hf_db_query(d->db, hf_buf_str(&sql), take_event, h, err);
}

static int take_union(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    struct head *h = ctx;
    if (n < 1 || !values[0])
        return 0;
    free(h->set);
    h->set = strdup(values[0]);
    return h->set ? 0 : hf_fail_nomem(err);
}

/* MySQL's Previous_gtids lacks what is known by the server's table alone (gtid_purged): of times without a binlog, of a server that was
 * set up from another one's backup. The server itself unites the two. */
static int add_unlogged(struct drill *d, struct head *h, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf sql = HF_BUF_INIT;
    hf_buf_str_add(&sql, "SELECT GTID_SUBTRACT(CONCAT_WS(',', NULLIF(");
    hf_sql_add_text(&sql, h->set);
    hf_buf_str_add(&sql, ", ''), NULLIF(@@GLOBAL.gtid_purged, '')), '')");
    if (!hf_buf_ok(&sql))
        return hf_fail_nomem(err);
    return hf_db_query(d->db, hf_buf_str(&sql), take_union, h, err);
}

static int set_recovered(const struct logs *l, struct hf_drill_recovered *out, struct hf_err *err)
{
    out->at = (struct hf_db_position){.has_binlog = true, .offset = l->bytes};
    if (!l->before[0])
        return 0;
    out->at.file = strdup(l->before);
    return out->at.file ? 0 : hf_fail_nomem(err);
}

/* The GTIDs that the server recovered to; `now` is its position of now, whose set may be taken. */
static int read_set(struct drill *d, struct hf_db_position *now, struct hf_drill_recovered *out,
                    struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    struct head head = {0};
    int rc = 0;
    if (read_head(d, now->file, &head, &why) < 0 || !head.set) {
        /* Without the right to read events: the set of now. */
        free(head.set);
        head.set = HF_STEAL(now->gtid);
        out->is_later = true;
    } else if (head.is_logged) {
        rc = add_unlogged(d, &head, err);
    }
    d->is_written = head.is_written;
    out->at.gtid = head.set;
    out->has_gtid = out->at.gtid != NULL;
    return rc;
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
    if (hf_db_query(d->db, "SHOW BINARY LOGS", take_log, &l, &why) < 0) {
        out->is_refused = why.cls == HF_E_AUTH;
        if (!out->is_refused) {
            hf_err_copy(err, &why);
            return -1;
        }
    }
    return set_recovered(&l, out, err) < 0 ? -1 : read_set(d, &now, out, err);
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
    hf_drill_note(&d->checks, HF_DRILL_POSITION,
                  why.cls == HF_E_AUTH ? HF_DRILL_SKIPPED : HF_DRILL_FAILED,
                  "it could not be asked: %s", why.message);
    return drill_heed(d, &why, err);
}
