/* SPDX-License-Identifier: Apache-2.0
 *
 * What is looked at before a store is judged: this host as it is, with names and mounts that are played.
 */
#include "base/buf.h"
#include "base/path.h"
#include "harness/hf_test.h"
#include "net/resolve.h"
#include "store/offhost.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static const char *played_mounts; /* NULL: those of this host */

char *__real_hf_path_read(const char *path, size_t max, size_t *out_len, struct hf_err *err);
char *__wrap_hf_path_read(const char *path, size_t max, size_t *out_len, struct hf_err *err);
char *__wrap_hf_path_read(const char *path, size_t max, size_t *out_len, struct hf_err *err)
{
    if (!played_mounts)
        return __real_hf_path_read(path, max, out_len, err);
    assert_string_equal(path, "/proc/self/mountinfo");
    *out_len = strlen(played_mounts);
    return strdup(played_mounts);
}

/* nas.example is 198.51.100.9, mixed.example that and this host; nobody else has a name. */
int __real_hf_net_resolve(const char *host, unsigned port, const struct hf_clock *clock,
                          int64_t until_ms, struct addrinfo **out, struct hf_err *err);
int __wrap_hf_net_resolve(const char *host, unsigned port, const struct hf_clock *clock,
                          int64_t until_ms, struct addrinfo **out, struct hf_err *err);
int __wrap_hf_net_resolve(const char *host, unsigned port, const struct hf_clock *clock,
                          int64_t until_ms, struct addrinfo **out, struct hf_err *err)
{
    struct addrinfo *second = NULL;
    bool is_mixed = strcmp(host, "mixed.example") == 0;
    if (!is_mixed && strcmp(host, "nas.example") != 0 && strpbrk(host, "ghijklmnopqrstuvwxyz"))
        return hf_fail(err, HF_E_UNREACHABLE, "'%s': not known", host);
    if (is_mixed || strcmp(host, "nas.example") == 0)
        host = "198.51.100.9";
    if (__real_hf_net_resolve(host, port, clock, until_ms, out, err) < 0)
        return -1;
    if (is_mixed && __real_hf_net_resolve("127.0.0.1", port, clock, until_ms, &second, err) < 0)
        return -1;
    (*out)->ai_next = second ? second : (*out)->ai_next;
    return 0;
}

static int check(const char *url, struct hf_offhost_question *q, struct hf_offhost_verdict *v,
                 struct hf_err *err)
{
    q->url = url;
    q->clock = hf_clock_system();
    q->timeout_ms = 10000;
    return hf_offhost_check(q, v, err);
}

static void assert_url(const char *url, enum hf_offhost want, const char *piece)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_offhost_question q = {0};
    struct hf_offhost_verdict v;
    assert_hf_ok(check(url, &q, &v, &err), &err);
    assert_contains(v.why, piece);
    assert_int_equal(v.is, want);
}

static void a_server_is_judged_by_its_addresses(void **state)
{
    (void)state;
    assert_url("s3+https://nas.example:8443/b/x", HF_OFFHOST_PROVEN, "nas.example (198.51.100.9)");
    assert_url("s3+http://198.51.100.9/b", HF_OFFHOST_PROVEN, "198.51.100.9");
    assert_url("sftp://u@nas.example:22/x", HF_OFFHOST_PROVEN, "198.51.100.9");
    assert_url("davs://nas.example/x/y", HF_OFFHOST_PROVEN, "nas.example (198.51.100.9)");
    assert_url("sftp://u@127.0.0.1:22/x", HF_OFFHOST_NOT, "127.0.0.1 is this host itself");
    assert_url("sftp://u@[::1]:22/x", HF_OFFHOST_NOT, "::1 is this host itself");
    assert_url("sftp://u@127.1/x", HF_OFFHOST_NOT, "is this host itself");
    assert_url("dav://mixed.example/", HF_OFFHOST_NOT, "127.0.0.1) is this host itself");
    assert_url("s3+https://mixed.example/b", HF_OFFHOST_NOT, "127.0.0.1) is this host itself");
    assert_url("s3+https://127.0.0.1:9000/b", HF_OFFHOST_NOT, "127.0.0.1 is this host itself");
    assert_url("s3+https://127.1/b", HF_OFFHOST_NOT, "is this host itself");
    assert_url("s3+https://[::1]:9000/b", HF_OFFHOST_NOT, "::1 is this host itself");
    assert_url("s3+https://0/b", HF_OFFHOST_NOT, "is this host itself");
}

/* Any one that is no loopback; a machine without network has none. */
static void an_address_of_an_interface_is_refused(void **state)
{
    struct ifaddrs *all = NULL;
    char text[INET_ADDRSTRLEN] = "";
    (void)state;
    assert_int_equal(getifaddrs(&all), 0);
    for (struct ifaddrs *a = all; a && !*text; a = a->ifa_next) {
        struct sockaddr_in *in = (struct sockaddr_in *)(void *)a->ifa_addr;
        if (in && in->sin_family == AF_INET && ntohl(in->sin_addr.s_addr) >> 24 != 127)
            inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
    }
    freeifaddrs(all);
    if (!*text) {
        print_message("SKIP: no interface but loopback\n");
        skip();
    }
    HF_AUTOFREE char *url = hf_asprintf("s3+https://%s/b", text);
    assert_url(url, HF_OFFHOST_NOT, "is an address of this host");
}

