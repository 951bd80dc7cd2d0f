/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as what a vCenter answers: refused with a reason, or a tree that can be walked, whose faults have a class and one line.
 */
#include "vmw.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at(const struct vmw_node *n, int depth)
{
    struct vmw_ref ref;
    assert(depth <= VMW_DEPTH_MAX);
    for (; n; n = vmw_next_any(n)) {
        assert(vmw_name(n) && vmw_text(n) && vmw_type(n));
        if (vmw_ref_read(n, &ref))
            assert(*ref.type && *ref.id && vmw_ref_same(&ref, &ref));
        (void)vmw_int(n, 0);
        (void)vmw_true(n);
        (void)vmw_time(n);
        look_at(vmw_child(n, NULL), depth + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_instance in = {0};
    HF_AUTO(vmw_tree)
    struct vmw_tree *t = vmw_tree_parse((const char *)data, size, "Envelope", &err);
    if (!t) {
        assert(err.cls == HF_E_CORRUPT && err.message[0]);
        return 0;
    }
    look_at(vmw_tree_root(t), 0);
    assert(vmw_fail_envelope(&in, t, &err) == -1 && err.message[0] && !strchr(err.message, '\n'));
    (void)vmw_prop(vmw_child(vmw_child(vmw_response(t), "returnval"), "objects"), "info.state");
    assert(vmw_fail_localized(&in, vmw_response(t), &err) == -1 && err.message[0]);
    return 0;
}
