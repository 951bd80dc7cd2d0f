/* SPDX-License-Identifier: Apache-2.0
 *
 * The libvirt plugin's readers of what a guest says, each with good and hostile replies.
 */
#include "agent_reply.h"
#include "fsinfo.h"
#include "harness/hf_test.h"
#include "base/mountinfo.h"

#include <string.h>

/* ---- one reader, as text to text: what it made of the reply, or the piece of its complaint ------ */

typedef int (*reader)(struct json_object *value, char *out, size_t size, struct hf_err *err);

static int handle(struct json_object *value, char *out, size_t size, struct hf_err *err)
{
    int64_t n;
    if (lv_reply_handle(value, &n, err) != 0)
        return -1;
    return snprintf(out, size, "%lld", (long long)n) > 0 ? 0 : -1;
}

static int pid(struct json_object *value, char *out, size_t size, struct hf_err *err)
{
    int64_t n;
    if (lv_reply_pid(value, &n, err) != 0)
        return -1;
    return snprintf(out, size, "%lld", (long long)n) > 0 ? 0 : -1;
}

static int read_9(struct json_object *value, char *out, size_t size, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf data = HF_BUF_INIT;
    bool eof;
    if (lv_reply_read(value, 9, &data, &eof, err) != 0)
        return -1;
    return snprintf(out, size, "%s%s", hf_buf_str(&data), eof ? "|" : "") >= 0 ? 0 : -1;
}

static int written_9(struct json_object *value, char *out, size_t size, struct hf_err *err)
{
    size_t n;
    if (lv_reply_written(value, 9, &n, err) != 0)
        return -1;
    return snprintf(out, size, "%zu", n) > 0 ? 0 : -1;
}

static int exec_status(struct json_object *value, char *out, size_t size, struct hf_err *err)
{
    HF_AUTO(lv_exec_status) struct lv_exec_status s = {0};
    if (lv_reply_exec_status(value, 4, &s, err) != 0)
        return -1;
    snprintf(out, size, "%s %d %d %s %s%s", s.has_exited ? "ended" : "runs", (int)s.exit_code,
             (int)s.term_signal, hf_buf_str(&s.out), hf_buf_str(&s.err), s.is_cut ? " cut" : "");
    return 0;
}

static int fs_count(struct json_object *value, char *out, size_t size, struct hf_err *err)
{
    uint32_t n;
    if (lv_reply_fs_count(value, &n, err) != 0)
        return -1;
    return snprintf(out, size, "%u", (unsigned)n) > 0 ? 0 : -1;
}

static int freeze_state(struct json_object *value, char *out, size_t size, struct hf_err *err)
{
    enum hf_freeze_state state;
    if (lv_reply_freeze_state(value, &state, err) != 0)
        return -1;
    return snprintf(out, size, "%s", state == HF_FREEZE_FROZEN ? "frozen" : "thawed") > 0 ? 0 : -1;
}

static int fsinfo(struct json_object *value, char *out, size_t size, struct hf_err *err)
{
    HF_AUTO(lv_fs_list) struct lv_fs_list l = {0};
    if (lv_fsinfo_parse(value, &l, err) != 0)
        return -1;
    snprintf(out, size, "%zu", l.n);
    return 0;
}

#define FS_HEAD "{\"return\":[{\"name\":\"vda\",\"mountpoint\":\"/\",\"type\":\"ext4\",\"disk\":"
#define FS_TAIL "}]}"
#define DISK(pci, bus) "[{\"pci-controller\":{" pci "},\"bus\":" bus ",\"target\":0,\"unit\":0}]"
#define PCI "\"domain\":0,\"bus\":0,\"slot\":3,\"function\":0"

