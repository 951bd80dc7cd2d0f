/* SPDX-License-Identifier: Apache-2.0
 *
 * Layouts of disks and mounts, and what is said of each path; guests that do not answer, or lie.
 */
#include "harness/hf_test.h"
#include "run/coverage.h"

#include <stdio.h>
#include <string.h>

#define ROOT "20 1 252:1 / / rw - ext4 /dev/vda1 rw\n"
#define DATA "21 20 252:16 / /var/lib/mysql rw - ext4 /dev/vdb rw\n"
#define DEADLINE INT64_C(4711)

/* ---- a guest by script ------------------------------------------------------------------- */

static struct {
    const char *mountinfo;
    size_t mountinfo_len;    /* 0: strlen */
    const char *links[8][2]; /* path, where it leads */
    const char *missing[4];  /* after links were followed */
    const char *lines;       /* what readlink prints instead */
    const char *said;        /* on stderr of readlink */
    int status;              /* of readlink, instead */
    enum hf_err_class exec_fails, read_fails;
    bool reads_nothing, is_cut;
    char trace[256];
    struct hf_guest *guest;
    struct hf_coverage result;
    struct hf_wanted_list wanted;
    struct hf_mount_copy mounts[16];
    struct hf_disk_copy disks[8];
    size_t n_mounts, n_disks;
} world;

static const char *real_of(const char *path)
{
    for (size_t i = 0; i < HF_ARRAY_SIZE(world.links) && world.links[i][0]; i++)
        if (strcmp(world.links[i][0], path) == 0)
            return world.links[i][1];
    return path;
}

static bool is_there(const char *real)
{
    for (size_t i = 0; i < HF_ARRAY_SIZE(world.missing) && world.missing[i]; i++)
        if (strcmp(world.missing[i], real) == 0)
            return false;
    return true;
}

/* As GNU readlink: -e prints the existing ones and fails if that is not all, -m prints all. */
static void play_readlink(const char *const *argv, struct hf_hv_exec_result *out)
{
    bool is_strict = strcmp(argv[4], "-e") == 0;
    assert_string_equal(argv[5], "--");
    for (size_t i = 6; argv[i]; i++) {
        if (is_strict && !is_there(real_of(argv[i])))
            out->exit_code = 1;
        else
            hf_buf_printf(&out->out, "%s\n", real_of(argv[i]));
    }
    hf_buf_str_add(&out->err, world.said ? world.said : "");
    if (world.lines) {
        hf_buf_clear(&out->out);
        hf_buf_str_add(&out->out, world.lines);
    }
    if (world.status)
        out->exit_code = world.status;
}

static size_t mountinfo_len(void)
{
    return world.mountinfo_len ? world.mountinfo_len : strlen(world.mountinfo);
}

static int play_exec(void *self, const struct hf_guest_cmd *cmd, struct hf_hv_exec_result *out,
                     struct hf_err *err)
{
    (void)self;
    assert_int_equal(cmd->deadline_ms, DEADLINE);
    size_t used = strlen(world.trace);
    bool is_cat = strcmp(cmd->argv[0], "cat") == 0;
    snprintf(world.trace + used, sizeof world.trace - used, "%s\n", is_cat ? "cat" : cmd->argv[4]);
    if (world.exec_fails)
        return hf_fail(err, world.exec_fails, "guest-exec is not allowed");
    if (is_cat)
        hf_buf_add(&out->out, world.mountinfo, mountinfo_len());
    else
        play_readlink(cmd->argv, out);
    out->truncated = world.is_cut;
    return 0;
}

static int play_read(void *self, const char *path, size_t max_bytes, int64_t deadline_ms,
                     struct hf_buf *out, struct hf_err *err)
{
    (void)self;
    assert_string_equal(path, "/proc/self/mountinfo");
    assert_int_equal(deadline_ms, DEADLINE);
    if (world.read_fails)
        return hf_fail(err, world.read_fails, "guest-file-open is not allowed");
    if (mountinfo_len() > max_bytes)
        return hf_fail(err, HF_E_CORRUPT, "longer than %zu bytes", max_bytes);
    if (!world.reads_nothing)
        hf_buf_add(out, world.mountinfo, mountinfo_len());
    return 0;
}

