/* SPDX-License-Identifier: Apache-2.0
 *
 * What domain becomes of the definition of another hypervisor's machine, on a host that is played; whatever a name says, it is a
 * name. That libvirt takes it: odd.d/foreign.sh.
 */
#include "base/buf.h"
#include "harness/hf_test.h"
#include "machine_foreign.h"

#include <stdio.h>
#include <string.h>

struct played {
    const char *lacks; /* a model of QEMU's that this host has not */
    bool has_secure_boot;
    char findings[65536];
};

static bool has(void *ctx, enum lv_fact what, const char *value)
{
    const struct played *p = ctx;
    if (what == LV_HAS_SCSI_MODEL)
        return !p->lacks || strcmp(value, p->lacks) != 0;
    return what == LV_HAS_SECURE_BOOT ? p->has_secure_boot : what == LV_HAS_CPU_MODE;
}

static int say(void *ctx, const struct hf_machine_finding *f)
{
    static const char *const kinds[] = {"", "changed", "left-out", "cut-off", "warning", "refused"};
    struct played *p = ctx;
    size_t used = strlen(p->findings);
    snprintf(p->findings + used, sizeof p->findings - used, "%s %s: %s\n", kinds[f->kind], f->about,
             f->text);
    return 0;
}

#define DISK(target, controller, unit)                                                             \
    "{\"target\":\"" target "\",\"controller\":" #controller ",\"unit\":" #unit                    \
    ",\"captured\":true}"

static const char plain[] =
    "{\"format\":\"holdfast-machine\",\"version\":1,\"name\":\"db1\",\"guest\":\"debian11_"
    "64Guest\","
    "\"hardware\":\"vmx-19\",\"firmware\":\"bios\",\"secure_boot\":false,\"cpus\":4,"
    "\"cores_per_socket\":2,\"memory_mib\":512,\"bios_uuid\":\"564d1234-0000-0000-0000-"
    "000000000001\",\"controllers\":[{\"key\":200,\"kind\":\"ide\",\"bus\":0},"
    "{\"key\":1000,\"kind\":\"pvscsi\",\"bus\":0}],"
    "\"disks\":[" DISK("scsi0:1", 1000, 1) "," DISK(
        "scsi0:0", 1000, 0) "],"
                            "\"nics\":[{\"kind\":\"vmxnet3\",\"network\":\"VM "
                            "Network\",\"mac\":\"00:50:56:aa:bb:cc\","
                            "\"connected\":true}]}";

/* text with a piece of it exchanged; to be freed. */
static char *with(const char *text, const char *piece, const char *other)
{
    const char *at = strstr(text, piece);
    assert_non_null(at);
    return hf_asprintf("%.*s%s%s", (int)(at - text), text, other, at + strlen(piece));
}

static const struct hf_machine_disk two[] = {
    {sizeof two[0], HF_MACHINE_FILE, "scsi0:0", "/new/a", "qcow2", NULL},
    {sizeof two[0], HF_MACHINE_NBD, "scsi0:1", "/new/b", "raw", NULL},
};

struct made {
    struct hf_machine_request req;
    struct played host;
    struct lv_making m;
    struct lv_foreign f;
    struct hf_err err;
};

static void made_drop(struct made *t)
{
    lv_foreign_free(&t->f);
    lv_making_drop(&t->m);
}
HF_DEFINE_AUTO_VALUE(made, made_drop)

static int make(struct made *t, const char *definition, const struct hf_machine_disk *disks,
                uint32_t n)
{
    t->req.struct_size = sizeof t->req;
    t->req.definition = definition;
    t->req.name = "new";
    t->req.disks = disks;
    t->req.n_disks = n;
    t->err = (struct hf_err)HF_ERR_INIT;
    t->m = (struct lv_making){
        .req = &t->req, .has = has, .has_ctx = &t->host, .say = say, .say_ctx = &t->host};
    assert_true(lv_foreign_is(&t->req));
    return lv_foreign_make(&t->m, "qemu", &t->f, &t->err);
}

