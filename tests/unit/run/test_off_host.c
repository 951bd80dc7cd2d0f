/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/hf_test.h"
#include "run/off_host.h"

#include <string.h>

/* A VM whose hypervisor has this uri. */
static struct hf_config *configured(const char *uri)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *text = hf_asprintf("[hypervisor lab]\nplugin = libvirt\nuri = %s\n"
                                         "[vm web01]\nhypervisor = lab\ndb = tcp://10.0.0.5:3306\n"
                                         "db-defaults-file = /x\nssh = root@web01.example.org:22\n"
                                         "ssh-key = /y\n"
                                         "[store vault]\nurl = file:///mnt/nas\n",
                                         uri);
    struct hf_config *c = hf_config_parse(text, strlen(text), "test", &err);
    assert_hf_got(c, &err);
    return c;
}

static void expect_host(const char *uri, const char *host)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_config) struct hf_config *c = configured(uri);
    HF_AUTO(hf_secured) struct hf_secured s = {0};
    assert_hf_ok(hf_secured_add_vm(&s, hf_config_vm_at(c, 0), hf_config_hypervisor_at(c, 0), &err),
                 &err);
    assert_int_equal(s.hypervisor.n, host ? 1 : 0);
    if (host)
        assert_string_equal(s.hypervisor.items[0], host);
    assert_true(hf_strv_has(&s.guest, "10.0.0.5"));
    assert_true(hf_strv_has(&s.guest, "web01.example.org"));
}

static void the_host_of_a_hypervisor_is_in_its_uri(void **state)
{
    (void)state;
    expect_host("qemu:///system", NULL);
    expect_host("qemu+ssh://root@host1.example.org:22/system", "host1.example.org");
    expect_host("qemu+tls://host1/system?no_verify=1", "host1");
    expect_host("qemu+ssh://root@[2001:db8::1]:22/system", "2001:db8::1");
    expect_host("nothing", NULL);
}

static void every_host_of_a_cluster_is_in_its_uri(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    (void)state;
    HF_AUTO(hf_config)
    struct hf_config *c =
        configured("https://pve1.example.org:8006, https://pve2,https://[2001:db8::1]:8006");
    HF_AUTO(hf_secured) struct hf_secured s = {0};
    assert_hf_ok(hf_secured_add_vm(&s, hf_config_vm_at(c, 0), hf_config_hypervisor_at(c, 0), &err),
                 &err);
    assert_int_equal(s.hypervisor.n, 3);
    assert_string_equal(s.hypervisor.items[0], "pve1.example.org");
    assert_string_equal(s.hypervisor.items[1], "pve2");
    assert_string_equal(s.hypervisor.items[2], "2001:db8::1");
}

static void what_is_not_proven_is_refused_or_assumed_as_configured(void **state)
{
    (void)state;
    const struct hf_offhost_verdict no = {.is = HF_OFFHOST_NOT}, proven = {.is = HF_OFFHOST_PROVEN};
    const struct hf_config_store verify = {.off_host = HF_OFF_HOST_VERIFY},
                                 assume = {.off_host = HF_OFF_HOST_ASSUME};
    assert_string_equal(hf_off_host_word(&verify, &no), "refused");
    assert_string_equal(hf_off_host_word(&assume, &no), "assumed");
    assert_string_equal(hf_off_host_word(&verify, &proven), "proven");
    assert_string_equal(hf_off_host_word(&assume, &proven), "proven");
}

/* `list` names a store alone where its place is proven: not where the disks' place is taken for granted. */
static void a_copy_is_no_better_off_the_host_than_its_disks(void **state)
{
    (void)state;
    assert_string_equal(hf_off_host_weaker("proven", HF_POINT_OFF_HOST_PROVEN), "proven");
    assert_string_equal(hf_off_host_weaker("proven", HF_POINT_OFF_HOST_ASSUMED), "assumed");
    assert_string_equal(hf_off_host_weaker("assumed", HF_POINT_OFF_HOST_PROVEN), "assumed");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(the_host_of_a_hypervisor_is_in_its_uri),
        HF_TEST(every_host_of_a_cluster_is_in_its_uri),
        HF_TEST(a_copy_is_no_better_off_the_host_than_its_disks),
        HF_TEST(what_is_not_proven_is_refused_or_assumed_as_configured),
    };
    return HF_RUN_TESTS("run.off_host", tests);
}