static void play_close(void *self)
{
    (void)self;
}

static const struct hf_guest_ops script = {
    .name = "script", .exec = play_exec, .read = play_read, .close = play_close};

static void forget(void)
{
    hf_guest_close(world.guest);
    hf_coverage_free(&world.result);
    hf_wanted_list_free(&world.wanted);
    memset(&world, 0, sizeof world);
}

/* ---- a VM -------------------------------------------------------------------------------- */

static void disk(const char *target, const char *skipped, const char *refused)
{
    world.disks[world.n_disks++] = (struct hf_disk_copy){
        .target = (char *)target, .skipped = (char *)skipped, .refused = (char *)refused};
}

static void mounted(const char *mountpoint, const char *device, const char *target)
{
    static char type[] = "ext4";
    world.mounts[world.n_mounts++] = (struct hf_mount_copy){.mountpoint = (char *)mountpoint,
                                                            .fstype = type,
                                                            .device = (char *)device,
                                                            .target = (char *)target};
}

/* / on vda, the data directory on vdb; vdc raw, vdd left out, a CD-ROM drive. */
static void fresh(void)
{
    struct hf_err err = HF_ERR_INIT;
    forget();
    world.guest = hf_guest_new(&script, &world, &err);
    assert_hf_got(world.guest, &err);
    world.mountinfo = ROOT DATA;
    disk("vda", NULL, NULL);
    disk("vdb", NULL, NULL);
    disk("vdc", NULL, "it is raw");
    disk("vdd", "snapshot='no'", NULL);
    disk("sda", "a CD-ROM drive", NULL);
    world.disks[4].kind = HF_DISK_CDROM;
    mounted("/", "/dev/vda1", "vda");
    mounted("/var/lib/mysql", "/dev/vdb", "vdb");
}

static int check(struct hf_err *err)
{
    struct hf_mount_list mounts = {world.mounts, world.n_mounts};
    struct hf_disk_list disks = {world.disks, world.n_disks};
    hf_coverage_free(&world.result);
    return hf_coverage_check(world.guest, &world.wanted, &mounts, &disks, DEADLINE, &world.result,
                             err);
}

static void want(const char *what, const char *path)
{
    assert_int_equal(hf_wanted_add(&world.wanted, what, path), 0);
}

static void assert_last(enum hf_coverage_state state, const char *text)
{
    struct hf_err err = HF_ERR_INIT;
    assert_hf_ok(check(&err), &err);
    assert_int_equal(world.result.n, world.wanted.n);
    const struct hf_coverage_finding *f = &world.result.items[world.result.n - 1];
    assert_string_equal(f->text, text);
    assert_int_equal(f->state, state);
}

static void assert_path(const char *path, enum hf_coverage_state state, const char *text)
{
    want("datadir", path);
    assert_last(state, text);
}

static void assert_refused(enum hf_err_class cls, const char *piece)
{
    struct hf_err err = HF_ERR_INIT;
    want("datadir", "/var/lib/mysql");
    assert_int_equal(check(&err), -1);
    assert_hf_err(&err, cls, piece);
    assert_null(world.result.items);
}

/* ---- layouts ----------------------------------------------------------------------------- */

static void a_directory_on_a_captured_disk_is_covered(void **state)
{
    (void)state;
    fresh();
    assert_path("/var/lib/mysql", HF_COVERAGE_COVERED, "datadir /var/lib/mysql: on vdb, captured");
    assert_path("/var/log/mysql", HF_COVERAGE_COVERED, "datadir /var/log/mysql: on vda, captured");
    assert_path("/var/lib/mysql2", HF_COVERAGE_COVERED,
                "datadir /var/lib/mysql2: on vda, captured");
    assert_string_equal(world.trace, "-e\n-e\n-e\n"); /* all exist: one question each */
}

