/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "harness/silence.h"
#include "store/dav/dav_xml.h"

#include <string.h>

#define HEAD "<?xml version=\"1.0\"?><D:multistatus xmlns:D=\"DAV:\">"
#define TAIL "</D:multistatus>"
#define OK "<D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"

static int note(void *ctx, const struct hf_dav_entry *e, struct hf_err *err)
{
    (void)err;
    hf_buf_printf(ctx, "%s%s %llu %lld %lld;", e->path, e->is_dir ? "/" : "",
                  (unsigned long long)e->bytes, (long long)e->changed_s, (long long)e->room_bytes);
    return 0;
}

static int parse(const char *xml, struct hf_buf *out, struct hf_err *err)
{
    hf_buf_clear(out);
    return hf_dav_multistatus_parse(xml, strlen(xml), note, out, err);
}

static void entries_are_read_with_what_the_server_found(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf got = HF_BUF_INIT;
    assert_hf_ok(
        parse(HEAD
              "<D:response><D:href>/a/</D:href><D:propstat><D:prop><D:resourcetype>"
              "<D:collection/></D:resourcetype><D:quota-available-bytes>99"
              "</D:quota-available-bytes></D:prop>" OK
              "\n<D:response>\n<D:href>https://h:1/a/b%20c</D:href><D:propstat><D:prop>"
              "<D:getcontentlength>7</D:getcontentlength><D:getlastmodified>"
              "Thu, 26 Nov 2026 04:02:53 GMT</D:getlastmodified><D:resourcetype/></D:prop>" OK TAIL,
              &got, &err),
        &err);
    assert_string_equal(hf_buf_str(&got), "/a/ 0 0 99;/a/b c 7 1795665773 -1;");
}

static void what_was_not_found_is_not_there(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf got = HF_BUF_INIT;
    assert_hf_ok(parse(HEAD "<D:response><D:href>/x</D:href><D:status>HTTP/1.1 404 Not Found"
                            "</D:status></D:response><D:response><D:href>/y</D:href><D:propstat>"
                            "<D:prop><D:getcontentlength>5</D:getcontentlength></D:prop><D:status>"
                            "HTTP/1.1 404 Not Found</D:status></D:propstat></D:response>" TAIL,
                       &got, &err),
                 &err);
    assert_string_equal(hf_buf_str(&got), "");
    assert_hf_ok(parse("<multistatus xmlns='DAV:'/>", &got, &err), &err);
}

#define PART(props, status)                                                                        \
    "<D:propstat><D:prop>" props "</D:prop><D:status>HTTP/1.1 " status "</D:status></D:propstat>"

/* Who takes half a listing for the whole removes what the other half needs. */
static void what_the_server_does_not_describe_is_no_missing_entry(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        enum hf_err_class cls;
    } bad[] = {
        {"<D:status>HTTP/1.1 507 Insufficient Storage</D:status>", HF_E_CORRUPT},
        {"<D:status>HTTP/1.1 403 Forbidden</D:status>", HF_E_AUTH},
        {PART("<D:resourcetype/><D:getcontentlength/>", "403 No"), HF_E_AUTH},
        {PART("<D:getlastmodified>x</D:getlastmodified>", "200 OK")
             PART("<D:resourcetype/><D:getcontentlength/>", "500 Oops"),
         HF_E_CORRUPT},
    };
    HF_AUTO(hf_buf) struct hf_buf got = HF_BUF_INIT;
    for (size_t i = 0; i < HF_ARRAY_SIZE(bad); i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTOFREE char *xml =
            hf_asprintf(HEAD "<D:response><D:href>/a/y</D:href>%s</D:response>" TAIL, bad[i].what);
        assert_int_equal(parse(xml, &got, &err), -1);
        assert_hf_err(&err, bad[i].cls, "'/a/y'");
        assert_int_equal(err.retryable, bad[i].cls == HF_E_CORRUPT);
    }
}

static void a_quota_that_is_kept_back_is_no_matter(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf got = HF_BUF_INIT;
    assert_hf_ok(parse(HEAD "<D:response><D:href>/x</D:href>" PART(
                           "<D:getcontentlength>5</D:getcontentlength>", "200 OK")
                           PART("<D:quota-available-bytes/>", "403 No")
                               PART("<D:resourcetype/>", "403 No") "</D:response>" TAIL,
                       &got, &err),
                 &err);
    assert_string_equal(hf_buf_str(&got), "/x 5 0 -1;");
}

static void a_room_that_is_not_known_is_none(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf got = HF_BUF_INIT;
    assert_hf_ok(parse(HEAD
                       "<D:response><D:href>/</D:href><D:propstat><D:prop>"
                       "<D:quota-available-bytes>-3</D:quota-available-bytes></D:prop>" OK TAIL,
                       &got, &err),
                 &err);
    assert_string_equal(hf_buf_str(&got), " 0 0 -1;");
}

static void what_is_no_listing_is_refused_and_shown(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "hello\x1b[31m",
        "<html/>",
        "<multistatus/>",
        "<x:multistatus xmlns:x='urn:x'/>",
        HEAD,
        HEAD "<D:response>" TAIL,
        "<!DOCTYPE x>" HEAD TAIL,
        HEAD TAIL "trailing",
        HEAD "&nbsp;" TAIL,
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(bad); i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_buf) struct hf_buf got = HF_BUF_INIT;
        assert_int_equal(parse(bad[i], &got, &err), -1);
        assert_int_equal(err.cls, HF_E_CORRUPT);
        assert_true(err.retryable);
        assert_null(strchr(err.message, '\x1b'));
    }
}

