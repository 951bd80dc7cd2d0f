/* SPDX-License-Identifier: Apache-2.0 */
#include "integration/db/case.h"

#include "base/buf.h"
#include "base/clock.h"

struct hf_test_server server;

bool is_mysql(void)
{
    return server.flavour == HF_DB_MYSQL;
}

static int keep_id(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    (void)err;
    return n ? hf_strv_add(ctx, values[0]) : 0;
}

static void end_leftovers(void)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv ids = HF_STRV_INIT;
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    assert_hf_ok(hf_db_query(c,
                             "SELECT id FROM information_schema.processlist WHERE user = 'root' "
                             "AND id <> CONNECTION_ID()",
                             keep_id, &ids, &err),
                 &err);
    for (size_t i = 0; i < ids.n; i++) {
        HF_AUTOFREE char *sql = hf_asprintf("KILL %s", ids.items[i]);
        (void)!hf_db_exec(c, sql, &err);
    }
}

void wait_for_mark(void)
{
    int64_t until_ms = now_ms() + 5000;
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    while (hf_test_number(c, "SELECT IS_USED_LOCK('" MARK "')") > 0 && now_ms() < until_ms)
        sleep_ms(10);
}

int begin_case(void **state)
{
    end_leftovers();
    wait_for_mark();
    return hf_test_begin(state);
}

struct hf_db_lock_opts lock_opts(const struct hf_db_target *target)
{
    return (struct hf_db_lock_opts){
        .target = target,
        .run_id = RUN_ID,
        .stall_budget_ms = 300,
        .quiesce_timeout_ms = 1500,
        .hold_limit_ms = 5000,
    };
}

int64_t now_ms(void)
{
    return hf_clock_mono_ms(hf_clock_system());
}

void sleep_ms(int64_t ms)
{
    hf_clock_sleep_ms(hf_clock_system(), ms);
}

void make_tables(void)
{
    static const char *const tables[][2] = {
        {"a", "InnoDB"}, {"b", "InnoDB"}, {"m", "MyISAM"}, {"n", "MyISAM"}};
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    hf_test_sql(c, "CREATE DATABASE IF NOT EXISTS t");
    for (size_t i = 0; i < HF_ARRAY_SIZE(tables); i++) {
        hf_test_sql(c, "DROP TABLE IF EXISTS t.%s", tables[i][0]);
        hf_test_sql(
            c, "CREATE TABLE t.%s (id BIGINT PRIMARY KEY AUTO_INCREMENT, sent BIGINT) ENGINE = %s",
            tables[i][0], tables[i][1]);
        hf_test_sql(c, "INSERT INTO t.%s (sent) VALUES (0)", tables[i][0]);
    }
}

void assert_nothing_is_held(void)
{
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_test_open(&server);
    int64_t begin = now_ms();
    hf_test_sql(c, "INSERT INTO t.b (sent) VALUES (1)");
    hf_test_sql(c, "INSERT INTO t.n (sent) VALUES (1)");
    hf_test_sql(c, "CREATE TABLE t.made_by_check (i INT)");
    hf_test_sql(c, "DROP TABLE t.made_by_check");
    assert_in_range(now_ms() - begin, 0, 1000);
}
