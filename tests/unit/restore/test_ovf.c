/* SPDX-License-Identifier: Apache-2.0
 *
 * Definitions of machines, and the envelopes made of them: whatever a name says, it is a name.
 */
#include "harness/hf_test.h"
#include "restore/ovf.h"

#include <libxml/parser.h>
#include <stdlib.h>
#include <string.h>

static const char plain[] = "{\"format\":\"holdfast-machine\",\"version\":1,\"name\":\"db1\","
                            "\"guest\":\"debian11_64Guest\",\"hardware\":\"vmx-19\","
                            "\"firmware\":\"efi\",\"secure_boot\":false,\"cpus\":4,\"cores_per_"
                            "socket\":2,\"memory_mib\":8192,\"annotation\":\"note\","
                            "\"controllers\":[{\"key\":1000,\"kind\":\"pvscsi\",\"bus\":0},{"
                            "\"key\":200,\"kind\":\"ide\",\"bus\":0}],"
                            "\"disks\":[{\"target\":\"scsi0:0\",\"key\":2000,\"controller\":1000,"
                            "\"unit\":0,\"captured\":true}],"
                            "\"nics\":[{\"key\":4000,\"kind\":\"vmxnet3\",\"network\":\"VM "
                            "Network\",\"mac\":\"00:50:56:aa:bb:cc\",\"connected\":true}]}";

/* plain with a piece of it exchanged; to be freed. */
static char *with(const char *piece, const char *other)
{
    const char *at = strstr(plain, piece);
    assert_non_null(at);
    return hf_asprintf("%.*s%s%s", (int)(at - plain), plain, other, at + strlen(piece));
}

static enum hf_err_class parse_class(const char *text, size_t len)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_machine_doc) struct hf_machine_doc m = {0};
    return hf_machine_doc_parse(text, len, &m, &err) == 0 ? 0 : err.cls;
}

/* The envelope, which a parser of XML takes; to be freed. */
static char *envelope(const char *definition, const char *name, bool keep_mac)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_machine_doc) struct hf_machine_doc m = {0};
    HF_AUTO(hf_buf) struct hf_buf out = HF_BUF_INIT;
    const struct hf_ovf_file file = {
        .target = "scsi0:0", .name = "db1-disk1.vmdk", .bytes = 77, .disk_bytes = 1000};
    assert_hf_ok(hf_machine_doc_parse(definition, strlen(definition), &m, &err), &err);
    const struct hf_ovf o = {.machine = &m,
                             .name = name,
                             .format = HF_DISK_VMDK,
                             .keep_mac = keep_mac,
                             .files = &file,
                             .n_files = 1};
    assert_hf_ok(hf_ovf_write(&o, &out, &err), &err);
    xmlDoc *doc = xmlReadMemory(hf_buf_str(&out), (int)out.len, NULL, NULL, XML_PARSE_NONET);
    if (!doc)
        fail_msg("not well-formed:\n%s", hf_buf_str(&out));
    xmlFreeDoc(doc);
    return hf_buf_steal(&out);
}

static void assert_has(const char *text, const char *piece)
{
    if (!strstr(text, piece))
        fail_msg("'%s' is missing in:\n%s", piece, text);
}

static void the_machine_is_in_its_envelope(void **state)
{
    (void)state;
    HF_AUTOFREE char *text = envelope(plain, "new", false);
    assert_has(text, "ovf:href=\"db1-disk1.vmdk\" ovf:id=\"file1\" ovf:size=\"77\"");
    assert_has(text, "ovf:capacity=\"1024\" ovf:capacityAllocationUnits=\"byte\"");
    assert_has(text, "vmdk.html#streamOptimized\"");
    assert_has(text, "<vssd:VirtualSystemType>vmx-19</vssd:VirtualSystemType>");
    assert_has(text, "<vmw:CoresPerSocket ovf:required=\"false\">2</vmw:CoresPerSocket>");
    assert_has(text, "<rasd:ResourceSubType>VirtualSCSI</rasd:ResourceSubType>");
    assert_null(strstr(text, "IDE controller")); /* nothing hangs on it */
    assert_null(strstr(text, "00:50:56"));
    HF_AUTOFREE char *kept = envelope(plain, "new", true);
    assert_has(kept, "<rasd:Address>00:50:56:aa:bb:cc</rasd:Address>");
}

