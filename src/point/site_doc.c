/* SPDX-License-Identifier: Apache-2.0 */
#include "point/site_doc.h"

#include "base/base64.h"
#include "base/clock.h"
#include "base/hex.h"
#include "net/json.h"

#include <stdio.h>
#include <string.h>

void hf_site_doc_free(struct hf_site_doc *d)
{
    hf_strv_free(&d->recipients);
    hf_buf_free(&d->sealed);
    hf_secret_free(d->open);
    d->open = NULL;
}

bool hf_site_doc_is_encrypted(const struct hf_site_doc *d)
{
    return d->recipients.n > 0;
}

/* ---- reading ---------------------------------------------------------------------------- */

static int check_format(struct json_object *o, struct hf_err *err)
{
    int64_t format = 0;
    if (hf_json_get_int(o, "format", &format, err) < 0)
        return -1;
    if (format == HF_SITE_FORMAT)
        return 0;
    hf_fail(err, HF_E_UNSUPPORTED, "the store has format %lld, this program knows %d",
            (long long)format, HF_SITE_FORMAT);
    return hf_hint(err, "A newer holdfast made it; use that one.");
}

static int read_id(struct json_object *o, struct hf_site_doc *out, struct hf_err *err)
{
    const char *id = NULL;
    unsigned char raw[HF_IMAGE_STORE_ID / 2];
    if (hf_json_get_string(o, "store", &id, err) < 0)
        return -1;
    if (strlen(id) != HF_IMAGE_STORE_ID || hf_unhex(id, raw, sizeof raw) < 0)
        return hf_fail(err, HF_E_CORRUPT, "'store' is not 32 hex digits");
    memcpy(out->id, id, sizeof out->id);
    return 0;
}

static int read_chunk_bytes(struct json_object *o, struct hf_site_doc *out, struct hf_err *err)
{
    int64_t n = 0;
    if (hf_json_get_int(o, "chunk_bytes", &n, err) < 0)
        return -1;
    if (n < 0 || n > UINT32_MAX || !hf_image_chunk_bytes_is_valid((uint32_t)n))
        return hf_fail(err, HF_E_CORRUPT, "'chunk_bytes' is %lld", (long long)n);
    out->chunk_bytes = (uint32_t)n;
    return 0;
}

/* A text that is a public key of age, whatever it says. */
static int check_recipient(const char *text, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    struct hf_age_recipients r = {0};
    return hf_age_recipients_add(&r, text, &why) == 0
               ? 0
               : hf_fail(err, HF_E_CORRUPT, "a recipient in it is no key of age: %s", why.message);
}

static int read_recipients(struct json_object *o, struct hf_site_doc *out, struct hf_err *err)
{
    const char *own = NULL;
    if (hf_json_get_strings(o, "recipients", &out->recipients, err) < 0 ||
        hf_json_get_string(o, "metadata_recipient", &own, err) < 0 || check_recipient(own, err) < 0)
        return -1;
    snprintf(out->metadata_recipient, sizeof out->metadata_recipient, "%s", own);
    if (out->recipients.n >= HF_AGE_RECIPIENTS_MAX)
        return hf_fail(err, HF_E_CORRUPT, "it has %zu recipients", out->recipients.n);
    for (size_t i = 0; i < out->recipients.n; i++)
        if (check_recipient(out->recipients.items[i], err) < 0)
            return -1;
    return 0;
}

static int read_identity(struct json_object *o, struct hf_site_doc *out, struct hf_err *err)
{
    const char *text = NULL;
    bool is_cut = false;
    if (!hf_site_doc_is_encrypted(out)) {
        if (hf_json_get_string(o, "metadata_identity", &text, err) < 0)
            return -1;
        out->open = hf_secret_new(text, strlen(text));
        return out->open ? 0 : hf_fail_nomem(err);
    }
    if (hf_json_get_string(o, "metadata_identity_age", &text, err) < 0)
        return -1;
    if (hf_base64_decode(&out->sealed, text, HF_SITE_DOC_MAX, &is_cut) < 0 || is_cut)
        return hf_fail(err, HF_E_CORRUPT, "'metadata_identity_age' is not base64");
    return hf_buf_ok(&out->sealed) ? 0 : hf_fail_nomem(err);
}

static int read_created(struct json_object *o, struct hf_site_doc *out, struct hf_err *err)
{
    const char *at = NULL;
    if (hf_json_opt_string(o, "created_at", &at, err) < 0)
        return -1;
    if (at && hf_time_parse(at, &out->created_us) < 0)
        return hf_fail(err, HF_E_CORRUPT, "'created_at' is no time");
    return 0;
}

int hf_site_doc_parse(const char *text, size_t len, struct hf_site_doc *out, struct hf_err *err)
{
    if (len > HF_SITE_DOC_MAX)
        return hf_fail(err, HF_E_CORRUPT, "it has %zu bytes", len);
    HF_AUTOJSON struct json_object *o = hf_json_parse(text, len, err);
    if (!o || check_format(o, err) < 0 || read_id(o, out, err) < 0 ||
        read_chunk_bytes(o, out, err) < 0 || read_created(o, out, err) < 0 ||
        read_recipients(o, out, err) < 0)
        return -1;
    return read_identity(o, out, err);
}

/* ---- writing ---------------------------------------------------------------------------- */

static int add_identity(struct json_object *o, const struct hf_site_doc *d)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    if (d->open)
        return hf_json_add_string(o, "metadata_identity", hf_secret_reveal(d->open));
    hf_base64_encode(&text, d->sealed.data, d->sealed.len);
    return hf_buf_ok(&text) ? hf_json_add_string(o, "metadata_identity_age", hf_buf_str(&text))
                            : -1;
}

static struct json_object *recipients(const struct hf_site_doc *d)
{
    return d->recipients.n ? hf_json_strings(&d->recipients) : json_object_new_array();
}

int hf_site_doc_write(const struct hf_site_doc *d, struct hf_buf *out, struct hf_err *err)
{
    char created[HF_TIME_MAX];
    HF_AUTOJSON struct json_object *o = json_object_new_object();
    hf_time_rfc3339(d->created_us, created);
    if (!o || hf_json_add_int(o, "format", HF_SITE_FORMAT) < 0 ||
        hf_json_add_string(o, "store", d->id) < 0 ||
        hf_json_add_int(o, "chunk_bytes", d->chunk_bytes) < 0 ||
        hf_json_add_string(o, "created_at", created) < 0 ||
        hf_json_add(o, "recipients", recipients(d)) < 0 ||
        hf_json_add_string(o, "metadata_recipient", d->metadata_recipient) < 0 ||
        add_identity(o, d) < 0)
        return hf_fail_nomem(err);
    const char *text =
        json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
    if (!text)
        return hf_fail_nomem(err);
    hf_buf_str_add(out, text);
    hf_buf_str_add(out, "\n");
    return hf_buf_ok(out) ? 0 : hf_fail_nomem(err);
}
