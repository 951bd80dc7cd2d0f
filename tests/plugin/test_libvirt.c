/* SPDX-License-Identifier: Apache-2.0
 *
 * The libvirt plugin's pure parts: foreign XML, names, tokens, base64. Built from its sources.
 */
#include "base/base64.h"
#include "chain.h"
#include "checkpoint_words.h"
#include "disks.h"
#include "export.h"
#include "harness/silence.h"
#include "rollback.h"
#include "snapshot_xml.h"
#include "token.h"

#include <string.h>

#define DOMAIN_HEAD "<domain type='kvm'><name>m</name><uuid>u-1</uuid><devices>"
#define DOMAIN_TAIL "</devices></domain>"

static const char running[] = DOMAIN_HEAD
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
    "<source file='/d/a.hf-2' index='5'/>"
    "<backingStore type='file' index='3'><format type='qcow2'/><source file='/d/a.hf-1'/>"
    "<backingStore type='block' index='2'><format type='raw'/><source dev='/dev/vg/a'/>"
    "<backingStore/></backingStore></backingStore>"
    "<mirror type='file' job='active-commit' ready='yes'><source file='/d/a.hf-1'/></mirror>"
    "<target dev='vda' bus='virtio'/><serial>root</serial>"
    "<address type='pci' domain='0x0000' bus='0x01' slot='0x00' function='0x2'/></disk>"
    "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/>"
    "<address type='drive' controller='0' bus='0' target='0' unit='1'/></disk>"
    "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0' state='connected'/>"
    "</channel>" DOMAIN_TAIL;

static void reads_the_chain_of_a_running_machine(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(lv_vm) struct lv_vm *vm = lv_vm_parse(running, &err);
    assert_hf_got(vm, &err);
    const struct lv_disk *d = lv_vm_disk(vm, "vda");
    assert_non_null(d);
    assert_int_equal(d->n_layers, 3);
    assert_int_equal(d->layers[0].index, 5);
    assert_int_equal(d->layers[2].index, 2);
    assert_string_equal(d->layers[2].path, "/dev/vg/a");
    assert_string_equal(d->layers[2].format, "raw");
    assert_string_equal(d->mirror_job, "active-commit");
    assert_true(d->is_mirror_ready);
    assert_string_equal(d->serial, "root");
    assert_string_equal(d->address, "pci:0000:01:00.2");
    assert_string_equal(lv_vm_disk(vm, "sda")->address, "drive:0:0:0:1");
    assert_int_equal(lv_vm_disk(vm, "sda")->n_layers, 0);
    assert_null(lv_vm_disk(vm, "vdz"));
    assert_true(vm->has_agent);
    assert_false(vm->is_uefi);
    /* The mirror is a place where a file stands, too: it must not be removed there. */
    assert_int_equal(lv_vm_count(vm, "/d/a.hf-1"), 2);
    assert_int_equal(lv_disk_layer(d, "/d/a.hf-1"), 1);
    assert_int_equal(lv_disk_layer(d, "/d/a"), -1);
}

static void refuse_xml(const char *xml, const char *piece)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(lv_vm) struct lv_vm *vm = lv_vm_parse(xml, &err);
    assert_null(vm);
    assert_hf_err(&err, HF_E_CORRUPT, piece);
}

static void foreign_xml_cannot_do_harm(void **state)
{
    (void)state;
    refuse_xml("", "not well-formed");
    refuse_xml("<domain><name>m</name>", "not well-formed");
    refuse_xml("<pool/>", "unexpected root element");
    refuse_xml("<domain/>", "without name or UUID");
    refuse_xml("<!DOCTYPE d [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><domain>&x;</domain>", "XML");
    refuse_xml("<!DOCTYPE d [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]>"
               "<domain><name>&b;</name><uuid>u</uuid></domain>",
               "carries a DTD");
    refuse_xml(DOMAIN_HEAD "<disk type='file'><source file='/x'/></disk>" DOMAIN_TAIL,
               "disk 1 of 'm' cannot be understood");
}

/* libxml2's converters complain on standard error, whatever they were told. */
static void a_foreign_encoding_is_no_word_on_standard_error(void **state)
{
    HF_SILENT(state)
    {
        refuse_xml("<?xml version='1.0' encoding='GB18030'?><domain>\x80uv~M</domain>",
                   "not well-formed");
    }
}

