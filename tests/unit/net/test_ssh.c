/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/hf_test.h"
#include "net/ssh_intern.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ED "AAAAC3NzaC1lZDI1NTE5AAAAIEd1bGxpdmVyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define RSA "AAAAB3NzaC1yc2EAAAADAQABAAAAgQDexample"
/* Made by ssh-keygen -H: "web01", and "[web01]:2222". */
#define HASHED_PLAIN "|1|nvOfeIa/P17oACrL9AEwmBvnVy8=|pXnZe0X3wLNSdX6vWGces8kgOyI="
#define HASHED_PORT "|1|g1eiLx+Ry4TeYiM9hKInsLea640=|IfFN8Mp/FZvTb09js4tqtgduvU4="

/* ---- known_hosts ------------------------------------------------------------------------ */

static enum hf_host_trust judge(const char *text, const char *host, unsigned port, const char *blob)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_known_host) struct hf_known_host k = {.host = host, .port = port, .file = "f"};
    assert_hf_ok(hf_known_host_parse(text, &k, &err), &err);
    return hf_known_host_judge(&k, blob);
}

static void a_host_is_known_by_name_pattern_or_hash(void **state)
{
    (void)state;
    static const char *const files[] = {
        "web01 ssh-ed25519 " ED "\n",
        "# comment\n\n  web00,WEB01,10.0.0.1\tssh-ed25519   " ED " root@web01\r\n",
        "web0? ssh-ed25519 " ED,
        "*,!web02 ssh-ed25519 " ED "\n",
        "*b*1 ssh-ed25519 " ED "\n",
        HASHED_PLAIN " ssh-ed25519 " ED "\n",
        "a line nobody understands\n@cert-authority * ssh-rsa " RSA "\nweb01 ssh-ed25519 " ED "\n",
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(files); i++) {
        assert_int_equal(judge(files[i], "web01", 22, ED), HF_HOST_TRUSTED);
        assert_int_equal(judge(files[i], "web01", 22, RSA), HF_HOST_CHANGED);
        assert_int_equal(judge(files[i], "elsewhere.invalid", 22, ED),
                         files[i][0] == '*' && files[i][1] == ',' ? HF_HOST_TRUSTED
                                                                  : HF_HOST_UNKNOWN);
    }
    assert_int_equal(judge("*,!web01 ssh-ed25519 " ED, "web01", 22, ED), HF_HOST_UNKNOWN);
    assert_int_equal(judge("!web01,* ssh-ed25519 " ED, "web01", 22, ED), HF_HOST_UNKNOWN);
    assert_int_equal(judge("", "web01", 22, ED), HF_HOST_UNKNOWN);
    assert_int_equal(judge("web01 ssh-ed25519", "web01", 22, ED), HF_HOST_UNKNOWN);
    assert_int_equal(judge("|1|x|y ssh-ed25519 " ED, "web01", 22, ED), HF_HOST_UNKNOWN);
}

static void another_port_has_keys_of_its_own(void **state)
{
    (void)state;
    static const char both[] = "web01 ssh-rsa " RSA "\n[web01]:2222 ssh-ed25519 " ED "\n";
    assert_int_equal(judge(both, "web01", 2222, ED), HF_HOST_TRUSTED);
    assert_int_equal(judge(both, "web01", 2222, RSA), HF_HOST_CHANGED);
    assert_int_equal(judge(both, "web01", 22, RSA), HF_HOST_TRUSTED);
    assert_int_equal(judge(both, "web01", 22, ED), HF_HOST_CHANGED);
    assert_int_equal(judge(both, "web01", 2223, RSA), HF_HOST_TRUSTED);
    assert_int_equal(judge(HASHED_PORT " ssh-ed25519 " ED, "web01", 2222, ED), HF_HOST_TRUSTED);
    assert_int_equal(judge(HASHED_PORT " ssh-ed25519 " ED, "web01", 22, ED), HF_HOST_UNKNOWN);
    assert_int_equal(judge("[fd00::5]:2222 ssh-ed25519 " ED, "fd00::5", 2222, ED), HF_HOST_TRUSTED);
}

static void what_is_revoked_is_not_trusted_wherever_it_stands(void **state)
{
    (void)state;
    assert_int_equal(judge("@revoked * ssh-ed25519 " ED "\nweb01 ssh-ed25519 " ED, "web01", 22, ED),
                     HF_HOST_REVOKED);
    assert_int_equal(
        judge("[web01]:2222 ssh-ed25519 " ED "\n@revoked web01 ssh-ed25519 " ED, "web01", 2222, ED),
        HF_HOST_REVOKED);
    assert_int_equal(
        judge("@revoked web01 ssh-rsa " RSA "\nweb01 ssh-ed25519 " ED, "web01", 22, ED),
        HF_HOST_TRUSTED);
    assert_int_equal(judge("@revoked web01 ssh-rsa " RSA, "web01", 22, ED), HF_HOST_UNKNOWN);
    assert_int_equal(judge("@cert-authority web01 ssh-ed25519 " ED, "web01", 22, ED),
                     HF_HOST_UNKNOWN);
}

