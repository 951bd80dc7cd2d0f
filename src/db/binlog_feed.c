/* SPDX-License-Identifier: Apache-2.0 */
#include "db/binlog_feed.h"

#include "db/dberr.h"
#include "db/server.h"
#include "db/session.h"

#include <stdlib.h>
#include <string.h>

#define NON_BLOCK 1u /* BINLOG_DUMP_NON_BLOCK of the protocol */
#define ANNOTATE 2u  /* MariaDB: with the statements beside the rows */

#ifdef MARIADB_BASE_VERSION
#include <mariadb_rpl.h>

struct hf_db_feed {
    struct hf_db_conn *c;
    MARIADB_RPL *rpl;
    MARIADB_RPL_EVENT *event;
};

static int fail(struct hf_db_feed *f, struct hf_err *err)
{
    unsigned code = mysql_errno(f->c->mysql);
    return hf_db_fail(err, f->c->name, code ? code : mariadb_rpl_errno(f->rpl),
                      code ? mysql_error(f->c->mysql) : mariadb_rpl_error(f->rpl));
}

/* As server 0, which no replica is: the server ends an older dump of the same id. */
static int open_rpl(struct hf_db_feed *f, const char *file, uint32_t offset, struct hf_err *err)
{
    unsigned flags = NON_BLOCK | (f->c->server.flavour == HF_DB_MARIADB ? ANNOTATE : 0);
    f->rpl = mariadb_rpl_init(f->c->mysql);
    if (!f->rpl)
        return hf_fail_nomem(err);
    if (mariadb_rpl_optionsv(f->rpl, MARIADB_RPL_FILENAME, file, strlen(file)) ||
        mariadb_rpl_optionsv(f->rpl, MARIADB_RPL_START, (unsigned long)offset) ||
        mariadb_rpl_optionsv(f->rpl, MARIADB_RPL_SERVER_ID, 0u) ||
        mariadb_rpl_optionsv(f->rpl, MARIADB_RPL_FLAGS, flags) || mariadb_rpl_open(f->rpl))
        return fail(f, err);
    return 0;
}

int hf_db_feed_next(struct hf_db_feed *f, const unsigned char **out, size_t *len,
                    struct hf_err *err)
{
    f->event = mariadb_rpl_fetch(f->rpl, f->event);
    if (!f->event)
        return mysql_errno(f->c->mysql) || mariadb_rpl_errno(f->rpl) ? fail(f, err) : 0;
    /* The protocol's status byte stands in front of the event. */
    *out = f->event->raw_data + f->event->raw_data_ofs;
    *len = f->event->raw_data_size - f->event->raw_data_ofs;
    return 1;
}

void hf_db_feed_close(struct hf_db_feed *f)
{
    if (!f)
        return;
    if (f->event)
        mariadb_free_rpl_event(f->event);
    if (f->rpl)
        mariadb_rpl_close(f->rpl);
    free(f);
}

#else

struct hf_db_feed {
    struct hf_db_conn *c;
    MYSQL_RPL rpl;
    bool is_open;
};

static int fail(struct hf_db_feed *f, struct hf_err *err)
{
    return hf_db_fail(err, f->c->name, mysql_errno(f->c->mysql), mysql_error(f->c->mysql));
}

static int open_rpl(struct hf_db_feed *f, const char *file, uint32_t offset, struct hf_err *err)
{
    f->rpl = (MYSQL_RPL){.file_name = file,
                         .file_name_length = strlen(file),
                         .start_position = offset,
                         .server_id = 0,
                         .flags = NON_BLOCK};
    if (f->c->server.flavour == HF_DB_MARIADB)
        f->rpl.flags |= ANNOTATE;
    if (mysql_binlog_open(f->c->mysql, &f->rpl))
        return fail(f, err);
    f->is_open = true;
    return 0;
}

int hf_db_feed_next(struct hf_db_feed *f, const unsigned char **out, size_t *len,
                    struct hf_err *err)
{
    if (mysql_binlog_fetch(f->c->mysql, &f->rpl))
        return fail(f, err);
    if (f->rpl.size < 2) /* the protocol's status byte stands in front of the event */
        return 0;
    *out = f->rpl.buffer + 1;
    *len = f->rpl.size - 1;
    return 1;
}

void hf_db_feed_close(struct hf_db_feed *f)
{
    if (!f)
        return;
    if (f->is_open)
        mysql_binlog_close(f->c->mysql, &f->rpl);
    free(f);
}

#endif

struct hf_db_feed *hf_db_feed_open(struct hf_db_conn *c, const char *file, uint32_t offset,
                                   struct hf_err *err)
{
    HF_AUTO(hf_db_feed) struct hf_db_feed *f = calloc(1, sizeof *f);
    if (!f) {
        hf_fail_nomem(err);
        return NULL;
    }
    f->c = c;
    return open_rpl(f, file, offset, err) < 0 ? NULL : HF_STEAL(f);
}
