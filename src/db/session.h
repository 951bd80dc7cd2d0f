/* SPDX-License-Identifier: Apache-2.0
 *
 * db/session.h - what conn.c, connect.c and stream.c share: the inside of a session.
 *
 * Only these include it, and binlog_feed.c; everybody else talks through conn.h and stream.h.
 */
#ifndef HF_DB_SESSION_H
#define HF_DB_SESSION_H

#include "db/conn.h"

#include <mysql.h>

struct hf_db_conn {
    MYSQL *mysql;
    char *name; /* "127.0.0.1:3306" or the socket's path, for messages */
    struct hf_db_server server;
    uint64_t id;
    unsigned last_errno;
    MYSQL_RES *shown; /* the result set whose rows are emitted */
};

/* Connects c->mysql (made here) and sees to TLS. */
int hf_db_connect(struct hf_db_conn *c, const struct hf_db_target *t, struct hf_err *err)
    HF_CHECKED;

/* The error of the library's last call, with its number kept. Returns -1. */
int hf_db_session_fail(struct hf_db_conn *c, struct hf_err *err);
/* Answers every request of the server for a file with a refusal. */
void hf_db_refuse_infile(MYSQL *m);
int hf_db_session_fd(const struct hf_db_conn *c); /* the socket */

#endif
