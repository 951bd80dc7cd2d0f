/* SPDX-License-Identifier: Apache-2.0 */
#include "store/s3/s3_intern.h"
#include "store/s3/s3_xml.h"

#include <ctype.h>
#include <string.h>

#define TEXT_MAX 200

static const struct rule {
    const char *code;
    enum hf_err_class cls;
    bool is_passing; /* the same request may succeed later */
    const char *message, *hint;
} rules[] = {
    {"SignatureDoesNotMatch", HF_E_AUTH, false,
     "the store refuses the signature: wrong secret or access key",
     "Look whether access key and secret belong together, and whether the secret file holds "
     "nothing else."},
    {"InvalidAccessKeyId", HF_E_AUTH, false, "the store knows no such access key",
     "Look at the access key."},
    {"AccessDenied", HF_E_AUTH, false, "the store denies access",
     "The access key needs the right to list the bucket, and to read, write and delete below the "
     "prefix."},
    {"ExpiredToken", HF_E_AUTH, false, "the access key has expired", "Make a new one."},
    {"NoSuchBucket", HF_E_NOT_FOUND, false, "the bucket is not there",
     "It was deleted, or its name is wrong: the whole store is missing, not one object."},
    {"NoSuchKey", HF_E_NOT_FOUND, false, "no such object", NULL},
    {"NoSuchUpload", HF_E_NOT_FOUND, false, "the upload is not there any more",
     "Somebody has swept it: begin anew."},
    {"EntityTooLarge", HF_E_NOSPACE, false, "the store takes no more: it is full, or its quota is",
     "Raise the quota, delete old points, or take another store."},
    {"QuotaExceeded", HF_E_NOSPACE, false, "the store's quota is full",
     "Raise the quota, delete old points, or take another store."},
    {"InvalidBucketName", HF_E_CONFIG, false, "the store takes no bucket of this name", NULL},
    {"PermanentRedirect", HF_E_CONFIG, false, "the bucket is somewhere else",
     "Look at the store's address and region."},
    {"InvalidObjectState", HF_E_UNSUPPORTED, false,
     "the object lies in an archive that gives it out only later",
     "Keep backups out of archive classes, or have it brought back first."},
    {"InvalidRange", HF_E_CORRUPT, false, "it is shorter than what was asked for: truncated", NULL},
    {"InvalidPart", HF_E_CORRUPT, false, "the store has lost a part of the upload", NULL},
    {"PreconditionFailed", HF_E_CONFLICT, false, "it exists already", NULL},
    {"BadDigest", HF_E_CORRUPT, true, "the bytes were damaged on their way", NULL},
    {"XAmzContentSHA256Mismatch", HF_E_CORRUPT, true, "the bytes were damaged on their way", NULL},
    {"IncompleteBody", HF_E_UNREACHABLE, true, "the bytes came in only partly", NULL},
    {"RequestTimeout", HF_E_TIMEOUT, true, "the store waited too long for the bytes", NULL},
    /* Also with status 200, from an answer that was begun before its work was done. */
    {"InternalError", HF_E_UNREACHABLE, true, "the store is in trouble", NULL},
    {"ServiceUnavailable", HF_E_UNREACHABLE, true, "the store cannot serve us now", NULL},
    {"SlowDown", HF_E_UNREACHABLE, true, "the store asks for a slower pace", NULL},
    {"OperationAborted", HF_E_BUSY, true, "another request is in the way", NULL},
};

/* For answers that say nothing, or nothing known. */
static const struct {
    long least, most;
    enum hf_err_class cls;
    bool is_passing;
} statuses[] = {
    {300, 399, HF_E_CONFIG, false},      {401, 401, HF_E_AUTH, false},
    {403, 403, HF_E_AUTH, false},        {404, 404, HF_E_NOT_FOUND, false},
    {408, 408, HF_E_TIMEOUT, true},      {412, 412, HF_E_CONFLICT, false},
    {416, 416, HF_E_CORRUPT, false},     {429, 429, HF_E_UNREACHABLE, true},
    {501, 501, HF_E_UNSUPPORTED, false}, {507, 507, HF_E_NOSPACE, false},
    {500, 599, HF_E_UNREACHABLE, true},
};