static void what_it_calls_its_encoding_does_not_matter_where_it_is_utf_8(void **state)
{
    static const char *const names[] = {"UTF-8",      "utf-8", "us-ascii",
                                        "ISO-8859-1", "UTF-7", "x-none"};
    (void)state;
    for (size_t i = 0; i < HF_ARRAY_SIZE(names); i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTOFREE char *xml =
            hf_asprintf("<?xml version='1.0' encoding='%s'?><domain><name>B\xc3\xbcro</name>"
                        "<uuid>u-1</uuid></domain>",
                        names[i]);
        HF_AUTO(lv_vm) struct lv_vm *vm = lv_vm_parse(xml, &err);
        assert_hf_got(vm, &err);
        assert_string_equal(vm->name, "B\xc3\xbcro");
    }
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *same =
        lv_edit_domain("<domain><name>\xc3\xbc</name></domain>", NULL, 0, &err);
    assert_string_equal(same, "<?xml version=\"1.0\"?>\n<domain><name>&#xFC;</name></domain>\n");
}

static const char *judge(const char *disk, bool overlay_dir, bool skipped)
{
    static char text[256];
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *xml = hf_asprintf(DOMAIN_HEAD "%s" DOMAIN_TAIL, disk);
    HF_AUTO(lv_vm) struct lv_vm *vm = lv_vm_parse(xml, &err);
    assert_hf_got(vm, &err);
    const struct lv_disk *d = &vm->disks[0];
    const char *why = skipped ? lv_disk_skipped(d) : lv_disk_refused(d, overlay_dir);
    snprintf(text, sizeof text, "%s", why ? why : "");
    return text;
}

#define DISK(attributes, type, source, more)                                                       \
    "<disk device='disk' " attributes "><driver type='" type "'/>" source                          \
    "<target dev='vda'/>" more "</disk>"
#define FILE_ATTR "type='file'"
#define A_FILE "<source file='/d/a'/>"

static void every_disk_is_taken_left_out_or_refused(void **state)
{
    (void)state;
    assert_string_equal(judge(DISK(FILE_ATTR, "raw", A_FILE, ""), false, false), "");
    assert_string_equal(
        judge(DISK(FILE_ATTR " snapshot='external'", "raw", A_FILE, ""), false, false), "");
    assert_contains(judge(DISK(FILE_ATTR " snapshot='no'", "raw", A_FILE, ""), false, true),
                    "not part of the capture");
    assert_contains(
        judge(DISK(FILE_ATTR " snapshot='internal'", "qcow2", A_FILE, ""), false, false),
        "another kind of snapshot");
    assert_contains(judge(DISK(FILE_ATTR, "raw", A_FILE, "<shareable/>"), false, false), "shared");
    assert_contains(judge(DISK(FILE_ATTR, "raw", A_FILE, "<transient/>"), false, false),
                    "transient");
    assert_contains(judge(DISK(FILE_ATTR, "qed", A_FILE, ""), false, false),
                    "neither qcow2 nor raw");
    assert_contains(judge(DISK(FILE_ATTR, "raw", "", ""), false, false), "no source");
    assert_contains(judge(DISK(FILE_ATTR, "raw", "<source file='a'/>", ""), false, false),
                    "no absolute path");
    const char *network = DISK("type='network'", "raw", "<source protocol='rbd' name='p/i'/>", "");
    assert_contains(judge(network, true, false), "neither a file nor a block device");
    const char *vhost = DISK("type='vhostuser'", "raw", "<source type='unix' path='/s'/>", "");
    assert_contains(judge(vhost, true, false), "neither a file nor a block device");
    const char *block = DISK("type='block'", "raw", "<source dev='/dev/sdb'/>", "");
    assert_contains(judge(block, false, false), "overlay-dir");
    assert_string_equal(judge(block, true, false), "");
}

