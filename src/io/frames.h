/* SPDX-License-Identifier: Apache-2.0
 *
 * io/frames.h - zstd whose content can be read from its middle: independent frames, and behind them a table of their sizes.
 *
 * Format     the public "zstd seekable format" 0.1.0: whoever unpacks zstd skips the table and gets all of the content. Numbers are
 *            little-endian:
 *                4  0x184D2A5E            a frame that is skipped
 *                4  its length behind these 8 bytes
 *                per frame: 4 its bytes, 4 those of its content (, 4 a checksum, of others' tables: not looked at)
 *                4  how many frames
 *                1  flags: 0x80 with checksums; 0x7c reserved, 0
 *                4  0x8F92EAB1            the last bytes
 * Writing    is io/pack.h's; a frame has HF_IO_FRAME bytes of content, the last one what is left.
 * Input      stored bytes may be anybody's: the table's sums must be what is there, counts and sizes are bounded; a frame that does not unpack to
 *            what the table says is CORRUPT. What the content is has to be proven by who reads it: a table may lie about its order.
 * Memory     16 bytes per frame, and one frame, packed and unpacked.
 */
#ifndef HF_IO_FRAMES_H
#define HF_IO_FRAMES_H

#include "base/buf.h"
#include "io/source.h"

#include <stdint.h>

#define HF_IO_FRAME ((size_t)1 << 20)
#define HF_IO_FRAME_MAX ((size_t)16 << 20) /* of content, in what is read */
#define HF_IO_FRAMES_MAX ((uint32_t)1 << 24)

/* The table, as it grows. */
struct hf_io_frames {
    struct hf_buf entries;
    uint64_t n;
};
#define HF_IO_FRAMES_INIT                                                                          \
    {                                                                                              \
        0                                                                                          \
    }

/* One more frame, of less than 4 GiB. */
int hf_io_frames_add(struct hf_io_frames *f, uint64_t stored, uint64_t content, struct hf_err *err)
    HF_CHECKED;
/* Appends the table to out: nothing when there are too many frames for one, which leaves an ordinary file. */
int hf_io_frames_print(const struct hf_io_frames *f, struct hf_buf *out, struct hf_err *err)
    HF_CHECKED;
void hf_io_frames_free(struct hf_io_frames *f);
HF_DEFINE_AUTO_VALUE(hf_io_frames, hf_io_frames_free)

/* The content of `stored`, which it owns in any case; path is copied, for messages. 1: *out; 0: it has no table, or one with frames
 * larger or more than ours may be: it can be read from its beginning only; -1. One frame is kept: reading on unpacks nothing twice. */
int hf_io_frames_open(struct hf_io_source *stored, const char *path, struct hf_io_source **out,
                      struct hf_err *err) HF_CHECKED;

#endif
