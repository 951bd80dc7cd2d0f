/* SPDX-License-Identifier: Apache-2.0
 *
 * What mounts and addresses say of a store: pure judgement, from tables.
 */
#include "base/buf.h"
#include "harness/hf_test.h"
#include "store/offhost_judge.h"

#include <string.h>

/* This host is 10.0.0.1 and fe80::1, the guest 10.0.0.2 and fd00::2. */
struct world {
    struct hf_mountinfo mounts;
    struct hf_offhost_facts facts;
};

static void add(struct hf_offhost_peers *p, const char *name, const char *address)
{
    struct hf_err err = HF_ERR_INIT;
    size_t n = p->n;
    assert_hf_ok(hf_offhost_peers_add_text(p, name, address, &err), &err);
    assert_int_equal(p->n, n + 1);
}

/* The store lies in /store, mounted as these lines say; NULL: it is a server. */
static void begin(struct world *w, const char *lines)
{
    struct hf_err err = HF_ERR_INIT;
    memset(w, 0, sizeof *w);
    add(&w->facts.own, "this host", "10.0.0.1");
    add(&w->facts.own, "this host", "fe80::1%eth0");
    add(&w->facts.own, "the guest", "10.0.0.2");
    add(&w->facts.own, "the guest", "fd00::2");
    if (!lines)
        return;
    HF_AUTOFREE char *text = hf_asprintf("20 1 8:1 / / rw - ext4 /dev/sda1 rw\n%s", lines);
    assert_hf_ok(hf_mountinfo_parse(text, strlen(text), &w->mounts, &err), &err);
    w->facts.dir = "/store/holdfast";
    w->facts.mounts = &w->mounts;
    w->facts.major = 0;
    w->facts.minor = 44;
}

/* As in life: who the mount's servers are is looked up, here they are addresses. */
static void judge(struct world *w, struct hf_offhost_verdict *out)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv servers = HF_STRV_INIT;
    const struct hf_mountinfo_entry *m =
        w->facts.dir ? hf_mountinfo_find(&w->mounts, w->facts.dir) : NULL;
    if (m)
        assert_hf_ok(hf_offhost_servers(m, &servers, &err), &err);
    for (size_t i = 0; i < servers.n; i++)
        add(&w->facts.servers, servers.items[i], servers.items[i]);
    hf_offhost_judge(&w->facts, out);
    hf_offhost_peers_free(&w->facts.servers);
}

static void end(struct world *w)
{
    hf_mountinfo_free(&w->mounts);
    hf_offhost_peers_free(&w->facts.own);
    hf_offhost_peers_free(&w->facts.servers);
}

/* The world is judged as expected; and ends. */
static void finish(struct world *w, enum hf_offhost want, const char *piece)
{
    struct hf_offhost_verdict v;
    judge(w, &v);
    assert_contains(v.why, piece);
    assert_int_equal(v.is, want);
    end(w);
}

/* `disk`, or NULL, is one of the VM. */
static void assert_disk_judged(const char *lines, const struct hf_offhost_disk *disk,
                               enum hf_offhost want, const char *piece)
{
    struct world w;
    begin(&w, lines);
    w.facts.disks = disk;
    w.facts.n_disks = disk ? 1 : 0;
    finish(&w, want, piece);
}

#define AT_STORE "30 20 0:44 / /store rw - "
#define IS_PROVEN(lines, piece) assert_disk_judged(lines, NULL, HF_OFFHOST_PROVEN, piece)
#define IS_NOT(lines, piece) assert_disk_judged(lines, NULL, HF_OFFHOST_NOT, piece)

static void a_local_file_system_is_not_off_the_host(void **state)
{
    (void)state;
    IS_NOT("", "/store/holdfast lies on a file system of this host: ext4 on /dev/sda1");
    IS_NOT("30 20 8:17 / /store rw - xfs /dev/sdb1 rw\n", "xfs on /dev/sdb1");
    IS_NOT("30 20 8:1 /srv /store rw - ext4 /dev/sda1 rw\n", "ext4 on /dev/sda1"); /* bind */
    IS_NOT("30 20 7:0 / /store rw - ext4 /dev/loop0 rw\n", "ext4 on /dev/loop0");
    IS_NOT(AT_STORE "tmpfs tmpfs rw\n", "tmpfs on tmpfs");
    IS_NOT(AT_STORE "overlay overlay rw,lowerdir=/nas,upperdir=/u\n", "overlay on overlay");
    IS_NOT(AT_STORE "btrfs /dev/sdb rw\n", "btrfs on /dev/sdb");
    IS_NOT(AT_STORE "fuse.mergerfs a:b rw\n", "fuse.mergerfs on a:b");
    IS_NOT(AT_STORE "nfsd nfsd rw\n", "nfsd on nfsd");
    IS_NOT(AT_STORE "autofs /etc/auto.nas rw\n", "autofs on");
}

