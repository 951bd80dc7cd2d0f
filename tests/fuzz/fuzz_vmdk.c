/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as the stream of an export: extents in order and on the disk, all of it when it ends well, the same however it was
 * cut. The first byte says into what pieces.
 */
#include "vmdk.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sink {
    uint64_t at, sum;
};

static int take(void *ctx, uint64_t offset, const void *bytes, uint64_t len)
{
    struct sink *s = ctx;
    assert(offset == s->at && len && offset + len > offset);
    for (uint64_t i = 0; bytes && i < len; i++)
        s->sum = s->sum * 31 + ((const uint8_t *)bytes)[i] + offset;
    s->at += len;
    return 0;
}

static int decode(const uint8_t *data, size_t size, size_t step, struct sink *s)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(vmw_vmdk) struct vmw_vmdk *v = vmw_vmdk_new(take, s);
    int rc = v ? 0 : -1;
    for (size_t at = 0; rc == 0 && at < size; at += step)
        rc = vmw_vmdk_write(v, data + at, size - at < step ? size - at : step, &err);
    if (rc == 0)
        rc = vmw_vmdk_finish(v, &err);
    assert(rc == 0 || err.message[0]);
    assert(!v || s->at <= vmw_vmdk_capacity(v));
    assert(rc != 0 || s->at == vmw_vmdk_capacity(v));
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct sink whole = {0}, pieces = {0};
    int a = decode(data + 1, size - 1, size, &whole);
    int b = decode(data + 1, size - 1, 1 + data[0], &pieces);
    assert(a == b && whole.at == pieces.at && whole.sum == pieces.sum);
    return 0;
}