static void a_disk_that_is_left_out_is_named_with_the_reason(void **state)
{
    (void)state;
    fresh();
    world.mountinfo = ROOT "22 20 252:48 / /srv/binlog rw - ext4 /dev/vdd rw\n"
                           "23 20 252:32 / /srv/raw rw - ext4 /dev/vdc rw\n"
                           "24 20 11:0 / /srv/cd rw - iso9660 /dev/sr0 ro\n"
                           "25 20 8:0 / /srv/gone rw - ext4 /dev/sdx rw\n";
    mounted("/srv/binlog", "/dev/vdd", "vdd");
    mounted("/srv/raw", "/dev/vdc", "vdc");
    mounted("/srv/cd", "/dev/sr0", "sda");
    mounted("/srv/gone", "/dev/sdx", "sdx");
    assert_path("/srv/binlog", HF_COVERAGE_NOT_COVERED,
                "datadir /srv/binlog: on vdd, which is not captured: snapshot='no'");
    assert_path("/srv/raw", HF_COVERAGE_NOT_COVERED,
                "datadir /srv/raw: on vdc, which cannot be captured: it is raw");
    assert_path("/srv/cd", HF_COVERAGE_NOT_COVERED,
                "datadir /srv/cd: on sda, which is not captured: a CD-ROM drive");
    assert_path("/srv/gone", HF_COVERAGE_NOT_COVERED,
                "datadir /srv/gone: on sdx, which is not among the VM's disks");
}

static void links_are_followed(void **state)
{
    (void)state;
    fresh();
    world.mountinfo = ROOT DATA "22 20 252:48 / /data rw - ext4 /dev/vdd rw\n";
    mounted("/data", "/dev/vdd", "vdd");
    world.links[0][0] = "/srv/mysql";
    world.links[0][1] = "/data/mysql";
    assert_path("/srv/mysql", HF_COVERAGE_NOT_COVERED,
                "datadir /srv/mysql (really /data/mysql): on vdd, which is not captured: "
                "snapshot='no'");
}

static void a_bind_mount_is_known_by_its_file_system(void **state)
{
    (void)state;
    fresh();
    /* The agent leaves one out, and knows no disk for the other. */
    world.mountinfo = ROOT DATA "22 20 252:16 /big /srv/a rw - ext4 /dev/root rw\n"
                                "23 20 252:16 /big /srv/b rw - ext4 /dev/root rw\n"
                                "24 20 252:99 / /srv/c rw - ext4 /dev/vdb rw\n";
    mounted("/srv/b", "/dev/root", NULL);
    assert_path("/srv/a/x", HF_COVERAGE_COVERED, "datadir /srv/a/x: on vdb, captured");
    assert_path("/srv/b/x", HF_COVERAGE_COVERED, "datadir /srv/b/x: on vdb, captured");
    /* By its name only, also when the agent leaves /dev/ away. */
    static char bare[] = "vdb";
    world.mounts[1].device = bare;
    assert_path("/srv/c/x", HF_COVERAGE_COVERED, "datadir /srv/c/x: on vdb, captured");
}

static void a_device_that_is_no_disk_of_the_vm_is_not_covered(void **state)
{
    (void)state;
    fresh();
    world.mountinfo = ROOT "22 20 8:32 / /srv/iscsi rw - ext4 /dev/sdc rw\n"
                           "23 20 8:48 / /srv/other rw - ext4 /dev/sdd rw\n";
    mounted("/srv/iscsi", NULL, NULL);
    assert_path("/srv/iscsi", HF_COVERAGE_NOT_COVERED,
                "datadir /srv/iscsi: on /dev/sdc, which is on no disk of this VM");
    assert_path("/srv/other", HF_COVERAGE_UNKNOWN,
                "datadir /srv/other: on /dev/sdd, of which the hypervisor's agent tells nothing");
}

static void all_disks_of_a_volume_have_to_be_captured(void **state)
{
    (void)state;
    fresh();
    world.mountinfo = ROOT "22 20 253:0 / /data rw - xfs /dev/mapper/vg-data rw\n";
    mounted("/data", "dm-0", "vda");
    mounted("/data", "dm-0", "vdb");
    assert_path("/data", HF_COVERAGE_COVERED, "datadir /data: on vda and vdb, captured");
    mounted("/data", "dm-0", "vdd");
    assert_path("/data", HF_COVERAGE_NOT_COVERED,
                "datadir /data: on vda, vdb and vdd, of which vdd is not captured: snapshot='no'");
    world.n_mounts--;
    mounted("/data", "dm-0", NULL);
    assert_path("/data", HF_COVERAGE_NOT_COVERED,
                "datadir /data: on vda and vdb, and in part on no disk of this VM");
}