static void only_types_that_the_file_has_are_asked_for(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    HF_AUTO(hf_known_host) struct hf_known_host k = {.host = "web01", .port = 22};
    assert_hf_ok(
        hf_known_host_parse("web01 ssh-rsa " RSA "\nweb01 ssh-ed25519 " ED
                            "\n@revoked web01 ecdsa-sha2-nistp256 AAAA\nweb01 ssh-new AAAA\n",
                            &k, &err),
        &err);
    static const char *const all[] = {"ssh-rsa", "ecdsa-sha2-nistp256", "ssh-ed25519",
                                      "rsa-sha2-256", "rsa-sha2-512"};
    hf_known_host_algorithms(&k, all, 5, &b);
    assert_string_equal(hf_buf_str(&b), "ssh-ed25519,rsa-sha2-512,rsa-sha2-256,ssh-rsa");
    hf_buf_clear(&b);
    hf_known_host_algorithms(&k, all, 2, &b);
    assert_string_equal(hf_buf_str(&b), "ssh-rsa");
}

static void a_flood_of_keys_is_refused(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    HF_AUTO(hf_known_host) struct hf_known_host k = {.host = "web01", .port = 22};
    for (int i = 0; i < 100; i++)
        hf_buf_printf(&text, "* ssh-ed25519 AAAA%d\n", i);
    assert_int_equal(hf_known_host_parse(hf_buf_str(&text), &k, &err), -1);
    assert_hf_err(&err, HF_E_CONFIG, "more than 64 keys");
}

static void without_known_hosts_nothing_is_tried(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_ssh_target t = {.user = "root",
                              .host = "elsewhere.invalid",
                              .port = 2222,
                              .known_hosts = hf_test_path(state, "known_hosts")};
    assert_null(hf_ssh_connect(&t, hf_clock_system(), NULL, HF_NO_DEADLINE, &err));
    assert_hf_err(&err, HF_E_CONFIG, "host keys: cannot open");
    assert_contains(err.hint, "ssh-keyscan -p 2222 elsewhere.invalid");
}

/* ---- key files -------------------------------------------------------------------------- */

static void keys_with_a_passphrase_are_told_apart(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    static const char plain[] =
        "-----BEGIN OPENSSH PRIVATE KEY-----\n"
        "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n";
    static const char *const locked[] = {
        "-----BEGIN OPENSSH PRIVATE KEY-----\n"
        "b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABBqz3Gkqp\n",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMII\n",
    };
    assert_hf_ok(hf_ssh_key_check(plain, "k", &err), &err);
    assert_hf_ok(hf_ssh_key_check("-----BEGIN RSA PRIVATE KEY-----\nMII\n", "k", &err), &err);
    for (size_t i = 0; i < HF_ARRAY_SIZE(locked); i++) {
        assert_int_equal(hf_ssh_key_check(locked[i], "/etc/k", &err), -1);
        assert_hf_err(&err, HF_E_CONFIG, "'/etc/k' is protected by a passphrase");
    }
    assert_int_equal(hf_ssh_key_check("ssh-ed25519 " ED, "/etc/k", &err), -1);
    assert_hf_err(&err, HF_E_CONFIG, "not a private key");
}

/* Whoever waits for room until that is sent would wait, and at full speed, until his time is up. */
static void what_nobody_will_take_any_more_does_not_stay_pending(void **state)
{
    (void)state;
    int pair[2];
    static char many[HF_SSH_PENDING_MAX];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    struct hf_ssh_conn c = {.fd = pair[0], .pending = HF_BUF_INIT};
    for (int i = 0; i < 8; i++)
        hf_buf_add(&c.pending, many, sizeof many);
    hf_ssh_flush(&c);
    assert_true(hf_ssh_pending(&c) >= HF_SSH_PENDING_MAX && !c.is_lost);
    close(pair[1]);
    hf_ssh_flush(&c);
    assert_int_equal(hf_ssh_pending(&c), 0);
    assert_true(c.is_lost);
    hf_buf_free(&c.pending);
    close(pair[0]);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_host_is_known_by_name_pattern_or_hash),
        HF_TEST(another_port_has_keys_of_its_own),
        HF_TEST(what_is_revoked_is_not_trusted_wherever_it_stands),
        HF_TEST(only_types_that_the_file_has_are_asked_for),
        HF_TEST(a_flood_of_keys_is_refused),
        HF_TEST(without_known_hosts_nothing_is_tried),
        HF_TEST(keys_with_a_passphrase_are_told_apart),
        HF_TEST(what_nobody_will_take_any_more_does_not_stay_pending),
    };
    return HF_RUN_TESTS("net.ssh", tests);
}