/* libxml2 compares each with all before it: this one took minutes. */
static void an_element_of_many_attributes_is_refused(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf xml = HF_BUF_INIT, got = HF_BUF_INIT;
    hf_buf_str_add(&xml, HEAD "<D:response");
    for (int i = 0; i < 200000; i++)
        hf_buf_printf(&xml, " a%x=''", i);
    hf_buf_str_add(&xml, "/>" TAIL);
    assert_int_equal(parse(hf_buf_str(&xml), &got, &err), -1);
    assert_int_equal(err.cls, HF_E_CORRUPT);
}

static void paths_and_numbers_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "<D:href>a</D:href>",
        "<D:href>/%4</D:href>",
        "<D:href>/%00</D:href>",
        "<D:href></D:href>",
        "",
        "<D:href>https://h</D:href>",
        "<D:href>://</D:href>",
        "<D:href>/a</D:href><D:propstat><D:status>HTTP/1.1 200 OK</D:status><D:prop>"
        "<D:getcontentlength>1x</D:getcontentlength></D:prop></D:propstat>",
        "<D:href>/a</D:href><D:propstat><D:status>HTTP/1.1 200 OK</D:status><D:prop>"
        "<D:getcontentlength>9223372036854775808</D:getcontentlength></D:prop></D:propstat>",
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(bad); i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_buf) struct hf_buf got = HF_BUF_INIT;
        HF_AUTOFREE char *xml = hf_asprintf(HEAD "<D:response>%s</D:response>" TAIL, bad[i]);
        assert_int_equal(parse(xml, &got, &err), -1);
        assert_hf_err(&err, HF_E_CORRUPT, "makes no sense");
    }
}

/* libxml2's converters complain on standard error, whatever they were told. */
static void a_foreign_encoding_is_no_word_on_standard_error(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf got = HF_BUF_INIT;
    HF_SILENT(state)
    {
        assert_int_equal(parse("<?xml version='1.0' encoding='HTML'?><D:multistatus "
                               "xmlns:D='DAV:'>\xe8z\xbb" TAIL,
                               &got, &err),
                         -1);
        assert_int_equal(parse("<?xml version='1.0' encoding='UTF-7'?><D:multistatus "
                               "xmlns:D='DAV:'>+////-+\xff" TAIL,
                               &got, &err),
                         -1);
    }
}

static void what_it_calls_its_encoding_does_not_matter_where_it_is_utf_8(void **state)
{
    static const char *const names[] = {"UTF-8", "utf-8", "us-ascii", "ISO-8859-1", "x-none"};
    (void)state;
    for (size_t i = 0; i < HF_ARRAY_SIZE(names); i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_buf) struct hf_buf got = HF_BUF_INIT;
        HF_AUTOFREE char *xml = hf_asprintf(
            "<?xml version='1.0' encoding='%s'?><D:multistatus xmlns:D='DAV:'>"
            "<D:response><D:href>/a</D:href><D:propstat><D:prop><D:displayname>\xc3\xbc"
            "</D:displayname><D:getcontentlength>7</D:getcontentlength></D:prop>" OK TAIL,
            names[i]);
        assert_hf_ok(parse(xml, &got, &err), &err);
        assert_string_equal(hf_buf_str(&got), "/a 7 0 -1;");
    }
}

static int stop(void *ctx, const struct hf_dav_entry *e, struct hf_err *err)
{
    (void)e, (void)err;
    return ++*(int *)ctx == 2 ? 77 : 0;
}

static void who_has_enough_ends_it(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    int n = 0;
    HF_AUTO(hf_buf) struct hf_buf xml = HF_BUF_INIT;
    hf_buf_str_add(&xml, HEAD);
    for (int i = 0; i < 5; i++)
        hf_buf_str_add(&xml, "<D:response><D:href>/</D:href><D:propstat><D:prop></D:prop>" OK);
    hf_buf_str_add(&xml, TAIL);
    assert_int_equal(hf_dav_multistatus_parse(xml.data, xml.len, stop, &n, &err), 77);
    assert_int_equal(n, 2);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(entries_are_read_with_what_the_server_found),
        HF_TEST(what_was_not_found_is_not_there),
        HF_TEST(what_the_server_does_not_describe_is_no_missing_entry),
        HF_TEST(a_quota_that_is_kept_back_is_no_matter),
        HF_TEST(a_room_that_is_not_known_is_none),
        HF_TEST(what_is_no_listing_is_refused_and_shown),
        HF_TEST(paths_and_numbers_that_make_no_sense_are_refused),
        HF_TEST(a_foreign_encoding_is_no_word_on_standard_error),
        HF_TEST(what_it_calls_its_encoding_does_not_matter_where_it_is_utf_8),
        HF_TEST(who_has_enough_ends_it),
        HF_TEST(an_element_of_many_attributes_is_refused),
    };
    return HF_RUN_TESTS("store.dav_xml", tests);
}