static void network_and_memory_are_on_no_disk(void **state)
{
    (void)state;
    fresh();
    world.mountinfo = ROOT "22 20 0:44 / /var/lib/mysql rw - nfs4 10.0.0.5:/export rw\n"
                           "23 20 0:45 / /run rw - tmpfs tmpfs rw\n"
                           "24 20 0:46 / /fuse rw - fuse.sshfs me@there:/ rw\n"
                           "25 20 0:47 / /over rw - overlay overlay rw\n"
                           "26 20 0:48 / /pool rw - zfs tank/mysql rw\n";
    /* An agent that lists block devices only is not believed. */
    assert_path("/var/lib/mysql", HF_COVERAGE_NOT_COVERED,
                "datadir /var/lib/mysql: on 10.0.0.5:/export (nfs4), which the snapshot does not "
                "contain");
    assert_path("/run/mysql", HF_COVERAGE_NOT_COVERED,
                "datadir /run/mysql: in the guest's memory (tmpfs), which the snapshot does not "
                "contain");
    assert_path("/fuse", HF_COVERAGE_NOT_COVERED,
                "datadir /fuse: on me@there:/ (fuse.sshfs), which the snapshot does not contain");
    assert_path("/over", HF_COVERAGE_NOT_COVERED,
                "datadir /over: on overlay (overlay), which the snapshot does not contain");
    assert_path("/pool", HF_COVERAGE_UNKNOWN,
                "datadir /pool: on tank/mysql (zfs), whose disks cannot be seen from here");
}

static void of_nested_mounts_the_inner_one_counts(void **state)
{
    (void)state;
    fresh();
    world.mountinfo = ROOT DATA "22 20 252:48 / /var rw - ext4 /dev/vdd rw\n";
    mounted("/var", "/dev/vdd", "vdd");
    /* Mounted last, it hides the data directory that the agent still tells of. */
    assert_path("/var/lib/mysql", HF_COVERAGE_NOT_COVERED,
                "datadir /var/lib/mysql: on vdd, which is not captured: snapshot='no'");
    world.mountinfo = ROOT "22 20 252:48 / /var rw - ext4 /dev/vdd rw\n"
                           "21 22 252:16 / /var/lib/mysql rw - ext4 /dev/vdb rw\n";
    assert_path("/var/lib/mysql/x", HF_COVERAGE_COVERED,
                "datadir /var/lib/mysql/x: on vdb, captured");
    assert_path("/var/log", HF_COVERAGE_NOT_COVERED,
                "datadir /var/log: on vdd, which is not captured: snapshot='no'");
}

static void the_top_of_stacked_mounts_counts(void **state)
{
    (void)state;
    fresh();
    world.mountinfo = ROOT DATA "22 21 0:44 / /var/lib/mysql rw - tmpfs tmpfs rw\n";
    assert_path("/var/lib/mysql", HF_COVERAGE_NOT_COVERED,
                "datadir /var/lib/mysql: in the guest's memory (tmpfs), which the snapshot does "
                "not contain");
}

static void what_is_mounted_below_counts_too(void **state)
{
    (void)state;
    fresh();
    world.mountinfo = ROOT DATA "22 21 252:48 / /var/lib/mysql/big rw - ext4 /dev/vdd rw\n";
    mounted("/var/lib/mysql/big", "/dev/vdd", "vdd");
    assert_path("/var/lib/mysql", HF_COVERAGE_NOT_COVERED,
                "datadir /var/lib/mysql: on vdb, captured, but /var/lib/mysql/big below it lies on "
                "vdd, which is not captured: snapshot='no'");
    world.mountinfo = ROOT DATA "22 21 0:44 / /var/lib/mysql/tmp rw - tmpfs tmpfs rw\n"
                                "23 20 11:0 / /media/cd rw - iso9660 /dev/sr0 ro\n"
                                "24 20 0:45 / /proc rw - proc proc rw\n";
    assert_path("/", HF_COVERAGE_COVERED, "datadir /: on vda, captured");
}