static void names_of_overlays_do_not_grow(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_instance in = {0};
    struct lv_vm vm = {.uuid = (char *)(uintptr_t) "u-1"};
    static const char *const cases[][2] = {
        {"/d/a.qcow2", "/d/a.qcow2.hf-9"},
        {"/d/a.qcow2.hf-1", "/d/a.qcow2.hf-9"},
        {"/d/a.hf-x.qcow2.hf-1", "/d/a.hf-x.qcow2.hf-9"},
        {"/a", "/a.hf-9"},
        {"/d.hf-1/a", "/d.hf-1/a.hf-9"},
        {"/d/.hf-1", "/d/.hf-1.hf-9"},
        {"/d/a.qcow2.hf-20261123T030000Z-7f3a9c21.hf-1", "/d/a.qcow2.hf-9"}, /* of a rollback */
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        HF_AUTOFREE char *path = lv_overlay_path(&in, &vm, "vda", cases[i][0], "hf-9", &err);
        assert_hf_got(path, &err);
        assert_string_equal(path, cases[i][1]);
        assert_true(lv_overlay_is_of(path, "hf-9"));
    }
    in.overlay_dir = (char *)(uintptr_t) "/o";
    HF_AUTOFREE char *there = lv_overlay_path(&in, &vm, "vda", "/d/a", "hf-9", &err);
    assert_string_equal(there, "/o/u-1-vda.hf-9");
    char longish[300] = "/d/";
    memset(longish + 3, 'x', 252);
    in.overlay_dir = NULL;
    assert_null(lv_overlay_path(&in, &vm, "vda", longish, "hf-9", &err));
    assert_hf_err(&err, HF_E_UNSUPPORTED, "would be too long");
}

static void only_overlays_of_that_name_are_removed(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    assert_false(lv_overlay_is_of("/d/a.qcow2", "hf-9"));
    assert_false(lv_overlay_is_of("/d/a.hf-99", "hf-9"));
    assert_false(lv_overlay_is_of("/d/ahf-9", "hf-9"));
    assert_false(lv_overlay_is_of("d/a.hf-9", "hf-9"));
    assert_false(lv_overlay_is_of("/d/a.", ""));
    const char *foreign = hf_test_file(state, "a.qcow2", "precious", 0600);
    assert_int_equal(lv_overlay_unlink(foreign, "hf-9", &err), -1);
    assert_hf_err(&err, HF_E_CONFLICT, "no overlay of 'hf-9'");
    assert_int_equal(access(foreign, F_OK), 0);
    const char *link = hf_test_path(state, "b.hf-9");
    assert_int_equal(symlink(foreign, link), 0);
    err = (struct hf_err)HF_ERR_INIT;
    assert_int_equal(lv_overlay_unlink(link, "hf-9", &err), -1);
    assert_int_equal(unlink(link), 0);
    assert_hf_ok(lv_overlay_unlink(link, "hf-9", &err), &err); /* gone already */
    hf_test_file(state, "b.hf-9", "", 0600);
    assert_hf_ok(lv_overlay_unlink(link, "hf-9", &err), &err);
    assert_int_equal(access(link, F_OK), -1);
}

static void the_operators_words_stay_words(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(lv_vm) struct lv_vm *vm = lv_vm_parse(running, &err);
    struct lv_plan_disk d = {.target = vm->disks[0].target,
                             .overlay = (char *)(uintptr_t) "/d/a&b.hf-9"};
    const char *label = "</description><name>x</name> \x01 \"&\" caf\xc3\xa9 \xff\xef\xbf\xbf tail";
    HF_AUTOFREE char *xml = lv_snap_build(vm, &d, 1, "hf-9", "run-1", label, &err);
    assert_hf_got(xml, &err);
    struct lv_snap snap = {0};
    assert_hf_ok(lv_snap_parse(xml, &snap, &err), &err);
    HF_AUTO(lv_snaps) struct lv_snaps owner = {.items = malloc(sizeof snap), .n = 1};
    owner.items[0] = snap;
    assert_string_equal(snap.name, "hf-9");
    assert_true(snap.is_ours);
    assert_false(snap.is_memory);
    assert_string_equal(
        snap.description,
        "holdfast run=run-1 label=</description><name>x</name>   \"&\" caf\xc3\xa9 ?? tail");
    assert_int_equal(snap.n_disks, 2);
    assert_string_equal(snap.disks[0].source, "/d/a&b.hf-9");
    assert_string_equal(snap.disks[1].kind, "no");
}

static void internal_snapshots_and_memory_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *xml;
        bool is_memory, is_ours;
    } cases[] = {
        {"<domainsnapshot><name>a</name><memory snapshot='no'/></domainsnapshot>", false, false},
        {"<domainsnapshot><name>a</name><memory snapshot='internal'/></domainsnapshot>", true,
         false},
        {"<domainsnapshot><name>a</name><memory snapshot='external' file='/m'/></domainsnapshot>",
         true, false},
        {"<domainsnapshot><name>a</name><description>holdfast run=1</description><disks>"
         "<disk name='vda' snapshot='internal'/></disks></domainsnapshot>",
         true, true},
        {"<domainsnapshot><name>hf-1</name><description>my holdfast run=1</description>"
         "</domainsnapshot>",
         false, false},
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(lv_snaps) struct lv_snaps l = {.items = calloc(1, sizeof *l.items), .n = 1};
        assert_hf_ok(lv_snap_parse(cases[i].xml, &l.items[0], &err), &err);
        assert_int_equal(l.items[0].is_memory, cases[i].is_memory);
        assert_int_equal(l.items[0].is_ours, cases[i].is_ours);
    }
}

