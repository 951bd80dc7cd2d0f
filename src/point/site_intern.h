/* SPDX-License-Identifier: Apache-2.0
 *
 * point/site_intern.h - what making and opening a site have in common.
 */
#ifndef HF_POINT_SITE_INTERN_H
#define HF_POINT_SITE_INTERN_H

#include "point/site.h"
#include "point/site_doc.h"

/* Names, directory (made), recipients, identities; nothing of the store yet. */
struct hf_site *hf_site_begin(const struct hf_site_opts *opts, struct hf_err *err) HF_CHECKED;
/* holdfast.json as it lies on the store. NOT_FOUND: it has none. */
int hf_site_fetch(struct hf_site *s, struct hf_buf *out_text, struct hf_site_doc *out,
                  struct hf_err *err) HF_CHECKED;
/* Compares the document with what this host saw, takes it over (text: its bytes, kept as store.json), derives the keys. s->metadata
 * is set or will be found. */
int hf_site_adopt(struct hf_site *s, const struct hf_buf *text, const struct hf_site_doc *doc,
                  struct hf_err *err) HF_CHECKED;

/* ---- site_key.c: STATE/stores/NAME/metadata.key ----------------------------------------- */

/* 0 and s->metadata NULL: there is none. */
int hf_site_key_read(struct hf_site *s, struct hf_err *err) HF_CHECKED;
/* A new one, written durably before this returns, and read. */
int hf_site_key_make(struct hf_site *s, struct hf_err *err) HF_CHECKED;
/* From the copy in the document. AUTH: it cannot be opened here. */
int hf_site_key_restore(struct hf_site *s, const struct hf_site_doc *doc, struct hf_err *err)
    HF_CHECKED;
/* Is it the one that the document names? CONFLICT: no. */
int hf_site_key_check(const struct hf_site *s, const struct hf_site_doc *doc, struct hf_err *err)
    HF_CHECKED;
/* The copy for the document: sealed to the recipients, or open. */
int hf_site_key_copy(const struct hf_site *s, struct hf_site_doc *doc, struct hf_err *err)
    HF_CHECKED;

#endif
