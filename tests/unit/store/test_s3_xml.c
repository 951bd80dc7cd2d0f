/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "harness/silence.h"
#include "store/s3/s3_intern.h"
#include "store/s3/s3_xml.h"

#include <string.h>

#define NS " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

static void assert_page(enum hf_s3_page_kind kind, const char *xml, const char *want)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_s3_page page = {0};
    struct hf_buf got = HF_BUF_INIT;
    assert_hf_ok(hf_s3_page_parse(kind, xml, strlen(xml), &page, &err), &err);
    for (size_t i = 0; i < page.n; i++) {
        const struct hf_s3_entry *e = &page.items[i];
        hf_buf_printf(&got, "%s%s,%llu,%lld,%s,%s,%u ", e->key, e->is_group ? "*" : "",
                      (unsigned long long)e->bytes, (long long)e->time_s, e->id, e->etag,
                      e->number);
    }
    hf_buf_str_add(&got, page.is_cut ? "more" : "end");
    assert_string_equal(hf_buf_str(&got), want);
    hf_buf_free(&got);
    hf_s3_page_free(&page);
}

static void refuse(enum hf_s3_page_kind kind, const char *xml, size_t len, const char *piece)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_s3_page page = {0};
    assert_int_equal(hf_s3_page_parse(kind, xml, len, &page, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, piece);
    assert_true(err.retryable);
    hf_s3_page_free(&page);
}

static void objects_and_groups_come_in_one_order(void **state)
{
    (void)state;
    assert_page(HF_S3_OBJECTS,
                "<?xml version='1.0' encoding='UTF-8'?>\n<ListBucketResult" NS "><Prefix>x</Prefix>"
                "<IsTruncated>true</IsTruncated>"
                "<Contents><Key>p.x</Key><LastModified>2026-11-26T04:02:53.000Z</"
                "LastModified><ETag>\"e\"</ETag>"
                "<Size>17</Size><Owner><ID>me</ID></Owner></Contents><Contents><Key>a%2Bb</"
                "Key><Size>0</Size></Contents>"
                "<CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes></ListBucketResult>",
                "a+b,0,0,,,0 p.x,17,1795665773,,\"e\",0 p/*,0,0,,,0 more");
    assert_page(HF_S3_OBJECTS, "<ListBucketResult/>", "end");
}

static void uploads_and_parts_are_read(void **state)
{
    (void)state;
    assert_page(HF_S3_UPLOADS,
                "<ListMultipartUploadsResult><Upload><Key>k</Key><UploadId>u2</UploadId>"
                "<Initiated>2026-11-26T04:02:53Z</Initiated></Upload><Upload><Key>k</"
                "Key><UploadId>u1</UploadId></Upload>"
                "</ListMultipartUploadsResult>",
                "k,0,1795665773,u2,,0 k,0,0,u1,,0 end");
    assert_page(HF_S3_PARTS,
                "<ListPartsResult><IsTruncated>false</IsTruncated><UploadId>u</"
                "UploadId><Part><PartNumber>10000</PartNumber>"
                "<ETag>x</ETag><Size>5</Size></Part></ListPartsResult>",
                ",5,0,,x,10000 end");
}

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    static const char *const inner[] = {
        "<Contents><Size>1</Size></Contents>",
        "<Contents><Key></Key></Contents>",
        "<Contents><Key>a</Key><Size>-1</Size></Contents>",
        "<Contents><Key>a</Key><Size>1x</Size></Contents>",
        "<Contents><Key>a</Key><Size>99999999999999999999</Size></Contents>",
        "<Contents><Key>a%2</Key></Contents>",
        "<Contents><Key>a</Key><LastModified>yesterday</LastModified></Contents>",
        "<IsTruncated>maybe</IsTruncated>",
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(inner); i++) {
        HF_AUTOFREE char *xml = hf_asprintf("<ListBucketResult>%s</ListBucketResult>", inner[i]);
        refuse(HF_S3_OBJECTS, xml, strlen(xml), "makes no sense");
    }
    static const char part[] = "<ListPartsResult><Part><PartNumber>10001</PartNumber><ETag>x</"
                               "ETag></Part></ListPartsResult>";
    refuse(HF_S3_PARTS, part, strlen(part), "makes no sense");
    static const char upload[] =
        "<ListMultipartUploadsResult><Upload><Key>k</Key></Upload></ListMultipartUploadsResult>";
    refuse(HF_S3_UPLOADS, upload, strlen(upload), "makes no sense");
}

static void too_many_entries_and_too_long_keys_are_refused(void **state)
{
    (void)state;
    struct hf_buf xml = HF_BUF_INIT;
    hf_buf_str_add(&xml, "<ListBucketResult>");
    for (int i = 0; i < 2001; i++)
        hf_buf_printf(&xml, "<Contents><Key>%d</Key></Contents>", i);
    hf_buf_str_add(&xml, "</ListBucketResult>");
    refuse(HF_S3_OBJECTS, hf_buf_str(&xml), xml.len, "makes no sense");
    hf_buf_clear(&xml);
    hf_buf_printf(
        &xml, "<ListBucketResult><Contents><Key>%05000d</Key></Contents></ListBucketResult>", 1);
    refuse(HF_S3_OBJECTS, hf_buf_str(&xml), xml.len, "makes no sense");
    hf_buf_free(&xml);
}

