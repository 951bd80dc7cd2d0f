/* SPDX-License-Identifier: Apache-2.0
 *
 * The vmware plugin's eyes and mouth: what a server may answer, and what it is asked.
 */
#include "encode.h"
#include "harness/hf_test.h"
#include "tree.h"
#include "vmw.h"

#include <fcntl.h>
#include <string.h>

static struct vmw_tree *parse(const char *text, struct hf_err *err)
{
    return vmw_tree_parse(text, strlen(text), "a", err);
}

static void refuses(const char *text, const char *why)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(vmw_tree) struct vmw_tree *t = parse(text, &err);
    assert_null(t);
    assert_int_equal(err.cls, HF_E_CORRUPT);
    assert_non_null(strstr(err.message, why));
}

static void an_answer_with_a_dtd_is_refused(void **state)
{
    (void)state;
    refuses("<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>", "DTD");
    refuses("<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>", "DTD");
    refuses("<!DOCTYPE a><a/>", "DTD");
}

static void what_is_no_answer_is_refused(void **state)
{
    (void)state;
    refuses("", "well-formed");
    refuses("<a><b></a>", "well-formed");
    refuses("<a>&nbsp;</a>", "well-formed");
    refuses("<b/>", "another kind");
    refuses("<html><body>sorry</body></html>", "another kind");
}

/* Nobody looks at the standard error of a daemon; libxml2 writes there all the same. */
static void other_encodings_are_none_and_nothing_is_printed(void **state)
{
    static const char *const texts[] = {
        "<?xml version=\"1.0\" encoding=\"ISO-2022-JP\"?><a>\x1b\x24\x42\x89\x73\x6f\x61</a>",
        "<?xml version=\"1.0\" encoding=\"UTF-16\"?><a>\x13\x13</a>", "\xff\xfe<\x01a",
        "<?xml version=\"1.0\" encoding=\"EUC-JP\"?><a>\x89\x73\x6f\x61\xff\xff</a>"};
    const char *file = hf_test_file(state, "stderr", "", 0600);
    fflush(stderr);
    int saved = dup(2), fd = open(file, O_WRONLY);
    assert_true(fd >= 0 && dup2(fd, 2) == 2);
    for (size_t i = 0; i < HF_ARRAY_SIZE(texts); i++) {
        struct hf_err err = HF_ERR_INIT;
        vmw_tree_free(parse(texts[i], &err));
    }
    fflush(stderr);
    off_t printed = lseek(fd, 0, SEEK_END);
    assert_int_equal(dup2(saved, 2), 2);
    close(saved);
    close(fd);
    assert_int_equal(printed, 0);
}

static char *nested(int n)
{
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    hf_buf_str_add(&b, "<a>");
    for (int i = 0; i < n; i++)
        hf_buf_str_add(&b, "<b>");
    for (int i = 0; i < n; i++)
        hf_buf_str_add(&b, "</b>");
    hf_buf_str_add(&b, "</a>");
    return hf_buf_steal(&b);
}

static void depth_is_bounded(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *deep = nested(100000), *over = nested(VMW_DEPTH_MAX),
                     *fine = nested(VMW_DEPTH_MAX - 1);
    refuses(deep, "well-formed");
    refuses(over, "too deeply");
    HF_AUTO(vmw_tree) struct vmw_tree *t = parse(fine, &err);
    assert_non_null(t);
}

/* Before a parser is let at it: libxml2 took minutes for the first, and half a gigabyte for the second. */
static void attributes_and_elements_are_bounded(void **state)
{
    (void)state;
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    hf_buf_str_add(&b, "<a");
    for (int i = 0; i < 200000; i++)
        hf_buf_printf(&b, " b%x=''", i);
    hf_buf_str_add(&b, "/>");
    refuses(hf_buf_str(&b), "too many attributes");
    hf_buf_clear(&b);
    hf_buf_str_add(&b, "<a>");
    for (int i = 0; i < VMW_ELEMENTS_MAX; i++)
        hf_buf_str_add(&b, "<b/>");
    hf_buf_str_add(&b, "</a>");
    refuses(hf_buf_str(&b), "too many elements");
}

static void size_is_bounded(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    assert_null(vmw_tree_parse("<a/>", VMW_TREE_MAX + 1, "a", &err));
    assert_int_equal(err.cls, HF_E_CORRUPT);
}

#define XSI "xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\""

