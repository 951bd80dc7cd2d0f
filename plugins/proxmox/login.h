/* SPDX-License-Identifier: Apache-2.0
 *
 * login.h - who we are: an API token, or a ticket that a password bought for two hours. Secrets are wiped after use.
 */
#ifndef HF_PROXMOX_LOGIN_H
#define HF_PROXMOX_LOGIN_H

#include "pve.h"

/* Headers that hold secrets. */
void pve_lines_wipe(struct hf_strv *lines);
#define PVE_AUTO_LINES __attribute__((cleanup(pve_lines_wipe)))

/* Keys that do not fit together, a file that holds no secret: CONFIG. */
int pve_identity_read(struct hf_instance *in, struct hf_err *err) HF_CHECKED;
/* -1: no memory. Without a ticket (the log-in itself) nothing is added. */
int pve_identity_add(struct hf_instance *in, bool is_get, struct hf_strv *lines) HF_CHECKED;

bool pve_is_login(const struct pve_req *req);
/* By the password. AUTH: also where there is a second factor. */
int pve_log_in(struct hf_instance *in, const struct hf_call *call, struct hf_err *err) HF_CHECKED;
/* Before a request: by the old ticket while it lasts, else by the password. */
int pve_renew_if_due(struct hf_instance *in, const struct hf_call *call, const struct pve_req *req,
                     struct hf_err *err) HF_CHECKED;

#endif
