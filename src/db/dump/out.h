/* SPDX-License-Identifier: Apache-2.0
 *
 * db/dump/out.h - the directory: files into it, and INCOMPLETE around them. Another place (io/place.h) has files alone.
 */
#ifndef HF_DB_DUMP_OUT_H
#define HF_DB_DUMP_OUT_H

#include "db/dump/state.h"

/* Makes d->dir (0700) or takes an empty one, opens it, and puts INCOMPLETE there, durably. CONFLICT: not empty. */
int hf_dump_out_begin(struct hf_dump *d, struct hf_err *err) HF_CHECKED;
/* All on disk, then INCOMPLETE away. */
int hf_dump_out_finish(struct hf_dump *d, struct hf_err *err) HF_CHECKED;

/* A file whose content goes through packer (NULL: plain); *file is filled when it is finished, and file->name is set at once.
 * To be closed. */
struct hf_io_sink *hf_dump_out_open(struct hf_dump *d, const char *name,
                                    struct hf_io_packer *packer, struct hf_dump_file *file,
                                    struct hf_err *err) HF_CHECKED;
/* A whole small file, plain; empty text: none. */
int hf_dump_out_text(struct hf_dump *d, const char *name, const struct hf_buf *text,
                     struct hf_dump_file *file, struct hf_err *err) HF_CHECKED;

#endif
