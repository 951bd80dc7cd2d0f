/* SPDX-License-Identifier: Apache-2.0
 *
 * point/site.h - a store as this site uses it: its holdfast.json, the keys this host has for it, objects in and out of it.
 *
 * docs/format.md says what holdfast.json holds. On this host STATE/stores/NAME (0700) has
 *     metadata.key    the metadata identity, 0600
 *     store.json      holdfast.json as it was when this host first saw it
 *     chunks…         image/chunks.h, a cache
 *     manifests/      point/need.h, a cache
 *     journal/        of prunes (point/prune.h)
 *     reading         run/point_reading.h
 *     waste           what the last prune found of the packs, a cache
 *
 * Trust     holdfast.json has no seal: whoever can write to the store can change it. So what is encrypted is encrypted to the recipients
 *           of the configuration, never to those in it; and a store that has another id, size of chunks or metadata identity than this
 *           host saw first is refused. Only a host that sees a store for the first time has to believe it: metadata_recipient
 *           is there to be compared.
 *           A plain store (no recipients) has its metadata identity in holdfast.json, open, so that a lost state directory costs
 *           nothing there either: who can read such a store reads everything on it anyway, and its seals tell damage, not forgery.
 * Errors    CONFLICT: this is another store, or there is one already; NOT_FOUND: not made ready; CORRUPT; UNSUPPORTED: of a newer holdfast;
 *           AUTH: the metadata identity is not on this host and cannot be had; CONFIG.
 * Crash     a making that was interrupted is made again: the identity that was written first is taken up.
 * Threads   any, it does not change while open.
 */
#ifndef HF_POINT_SITE_H
#define HF_POINT_SITE_H

#include "base/cancel.h"
#include "base/strv.h"
#include "image/image.h"

#define HF_SITE_FILE "holdfast.json"

struct hf_site_opts {
    struct hf_store *store; /* borrowed, as clock, identities and cancel; the rest is copied */
    const char *state_dir;  /* STATE */
    const char *name;       /* of the store in the configuration */
    const struct hf_strv *recipients; /* of the configuration; NULL or none: plain */
    const char *identity_file;        /* or NULL: the data cannot be read on this host */
    uint32_t chunk_bytes;             /* of a store that is made; 0: the usual */
    const struct hf_clock *clock;
    const struct hf_cancel *cancel; /* or NULL */
};

struct hf_site {
    struct hf_store *store;
    const struct hf_clock *clock;
    const struct hf_cancel *cancel;
    char *name, *dir; /* STATE/stores/NAME */
    char id[HF_IMAGE_STORE_ID + 1];
    uint32_t chunk_bytes;
    int64_t created_us;
    char metadata_recipient[HF_AGE_TEXT_MAX];
    bool is_encrypted;
    bool
        has_new_recipients; /* the configuration's are not those it was made for: keys that came later cannot open the copy */
    bool is_first_sight;                             /* this host had not seen it before */
    struct hf_age_recipients to_data, to_meta;       /* both empty: plain */
    struct hf_age_identities *metadata, *identities; /* identities: NULL without identity_file */
    struct hf_image_keys *keys;
};

/* Makes an empty store ready, and opens it. CONFLICT: it has a holdfast.json (that of another making, which stays as it is) or objects
 * that look like ours; or this host knows another store by this name. */
struct hf_site *hf_site_make(const struct hf_site_opts *opts, struct hf_err *err) HF_CHECKED;
/* One that was made ready. Without metadata.key here it is taken from the copy: on a plain store as it is, else with identity_file. */
struct hf_site *hf_site_open(const struct hf_site_opts *opts, struct hf_err *err) HF_CHECKED;
void hf_site_close(struct hf_site *s);
HF_DEFINE_AUTO(hf_site, hf_site_close)

/* The disks on it; borrows the site. */
struct hf_image *hf_site_image(struct hf_site *s, struct hf_err *err) HF_CHECKED;

/* ---- objects ---------------------------------------------------------------------------- */

enum hf_site_kind {
    HF_SITE_DATA, /* dumps, archives, VM definitions: for the recipients */
    HF_SITE_META  /* manifests: for this host too */
};

/* Writes an object whose name ends with ".age" where the store is encrypted (point/layout.h). plain_bytes as in struct
 * hf_store_put. The receipt's digest is of the object, as it lies there; what is not confirmed is to be read back
 * (hf_store_confirm). A name that exists is not replaced where the store can tell. */
struct hf_io_sink *hf_site_put(struct hf_site *s, enum hf_site_kind kind, const char *name,
                               uint64_t plain_bytes, struct hf_store_receipt *out,
                               struct hf_err *err) HF_CHECKED;
/* A small one, confirmed. */
int hf_site_put_bytes(struct hf_site *s, enum hf_site_kind kind, const char *name, const void *data,
                      size_t len, struct hf_store_receipt *out, struct hf_err *err) HF_CHECKED;
/* Its content. AUTH with a hint: the key of the data is not at hand. CORRUPT also: META that the metadata identity does not open. */
struct hf_io_source *hf_site_source(struct hf_site *s, enum hf_site_kind kind, const char *name,
                                    struct hf_err *err) HF_CHECKED;
/* The same of one that was opened as it lies there; owns it, also when it fails. Errors do not name the object. */
struct hf_io_source *hf_site_open_source(struct hf_site *s, enum hf_site_kind kind,
                                         struct hf_io_source *stored, struct hf_err *err)
    HF_CHECKED;
/* A small one; more than max_bytes of content is CORRUPT. */
int hf_site_get_bytes(struct hf_site *s, enum hf_site_kind kind, const char *name, size_t max_bytes,
                      struct hf_buf *out, struct hf_err *err) HF_CHECKED;

#endif
