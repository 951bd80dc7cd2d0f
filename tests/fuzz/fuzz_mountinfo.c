/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a guest's list of mounts: read whole, or CORRUPT. Then each mount that can be seen
 * is found at its own place.
 */
#include "base/mountinfo.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at_all(const struct hf_mountinfo *l)
{
    assert(l->n <= HF_MOUNTINFO_MAX);
    for (size_t i = 0; i < l->n && i < 64; i++) {
        const struct hf_mountinfo_entry *m = &l->items[i];
        assert(m->mountpoint[0] == '/' && strlen(m->mountpoint) <= HF_MOUNTINFO_NAME_MAX);
        assert(m->type && m->source && m->options);
        const struct hf_mountinfo_entry *found = hf_mountinfo_find(l, m->mountpoint);
        assert(m->is_hidden || strcmp(found->mountpoint, m->mountpoint) == 0);
        assert(!found || !found->is_hidden);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_mountinfo) struct hf_mountinfo l = {0};
    if (hf_mountinfo_parse((const char *)data, size, &l, &err) == 0)
        look_at_all(&l);
    else
        assert(err.cls == HF_E_CORRUPT && err.message[0]);
    return 0;
}
