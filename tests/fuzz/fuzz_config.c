/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a configuration file: accepted whole, or refused with a class and a place.
 */
#include "config/config.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at_all(const struct hf_config *c)
{
    struct hf_err err = HF_ERR_INIT;
    assert(hf_config_get_defaults(c)->state[0] == '/');
    for (size_t i = 0; i < hf_config_vm_count(c); i++) {
        const struct hf_config_vm *vm = hf_config_vm_at(c, i);
        assert(hf_config_find_vm(c, vm->label, &err) == vm);
        assert(hf_config_find_hypervisor(c, vm->hypervisor, &err));
        assert(vm->quiesce_timeout >= vm->stall_budget);
        assert((vm->db.kind == HF_DB_TCP) == (vm->db.host != NULL));
        assert(hf_grade_name(vm->require) && hf_quiesce_name(vm->quiesce));
        for (size_t k = 0; k < vm->stores.n; k++)
            assert(hf_config_find_store(c, vm->stores.items[k], &err));
    }
    for (size_t i = 0; i < hf_config_store_count(c); i++) {
        const struct hf_config_store *s = hf_config_store_at(c, i);
        assert(strstr(s->url, "://") && !s->access_key_file == !s->secret_key_file);
        assert(!s->pin || strlen(s->pin) == 52);
    }
    for (size_t i = 0; i < hf_config_policy_count(c); i++) {
        const struct hf_config_policy *p = hf_config_policy_at(c, i);
        assert(p->vms.include.n > 0 && p->schedule.minutes && p->schedule.hours);
        assert(p->window.from_min < 1440 && p->window.until_min < 1440);
        assert(!p->produce || p->produce == HF_PRODUCE_SNAPSHOT || p->produce & HF_PRODUCE_IMAGE);
        assert(p->jitter >= 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_config) struct hf_config *c = hf_config_parse((const char *)data, size, "f", &err);
    if (c)
        look_at_all(c);
    else
        assert(err.cls == HF_E_CONFIG && strncmp(err.message, "f:", 2) == 0);
    return 0;
}
