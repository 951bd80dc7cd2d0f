/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "harness/hf_test.h"
#include "policy/glob.h"
#include "policy/select.h"

#include <string.h>

static void patterns_match_whole_names(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool matches;
    } cases[] = {
        {"web01", "web01", true}, {"web01", "web010", false}, {"web*", "web", true},
        {"web*", "web01", true},  {"web*", "myweb", false},   {"*", "x", true},
        {"*01", "web0101", true}, {"web??", "web01", true},   {"web??", "web1", false},
        {"*a*b*", "xaxxb", true}, {"*a*b*", "xbxxa", false},  {"a*b*c", "abbbc", true},
        {"**", "anything", true}, {"?*", "", false},          {"*.prod-?", "db.prod-1", true},
        {"web*", "WEB01", false},
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++)
        if (hf_glob_matches(cases[i].pattern, cases[i].text) != cases[i].matches)
            fail_msg("%s, %s", cases[i].pattern, cases[i].text);
    char stars[129] = {0}, text[65] = {0}; /* no time without end */
    for (size_t i = 0; i < 64; i++)
        memcpy(stars + 2 * i, "*a", 2);
    memset(text, 'a', 63);
    assert_false(hf_glob_matches(stars, text));
}

#define CONFIG                                                                                     \
    "[hypervisor lab]\nplugin = libvirt\ntags = rack3\n[hypervisor old]\nplugin = libvirt\n"       \
    "[vm web01]\nhypervisor = lab\ntags = gold, php\n[vm web90]\nhypervisor = old\n"               \
    "[vm db1]\nhypervisor = lab\n[vm mail]\nhypervisor = old\ntags = php\n"

/* The VMs that it means, as "web01 db1 ". */
static const char *selected(const char *vms)
{
    static char names[256];
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf out = HF_BUF_INIT;
    HF_AUTOFREE char *text = hf_asprintf(CONFIG "[policy p]\nschedule = @daily\nvms = %s\n", vms);
    HF_AUTO(hf_config) struct hf_config *c = hf_config_parse(text, strlen(text), "t.conf", &err);
    assert_hf_got(c, &err);
    for (size_t i = 0; i < hf_config_vm_count(c); i++) {
        const struct hf_config_vm *vm = hf_config_vm_at(c, i);
        if (hf_select_has(&hf_config_policy_at(c, 0)->vms, vm, hf_config_hypervisor_of(c, vm)))
            hf_buf_printf(&out, "%s ", vm->label);
    }
    snprintf(names, sizeof names, "%s", hf_buf_str(&out));
    return names;
}

static void exclusions_win_wherever_they_stand(void **state)
{
    (void)state;
    assert_string_equal(selected("!web9*, web*, db?"), "web01 db1 ");
    assert_string_equal(selected("*, !mail"), "web01 web90 db1 ");
}

static void tags_are_those_of_the_vm_and_of_its_hypervisor(void **state)
{
    (void)state;
    assert_string_equal(selected("tag:php"), "web01 mail ");
    assert_string_equal(selected("tag:rack?"), "web01 db1 ");
    assert_string_equal(selected("*, !tag:gold"), "web90 db1 mail ");
    assert_string_equal(selected("tag:nothing"), "");
}

static void a_hypervisor_stands_for_its_vms(void **state)
{
    (void)state;
    assert_string_equal(selected("hypervisor:o*"), "web90 mail ");
    assert_string_equal(selected("hypervisor:lab, !db1"), "web01 ");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(patterns_match_whole_names),
        HF_TEST(exclusions_win_wherever_they_stand),
        HF_TEST(tags_are_those_of_the_vm_and_of_its_hypervisor),
        HF_TEST(a_hypervisor_stands_for_its_vms),
    };
    return HF_RUN_TESTS("policy.select", tests);
}
