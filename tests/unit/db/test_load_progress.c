/* SPDX-License-Identifier: Apache-2.0
 *
 * What an interrupted load has left on the target, and what a second one makes of it. The target is a few variables.
 */
#include "db/load/state.h"
#include "harness/hf_test.h"

#include <stdio.h>
#include <string.h>

/* ---- the target ------------------------------------------------------------------------- */

static struct {
    bool has_schema, is_dropped;
    char dump[200];
    const char *files[4][2]; /* name, rows; by name */
    const char *fails_at;    /* a piece of the statement that fails */
    char last[400];
} server;

static int refuse(const char *sql, struct hf_err *err)
{
    snprintf(server.last, sizeof server.last, "%s", sql);
    if (server.fails_at && strstr(sql, server.fails_at))
        return hf_fail(err, HF_E_UNREACHABLE, "the server is gone");
    return 0;
}

int __wrap_hf_db_exec(struct hf_db_conn *c, const char *sql, struct hf_err *err);
int __wrap_hf_db_exec(struct hf_db_conn *c, const char *sql, struct hf_err *err)
{
    (void)c;
    if (refuse(sql, err))
        return -1;
    if (strstr(sql, "DROP DATABASE"))
        memset(&server.files, 0, sizeof server.files), server.has_schema = false;
    if (strstr(sql, "CREATE DATABASE"))
        server.has_schema = true;
    if (strstr(sql, "REPLACE INTO"))
        assert_int_equal(sscanf(sql, "%*[^']'%199[^']", server.dump), 1);
    if (strstr(sql, "SET dropped = 1"))
        server.is_dropped = true;
    return 0;
}

int __wrap_hf_db_query(struct hf_db_conn *c, const char *sql, hf_db_row_cb emit, void *ctx,
                       struct hf_err *err);
int __wrap_hf_db_query(struct hf_db_conn *c, const char *sql, hf_db_row_cb emit, void *ctx,
                       struct hf_err *err)
{
    char dropped[] = {server.is_dropped ? '1' : '0', '\0'};
    (void)c;
    if (refuse(sql, err))
        return -1;
    if (strstr(sql, "SELECT dump"))
        return emit(ctx, 2, (char *[]){server.dump, dropped}, err);
    for (size_t i = 0; i < HF_ARRAY_SIZE(server.files) && server.files[i][0]; i++)
        if (emit(ctx, 2, (char *const *)server.files[i], err))
            return -1;
    return 0;
}

int __wrap_hf_db_value(struct hf_db_conn *c, const char *sql, char **out, struct hf_err *err);
int __wrap_hf_db_value(struct hf_db_conn *c, const char *sql, char **out, struct hf_err *err)
{
    (void)c;
    *out = NULL;
    if (refuse(sql, err))
        return -1;
    if (strstr(sql, "information_schema"))
        *out = server.has_schema ? strdup("1") : NULL;
    for (size_t i = 0; i < HF_ARRAY_SIZE(server.files) && server.files[i][0]; i++)
        if (strstr(sql, "WHERE name") && strstr(sql, server.files[i][0]))
            *out = strdup("1");
    return 0;
}

/* ---- the load --------------------------------------------------------------------------- */

static struct hf_load_opts opts;
static struct hf_load_result result;
static struct hf_load load;

static struct hf_load_file *file_of(const char *name)
{
    struct hf_load_table *t = load.folder->schemas[0]->tables[0];
    for (size_t i = 0; i < t->n_files; i++)
        if (strcmp(t->files[i].name, name) == 0)
            return &t->files[i];
    return NULL;
}