static void another_root_and_no_xml_show_their_first_bytes(void **state)
{
    (void)state;
    static const char *const texts[] = {"<html>Welcome", "<html/>",       "",
                                        "  \n",          "{\"json\": 1}", "<ListBucketResult>"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(texts); i++)
        refuse(HF_S3_OBJECTS, texts[i], strlen(texts[i]), "no answer of an S3 store");
    refuse(HF_S3_OBJECTS, "\x1b[31mred\n", 9, "'?[31mred?'");
}

/* libxml2 compares each with all before it: this one took minutes. */
static void an_element_of_many_attributes_is_refused(void **state)
{
    (void)state;
    HF_AUTO(hf_buf) struct hf_buf xml = HF_BUF_INIT;
    hf_buf_str_add(&xml, "<ListBucketResult");
    for (int i = 0; i < 200000; i++)
        hf_buf_printf(&xml, " a%x=''", i);
    hf_buf_str_add(&xml, "/>");
    refuse(HF_S3_OBJECTS, hf_buf_str(&xml), xml.len, "no answer of an S3 store");
}

static void a_document_type_is_refused_and_no_file_is_read(void **state)
{
    const char *file = hf_test_file(state, "secret", "hidden", 0600);
    HF_AUTOFREE char *xml =
        hf_asprintf("<!DOCTYPE ListBucketResult [<!ENTITY e SYSTEM 'file://%s'>]><ListBucketResult>"
                    "<Contents><Key>&e;</Key></Contents></ListBucketResult>",
                    file);
    refuse(HF_S3_OBJECTS, xml, strlen(xml), "no answer of an S3 store");
    static const char undeclared[] =
        "<ListBucketResult><Contents><Key>&e;</Key></Contents></ListBucketResult>";
    refuse(HF_S3_OBJECTS, undeclared, strlen(undeclared), "no answer");
}

static void white_space_before_the_answer_is_no_harm(void **state)
{
    (void)state;
    char id[32];
    struct hf_err err = HF_ERR_INIT;
    static const char xml[] =
        " \n \n<?xml version='1.0'?> <InitiateMultipartUploadResult><UploadId>a&amp;b</UploadId>"
        "</InitiateMultipartUploadResult>";
    assert_hf_ok(hf_s3_xml_text(xml, strlen(xml), "InitiateMultipartUploadResult", "UploadId", id,
                                sizeof id, &err),
                 &err);
    assert_string_equal(id, "a&b");
    assert_hf_ok(hf_s3_xml_text(xml, strlen(xml), "InitiateMultipartUploadResult", "Other", id,
                                sizeof id, &err),
                 &err);
    assert_string_equal(id, "");
    assert_true(hf_s3_xml_is(xml, strlen(xml), "InitiateMultipartUploadResult"));
    assert_false(hf_s3_xml_is(xml, strlen(xml), "Error"));
}

/* libxml2's converters complain on standard error, whatever they were told. */
static void a_foreign_encoding_is_no_word_on_standard_error(void **state)
{
    static const char xml[] =
        "<?xml version='1.0' encoding='HTML'?><ListBucketResult>\xe8z\xbb</ListBucketResult>";
    HF_SILENT(state)
    {
        refuse(HF_S3_OBJECTS, xml, strlen(xml), "no answer of an S3 store");
    }
}

static void what_it_calls_its_encoding_does_not_matter_where_it_is_utf_8(void **state)
{
    static const char *const names[] = {"UTF-8",      "utf-8", "us-ascii",
                                        "ISO-8859-1", "UTF-7", "x-none"};
    (void)state;
    for (size_t i = 0; i < HF_ARRAY_SIZE(names); i++) {
        HF_AUTOFREE char *xml =
            hf_asprintf("<?xml version='1.0' encoding='%s'?><ListBucketResult><Name>\xc3\xbc"
                        "</Name><Contents><Key>a</Key><Size>7</Size></Contents>"
                        "</ListBucketResult>",
                        names[i]);
        assert_page(HF_S3_OBJECTS, xml, "a,7,0,,,0 end");
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(objects_and_groups_come_in_one_order),
        HF_TEST(uploads_and_parts_are_read),
        HF_TEST(what_makes_no_sense_is_refused),
        HF_TEST(too_many_entries_and_too_long_keys_are_refused),
        HF_TEST(another_root_and_no_xml_show_their_first_bytes),
        HF_TEST(a_document_type_is_refused_and_no_file_is_read),
        HF_TEST(an_element_of_many_attributes_is_refused),
        HF_TEST(white_space_before_the_answer_is_no_harm),
        HF_TEST(a_foreign_encoding_is_no_word_on_standard_error),
        HF_TEST(what_it_calls_its_encoding_does_not_matter_where_it_is_utf_8),
    };
    return HF_RUN_TESTS("store.s3_xml", tests);
}
