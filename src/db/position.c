/* SPDX-License-Identifier: Apache-2.0 */
#include "db/position.h"

#include "db/facts.h"
#include "db/grants.h"
#include "db/reading.h"

#include <stdlib.h>
#include <string.h>

void hf_db_position_free(struct hf_db_position *p)
{
    free(p->file);
    free(p->gtid);
    *p = (struct hf_db_position)HF_DB_POSITION_INIT;
}

static bool same(const char *a, const char *b)
{
    return !strcmp(a ? a : "", b ? b : "");
}

bool hf_db_position_equal(const struct hf_db_position *a, const struct hf_db_position *b)
{
    if (a->has_binlog != b->has_binlog)
        return false;
    return !a->has_binlog ||
           (a->offset == b->offset && same(a->file, b->file) && same(a->gtid, b->gtid));
}

/* "binlog.000007": the number, and how long what stands before it is. */
static uint64_t file_number(const char *file, size_t *out_base)
{
    const char *dot = file ? strrchr(file, '.') : NULL;
    *out_base = dot ? (size_t)(dot - file) : 0;
    return dot ? strtoull(dot + 1, NULL, 10) : 0;
}

bool hf_db_position_can_follow(const struct hf_db_position *later,
                               const struct hf_db_position *earlier)
{
    size_t base, base_before;
    if (later->has_binlog != earlier->has_binlog)
        return false;
    if (!later->has_binlog)
        return true;
    if (same(later->file, earlier->file))
        return later->offset >= earlier->offset;
    uint64_t number = file_number(later->file, &base);
    return number > file_number(earlier->file, &base_before) && base == base_before &&
           !strncmp(later->file, earlier->file, base);
}

int hf_db_position_copy(struct hf_db_position *dst, const struct hf_db_position *src,
                        struct hf_err *err)
{
    HF_AUTO(hf_db_position) struct hf_db_position copy = *src;
    copy.file = src->file ? strdup(src->file) : NULL;
    copy.gtid = src->gtid ? strdup(src->gtid) : NULL;
    if ((src->file && !copy.file) || (src->gtid && !copy.gtid))
        return hf_fail_nomem(err);
    hf_db_position_free(dst);
    *dst = copy;
    copy = (struct hf_db_position)HF_DB_POSITION_INIT;
    return 0;
}

int hf_db_position_read(struct hf_db_conn *c, struct hf_db_position *out, struct hf_err *err)
{
    HF_AUTO(hf_db_facts) struct hf_db_facts facts = HF_DB_FACTS_INIT;
    HF_AUTO(hf_grants) struct hf_grants grants = HF_GRANTS_INIT;
    HF_AUTO(hf_db_reading) struct hf_db_reading r = HF_DB_READING_INIT;
    if (hf_db_facts_read(c, &facts, err) || hf_grants_read(c, &grants, err) ||
        hf_db_allow_several(c, err))
        return -1;
    /* SHOW … STATUS needs a right that the lock does not, so that nobody was told to give it. */
    struct hf_db_reading_opts how = {.has_binlog = facts.has_binlog,
                                     .has_log_status =
                                         hf_grants_reads_log_status(&grants, hf_db_server(c))};
    HF_AUTOFREE char *sql = hf_db_reading_sql(hf_db_server(c), &how);
    if (!sql)
        return hf_fail_nomem(err);
    if (hf_db_reading_run(c, sql, &r, err))
        return -1;
    return hf_db_position_copy(out, &r.position, err);
}
