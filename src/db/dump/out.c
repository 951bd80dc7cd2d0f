/* SPDX-License-Identifier: Apache-2.0 */
#include "db/dump/out.h"

#include <string.h>

int hf_dump_out_begin(struct hf_dump *d, struct hf_err *err)
{
    return d->opts.place ? 0 : hf_io_folder_begin(&d->folder, d->dir, "dump", err);
}

int hf_dump_out_finish(struct hf_dump *d, struct hf_err *err)
{
    return d->opts.place ? 0 : hf_io_folder_finish(&d->folder, err);
}

struct hf_io_sink *hf_dump_out_open(struct hf_dump *d, const char *name,
                                    struct hf_io_packer *packer, struct hf_dump_file *file,
                                    struct hf_err *err)
{
    file->name = strdup(name);
    if (!file->name) {
        hf_fail_nomem(err);
        return NULL;
    }
    struct hf_io_sink *s = d->place.open(d->place.ctx, name, &file->stored_bytes, err);
    if (s && packer)
        s = hf_io_pack_new(packer, s, err);
    return s ? hf_io_hash_new(s, &file->digest, err) : NULL;
}

int hf_dump_out_text(struct hf_dump *d, const char *name, const struct hf_buf *text,
                     struct hf_dump_file *file, struct hf_err *err)
{
    if (!hf_buf_ok(text))
        return hf_fail_nomem(err);
    if (text->len == 0)
        return 0;
    HF_AUTO(hf_io_sink) struct hf_io_sink *s = hf_dump_out_open(d, name, NULL, file, err);
    return s && hf_io_write(s, text->data, text->len, err) == 0 ? hf_io_finish(s, err) : -1;
}
