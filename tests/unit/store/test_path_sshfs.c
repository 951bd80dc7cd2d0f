/* SPDX-License-Identifier: Apache-2.0
 *
 * A path as a store on a real mount of another machine, played by this one: sshfs, whose server is started directly.
 */
#include "harness/small_fs.h"
#include "store/offhost.h"
#include "unit/store/path_store.h"

#define SFTP_SERVER "/usr/lib/openssh/sftp-server"

/* "ssh HOST …" that asks nobody: `host` is only what the mount is called. */
static const char *mount_sshfs(void **state, const char *host)
{
    const char *dir = hf_test_path(state, "mnt"), *back = hf_test_path(state, "back");
    const char *ssh = hf_test_file(state, "ssh", "#!/bin/sh\nexec " SFTP_SERVER "\n", 0700);
    HF_AUTOFREE char *source = hf_asprintf("backup@%s:%s", host, back);
    HF_AUTOFREE char *command = hf_asprintf("ssh_command=%s", ssh);
    assert_int_equal(mkdir(dir, 0755) | mkdir(back, 0755), 0);
    const char *const argv[] = {"sshfs", "-o", command, source, dir, NULL};
    if (access(SFTP_SERVER, X_OK) == 0 && access("/dev/fuse", R_OK | W_OK) == 0 &&
        small_fs_namespace() && hf_test_run(argv))
        return dir;
    hf_test_missing("sshfs", "it cannot be mounted here");
    return NULL;
}

static void judge(const char *dir, struct hf_offhost_verdict *v)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *url = hf_asprintf("file://%s/", dir);
    struct hf_offhost_question q = {.url = url, .clock = hf_clock_system(), .timeout_ms = 10000};
    assert_hf_ok(hf_offhost_check(&q, v, &err), &err);
}

static void what_was_put_through_sshfs_arrives_and_is_read_back(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_store_receipt r;
    struct hf_offhost_verdict v;
    const char *dir = mount_sshfs(state, "198.51.100.9");
    judge(dir, &v);
    struct hf_store *s = open_at(dir);
    small_fs_umount(dir);
    assert_string_equal(
        v.why, "it lies on 198.51.100.9: neither this host nor the guest nor the hypervisor");
    assert_int_equal(v.is, HF_OFFHOST_PROVEN);
    assert_hf_ok(hf_store_put_bytes(s, "d/o", "0123456789", 10, false, &r, &err), &err);
    assert_hf_ok(hf_store_confirm(s, "d/o", &r, &err), &err);
    assert_true(r.confirmed);
    assert_int_equal(hf_store_put_bytes(s, "d/o", "x", 1, false, &r, &err), -1);
    assert_hf_err(&err, HF_E_CONFLICT, "d/o: it exists already");
    put(s, "d/o", "new");
    assert_holds(s, "d/o", "new");
    assert_listed(s, "", NULL, false, "d/o ");
    assert_int_equal(hidden_in(hf_test_path(state, "back")), 0);
    assert_hf_ok(hf_store_remove(s, "d/o", &err), &err);
    assert_listed(s, "", NULL, true, "");
    hf_store_close(s);
}

static void sshfs_to_this_host_is_not_off_it(void **state)
{
    struct hf_offhost_verdict v;
    const char *dir = mount_sshfs(state, "localhost");
    judge(dir, &v);
    small_fs_umount(dir);
    assert_contains(v.why, "is this host itself");
    assert_int_equal(v.is, HF_OFFHOST_NOT);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(what_was_put_through_sshfs_arrives_and_is_read_back),
        HF_TEST(sshfs_to_this_host_is_not_off_it),
    };
    return HF_RUN_TESTS("store.path_sshfs", tests);
}
