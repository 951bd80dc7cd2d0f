/* SPDX-License-Identifier: Apache-2.0
 *
 * Dump directories, good and hostile ones.
 */
#include "base/path.h"
#include "db/load/folder.h"
#include "harness/hf_test.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define SUM "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define FILE_OF(name, size)                                                                        \
    "{\"name\":\"" name "\",\"bytes\":9,\"stored_bytes\":" size ",\"sha256\":\"" SUM "\"}"
#define DATA                                                                                       \
    "{\"name\":\"s.t.00000.sql\",\"bytes\":9,\"stored_bytes\":4,\"sha256\":\"" SUM "\",\"rows\":"  \
                                                                                   "2}"
#define TABLE(extra, rows, files)                                                                  \
    "{\"name\":\"t\",\"file\":\"s.t\",\"kind\":\"table\",\"schema\":" FILE_OF(                     \
        "s.t-schema.sql", "4") ",\"rows\":" rows                                                   \
                               ",\"checksum\":\"0123456789abcdef\",\"files\":[" files "]" extra    \
                               "}"
#define MANIFEST(format, tables)                                                                   \
    "{\"format\":" format                                                                          \
    ",\"server\":{\"flavour\":\"mariadb\",\"version\":\"10.11\"},\"schemas\":[{\"name\":\"s\","    \
    "\"file\":\"s\",\"create\":null,\"post\":null,\"tables\":[" tables "]}]}"

static char *directory(void **state)
{
    static char dir[400];
    snprintf(dir, sizeof dir, "%s/dump", hf_test_dir(state));
    struct hf_err err = HF_ERR_INIT;
    assert_hf_ok(hf_path_mkdirs(dir, 0700, &err), &err);
    return dir;
}

static void put(const char *dir, const char *name, const char *text)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *path = hf_path_join(dir, name);
    assert_hf_ok(hf_path_write(path, text, strlen(text), 0600, &err), &err);
}

static void put_files(const char *dir)
{
    put(dir, "s.t-schema.sql", "1234");
    put(dir, "s.t.00000.sql", "1234");
}

static void a_manifest_names_tables_and_files(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    char *dir = directory(state);
    put_files(dir);
    put(dir, "holdfast.json", MANIFEST("1", TABLE("", "2", DATA)));
    HF_AUTO(hf_load_folder) struct hf_load_folder *f = hf_load_folder_open(dir, false, &err);
    assert_hf_got(f, &err);
    struct hf_load_table *t = hf_load_schema_find(f->schemas[0], "t");
    assert_non_null(t);
    assert_int_equal(t->rows, 2);
    assert_int_equal(t->n_files, 1);
    assert_string_equal(t->files[0].sha256, SUM);
    assert_int_equal(hf_load_folder_select(f, "s.t", &err), 0);
    assert_true(t->is_selected && !f->schemas[0]->is_selected);
    assert_int_equal(hf_load_folder_select(f, "s.u", &err), -1);
}

static void hostile_manifests_are_refused(void **state)
{
    static const struct {
        const char *text, *piece;
    } bad[] = {
        {"", "holdfast.json"},
        {"[]", "not a JSON object"},
        {MANIFEST("2", ""), "format 2"},
        {MANIFEST("\"1\"", ""), "format"},
        {MANIFEST("1", "7"), "no object"},
        {MANIFEST("1", TABLE("", "3", DATA)), "its files have 2 rows, it has 3"},
        {MANIFEST("1", TABLE("", "-2", DATA)), "s.t"},
        {MANIFEST("1", TABLE(",\"triggers\":" FILE_OF("../../etc/passwd", "4"), "2", DATA)),
         "no name of a file"},
        {MANIFEST("1", TABLE(",\"triggers\":" FILE_OF(".hidden", "4"), "2", DATA)),
         "no name of a file"},
        {MANIFEST("1", TABLE(",\"triggers\":" FILE_OF("x", "-4"), "2", DATA)), "negative"},
        {MANIFEST("1", TABLE(",\"triggers\":5", "2", DATA)), "neither an object nor null"},
        {MANIFEST("1", TABLE(",\"kind\":\"door\"", "2", DATA)), "no kind of table"},
        {MANIFEST("1", TABLE(",\"checksum\":\"xyz\"", "2", DATA)), "checksum of s.t is none"},
    };
    char *dir = directory(state);
    put_files(dir);
    for (size_t i = 0; i < HF_ARRAY_SIZE(bad); i++) {
        struct hf_err err = HF_ERR_INIT;
        put(dir, "holdfast.json", bad[i].text);
        assert_null(hf_load_folder_open(dir, false, &err));
        assert_contains(err.message, bad[i].piece);
    }
}