static void a_mount_of_another_machine_is(void **state)
{
    (void)state;
    IS_PROVEN(AT_STORE "nfs4 10.0.0.9:/export rw\n", "it lies on 10.0.0.9: neither");
    IS_PROVEN(AT_STORE "nfs nas:/export rw,clientaddr=10.0.0.1,addr=10.0.0.9\n", "10.0.0.9");
    IS_PROVEN(AT_STORE "nfs4 [fd00::9]:/export rw\n", "fd00::9");
    IS_PROVEN(AT_STORE "nfs4 [fe80::9%eth0]:/ rw,addr=fe80::9%eth0\n", "fe80::9");
    IS_PROVEN(AT_STORE "cifs //nas/share rw,addr=10.0.0.9,file_mode=0755\n", "10.0.0.9");
    IS_PROVEN(AT_STORE "smb3 //10.0.0.9/share rw\n", "10.0.0.9");
    IS_PROVEN(AT_STORE "ceph 10.0.0.8:6789,10.0.0.9:6789:/vol rw\n", "10.0.0.8");
    IS_PROVEN(AT_STORE "ceph a@fs.x=/ rw,mon_addr=10.0.0.8:6789/10.0.0.9:3300\n", "10.0.0.8");
    IS_PROVEN(AT_STORE "fuse.sshfs backup@10.0.0.9:store rw\n", "10.0.0.9");
    IS_PROVEN(AT_STORE "fuse.sshfs backup@[fd00::9]:/store rw\n", "fd00::9");
    IS_PROVEN(AT_STORE "fuse.glusterfs 10.0.0.9:/vol rw\n", "10.0.0.9");
    IS_PROVEN(AT_STORE "fuse.glusterfs 10.0.0.8,10.0.0.9:vol rw\n", "10.0.0.8");
    /* A folder of the mount, mounted elsewhere. */
    IS_PROVEN("30 20 0:44 /sub /store rw - nfs4 10.0.0.9:/export rw\n", "10.0.0.9");
}

static void a_mount_of_this_host_or_the_guest_is_not(void **state)
{
    (void)state;
    IS_NOT(AT_STORE "nfs4 10.0.0.1:/export rw\n", "10.0.0.1 is an address of this host");
    IS_NOT(AT_STORE "nfs4 127.0.0.1:/export rw\n", "127.0.0.1 is this host itself");
    IS_NOT(AT_STORE "nfs nas:/export rw,addr=10.0.0.2\n", "10.0.0.2 is an address of the guest");
    IS_NOT(AT_STORE "nfs4 [::1]:/export rw\n", "::1 is this host itself");
    IS_NOT(AT_STORE "nfs4 [fe80::1%br0]:/export rw\n", "is an address of this host");
    IS_NOT(AT_STORE "cifs //10.0.0.2/share rw\n", "of the guest");
    IS_NOT(AT_STORE "cifs //10.0.0.9/share rw,addr=fd00::2\n", "of the guest");
    IS_NOT(AT_STORE "ceph 10.0.0.9:6789,10.0.0.1:6789:/ rw\n", "10.0.0.1 is an address of this");
    IS_NOT(AT_STORE "ceph a@b.c=/ rw,mon_addr=10.0.0.9:3300/10.0.0.1:3300\n", "of this host");
    IS_NOT(AT_STORE "fuse.sshfs root@10.0.0.2:/x rw\n", "of the guest");
    IS_NOT(AT_STORE "fuse.glusterfs 10.0.0.9,10.0.0.1:/v rw\n", "of this host");
}

static void what_cannot_be_told_is_not_off_the_host(void **state)
{
    (void)state;
    IS_NOT(AT_STORE "fuse.rclone remote:bucket rw\n", "nobody can tell which server is behind it");
    IS_NOT(AT_STORE "9p hostshare rw,trans=virtio\n", "nobody can tell which server is behind it");
    IS_NOT(AT_STORE "virtiofs tag rw\n", "nobody can tell which server is behind it");
    IS_NOT(AT_STORE "fuse https://dav.example/ rw\n", "nobody can tell which server");
    IS_NOT(AT_STORE "nfs4 nonsense rw\n", "nobody can tell which server it lies on");
    IS_NOT(AT_STORE "nfs4 -x:/e rw\n", "nobody can tell which server it lies on");
    IS_NOT(AT_STORE "cifs nas rw\n", "nobody can tell which server it lies on");
    IS_NOT(AT_STORE "fuse.sshfs nas rw\n", "nobody can tell which server it lies on");
    /* The directory says that it lies on another file system than the mounts do. */
    IS_NOT("30 20 0:45 / /store rw - nfs4 10.0.0.9:/export rw\n", "as the mounts say");
}

