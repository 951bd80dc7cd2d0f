/* SPDX-License-Identifier: Apache-2.0 */
#include "store/dav/dav_xml.h"

#include "base/buf.h"
#include "base/xml_bounds.h"
#include "net/urlcode.h"

#include <ctype.h>
#include <curl/curl.h>
#include <libxml/xmlreader.h>
#include <string.h>

#define ELEMENTS_MAX                                                                               \
    4000000 /* as many as a listing of that size may have; it is read piece by piece */

HF_DEFINE_AUTO(_xmlTextReader, xmlFreeTextReader)

static int fail_foreign(const char *xml, size_t len, struct hf_err *err)
{
    char start[81];
    size_t n = 0;
    for (; len > 0 && isspace((unsigned char)*xml); len--)
        xml++;
    for (; n < len && n < sizeof start - 1; n++)
        start[n] = isprint((unsigned char)xml[n]) ? xml[n] : '?';
    start[n] = '\0';
    hf_fail(err, HF_E_CORRUPT, "this is no answer of a WebDAV server: '%s'", start);
    hf_hint(err, "A proxy, or another server than the store, answers at this address.");
    err->retryable = true;
    return -1;
}

static int nonsense(const char *what, struct hf_err *err)
{
    hf_fail(err, HF_E_CORRUPT, "the server's listing makes no sense: %s", what);
    err->retryable = true;
    return -1;
}

static bool is_dav(const xmlNode *n, const char *name)
{
    return n->type == XML_ELEMENT_NODE && n->ns && n->ns->href &&
           strcmp((const char *)n->ns->href, "DAV:") == 0 &&
           strcmp((const char *)n->name, name) == 0;
}

static const xmlNode *child_of(const xmlNode *node, const char *name)
{
    for (const xmlNode *n = node->children; n; n = n->next)
        if (is_dav(n, name))
            return n;
    return NULL;
}

/* Of an element without elements in it, trimmed; false: too long. */
static bool text_of(const xmlNode *node, char out[HF_DAV_TEXT_MAX])
{
    size_t len = 0;
    for (const xmlNode *n = node->children; n; n = n->next) {
        size_t more = n->type == XML_TEXT_NODE || n->type == XML_CDATA_SECTION_NODE
                          ? strlen((const char *)n->content)
                          : 0;
        if (more >= HF_DAV_TEXT_MAX - len)
            return false;
        if (more > 0)
            memcpy(out + len, n->content, more);
        len += more;
    }
    while (len > 0 && isspace((unsigned char)out[len - 1]))
        len--;
    out[len] = '\0';
    size_t blank = strspn(out, " \t\r\n");
    memmove(out, out + blank, len - (blank < len ? blank : len) + 1);
    return true;
}

static bool read_number(const char *text, int64_t *out)
{
    char *end = NULL;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    *out = (int64_t)n;
    return isdigit((unsigned char)text[0]) && !*end && errno == 0 && n <= INT64_MAX;
}

/* "HTTP/1.1 200 OK", of a propstat or a response; 0: none. */
static int status_of(const xmlNode *n)
{
    char text[HF_DAV_TEXT_MAX];
    const xmlNode *status = child_of(n, "status");
    const char *blank = status && text_of(status, text) ? strchr(text, ' ') : NULL;
    return blank ? (int)strtol(blank + 1, NULL, 10) : 0;
}

/* An entry that the server does not describe is not one that is missing: without it the listing is not whole. */
static int fail_entry(char *path, int status, struct hf_err *err)
{
    for (char *p = path; *p; p++) /* for a terminal */
        *p = isprint((unsigned char)*p) ? *p : '?';
    hf_fail(err, status == 401 || status == 403 ? HF_E_AUTH : HF_E_CORRUPT,
            "the server does not tell what '%.200s' is (%d): its listing is not whole", path,
            status);
    err->retryable = err->cls == HF_E_CORRUPT;
    return -1;
}

static int read_prop(const xmlNode *n, struct hf_dav_entry *e, struct hf_err *err)
{
    char text[HF_DAV_TEXT_MAX];
    int64_t number = 0;
    if (is_dav(n, "resourcetype")) {
        e->is_dir = child_of(n, "collection") != NULL;
        return 0;
    }
    bool is_length = is_dav(n, "getcontentlength"), is_time = is_dav(n, "getlastmodified");
    bool is_room = is_dav(n, "quota-available-bytes");
    if (!is_length && !is_time && !is_room)
        return 0;
    if (!text_of(n, text))
        return nonsense("a property that never ends", err);
    if (is_length && text[0] && !read_number(text, &number))
        return nonsense("a length that is none", err);
    if (is_length) {
        e->bytes = (uint64_t)number;
        e->has_bytes = text[0] != '\0';
    }
    if (is_room && read_number(text, &number)) /* some say -3 for what they do not know */
        e->room_bytes = number;
    if (is_time) {
        int64_t changed = (int64_t)curl_getdate(text, NULL);
        e->changed_s = changed > 0 ? changed : 0;
    }
    return 0;
}

