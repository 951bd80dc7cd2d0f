/* SPDX-License-Identifier: Apache-2.0
 *
 * What becomes of a stored definition: the libvirt plugin's adaptation, from its sources, on a host that is played. The fixture
 * has everything that a definition can have of its host.
 */
#include "base/buf.h"
#include "base/path.h"
#include "harness/hf_test.h"
#include "machine.h"
#include "machine_paths.h"

#include <stdio.h>
#include <string.h>

struct played {
    bool is_bare; /* a host that has nothing of what is asked for */
    char findings[32768];
};

static bool has(void *ctx, enum lv_fact what, const char *value)
{
    const struct played *p = ctx;
    if (p->is_bare)
        return false;
    switch (what) {
    case LV_HAS_NETWORK:
        return strcmp(value, "default") == 0;
    case LV_HAS_FILE:
        return strncmp(value, "/usr/share/OVMF/", 16) == 0;
    case LV_HAS_BOOT_FILE:
        return strncmp(value, "/boot/", 6) == 0;
    case LV_HAS_BRIDGE:
    case LV_HAS_TPM:
        return true;
    case LV_HAS_CPU_MODE:
        return strcmp(value, "host-model") == 0;
    default:
        return false;
    }
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

static const struct hf_machine_disk disks[] = {
    {sizeof disks[0], HF_MACHINE_FILE, "vda", "/new/a.qcow2", "qcow2", NULL},
    {sizeof disks[0], HF_MACHINE_NBD, "vdb", "/run/b.sock", "raw", "vdb"},
};

static char *fixture(void)
{
    struct hf_err err = HF_ERR_INIT;
    const char *source = getenv("HOLDFAST_SOURCE_DIR");
    HF_AUTOFREE char *path =
        hf_asprintf("%s/tests/plugin/definitions/everything.xml", source ? source : ".");
    char *xml = hf_path_read(path, 1 << 20, NULL, &err);
    assert_hf_got(xml, &err);
    return xml;
}

static struct hf_machine_request request(const char *xml, uint32_t flags)
{
    return (struct hf_machine_request){.struct_size = sizeof(struct hf_machine_request),
                                       .flags = flags,
                                       .definition = xml,
                                       .name = "new",
                                       .run = "run-1",
                                       .purpose = "restore",
                                       .dir = "/run/dir",
                                       .disks = disks,
                                       .n_disks = 2};
}

static struct lv_making making(const struct hf_machine_request *req, struct played *p)
{
    return (struct lv_making){.req = req, .has = has, .has_ctx = p, .say = say, .say_ctx = p};
}

/* The adapted definition, and what was told on the way in p->findings. */
static char *adapt(const char *xml, uint32_t flags, struct played *p)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_machine_request req = request(xml, flags);
    HF_AUTO(lv_making) struct lv_making m = making(&req, p);
    assert_hf_ok(lv_make(&m, &err), &err);
    assert_hf_ok(lv_make_mark(m.doc, &req, "{token}", &err), &err);
    static const char *const words[] = {"/new/a.qcow2", "/run/b.sock",  "/usr/share/OVMF/",
                                        "/dev/urandom", "/run/dir/new", NULL};
    const char *strange = strange_path(m.root, words);
    if (strange)
        fail_msg("it names '%s'", strange);
    if (twofold_attribute(m.root))
        fail_msg("it has an attribute '%s' of a namespace", twofold_attribute(m.root));
    if (!(flags & HF_MACHINE_ARGUMENTS) && stray_argument(m.root))
        fail_msg("QEMU gets the argument '%s'", stray_argument(m.root));
    if (flags & HF_MACHINE_ISOLATED && way_out(m.root))
        fail_msg("it has a way out: %s", way_out(m.root));
    return lv_xml_print(m.doc);
}

static void lacks(const char *text, const char *piece)
{
    if (strstr(text, piece))
        fail_msg("did not expect '%s' in: %s", piece, text);
}

