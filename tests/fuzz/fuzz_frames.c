/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as zstd in frames with their table: read here and there it is CORRUPT, or the same as when it is read again.
 */
#include "io/frames.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_here_and_there(struct hf_io_source *s)
{
    char first[512], again[512];
    for (uint64_t at = 0, steps = 0; at < s->size && steps < 64; at += s->size / 16 + 1, steps++) {
        struct hf_err err = HF_ERR_INIT;
        size_t n = s->size - at < sizeof first ? (size_t)(s->size - at) : sizeof first;
        int rc = hf_io_read_at(s, at, first, n, &err);
        assert(rc == 0 || err.cls == HF_E_CORRUPT);
        struct hf_err ignored = HF_ERR_INIT;
        (void)!hf_io_read_at(s, s->size - n, again, n, &ignored);
        ignored = (struct hf_err)HF_ERR_INIT;
        assert(hf_io_read_at(s, at, again, n, &ignored) == rc);
        assert(rc < 0 || memcmp(first, again, n) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_io_source) struct hf_io_source *s = NULL;
    struct hf_io_source *stored = hf_io_source_memory(data, size, &err);
    int rc = stored ? hf_io_frames_open(stored, "F", &s, &err) : -1;
    assert(rc >= 0 || err.cls == HF_E_CORRUPT);
    assert((rc == 1) == (s != NULL));
    if (s)
        read_here_and_there(s);
    return 0;
}
