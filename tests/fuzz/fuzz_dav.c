/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a WebDAV server's answer to PROPFIND: read, or CORRUPT, or AUTH for what it does not tell. What was read is within its bounds.
 */
#include "store/dav/dav_xml.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int look(void *ctx, const struct hf_dav_entry *e, struct hf_err *err)
{
    (void)err;
    size_t len = strlen(e->path);
    assert(len < HF_DAV_TEXT_MAX && (len == 0 || (e->path[0] == '/' && e->path[len - 1] != '/')));
    assert(e->bytes <= INT64_MAX && e->changed_s >= 0 && e->room_bytes >= -1);
    ++*(size_t *)ctx;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hf_err err = HF_ERR_INIT;
    size_t n = 0;
    if (hf_dav_multistatus_parse((const char *)data, size, look, &n, &err) < 0) {
        assert((err.cls == HF_E_CORRUPT || err.cls == HF_E_AUTH) && err.message[0]);
        for (const char *p = err.message; *p; p++)
            assert(*p >= ' ' && *p <= '~');
    }
    assert(n <= size);
    return 0;
}