static void lacks(const char *text, const char *piece)
{
    if (strstr(text, piece))
        fail_msg("did not expect '%s' in: %s", piece, text);
}

static void disks_get_libvirts_names_in_the_definition_and_in_the_request(void **state)
{
    (void)state;
    HF_AUTO(made) struct made t = {0};
    assert_hf_ok(make(&t, plain, two, 2), &t.err);
    assert_ptr_equal(t.f.req.definition, t.f.xml);
    assert_string_equal(t.f.req.disks[0].target, "sda");
    assert_string_equal(t.f.req.disks[0].path, "/new/a");
    assert_string_equal(t.f.req.disks[1].target, "sdb");
    assert_int_equal(t.f.req.disks[1].source, HF_MACHINE_NBD);
    assert_string_equal(two[0].target, "scsi0:0");
    assert_contains(t.f.xml, "<controller type=\"scsi\" index=\"0\" model=\"vmpvscsi\"/>");
    assert_contains(t.f.xml, "<target dev=\"sda\" bus=\"scsi\"/><address type=\"drive\" "
                             "controller=\"0\" bus=\"0\" target=\"0\" unit=\"0\"/>"
                             "<boot order=\"1\"/>");
    assert_contains(t.f.xml, "target=\"1\" unit=\"0\"/><boot order=\"2\"/>");
    assert_contains(t.host.findings, "changed disk scsi0:0: is 'sda' here, on vmpvscsi");
    lacks(t.f.xml, "scsi0:");
}

static void it_is_the_machine_that_it_was(void **state)
{
    (void)state;
    HF_AUTO(made) struct made t = {0};
    assert_hf_ok(make(&t, plain, two, 2), &t.err);
    static const char *const pieces[] = {
        "<domain type=\"qemu\">",
        "<uuid>564d1234-0000-0000-0000-000000000001</uuid>",
        "<memory unit=\"MiB\">512</memory>",
        "<vcpu>4</vcpu>",
        "<topology sockets=\"2\" cores=\"2\" threads=\"1\"/>",
        "machine=\"pc\"",
        "<clock offset=\"utc\"/>",
        "<source network=\"VM Network\"/><mac address=\"00:50:56:aa:bb:cc\"/><model "
        "type=\"vmxnet3\"/>",
        "<target type=\"virtio\" name=\"org.qemu.guest_agent.0\"/>"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(pieces); i++)
        assert_contains(t.f.xml, pieces[i]);
    lacks(t.f.xml, "firmware");
    HF_AUTO(made) struct made odd = {0};
    HF_AUTOFREE char *three = with(plain, "\"cpus\":4", "\"cpus\":3");
    HF_AUTOFREE char *windows = with(three, "debian11_64Guest", "windows9_64Guest");
    assert_hf_ok(make(&odd, windows, two, 2), &odd.err);
    lacks(odd.f.xml, "topology");
    assert_contains(odd.f.xml, "<clock offset=\"localtime\"/>");
    HF_AUTO(made) struct made nobody = {0};
    HF_AUTOFREE char *without = with(plain, "564d1234-", "564d1234_");
    assert_hf_ok(make(&nobody, without, two, 2), &nobody.err);
    lacks(nobody.f.xml, "<uuid");
}

/* kind, other: of the definition; model: what it becomes, "" SATA; says: NULL, or what is told. */
static void controller_becomes(const char *kind, const char *firmware, const char *lacking,
                               const char *model, const char *says)
{
    HF_AUTO(made) struct made t = {.host.lacks = lacking};
    HF_AUTOFREE char *as = hf_asprintf("\"kind\":\"%s\"", kind);
    HF_AUTOFREE char *one = with(plain, "\"kind\":\"pvscsi\"", as);
    HF_AUTOFREE char *of = with(one, "\"firmware\":\"bios\"", firmware);
    HF_AUTOFREE char *element = hf_asprintf("model=\"%s\"", model);
    assert_hf_ok(make(&t, of, two, 2), &t.err);
    if (*model)
        assert_contains(t.f.xml, element);
    else
        assert_contains(t.f.xml, "<target dev=\"sda\" bus=\"sata\"/>");
    if (says)
        assert_contains(t.host.findings, says);
    else
        lacks(t.host.findings, "controller");
}

