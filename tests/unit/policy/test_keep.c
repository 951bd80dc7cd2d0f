/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "harness/hf_test.h"
#include "policy/keep.h"

#include <string.h>

#define STORES "[store vault]\nurl = file:///mnt/vault\n[store shelf]\nurl = file:///mnt/shelf\n"
#define POLICY(name) "[policy " name "]\nvms = web*\nschedule = @daily\n"

/* "daily 7, weekly 4" of VM web01 on the store; "nothing" where nothing is deleted. */
static const char *rules(const char *store_keys, const char *vm_keys, const char *policies)
{
    static char text[256];
    struct hf_err err = HF_ERR_INIT;
    struct hf_keep keep;
    HF_AUTO(hf_buf) struct hf_buf out = HF_BUF_INIT;
    HF_AUTOFREE char *config = hf_asprintf(
        "[hypervisor lab]\nplugin = libvirt\n[vm web01]\nhypervisor = lab\n%s" STORES "%s%s",
        vm_keys, store_keys, policies);
    HF_AUTO(hf_config)
    struct hf_config *c = hf_config_parse(config, strlen(config), "t.conf", &err);
    assert_hf_got(c, &err);
    const bool has = hf_keep_of(c, hf_config_vm_at(c, 0), hf_config_store_at(c, 1), &keep);
    for (size_t i = 0; has && i < HF_KEEP_RULES; i++)
        if (keep.n[i])
            hf_buf_printf(&out, "%s %u ", hf_keep_rule_name((enum hf_keep_rule)i), keep.n[i]);
    if (has && keep.is_all)
        hf_buf_str_add(&out, "all ");
    snprintf(text, sizeof text, "%s", has ? hf_buf_str(&out) : "nothing");
    return text;
}

static void the_store_counts_before_the_vm_and_both_before_policies(void **state)
{
    (void)state;
    const char *policy = POLICY("a") "keep = daily 7\n";
    assert_string_equal(rules("keep = last 3\n", "keep = last 5\n", policy), "last 3 ");
    assert_string_equal(rules("", "keep = last 5\n", policy), "last 5 ");
    assert_string_equal(rules("", "", policy), "daily 7 ");
    assert_string_equal(rules("", "", ""), "nothing");
}

static void of_several_policies_the_largest_of_each_rule_counts(void **state)
{
    (void)state;
    assert_string_equal(
        rules("", "",
              POLICY("a") "keep = daily 7, weekly 4\n" POLICY("b") "keep = hourly 24, daily 3\n"),
        "hourly 24 daily 7 weekly 4 ");
    assert_string_equal(rules("", "", POLICY("a") "keep = daily 7\n" POLICY("b")), "nothing");
    assert_string_equal(rules("", "", POLICY("a") "keep = daily 7\n" POLICY("b") "keep = all\n"),
                        "daily 7 all ");
}

static void what_makes_no_points_for_the_store_says_nothing_about_it(void **state)
{
    (void)state;
    const char *one = POLICY("a") "keep = daily 7\n";
    HF_AUTOFREE char *snapshots = hf_asprintf("%s" POLICY("b") "produce = snapshot\n", one);
    HF_AUTOFREE char *elsewhere =
        hf_asprintf("%s" POLICY("b") "keep = daily 99\nstores = vault\n", one);
    HF_AUTOFREE char *others =
        hf_asprintf("%s[policy b]\nvms = db*\nschedule = @daily\nkeep = daily 99\n", one);
    assert_string_equal(rules("", "", snapshots), "daily 7 ");
    assert_string_equal(rules("", "", elsewhere), "daily 7 ");
    assert_string_equal(rules("", "", others), "daily 7 ");
    assert_string_equal(rules("", "stores = vault\n", one), "nothing");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(the_store_counts_before_the_vm_and_both_before_policies),
        HF_TEST(of_several_policies_the_largest_of_each_rule_counts),
        HF_TEST(what_makes_no_points_for_the_store_says_nothing_about_it),
    };
    return HF_RUN_TESTS("policy.keep", tests);
}
