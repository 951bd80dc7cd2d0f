/* SPDX-License-Identifier: Apache-2.0
 *
 * point/verify_intern.h - the parts of a verification.
 */
#ifndef HF_POINT_VERIFY_INTERN_H
#define HF_POINT_VERIFY_INTERN_H

#include "point/moved.h"
#include "point/verify.h"

struct hf_verify {
    struct hf_site *site;
    struct hf_image *image;
    struct hf_verify_opts opts;
    unsigned char *packs; /* one per number of image/chunks.h: PACK_… of verify_packs.c */
    unsigned char *marks; /* as many: enum hf_image_damage, as the store says now */
    uint32_t n_packs;
    struct hf_err unmarked; /* the first mark that could not be set or taken away */
    struct hf_moved moved;
    bool has_gone; /* of the last point: a pack that it names, whose content was moved */
};

/* What is wrong, told and counted. Returns 0; or -1, and err has it, when it is no damage but something that keeps one from looking. */
int hf_verify_judge(const struct hf_verify *v, const struct hf_point_name *n,
                    struct hf_verified *out, struct hf_err *what, struct hf_err *err) HF_CHECKED;

/* verify_marks.c: what an earlier look found, and what this one finds, on the store: damaged/PACK. None of it fails. */
int hf_verify_marks_list(struct hf_verify *v, struct hf_err *err) HF_CHECKED;
/* what: what is wrong with it. A pack that is only marked is not said to be so. */
void hf_verify_mark(struct hf_verify *v, uint32_t number, const unsigned char id[HF_IMAGE_PACK_ID],
                    enum hf_image_damage what);
/* It was read, down to this depth, and was as it should be. False: what is marked lies deeper. */
bool hf_verify_unmark(struct hf_verify *v, uint32_t number,
                      const unsigned char id[HF_IMAGE_PACK_ID]);

/* verify_packs.c */
int hf_verify_packs_begin(struct hf_verify *v, struct hf_err *err) HF_CHECKED;
int hf_verify_packs(struct hf_verify *v, const struct hf_manifest *m, struct hf_verified *out,
                    struct hf_err *err) HF_CHECKED;
/* Is it known to be damaged, or not there? */
bool hf_verify_pack_is_bad(const struct hf_verify *v, uint32_t number);
/* One that nobody has looked at yet, as deep as is asked for; what is wrong is kept. */
int hf_verify_pack_read(struct hf_verify *v, uint32_t number, struct hf_verified *out,
                        struct hf_err *err) HF_CHECKED;
/* verify_disks.c: what of the disks lies in bad packs. */
int hf_verify_disks(struct hf_verify *v, const struct hf_manifest *m, struct hf_verified *out,
                    struct hf_err *err) HF_CHECKED;
/* The tree of a disk. */
int hf_verify_tree(struct hf_verify *v, const struct hf_manifest *m,
                   const struct hf_point_artifact *a, struct hf_verified *out, struct hf_err *err)
    HF_CHECKED;

#endif
