/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hex.h"
#include "base/point.h"
#include "point/site_intern.h"

#include <sodium.h>
#include <string.h>

static int is_there(const struct hf_site *s, struct hf_err *err)
{
    hf_fail(err, HF_E_CONFLICT, "store '%s' (%s) was made ready already", s->name, s->store->url);
    return hf_hint(err, "It is used as it is; nothing was changed.");
}

static int refuse_remains(void *ctx, const struct hf_store_object *o, struct hf_err *err)
{
    static const char *const ours[] = {"points/",    "packs/",   "trees/", "index/",
                                       "condemned/", "damaged/", "moved/"};
    const struct hf_site *s = ctx;
    for (size_t i = 0; i < HF_ARRAY_SIZE(ours); i++)
        if (strncmp(o->name, ours[i], strlen(ours[i])) == 0) {
            hf_fail(err, HF_E_CONFLICT, "store '%s' has no " HF_SITE_FILE ", but %s", s->name,
                    o->name);
            return hf_hint(err,
                           "Put its " HF_SITE_FILE " back (each host that used it has a copy: "
                           "%s/store.json), or choose an empty place.",
                           s->dir);
        }
    return 0;
}

/* An interrupted making: its key is here, and the document that it wrote names it. */
static bool is_ours(const struct hf_site *s, const struct hf_site_doc *doc)
{
    struct hf_err ignored = HF_ERR_INIT;
    return s->metadata && hf_site_key_check(s, doc, &ignored) == 0;
}

static int write_doc(struct hf_site *s, uint32_t chunk_bytes, struct hf_buf *out,
                     const struct hf_strv *recipients, struct hf_err *err)
{
    unsigned char id[HF_IMAGE_STORE_ID / 2];
    HF_AUTO(hf_site_doc) struct hf_site_doc doc = {.chunk_bytes = chunk_bytes};
    if (recipients && hf_strv_add_all(&doc.recipients, recipients) < 0)
        return hf_fail_nomem(err);
    randombytes_buf(id, sizeof id);
    hf_hex(id, sizeof id, doc.id);
    doc.created_us = hf_clock_wall_us(s->clock);
    hf_age_identities_recipient(s->metadata, 0, doc.metadata_recipient);
    return hf_site_key_copy(s, &doc, err) < 0 ? -1 : hf_site_doc_write(&doc, out, err);
}

/* Stores that cannot refuse a second object of a name let two makings pass; the one that came last is what both read back. */
static int put_doc(struct hf_site *s, const struct hf_buf *text, struct hf_err *err)
{
    struct hf_store_receipt receipt;
    HF_AUTO(hf_buf) struct hf_buf back = HF_BUF_INIT;
    HF_AUTO(hf_site_doc) struct hf_site_doc doc = {0};
    if (HF_POINT_ERR("site.before_holdfast_json", err) < 0)
        return -1;
    if (hf_store_put_bytes(s->store, HF_SITE_FILE, text->data, text->len, false, &receipt, err) < 0)
        return err->cls == HF_E_CONFLICT ? is_there(s, err) : -1;
    HF_POINT("site.after_holdfast_json");
    if (hf_site_fetch(s, &back, &doc, err) < 0)
        return -1;
    if (!is_ours(s, &doc))
        return hf_fail(err, HF_E_CONFLICT, "store '%s' was made ready by somebody else just now",
                       s->name);
    return hf_site_adopt(s, &back, &doc, err);
}

static int make(struct hf_site *s, const struct hf_site_opts *opts, struct hf_err *err)
{
    const struct hf_store_list top = {.prefix = "", .shallow = true};
    uint32_t chunk_bytes = opts->chunk_bytes ? opts->chunk_bytes : HF_IMAGE_CHUNK_BYTES;
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    if (!hf_image_chunk_bytes_is_valid(chunk_bytes))
        return hf_fail(err, HF_E_CONFIG,
                       "chunks of %u bytes: a power of two from 4 KiB to 4 MiB "
                       "is wanted",
                       chunk_bytes);
    if (hf_store_list(s->store, &top, refuse_remains, s, err) != 0)
        return -1;
    if (!s->metadata && hf_site_key_make(s, err) < 0)
        return -1;
    if (write_doc(s, chunk_bytes, &text, opts->recipients, err) < 0)
        return -1;
    return put_doc(s, &text, err);
}

/* Here holds what hf_site_open would take over as well; only a making that this host had begun goes on. */
static int go_on(struct hf_site *s, const struct hf_buf *text, const struct hf_site_doc *doc,
                 struct hf_err *err)
{
    if (!is_ours(s, doc))
        return is_there(s, err);
    if (hf_site_adopt(s, text, doc, err) < 0)
        return -1;
    return s->is_first_sight ? 0 : is_there(s, err);
}

struct hf_site *hf_site_make(const struct hf_site_opts *opts, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    HF_AUTO(hf_site) struct hf_site *s = hf_site_begin(opts, err);
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    HF_AUTO(hf_site_doc) struct hf_site_doc doc = {0};
    if (!s || hf_site_key_read(s, err) < 0)
        return NULL;
    int rc;
    if (hf_site_fetch(s, &text, &doc, &why) == 0) {
        rc = go_on(s, &text, &doc, err);
    } else if (why.cls == HF_E_NOT_FOUND) {
        rc = make(s, opts, err);
    } else {
        hf_err_copy(err, &why);
        rc = -1;
    }
    return rc < 0 ? NULL : HF_STEAL(s);
}
