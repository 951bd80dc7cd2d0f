/* SPDX-License-Identifier: Apache-2.0
 *
 * What snapshots take up against the limits of [vm]: at, below and above each, and what is not known.
 */
#include "harness/hf_test.h"
#include "run/usage.h"

#include <string.h>

#define GIB (UINT64_C(1) << 30)
#define DAY_MS (INT64_C(24) * 3600 * 1000)
#define NOW_US (INT64_C(1700000000) * 1000000)

static char label[] = "web01";
static const struct hf_config_vm vm = {.label = label,
                                       .min_free = {.is_percent = true, .value = 10},
                                       .max_snapshots = 3,
                                       .max_chain = 5,
                                       .max_snapshot_age = 7 * DAY_MS,
                                       .max_overlay = {.is_percent = true, .value = 50}};

/* Everything within its limit, by as little as can be. */
static struct hf_usage at_the_limit(void)
{
    return (struct hf_usage){.n_ours = 2,
                             .n_foreign = 9,
                             .oldest_us = NOW_US - 7 * DAY_MS * 1000,
                             .overlay_bytes = 50 * GIB,
                             .disk_bytes = 100 * GIB,
                             .chain = 4,
                             .store = (char *)(uintptr_t) "/images",
                             .store_total_bytes = 1000 * GIB,
                             .store_free_bytes = 100 * GIB};
}

struct said {
    char limits[128];
    int refusing;
};

static int note(void *ctx, const struct hf_excess *e, struct hf_err *err)
{
    struct said *s = ctx;
    size_t at = strlen(s->limits);
    (void)err;
    assert_non_null(e->message);
    assert_non_null(e->hint);
    snprintf(s->limits + at, sizeof s->limits - at, "%s ", e->limit);
    s->refusing += e->refuses;
    return 0;
}

static struct said judge(const struct hf_usage *u)
{
    struct said s = {0};
    struct hf_err err = HF_ERR_INIT;
    assert_hf_ok(hf_usage_judge(u, &vm, NOW_US, note, &s, &err), &err);
    return s;
}

static void what_is_at_its_limit_is_not_over_it(void **state)
{
    (void)state;
    struct hf_usage u = at_the_limit();
    assert_string_equal(judge(&u).limits, "");
}

static void each_limit_is_exceeded_by_the_least_too_much(void **state)
{
    (void)state;
    struct hf_usage u = at_the_limit();
    u.store_free_bytes--;
    assert_string_equal(judge(&u).limits, "min-free ");
    u = at_the_limit();
    u.n_ours++;
    assert_string_equal(judge(&u).limits, "max-snapshots ");
    u = at_the_limit();
    u.chain++;
    assert_string_equal(judge(&u).limits, "max-chain ");
    u = at_the_limit();
    u.oldest_us -= 1000;
    assert_string_equal(judge(&u).limits, "max-snapshot-age ");
    u = at_the_limit();
    u.overlay_bytes++;
    assert_string_equal(judge(&u).limits, "max-overlay ");
}

static void what_refuses_comes_first_and_age_and_growth_only_warn(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_usage u = at_the_limit();
    u.overlay_bytes++;
    u.oldest_us -= 1000;
    assert_int_equal(judge(&u).refusing, 0);
    assert_hf_ok(hf_usage_refuse(&u, &vm, &err), &err);
    u.store_free_bytes = 0;
    u.chain = 5;
    assert_string_equal(judge(&u).limits, "min-free max-chain max-snapshot-age max-overlay ");
    assert_int_equal(hf_usage_refuse(&u, &vm, &err), -1);
    assert_hf_err(&err, HF_E_NOSPACE, "vm web01: no further snapshot: 0 B of 1000.0 GiB");
}

static void a_backup_from_a_snapshot_needs_its_room_alone(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_usage u = at_the_limit();
    u.chain = 5;
    assert_hf_ok(hf_usage_refuse_backup(&u, &vm, &err), &err);
    u.store_free_bytes = 0;
    assert_int_equal(hf_usage_refuse_backup(&u, &vm, &err), -1);
    assert_hf_err(&err, HF_E_NOSPACE, "vm web01: no snapshot for a backup: 0 B of 1000.0 GiB");
    const struct hf_vm_copy stream = {.can = HF_CAN_SNAPSHOT | HF_CAN_EXPORT_STREAM},
                            nbd = {.can = HF_CAN_SNAPSHOT | HF_CAN_EXPORT_NBD};
    assert_true(hf_usage_has_backup(&stream));
    assert_false(hf_usage_has_backup(&nbd));
}

static void what_is_not_known_exceeds_nothing(void **state)
{
    (void)state;
    struct hf_usage u = at_the_limit();
    u.store = NULL;
    u.store_free_bytes = 0;
    u.oldest_us = 0;
    assert_string_equal(judge(&u).limits, "");
}

static void of_several_places_the_one_with_the_least_room_counts(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_usage) struct hf_usage u = {0};
    char large[] = "/large", small[] = "/small", skipped[] = "read-only", target[] = "vdd";
    struct hf_disk_copy disks[] = {
        {.store = large,
         .store_total_bytes = 1000 * GIB,
         .store_free_bytes = 150 * GIB,
         .capacity_bytes = GIB,
         .chain_depth = 2},
        {.store = small,
         .store_total_bytes = 100 * GIB,
         .store_free_bytes = 20 * GIB,
         .capacity_bytes = GIB,
         .chain_depth = 4},
        {.store = small, .skipped = skipped, .capacity_bytes = 7 * GIB, .chain_depth = 9},
        {.target = target, .capacity_bytes = GIB, .chain_depth = 1},
    };
    struct hf_disk_list list = {.items = disks, .n = HF_ARRAY_SIZE(disks)};
    assert_hf_ok(hf_usage_add_disks(&u, &vm, &list, &err), &err);
    assert_string_equal(u.store, "/small");
    assert_string_equal(u.unknown_store, "vdd");
    assert_int_equal(u.chain, 4);
    assert_int_equal(u.disk_bytes, 3 * GIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HF_TEST(what_is_at_its_limit_is_not_over_it),
        HF_TEST(each_limit_is_exceeded_by_the_least_too_much),
        HF_TEST(what_refuses_comes_first_and_age_and_growth_only_warn),
        HF_TEST(a_backup_from_a_snapshot_needs_its_room_alone),
        HF_TEST(what_is_not_known_exceeds_nothing),
        HF_TEST(of_several_places_the_one_with_the_least_room_counts),
    };
    return HF_RUN_TESTS("run.usage", tests);
}