static void a_new_machine_shares_nothing_with_the_old_one(void **state)
{
    (void)state;
    struct played p = {0};
    HF_AUTOFREE char *xml = fixture();
    HF_AUTOFREE char *out = adapt(xml, 0, &p);
    static const char *const gone[] = {"11111111-2222",
                                       "99999999-2222",
                                       "52:54:00:aa:00:0",
                                       "web01",
                                       "/images/",
                                       "/isos/",
                                       "/srv/",
                                       "backingStore",
                                       "seclabel",
                                       "<auth",
                                       "vnet9",
                                       "tap0",
                                       "5901",
                                       "5905",
                                       "tlsPort",
                                       "0x65",
                                       "LD_PRELOAD",
                                       "hostfwd",
                                       "/etc/",
                                       "cpuset",
                                       "vcpupin",
                                       "nodeset",
                                       "partition",
                                       "encryption",
                                       "address=\"3\"",
                                       "earlier",
                                       "metadata_cache",
                                       "rawio",
                                       "hwrng",
                                       "evdev",
                                       " id=\"7\"",
                                       "romfile",
                                       "192.0.2.1",
                                       "x:",
                                       "-cpu",
                                       "web01.raw",
                                       "-drive",
                                       "opt/y",
                                       "evil",
                                       "7777aaaa"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(gone); i++)
        lacks(out, gone[i]);
    assert_contains(out, "<name>new</name>");
    assert_contains(out, "<genid/>");
    assert_contains(out, "/run/dir/new_VARS.hf-run-1.fd");
    assert_contains(out, "<source file=\"/new/a.qcow2\"/>");
    assert_contains(out, "<source protocol=\"nbd\" name=\"vdb\">"
                         "<host transport=\"unix\" socket=\"/run/b.sock\"/></source>");
}

static void what_is_harmless_stays(void **state)
{
    (void)state;
    struct played p = {0};
    HF_AUTOFREE char *xml = fixture();
    HF_AUTOFREE char *out = adapt(xml, 0, &p);
    static const char *const kept[] = {"libosinfo",
                                       "<title>The shop</title>",
                                       "cache=\"none\"",
                                       "<serial>root</serial>",
                                       "total_iops_sec",
                                       "<shares>2048</shares>",
                                       "<source network=\"default\"/>",
                                       "org.qemu.guest_agent.0",
                                       "com.redhat.spice.0",
                                       "virtio-pci.disable-modern=off",
                                       "clock=host",
                                       "driver=cfi.pflash01,property=secure",
                                       "<entry name=\"serial\">1234</entry>",
                                       "<target dev=\"sda\" bus=\"sata\"/>",
                                       "i6300esb",
                                       "profileid=\"shop\"",
                                       "type=\"spice\" autoport=\"yes\"",
                                       "purpose=\"restore\"",
                                       "state=\"made\"",
                                       ">{token}</holdfast:machine>",
                                       "template=\"/usr/share/OVMF/OVMF_VARS_4M.fd\""};
    for (size_t i = 0; i < HF_ARRAY_SIZE(kept); i++)
        assert_contains(out, kept[i]);
    HF_AUTOFREE char *same = adapt(xml, HF_MACHINE_KEEP_MAC, &p);
    assert_contains(same, "interfaceid=\"7777aaaa");
}

static void everything_that_changes_is_told(void **state)
{
    (void)state;
    struct played p = {0};
    HF_AUTOFREE char *xml = fixture();
    HF_AUTOFREE char *out = adapt(xml, 0, &p);
    static const char *const told[] = {
        "changed name: 'new' instead of 'web01'",
        "changed emulator: '/opt/qemu/bin/qemu-system-x86_64' is not libvirt's here",
        "changed cpu: 'Cascadelake-Server' is not here: the host's model instead",
        "left-out placement: ",
        "left-out disk vdc: is not among those that are restored",
        "left-out disk sda: the medium: the drive is empty",
        "left-out disk sdb: ",
        "left-out filesystem: the host's folder '/srv/shop', shared as 'shop'",
        "cut-off interface 52:54:00:aa:00:02: the network 'storage' is not here: its link is down",
        "cut-off interface 52:54:00:aa:00:03: the network filter 'clean-traffic' is not here",
        "cut-off interface 52:54:00:aa:00:04: a connection of type 'ethernet' is not here",
        "left-out interface 52:54:00:aa:00:05: is a device of the host",
        "left-out hostdev: PCI device 0x0000:0x65:0x00.0x0 of the host",
        "left-out hostdev: a device of the host, of type 'usb'",
        "changed serial: a terminal instead of file '/var/log/web01.console'",
        "left-out channel: com.example, of type 'tcp'",
        "left-out shmem: ",
        "warning tpm: is empty",
        "changed nvram: new UEFI variables",
        "left-out argument: of QEMU: -netdev",
        "left-out argument: of QEMU: -drive",
        "left-out argument: of QEMU: '/images/other.qcow2' alone",
        "left-out argument: of QEMU: -global virtio-net-pci.romfile=/etc/shadow",
        "left-out argument: of QEMU: -rtc nbd://192.0.2.1/",
        "left-out sysinfo: of type 'fwcfg'"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(told); i++)
        assert_contains(p.findings, told[i]);
}