static void no_name_breaks_out_of_its_place(void **state)
{
    static const char *const names[] = {
        "a&b<c>\"d'e",
        "]]>",
        "<!--",
        "<?x?>",
        "&amp;",
        "\x01\x02\x7f",
        "line\nline\ttab\r",
        "\xff\xfe\x80 bytes",
        "\xef\xbf\xbe\xef\xbf\xbf",
        "\xed\xa0\x80",
        "${x}%s%n",
        "\xc3\xbc\xf0\x9f\x98\x80",
    };
    (void)state;
    for (size_t i = 0; i < HF_ARRAY_SIZE(names); i++) {
        HF_AUTOFREE char *text = envelope(plain, names[i], false);
        assert_null(strstr(text, "]]>"));
        assert_null(strstr(text, "<!--"));
        assert_null(strchr(text, '\r'));
        assert_null(strchr(text, '\x7f'));
    }
    HF_AUTOFREE char *net = with("VM Network", "n\\\" ovf:x=\\\"1\\u0001\\uffff<b>");
    HF_AUTOFREE char *text = envelope(net, "n", false);
    assert_has(text, "<Network ovf:name=\"n&#34; ovf:x=&#34;1 ?&#60;b&#62;\">");
    assert_has(text, "<rasd:Connection>n&#34; ovf:x=&#34;1 ?&#60;b&#62;</rasd:Connection>");
    HF_AUTOFREE char *long_note = with("\"note\"", "\"</Annotation>\\n&\"");
    HF_AUTOFREE char *noted = envelope(long_note, "n", false);
    assert_has(noted, "<Annotation>&#60;/Annotation&#62;&#10;&#38;</Annotation>");
}

static void what_is_no_address_and_no_hardware_goes_nowhere(void **state)
{
    static const char *const macs[] = {
        "00:50:56:aa:bb:c", "00:50:56:aa:bb:cc0", "00-50-56-aa-bb-cc", "</rasd:Address>x", "",
        "zz:50:56:aa:bb:cc"};
    static const char *const hardware[] = {"vmx-1", "vmx-100", "vmx-1x", "<x>", ""};
    (void)state;
    for (size_t i = 0; i < HF_ARRAY_SIZE(macs); i++) {
        HF_AUTOFREE char *odd = with("00:50:56:aa:bb:cc", macs[i]);
        HF_AUTOFREE char *text = envelope(odd, "n", true);
        assert_null(strstr(strstr(text, "Network adapter 1") - 200, "<rasd:Address>00:50"));
        assert_null(strstr(text, "zz:50"));
    }
    for (size_t i = 0; i < HF_ARRAY_SIZE(hardware); i++) {
        HF_AUTOFREE char *odd = with("vmx-19", hardware[i]);
        HF_AUTOFREE char *text = envelope(odd, "n", false);
        assert_has(text, "<vssd:VirtualSystemType>vmx-13</vssd:VirtualSystemType>");
    }
}

static void kinds_without_a_name_become_usual_ones(void **state)
{
    (void)state;
    HF_AUTOFREE char *odd = with("pvscsi", "other");
    HF_AUTOFREE char *text = envelope(odd, "n", false);
    assert_has(text, "<rasd:ResourceSubType>lsilogic</rasd:ResourceSubType>");
    HF_AUTOFREE char *card = with("vmxnet3", "sriov");
    HF_AUTOFREE char *carded = envelope(card, "n", false);
    assert_has(carded, "<rasd:ResourceSubType>E1000e</rasd:ResourceSubType>");
    assert_false(hf_ovf_knows_controller("other") || hf_ovf_knows_nic("sriov"));
    assert_true(hf_ovf_knows_controller("nvme") && hf_ovf_knows_nic("vmxnet3"));
}

static void a_file_of_a_disk_that_the_machine_does_not_have_is_refused(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_machine_doc) struct hf_machine_doc m = {0};
    HF_AUTO(hf_buf) struct hf_buf out = HF_BUF_INIT;
    const struct hf_ovf_file file = {.target = "scsi0:1", .name = "x"};
    (void)state;
    assert_hf_ok(hf_machine_doc_parse(plain, strlen(plain), &m, &err), &err);
    const struct hf_ovf o = {.machine = &m, .name = "n", .files = &file, .n_files = 1};
    assert_int_equal(hf_ovf_write(&o, &out, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "no disk scsi0:1");
}

static void names_of_files_need_no_escaping(void **state)
{
    static const char *const names[][2] = {
        {"db1", "db1"}, {"a b:c/d%\n\"", "a_b_c_d___"}, {"\xc3\xbc", "__"}, {"x.y-z_1", "x.y-z_1"}};
    (void)state;
    for (size_t i = 0; i < HF_ARRAY_SIZE(names); i++) {
        HF_AUTOFREE char *file = hf_ovf_file_name(names[i][0]);
        assert_string_equal(file, names[i][1]);
    }
}

