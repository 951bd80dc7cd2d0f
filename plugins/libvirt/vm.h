/* SPDX-License-Identifier: Apache-2.0
 *
 * vm.h - slots about virtual machines, and what other slots ask about one.
 */
#ifndef HF_LIBVIRT_VM_H
#define HF_LIBVIRT_VM_H

#include "domain_xml.h"
#include "lv.h"

int libvirt_probe(struct hf_instance *in, const struct hf_call *call, struct hf_probe *out,
                  struct hf_err *err);
int libvirt_vm_list(struct hf_instance *in, const struct hf_call *call, hf_vm_cb emit, void *ctx,
                    struct hf_err *err);
int libvirt_vm_find(struct hf_instance *in, const struct hf_call *call, const char *what,
                    struct hf_vm *out, struct hf_err *err);
int libvirt_vm_busy(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                    struct hf_err *err);
int libvirt_vm_definition(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                          const char **out, struct hf_err *err);

/* The state, and whether the VM runs on after an I/O error paused it (then NULL is not returned).
 */
enum hf_vm_state lv_vm_state(virDomainPtr dom, const char **out_trouble);
/* BUSY, naming the job, when anybody's job runs on this domain or one of its disks. */
int lv_vm_check_idle(virDomainPtr dom, const struct lv_vm *vm, struct hf_err *err) HF_CHECKED;
/* A call of a dead caller may still be at work in libvirtd. After this it has had its effect, or not yet begun. */
int lv_vm_wait_for_calls(virDomainPtr dom, struct hf_err *err) HF_CHECKED;
/* UNSUPPORTED when a captured disk of the running VM has another active layer than its definition for the next start. */
int lv_vm_check_definition(virDomainPtr dom, const struct lv_vm *vm, struct hf_err *err) HF_CHECKED;

#endif