static void a_mount_point_may_have_blanks(void **state)
{
    (void)state;
    fresh();
    world.mountinfo = ROOT "22 20 252:48 / /srv/my\\040data rw - ext4 /dev/vdd rw\n";
    mounted("/srv/my data", "/dev/vdd", "vdd");
    assert_path("/srv/my data/mysql", HF_COVERAGE_NOT_COVERED,
                "datadir /srv/my data/mysql: on vdd, which is not captured: snapshot='no'");
}

static void another_device_of_a_btrfs_may_be_left_out(void **state)
{
    (void)state;
    fresh();
    world.mountinfo =
        "20 1 0:33 /@ / rw - btrfs /dev/vda1 rw\n21 20 0:33 /@m /m rw - btrfs /dev/vda1 rw\n";
    assert_path("/m", HF_COVERAGE_UNKNOWN,
                "datadir /m: on vda, but its btrfs may have vdc as well, which is not captured");
    mounted("/c", "/dev/vdc", "vdc");
    mounted("/d", "/dev/vdd", "vdd");
    assert_path("/m", HF_COVERAGE_COVERED, "datadir /m: on vda, captured");
}

/* ---- paths that are not there ------------------------------------------------------------ */

static void a_missing_path_is_judged_by_where_it_would_be(void **state)
{
    (void)state;
    fresh();
    world.links[0][0] = "/srv/app";
    world.links[0][1] = "/var/lib/mysql/app";
    world.missing[0] = "/var/lib/mysql/app";
    want("datadir", "/var/lib/mysql");
    want("files", "/srv/app");
    assert_last(HF_COVERAGE_COVERED, "files /srv/app (really /var/lib/mysql/app): does not exist; "
                                     "would be on vdb, captured");
    assert_true(world.result.items[1].is_missing);
    assert_false(world.result.items[0].is_missing);
    assert_false(hf_coverage_is_problem(&world.result.items[1]));
    assert_string_equal(world.trace, "-e\n-m\n");
}

static void what_may_not_be_looked_at_is_unknown(void **state)
{
    (void)state;
    fresh();
    world.missing[0] = "/var/lib/mysql/binlog";
    world.said = "readlink: /var/lib/mysql/binlog: Permission denied\n";
    want("datadir", "/var/lib/mysql");
    want("binlog", "/var/lib/mysql/binlog");
    assert_last(HF_COVERAGE_UNKNOWN,
                "binlog /var/lib/mysql/binlog: in a directory that we may not enter in the guest");
    assert_int_equal(world.result.items[0].state, HF_COVERAGE_COVERED);
    assert_false(world.result.items[1].is_missing);
}

static void odd_paths_are_not_asked_for(void **state)
{
    (void)state;
    fresh();
    assert_path("./", HF_COVERAGE_UNKNOWN,
                "datadir ./: not an absolute path, so nobody can say where it lies");
    assert_path("/a\nb", HF_COVERAGE_UNKNOWN,
                "datadir /a?b: a path with control characters, which is not looked for");
    assert_string_equal(world.trace, "");
    assert_path("/a", HF_COVERAGE_COVERED, "datadir /a: on vda, captured");
}

/* ---- less to go by ----------------------------------------------------------------------- */

static void without_an_agent_it_is_inferred_if_all_disks_are_captured(void **state)
{
    (void)state;
    fresh();
    world.n_mounts = 0;
    world.mountinfo =
        ROOT "22 20 8:32 / /a rw - ext4 /dev/loop0 rw\n23 20 0:44 / /n rw - nfs x:/ rw\n";
    assert_path("/x", HF_COVERAGE_UNKNOWN,
                "datadir /x: on /dev/vda1; no agent tells which disk that is, and vdc is not "
                "captured");
    world.disks[2].refused = NULL;
    world.disks[3].skipped = NULL;
    assert_path("/x", HF_COVERAGE_COVERED,
                "datadir /x: on /dev/vda1; no agent tells which disk that is, inferred: every disk "
                "of the VM is captured");
    assert_path("/a", HF_COVERAGE_UNKNOWN,
                "datadir /a: on /dev/loop0; no agent tells which disk that is");
    assert_path("/n", HF_COVERAGE_NOT_COVERED,
                "datadir /n: on x:/ (nfs), which the snapshot does not contain");
    world.n_disks = 0;
    assert_path("/x", HF_COVERAGE_UNKNOWN,
                "datadir /x: on /dev/vda1; no agent tells which disk that is");
}

