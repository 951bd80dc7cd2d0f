/* SPDX-License-Identifier: Apache-2.0 */
#include "encode.h"

#include "base/secret.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <string.h>

void vmw_args_free(struct vmw_args *a)
{
    if (a->text.data)
        hf_wipe(a->text.data, a->text.len);
    hf_buf_free(&a->text);
}

/* Control characters have no place in XML 1.0; what is no UTF-8 would fail the whole request. */
static void escape(struct hf_buf *out, const char *text)
{
    for (const char *p = text; *p;) {
        size_t len = hf_utf8_character(p);
        if (*p == '&')
            hf_buf_str_add(out, "&amp;");
        else if (*p == '<')
            hf_buf_str_add(out, "&lt;");
        else if (*p == '>')
            hf_buf_str_add(out, "&gt;");
        else if (*p == '"')
            hf_buf_str_add(out, "&quot;");
        else if (*p == '\n' || *p == '\r' || *p == '\t')
            hf_buf_printf(out, "&#%d;", *p);
        else if (!hf_utf8_is_xml(p, len))
            hf_buf_str_add(out, "?");
        else
            hf_buf_add(out, p, len);
        p += len ? len : 1;
    }
}

void vmw_put(struct vmw_args *a, const char *name, const char *value)
{
    hf_buf_printf(&a->text, "<%s>", name);
    escape(&a->text, value);
    hf_buf_printf(&a->text, "</%s>", name);
}

void vmw_put_bool(struct vmw_args *a, const char *name, bool value)
{
    hf_buf_printf(&a->text, "<%s>%s</%s>", name, value ? "true" : "false", name);
}

void vmw_put_int(struct vmw_args *a, const char *name, int64_t value)
{
    hf_buf_printf(&a->text, "<%s>%" PRId64 "</%s>", name, value, name);
}

static void add_ref(struct hf_buf *out, const char *name, const struct vmw_ref *ref)
{
    hf_buf_printf(out, "<%s type=\"", name);
    escape(out, ref->type);
    hf_buf_str_add(out, "\">");
    escape(out, ref->id);
    hf_buf_printf(out, "</%s>", name);
}

void vmw_put_ref(struct vmw_args *a, const char *name, const struct vmw_ref *ref)
{
    add_ref(&a->text, name, ref);
}

void vmw_put_begin(struct vmw_args *a, const char *name, const char *type)
{
    if (type)
        hf_buf_printf(&a->text, "<%s xsi:type=\"%s\">", name, type);
    else
        hf_buf_printf(&a->text, "<%s>", name);
}

void vmw_put_end(struct vmw_args *a, const char *name)
{
    hf_buf_printf(&a->text, "</%s>", name);
}

bool vmw_encode(const char *method, const struct vmw_ref *self, const struct vmw_args *args,
                struct hf_buf *out)
{
    hf_buf_str_add(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soapenv:Envelope "
                        "xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" "
                        "xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" "
                        "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body>");
    hf_buf_printf(out, "<%s xmlns=\"urn:vim25\">", method);
    add_ref(out, "_this", self);
    if (args)
        hf_buf_add(out, args->text.data ? args->text.data : "", args->text.len);
    hf_buf_printf(out, "</%s></soapenv:Body></soapenv:Envelope>", method);
    return hf_buf_ok(out) && (!args || hf_buf_ok(&args->text));
}