static int note_disk(void *ctx, const char *target, const char *base, const char *overlay,
                     struct hf_err *err)
{
    (void)err;
    snprintf(ctx, 128, "%s %s %s", target, base, overlay);
    return 0;
}

static void a_token_is_read_for_its_own_capture_only(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    char seen[128] = "";
    struct lv_plan_disk d = {.target = (char *)(uintptr_t) "vda",
                             .base.path = (char *)(uintptr_t) "/d/a \"b\"",
                             .overlay = (char *)(uintptr_t) "/d/a.hf-9"};
    HF_AUTOFREE char *token = lv_token_write("u-1", "hf-9", &d, 1, &err);
    assert_hf_got(token, &err);
    assert_hf_ok(lv_token_read(token, "u-1", "hf-9", note_disk, seen, &err), &err);
    assert_string_equal(seen, "vda /d/a \"b\" /d/a.hf-9");
    assert_int_equal(lv_token_read(token, "u-2", "hf-9", note_disk, seen, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "undo token");
    assert_int_equal(lv_token_read(token, "u-1", "hf-8", note_disk, seen, &err), -1);
    static const char *const broken[] = {"",
                                         "{",
                                         "[]",
                                         "{}",
                                         "null",
                                         "{\"v\":1,\"vm\":\"u-1\",\"name\":\"hf-9\",\"disks\":[3]}",
                                         "{\"v\":2,\"vm\":\"u-1\",\"name\":\"hf-9\",\"disks\":[]}"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(broken); i++) {
        err = (struct hf_err)HF_ERR_INIT;
        assert_int_equal(lv_token_read(broken[i], "u-1", "hf-9", note_disk, seen, &err), -1);
        assert_hf_err(&err, HF_E_CORRUPT, "undo token");
    }
}

static void base64_goes_both_ways_and_is_bounded(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}};
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT, data = HF_BUF_INIT;
        bool cut = false;
        hf_base64_encode(&text, cases[i][0], strlen(cases[i][0]));
        assert_string_equal(hf_buf_str(&text), cases[i][1]);
        assert_int_equal(hf_base64_decode(&data, cases[i][1], 100, &cut), 0);
        assert_string_equal(hf_buf_str(&data), cases[i][0]);
        assert_false(cut);
    }
    static const char *const bad[] = {"Z", "Zg=", "Zg==Zg==", "Z===", "====", "Zm9\x80", "Zm 9"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(bad); i++) {
        HF_AUTO(hf_buf) struct hf_buf data = HF_BUF_INIT;
        bool cut = false;
        assert_int_equal(hf_base64_decode(&data, bad[i], 100, &cut), -1);
    }
    HF_AUTO(hf_buf) struct hf_buf data = HF_BUF_INIT;
    bool cut = false;
    assert_int_equal(hf_base64_decode(&data, "Zm9vYmFyYmF6", 4, &cut), 0);
    assert_string_equal(hf_buf_str(&data), "foob");
    assert_true(cut);
}

static void only_the_active_layers_of_a_definition_change(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    static const char xml[] =
        "<domain><name>m</name><devices>"
        "<disk type='file'><driver name='qemu' type='qcow2' cache='none'/>"
        "<source file='/d/a.hf-1' index='2' startupPolicy='x'/><backingStore type='file'><source "
        "file='/d/a'/>"
        "<backingStore/></backingStore><target dev='vda'/></disk>"
        "<disk type='file'><source file='/d/b'/><target dev='vdb'/></disk></devices></domain>";
    const struct lv_edit there[] = {{"vda", "/d/a.hf-1", "/d/a.hf-2.hf-1"}};
    const struct lv_edit gone[] = {{"vdc", "/d/c", "/d/d"}}, other[] = {{"vdb", "/d/c", "/d/d"}};
    HF_AUTOFREE char *once = lv_edit_domain(xml, there, 1, &err);
    assert_hf_got(once, &err);
    assert_contains(once,
                    "<source file=\"/d/a.hf-2.hf-1\" startupPolicy=\"x\"/><target dev=\"vda\"/>");
    assert_contains(once, "cache=\"none\"");
    assert_contains(once, "<source file=\"/d/b\"/>");
    HF_AUTOFREE char *twice = lv_edit_domain(once, there, 1, &err);
    assert_string_equal(once, twice);
    assert_null(lv_edit_domain(xml, gone, 1, &err));
    assert_hf_err(&err, HF_E_CONFLICT, "no disk vdc any more");
    err = (struct hf_err)HF_ERR_INIT;
    assert_null(lv_edit_domain(xml, other, 1, &err));
    assert_hf_err(&err, HF_E_CONFLICT, "neither '/d/c' nor '/d/d'");
}