static void without_a_way_in_nothing_is_known(void **state)
{
    (void)state;
    fresh();
    hf_guest_close(world.guest);
    world.guest = NULL;
    assert_path("/x", HF_COVERAGE_UNKNOWN,
                "datadir /x: where it lies could not be found out: there is no way into the guest");
}

static void a_guest_that_refuses_leaves_all_unknown(void **state)
{
    (void)state;
    fresh();
    world.exec_fails = HF_E_UNSUPPORTED;
    assert_path("/x", HF_COVERAGE_UNKNOWN,
                "datadir /x: where it lies could not be found out: guest-exec is not allowed");
    world.exec_fails = HF_E_NONE;
    world.status = 127;
    assert_path("/x", HF_COVERAGE_UNKNOWN,
                "datadir /x: where it lies could not be found out: "
                "'readlink' in the guest: status 127");
    world.status = 1; /* one that knows neither -e nor -m */
    world.lines = "";
    assert_path("/x", HF_COVERAGE_UNKNOWN,
                "datadir /x: where it lies could not be found out: "
                "'readlink -m' in the guest: status 1");
}

static void a_channel_that_reads_no_file_runs_cat(void **state)
{
    (void)state;
    fresh();
    world.read_fails = HF_E_UNSUPPORTED;
    assert_path("/x", HF_COVERAGE_COVERED, "datadir /x: on vda, captured");
    assert_string_equal(world.trace, "-e\ncat\n");
    world.read_fails = HF_E_NONE;
    world.reads_nothing = true;
    assert_path("/x", HF_COVERAGE_COVERED, "datadir /x: on vda, captured");
}

static void no_answer_is_an_error(void **state)
{
    (void)state;
    fresh();
    world.exec_fails = HF_E_TIMEOUT;
    assert_refused(HF_E_TIMEOUT, "where the data lies: guest-exec");
    fresh();
    world.read_fails = HF_E_UNREACHABLE;
    assert_refused(HF_E_UNREACHABLE, "where the data lies: guest-file-open");
}

static void nonsense_is_an_error(void **state)
{
    (void)state;
    static const char *const lines[] = {"", "/a\n/b\n", "/a", "a\n", "\n", "/a\tb\n"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(lines); i++) {
        fresh();
        world.lines = lines[i];
        assert_refused(HF_E_CORRUPT, "'readlink' in the guest");
    }
    fresh();
    world.is_cut = true;
    assert_refused(HF_E_CORRUPT, "more than 65536 bytes for 1 paths");
    fresh();
    world.mountinfo = ROOT "x\n";
    assert_refused(HF_E_CORRUPT, "'/proc/self/mountinfo' in the guest: mount 2");
    fresh();
    world.mountinfo = ROOT "\0\n";
    world.mountinfo_len = strlen(ROOT) + 2;
    assert_refused(HF_E_CORRUPT, "no list of mounts");
}

static void a_mount_table_without_measure_is_an_error(void **state)
{
    (void)state;
    fresh();
    const size_t len = (size_t)2 << 20;
    char *text = test_malloc(len + 1);
    memset(text, 'x', len);
    text[len] = '\0';
    world.mountinfo = text;
    assert_refused(HF_E_CORRUPT, "longer than 1048576 bytes");
    world.mountinfo = NULL;
    test_free(text);
}

