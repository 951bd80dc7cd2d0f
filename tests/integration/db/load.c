/* SPDX-License-Identifier: Apache-2.0 */
#include "integration/db/load.h"

#include "base/clock.h"

#include <inttypes.h>
#include <mysql.h>
#include <stdio.h>

static int64_t now_us(void)
{
    return hf_clock_mono_us(hf_clock_system());
}

static void raise_longest(struct hf_writer *w, int64_t us)
{
    int64_t was = w->longest_us;
    while (us > was && !atomic_compare_exchange_weak(&w->longest_us, &was, us))
        continue;
}

static void *write_rows(void *arg)
{
    struct hf_writer *w = arg;
    char sql[128];
    while (!w->stop) {
        struct hf_err err = HF_ERR_INIT;
        int64_t sent = now_us();
        w->sent_us = sent;
        snprintf(sql, sizeof sql, "INSERT INTO %s (sent) VALUES (%" PRId64 ")", w->table, sent);
        if (hf_db_exec(w->conn, sql, &err) == 0)
            w->acknowledged++;
        else
            w->failed++;
        /* A reset meanwhile has moved the start. */
        raise_longest(w, now_us() - w->sent_us);
        w->sent_us = 0;
        hf_clock_sleep_ms(hf_clock_system(), 1);
    }
    mysql_thread_end();
    return NULL;
}

void hf_writer_start(struct hf_writer *w, const struct hf_test_server *s, const char *table)
{
    *w = (struct hf_writer){.conn = hf_test_open(s), .table = table};
    pthread_create(&w->thread, NULL, write_rows, w);
    while (w->acknowledged == 0 && w->failed == 0)
        hf_clock_sleep_ms(hf_clock_system(), 1);
}

void hf_writer_reset(struct hf_writer *w)
{
    w->longest_us = 0;
    if (w->sent_us)
        w->sent_us = now_us();
}

int64_t hf_writer_longest_ms(struct hf_writer *w)
{
    int64_t sent = w->sent_us;
    if (sent)
        raise_longest(w, now_us() - sent);
    return w->longest_us / 1000;
}

void hf_writer_stop(struct hf_writer *w)
{
    w->stop = true;
    pthread_join(w->thread, NULL);
    hf_db_close(w->conn);
}

static void *run_statement(void *arg)
{
    struct hf_blocker *b = arg;
    struct hf_err ignored = HF_ERR_INIT;
    (void)!hf_db_exec(b->conn, b->sql, &ignored);
    mysql_thread_end();
    return NULL;
}

void hf_blocker_start(struct hf_blocker *b, const struct hf_test_server *s, const char *setup,
                      const char *sql)
{
    struct hf_err err = HF_ERR_INIT;
    *b = (struct hf_blocker){.conn = hf_test_open(s), .sql = sql, .has_thread = sql != NULL};
    b->id = hf_db_id(b->conn);
    if (setup && (hf_db_allow_several(b->conn, &err) || hf_db_exec(b->conn, setup, &err)))
        printf("blocker: %s\n", err.message);
    if (sql)
        pthread_create(&b->thread, NULL, run_statement, b);
}

void hf_blocker_end(struct hf_blocker *b, const struct hf_test_server *s)
{
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(s);
    hf_test_sql(c, "KILL %" PRIu64, b->id);
    if (b->has_thread)
        pthread_join(b->thread, NULL);
    hf_db_close(b->conn);
}