static void an_exports_directory_is_known_by_its_name(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *dir = lv_export_dir("/d", "hf-1", &err),
                     *top = lv_export_dir("/", "hf-1", &err);
    assert_string_equal(dir, "/d/hf-1.export");
    assert_string_equal(top, "/hf-1.export");
    assert_true(lv_export_dir_is_of(dir, "hf-1"));
    assert_true(lv_export_dir_is_of(top, "hf-1"));
    assert_false(lv_export_dir_is_of(dir, "hf-11"));
    assert_false(lv_export_dir_is_of("/d/hf-1.export/x", "hf-1"));
    assert_false(lv_export_dir_is_of("hf-1.export", "hf-1"));
    assert_false(lv_export_dir_is_of("/etc", ""));
    assert_int_equal(lv_export_dir_remove("/etc", "hf-1", &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "'/etc' is no directory of export 'hf-1'");
    assert_int_equal(lv_export_dir_retire("/etc", "hf-1", &err), -1);
}

static void an_exports_request_names_all_disks(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(lv_vm) struct lv_vm *vm = lv_vm_parse(running, &err);
    struct lv_export_disk disks[] = {
        {.target = (char *)"vda", .takes_bitmap = true, .is_incremental = true}};
    struct lv_export e = {.name = (char *)"hf-2",
                          .run_id = (char *)"run&2",
                          .dir = (char *)"/d/hf-2.export",
                          .disks = disks,
                          .n = 1};
    HF_AUTOFREE char *full = lv_export_backup_xml(vm, &e);
    assert_contains(full, "<server transport=\"unix\" socket=\"/d/hf-2.export/nbd\"/>");
    assert_contains(full, "<disk name=\"sda\" backup=\"no\"/>");
    assert_contains(full, "<scratch file=\"/d/hf-2.export/vda.scratch\"/>");
    assert_contains(full, "backup=\"yes\"");
    e.parent = (char *)"hf-1";
    HF_AUTOFREE char *changes = lv_export_backup_xml(vm, &e);
    assert_contains(changes, "backupmode=\"incremental\" incremental=\"hf-1\"");
    disks[0].is_incremental = false;
    HF_AUTOFREE char *mixed = lv_export_backup_xml(vm, &e);
    assert_contains(mixed, "backupmode=\"full\"");
    HF_AUTOFREE char *point = lv_export_checkpoint_xml(vm, &e);
    assert_contains(point, "<description>holdfast run=run&amp;2\nvda\t");
    assert_contains(point, "<disk name=\"vda\" checkpoint=\"bitmap\"/>");
    assert_contains(point, "<disk name=\"sda\" checkpoint=\"no\"/>");
    HF_AUTOFREE char *token = lv_export_token("u-1", &e, &err);
    assert_true(lv_export_token_is(token));
    assert_false(lv_export_token_is("{\"v\":1}"));
    assert_false(lv_export_token_is("nonsense"));
}

static void a_disk_is_known_by_the_files_of_its_checkpoint(void **state)
{
    (void)state;
    static const char words[] =
        "holdfast run=r\nvda\t/d/a.hf-1\t/d/a\t/d/base\nvdb\t/d/b\t/d/base\nvdc\t/d/b c";
    static const struct {
        const char *target, *layers[4], *says;
    } cases[] = {
        {"vda", {"/d/a.hf-1", "/d/a", "/d/base"}, NULL},
        {"vda", {"/d/a.hf-2", "/d/a.hf-1", "/d/a", "/d/base"}, NULL}, /* one more overlay */
        {"vda", {"/d/a", "/d/base"}, NULL},                           /* merged down */
        {"vda", {"/d/a.hf-2", "/d/a", "/d/base"}, NULL},              /* both */
        {"vdb", {"/d/a.hf-1", "/d/a", "/d/base"}, "in the file of another disk"},
        {"vda", {"/d/b", "/d/base"}, "in the file of another disk"},
        {"vda", {"/d/new"}, "in another file"},
        {"vda", {"/d/a.hf-1", "/d/a", "/d/other"}, "stands on another file"},
        {"vdc", {"/d/b c"}, NULL},
        {"vdc", {"/d/b"}, "in the file of another disk"},
        {"vdc", {"/d/c"}, "in another file"},
        {"vd", {"/d/a"}, "made without it"},
        {"vdd", {NULL}, "made without it"},
        {"vda", {NULL}, "in another file"},
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        HF_AUTO(hf_strv) struct hf_strv files = HF_STRV_INIT;
        for (size_t k = 0; k < 4 && cases[i].layers[k]; k++)
            assert_int_equal(hf_strv_add(&files, cases[i].layers[k]), 0);
        const char *says = lv_checkpoint_doubt(words, cases[i].target, &files);
        if (cases[i].says)
            assert_contains(says, cases[i].says);
        else
            assert_null(says);
    }
    const struct hf_strv none = HF_STRV_INIT;
    assert_non_null(lv_checkpoint_doubt("holdfast run=of-before", "vda", &none));
    assert_non_null(lv_checkpoint_doubt("", "vda", &none));
}

static void a_rollbacks_token_names_nothing_but_what_a_rollback_makes_and_removes(void **state)
{
    (void)state;
    static const char form[] =
        "{\"v\":1,\"op\":\"rollback\",\"vm\":\"u-1\",\"name\":\"hf-1\",\"run\":\"hf-5\",\"was_"
        "active\":true,"
        "\"was_running\":true,\"younger\":[\"hf-2\"],\"disks\":[{\"target\":\"vda\",\"from\":\"/d/"
        "a.hf-2\","
        "\"to\":\"%s\",\"base\":\"/d/a\",\"format\":\"qcow2\",\"size_bytes\":1,\"gone\":[\"/d/"
        "a.hf-2\",\"%s\"]}]}";
    static const struct {
        const char *to, *gone, *vm, *says;
    } cases[] = {
        {"/d/a.hf-5.hf-1", "/d/a.hf-1", "u-1", NULL},
        {"/d/a.hf-5.hf-1", "/d/a.hf-1", "u-2", "not of a rollback of this VM"},
        {"/etc/passwd", "/d/a.hf-1", "u-1", "'/etc/passwd' is no overlay of this rollback"},
        {"/d/a.hf-5.hf-1", "/etc/passwd", "u-1", "'/etc/passwd' is no overlay of these"},
        {"/d/a.hf-5.hf-1", "/d/a.hf-5.hf-1", "u-1", "is no overlay of these"},
        {"/d/a.hf-5.hf-1", "/d/a", "u-1", "is no overlay of these"},
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        struct hf_err err = HF_ERR_INIT;
        char token[1024];
        HF_AUTO(lv_rollback) struct lv_rollback rb = {0};
        snprintf(token, sizeof token, form, cases[i].to, cases[i].gone);
        int rc = lv_rollback_read(token, cases[i].vm, &rb, &err);
        if (cases[i].says) {
            assert_int_equal(rc, -1);
            assert_hf_err(&err, HF_E_CORRUPT, cases[i].says);
            continue;
        }
        assert_hf_ok(rc, &err);
        HF_AUTOFREE char *again = lv_rollback_write(&rb, &err);
        assert_string_equal(again, token);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(reads_the_chain_of_a_running_machine),
        HF_TEST(foreign_xml_cannot_do_harm),
        HF_TEST(a_foreign_encoding_is_no_word_on_standard_error),
        HF_TEST(what_it_calls_its_encoding_does_not_matter_where_it_is_utf_8),
        HF_TEST(every_disk_is_taken_left_out_or_refused),
        HF_TEST(names_of_overlays_do_not_grow),
        HF_TEST(only_overlays_of_that_name_are_removed),
        HF_TEST(the_operators_words_stay_words),
        HF_TEST(internal_snapshots_and_memory_are_told_apart),
        HF_TEST(a_token_is_read_for_its_own_capture_only),
        HF_TEST(only_the_active_layers_of_a_definition_change),
        HF_TEST(a_rollbacks_token_names_nothing_but_what_a_rollback_makes_and_removes),
        HF_TEST(an_exports_directory_is_known_by_its_name),
        HF_TEST(a_disk_is_known_by_the_files_of_its_checkpoint),
        HF_TEST(an_exports_request_names_all_disks),
        HF_TEST(base64_goes_both_ways_and_is_bounded),
    };
    return HF_RUN_TESTS("plugin.libvirt", tests);
}
