/* SPDX-License-Identifier: Apache-2.0
 *
 * db/conn.h - one session with a MySQL or MariaDB server, through the MySQL C API.
 *
 * Never reconnects by itself: a session that is gone is an error, since a lock would be gone with
 * it. Builds with MariaDB Connector/C and with Oracle's libmysqlclient. Passwords come from a
 * my.cnf-style option file ([client], [holdfast]) that must be private. TLS: used when the server
 * offers it; required and verified (chain and host name) when the option file names ssl-ca,
 * ssl-verify-server-cert or ssl-mode=VERIFY_IDENTITY. Over a unix socket the host name is not
 * looked at. host, port and socket of the target count, never those of the file (db/optfile.h).
 * LOCAL INFILE is refused (but for a stream of our own, db/load/local.h). Server messages are quoted in errors, passwords never.
 */
#ifndef HF_DB_CONN_H
#define HF_DB_CONN_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hf_db_conn;

struct hf_db_target {
    const char *host; /* NULL: unix socket */
    unsigned port;
    const char *socket;          /* used when host is NULL */
    const char *defaults_file;   /* private option file, or NULL */
    unsigned connect_timeout_s;  /* 0: 10 */
    unsigned io_timeout_s;       /* 0: 60; one read or write on the network */
    unsigned long max_row_bytes; /* 0: as much as the client library takes */
    bool compress;               /* what goes over the network, where the way is slow */
    bool local_infile;           /* for db/load/local.h: a stream of ours, never a file */
};

enum hf_db_flavour { HF_DB_MYSQL, HF_DB_MARIADB };

struct hf_db_server {
    enum hf_db_flavour flavour;
    unsigned version; /* 101119: 10.11.19; 90704: 9.7.4 */
    char text[64];    /* "MariaDB 10.11.19" */
    bool tls;         /* this session is encrypted */
};

struct hf_db_conn *hf_db_open(const struct hf_db_target *t, struct hf_err *err) HF_CHECKED;
void hf_db_close(struct hf_db_conn *c);
HF_DEFINE_AUTO(hf_db_conn, hf_db_close)

const struct hf_db_server *hf_db_server(const struct hf_db_conn *c);
uint64_t hf_db_id(const struct hf_db_conn *c);      /* CONNECTION_ID() */
const char *hf_db_name(const struct hf_db_conn *c); /* "127.0.0.1:3306", as in its messages */

/* Statement without a result set (one that comes is read and dropped). */
int hf_db_exec(struct hf_db_conn *c, const char *sql, struct hf_err *err) HF_CHECKED;
/* The server's error number of the last failed call on c (1205, 1317, 2013 …), 0 when there was
 * none. */
unsigned hf_db_errno(const struct hf_db_conn *c);

/* Each row to emit (column texts, NULL: SQL NULL); rows are read to the end, those of further
 * result sets too. After emit's non-zero no more are shown, and the call fails. */
typedef int (*hf_db_row_cb)(void *ctx, unsigned n, char *const *values, struct hf_err *err);
int hf_db_query(struct hf_db_conn *c, const char *sql, hf_db_row_cb emit, void *ctx,
                struct hf_err *err) HF_CHECKED;
/* Inside emit: the name of column i; "" when there is none. Borrowed. */
const char *hf_db_column(const struct hf_db_conn *c, unsigned i);
/* First column of the first row, to be freed; *out NULL: no row or SQL NULL. */
int hf_db_value(struct hf_db_conn *c, const char *sql, char **out, struct hf_err *err) HF_CHECKED;
/* 'text' with quotes and everything escaped for this session, to be freed; NULL: no memory. */
char *hf_db_quote(struct hf_db_conn *c, const char *text);

/* From now on one text may hold several statements (one round trip): for constant text only. */
int hf_db_allow_several(struct hf_db_conn *c, struct hf_err *err) HF_CHECKED;

/* Once per process before threads start (mysql_library_init), and its counterpart. */
int hf_db_library_init(struct hf_err *err) HF_CHECKED;
void hf_db_library_end(void);

#endif
