/* SPDX-License-Identifier: Apache-2.0 */
#include "base/path.h"
#include "point/site_intern.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SEEN_FILE "store.json"

void hf_site_close(struct hf_site *s)
{
    if (!s)
        return;
    hf_image_keys_free(s->keys);
    hf_age_identities_free(s->metadata);
    hf_age_identities_free(s->identities);
    free(s->name);
    free(s->dir);
    free(s);
}

/* ---- begin ------------------------------------------------------------------------------ */

static int set_recipients(struct hf_site *s, const struct hf_strv *texts, struct hf_err *err)
{
    for (size_t i = 0; texts && i < texts->n; i++)
        if (hf_age_recipients_add(&s->to_data, texts->items[i], err) < 0)
            return hf_wrap(err, "recipients of store '%s'", s->name);
    s->is_encrypted = s->to_data.n > 0;
    return 0;
}

static int set_up(struct hf_site *s, const struct hf_site_opts *opts, struct hf_err *err)
{
    HF_AUTOFREE char *all = hf_path_join(opts->state_dir, "stores");
    s->name = strdup(opts->name);
    s->dir = all ? hf_path_join(all, opts->name) : NULL;
    if (!s->name || !s->dir)
        return hf_fail_nomem(err);
    if (hf_path_mkdirs(all, 0700, err) < 0 || hf_path_mkdirs(s->dir, 0700, err) < 0 ||
        set_recipients(s, opts->recipients, err) < 0)
        return -1;
    if (!opts->identity_file)
        return 0;
    s->identities = hf_age_identities_read(opts->identity_file, err);
    return s->identities ? 0 : -1;
}

struct hf_site *hf_site_begin(const struct hf_site_opts *opts, struct hf_err *err)
{
    HF_AUTO(hf_site) struct hf_site *s = calloc(1, sizeof *s);
    if (!s) {
        hf_fail_nomem(err);
        return NULL;
    }
    s->store = opts->store;
    s->clock = opts->clock;
    s->cancel = opts->cancel;
    return set_up(s, opts, err) < 0 ? NULL : HF_STEAL(s);
}

/* ---- holdfast.json ---------------------------------------------------------------------- */

int hf_site_fetch(struct hf_site *s, struct hf_buf *out_text, struct hf_site_doc *out,
                  struct hf_err *err)
{
    struct hf_store_object o = {0};
    if (hf_store_head(s->store, HF_SITE_FILE, &o, err) < 0)
        return -1;
    if (o.bytes > HF_SITE_DOC_MAX)
        return hf_fail(err, HF_E_CORRUPT, "%s: " HF_SITE_FILE " has %llu bytes", s->store->url,
                       (unsigned long long)o.bytes);
    HF_AUTOFREE char *text = malloc((size_t)o.bytes + 1);
    if (!text)
        return hf_fail_nomem(err);
    if (hf_store_get(s->store, HF_SITE_FILE, 0, text, (size_t)o.bytes, err) < 0)
        return -1;
    if (hf_site_doc_parse(text, (size_t)o.bytes, out, err) < 0)
        return hf_wrap(err, "%s: " HF_SITE_FILE, s->store->url);
    hf_buf_add(out_text, text, (size_t)o.bytes);
    return hf_buf_ok(out_text) ? 0 : hf_fail_nomem(err);
}

static int differs(const struct hf_site *s, const char *what, const char *now, const char *before,
                   struct hf_err *err)
{
    hf_fail(err, HF_E_CONFLICT, "store '%s': its %s is %s, when this host first saw it it was %s",
            s->name, what, now, before);
    return hf_hint(
        err,
        "Another store lies there now, or somebody changed " HF_SITE_FILE
        ". If that is meant, move %s away; it holds the metadata identity of the old one.",
        s->dir);
}

static int compare(const struct hf_site *s, const struct hf_site_doc *now,
                   const struct hf_site_doc *before, struct hf_err *err)
{
    char is[16], was[16];
    if (strcmp(now->id, before->id) != 0)
        return differs(s, "id", now->id, before->id, err);
    if (strcmp(now->metadata_recipient, before->metadata_recipient) != 0)
        return differs(s, "metadata identity", now->metadata_recipient, before->metadata_recipient,
                       err);
    if (now->chunk_bytes == before->chunk_bytes)
        return 0;
    snprintf(is, sizeof is, "%u", now->chunk_bytes);
    snprintf(was, sizeof was, "%u", before->chunk_bytes);
    return differs(s, "size of chunks", is, was, err);
}

