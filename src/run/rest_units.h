/* SPDX-License-Identifier: Apache-2.0
 *
 * run/rest_units.h - which systemd units are a VM's database.
 */
#ifndef HF_RUN_REST_UNITS_H
#define HF_RUN_REST_UNITS_H

#include "config/config.h"
#include "guest/guest.h"

/* Those of db-service, else what is found in the guest; in the order of stopping. NOT_FOUND: none. */
int hf_rest_units_db(const struct hf_config_vm *vm, struct hf_guest *g, int64_t deadline_ms,
                     struct hf_strv *out, struct hf_err *err) HF_CHECKED;

#endif
