/* SPDX-License-Identifier: Apache-2.0 */
#include "run/rest_units.h"

#include "guest/services.h"

int hf_rest_units_db(const struct hf_config_vm *vm, struct hf_guest *g, int64_t deadline_ms,
                     struct hf_strv *out, struct hf_err *err)
{
    if (!vm->db_service.n)
        return hf_units_find_db(g, out, deadline_ms, err);
    for (size_t i = 0; i < vm->db_service.n; i++)
        if (hf_strv_add(out, vm->db_service.items[i]) < 0)
            return hf_fail_nomem(err);
    return 0;
}
