/* SPDX-License-Identifier: Apache-2.0
 *
 * restore/disk_record.h - how far a disk that is being restored has come: what FILE.holdfast-part.json holds, in JSON.
 *
 *     {"format":1,"point":"web01/20261123T…","disk":"vda","root":"64 HEX","image":"raw","bytes":N,"chunk_bytes":N,
 *      "inode":N,"whole_ns":N|null,"durable":[[FROM,TO],…]}
 *
 * durable: chunks [FROM, TO) that were on the disk for good before the record said so, in ascending order; at most 65,536 ranges are
 * kept, what lies behind them is written again. whole_ns: all is there and synced, and the file had this time of change then.
 *
 * Reading takes any bytes; what is not exactly this is CORRUPT, and whoever reads it begins anew.
 */
#ifndef HF_RESTORE_DISK_RECORD_H
#define HF_RESTORE_DISK_RECORD_H

#include "base/buf.h"
#include "image/format.h"
#include "restore/chunk_set.h"

#define HF_DISK_RECORD_MAX ((size_t)4 << 20)
#define HF_DISK_RECORD_RANGES 65536u

enum hf_disk_format { HF_DISK_RAW, HF_DISK_QCOW2, HF_DISK_VMDK };
#define HF_DISK_FORMATS 3
extern const char *const hf_disk_formats[HF_DISK_FORMATS]; /* "raw", "qcow2", "vmdk" */

struct hf_disk_record {
    char *point, *disk; /* for people: the root says what is restored */
    unsigned char root[HF_IMAGE_ID];
    enum hf_disk_format format;
    struct hf_image_shape shape;
    uint64_t inode;   /* of the part file */
    int64_t whole_ns; /* 0: not yet */
    struct hf_chunk_set durable;
};

void hf_disk_record_free(struct hf_disk_record *r); /* by value: empties it */
HF_DEFINE_AUTO_VALUE(hf_disk_record, hf_disk_record_free)

int hf_disk_record_write(const struct hf_disk_record *r, struct hf_buf *out, struct hf_err *err)
    HF_CHECKED;
/* out is empty before, and to be freed in any case. */
int hf_disk_record_parse(const char *text, size_t len, struct hf_disk_record *out,
                         struct hf_err *err) HF_CHECKED;

#endif
