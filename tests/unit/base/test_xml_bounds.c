/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/xml_bounds.h"
#include "harness/hf_test.h"

#include <stdio.h>
#include <string.h>

#define ELEMENTS 100

static const char *excess(const char *text)
{
    return hf_xml_excess(text, strlen(text), ELEMENTS);
}

/* before, one piece n times (%zu is which), after */
static void build(struct hf_buf *out, const char *before, const char *piece, size_t n,
                  const char *after)
{
    hf_buf_clear(out);
    hf_buf_str_add(out, before);
    for (size_t i = 0; i < n; i++)
        hf_buf_printf(out, piece, i);
    hf_buf_str_add(out, after);
}

static void elements_are_counted_whatever_they_hold(void **state)
{
    (void)state;
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    build(&b, "<?xml version='1.0'?><!-- < --><a>", "<b>%zu</b>", ELEMENTS - 1, "</a>");
    assert_null(excess(hf_buf_str(&b)));
    build(&b, "<a>", "<b c='%zu'/>", ELEMENTS, "</a>");
    assert_string_equal(excess(hf_buf_str(&b)), "has too many elements");
}

static void attributes_are_counted_of_each_element(void **state)
{
    (void)state;
    static const char *const openings[] = {"<a", "<a><!-- it's --><a", "<a x='>\"'", "<a x=\">'\"",
                                           "<![CDATA[ ' ]]><a"};
    static const char *const pieces[] = {" a%zu=''", " a%zu = \">\"", "\na%zu\n=\n'\"'"};
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    for (size_t i = 0; i < HF_ARRAY_SIZE(openings); i++)
        for (size_t k = 0; k < HF_ARRAY_SIZE(pieces); k++) {
            build(&b, openings[i], pieces[k], HF_XML_ATTRIBUTES_MAX - 1, "/>");
            assert_null(excess(hf_buf_str(&b)));
            build(&b, openings[i], pieces[k], HF_XML_ATTRIBUTES_MAX + 1, "/>");
            assert_string_equal(excess(hf_buf_str(&b)), "has an element of too many attributes");
        }
    build(&b, "<a>", "<b c='%zu' d=''/>", ELEMENTS / 2, "</a>");
    assert_null(excess(hf_buf_str(&b)));
}

static void text_is_no_attribute(void **state)
{
    (void)state;
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    build(&b, "<a>", "it's \"%zu\" = 'x' > ", HF_XML_ATTRIBUTES_MAX * 4, "</a>");
    assert_null(excess(hf_buf_str(&b)));
}

static void a_dtd_is_refused_wherever_it_stands(void **state)
{
    (void)state;
    assert_string_equal(excess("<?xml version='1.0'?>\n<!DOCTYPE a><a/>"), "carries a DTD");
    assert_null(excess("<a>DOCTYPE</a>"));
}

static void what_is_cut_off_is_no_matter(void **state)
{
    (void)state;
    static const char *const cut[] = {"", "<", "<a", "<a b='", "<a b=\"x\"", "</", "<!", "<?"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(cut); i++)
        assert_null(excess(cut[i]));
    assert_null(hf_xml_excess("<a/>\0<b/>", 9, 2));
    assert_non_null(hf_xml_excess("<a/>\0<b/>", 9, 1));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(elements_are_counted_whatever_they_hold),
        HF_TEST(attributes_are_counted_of_each_element),
        HF_TEST(text_is_no_attribute),
        HF_TEST(a_dtd_is_refused_wherever_it_stands),
        HF_TEST(what_is_cut_off_is_no_matter),
    };
    return HF_RUN_TESTS("base.xml_bounds", tests);
}
