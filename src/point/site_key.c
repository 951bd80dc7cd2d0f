/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/path.h"
#include "io/memory.h"
#include "point/site_intern.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define KEY_FILE "metadata.key"
#define FOUND_FILE "metadata.key.found" /* until it is known to be the right one */
#define SECRET_MAX ((size_t)4 << 10)

int hf_site_key_read(struct hf_site *s, struct hf_err *err)
{
    HF_AUTOFREE char *path = hf_path_join(s->dir, KEY_FILE);
    if (!path)
        return hf_fail_nomem(err);
    if (access(path, F_OK) < 0 && errno == ENOENT)
        return 0;
    s->metadata = hf_age_identities_read(path, err);
    return s->metadata ? 0 : hf_wrap(err, "the metadata identity of store '%s'", s->name);
}

static int write_text(const char *path, const struct hf_secret *text, struct hf_err *err)
{
    return hf_path_write(path, hf_secret_reveal(text), hf_secret_len(text), 0600, err);
}

int hf_site_key_make(struct hf_site *s, struct hf_err *err)
{
    HF_AUTOFREE char *path = hf_path_join(s->dir, KEY_FILE);
    HF_AUTO(hf_age_identities) struct hf_age_identities *ids = hf_age_identities_generate(err);
    if (!ids)
        return -1;
    HF_AUTO(hf_secret) struct hf_secret *text = hf_age_identities_text(ids, 0);
    if (!path || !text)
        return hf_fail_nomem(err);
    if (write_text(path, text, err) < 0)
        return -1;
    s->metadata = HF_STEAL(ids);
    return 0;
}

/* ---- the copy --------------------------------------------------------------------------- */

static int seal(const struct hf_age_recipients *to, const struct hf_secret *text,
                struct hf_buf *out, struct hf_err *err)
{
    struct hf_io_sink *memory = hf_io_memory_new(out, err);
    HF_AUTO(hf_io_sink)
    struct hf_io_sink *sink = memory ? hf_age_sink_new(to, memory, err) : NULL;
    return sink && hf_io_write(sink, hf_secret_reveal(text), hf_secret_len(text), err) == 0
               ? hf_io_finish(sink, err)
               : -1;
}

int hf_site_key_copy(const struct hf_site *s, struct hf_site_doc *doc, struct hf_err *err)
{
    HF_AUTO(hf_secret) struct hf_secret *text = hf_age_identities_text(s->metadata, 0);
    if (!text)
        return hf_fail_nomem(err);
    if (s->is_encrypted)
        return seal(&s->to_data, text, &doc->sealed, err);
    doc->open = HF_STEAL(text);
    return 0;
}

static struct hf_secret *unseal(const struct hf_site *s, const struct hf_site_doc *doc,
                                struct hf_err *err)
{
    char text[SECRET_MAX];
    struct hf_io_source *file = hf_io_source_memory(doc->sealed.data, doc->sealed.len, err);
    HF_AUTO(hf_io_source)
    struct hf_io_source *plain = file ? hf_age_source_new(file, s->identities, err) : NULL;
    if (!plain)
        return NULL;
    if (plain->size == 0 || plain->size > sizeof text) {
        hf_fail(err, HF_E_CORRUPT, "it has %llu bytes", (unsigned long long)plain->size);
        return NULL;
    }
    size_t len = (size_t)plain->size;
    struct hf_secret *secret = NULL;
    if (hf_io_read_at(plain, 0, text, len, err) == 0) {
        secret = hf_secret_new(text, len);
        if (!secret)
            hf_fail_nomem(err);
    }
    hf_wipe(text, sizeof text);
    return secret;
}

static int no_key(const struct hf_site *s, struct hf_err *err)
{
    hf_fail(err, HF_E_AUTH, "the metadata identity of store '%s' is not on this host", s->name);
    return hf_hint(err,
                   "Copy %s/" KEY_FILE " from another host that writes there, or set "
                   "identity-file for once: the store has a copy that it opens.",
                   s->dir);
}

/* Under another name first: a file that is not the key of this store must never count as it. */
static int take_over(struct hf_site *s, const struct hf_site_doc *doc, const char *found,
                     struct hf_err *err)
{
    HF_AUTOFREE char *path = hf_path_join(s->dir, KEY_FILE);
    if (!path)
        return hf_fail_nomem(err);
    s->metadata = hf_age_identities_read(found, err);
    if (!s->metadata)
        return hf_fail(err, HF_E_CORRUPT,
                       "the copy of the metadata identity in " HF_SITE_FILE " is none");
    if (hf_site_key_check(s, doc, err) < 0)
        return -1;
    if (rename(found, path) < 0)
        return hf_fail_sys(err, errno, "cannot rename '%s'", found);
    return hf_path_sync_dir(s->dir, err);
}

int hf_site_key_restore(struct hf_site *s, const struct hf_site_doc *doc, struct hf_err *err)
{
    /* Of this process: another one may see the store for the first time just now. */
    HF_AUTOFREE char *found = hf_asprintf("%s/" FOUND_FILE ".%d", s->dir, (int)getpid());
    HF_AUTO(hf_secret) struct hf_secret *sealed = NULL;
    if (!found)
        return hf_fail_nomem(err);
    if (!doc->open && !s->identities)
        return no_key(s, err);
    if (!doc->open) {
        sealed = unseal(s, doc, err);
        if (!sealed)
            return hf_wrap(err, "the copy of the metadata identity in " HF_SITE_FILE);
    }
    if (write_text(found, doc->open ? doc->open : sealed, err) < 0)
        return -1;
    int rc = take_over(s, doc, found, err);
    unlink(found);
    return rc;
}

int hf_site_key_check(const struct hf_site *s, const struct hf_site_doc *doc, struct hf_err *err)
{
    char own[HF_AGE_TEXT_MAX];
    hf_age_identities_recipient(s->metadata, 0, own);
    if (hf_age_identities_n(s->metadata) == 1 && strcmp(own, doc->metadata_recipient) == 0)
        return 0;
    return hf_fail(err, HF_E_CONFLICT,
                   "the metadata identity of store '%s' is %s, that of this host is %s", s->name,
                   doc->metadata_recipient, own);
}
