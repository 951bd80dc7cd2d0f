/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "catalog/catalog.h"
#include "catalog/catalog_intern.h"
#include "harness/hf_test.h"

#include <string.h>

#define POINT_A "20261123T030000Z-7f3a9c21"
#define POINT_B "20261124T030000Z-00000001"
#define VAULT "00112233445566778899aabbccddeeff"
#define CELLAR "ffeeddccbbaa99887766554433221100"
#define NOW INT64_C(1795402800000000)

static struct hf_catalog *open_here(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_catalog *c = hf_catalog_open(hf_test_dir(state), &hf_test_clock(state)->clock, &err);
    assert_hf_got(c, &err);
    return c;
}

static struct hf_catalog_point point_of(const char *id, const char *vm)
{
    return (struct hf_catalog_point){.id = id,
                                     .vm = vm,
                                     .hypervisor = "lab",
                                     .vm_id = "5d1c",
                                     .grade = "B",
                                     .taken_us = strcmp(id, POINT_A) ? NOW + 86400000000 : NOW,
                                     .stall_ms = 47.25,
                                     .checkpoint = "hf-cp",
                                     .bytes = 7,
                                     .report = "{}"};
}

static struct hf_catalog_copy copy_of(const char *id, const char *store_id)
{
    return (struct hf_catalog_copy){.point_id = id,
                                    .store = strcmp(store_id, VAULT) ? "cellar" : "vault",
                                    .store_id = store_id,
                                    .objects = 3,
                                    .bytes = 4096,
                                    .is_protected = true};
}

static void commit(struct hf_catalog *c, const char *id, const char *vm)
{
    struct hf_err err = HF_ERR_INIT;
    const struct hf_catalog_point p = point_of(id, vm);
    const struct hf_catalog_copy copies[] = {copy_of(id, VAULT), copy_of(id, CELLAR)};
    const struct hf_catalog_run run = {.id = id, .verb = "backup", .vm = vm, .outcome = "done"};
    assert_hf_ok(hf_catalog_point_commit(c, &p, copies, 2, &run, &err), &err);
}

static int add_copy(void *ctx, const struct hf_catalog_copy *k, struct hf_err *err)
{
    (void)err;
    hf_buf_printf(ctx, " %s:%d,%d%s%s%s", k->store, (int)k->objects, (int)k->bytes,
                  k->is_protected ? " protected" : "", k->verified_us ? " verified" : "",
                  k->is_damaged ? " damaged" : "");
    return 0;
}

struct dumping {
    struct hf_catalog *c;
    struct hf_buf *out;
};

static int add_point(void *ctx, const struct hf_catalog_point *p, struct hf_err *err)
{
    struct dumping *d = ctx;
    hf_buf_printf(d->out, "%.8s %s %s %s %s %.2f %lld %s %llu", p->id, p->vm, p->hypervisor,
                  p->vm_id, p->grade, p->stall_ms, (long long)(p->taken_us - NOW) / 1000000,
                  p->checkpoint ? p->checkpoint : "-", (unsigned long long)p->bytes);
    int rc = hf_catalog_copies(d->c, p->id, add_copy, d->out, err);
    hf_buf_str_add(d->out, "\n");
    return rc;
}

static void assert_points(struct hf_catalog *c, const char *vm, int64_t since_us,
                          const char *expected)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf got = HF_BUF_INIT;
    struct dumping d = {c, &got};
    assert_hf_ok(hf_catalog_points(c, vm, since_us, add_point, &d, &err), &err);
    assert_string_equal(hf_buf_str(&got), expected);
}

#define A_BOTH                                                                                     \
    "20261123 web01 lab 5d1c B 47.25 0 hf-cp 7 cellar:3,4096 protected vault:3,4096 protected\n"
#define B_BOTH                                                                                     \
    "20261124 db3 lab 5d1c B 47.25 86400 hf-cp 7 cellar:3,4096 protected vault:3,4096 "            \
    "protected\n"

static void points_and_copies_come_back_newest_first(void **state)
{
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    commit(c, POINT_A, "web01");
    commit(c, POINT_B, "db3");
    assert_points(c, NULL, 0, B_BOTH A_BOTH);
    assert_points(c, "web01", 0, A_BOTH);
    assert_points(c, NULL, NOW + 1, B_BOTH);
    assert_points(c, "web01", NOW + 1, "");
}