static void what_the_caller_knows_of_guest_and_hypervisor_counts(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv guest = HF_STRV_INIT, hypervisor = HF_STRV_INIT;
    struct hf_offhost_question q = {.guest = &guest, .hypervisor = &hypervisor};
    struct hf_offhost_verdict v;
    (void)state;
    assert_int_equal(hf_strv_add(&guest, "junk"), 0);
    assert_int_equal(hf_strv_add(&guest, "198.51.100.7"), 0);
    assert_hf_ok(check("s3+https://198.51.100.7/b", &q, &v, &err), &err);
    assert_string_equal(v.why, "198.51.100.7 is an address of the guest");
    assert_int_equal(v.is, HF_OFFHOST_NOT);
    assert_int_equal(hf_strv_add(&hypervisor, "nas.example"), 0);
    assert_hf_ok(check("s3+https://198.51.100.9/b", &q, &v, &err), &err);
    assert_string_equal(v.why, "198.51.100.9 is an address of the hypervisor");
    assert_hf_ok(check("s3+https://198.51.100.8/b", &q, &v, &err), &err);
    assert_int_equal(v.is, HF_OFFHOST_PROVEN);
}

static void what_cannot_be_looked_at_is_an_error_and_no_verdict(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_offhost_question q = {0};
    struct hf_offhost_verdict v;
    (void)state;
    assert_int_equal(check("s3+https://who.knows/b", &q, &v, &err), -1);
    assert_hf_err(&err, HF_E_UNREACHABLE, "is off this host: 'who.knows': not known");
    assert_int_equal(check("s3+https://", &q, &v, &err), -1);
    assert_hf_err(&err, HF_E_CONFIG, "no host");
    assert_int_equal(check("file:///nowhere/at/all", &q, &v, &err), -1);
    assert_hf_err(&err, HF_E_NOT_FOUND, "cannot look at '/nowhere/at/all'");
    played_mounts = "nonsense\n";
    assert_int_equal(check("file:///", &q, &v, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "mounts of this host");
    played_mounts = NULL;
}

static void a_directory_of_this_machine_is_refused_as_it_is(void **state)
{
    HF_AUTOFREE char *url = hf_asprintf("file://%s", hf_test_dir(state));
    assert_url(url, HF_OFFHOST_NOT, "lies on a file system of this host: ");
}

/* Plays that the directory, reached by a link, lies on this mount. */
static void assert_dir(void **state, const char *mount, enum hf_offhost want, const char *piece)
{
    struct stat st;
    assert_int_equal(mkdir(hf_test_path(state, "mnt"), 0755), 0);
    HF_AUTOFREE char *real = realpath(hf_test_path(state, "mnt"), NULL);
    const char *link = hf_test_path(state, "link");
    HF_AUTOFREE char *url = hf_asprintf("file://%s", link);
    assert_int_equal(symlink(real, link), 0);
    assert_int_equal(stat(real, &st), 0);
    HF_AUTOFREE char *mounts =
        hf_asprintf("1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 %u:%u / %s rw - %s\n",
                    major(st.st_dev), minor(st.st_dev), real, mount);
    played_mounts = mounts;
    assert_url(url, want, piece);
    played_mounts = NULL;
    assert_int_equal(unlink(link), 0);
    assert_int_equal(rmdir(real), 0);
}

static void a_directory_is_judged_by_the_server_of_its_mount(void **state)
{
    assert_dir(state, "nfs4 nas.example:/e rw", HF_OFFHOST_PROVEN, "nas.example (198.51.100.9)");
    assert_dir(state, "nfs4 mixed.example:/e rw", HF_OFFHOST_NOT, "this host itself");
    assert_dir(state, "nfs4 who.knows:/e rw,addr=127.0.0.1", HF_OFFHOST_NOT, "this host itself");
    assert_dir(state, "xfs /dev/sdb1 rw", HF_OFFHOST_NOT, "xfs on /dev/sdb1");
}

static void disks_of_the_vm_are_found_where_they_lie(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv disks = HF_STRV_INIT;
    struct hf_offhost_question q = {.disks = &disks};
    struct hf_offhost_verdict v;
    HF_AUTOFREE char *url = hf_asprintf("file://%s", hf_test_dir(state));
    const char *image = hf_test_file(state, "web01.qcow2", "", 0600);
    assert_int_equal(hf_strv_add(&disks, "pool/volume"), 0);
    assert_int_equal(hf_strv_add(&disks, "/not/on/this/host"), 0);
    assert_int_equal(hf_strv_add(&disks, image), 0);
    assert_hf_ok(check(url, &q, &v, &err), &err);
    assert_contains(v.why, "lies on the datastore of ");
    assert_contains(v.why, "web01.qcow2, a disk of the VM");
    assert_int_equal(v.is, HF_OFFHOST_NOT);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_server_is_judged_by_its_addresses),
        HF_TEST(an_address_of_an_interface_is_refused),
        HF_TEST(what_the_caller_knows_of_guest_and_hypervisor_counts),
        HF_TEST(what_cannot_be_looked_at_is_an_error_and_no_verdict),
        HF_TEST(a_directory_of_this_machine_is_refused_as_it_is),
        HF_TEST(a_directory_is_judged_by_the_server_of_its_mount),
        HF_TEST(disks_of_the_vm_are_found_where_they_lie),
    };
    return HF_RUN_TESTS("store.offhost_look", tests);
}
