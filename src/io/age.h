/* SPDX-License-Identifier: Apache-2.0
 *
 * io/age.h - files in the public age v1 format (age-encryption.org/v1), for X25519 recipients.
 *
 * What is written here opens with the ordinary `age -d`, and the other way round. Encryption is a sink; decryption is a
 * source with random access, because an age file is a row of chunks of 64 KiB, each authenticated for itself. Age proves that a
 * file is whole and was made for one of the recipients; it does not prove by whom.
 *
 * Secrets are wiped when freed, and never part of a message. Errors name what is wrong with the file, not which one: the caller wraps.
 */
#ifndef HF_IO_AGE_H
#define HF_IO_AGE_H

#include "base/cleanup.h"
#include "base/err.h"
#include "base/secret.h"
#include "io/sink.h"
#include "io/source.h"

#include <stddef.h>
#include <stdint.h>

#define HF_AGE_KEY 32
#define HF_AGE_TEXT_MAX 80 /* of a key, with NUL */

/* ---- recipients: public ----------------------------------------------------------------- */

#define HF_AGE_RECIPIENTS_MAX 32
struct hf_age_recipients {
    size_t n;
    unsigned char key[HF_AGE_RECIPIENTS_MAX][HF_AGE_KEY];
};

/* "age1…"; one that is there already is not added again. CONFIG: no such key, or too many. */
int hf_age_recipients_add(struct hf_age_recipients *r, const char *text, struct hf_err *err)
    HF_CHECKED;

/* ---- identities: secret ----------------------------------------------------------------- */

#define HF_AGE_IDENTITIES_MAX 64
struct hf_age_identities;

/* One new key. */
struct hf_age_identities *hf_age_identities_generate(struct hf_err *err) HF_CHECKED;
/* A private file (hf_path_open_private) as age-keygen writes it: a key per line, empty lines and those with #. CONFIG: anything
 * else in it, none, or too many. */
struct hf_age_identities *hf_age_identities_read(const char *path, struct hf_err *err) HF_CHECKED;
void hf_age_identities_free(struct hf_age_identities *ids);
HF_DEFINE_AUTO(hf_age_identities, hf_age_identities_free)

size_t hf_age_identities_n(const struct hf_age_identities *ids);
/* The keys of `more` too; CONFIG: too many. */
int hf_age_identities_join(struct hf_age_identities *ids, const struct hf_age_identities *more,
                           struct hf_err *err) HF_CHECKED;
/* "age1…", the recipient of key i. */
void hf_age_identities_recipient(const struct hf_age_identities *ids, size_t i,
                                 char out[HF_AGE_TEXT_MAX]);
/* "AGE-SECRET-KEY-1…" of key i. NULL: no memory. */
struct hf_secret *hf_age_identities_text(const struct hf_age_identities *ids, size_t i);
/* The 32 bytes of key i, valid until free: to derive other keys from. */
const unsigned char *hf_age_identities_reveal(const struct hf_age_identities *ids, size_t i);

/* ---- files ------------------------------------------------------------------------------ */

#define HF_AGE_CHUNK ((size_t)64 << 10)

/* Bytes of the file that plain_bytes become. */
uint64_t hf_age_file_size(size_t n_recipients, uint64_t plain_bytes);

/* Encrypts into next, which it owns, also when it fails. The header goes out at once; memory: 128 KiB. CONFIG: no recipient, or a
 * key that is none (a point of low order). */
struct hf_io_sink *hf_age_sink_new(const struct hf_age_recipients *to, struct hf_io_sink *next,
                                   struct hf_err *err) HF_CHECKED;

/* The plain text of `file`, which it owns, also when it fails. Opening reads the header and the last chunk: so size is proven,
 * and a file cut at any place is CORRUPT here. AUTH: none of the keys opens it. CORRUPT: not an age file, or a changed one.
 * One chunk is kept: reading on from where one stopped decrypts nothing twice. ids is needed only while opening. */
struct hf_io_source *hf_age_source_new(struct hf_io_source *file,
                                       const struct hf_age_identities *ids, struct hf_err *err)
    HF_CHECKED;

/* What opens one file, from its header. A secret: to be wiped. */
struct hf_age_key {
    unsigned char key[32];
    uint64_t payload_at; /* 0: not known */
};
/* For who knows the file's length and its content's digest from elsewhere: its end is not looked at, so it is opened with one read,
 * or none when *key is its own already; else *key is filled. */
struct hf_io_source *hf_age_source_known(struct hf_io_source *file,
                                         const struct hf_age_identities *ids,
                                         struct hf_age_key *key, struct hf_err *err) HF_CHECKED;

/* AUTH: encrypted data, and not one key. Returns -1. */
int hf_age_fail_keyless(struct hf_err *err);

#endif
