/* SPDX-License-Identifier: Apache-2.0
 *
 * db/server.h - a real server of one test program: own data directory, own port on 127.0.0.1, own
 * socket.
 *
 * A caretaker process outside the test's process tree starts the server and waits for the test to
 * go, however it goes; then it ends the server and removes the directory. The server dies with the
 * caretaker.
 */
#ifndef HF_TEST_DB_SERVER_H
#define HF_TEST_DB_SERVER_H

#include "base/strv.h"
#include "db/conn.h"

#include <stdbool.h>

struct hf_test_server_opts {
    enum hf_db_flavour flavour;
    bool no_binlog;
    bool tls; /* with the certificate made by hf_test_certificates; MySQL's own one is switched off
                 without */
    const char *cert; /* base name of the certificate, "server" when NULL */
    /* Further options, NULL-terminated, or NULL; "@DIR@" in one is the server's directory as it sees it. */
    const char *const *args;
    const char *const *dirs; /* made in it before, NULL-terminated, or NULL */
    bool args_at_init;       /* the options also hold where the data directory is made */
};

struct hf_test_server {
    enum hf_db_flavour flavour;
    unsigned port;
    char dir[256];       /* as this process sees it */
    char inner_dir[256]; /* as the server does */
    char socket[340];
    char root_cnf[340]; /* option file of the administrator */
    int caretaker_fd;
};

/* Ends the test (hf_need_missing) when the server is not there, and fails it when it does not
 * start. */
void hf_test_server_start(struct hf_test_server *s, const struct hf_test_server_opts *opts);
/* A port of 127.0.0.1 that nobody has. */
unsigned hf_test_free_port(void);
/* Waits until server and directory are gone. */
void hf_test_server_stop(struct hf_test_server *s);

/* On 127.0.0.1; nobody listened there a moment ago. */
unsigned hf_test_free_port(void);

/* HF_DB_MARIADB or HF_DB_MYSQL from the program's first argument. */
enum hf_db_flavour hf_test_flavour(int argc, char **argv);

/* As the administrator over TCP; host, port and option file are the server's. */
struct hf_db_target hf_test_target(const struct hf_test_server *s);
struct hf_db_conn *hf_test_open(const struct hf_test_server *s);
/* Fails the test when the statement does. */
void hf_test_sql(struct hf_db_conn *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* First value as a number; NULL is -1. */
long long hf_test_number(struct hf_db_conn *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* A private option file in the server's directory; returns its path, to be freed. */
char *hf_test_option_file(const struct hf_test_server *s, const char *name, const char *text);

/* ca.pem, wrong-ca.pem, server-{cert,key}.pem (for 127.0.0.1), elsewhere-{cert,key}.pem in dir. */
void hf_test_certificates(const char *dir);

#endif
