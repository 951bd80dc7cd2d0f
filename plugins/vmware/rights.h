/* SPDX-License-Identifier: Apache-2.0
 *
 * rights.h - which privileges the user has on a VM, and what each is for. A missing one is told before anything is held.
 */
#ifndef HF_VMWARE_RIGHTS_H
#define HF_VMWARE_RIGHTS_H

#include "vmw.h"

#define VMW_FOR_SNAPSHOTS 1u
#define VMW_FOR_ROLLBACKS 2u
#define VMW_FOR_GUESTS 4u
#define VMW_FOR_EXPORTS 8u

struct vmw_rights {
    uint32_t missing; /* a bit for each of rights.c's list */
    bool is_unknown;  /* this server does not tell: taken for granted */
};
static inline void vmw_rights_free(struct vmw_rights *r)
{
    r->missing = 0;
}
HF_DEFINE_AUTO_VALUE(vmw_rights, vmw_rights_free)

int vmw_rights_load(struct hf_instance *in, const struct hf_call *call, const struct vmw_ref *vm,
                    struct vmw_rights *out, struct hf_err *err) HF_CHECKED;
/* AUTH, naming all that is missing for these; its hint also what is missing for `later`. */
int vmw_rights_check(const struct vmw_rights *r, unsigned what_for, unsigned later,
                     struct hf_err *err) HF_CHECKED;
int vmw_rights_warn(const struct vmw_rights *r, unsigned what_for, hf_text_cb warn, void *ctx);
/* Of the guest operations; *out_missing: the first privilege that is missing for them, or NULL. */
uint64_t vmw_rights_can(const struct vmw_rights *r, const char **out_missing);

#endif