static void nothing_leads_into_an_isolated_machine_or_out(void **state)
{
    (void)state;
    struct played p = {0};
    HF_AUTOFREE char *xml = fixture();
    HF_AUTOFREE char *out = adapt(xml, HF_MACHINE_ISOLATED | HF_MACHINE_ARGUMENTS, &p);
    static const char *const gone[] = {
        "<interface", "network=",       "spice",         "vnc",       "hostfwd", "commandline",
        "hugepages",  "total_iops_sec", "io=\"native\"", "memAccess", "\"dump\""};
    for (size_t i = 0; i < HF_ARRAY_SIZE(gone); i++)
        lacks(out, gone[i]);
    assert_contains(out, "action=\"poweroff\"");
    assert_contains(out, "<on_reboot>destroy</on_reboot>");
    assert_contains(out, "<on_crash>destroy</on_crash>");
    assert_contains(out, "cache=\"unsafe\"");
    assert_contains(out, "org.qemu.guest_agent.0");
}

static void an_interface_without_network_has_its_link_down(void **state)
{
    (void)state;
    struct played p = {0};
    HF_AUTOFREE char *xml = fixture();
    HF_AUTOFREE char *out = adapt(xml, HF_MACHINE_NO_NETWORK | HF_MACHINE_KEEP_MAC, &p);
    lacks(out, "network=\"default\"");
    lacks(out, "filterref");
    assert_contains(out, "52:54:00:aa:00:01");
    size_t users = 0, down = 0;
    for (const char *at = out; (at = strstr(at, "<interface type=\"user\">")); at++)
        users++;
    for (const char *at = out; (at = strstr(at, "<link state=\"down\"/>")); at++)
        down++;
    assert_int_equal(users, 4);
    assert_int_equal(down, 4);
}

static void memory_is_bounded(void **state)
{
    (void)state;
    struct played p = {0};
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *xml = fixture();
    struct hf_machine_request req = request(xml, 0);
    req.memory_max_bytes = UINT64_C(1) << 30;
    HF_AUTO(lv_making) struct lv_making m = making(&req, &p);
    assert_hf_ok(lv_make(&m, &err), &err);
    assert_int_equal(m.memory_bytes, UINT64_C(1) << 30);
    assert_contains(p.findings, "changed memory: 1024 MiB instead of 4096 MiB");
    HF_AUTOFREE char *out = lv_xml_print(m.doc);
    assert_contains(out, "<memory unit=\"KiB\">1048576</memory>");
    assert_contains(out, "<currentMemory unit=\"KiB\">1048576</currentMemory>");
}

static void a_host_that_has_nothing_takes_its_own(void **state)
{
    (void)state;
    struct played p = {.is_bare = true};
    HF_AUTOFREE char *xml = fixture();
    HF_AUTOFREE char *out = adapt(xml, 0, &p);
    lacks(out, "Cascadelake");
    lacks(out, "<emulator");
    lacks(out, "OVMF");
    lacks(out, "<tpm");
    assert_contains(out, "firmware=\"efi\"");
    assert_contains(p.findings, "changed firmware: '/usr/share/OVMF/OVMF_CODE_4M.fd' is not here");
}

#define HEAD "<domain type='kvm'><name>m</name><uuid>u</uuid><memory>1024</memory>"
#define OS "<os><type arch='x86_64'>hvm</type></os>"
#define TWO "<disk><target dev='vda'/></disk><disk><target dev='vdb'/></disk>"

static void refuse(const char *xml, enum hf_err_class cls, const char *piece)
{
    struct played p = {0};
    struct hf_err err = HF_ERR_INIT;
    struct hf_machine_request req = request(xml, 0);
    HF_AUTO(lv_making) struct lv_making m = making(&req, &p);
    assert_int_equal(lv_make(&m, &err), -1);
    assert_hf_err(&err, cls, piece);
    if (cls != HF_E_CORRUPT)
        assert_contains(p.findings, "refused ");
}