static int compare_seen(struct hf_site *s, const char *path, const struct hf_site_doc *doc,
                        struct hf_err *err)
{
    size_t len = 0;
    HF_AUTO(hf_site_doc) struct hf_site_doc before = {0};
    if (access(path, F_OK) < 0 && errno == ENOENT) {
        s->is_first_sight = true;
        return 0;
    }
    HF_AUTOFREE char *text = hf_path_read(path, HF_SITE_DOC_MAX, &len, err);
    if (!text || hf_site_doc_parse(text, len, &before, err) < 0)
        return hf_wrap(err, "'%s'", path);
    return compare(s, doc, &before, err);
}

static bool has_recipient(const struct hf_age_recipients *all, const char *text)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_age_recipients one = {0};
    if (hf_age_recipients_add(&one, text, &err) < 0)
        return false;
    for (size_t i = 0; i < all->n; i++)
        if (memcmp(all->key[i], one.key[0], HF_AGE_KEY) == 0)
            return true;
    return false;
}

static int check_recipients(struct hf_site *s, const struct hf_site_doc *doc, struct hf_err *err)
{
    const bool is_encrypted = hf_site_doc_is_encrypted(doc);
    if (is_encrypted != s->is_encrypted)
        return hf_fail(err, HF_E_CONFIG, "store '%s' was made %s recipients, the configuration %s",
                       s->name, is_encrypted ? "with" : "without",
                       s->is_encrypted ? "has some" : "has none");
    s->has_new_recipients = doc->recipients.n != s->to_data.n;
    for (size_t i = 0; i < doc->recipients.n; i++)
        if (!has_recipient(&s->to_data, doc->recipients.items[i]))
            s->has_new_recipients = true;
    return 0;
}

static int take_over(struct hf_site *s, const struct hf_site_doc *doc, struct hf_err *err)
{
    memcpy(s->id, doc->id, sizeof s->id);
    memcpy(s->metadata_recipient, doc->metadata_recipient, sizeof s->metadata_recipient);
    s->chunk_bytes = doc->chunk_bytes;
    s->created_us = doc->created_us;
    s->to_meta = s->to_data;
    if (s->is_encrypted && hf_age_recipients_add(&s->to_meta, s->metadata_recipient, err) < 0)
        return -1;
    s->keys = hf_image_keys_new(s->metadata, s->id, err);
    return s->keys ? 0 : -1;
}

int hf_site_adopt(struct hf_site *s, const struct hf_buf *text, const struct hf_site_doc *doc,
                  struct hf_err *err)
{
    HF_AUTOFREE char *path = hf_path_join(s->dir, SEEN_FILE);
    if (!path)
        return hf_fail_nomem(err);
    if (compare_seen(s, path, doc, err) < 0 || check_recipients(s, doc, err) < 0)
        return -1;
    if (!s->metadata && hf_site_key_restore(s, doc, err) < 0)
        return -1;
    if (hf_site_key_check(s, doc, err) < 0 || take_over(s, doc, err) < 0)
        return -1;
    return s->is_first_sight ? hf_path_write(path, text->data, text->len, 0600, err) : 0;
}

struct hf_site *hf_site_open(const struct hf_site_opts *opts, struct hf_err *err)
{
    HF_AUTO(hf_site) struct hf_site *s = hf_site_begin(opts, err);
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    HF_AUTO(hf_site_doc) struct hf_site_doc doc = {0};
    if (!s || hf_site_key_read(s, err) < 0)
        return NULL;
    if (hf_site_fetch(s, &text, &doc, err) < 0) {
        if (err->cls == HF_E_NOT_FOUND)
            hf_hint(err,
                    "`holdfast store init %s` makes a new store ready. Were there backups on it "
                    "already? Then its url leads to another place.",
                    s->name);
        return NULL;
    }
    return hf_site_adopt(s, &text, &doc, err) < 0 ? NULL : HF_STEAL(s);
}
