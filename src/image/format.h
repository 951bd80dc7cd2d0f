/* SPDX-License-Identifier: Apache-2.0
 *
 * image/format.h - the bytes of packs, indexes and trees, as docs/format.md describes them: written, and read with distrust.
 *
 * Reading takes any bytes: what is out of bounds, out of order or not zero where it has to be is CORRUPT. Nothing here allocates by a
 * number from outside without having bounded it. All numbers are little-endian.
 */
#ifndef HF_IMAGE_FORMAT_H
#define HF_IMAGE_FORMAT_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HF_IMAGE_ID 32      /* of a chunk, a segment, a root */
#define HF_IMAGE_ID_HEX 65  /* with the NUL */
#define HF_IMAGE_PACK_ID 16 /* random */
#define HF_IMAGE_PACK_HEX 33
#define HF_IMAGE_SHA256 32

#define HF_IMAGE_CHUNK_BYTES ((uint32_t)256 << 10) /* the usual one */
#define HF_IMAGE_CHUNK_MIN ((uint32_t)4 << 10)
#define HF_IMAGE_CHUNK_MAX ((uint32_t)4 << 20)
#define HF_IMAGE_SEGMENT_CHUNKS 256u
#define HF_IMAGE_SEGMENTS_MAX ((uint64_t)1 << 20) /* of a disk: 64 TiB with the usual chunk */
#define HF_IMAGE_RECORDS_MAX 8192u                /* of a pack */
#define HF_IMAGE_PACK_MAX ((uint64_t)128 << 20)   /* bytes of a pack's content */
#define HF_IMAGE_RECORD_MAX ((uint32_t)33 << 20)  /* bytes of a record's content: a root */

enum hf_image_kind { HF_IMAGE_DATA = 1, HF_IMAGE_TREE = 2 };
enum hf_image_codec { HF_IMAGE_RAW = 0, HF_IMAGE_ZSTD = 1 };

extern const unsigned char hf_image_hole[HF_IMAGE_ID]; /* all zero: the id of what is all zero */

static inline bool hf_image_is_hole(const unsigned char *id)
{
    return memcmp(id, hf_image_hole, HF_IMAGE_ID) == 0;
}

/* Of any length and at any address; the ends first, where data is most likely. */
static inline bool hf_image_is_zero(const unsigned char *p, size_t len)
{
    if (len < 16)
        return memcmp(p, hf_image_hole, len) == 0;
    return memcmp(p, hf_image_hole, 16) == 0 && memcmp(p, p + 16, len - 16) == 0;
}

/* ---- names of objects ------------------------------------------------------------------- */

#define HF_IMAGE_NAME_MAX 64

/* "packs/xx/ID", "trees/xx/ID", with ".age" */
void hf_image_pack_name(enum hf_image_kind kind, const unsigned char id[HF_IMAGE_PACK_ID],
                        bool is_encrypted, char out[HF_IMAGE_NAME_MAX]);
/* "condemned/ID" */
void hf_image_condemned_name(const unsigned char id[HF_IMAGE_PACK_ID], char out[HF_IMAGE_NAME_MAX]);
bool hf_image_condemned_id(const char *name, unsigned char out[HF_IMAGE_PACK_ID]);
/* "damaged/ID" */
void hf_image_damaged_name(const unsigned char id[HF_IMAGE_PACK_ID], char out[HF_IMAGE_NAME_MAX]);
bool hf_image_damaged_id(const char *name, unsigned char out[HF_IMAGE_PACK_ID]);
/* "moved/OLD/NEW" */
#define HF_IMAGE_MOVED_MAX 80
void hf_image_moved_name(const unsigned char old[HF_IMAGE_PACK_ID],
                         const unsigned char new_id[HF_IMAGE_PACK_ID],
                         char out[HF_IMAGE_MOVED_MAX]);
bool hf_image_moved_ids(const char *name, unsigned char out_old[HF_IMAGE_PACK_ID],
                        unsigned char out_new[HF_IMAGE_PACK_ID]);
/* "index/ID.idx", with ".age" */
void hf_image_index_name(const unsigned char id[HF_IMAGE_PACK_ID], bool is_encrypted,
                         char out[HF_IMAGE_NAME_MAX]);
/* The other way round; false: another name. */
bool hf_image_pack_id(enum hf_image_kind kind, const char *name, bool is_encrypted,
                      unsigned char out[HF_IMAGE_PACK_ID]);
bool hf_image_index_id(const char *name, bool is_encrypted, unsigned char out[HF_IMAGE_PACK_ID]);

