/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a time zone file: read whole, or refused. Then the times join without a hole.
 */
#include "base/zone.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_zone) struct hf_zone *tz = hf_zone_parse(data, size, &err);
    if (!tz) {
        assert((err.cls == HF_E_CORRUPT || err.cls == HF_E_UNSUPPORTED) && err.message[0]);
        return 0;
    }
    struct hf_zone_span s = hf_zone_span_at(tz, INT64_MIN);
    assert(s.from_s == INT64_MIN);
    while (s.until_s != HF_ZONE_NEVER) {
        struct hf_zone_span next = hf_zone_span_at(tz, s.until_s);
        assert(next.from_s == s.until_s && next.until_s > next.from_s);
        assert(next.offset_before == s.offset && next.offset != s.offset);
        s = next;
    }
    return 0;
}
