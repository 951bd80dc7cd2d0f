/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as the inner object of a manifest (the seal was right): what is accepted names nothing outside its point, can be
 * written, and is read back as the same bytes; what is refused is CORRUPT or of another format.
 */
#include "point/manifest_intern.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at_all(const struct hf_manifest *m)
{
    struct hf_err err = HF_ERR_INIT;
    char name[HF_POINT_NAME_MAX], prefix[HF_POINT_NAME_MAX], digest[HF_SHA256_HEX];
    assert(m->grade >= 'A' && m->grade <= 'E' && m->proof && m->hypervisor && m->vm_id);
    assert(hf_point_prefix(&m->point, prefix, &err) == 0);
    for (size_t i = 0; i < m->n_artifacts; i++) {
        const struct hf_point_artifact *a = &m->artifacts[i];
        assert(hf_point_kind_has_objects(a->kind) || a->n_objects == 0);
        assert(a->kind == HF_POINT_PUSHED || hf_manifest_digest(a, digest, &err) == 0);
        assert(a->kind != HF_POINT_PUSHED || (*a->pushed.ref && a->pushed.disks.n));
        for (size_t j = 0; j < a->n_objects; j++) {
            assert(hf_point_object_at(&m->point, a->objects[j].name, name, &err) == 0);
            assert(strncmp(name, prefix, strlen(prefix)) == 0 && !strstr(name, "/../"));
        }
    }
    for (size_t i = 0; i < m->n_packs; i++)
        assert(hf_manifest_has_pack(m, m->packs[i]));
}

/* Once written it stays as it is. */
static void write_again(struct hf_manifest *m)
{
    static const struct hf_image_keys keys;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf first = HF_BUF_INIT;
    HF_AUTO(hf_buf) struct hf_buf second = HF_BUF_INIT;
    HF_AUTO(hf_manifest) struct hf_manifest back = {0};
    assert(hf_manifest_write(m, &keys, false, &first, &err) == 0);
    assert(hf_manifest_read(first.data, first.len, &keys, false, &back, &err) == 0);
    assert(hf_manifest_write(&back, &keys, false, &second, &err) == 0);
    assert(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_manifest) struct hf_manifest m = {0};
    if (hf_manifest_parse((const char *)data, size, false, &m, &err) < 0) {
        assert(err.cls == HF_E_CORRUPT || err.cls == HF_E_UNSUPPORTED);
        return 0;
    }
    look_at_all(&m);
    write_again(&m);
    return 0;
}
