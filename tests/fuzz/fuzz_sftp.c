/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as packets of an SFTP server: an answer of each kind, and its greeting: read, or CORRUPT (UNSUPPORTED: another version).
 */
#include "store/sftp/sftp_wire.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int look(void *ctx, const char *name, const struct hf_sftp_attrs *a, struct hf_err *err)
{
    (void)ctx, (void)err;
    assert(name[0] && strlen(name) <= HF_SFTP_NAME_MAX && !strchr(name, '/'));
    assert(a->bytes <= INT64_MAX && a->changed_s >= 0);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_sftp_answer a;
    struct hf_sftp_extensions has;
    uint64_t n[11];
    if (hf_sftp_version_parse(data, size, &has, &err) < 0)
        assert(err.cls == HF_E_CORRUPT || err.cls == HF_E_UNSUPPORTED);
    if (hf_sftp_answer_parse(data, size, &a, &err) < 0) {
        assert(err.cls == HF_E_CORRUPT);
        return 0;
    }
    assert(a.len <= size && (!a.len || (a.data >= data && a.data + a.len <= data + size)));
    assert(a.attrs.bytes <= INT64_MAX);
    if (a.type == HF_SFTP_NAME && hf_sftp_names_parse(&a, look, NULL, &err) < 0)
        assert(err.cls == HF_E_CORRUPT);
    if (a.type == HF_SFTP_EXTENDED_REPLY)
        (void)!hf_sftp_numbers_parse(&a, n, 11, &err);
    return 0;
}