/* Another mount on top hides the network one, and the other way round. */
static void the_mount_on_top_counts(void **state)
{
    (void)state;
    IS_NOT(AT_STORE "nfs4 10.0.0.9:/export rw\n31 30 0:50 / /store/holdfast rw - tmpfs none rw\n",
           "tmpfs");
    IS_NOT(AT_STORE "nfs4 10.0.0.9:/export rw\n31 30 0:50 / /store rw - tmpfs none rw\n", "tmpfs");
    IS_PROVEN("31 20 0:50 / /store rw - autofs auto rw\n30 31 0:44 / /store rw - nfs4 "
              "10.0.0.9:/export rw\n",
              "10.0.0.9");
}

static void foreign_text_is_printable_in_the_verdict(void **state)
{
    struct world w;
    struct hf_offhost_verdict v;
    (void)state;
    begin(&w, "30 20 0:44 / /store rw - tmpfs a\\033[2J\\012b rw\n");
    judge(&w, &v);
    assert_contains(v.why, "a?[2J?b");
    end(&w);
}

static void the_device_of_a_vm_disk_is_refused_for_that(void **state)
{
    static const struct hf_offhost_disk disk = {"/dev/vg/web01", true, 253, 3};
    static const struct hf_offhost_disk other = {"/dev/vg/web02", true, 253, 4};
    static const char *const lines = "30 20 253:3 / /store rw - ext4 /dev/mapper/vg-web01 rw\n";
    (void)state;
    assert_disk_judged(lines, &disk, HF_OFFHOST_NOT,
                       "/store/holdfast lies on /dev/vg/web01, a disk of the VM");
    assert_disk_judged(lines, &other, HF_OFFHOST_NOT, "ext4 on /dev/mapper/vg-web01");
}

static void the_datastore_is_refused_although_a_nas_holds_it(void **state)
{
    static const struct hf_offhost_disk disk = {"/images/web01.qcow2", false, 0, 0};
#define NAS AT_STORE "nfs4 nas:/vol rw,addr=10.0.0.9\n"
#define DATASTORE "lies on the datastore of /images/web01.qcow2, a disk of the VM"
    (void)state;
    static const char *const same[] = {
        NAS "31 20 0:44 / /images rw - nfs4 nas:/vol rw,addr=10.0.0.9\n",
        NAS "31 20 0:45 / /images rw - nfs4 nas:/vol rw,addr=10.0.0.9\n",
        NAS "31 20 0:45 / /images rw - nfs4 nas:/vol/images rw,addr=10.0.0.9\n",
        NAS "31 20 0:45 / /images rw - nfs4 nas:/ rw,addr=10.0.0.9\n",
        NAS "31 20 0:45 / /images rw - nfs other:/vol rw,addr=10.0.0.9\n",
        AT_STORE "cifs //10.0.0.9/v rw\n31 20 0:45 / /images rw - cifs //10.0.0.9/v/i rw\n",
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(same); i++)
        assert_disk_judged(same[i], &disk, HF_OFFHOST_NOT, DATASTORE);
    static const char *const others[] = {
        NAS "31 20 0:45 / /images rw - nfs4 nas:/vol2 rw,addr=10.0.0.9\n",
        NAS "31 20 0:45 / /images rw - nfs4 san:/vol rw,addr=10.0.0.8\n",
        NAS "31 20 8:17 / /images rw - xfs /dev/sdb1 rw\n",
        NAS,
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(others); i++)
        assert_disk_judged(others[i], &disk, HF_OFFHOST_PROVEN, "10.0.0.9");
}

static void assert_server_judged(const char *address, enum hf_offhost want, const char *piece)
{
    struct world w;
    begin(&w, NULL);
    add(&w.facts.servers, "s3.example", "10.0.0.9");
    add(&w.facts.servers, "s3.example", address);
    finish(&w, want, piece);
}