/* Texts of the store come into messages and onto terminals. */
static void make_printable(char *text)
{
    for (; *text; text++)
        if (!isprint((unsigned char)*text))
            *text = '?';
}

static void error_text(const struct hf_http_answer *a, const char *child, char *out, size_t size)
{
    struct hf_err ignored = HF_ERR_INIT;
    if (hf_s3_xml_text(hf_buf_str(&a->body), a->body.len, "Error", child, out, size, &ignored) < 0)
        out[0] = '\0';
    make_printable(out);
}

void hf_s3_code(const struct hf_http_answer *a, char *out, size_t size)
{
    error_text(a, "Code", out, size);
}

/* Its own clock cannot be bent for signing, so all that helps is to say by how much it is off. */
static int fail_skewed(const struct hf_s3 *s, const struct hf_http_answer *a, struct hf_err *err)
{
    int64_t theirs = hf_http_date(a, "Date");
    int64_t off = theirs - hf_clock_wall_us(s->clock) / 1000000;
    if (theirs < 0)
        hf_fail(err, HF_E_AUTH, "the clock of this host is not that of the store");
    else
        hf_fail(err, HF_E_AUTH, "the clock of this host is %lld s %s that of the store",
                (long long)(off < 0 ? -off : off), off < 0 ? "ahead of" : "behind");
    return hf_hint(err, "Set this host's clock: the store takes no request that is dated more than "
                        "some minutes off.");
}

static int fail_region(const struct hf_http_answer *a, struct hf_err *err)
{
    char region[72];
    error_text(a, "Region", region, sizeof region);
    hf_fail(err, HF_E_CONFIG, "the store is in another region than the configured one");
    return region[0] ? hf_hint(err, "Set the region to '%s'.", region)
                     : hf_hint(err, "Set the region that the store's documentation names.");
}

/* 5xx of a proxy in between are often HTML, and pass as well as the store's own. */
static int fail_status(const struct hf_http_answer *a, const char *code, struct hf_err *err)
{
    char text[TEXT_MAX];
    enum hf_err_class cls = HF_E_UNSUPPORTED;
    bool is_passing = false;
    for (size_t i = 0; i < HF_ARRAY_SIZE(statuses); i++)
        if (a->status >= statuses[i].least && a->status <= statuses[i].most) {
            cls = statuses[i].cls;
            is_passing = statuses[i].is_passing;
            break;
        }
    error_text(a, "Message", text, sizeof text);
    if (!code[0] && a->body.len > 0) {
        snprintf(text, sizeof text, "%.80s", hf_buf_str(&a->body));
        make_printable(text);
    }
    hf_fail(err, cls, "the store answers %ld%s%s%s%s", a->status, code[0] ? " " : "", code,
            text[0] ? ": " : "", text);
    err->retryable = is_passing;
    if (a->status / 100 == 3)
        hf_hint(err, "Look at the store's address and region: redirects are not followed.");
    else if (!code[0] && a->body.len > 0 && !is_passing)
        hf_hint(err, "A proxy, or another server than the store, seems to answer at this address.");
    return -1;
}

int hf_s3_fail(const struct hf_s3 *s, const struct hf_http_answer *a, struct hf_err *err)
{
    char code[64];
    hf_s3_code(a, code, sizeof code);
    if (strcmp(code, "RequestTimeTooSkewed") == 0)
        return fail_skewed(s, a, err);
    if (strcmp(code, "AuthorizationHeaderMalformed") == 0)
        return fail_region(a, err);
    for (size_t i = 0; i < HF_ARRAY_SIZE(rules); i++) {
        const struct rule *r = &rules[i];
        if (strcmp(code, r->code) != 0)
            continue;
        hf_fail(err, r->cls, "%s (%s)", r->message, r->code);
        err->retryable = r->is_passing;
        return r->hint ? hf_hint(err, "%s", r->hint) : -1;
    }
    return fail_status(a, code, err);
}