/* ---- packs ------------------------------------------------------------------------------ */

#define HF_IMAGE_PACK_HEAD 32
#define HF_IMAGE_RECORD_HEAD 44
#define HF_IMAGE_PACK_TAIL 24

struct hf_image_entry {
    unsigned char id[HF_IMAGE_ID];
    uint32_t at; /* of the record in the pack's content */
    uint32_t stored, plain;
    uint32_t codec; /* enum hf_image_codec */
};

void hf_image_pack_head(enum hf_image_kind kind, const unsigned char id[HF_IMAGE_PACK_ID],
                        unsigned char out[HF_IMAGE_PACK_HEAD]);
int hf_image_pack_head_parse(const unsigned char *data, enum hf_image_kind *out_kind,
                             unsigned char out_id[HF_IMAGE_PACK_ID], struct hf_err *err) HF_CHECKED;
/* Without `at`. */
void hf_image_record_head(const struct hf_image_entry *e, unsigned char out[HF_IMAGE_RECORD_HEAD]);
int hf_image_record_parse(const unsigned char *data, struct hf_image_entry *out, struct hf_err *err)
    HF_CHECKED;
void hf_image_pack_tail(uint32_t records, uint64_t bytes_before,
                        unsigned char out[HF_IMAGE_PACK_TAIL]);
int hf_image_pack_tail_parse(const unsigned char *data, uint32_t *out_records,
                             uint64_t *out_bytes_before, struct hf_err *err) HF_CHECKED;

/* ---- indexes ---------------------------------------------------------------------------- */

#define HF_IMAGE_INDEX_HEAD 88
#define HF_IMAGE_INDEX_ENTRY 48
#define HF_IMAGE_INDEX_MAC 32
#define HF_IMAGE_INDEX_MAX                                                                         \
    (HF_IMAGE_INDEX_HEAD + (size_t)HF_IMAGE_RECORDS_MAX * HF_IMAGE_INDEX_ENTRY + HF_IMAGE_INDEX_MAC)

struct hf_image_pack {
    unsigned char id[HF_IMAGE_PACK_ID];
    uint32_t kind; /* enum hf_image_kind */
    uint32_t records;
    uint64_t stored_bytes, plain_bytes;    /* of the object; of its content */
    unsigned char sha256[HF_IMAGE_SHA256]; /* of the object */
};

/* Entries in the order of their ids. key: index_mac of struct hf_image_keys. */
void hf_image_index_write(const struct hf_image_pack *pack, const struct hf_image_entry *entries,
                          const unsigned char key[32], struct hf_buf *out);
/* *out_entries is to be freed. CORRUPT also: not written by a holder of the key. */
int hf_image_index_parse(const void *data, size_t len, const unsigned char key[32],
                         struct hf_image_pack *out_pack, struct hf_image_entry **out_entries,
                         struct hf_err *err) HF_CHECKED;

/* ---- trees ------------------------------------------------------------------------------ */

#define HF_IMAGE_TREE_MAGIC 8
#define HF_IMAGE_ROOT_HEAD 24
#define HF_IMAGE_SEGMENT_MAX (HF_IMAGE_TREE_MAGIC + (size_t)HF_IMAGE_SEGMENT_CHUNKS * HF_IMAGE_ID)

struct hf_image_shape {
    uint64_t disk_bytes;
    uint32_t chunk_bytes;
};

bool hf_image_chunk_bytes_is_valid(uint32_t bytes);
uint64_t hf_image_chunks_n(const struct hf_image_shape *s);
uint64_t hf_image_segments_n(const struct hf_image_shape *s);
/* Bytes of chunk n: the last one may be shorter. */
uint32_t hf_image_chunk_len(const struct hf_image_shape *s, uint64_t n);
/* Chunks of segment n. */
uint32_t hf_image_segment_len(const struct hf_image_shape *s, uint64_t n);

void hf_image_segment_write(const unsigned char *ids, uint32_t n, struct hf_buf *out);
/* ids: n × HF_IMAGE_ID; n is what the shape says. */
int hf_image_segment_parse(const void *data, size_t len, uint32_t n, unsigned char *out_ids,
                           struct hf_err *err) HF_CHECKED;
void hf_image_root_write(const struct hf_image_shape *s, const unsigned char *segment_ids,
                         struct hf_buf *out);
/* *out_ids (segments × HF_IMAGE_ID, never NULL) is to be freed. */
int hf_image_root_parse(const void *data, size_t len, struct hf_image_shape *out,
                        unsigned char **out_ids, struct hf_err *err) HF_CHECKED;

#endif