struct found {
    bool is_there;
    int refused; /* with this status the server keeps back what it is; 0: it does not */
};

/* What stands under 404 is not there; quotas are for those who may see them. */
static int read_props(const xmlNode *response, struct hf_dav_entry *e, struct found *f,
                      struct hf_err *err)
{
    for (const xmlNode *p = response->children; p; p = p->next) {
        const xmlNode *prop = is_dav(p, "propstat") ? child_of(p, "prop") : NULL;
        int status = prop ? status_of(p) : 0;
        bool is_found = status / 100 == 2;
        f->is_there |= is_found;
        if (prop && !is_found && status != 404 &&
            (child_of(prop, "resourcetype") || child_of(prop, "getcontentlength")))
            f->refused = status;
        for (const xmlNode *n = is_found ? prop->children : NULL; n; n = n->next)
            if (read_prop(n, e, err) < 0)
                return -1;
    }
    return 0;
}

/* "/a/b%20c/" and "https://host:443/a/b%20c/" are the same. */
static int read_path(const xmlNode *response, char text[HF_DAV_TEXT_MAX], char **out,
                     struct hf_err *err)
{
    const xmlNode *href = child_of(response, "href");
    if (!href || !text_of(href, text))
        return nonsense("an entry without a path", err);
    char *host = strstr(text, "://");
    char *path = text[0] == '/' ? text : host ? strchr(host + 3, '/') : NULL;
    if (!path)
        return nonsense("an entry without a path", err);
    path[strcspn(path, "?#")] = '\0';
    if (hf_url_decode(path, false) < 0)
        return nonsense("a path that is not encoded as one", err);
    size_t len = strlen(path);
    while (len > 0 && path[len - 1] == '/')
        path[--len] = '\0';
    *out = path;
    return 0;
}

static int read_response(const xmlNode *response, hf_dav_emit emit, void *ctx, struct hf_err *err)
{
    char text[HF_DAV_TEXT_MAX], *path = NULL;
    struct found f = {0};
    struct hf_dav_entry e = {.room_bytes = -1};
    if (read_path(response, text, &path, err) < 0 || read_props(response, &e, &f, err) < 0)
        return -1;
    int whole = status_of(response); /* of all of it: then it has no propstat */
    if (whole && whole / 100 != 2 && whole != 404 && whole != 410)
        return fail_entry(path, whole, err);
    if (f.refused && !e.is_dir && !e.has_bytes)
        return fail_entry(path, f.refused, err);
    e.path = path;
    return f.is_there ? emit(ctx, &e, err) : 0;
}

static int read_next(xmlTextReader *r, int depth, hf_dav_emit emit, void *ctx, struct hf_err *err)
{
    const xmlNode *node = xmlTextReaderCurrentNode(r);
    if (xmlTextReaderNodeType(r) != XML_READER_TYPE_ELEMENT || depth != 1 || !node ||
        !is_dav(node, "response"))
        return 0;
    node = xmlTextReaderExpand(r);
    return node ? read_response(node, emit, ctx, err) : nonsense("it is no XML", err);
}

/* 1: go on; 0: the end; -1: no XML. Whole entries are stepped over: they were read. */
static int step(xmlTextReader *r, bool is_first)
{
    return is_first || xmlTextReaderDepth(r) == 0 ? xmlTextReaderRead(r) : xmlTextReaderNext(r);
}

static int read_all(xmlTextReader *r, const char *xml, size_t len, hf_dav_emit emit, void *ctx,
                    struct hf_err *err)
{
    bool is_first = true;
    int rc;
    while ((rc = step(r, is_first)) == 1) {
        const xmlNode *node = xmlTextReaderCurrentNode(r);
        bool is_root =
            xmlTextReaderNodeType(r) == XML_READER_TYPE_ELEMENT && xmlTextReaderDepth(r) == 0;
        if (is_root && (!node || !is_dav(node, "multistatus")))
            return fail_foreign(xml, len, err);
        is_first = is_first && !is_root;
        int done = read_next(r, xmlTextReaderDepth(r), emit, ctx, err);
        if (done != 0)
            return done;
    }
    return rc == 0 && !is_first ? 0 : fail_foreign(xml, len, err);
}

int hf_dav_multistatus_parse(const char *xml, size_t len, hf_dav_emit emit, void *ctx,
                             struct hf_err *err)
{
    if (len == 0 || len > HF_DAV_XML_MAX || hf_xml_excess(xml, len, ELEMENTS_MAX))
        return fail_foreign(xml, len, err);
    /* UTF-8, whatever it says: converters complain on standard error, past all handlers. */
    HF_AUTO(_xmlTextReader)
    xmlTextReader *r =
        xmlReaderForMemory(xml, (int)len, NULL, "UTF-8",
                           XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
                               XML_PARSE_NOCDATA | XML_PARSE_IGNORE_ENC);
    return r ? read_all(r, xml, len, emit, ctx, err) : hf_fail_nomem(err);
}