static void files_that_are_missing_or_of_another_size_are_named_together(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    char *dir = directory(state);
    put(dir, "s.t.00000.sql", "123");
    put(dir, "holdfast.json", MANIFEST("1", TABLE("", "2", DATA)));
    assert_null(hf_load_folder_open(dir, false, &err));
    assert_hf_err(&err, HF_E_CORRUPT,
                  "s.t-schema.sql (missing, of s.t), s.t.00000.sql (another size, of s.t)");
}

static void links_lead_nowhere(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    char *dir = directory(state);
    put(dir, "s.t-schema.sql", "1234");
    HF_AUTOFREE char *link = hf_path_join(dir, "s.t.00000.sql");
    assert_int_equal(symlink("/etc/hostname", link), 0);
    put(dir, "holdfast.json", MANIFEST("1", TABLE("", "2", DATA)));
    assert_null(hf_load_folder_open(dir, false, &err));
    assert_hf_err(&err, HF_E_CORRUPT, "s.t.00000.sql (missing");
}

static void directories_of_mydumper_are_understood(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    char *dir = directory(state);
    put(dir, "metadata", "# Started\n[`a.b`.`x.y`]\nreal_table_name=x.y\nrows = 7\n");
    put(dir, "a.b-schema-create.sql",
        "CREATE DATABASE `a.b` /*!40100 DEFAULT CHARACTER SET latin1 */;\n");
    put(dir, "a.b.x.y-schema.sql", "/*!40101 SET NAMES binary*/;\nCREATE TABLE `x.y` (a int);\n");
    put(dir, "a.b.x.y.00000.sql", "");
    put(dir, "a.b.x.y.00001.sql", "");
    put(dir, "a.b.v-schema.sql", "CREATE TABLE `v`(a int)ENGINE=MyISAM;\n");
    put(dir, "a.b.v-schema-view.sql", "CREATE VIEW `v` AS SELECT 1;\n");
    put(dir, "a.b-schema-post.sql", "");
    HF_AUTO(hf_load_folder) struct hf_load_folder *f = hf_load_folder_open(dir, false, &err);
    assert_hf_got(f, &err);
    assert_int_equal(f->n_schemas, 1);
    assert_string_equal(f->schemas[0]->name, "a.b");
    assert_int_equal(hf_load_schema_find(f->schemas[0], "x.y")->n_files, 2);
    assert_int_equal(hf_load_schema_find(f->schemas[0], "x.y")->rows, 7);
    assert_int_equal(hf_load_schema_find(f->schemas[0], "v")->kind, HF_LOAD_VIEW);
    put(dir, "a.b.lost.00000.sql", "");
    assert_null(hf_load_folder_open(dir, false, &err));
    assert_contains(err.message, "belongs to no table");
}

static void what_is_not_read_says_so(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    char *dir = directory(state);
    assert_null(hf_load_folder_open(dir, false, &err));
    assert_hf_err(&err, HF_E_NOT_FOUND, "neither holdfast.json nor metadata");
    put(dir, "metadata", "");
    put(dir, "s.t.00000.dat", "");
    assert_null(hf_load_folder_open(dir, false, &err));
    assert_hf_err(&err, HF_E_UNSUPPORTED, "LOAD DATA");
    put(dir, "INCOMPLETE", "");
    assert_null(hf_load_folder_open(dir, false, &err));
    assert_hf_err(&err, HF_E_CORRUPT, "not finished");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_manifest_names_tables_and_files),
        HF_TEST(hostile_manifests_are_refused),
        HF_TEST(files_that_are_missing_or_of_another_size_are_named_together),
        HF_TEST(links_lead_nowhere),
        HF_TEST(directories_of_mydumper_are_understood),
        HF_TEST(what_is_not_read_says_so),
    };
    return HF_RUN_TESTS("db.load_folder", tests);
}
