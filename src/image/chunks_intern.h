/* SPDX-License-Identifier: Apache-2.0
 *
 * image/chunks_intern.h - the parts of the index of a store: table, runs, file. Host byte order: it is a cache.
 */
#ifndef HF_IMAGE_CHUNKS_INTERN_H
#define HF_IMAGE_CHUNKS_INTERN_H

#include "image/chunks.h"

#include <pthread.h>

#define HF_IMAGE_RUNS_MAX 32
#define HF_IMAGE_TABLE_FIRST ((size_t)1 << 12)
#define HF_IMAGE_TABLE_LAST ((size_t)1 << 19)

struct hf_image_slot {
    unsigned char id[HF_IMAGE_ID];
    uint32_t pack, at, stored;
    uint32_t plain; /* top bit: zstd */
};
_Static_assert(sizeof(struct hf_image_slot) == 48, "the file depends on it");

struct hf_image_known {
    struct hf_image_pack pack; /* kind 0: the number is free, or will be after a save */
    bool is_condemned;
    bool was_lost; /* gone, but slots may name it until the next save */
};

struct hf_image_run {
    void *map;
    size_t map_bytes;
    const struct hf_image_slot *slots;
    size_t n;
};

struct hf_image_chunks {
    char *dir;
    pthread_rwlock_t lock;
    struct hf_image_known *packs;
    uint32_t packs_n, packs_cap;
    uint32_t *by_id; /* numbers of packs in the order of their ids */
    uint32_t by_id_n;
    bool is_changed;
    struct hf_image_run base;
    struct hf_image_run runs[HF_IMAGE_RUNS_MAX];
    size_t runs_n;
    struct hf_image_slot *table; /* open addressing; pack HF_IMAGE_NO_PACK: empty */
    size_t table_cap, table_n;
};

int hf_image_run_order(const void *a, const void *b); /* of slots: by id, then by pack */
/* The first slot that is not below id; r->n: none. */
size_t hf_image_run_search(const struct hf_image_run *r, const unsigned char *id);
void hf_image_run_unmap(struct hf_image_run *r);

/* A file in the directory that is gone when it is closed; -1: failed. */
int hf_image_nameless(const struct hf_image_chunks *c, struct hf_err *err) HF_CHECKED;
int hf_image_write_all(int fd, const void *data, size_t len, struct hf_err *err) HF_CHECKED;

/* The table, sorted, to a file without a name; empty afterwards. With the last of the runs all are merged: while they are full because
 * that failed, nothing comes into the table. */
int hf_image_table_spill(struct hf_image_chunks *c, struct hf_err *err) HF_CHECKED;

/* chunks_file.c. A missing or damaged file: nothing is loaded, 0. */
int hf_image_base_load(struct hf_image_chunks *c, struct hf_err *err) HF_CHECKED;
/* File and runs become the new file. Numbers of packs do not change. */
int hf_image_base_merge(struct hf_image_chunks *c, struct hf_err *err) HF_CHECKED;
int hf_image_by_id_rebuild(struct hf_image_chunks *c, struct hf_err *err) HF_CHECKED;

#endif