static void what_cannot_be_made_is_refused(void **state)
{
    (void)state;
    refuse("", HF_E_CORRUPT, "the definition");
    refuse("<domain/>", HF_E_CORRUPT, "no name, system or devices");
    refuse("<domain xmlns='urn:x'>" OS "</domain>", HF_E_CORRUPT, "no domain of libvirt's");
    refuse("<!DOCTYPE d [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><domain>&x;</domain>",
           HF_E_CORRUPT, "XML");
    refuse("<!DOCTYPE d [<!ENTITY a 'aa'>]><domain><name>&a;</name></domain>", HF_E_CORRUPT, "DTD");
    refuse(HEAD "<os><type>xen</type></os><devices>" TWO "</devices></domain>", HF_E_UNSUPPORTED,
           "of type 'xen'");
    refuse(HEAD "<os><type>hvm</type><kernel>/etc/shadow</kernel></os><devices>" TWO
                "</devices></domain>",
           HF_E_UNSUPPORTED, "it boots the host's '/etc/shadow'");
    refuse(HEAD "<os><type>hvm</type><kernel>/boot/<x/>vmlinuz</kernel></os><devices>" TWO
                "</devices></domain>",
           HF_E_UNSUPPORTED, "it boots the host's '/boot/vmlinuz'");
    refuse(HEAD
           "<os><type>hvm</type><kernel>/boot/vmlinuz</kernel><dtb>/usr/share/OVMF/OVMF_CODE.fd"
           "</dtb></os><devices>" TWO "</devices></domain>",
           HF_E_UNSUPPORTED, "it boots the host's '/usr/share/OVMF/OVMF_CODE.fd'");
    refuse(HEAD OS "<devices><disk><target dev='vda'/></disk></devices></domain>", HF_E_CONFLICT,
           "no disk 'vdb'");
    refuse(HEAD OS "<devices>" TWO TWO "</devices></domain>", HF_E_CONFLICT,
           "more than one disk 'vda'");
    refuse(HEAD OS "<devices><disk><target dev='vda'/><encryption format='luks'/></disk><disk>"
                   "<target dev='vdb'/></disk></devices></domain>",
           HF_E_UNSUPPORTED, "encrypted");
    refuse("<domain><name>m</name>" OS "<devices>" TWO "</devices></domain>", HF_E_CORRUPT,
           "tells no size");
}

static void firmware_of_the_host_is_for_reading(void **state)
{
    (void)state;
    struct played p = {0};
    HF_AUTOFREE char *out = adapt(
        HEAD "<os><type>hvm</type><loader readonly='no' type='pflash'>/usr/share/OVMF/x</loader>"
             "</os><devices>" TWO "</devices></domain>",
        0, &p);
    assert_contains(out, "<loader readonly=\"yes\" type=\"pflash\">/usr/share/OVMF/x</loader>");
    assert_contains(p.findings, "changed firmware: '/usr/share/OVMF/x' is for reading");
}

/* libvirt looks for elements by their path, we by their name: no element may be what it is for one of us only. */
static void an_element_is_the_same_to_libvirt_and_to_us(void **state)
{
    (void)state;
    struct played p = {0};
    HF_AUTOFREE char *out = adapt(
        "<domain type='kvm' xmlns:x='urn:x'><x:devices><disk/></x:devices><x:os/><name>m</name>"
        "<name>n</name><memory>1024</memory>" OS "<os><type>xen</type></os><devices>" TWO
        "<x:hostdev/></devices><devices><hostdev mode='subsystem'/></devices>"
        "<devices><filesystem/></devices></domain>",
        0, &p);
    lacks(out, "hostdev");
    lacks(out, "filesystem");
    lacks(out, "xen");
    lacks(out, "x:");
    assert_contains(out, "<name>new</name>");
    struct played q = {0};
    HF_AUTOFREE char *inner =
        adapt("<domain type='kvm' xmlns:x='urn:x'><name>m</name><memory>1024</memory>" OS
              "<devices><disk><source file='/a'/><x:source file='/b'/><source file='/c'/><target "
              "dev='vda'/>"
              "<target dev='vdb'/></disk><disk><target dev='vdb'/></disk><controller evil='/etc/x'>"
              "<driver path=' /etc/y'/>/etc/z</controller></devices></domain>",
              0, &q);
    assert_contains(inner, "<source file=\"/new/a.qcow2\"/>");
    assert_contains(q.findings, "left-out controller: '/etc/x', a path of the host");
}