static void a_controller_is_the_same_or_the_nearest(void **state)
{
    (void)state;
    static const char bios[] = "\"firmware\":\"bios\"", efi[] = "\"firmware\":\"efi\"";
    controller_becomes("pvscsi", bios, NULL, "vmpvscsi", NULL);
    controller_becomes("lsisas", bios, NULL, "lsisas1068", NULL);
    controller_becomes("lsilogic", bios, NULL, "lsilogic", "lsilogic 0: QEMU's is a 53C895A");
    controller_becomes("buslogic", bios, NULL, "lsilogic", "buslogic 0: QEMU has none: 'lsilogic'");
    controller_becomes("ahci", bios, NULL, "", NULL);
    controller_becomes("nvme", bios, NULL, "", "other 0: QEMU has none: 'sata'");
    controller_becomes("<&>", bios, NULL, "", "other 0: QEMU has none: 'sata'");
    controller_becomes("pvscsi", bios, "vmpvscsi", "", "pvscsi 0: this host's QEMU has none: 'sa");
    controller_becomes("pvscsi", efi, NULL, "", "pvscsi 0: common UEFI for QEMU reads no disk");
    controller_becomes("ide", efi, NULL, "", "ide 0: a machine with UEFI has no IDE: 'sata'");
}

static void ide_has_four_places(void **state)
{
    (void)state;
    HF_AUTO(made) struct made t = {0};
    HF_AUTO(made) struct made more = {0};
    HF_AUTOFREE char *ide = with(plain, "\"kind\":\"pvscsi\"", "\"kind\":\"ide\"");
    assert_hf_ok(make(&t, ide, two, 2), &t.err);
    assert_contains(t.f.xml, "<target dev=\"hda\" bus=\"ide\"/><address type=\"drive\" "
                             "controller=\"0\" bus=\"0\" target=\"0\" unit=\"0\"/>");
    assert_contains(t.f.xml, "bus=\"0\" target=\"0\" unit=\"1\"/>");
    HF_AUTOFREE char *five =
        with(ide, DISK("scsi0:0", 1000, 0),
             DISK("a", 200, 0) "," DISK("b", 200, 1) "," DISK("c", 1000, 0) "," DISK("d", 1000, 2));
    struct hf_machine_disk disks[5];
    static const char *const names[] = {"a", "b", "c", "d", "scsi0:1"};
    for (size_t i = 0; i < 5; i++)
        disks[i] = (struct hf_machine_disk){
            .struct_size = sizeof disks[i], .target = names[i], .path = "/x", .format = "raw"};
    assert_int_equal(make(&more, five, disks, 5), -1);
    assert_hf_err(&more.err, HF_E_UNSUPPORTED, "a machine has 4 IDE disks at most");
}

