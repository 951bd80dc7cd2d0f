/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "catalog/catalog.h"
#include "harness/hf_test.h"

#include <string.h>

#define POINT "20261123T030000Z-7f3a9c21"
#define OTHER "20261124T030000Z-00000001"
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

/* A point that was verified on two stores. */
static void add_point(struct hf_catalog *c)
{
    struct hf_err err = HF_ERR_INIT;
    const struct hf_catalog_point p = {.id = POINT,
                                       .vm = "web01",
                                       .hypervisor = "lab",
                                       .vm_id = "5d1c",
                                       .grade = "B",
                                       .taken_us = NOW};
    struct hf_catalog_copy copies[] = {{.point_id = POINT,
                                        .store = "vault",
                                        .store_id = VAULT,
                                        .is_protected = true,
                                        .verified_us = NOW},
                                       {.point_id = POINT,
                                        .store = "cellar",
                                        .store_id = CELLAR,
                                        .is_protected = true,
                                        .verified_us = NOW}};
    assert_hf_ok(hf_catalog_point_commit(c, &p, copies, 2, NULL, &err), &err);
}

static int drill(struct hf_catalog *c, const char *run, const char *point, const char *why,
                 bool found_damage, struct hf_err *err)
{
    const struct hf_catalog_drill d = {.run_id = run,
                                       .point_id = point,
                                       .vm = "web01",
                                       .store_id = VAULT,
                                       .store = "vault",
                                       .has_passed = !why,
                                       .found_damage = found_damage,
                                       .recovery_ms = why ? -1 : 17000,
                                       .duration_ms = 40000,
                                       .started_us = NOW + run[strlen(run) - 1],
                                       .why = why};
    const struct hf_catalog_run row = {
        .id = run, .verb = "drill", .vm = "web01", .outcome = why ? "failed" : "done"};
    return hf_catalog_drill_commit(c, &d, &row, err);
}

static int add_text(void *ctx, const struct hf_catalog_drill *d, struct hf_err *err)
{
    (void)err;
    hf_buf_printf(ctx, "%s %.8s %s %s %d %d %s; ", d->run_id, d->point_id, d->store,
                  d->has_passed ? "passed" : "failed", (int)d->recovery_ms, (int)d->duration_ms,
                  d->why ? d->why : "-");
    return 0;
}

static void assert_drills(struct hf_catalog *c, const char *point, const char *vm, size_t limit,
                          const char *expected)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf got = HF_BUF_INIT;
    assert_hf_ok(hf_catalog_drills(c, point, vm, limit, add_text, &got, &err), &err);
    assert_string_equal(hf_buf_str(&got), expected);
}

static int add_copy(void *ctx, const struct hf_catalog_copy *k, struct hf_err *err)
{
    (void)err;
    hf_buf_printf(ctx, "%s%s%s ", k->store, k->verified_us ? " verified" : "",
                  k->is_damaged ? " damaged" : "");
    return 0;
}

static void assert_copies(struct hf_catalog *c, const char *expected)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf got = HF_BUF_INIT;
    assert_hf_ok(hf_catalog_copies(c, POINT, add_copy, &got, &err), &err);
    assert_string_equal(hf_buf_str(&got), expected);
}

static void drills_come_back_newest_first_by_point_and_by_vm(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    add_point(c);
    assert_drills(c, POINT, NULL, 9, "");
    assert_hf_ok(drill(c, "r1", POINT, NULL, false, &err), &err);
    assert_hf_ok(drill(c, "r2", OTHER, "rows: t.x", false, &err),
                 &err); /* of a point that is not known here */
    assert_drills(c, POINT, NULL, 9, "r1 20261123 vault passed 17000 40000 -; ");
    assert_drills(
        c, NULL, "web01", 9,
        "r2 20261124 vault failed -1 40000 rows: t.x; r1 20261123 vault passed 17000 40000 -; ");
    assert_drills(c, NULL, "web01", 1, "r2 20261124 vault failed -1 40000 rows: t.x; ");
    assert_drills(c, NULL, "db3", 9, "");
}

static void a_failed_drill_takes_back_the_verification_of_its_copy_alone(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    add_point(c);
    assert_hf_ok(drill(c, "r1", POINT, NULL, false, &err), &err);
    assert_copies(c, "cellar verified vault verified ");
    assert_hf_ok(drill(c, "r2", POINT, "position: another", false, &err), &err);
    assert_copies(c, "cellar verified vault ");
    assert_hf_ok(drill(c, "r3", POINT, "disks: a pack is gone", true, &err), &err);
    assert_copies(c, "cellar verified vault damaged ");
    /* what a verification found is not mended by a machine that comes up */
    assert_hf_ok(drill(c, "r4", POINT, NULL, false, &err), &err);
    assert_copies(c, "cellar verified vault damaged ");
}

static void a_drill_is_recorded_with_its_run_or_not_at_all(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    add_point(c);
    assert_hf_ok(drill(c, "r1", POINT, NULL, false, &err), &err);
    assert_int_equal(drill(c, "r1", POINT, "again", true, &err), -1);
    assert_copies(c, "cellar verified vault verified ");
}

static int keep_verb(void *ctx, const struct hf_catalog_run *r, struct hf_err *err)
{
    (void)err;
    hf_buf_printf(ctx, "%s %s;", r->id, r->verb);
    return 0;
}

static void the_last_run_is_not_hidden_by_a_drill(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf got = HF_BUF_INIT;
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    assert_hf_ok(hf_catalog_last_run_but(c, "web01", "drill", keep_verb, &got, &err), &err);
    assert_string_equal(hf_buf_str(&got), "");
    const struct hf_catalog_run backup = {
        .id = "a1", .verb = "backup", .vm = "web01", .outcome = "failed", .started_us = 1};
    assert_hf_ok(hf_catalog_run_end(c, &backup, &err), &err);
    assert_hf_ok(drill(c, "r1", POINT, NULL, false, &err), &err);
    assert_hf_ok(hf_catalog_last_run_but(c, "web01", "drill", keep_verb, &got, &err), &err);
    assert_string_equal(hf_buf_str(&got), "a1 backup;");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(drills_come_back_newest_first_by_point_and_by_vm),
        HF_TEST(a_failed_drill_takes_back_the_verification_of_its_copy_alone),
        HF_TEST(a_drill_is_recorded_with_its_run_or_not_at_all),
        HF_TEST(the_last_run_is_not_hidden_by_a_drill),
    };
    return HF_RUN_TESTS("catalog.drills", tests);
}
