/* SPDX-License-Identifier: Apache-2.0 */
#include "base/xml_bounds.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

struct scan {
    size_t elements, attributes;
    bool is_in_tag;
    char quote; /* of the value that is read, or '\0' */
};

/* No value of well-formed XML has a '<': whatever was open before is closed by it. */
static void begin_tag(struct scan *s, char next)
{
    s->is_in_tag = isalpha((unsigned char)next) || next == '_' || next == ':' || (next & 0x80);
    s->elements += s->is_in_tag;
    s->attributes = 0;
    s->quote = '\0';
}

static void take(struct scan *s, char c)
{
    if (s->quote) {
        if (c == s->quote)
            s->quote = '\0';
    } else if (c == '"' || c == '\'') {
        s->quote = c;
        s->attributes++;
    } else {
        s->is_in_tag = c != '>';
    }
}

const char *hf_xml_excess(const char *text, size_t len, size_t elements_max)
{
    struct scan s = {0};
    if (memmem(text, len, "<!DOCTYPE", strlen("<!DOCTYPE")))
        return "carries a DTD";
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '<')
            begin_tag(&s, i + 1 < len ? text[i + 1] : '\0');
        else if (s.is_in_tag)
            take(&s, text[i]);
        if (s.attributes > HF_XML_ATTRIBUTES_MAX)
            return "has an element of too many attributes";
        if (s.elements > elements_max)
            return "has too many elements";
    }
    return NULL;
}
