/* SPDX-License-Identifier: Apache-2.0
 *
 * db/server.h - which server is this, read from VERSION().
 */
#ifndef HF_DB_SERVER_H
#define HF_DB_SERVER_H

#include "db/conn.h"

/* "10.11.19-MariaDB-0+deb12u1-log", "8.0.36-28" (Percona), "9.7.4-2". UNSUPPORTED when no version
 * is in it. */
int hf_db_server_parse(const char *version, struct hf_db_server *out, struct hf_err *err)
    HF_CHECKED;

/* Is it this flavour, at this version or later? */
bool hf_db_is_mariadb(const struct hf_db_server *s, unsigned since);
bool hf_db_is_mysql(const struct hf_db_server *s, unsigned since);

#endif