static const struct {
    reader read;
    const char *reply, *result; /* result NULL: refused, with this piece */
    const char *piece;
} cases[] = {
    {handle, "{\"return\":1000}", "1000", NULL},
    {handle, "{\"return\":0}", "0", NULL},
    {handle, "{\"return\":-1}", NULL, "out of range"},
    {handle, "{\"return\":99999999999999999999}", NULL, "out of range"},
    {handle, "{\"return\":1.5}", NULL, "a fraction"},
    {handle, "{\"return\":\"1\"}", NULL, "a string"},
    {handle, "{\"return\":{}}", NULL, "an object"},
    {handle, "{\"return\":null}", NULL, "'return' is missing"},
    {handle, "{\"error\":{\"desc\":\"x\"}}", NULL, "'return' is missing"},
    {handle, "[1000]", NULL, "no object"},
    {handle, "{\"return\":1000", NULL, "not JSON"},
    {handle, "{\"return\":1000}{\"return\":7}", NULL, "not JSON"},
    {handle, "{\"return\":1000,}", NULL, "not JSON"},
    {handle, "", NULL, "not JSON"},
    {pid, "{\"return\":{\"pid\":77}}", "77", NULL},
    {pid, "{\"return\":{\"pid\":0}}", NULL, "out of range"},
    {pid, "{\"return\":{\"pid\":-77}}", NULL, "out of range"},
    {pid, "{\"return\":{\"pid\":4294967296}}", NULL, "out of range"},
    {pid, "{\"return\":{\"pid\":\"77\"}}", NULL, "a string"},
    {pid, "{\"return\":{}}", NULL, "missing"},
    {pid, "{\"return\":[77]}", NULL, "an array"},
    {read_9, "{\"return\":{\"count\":3,\"buf-b64\":\"Zm9v\",\"eof\":false}}", "foo", NULL},
    {read_9, "{\"return\":{\"count\":9,\"buf-b64\":\"Zm9vYmFyYmF6\",\"eof\":true}}", "foobarbaz|",
     NULL},
    {read_9, "{\"return\":{\"count\":0,\"eof\":true}}", "|", NULL},
    {read_9, "{\"return\":{\"count\":0,\"buf-b64\":\"\",\"eof\":false}}", "", NULL},
    {read_9, "{\"return\":{\"count\":4,\"buf-b64\":\"Zm9v\",\"eof\":true}}", NULL,
     "'count' says 4 bytes, there are 3"},
    {read_9, "{\"return\":{\"count\":0,\"buf-b64\":\"Zm9v\",\"eof\":true}}", NULL, "there are 3"},
    {read_9, "{\"return\":{\"count\":3,\"eof\":true}}", NULL, "there are 0"},
    {read_9, "{\"return\":{\"count\":10,\"buf-b64\":\"Zm9vYmFyYmF6IQ==\",\"eof\":true}}", NULL,
     "out of range: 10"},
    {read_9, "{\"return\":{\"count\":9,\"buf-b64\":\"Zm9vYmFyYmF6IQ==\",\"eof\":true}}", NULL,
     "more than the 9 bytes"},
    {read_9, "{\"return\":{\"count\":-3,\"buf-b64\":\"Zm9v\",\"eof\":true}}", NULL, "out of range"},
    {read_9, "{\"return\":{\"count\":3,\"buf-b64\":\"Zm9\",\"eof\":true}}", NULL, "not base64"},
    {read_9, "{\"return\":{\"count\":3,\"buf-b64\":\"Zm9v\\u0000\",\"eof\":true}}", NULL, "NUL"},
    {read_9, "{\"return\":{\"count\":3,\"buf-b64\":\"Zm9v\",\"eof\":1}}", NULL, "an integer"},
    {read_9, "{\"return\":{\"count\":3,\"buf-b64\":\"Zm9v\"}}", NULL, "'eof' is missing"},
    {read_9, "{\"return\":{\"count\":\"3\",\"buf-b64\":\"Zm9v\",\"eof\":true}}", NULL, "a string"},
    {read_9, "{\"return\":3}", NULL, "an object was expected"},
    {written_9, "{\"return\":{\"count\":9,\"eof\":false}}", "9", NULL},
    {written_9, "{\"return\":{\"count\":1,\"eof\":false}}", "1", NULL},
    {written_9, "{\"return\":{\"count\":0,\"eof\":false}}", NULL, "out of range: 0"},
    {written_9, "{\"return\":{\"count\":10,\"eof\":false}}", NULL, "out of range: 10"},
    {written_9, "{\"return\":{\"count\":-9}}", NULL, "out of range"},
    {written_9, "{\"return\":{}}", NULL, "missing"},
    {exec_status, "{\"return\":{\"exited\":false,\"exitcode\":\"x\"}}", "runs 0 0  ", NULL},
    {exec_status, "{\"return\":{\"exited\":true,\"exitcode\":3}}", "ended 3 0  ", NULL},
    {exec_status, "{\"return\":{\"exited\":true,\"signal\":9}}", "ended -1 9  ", NULL},
    {exec_status,
     "{\"return\":{\"exited\":true,\"exitcode\":0,\"out-data\":\"Zm9v\",\"err-data\":\"Zg==\"}}",
     "ended 0 0 foo f", NULL},
    {exec_status, "{\"return\":{\"exited\":true,\"exitcode\":0,\"out-data\":\"Zm9vYmFy\"}}",
     "ended 0 0 foob  cut", NULL},
    {exec_status,
     "{\"return\":{\"exited\":true,\"exitcode\":0,\"out-data\":\"Zg==\",\"out-truncated\":true}}",
     "ended 0 0 f  cut", NULL},
    {exec_status, "{\"return\":{\"exited\":true}}", NULL, "ended with code -1 and signal 0"},
    {exec_status, "{\"return\":{\"exited\":true,\"exitcode\":-5}}", NULL, "code -5"},
    {exec_status, "{\"return\":{\"exited\":true,\"exitcode\":4294967296}}", NULL, "code 42949"},
    {exec_status, "{\"return\":{\"exited\":true,\"signal\":-9}}", NULL, "signal -9"},
    {exec_status, "{\"return\":{\"exited\":true,\"signal\":256}}", NULL, "signal 256"},
    {exec_status, "{\"return\":{\"exited\":true,\"exitcode\":0,\"out-data\":\"*\"}}", NULL,
     "'out-data' is not base64"},
    {exec_status, "{\"return\":{\"exited\":true,\"exitcode\":0,\"err-data\":[]}}", NULL,
     "an array"},
    {exec_status, "{\"return\":{\"exited\":\"no\"}}", NULL, "a string"},
    {exec_status, "{\"return\":true}", NULL, "an object was expected"},
    {fs_count, "{\"return\":2}", "2", NULL},
    {fs_count, "{\"return\":0}", "0", NULL},
    {fs_count, "{\"return\":-2}", NULL, "out of range"},
    {fs_count, "{\"return\":4097}", NULL, "out of range"},
    {fs_count, "{\"return\":[]}", NULL, "an array"},
    {freeze_state, "{\"return\":\"thawed\"}", "thawed", NULL},
    {freeze_state, "{\"return\":\"frozen\"}", "frozen", NULL},
    {freeze_state, "{\"return\":\"melting\"}", NULL, "neither"},
    {freeze_state, "{\"return\":\"thawed\\u0000frozen\"}", NULL, "NUL"},
    {freeze_state, "{\"return\":true}", NULL, "a boolean"},
    {fsinfo, "{\"return\":[]}", "0", NULL},
    {fsinfo, FS_HEAD "[]" FS_TAIL, "1", NULL},
    {fsinfo, FS_HEAD DISK(PCI, "0") FS_TAIL, "1", NULL},
    {fsinfo, FS_HEAD DISK(PCI, "-1") FS_TAIL, "1", NULL},
    {fsinfo, FS_HEAD DISK(PCI, "\"0\"") FS_TAIL, NULL, "a string"},
    {fsinfo, FS_HEAD DISK("\"domain\":0", "0") FS_TAIL, NULL, "'bus' is missing"},
    {fsinfo, FS_HEAD "[7]" FS_TAIL, NULL, "an integer"},
    {fsinfo, FS_HEAD "{}" FS_TAIL, NULL, "an object"},
    {fsinfo, FS_HEAD "null" FS_TAIL, NULL, "null"},
    {fsinfo, "{\"return\":[null]}", NULL, "file system 1"},
    {fsinfo, "{\"return\":{}}", NULL, "no list"},
    {fsinfo, "{\"return\":[{\"name\":\"vda\",\"mountpoint\":\"\",\"type\":\"x\",\"disk\":[]}]}",
     NULL, "'mountpoint' has 0 bytes"},
    {fsinfo, "{\"return\":[{\"name\":\"vda\",\"mountpoint\":\"/\\u0000\",\"type\":\"x\"}]}", NULL,
     "NUL"},
};