static int begin(void **state)
{
    static const char *const names[] = {"s.t.00002.sql", "s.t.00000.sql", "s.t.00001.sql"};
    memset(&server, 0, sizeof server);
    opts = (struct hf_load_opts){0};
    result = (struct hf_load_result){0};
    load = (struct hf_load){.opts = &opts, .result = &result};
    pthread_mutex_init(&load.lock, NULL);
    load.folder = calloc(1, sizeof *load.folder);
    strcpy(load.folder->id, "c0ffee");
    struct hf_load_schema *s = hf_load_folder_add_schema(load.folder, "s", "s");
    struct hf_load_table *t = hf_load_folder_add_table(s, "t", "s.t");
    for (size_t i = 0; i < HF_ARRAY_SIZE(names); i++)
        hf_load_folder_add_file(t)->name = strdup(names[i]);
    return hf_test_begin(state);
}

static int end(void **state)
{
    hf_load_folder_close(load.folder);
    hf_load_result_free(&result);
    pthread_mutex_destroy(&load.lock);
    return hf_test_end(state);
}

/* An earlier load of the same dump with the same options, killed behind two files. */
static void was_killed(void)
{
    struct hf_err err = HF_ERR_INIT;
    assert_hf_ok(hf_load_progress_begin(&load, &err), &err);
    assert_hf_ok(hf_load_progress_dropped(&load, &err), &err);
    server.files[0][0] = "s.t.00000.sql", server.files[0][1] = "7";
    server.files[1][0] = "s.t.00002.sql", server.files[1][1] = "12";
}

static int look(bool *is_resumed, struct hf_err *err)
{
    *is_resumed = true;
    hf_err_clear(err);
    return hf_load_progress_look(&load, is_resumed, err);
}

/* ---- cases ------------------------------------------------------------------------------ */

static void a_server_without_progress_is_begun_anew(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    bool is_resumed;
    (void)state;
    assert_hf_ok(look(&is_resumed, &err), &err);
    assert_false(is_resumed);
    assert_int_equal(result.warnings.n, 0);
    opts.resume = true;
    assert_hf_ok(look(&is_resumed, &err), &err);
    assert_false(is_resumed);
    assert_contains(result.warnings.items[0], "nothing to resume");
}

static void what_is_loaded_is_not_loaded_again(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    bool is_resumed;
    (void)state;
    was_killed();
    opts.resume = true;
    assert_hf_ok(look(&is_resumed, &err), &err);
    assert_true(is_resumed);
    assert_true(file_of("s.t.00000.sql")->is_done && file_of("s.t.00000.sql")->loaded == 7);
    assert_true(file_of("s.t.00002.sql")->is_done && file_of("s.t.00002.sql")->loaded == 12);
    assert_false(file_of("s.t.00001.sql")->is_done);
}

static void killed_while_it_dropped_it_begins_anew(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    bool is_resumed;
    (void)state;
    was_killed();
    server.is_dropped = false;
    opts.resume = true;
    assert_hf_ok(look(&is_resumed, &err), &err);
    assert_false(is_resumed);
    assert_false(file_of("s.t.00000.sql")->is_done);
}

static void another_dump_or_other_options_are_not_resumed(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    bool is_resumed;
    (void)state;
    was_killed();
    opts.resume = true;
    strcpy(load.folder->id, "decaf");
    assert_int_equal(look(&is_resumed, &err), -1);
    assert_hf_err(&err, HF_E_CONFLICT, "another dump");
    strcpy(load.folder->id, "c0ffee");
    opts.only = "s.t";
    assert_int_equal(look(&is_resumed, &err), -1);
    opts.only = NULL;
    opts.as = "s=z";
    assert_int_equal(look(&is_resumed, &err), -1);
    opts.as = NULL;
    assert_hf_ok(look(&is_resumed, &err), &err);
}

static void without_resume_an_interrupted_load_is_refused_unless_it_is_replaced(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    bool is_resumed;
    (void)state;
    was_killed();
    assert_int_equal(look(&is_resumed, &err), -1);
    assert_hf_err(&err, HF_E_CONFLICT, "interrupted");
    opts.replace = true;
    assert_hf_ok(look(&is_resumed, &err), &err);
    assert_false(is_resumed);
    assert_false(file_of("s.t.00000.sql")->is_done);
}