static void a_point_is_committed_with_its_run_or_not_at_all(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    const struct hf_catalog_point p = point_of(POINT_A, "web01");
    const struct hf_catalog_copy twice[] = {copy_of(POINT_A, VAULT), copy_of(POINT_A, VAULT)};
    const struct hf_catalog_run run = {.id = POINT_A, .verb = "backup", .outcome = "no outcome"};
    assert_int_equal(hf_catalog_point_commit(c, &p, twice, 2, NULL, &err), -1);
    assert_int_equal(err.cls, HF_E_CONFLICT);
    assert_int_equal(hf_catalog_point_commit(c, &p, twice, 1, &run, &err), -1);
    assert_hf_err(&err, HF_E_INTERNAL, "cannot end as");
    assert_points(c, NULL, 0, "");
}

static void a_grade_that_is_none_is_refused(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    struct hf_catalog_point p = point_of(POINT_A, "web01");
    p.grade = "F";
    assert_int_equal(hf_catalog_point_commit(c, &p, NULL, 0, NULL, &err), -1);
    assert_hf_err(&err, HF_E_INTERNAL, "'F' is no grade");
}

static void a_verification_is_remembered(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    commit(c, POINT_A, "web01");
    assert_hf_ok(hf_catalog_copy_verified(c, POINT_A, VAULT, NOW, true, &err), &err);
    assert_points(c, NULL, 0,
                  "20261123 web01 lab 5d1c B 47.25 0 hf-cp 7 cellar:3,4096 protected"
                  " vault:3,4096 protected verified damaged\n");
    assert_int_equal(hf_catalog_copy_verified(c, POINT_B, VAULT, NOW, true, &err), -1);
    assert_hf_err(&err, HF_E_NOT_FOUND, "has no copy on store");
}

static void a_point_goes_with_its_last_copy(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    commit(c, POINT_A, "web01");
    commit(c, POINT_B, "db3");
    assert_hf_ok(hf_catalog_copy_forget(c, POINT_A, VAULT, &err), &err);
    assert_points(c, "web01", 0,
                  "20261123 web01 lab 5d1c B 47.25 0 hf-cp 7 cellar:3,4096 protected\n");
    assert_hf_ok(hf_catalog_copy_forget(c, POINT_A, CELLAR, &err), &err);
    assert_points(c, NULL, 0, B_BOTH);
}

static void a_rebuild_takes_the_store_as_it_is(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    struct hf_catalog_point points[] = {point_of(POINT_B, "db3"),
                                        point_of("20261125T030000Z-00000001", "db3")};
    struct hf_catalog_copy copies[] = {copy_of(POINT_B, VAULT),
                                       copy_of("20261125T030000Z-00000001", VAULT)};
    commit(c, POINT_A, "web01");
    commit(c, POINT_B, "db3");
    assert_hf_ok(hf_catalog_copy_verified(c, POINT_B, VAULT, NOW, false, &err), &err);
    for (size_t i = 0; i < 2; i++) {
        points[i].report = NULL;
        copies[i].is_protected = false;
        copies[i].bytes = 5;
    }
    /* Twice: the second time nothing is new. */
    for (size_t i = 0; i < 2; i++)
        assert_hf_ok(hf_catalog_points_rebuild(c, VAULT, points, copies, 2, &err), &err);
    assert_points(c, NULL, 0,
                  "20261125 db3 lab 5d1c B 47.25 86400 hf-cp 7 vault:3,5\n"
                  "20261124 db3 lab 5d1c B 47.25 86400 hf-cp 7 cellar:3,4096 protected"
                  " vault:3,5 protected verified\n"
                  "20261123 web01 lab 5d1c B 47.25 0 hf-cp 7 cellar:3,4096 protected\n");
    assert_hf_ok(hf_catalog_points_rebuild(c, CELLAR, NULL, NULL, 0, &err), &err);
    assert_points(c, "web01", 0, "");
}

static void a_rebuild_that_fails_changes_nothing(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    struct hf_catalog_point points[] = {point_of(POINT_B, "db3"), point_of(POINT_A, "web01")};
    const struct hf_catalog_copy copies[] = {copy_of(POINT_B, VAULT), copy_of(POINT_A, VAULT)};
    commit(c, POINT_A, "web01");
    points[1].grade = "";
    assert_int_equal(hf_catalog_points_rebuild(c, VAULT, points, copies, 2, &err), -1);
    assert_points(c, NULL, 0, A_BOTH);
    points[1].grade = "B";
    assert_hf_ok(hf_catalog_points_rebuild(c, VAULT, points, copies, 2, &err), &err);
}