static int read_reply(reader read, const char *text, char *out, size_t size, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *value = NULL;
    return lv_reply_parse(text, &value, err) != 0 ? -1 : read(value, out, size, err);
}

static void replies_are_understood_or_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        struct hf_err err = HF_ERR_INIT;
        char out[256] = "";
        int rc = read_reply(cases[i].read, cases[i].reply, out, sizeof out, &err);
        if (cases[i].result) {
            assert_hf_ok(rc, &err);
            assert_string_equal(out, cases[i].result);
        } else {
            if (rc == 0)
                fail_msg("accepted: %s", cases[i].reply);
            assert_hf_err(&err, HF_E_CORRUPT, cases[i].piece);
        }
    }
}

/* ---- sizes ------------------------------------------------------------------------------ */

/* head, then `piece` n times, then tail. */
static char *repeated(const char *head, const char *piece, size_t n, const char *tail)
{
    struct hf_buf b = HF_BUF_INIT;
    hf_buf_str_add(&b, head);
    for (size_t i = 0; i < n; i++)
        hf_buf_str_add(&b, piece);
    hf_buf_str_add(&b, tail);
    return hf_buf_steal(&b);
}

static void refuse_large(reader read, const char *head, const char *piece, size_t n,
                         const char *tail, const char *complaint)
{
    struct hf_err err = HF_ERR_INIT;
    char out[256];
    HF_AUTOFREE char *text = repeated(head, piece, n, tail);
    assert_non_null(text);
    assert_int_equal(read_reply(read, text, out, sizeof out, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, complaint);
}

static void replies_without_end_are_refused(void **state)
{
    (void)state;
    refuse_large(handle, "{\"return\":\"", "xxxxxxxx", 600000, "\"}", "an answer without end");
    refuse_large(handle, "{\"return\":[0", ",0", 500000, "]}", "values without end");
    refuse_large(handle, "{\"return\":", "[", 300000, "", "not JSON: nesting too deep");
    refuse_large(fsinfo, "{\"return\":[0", ",0", 4096, "]}", "4097 file systems");
    refuse_large(fsinfo, FS_HEAD "[0", ",0", 256, "]" FS_TAIL, "a file system on 257 disks");
    refuse_large(fsinfo, "{\"return\":[{\"mountpoint\":\"/", "x", 4096, "\"}]}", "4097 bytes");
    refuse_large(read_9, "{\"return\":{\"count\":9,\"eof\":true,\"buf-b64\":\"", "Zm9v", 500000,
                 "\"}}", "more than the 9 bytes");
}

static void as_many_mounts_as_there_may_be_are_read(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    char out[256];
#define ONE                                                                                        \
    "{\"name\":\"vda\",\"mountpoint\":\"/var/lib/docker/overlay2/0123456789abcdef\","              \
    "\"type\":\"ext4\",\"total-bytes\":1,\"used-bytes\":1,\"disk\":" DISK(PCI, "0") "}"
    HF_AUTOFREE char *text = repeated("{\"return\":[" ONE, "," ONE, 4095, "]}");
    assert_hf_ok(read_reply(fsinfo, text, out, sizeof out, &err), &err);
    assert_string_equal(out, "4096");
}

/* ---- disks of the guest, disks of the VM ---------------------------------------------------- */

#define PCI_XML(slot)                                                                              \
    "<address type='pci' domain='0x0000' bus='0x00' slot='" slot "' function='0x0'/>"
#define DRIVE_XML(c, t, u)                                                                         \
    "<address type='drive' controller='" c "' bus='0' target='" t "' unit='" u "'/>"
#define DISK_XML(target, bus, more)                                                                \
    "<disk type='file'><source file='/d'/><target dev='" target "' bus='" bus "'/>" more "</disk>"

static const char machine[] = "<domain><name>m</name><uuid>u</uuid><devices>" DISK_XML(
    "vda", "virtio", PCI_XML("0x03"))
    DISK_XML("vdb", "virtio", "<serial>data-0123456789abcdef-long</serial>" PCI_XML("0x0a"))
        DISK_XML("sda", "scsi", DRIVE_XML("1", "2", "5")) DISK_XML("sdb", "sata",
                                                                   DRIVE_XML("1", "2", "5"))
            DISK_XML("sdc", "scsi", "<serial>twin</serial>" DRIVE_XML("0", "0", "0"))
                DISK_XML("sdd", "scsi", "<serial>twin</serial>" DRIVE_XML("0", "0", "1")) DISK_XML(
                    "sde", "scsi",
                    "<serial>root</serial>" DRIVE_XML(
                        "0", "0",
                        "2")) "<controller type='usb' index='0'/>"
                              "<controller type='scsi' index='0'>" PCI_XML(
                                  "0x04") "</controller>"
                                          "<controller type='scsi' index='1'>" PCI_XML(
                                              "0x05") "</controller>"
                                                      "<controller type='sata' index='1'>" PCI_XML(
                                                          "0x1f") "</controller>"
                                                                  "</devices></domain>";

static const char *target_of(struct lv_fs_disk d)
{
    static char text[64];
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(lv_vm) struct lv_vm *vm = lv_vm_parse(machine, &err);
    assert_hf_got(vm, &err);
    const char *target = lv_fs_disk_target(&d, vm);
    snprintf(text, sizeof text, "%s", target ? target : "-");
    return text;
}

static char *words(const char *text)
{
    return (char *)(uintptr_t)text;
}

static void a_disk_of_the_guest_is_found_by_serial_or_address(void **state)
{
    (void)state;
    assert_string_equal(target_of((struct lv_fs_disk){.slot = 3}), "vda");
    assert_string_equal(target_of((struct lv_fs_disk){.slot = 10}), "vdb");
    assert_string_equal(target_of((struct lv_fs_disk){.slot = 11}), "-");
    assert_string_equal(target_of((struct lv_fs_disk){.slot = -1, .bus = -1}), "-");
    assert_string_equal(target_of((struct lv_fs_disk){.slot = 3, .domain = INT64_MAX}), "-");
    assert_string_equal(target_of((struct lv_fs_disk){.slot = 5, .scsi_target = 2, .unit = 5}),
                        "sda");
    assert_string_equal(target_of((struct lv_fs_disk){.slot = 31, .scsi_target = 2, .unit = 5}),
                        "sdb");
    assert_string_equal(target_of((struct lv_fs_disk){.slot = 4, .scsi_target = 2, .unit = 5}),
                        "-");
    /* What virtio shows of a long serial; a serial as udev decorates it; one that two disks have. */
    assert_string_equal(target_of((struct lv_fs_disk){.serial = words("data-0123456789abcde")}),
                        "vdb");
    assert_string_equal(
        target_of((struct lv_fs_disk){.serial = words("0QEMU_QEMU_HARDDISK_root"), .slot = 3}),
        "sde");
    assert_string_equal(target_of((struct lv_fs_disk){.serial = words("chroot"), .slot = 3}),
                        "vda");
    assert_string_equal(
        target_of((struct lv_fs_disk){.serial = words("twin"), .slot = 4, .unit = 1}), "sdd");
}

/* ---- the guest's mount table ------------------------------------------------------------------- */

static const char *visible(const char *text)
{
    static char out[512];
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_mountinfo) struct hf_mountinfo l = {0};
    size_t at = 0;
    *out = '\0';
    assert_hf_ok(hf_mountinfo_parse(text, strlen(text), &l, &err), &err);
    for (size_t i = 0; i < l.n && at < sizeof out; i++)
        if (!l.items[i].is_hidden)
            at += (size_t)snprintf(out + at, sizeof out - at, "%s%s=%s%s", at ? " " : "",
                                   l.items[i].mountpoint, l.items[i].type,
                                   l.items[i].has_device ? "" : "!");
    return out;
}

