/* SPDX-License-Identifier: Apache-2.0
 *
 * run/store_list.h - the engine behind `store list`: each configured store, as it can be opened just now.
 *
 * Whether it is off the host is judged for all VMs by what the configuration says of them; which disks they have and which addresses their
 * guests tell, `check` and `backup` ask. A store that does not answer costs 10 s or little more. Nothing on it is changed; STATE
 * gets what opening a store leaves there (point/site.h).
 */
#ifndef HF_RUN_STORE_LIST_H
#define HF_RUN_STORE_LIST_H

#include "net/json.h"
#include "run/env.h"

/* *out_report is to be put: {"stores":[{"name","url","reachable","ready","id","recipients","off_host","off_host_why","off_host_setting",
 * "points","bytes","free_bytes","error","hint"}]}. points, bytes: what the catalog knows to be there. -1: no list can be made. */
int hf_run_store_list(const struct hf_env *env, struct json_object **out_report, struct hf_err *err)
    HF_CHECKED;

#endif