static void a_catalog_of_the_first_schema_gets_the_tables(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_catalog) struct hf_catalog *old = open_here(state);
    const struct hf_catalog_run run = {.id = POINT_B, .verb = "snapshot create"};
    assert_hf_ok(hf_catalog_run_begin(old, &run, &err), &err);
    assert_hf_ok(hf_sql_exec(old,
                             "DROP TABLE drills; DROP TABLE copies; DROP TABLE points;"
                             "DROP TABLE duties; DROP TABLE alarms; DROP TABLE messages;"
                             "DROP TABLE stalls;"
                             "PRAGMA user_version = 1",
                             "prepare the test", &err),
                 &err);
    hf_catalog_close(HF_STEAL(old));
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    commit(c, POINT_A, "web01");
    assert_points(c, NULL, 0, A_BOTH);
    /* and keeps what it had */
    assert_int_equal(hf_catalog_run_begin(c, &run, &err), -1);
    assert_int_equal(err.cls, HF_E_CONFLICT);
}

static int off_host_is(void *ctx, const struct hf_catalog_copy *k, struct hf_err *err)
{
    (void)err;
    hf_buf_printf(ctx, "%s %s;", k->store, k->off_host ? k->off_host : "-");
    return 0;
}

/* As the fourth schema had it: what lists show stands in reports alone, and a report need not be JSON. */
static void what_lists_show_is_taken_from_the_reports_of_an_older_catalog(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf got = HF_BUF_INIT;
    HF_AUTO(hf_catalog) struct hf_catalog *old = open_here(state);
    commit(old, POINT_A, "web01");
    commit(old, POINT_B, "db3");
    assert_hf_ok(
        hf_sql_exec(old,
                    "ALTER TABLE points DROP COLUMN bytes; ALTER TABLE copies DROP COLUMN off_host;"
                    "UPDATE points SET report = 'no JSON' WHERE id = '" POINT_B "';"
                    "UPDATE points SET report = '{\"artifacts\":[{\"bytes\":40},{\"bytes\":2}],"
                    "\"stores\":[{\"name\":\"vault\",\"off_host\":\"proven\"},"
                    "{\"name\":\"cellar\",\"off_host\":null}]}' WHERE id = '" POINT_A "';"
                    "PRAGMA user_version = 4",
                    "prepare the test", &err),
        &err);
    hf_catalog_close(HF_STEAL(old));
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    assert_points(
        c, NULL, 0,
        "20261124 db3 lab 5d1c B 47.25 86400 hf-cp 0 cellar:3,4096 protected vault:3,4096 "
        "protected\n"
        "20261123 web01 lab 5d1c B 47.25 0 hf-cp 42 cellar:3,4096 protected vault:3,4096 "
        "protected\n");
    assert_hf_ok(hf_catalog_copies(c, POINT_A, off_host_is, &got, &err), &err);
    assert_string_equal(hf_buf_str(&got), "cellar -;vault proven;");
}

static void the_newest_alone_and_how_many_there_are(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf got = HF_BUF_INIT;
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    struct dumping d = {c, &got};
    int64_t n = -1;
    commit(c, POINT_A, "web01");
    commit(c, POINT_B, "web01");
    assert_hf_ok(hf_catalog_points_newest(c, "web01", 0, 1, add_point, &d, &err), &err);
    assert_int_equal(strncmp(hf_buf_str(&got), "20261124 web01 ", 15), 0);
    assert_int_equal(strchr(hf_buf_str(&got), '\n')[1], '\0');
    assert_hf_ok(hf_catalog_points_count(c, "web01", &n, &err), &err);
    assert_int_equal(n, 2);
    assert_hf_ok(hf_catalog_points_count(c, "db3", &n, &err), &err);
    assert_int_equal(n, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(points_and_copies_come_back_newest_first),
        HF_TEST(a_point_is_committed_with_its_run_or_not_at_all),
        HF_TEST(a_grade_that_is_none_is_refused),
        HF_TEST(a_verification_is_remembered),
        HF_TEST(a_point_goes_with_its_last_copy),
        HF_TEST(a_rebuild_takes_the_store_as_it_is),
        HF_TEST(a_rebuild_that_fails_changes_nothing),
        HF_TEST(a_catalog_of_the_first_schema_gets_the_tables),
        HF_TEST(what_lists_show_is_taken_from_the_reports_of_an_older_catalog),
        HF_TEST(the_newest_alone_and_how_many_there_are),
    };
    return HF_RUN_TESTS("catalog.points", tests);
}
