/* SPDX-License-Identifier: Apache-2.0 */
#include "store/s3/s3_xml.h"

#include "base/xml_bounds.h"
#include "net/urlcode.h"
#include "store/s3/s3_intern.h"

#include <ctype.h>
#include <libxml/parser.h>
#include <limits.h>
#include <string.h>
#include <time.h>

/* Keys and groups are counted together by S3; twice as many come from stores that count them apart. */
#define ENTRIES_MAX (2 * HF_S3_PAGE)
#define TEXT_MAX ((size_t)4096)
#define ELEMENTS_MAX ((size_t)50 * ENTRIES_MAX)

HF_DEFINE_AUTO(_xmlDoc, xmlFreeDoc)

/* ---- reading ---------------------------------------------------------------------------- */

/* White space comes first from stores that keep a connection alive while they work. */
static void trim(const char **xml, size_t *len)
{
    while (*len > 0 && isspace((unsigned char)**xml)) {
        ++*xml;
        --*len;
    }
}

static xmlDoc *read_xml(const char *xml, size_t len)
{
    trim(&xml, &len);
    if (len == 0 || len > HF_S3_XML_MAX || hf_xml_excess(xml, len, ELEMENTS_MAX))
        return NULL;
    /* UTF-8, whatever it says: converters complain on standard error, past all handlers. */
    HF_AUTO(_xmlDoc)
    xmlDoc *doc = xmlReadMemory(xml, (int)len, NULL, "UTF-8",
                                XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
                                    XML_PARSE_NOCDATA | XML_PARSE_IGNORE_ENC);
    return doc && xmlDocGetRootElement(doc) ? HF_STEAL(doc) : NULL;
}

static bool is_called(const xmlNode *node, const char *name)
{
    return node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0;
}

static int fail_foreign(const char *xml, size_t len, struct hf_err *err)
{
    char start[81];
    size_t n = 0;
    trim(&xml, &len);
    for (; n < len && n < sizeof start - 1; n++)
        start[n] = isprint((unsigned char)xml[n]) ? xml[n] : '?';
    start[n] = '\0';
    hf_fail(err, HF_E_CORRUPT, "this is no answer of an S3 store: '%s'", start);
    hf_hint(err, "A proxy, or another server than the store, answers at this address.");
    err->retryable = true;
    return -1;
}

static xmlDoc *read_root(const char *xml, size_t len, const char *root, struct hf_err *err)
{
    HF_AUTO(_xmlDoc) xmlDoc *doc = read_xml(xml, len);
    if (doc && is_called(xmlDocGetRootElement(doc), root))
        return HF_STEAL(doc);
    fail_foreign(xml, len, err);
    return NULL;
}

bool hf_s3_xml_is(const char *xml, size_t len, const char *root)
{
    HF_AUTO(_xmlDoc) xmlDoc *doc = read_xml(xml, len);
    return doc && is_called(xmlDocGetRootElement(doc), root);
}

/* Of an element without elements in it; NULL: too long, or no memory. */
static char *text_of(const xmlNode *node)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    hf_buf_str_add(&text, "");
    for (const xmlNode *n = node->children; n; n = n->next)
        if (n->type == XML_TEXT_NODE && n->content)
            hf_buf_str_add(&text, (const char *)n->content);
    return text.len > TEXT_MAX ? NULL : text.len ? hf_buf_steal(&text) : strdup("");
}

int hf_s3_xml_text(const char *xml, size_t len, const char *root, const char *child, char *out,
                   size_t size, struct hf_err *err)
{
    HF_AUTO(_xmlDoc) xmlDoc *doc = read_root(xml, len, root, err);
    if (!doc)
        return -1;
    out[0] = '\0';
    for (const xmlNode *n = xmlDocGetRootElement(doc)->children; n; n = n->next)
        if (is_called(n, child)) {
            HF_AUTOFREE char *text = text_of(n);
            snprintf(out, size, "%s", text ? text : "");
            break;
        }
    return 0;
}

/* ---- pages ------------------------------------------------------------------------------ */

static const struct {
    const char *root, *item;
} kinds[] = {
    [HF_S3_OBJECTS] = {"ListBucketResult", "Contents"},
    [HF_S3_UPLOADS] = {"ListMultipartUploadsResult", "Upload"},
    [HF_S3_PARTS] = {"ListPartsResult", "Part"},
};

void hf_s3_page_free(struct hf_s3_page *p)
{
    for (size_t i = 0; i < p->n; i++) {
        free(p->items[i].key);
        free(p->items[i].id);
        free(p->items[i].etag);
    }
    free(p->items);
    memset(p, 0, sizeof *p);
}