static void the_mount_table_tells_what_a_path_reaches(void **state)
{
    (void)state;
    /* The root of a real guest stands behind what was mounted in the initramfs. */
    assert_string_equal(visible("22 27 0:20 / /sys rw shared:7 - sysfs sysfs rw\n"
                                "27 1 254:0 / / rw,noatime shared:1 - ext4 /dev/vda rw\n"
                                "109 27 254:16 / /var/lib/mysql rw - ext4 /dev/vdb rw\n"
                                "110 27 0:50 / /mnt/a\\040b rw - nfs4 nas:/x rw\n"
                                "111 27 0:51 /@ /pool rw - btrfs /dev/vdc rw\n"),
                        "/sys=sysfs! /=ext4 /var/lib/mysql=ext4 /mnt/a b=nfs4! /pool=btrfs");
    /* Over the same directory; over one on the way; over a mount that has others below. */
    assert_string_equal(visible("1 0 8:1 / / rw - ext4 /dev/a rw\n"
                                "2 1 8:2 / /d rw - ext4 /dev/b rw\n"
                                "3 2 0:9 / /d rw - tmpfs t rw\n"),
                        "/=ext4 /d=tmpfs!");
    assert_string_equal(visible("1 0 8:1 / / rw - ext4 /dev/a rw\n"
                                "2 1 8:2 / /var/lib/mysql rw - ext4 /dev/b rw\n"
                                "3 1 0:9 / /var rw - nfs nas:/v rw\n"),
                        "/=ext4 /var=nfs!");
    assert_string_equal(visible("1 0 8:1 / / rw - ext4 /dev/a rw\n"
                                "2 1 8:2 / /var rw - ext4 /dev/b rw\n"
                                "3 2 8:3 / /var/lib rw - ext4 /dev/c rw\n"
                                "4 2 0:9 / /var rw - tmpfs t rw\n"
                                "5 4 8:4 / /var/lib rw - xfs /dev/d rw\n"),
                        "/=ext4 /var=tmpfs! /var/lib=xfs");
    assert_string_equal(visible("1 0 8:1 / / rw - ext4 /dev/a rw\n"
                                "2 1 8:2 / /va rw - ext4 /dev/b rw\n"
                                "3 1 8:3 / /var rw - ext4 /dev/c rw\n"),
                        "/=ext4 /va=ext4 /var=ext4");
    /* A loop of parents. */
    assert_string_equal(visible("1 2 8:1 / /a rw - ext4 /dev/a rw\n"
                                "2 1 8:2 / /b rw - ext4 /dev/b rw\n"),
                        "/a=ext4 /b=ext4");
}