static void what_makes_no_sense_is_refused(void **state)
{
    static const char *const corrupt[][2] = {
        {"\"cpus\":4", "\"cpus\":0"},
        {"\"cpus\":4", "\"cpus\":4097"},
        {"\"cpus\":4", "\"cpus\":\"4\""},
        {"8192", "-1"},
        {"8192", "1e9"},
        {"\"efi\"", "\"other\""},
        {"\"secure_boot\":false", "\"secure_boot\":0"},
        {"\"controller\":1000", "\"controller\":1001"},
        {"\"key\":200,", "\"key\":1000,"},
        {"\"bus\":0},{", "\"bus\":256},{"},
        {"\"unit\":0", "\"unit\":-1"},
        {"\"captured\":true", "\"captured\":null"},
        {"\"disks\":[{",
         "\"disks\":[{\"target\":\"scsi0:0\",\"controller\":1000,\"unit\":1,\"captured\":true},{"},
        {"\"disks\":[{", "\"disks\":[7,{"},
        {"\"nics\":[{", "\"nics\":{},\"x\":[{"},
        {"\"network\":\"VM Network\"", "\"network\":5"},
        {"\"version\":1", "\"version\":\"1\""},
    };
    (void)state;
    assert_int_equal(parse_class(plain, strlen(plain)), 0);
    for (size_t i = 0; i < HF_ARRAY_SIZE(corrupt); i++) {
        HF_AUTOFREE char *text = with(corrupt[i][0], corrupt[i][1]);
        if (parse_class(text, strlen(text)) != HF_E_CORRUPT)
            fail_msg("%s: %d", corrupt[i][1], parse_class(text, strlen(text)));
    }
    HF_AUTOFREE char *later = with("\"version\":1", "\"version\":2");
    assert_int_equal(parse_class(later, strlen(later)), HF_E_UNSUPPORTED);
    assert_int_equal(parse_class("<domain/>", 9), HF_E_UNSUPPORTED);
    assert_int_equal(parse_class("[]", 2), HF_E_UNSUPPORTED);
    assert_false(hf_machine_doc_is("<domain/>", 9) || hf_machine_doc_is("{}", 2));
    assert_true(hf_machine_doc_is(plain, strlen(plain)));
}

/* A list of n items, the texts with their number in it, in the place of the one item that is there. */
static char *with_many(const char *list, const char *end, size_t n, const char *item)
{
    HF_AUTO(hf_buf) struct hf_buf out = HF_BUF_INIT;
    const char *from = strstr(plain, list) + strlen(list), *to = strstr(from, end);
    hf_buf_add(&out, plain, (size_t)(from - plain));
    for (size_t i = 0; i < n; i++) {
        hf_buf_printf(&out, "%s{\"key\":%zu,\"target\":\"t%zu\",", i ? "," : "", i + 5000, i);
        hf_buf_str_add(&out, item);
    }
    hf_buf_str_add(&out, to);
    return hf_buf_steal(&out);
}

static void more_than_a_machine_has_is_refused(void **state)
{
    const char *nic = "\"kind\":\"e1000\",\"network\":\"n\",\"mac\":\"\",\"connected\":true}";
    const char *disk = "\"controller\":1000,\"unit\":0,\"captured\":true}";
    (void)state;
    for (int over = 0; over < 2; over++) {
        HF_AUTOFREE char *nics = with_many("\"nics\":[", "]}", HF_DOC_NICS_MAX + (size_t)over, nic);
        HF_AUTOFREE char *disks =
            with_many("\"disks\":[", "],\"nics", HF_DOC_DISKS_MAX + (size_t)over, disk);
        assert_int_equal(parse_class(nics, strlen(nics)), over ? HF_E_CORRUPT : 0);
        assert_int_equal(parse_class(disks, strlen(disks)), over ? HF_E_CORRUPT : 0);
        HF_AUTOFREE char *note = calloc(1, HF_DOC_ANNOTATION_MAX + 4);
        memset(note, 'x', HF_DOC_ANNOTATION_MAX + 2 + (size_t)over);
        note[0] = note[strlen(note) - 1] = '"';
        HF_AUTOFREE char *noted = with("\"note\"", note);
        assert_int_equal(parse_class(noted, strlen(noted)), over ? HF_E_CORRUPT : 0);
    }
}

static void garbage_is_refused(void **state)
{
    size_t len = strlen(plain);
    HF_AUTOFREE char *text = strdup(plain);
    (void)state;
    for (size_t cut = 0; cut < len; cut++)
        assert_int_not_equal(parse_class(plain, cut), 0);
    for (size_t at = 0; at < len; at++) /* no crash, whatever comes of it */
        for (int bit = 0; bit < 8; bit++) {
            text[at] = (char)(plain[at] ^ (1 << bit));
            (void)parse_class(text, len);
            text[at] = plain[at];
        }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(the_machine_is_in_its_envelope),
        HF_TEST(no_name_breaks_out_of_its_place),
        HF_TEST(what_is_no_address_and_no_hardware_goes_nowhere),
        HF_TEST(kinds_without_a_name_become_usual_ones),
        HF_TEST(a_file_of_a_disk_that_the_machine_does_not_have_is_refused),
        HF_TEST(names_of_files_need_no_escaping),
        HF_TEST(what_makes_no_sense_is_refused),
        HF_TEST(more_than_a_machine_has_is_refused),
        HF_TEST(garbage_is_refused),
    };
    return HF_RUN_TESTS("restore.ovf", tests);
}