static void types_are_read_in_any_order_and_with_any_prefix(void **state)
{
    static const char *const forms[] = {
        "<a " XSI "><v type=\"VirtualMachine\" i:type=\"ManagedObjectReference\">vm-1</v></a>",
        "<a " XSI "><v i:type=\"ManagedObjectReference\" type=\"VirtualMachine\">vm-1</v></a>",
        "<a xmlns:q=\"http://www.w3.org/2001/XMLSchema-instance\"><v "
        "q:type=\"ns:ManagedObjectReference\" type=\"VirtualMachine\">vm-1</v></a>"};
    (void)state;
    for (size_t i = 0; i < HF_ARRAY_SIZE(forms); i++) {
        struct hf_err err = HF_ERR_INIT;
        struct vmw_ref ref;
        HF_AUTO(vmw_tree) struct vmw_tree *t = parse(forms[i], &err);
        assert_non_null(t);
        const struct vmw_node *v = vmw_child(vmw_tree_root(t), "v");
        assert_true(vmw_ref_read(v, &ref));
        assert_string_equal(ref.type, "VirtualMachine");
        assert_string_equal(ref.id, "vm-1");
        assert_string_equal(vmw_type(v), "ManagedObjectReference");
    }
}

static void an_unset_value_is_absent(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(vmw_tree)
    struct vmw_tree *t = parse("<a " XSI "><v i:nil=\"true\"/><v>2</v><w i:nil=\"1\"/></a>", &err);
    assert_string_equal(vmw_child_text(vmw_tree_root(t), "v"), "2");
    assert_null(vmw_child(vmw_tree_root(t), "w"));
    assert_null(vmw_child(NULL, "w"));
    assert_null(vmw_next(NULL));
}

static void values_are_what_they_say(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(vmw_tree)
    struct vmw_tree *t = parse(
        "<a><n>12</n><bad>12x</bad><big>99999999999999999999</big><yes>1</yes><c><![CDATA[<&]]></c>"
        "<e>a&amp;b</e><none/></a>",
        &err);
    const struct vmw_node *a = vmw_tree_root(t);
    assert_int_equal(vmw_int(vmw_child(a, "n"), -1), 12);
    assert_int_equal(vmw_int(vmw_child(a, "bad"), -1), -1);
    assert_int_equal(vmw_int(vmw_child(a, "big"), -1), -1);
    assert_int_equal(vmw_int(vmw_child(a, "none"), -1), -1);
    assert_true(vmw_true(vmw_child(a, "yes")));
    assert_string_equal(vmw_child_text(a, "c"), "<&");
    assert_string_equal(vmw_child_text(a, "e"), "a&b");
    assert_string_equal(vmw_child_text(a, "none"), "");
}

static int64_t time_of(const char *text)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *doc = hf_asprintf("<a><t>%s</t></a>", text);
    HF_AUTO(vmw_tree) struct vmw_tree *t = parse(doc, &err);
    return vmw_time(vmw_child(vmw_tree_root(t), "t"));
}

static void times_are_read_with_their_offset(void **state)
{
    (void)state;
    assert_int_equal(time_of("1970-01-02T00:00:01Z"), 86401);
    assert_int_equal(time_of("2026-11-23T02:09:18.33Z"), 1795399758);
    assert_int_equal(time_of("2026-11-23T03:09:18.330000+01:00"), 1795399758);
    assert_int_equal(time_of("2026-11-22T21:39:18-04:30"), 1795399758);
    assert_int_equal(time_of("2026-13-22T21:39:18Z"), 0);
    assert_int_equal(time_of("yesterday"), 0);
    assert_int_equal(time_of(""), 0);
    assert_int_equal(vmw_time(NULL), 0);
}

static void a_reference_that_is_too_long_is_none(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct vmw_ref ref;
    char id[400];
    memset(id, 'x', sizeof id - 1);
    id[sizeof id - 1] = '\0';
    HF_AUTOFREE char *doc = hf_asprintf("<a><r type=\"T\">%s</r><s type=\"T\"/><u>x</u></a>", id);
    HF_AUTO(vmw_tree) struct vmw_tree *t = parse(doc, &err);
    assert_false(vmw_ref_read(vmw_child(vmw_tree_root(t), "r"), &ref));
    assert_false(vmw_ref_read(vmw_child(vmw_tree_root(t), "s"), &ref));
    assert_false(vmw_ref_read(vmw_child(vmw_tree_root(t), "u"), &ref));
    assert_false(vmw_ref_read(NULL, &ref));
}