static void refuse_table(const char *text, size_t len, const char *piece)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_mountinfo) struct hf_mountinfo l = {0};
    assert_int_equal(hf_mountinfo_parse(text, len, &l, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, piece);
}

static void a_strange_mount_table_is_refused(void **state)
{
    (void)state;
    static const char line[] = "1 0 8:1 / / rw - ext4 /dev/a rw\n";
    refuse_table("", 0, "no list of mounts");
    refuse_table(line, sizeof line - 2, "no list of mounts");
    refuse_table("1 0 8:1 / /\0 rw\n", 16, "no list of mounts");
    refuse_table("hello\n", 6, "mount 1: a line that is no mount");
    refuse_table("1 0 8:1 / / rw\n", 15, "no mount");
    refuse_table("1 0 8:1 / / rw -\n", 17, "no mount");
    refuse_table("1 0 8:1 / / rw - ext4\n", 22, "no mount");
    refuse_table("1 0 8:1 / d rw - ext4 /dev/a rw\n", 32, "no mount");
    HF_AUTOFREE char *many = repeated("", line, 4097, "");
    refuse_table(many, strlen(many), "4097 mounts");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(replies_are_understood_or_refused),
        HF_TEST(replies_without_end_are_refused),
        HF_TEST(as_many_mounts_as_there_may_be_are_read),
        HF_TEST(a_disk_of_the_guest_is_found_by_serial_or_address),
        HF_TEST(the_mount_table_tells_what_a_path_reaches),
        HF_TEST(a_strange_mount_table_is_refused),
    };
    return HF_RUN_TESTS("plugin.agent_replies", tests);
}