/* Each has a good address beside it, which does not help. */
static void one_address_of_ours_is_enough(void **state)
{
    static const struct {
        const char *address, *piece;
    } refused[] = {
        {"127.0.0.1", "s3.example (127.0.0.1) is this host itself"},
        {"127.255.3.4", "this host itself"},
        {"0.0.0.0", "this host itself"},
        {"::1", "this host itself"},
        {"::", "this host itself"},
        {"::ffff:127.0.0.1", "this host itself"},
        {"10.0.0.1", "s3.example (10.0.0.1) is an address of this host"},
        {"::ffff:10.0.0.1", "of this host"},
        {"fe80::1", "of this host"},
        {"10.0.0.2", "of the guest"},
        {"fd00:0::2", "of the guest"},
    };
    (void)state;
    for (size_t i = 0; i < HF_ARRAY_SIZE(refused); i++)
        assert_server_judged(refused[i].address, HF_OFFHOST_NOT, refused[i].piece);
    static const char *const fine[] = {"10.0.0.3", "192.0.2.1", "fe80::2", "fd00::1", "::2"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(fine); i++)
        assert_server_judged(fine[i], HF_OFFHOST_PROVEN, "it lies on s3.example (10.0.0.9)");
}

static void a_server_without_an_address_is_not_off_the_host(void **state)
{
    struct world w;
    struct hf_offhost_verdict v;
    (void)state;
    begin(&w, NULL);
    judge(&w, &v);
    assert_int_equal(v.is, HF_OFFHOST_NOT);
    end(&w);
}

static void what_a_guest_calls_an_address_and_is_none_is_skipped(void **state)
{
    static const char *const none[] = {
        "",      "x",           "10.0.0",     "10.0.0.256",
        "%eth0", "10.0.0.1/24", "fe80::1::2", "2001:db8:1111:2222:3333:4444:5555:6666:7"};
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_offhost_peers) struct hf_offhost_peers p = {0};
    (void)state;
    for (size_t i = 0; i < HF_ARRAY_SIZE(none); i++)
        assert_hf_ok(hf_offhost_peers_add_text(&p, "the guest", none[i], &err), &err);
    assert_int_equal(p.n, 0);
    for (size_t i = 0; i < HF_OFFHOST_PEERS_MAX; i++)
        add(&p, "the guest", "10.0.0.5");
    assert_int_equal(hf_offhost_peers_add_text(&p, "the guest", "10.0.0.5", &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "more than 4096 addresses");
}

static size_t n_servers(const char *type, const char *source, const char *options)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv out = HF_STRV_INIT;
    HF_AUTOFREE char *t = strdup(type), *s = strdup(source), *o = strdup(options);
    struct hf_mountinfo_entry m = {.type = t, .source = s, .options = o};
    assert_hf_ok(hf_offhost_servers(&m, &out, &err), &err);
    return out.n;
}

/* The one that is left out might be this host. */
static void all_servers_of_a_mount_can_be_told_or_none(void **state)
{
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    (void)state;
    for (int i = 0; i < HF_OFFHOST_SERVERS_MAX; i++)
        hf_buf_printf(&b, "%s10.0.0.%d", i ? "," : "", i);
    HF_AUTOFREE char *most = hf_asprintf("%s:/vol", hf_buf_str(&b));
    HF_AUTOFREE char *more = hf_asprintf("%s,10.0.0.99:/vol", hf_buf_str(&b));
    assert_int_equal(n_servers("ceph", most, ""), HF_OFFHOST_SERVERS_MAX);
    assert_int_equal(n_servers("ceph", more, ""), 0);
    assert_int_equal(n_servers("ceph", "10.0.0.8,10.0.0.9:/", ""), 2);
    assert_int_equal(n_servers("ceph", "10.0.0.8,a b:/", ""), 0);
    assert_int_equal(n_servers("ceph", "10.0.0.8,,10.0.0.9:/", ""), 0);
    assert_int_equal(n_servers("nfs4", "10.0.0.9:/", "rw,addr=?"), 0);
    assert_int_equal(n_servers("ext4", "10.0.0.9:/", "addr=10.0.0.9"), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_local_file_system_is_not_off_the_host),
        HF_TEST(a_mount_of_another_machine_is),
        HF_TEST(a_mount_of_this_host_or_the_guest_is_not),
        HF_TEST(what_cannot_be_told_is_not_off_the_host),
        HF_TEST(the_mount_on_top_counts),
        HF_TEST(foreign_text_is_printable_in_the_verdict),
        HF_TEST(the_device_of_a_vm_disk_is_refused_for_that),
        HF_TEST(the_datastore_is_refused_although_a_nas_holds_it),
        HF_TEST(one_address_of_ours_is_enough),
        HF_TEST(a_server_without_an_address_is_not_off_the_host),
        HF_TEST(what_a_guest_calls_an_address_and_is_none_is_skipped),
        HF_TEST(all_servers_of_a_mount_can_be_told_or_none),
    };
    return HF_RUN_TESTS("store.offhost", tests);
}
