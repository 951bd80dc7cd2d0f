/* SPDX-License-Identifier: Apache-2.0
 *
 * run/off_host.h - what store/offhost.h has to be asked for a VM: whose addresses, which disks.
 *
 * Text of the guest and the hypervisor is handed on as it is: store/offhost.h distrusts it.
 */
#ifndef HF_RUN_OFF_HOST_H
#define HF_RUN_OFF_HOST_H

#include "guest/guest.h"
#include "point/manifest.h"
#include "run/env.h"
#include "store/offhost.h"

struct hf_secured { /* the system that a backup must not stay on */
    struct hf_strv guest, hypervisor, disks;
};
void hf_secured_free(struct hf_secured *s); /* by value: empties it */
HF_DEFINE_AUTO_VALUE(hf_secured, hf_secured_free)

/* What the configuration says: where its database and its ssh are, and the hosts in its hypervisor's uri. */
int hf_secured_add_vm(struct hf_secured *s, const struct hf_config_vm *vm,
                      const struct hf_config_hypervisor *h, struct hf_err *err) HF_CHECKED;
int hf_secured_add_disks(struct hf_secured *s, const struct hf_disk_list *disks, struct hf_err *err)
    HF_CHECKED;
/* The addresses that the guest tells; added to out. Errors: those of the channel. */
int hf_secured_ask_guest(struct hf_guest *g, int64_t deadline_ms, struct hf_strv *out,
                         struct hf_err *err) HF_CHECKED;

/* Of a server alone, by name or address. Errors and time: as below. */
int hf_secured_judge_server(const struct hf_secured *s, const struct hf_env *env,
                            const char *server, struct hf_offhost_verdict *out, struct hf_err *err)
    HF_CHECKED;
/* 10 s for names. Errors: store/offhost.h. */
int hf_secured_judge(const struct hf_secured *s, const struct hf_env *env,
                     const struct hf_config_store *store, struct hf_offhost_verdict *out,
                     struct hf_err *err) HF_CHECKED;
/* "proven"; "assumed": it is not, and the configuration takes it for granted; "refused". */
const char *hf_off_host_word(const struct hf_config_store *store,
                             const struct hf_offhost_verdict *v);

/* Of a copy on a store of which the word is `store`, whose disks lie elsewhere: it is no better off the host than they. What does not
 * protect at all has no word: see its `protected`. */
const char *hf_off_host_weaker(const char *store, enum hf_point_off_host disks);

#endif