static void names_of_the_guest_are_made_printable(void **state)
{
    (void)state;
    fresh();
    world.mountinfo = ROOT "22 20 0:44 / /n rw - nfs \\033[31mx rw\n";
    assert_path("/n", HF_COVERAGE_NOT_COVERED,
                "datadir /n: on ?[31mx (nfs), which the snapshot does not contain");
    world.mountinfo = "22 20 0:44 / /n rw - nfs x rw\n";
    assert_path("/x", HF_COVERAGE_UNKNOWN, "datadir /x: on no mount that the guest tells of");
}

/* ---- what is made of it ------------------------------------------------------------------ */

static void what_is_not_covered_becomes_one_error(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    fresh();
    world.mountinfo = ROOT DATA "22 20 252:48 / /d rw - ext4 /dev/vdd rw\n"
                                "23 20 0:44 / /tmp rw - tmpfs tmpfs rw\n";
    mounted("/d", "/dev/vdd", "vdd");
    want("datadir", "/var/lib/mysql");
    want(HF_WANTED_TMP, "/tmp");
    assert_hf_ok(check(&err), &err);
    assert_int_equal(world.result.items[1].state, HF_COVERAGE_NOT_COVERED);
    assert_hf_ok(hf_coverage_refuse(&world.result, &err), &err);
    want("binlog", "/d");
    want("redo", "relative");
    assert_hf_ok(check(&err), &err);
    assert_int_equal(hf_coverage_refuse(&world.result, &err), -1);
    assert_hf_err(&err, HF_E_UNSUPPORTED,
                  "binlog /d: on vdd, which is not captured: snapshot='no'; redo relative: not");
    assert_contains(err.hint, "uncovered = lower");
    assert_lacks(err.message, "/tmp");
}

static void more_than_fits_is_counted(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    char path[HF_ERR_MESSAGE_MAX * 2];
    fresh();
    for (size_t i = 0; i < 20; i++)
        want("files", "x");
    assert_hf_ok(check(&err), &err);
    assert_int_equal(hf_coverage_refuse(&world.result, &err), -1);
    assert_hf_err(&err, HF_E_UNSUPPORTED, "lies; and 14 more");
    fresh();
    memset(path, 'a', sizeof path);
    path[sizeof path - 1] = '\0';
    want("files", path);
    want("files", "x");
    assert_hf_ok(check(&err), &err);
    assert_int_equal(hf_coverage_refuse(&world.result, &err), -1);
    assert_hf_err(&err, HF_E_UNSUPPORTED, "aaa; and 1 more");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_directory_on_a_captured_disk_is_covered),
        HF_TEST(a_disk_that_is_left_out_is_named_with_the_reason),
        HF_TEST(links_are_followed),
        HF_TEST(a_bind_mount_is_known_by_its_file_system),
        HF_TEST(a_device_that_is_no_disk_of_the_vm_is_not_covered),
        HF_TEST(all_disks_of_a_volume_have_to_be_captured),
        HF_TEST(network_and_memory_are_on_no_disk),
        HF_TEST(of_nested_mounts_the_inner_one_counts),
        HF_TEST(the_top_of_stacked_mounts_counts),
        HF_TEST(what_is_mounted_below_counts_too),
        HF_TEST(a_mount_point_may_have_blanks),
        HF_TEST(another_device_of_a_btrfs_may_be_left_out),
        HF_TEST(a_missing_path_is_judged_by_where_it_would_be),
        HF_TEST(what_may_not_be_looked_at_is_unknown),
        HF_TEST(odd_paths_are_not_asked_for),
        HF_TEST(without_an_agent_it_is_inferred_if_all_disks_are_captured),
        HF_TEST(without_a_way_in_nothing_is_known),
        HF_TEST(a_guest_that_refuses_leaves_all_unknown),
        HF_TEST(a_channel_that_reads_no_file_runs_cat),
        HF_TEST(no_answer_is_an_error),
        HF_TEST(nonsense_is_an_error),
        HF_TEST(a_mount_table_without_measure_is_an_error),
        HF_TEST(names_of_the_guest_are_made_printable),
        HF_TEST(what_is_not_covered_becomes_one_error),
        HF_TEST(more_than_fits_is_counted),
    };
    int failed = HF_RUN_TESTS("run.coverage", tests);
    forget();
    return failed;
}