/* More disks than one of QEMU's controllers takes, and than the alphabet has letters. */
static void many_disks_go_on_further_controllers(void **state)
{
    (void)state;
    enum { MANY = 60 };
    HF_AUTO(made) struct made t = {0};
    HF_AUTO(hf_buf) struct hf_buf list = HF_BUF_INIT;
    static char names[MANY][16];
    static struct hf_machine_disk disks[MANY];
    for (int i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "scsi0:%d", i);
        hf_buf_printf(&list,
                      "%s{\"target\":\"%s\",\"controller\":1000,\"unit\":%d,\"captured\":true}",
                      i ? "," : "", names[i], i);
        disks[i] = (struct hf_machine_disk){
            .struct_size = sizeof disks[i], .target = names[i], .path = "/x", .format = "raw"};
    }
    HF_AUTOFREE char *lsi = with(plain, "\"kind\":\"pvscsi\"", "\"kind\":\"lsilogic\"");
    HF_AUTOFREE char *many =
        with(lsi, DISK("scsi0:1", 1000, 1) "," DISK("scsi0:0", 1000, 0), hf_buf_str(&list));
    assert_hf_ok(make(&t, many, disks, MANY), &t.err);
    assert_contains(t.f.xml, "index=\"8\" model=\"lsilogic\"");
    assert_contains(t.f.xml, "controller=\"8\" bus=\"0\" target=\"0\" unit=\"3\"/>");
    lacks(t.f.xml, "unit=\"7\"");
    assert_string_equal(t.f.targets[25], "sdz");
    assert_string_equal(t.f.targets[26], "sdaa");
    assert_string_equal(t.f.targets[59], "sdbh");
}

static void secure_boot_is_there_or_told_to_be_missing(void **state)
{
    (void)state;
    HF_AUTO(made) struct made with_it = {.host.has_secure_boot = true};
    HF_AUTO(made) struct made without = {0};
    HF_AUTOFREE char *efi = with(plain, "\"firmware\":\"bios\",\"secure_boot\":false",
                                 "\"firmware\":\"efi\",\"secure_boot\":true");
    assert_hf_ok(make(&with_it, efi, two, 2), &with_it.err);
    assert_contains(with_it.f.xml, "<os firmware=\"efi\">");
    assert_contains(with_it.f.xml, "machine=\"q35\"");
    assert_contains(with_it.f.xml, "<feature enabled=\"yes\" name=\"secure-boot\"/>");
    assert_contains(with_it.f.xml, "<loader secure=\"yes\"/>");
    assert_contains(with_it.f.xml, "<smm state=\"on\"/>");
    assert_hf_ok(make(&without, efi, two, 2), &without.err);
    lacks(without.f.xml, "secure");
    assert_contains(without.f.xml, "<feature enabled=\"no\" name=\"enrolled-keys\"/>");
    assert_contains(without.host.findings, "changed firmware: without secure boot");
}

static void network_cards(void **state)
{
    (void)state;
    static const struct {
        const char *kind, *model, *says;
    } cases[] = {{"vmxnet3", "vmxnet3", NULL},
                 {"e1000", "e1000", NULL},
                 {"e1000e", "e1000e", NULL},
                 {"pcnet32", "pcnet", NULL},
                 {"vmxnet2", "e1000", "changed interface 1: an e1000 instead"},
                 {"'><", "e1000", "changed interface 1: an e1000 instead"}};
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        HF_AUTO(made) struct made t = {0};
        HF_AUTOFREE char *text = with(plain, "\"kind\":\"vmxnet3\"", "\"kind\":\"@\"");
        HF_AUTOFREE char *of = with(text, "@", cases[i].kind);
        HF_AUTOFREE char *model = hf_asprintf("<model type=\"%s\"/>", cases[i].model);
        assert_hf_ok(make(&t, of, two, 2), &t.err);
        assert_contains(t.f.xml, model);
        if (cases[i].says)
            assert_contains(t.host.findings, cases[i].says);
        else
            lacks(t.host.findings, "interface");
    }
    HF_AUTO(made) struct made t = {0};
    HF_AUTOFREE char *off = with(plain, "\"connected\":true", "\"connected\":false");
    HF_AUTOFREE char *group = with(off, "00:50:56:aa:bb:cc", "01:50:56:aa:bb:cc");
    assert_hf_ok(make(&t, group, two, 2), &t.err);
    assert_contains(t.f.xml, "<link state=\"down\"/>");
    lacks(t.f.xml, "<mac");
}