static bool read_number(const char *text, uint64_t max, uint64_t *out)
{
    char *end = NULL;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return isdigit((unsigned char)text[0]) && !*end && errno == 0 && *out <= max;
}

/* "2026-11-26T04:02:53.000Z" */
static bool read_time(const char *text, int64_t *out)
{
    struct tm t = {0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &t);
    if (!end || t.tm_year < 70 || (*end != '.' && *end != 'Z'))
        return false;
    *out = timegm(&t);
    return true;
}

/* A second one of a kind replaces the first. */
static bool keep_text(char **to, char **text)
{
    free(*to);
    *to = HF_STEAL(*text);
    return true;
}

/* Takes *text away where it is kept. False: the field makes no sense. */
static bool take_field(struct hf_s3_entry *e, const char *name, char **text)
{
    uint64_t number = 0;
    if (strcmp(name, "Key") == 0 || strcmp(name, "Prefix") == 0)
        return hf_url_decode(*text, true) == 0 && keep_text(&e->key, text);
    if (strcmp(name, "UploadId") == 0)
        return keep_text(&e->id, text);
    if (strcmp(name, "ETag") == 0)
        return keep_text(&e->etag, text);
    if (strcmp(name, "Size") == 0)
        return read_number(*text, INT64_MAX, &e->bytes);
    if (strcmp(name, "LastModified") == 0 || strcmp(name, "Initiated") == 0)
        return read_time(*text, &e->time_s);
    if (strcmp(name, "PartNumber") == 0 && !read_number(*text, HF_S3_PARTS_MAX, &number))
        return false;
    if (number > 0)
        e->number = (unsigned)number;
    return true;
}

static bool fill_absent(struct hf_s3_entry *e)
{
    char **texts[] = {&e->key, &e->id, &e->etag};
    for (size_t i = 0; i < HF_ARRAY_SIZE(texts); i++)
        if (!*texts[i] && !(*texts[i] = strdup("")))
            return false;
    return true;
}

static bool add_entry(struct hf_s3_page *p, const xmlNode *node, bool is_group)
{
    if (p->n == ENTRIES_MAX)
        return false;
    struct hf_s3_entry *e = &p->items[p->n++];
    e->is_group = is_group;
    e->at = p->n;
    for (const xmlNode *n = node->children; n; n = n->next) {
        if (n->type != XML_ELEMENT_NODE || (n->children && n->children->type == XML_ELEMENT_NODE))
            continue; /* Owner, Initiator */
        HF_AUTOFREE char *text = text_of(n);
        if (!text || !take_field(e, (const char *)n->name, &text))
            return false;
    }
    return fill_absent(e);
}

static bool is_whole(enum hf_s3_page_kind kind, const struct hf_s3_entry *e)
{
    if (kind == HF_S3_PARTS)
        return e->number > 0 && e->etag[0];
    return e->key[0] && (kind != HF_S3_UPLOADS || (e->id[0] && strlen(e->id) < HF_S3_ID_MAX));
}

static bool read_child(enum hf_s3_page_kind kind, struct hf_s3_page *p, const xmlNode *n)
{
    if (is_called(n, "IsTruncated")) {
        HF_AUTOFREE char *text = text_of(n);
        p->is_cut = text && strcmp(text, "true") == 0;
        return text && (p->is_cut || strcmp(text, "false") == 0);
    }
    bool is_group = is_called(n, "CommonPrefixes");
    if (!is_group && !is_called(n, kinds[kind].item))
        return true;
    return add_entry(p, n, is_group) && is_whole(kind, &p->items[p->n - 1]);
}

static int by_key(const void *a, const void *b)
{
    const struct hf_s3_entry *x = a, *y = b;
    int order = strcmp(x->key, y->key);
    return order ? order : x->at < y->at ? -1 : x->at > y->at;
}

int hf_s3_page_parse(enum hf_s3_page_kind kind, const char *xml, size_t len, struct hf_s3_page *out,
                     struct hf_err *err)
{
    HF_AUTO(_xmlDoc) xmlDoc *doc = read_root(xml, len, kinds[kind].root, err);
    if (!doc)
        return -1;
    out->items = calloc(ENTRIES_MAX, sizeof *out->items);
    if (!out->items)
        return hf_fail_nomem(err);
    for (const xmlNode *n = xmlDocGetRootElement(doc)->children; n; n = n->next)
        if (!read_child(kind, out, n)) {
            hf_fail(err, HF_E_CORRUPT, "the store's answer makes no sense: entry %zu of a listing",
                    out->n);
            err->retryable = true;
            return -1;
        }
    qsort(out->items, out->n, sizeof *out->items, by_key);
    return 0;
}