static void what_the_server_keeps_of_a_file_is_asked_by_its_name(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    bool is_done = false;
    (void)state;
    was_killed();
    file_of("s.t.00001.sql")->loaded = 5;
    assert_hf_ok(hf_load_progress_file(NULL, file_of("s.t.00001.sql"), &err), &err);
    assert_contains(server.last, "'s.t.00001.sql', 5)");
    assert_hf_ok(hf_load_progress_has(NULL, file_of("s.t.00002.sql"), &is_done, &err), &err);
    assert_true(is_done);
    assert_hf_ok(hf_load_progress_has(NULL, file_of("s.t.00001.sql"), &is_done, &err), &err);
    assert_false(is_done);
}

static void of_a_table_that_is_made_anew_all_files_are_forgotten(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_load_table *t = load.folder->schemas[0]->tables[0];
    (void)state;
    was_killed();
    assert_hf_ok(hf_load_progress_forget(NULL, t, &err), &err);
    assert_string_equal(server.last, "DELETE FROM `holdfast_load`.`files` WHERE name IN "
                                     "('s.t.00002.sql', 's.t.00000.sql', 's.t.00001.sql')");
    for (int i = 0; i < 498; i++)
        hf_load_folder_add_file(t)->name = hf_asprintf("more.%d", i);
    assert_hf_ok(hf_load_progress_forget(NULL, t, &err), &err);
    assert_string_equal(server.last,
                        "DELETE FROM `holdfast_load`.`files` WHERE name IN ('more.497')");
    server.last[0] = '\0';
    for (size_t i = 0; i < t->n_files; i++)
        free(HF_STEAL(t->files[i].name)); /* not there, which --force-incomplete lets pass */
    assert_hf_ok(hf_load_progress_forget(NULL, t, &err), &err);
    assert_string_equal(server.last, "");
}

static void at_the_end_nothing_of_it_is_left(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    (void)state;
    was_killed();
    assert_hf_ok(hf_load_progress_end(&load, &err), &err);
    assert_false(server.has_schema);
}

static void a_server_that_fails_is_an_error_at_every_step(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    bool flag;
    (void)state;
    was_killed();
    opts.resume = true;
    static const char *const reads[] = {"information_schema", "SELECT dump", "SELECT name"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(reads); i++) {
        server.fails_at = reads[i];
        assert_int_equal(look(&flag, &err), -1);
        assert_hf_err(&err, HF_E_UNREACHABLE, "holdfast_load");
        assert_false(file_of("s.t.00000.sql")->is_done);
    }
    static const char *const writes[] = {"DROP DATABASE", "CREATE DATABASE", "`files`", "`state` (",
                                         "REPLACE"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(writes); i++) {
        hf_err_clear(&err);
        server.fails_at = writes[i];
        assert_int_equal(hf_load_progress_begin(&load, &err), -1);
        assert_hf_err(&err, HF_E_UNREACHABLE, "making the schema holdfast_load");
    }
    server.fails_at = "DELETE";
    hf_err_clear(&err);
    assert_int_equal(hf_load_progress_forget(NULL, load.folder->schemas[0]->tables[0], &err), -1);
    server.fails_at = "SELECT 1";
    assert_int_equal(hf_load_progress_has(NULL, file_of("s.t.00000.sql"), &flag, &err), -1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(a_server_without_progress_is_begun_anew),
        CASE(what_is_loaded_is_not_loaded_again),
        CASE(killed_while_it_dropped_it_begins_anew),
        CASE(another_dump_or_other_options_are_not_resumed),
        CASE(without_resume_an_interrupted_load_is_refused_unless_it_is_replaced),
        CASE(what_the_server_keeps_of_a_file_is_asked_by_its_name),
        CASE(of_a_table_that_is_made_anew_all_files_are_forgotten),
        CASE(at_the_end_nothing_of_it_is_left),
        CASE(a_server_that_fails_is_an_error_at_every_step),
    };
    return HF_RUN_TESTS("db.load_progress", tests);
}