static void a_machine_that_replaces_another_keeps_what_that_has(void **state)
{
    (void)state;
    struct played p = {0};
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *xml = fixture();
    struct hf_machine_request req = request(xml, HF_MACHINE_REPLACE);
    req.name = "web01";
    HF_AUTO(lv_making) struct lv_making m = making(&req, &p);
    m.former = xml;
    assert_hf_ok(lv_make(&m, &err), &err);
    HF_AUTOFREE char *out = lv_xml_print(m.doc);
    static const char *const kept[] = {"11111111-2222-4333-8444-555555555555",
                                       "0x65",
                                       "/srv/shop",
                                       "52:54:00:aa:00:05",
                                       "nodeset",
                                       "web01_VARS.fd",
                                       "hostfwd"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(kept); i++)
        assert_contains(out, kept[i]);
    lacks(out, "/images/web01.qcow2");
    assert_contains(p.findings, "warning tpm: holds what it holds today");
    lacks(p.findings, "warning nvram");
    /* … and what only the stored definition has is foreign still. */
    struct played q = {0};
    HF_AUTO(lv_making) struct lv_making other = making(&req, &q);
    other.former = HEAD OS "<devices/></domain>"; /* no variables in a file */
    assert_hf_ok(lv_make(&other, &err), &err);
    HF_AUTOFREE char *strict = lv_xml_print(other.doc);
    lacks(strict, "0x65");
    lacks(strict, "hostfwd");
    lacks(strict, "web01_VARS.fd");
    assert_contains(q.findings, "warning nvram: the UEFI variables of today are in no file");
}

static void a_token_names_no_file_but_its_own(void **state)
{
    (void)state;
    static const char form[] =
        "{\"v\":1,\"op\":\"machine\",\"vm\":\"u\",\"name\":\"%s\",\"run\":\"run-1\","
        "\"purpose\":\"drill\",\"transient\":true,\"nvram\":\"%s\"}";
    static const struct {
        const char *name, *nvram, *says;
    } cases[] = {{"new", "/d/new_VARS.hf-run-1.fd", NULL},
                 {"new", "/etc/passwd", "is no file of this machine"},
                 {"new", "/d/new_VARS.hf-run-2.fd", "is no file of this machine"},
                 {"new", "d/new_VARS.hf-run-1.fd", "is no file of this machine"},
                 {"../new", "/d/../new_VARS.hf-run-1.fd", "it is not of a machine"},
                 {"", "/d/_VARS.hf-run-1.fd", "it is not of a machine"}};
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(lv_machine_token) struct lv_machine_token t = {0};
        char text[512];
        snprintf(text, sizeof text, form, cases[i].name, cases[i].nvram);
        int rc = lv_machine_token_read(text, &t, &err);
        if (cases[i].says) {
            assert_int_equal(rc, -1);
            assert_hf_err(&err, HF_E_CORRUPT, cases[i].says);
            continue;
        }
        assert_hf_ok(rc, &err);
        HF_AUTOFREE char *again = lv_machine_token_write(&t, &err);
        assert_string_equal(again, text);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_new_machine_shares_nothing_with_the_old_one),
        HF_TEST(what_is_harmless_stays),
        HF_TEST(everything_that_changes_is_told),
        HF_TEST(nothing_leads_into_an_isolated_machine_or_out),
        HF_TEST(an_interface_without_network_has_its_link_down),
        HF_TEST(memory_is_bounded),
        HF_TEST(a_host_that_has_nothing_takes_its_own),
        HF_TEST(what_cannot_be_made_is_refused),
        HF_TEST(firmware_of_the_host_is_for_reading),
        HF_TEST(an_element_is_the_same_to_libvirt_and_to_us),
        HF_TEST(a_machine_that_replaces_another_keeps_what_that_has),
        HF_TEST(a_token_names_no_file_but_its_own),
    };
    return HF_RUN_TESTS("plugin.machine", tests);
}