static void what_is_asked_comes_back_as_it_was(void **state)
{
    static const char *const values[] = {"a<b>&\"c'", "line\nline\r\tx", "\xc3\xa4", ""};
    (void)state;
    for (size_t i = 0; i < HF_ARRAY_SIZE(values); i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(vmw_args) struct vmw_args args = VMW_ARGS_INIT;
        HF_AUTO(hf_buf) struct hf_buf out = HF_BUF_INIT;
        const struct vmw_ref self = {"T\"<", "session[1]<&>"};
        struct vmw_ref back;
        vmw_put(&args, "v", values[i]);
        assert_true(vmw_encode("Do", &self, &args, &out));
        HF_AUTO(vmw_tree) struct vmw_tree *t = vmw_tree_parse(out.data, out.len, "Envelope", &err);
        assert_non_null(t);
        assert_string_equal(vmw_name(vmw_response(t)), "Do");
        assert_string_equal(vmw_child_text(vmw_response(t), "v"), values[i]);
        assert_true(vmw_ref_read(vmw_child(vmw_response(t), "_this"), &back));
        assert_true(vmw_ref_same(&back, &self));
    }
}

static void what_has_no_place_in_xml_is_replaced(void **state)
{
    (void)state;
    HF_AUTO(vmw_args) struct vmw_args args = VMW_ARGS_INIT;
    vmw_put(&args, "v", "a\x01\xff");
    assert_string_equal(hf_buf_str(&args.text), "<v>a?"
                                                "?</v>");
}

static void faults_have_the_class_that_a_caller_acts_on(void **state)
{
    static const struct {
        const char *type;
        enum hf_err_class cls;
        bool may_pass;
    } known[] = {{"InvalidLogin", HF_E_AUTH, false},
                 {"NoPermission", HF_E_AUTH, false},
                 {"RestrictedVersion", HF_E_AUTH, false},
                 {"ManagedObjectNotFound", HF_E_NOT_FOUND, false},
                 {"TaskInProgress", HF_E_BUSY, true},
                 {"NoDiskSpace", HF_E_NOSPACE, false},
                 {"MethodNotFound", HF_E_UNSUPPORTED, false},
                 {"FilesystemQuiesceFault", HF_E_EXPIRED, false},
                 {"NeverHeardOf", HF_E_PLUGIN, false},
                 {"", HF_E_PLUGIN, false}};
    (void)state;
    for (size_t i = 0; i < HF_ARRAY_SIZE(known); i++) {
        struct hf_err err = HF_ERR_INIT;
        assert_int_equal(vmw_fail_fault(&err, known[i].type, "two\nlines", NULL), -1);
        assert_int_equal(err.cls, known[i].cls);
        assert_int_equal(err.retryable, known[i].may_pass);
        assert_null(strchr(err.message, '\n'));
    }
}

static void a_missing_privilege_is_named(void **state)
{
    static const char *const forms[] = {
        "<a><privilegeId>VirtualMachine.State.X</privilegeId></a>",
        "<a><privilegeId>Other</privilegeId><missingPrivileges><entity>vm-1</entity><privilegeIds>"
        "VirtualMachine.State.X</privilegeIds></missingPrivileges></a>"};
    (void)state;
    for (size_t i = 0; i < HF_ARRAY_SIZE(forms); i++) {
        struct hf_err err = HF_ERR_INIT, ignored = HF_ERR_INIT;
        HF_AUTO(vmw_tree) struct vmw_tree *t = parse(forms[i], &ignored);
        vmw_fail_fault(&err, "NoPermission", "", vmw_tree_root(t));
        assert_non_null(strstr(err.hint, "VirtualMachine.State.X"));
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(an_answer_with_a_dtd_is_refused),
        HF_TEST(what_is_no_answer_is_refused),
        HF_TEST(other_encodings_are_none_and_nothing_is_printed),
        HF_TEST(depth_is_bounded),
        HF_TEST(size_is_bounded),
        HF_TEST(attributes_and_elements_are_bounded),
        HF_TEST(types_are_read_in_any_order_and_with_any_prefix),
        HF_TEST(an_unset_value_is_absent),
        HF_TEST(values_are_what_they_say),
        HF_TEST(times_are_read_with_their_offset),
        HF_TEST(a_reference_that_is_too_long_is_none),
        HF_TEST(what_is_asked_comes_back_as_it_was),
        HF_TEST(what_has_no_place_in_xml_is_replaced),
        HF_TEST(faults_have_the_class_that_a_caller_acts_on),
        HF_TEST(a_missing_privilege_is_named),
    };
    return HF_RUN_TESTS("plugin.vmware_tree", tests);
}