/* What libvirt reads is one element more nowhere, and the second stage takes it. */
static void a_name_is_a_name(void **state)
{
    (void)state;
    static const char *const evil[] = {
        "</name><devices><hostdev/>", "<![CDATA[x]]>&lt;", "]]>&#x41;&amp;",
        "\\u0001\\u001f\\u007f",      "\\uffff\\ufffe",    "'\\\"><!--"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(evil); i++) {
        HF_AUTO(made) struct made t = {0};
        HF_AUTOFREE char *named = with(plain, "db1", evil[i]);
        HF_AUTOFREE char *text = with(named, "VM Network", evil[i]);
        assert_hf_ok(make(&t, text, two, 2), &t.err);
        LV_AUTODOC xmlDocPtr doc = lv_xml_parse(t.f.xml, "domain", &t.err);
        assert_hf_got(doc, &t.err);
        xmlNodePtr root = xmlDocGetRootElement(doc), devices = lv_xml_child(root, "devices");
        assert_int_equal(xmlChildElementCount(lv_xml_child(root, "name")), 0);
        assert_null(lv_xml_child(devices, "hostdev"));
        assert_null(lv_xml_next(devices));
        assert_int_equal(xmlChildElementCount(lv_xml_child(devices, "interface")), 3);
    }
}

static void refuse(const char *piece, const char *other, enum hf_err_class cls, const char *says)
{
    HF_AUTO(made) struct made t = {0};
    HF_AUTOFREE char *text = with(plain, piece, other);
    assert_int_equal(make(&t, text, two, 2), -1);
    assert_hf_err(&t.err, cls, says);
}

static void what_is_no_machine_is_refused(void **state)
{
    (void)state;
    refuse("\"version\":1", "\"version\":2", HF_E_UNSUPPORTED, "version 2");
    refuse("\"cpus\":4", "\"cpus\":0", HF_E_CORRUPT, "cpus");
    refuse("\"cores_per_socket\":2", "\"cores_per_socket\":0", HF_E_CORRUPT, "cores_per_socket");
    refuse("\"memory_mib\":512", "\"memory_mib\":9223372036854775807", HF_E_CORRUPT, "memory_mib");
    refuse("\"firmware\":\"bios\"", "\"firmware\":\"x\"", HF_E_CORRUPT, "firmware");
    refuse("\"controller\":1000", "\"controller\":9", HF_E_CORRUPT, "disks");
    refuse("\"key\":200", "\"key\":1000", HF_E_CORRUPT, "controllers");
    refuse("\"target\":\"scsi0:1\"", "\"target\":\"sda\"", HF_E_CONFLICT, "no disk 'scsi0:1'");
}

static void a_machine_that_is_there_keeps_its_place(void **state)
{
    (void)state;
    HF_AUTO(made) struct made t = {.req.flags = HF_MACHINE_REPLACE};
    assert_int_equal(make(&t, plain, two, 2), -1);
    assert_hf_err(&t.err, HF_E_UNSUPPORTED, "takes no machine's place");
}

static void another_definition_is_none(void **state)
{
    (void)state;
    static const char *const others[] = {"<domain/>", "", "{", "{\"format\":\"x\"}",
                                         "  {\"format\":1}"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(others); i++) {
        const struct hf_machine_request req = {.definition = others[i]};
        assert_false(lv_foreign_is(&req));
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(disks_get_libvirts_names_in_the_definition_and_in_the_request),
        HF_TEST(it_is_the_machine_that_it_was),
        HF_TEST(a_controller_is_the_same_or_the_nearest),
        HF_TEST(ide_has_four_places),
        HF_TEST(many_disks_go_on_further_controllers),
        HF_TEST(secure_boot_is_there_or_told_to_be_missing),
        HF_TEST(network_cards),
        HF_TEST(a_name_is_a_name),
        HF_TEST(what_is_no_machine_is_refused),
        HF_TEST(a_machine_that_is_there_keeps_its_place),
        HF_TEST(another_definition_is_none),
    };
    return HF_RUN_TESTS("plugin.machine_foreign", tests);
}
