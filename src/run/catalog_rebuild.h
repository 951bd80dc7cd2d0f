/* SPDX-License-Identifier: Apache-2.0
 *
 * run/catalog_rebuild.h - the engine behind `catalog rebuild`: what lies on the stores becomes what the catalog knows.
 *
 * Store by store, each in one transaction of the catalog; one that cannot be read keeps what is known of it, is named, and the others
 * go on. Nothing on the stores is changed. A crash leaves each store's rows as before, or rebuilt.
 */
#ifndef HF_RUN_CATALOG_REBUILD_H
#define HF_RUN_CATALOG_REBUILD_H

#include "net/json.h"
#include "run/env.h"

/* *out_report is to be put: {"stores":[{"name","id","points","new":["VM/ID"],"gone":["VM/ID"],"unfinished","damaged","damage",
 * "error"}]}; damage: of the first manifest that is. *out_is_bad: a manifest is damaged, or a store could not be read. store NULL: all. */
int hf_run_catalog_rebuild(const struct hf_env *env, const char *store,
                           struct json_object **out_report, bool *out_is_bad, struct hf_err *err)
    HF_CHECKED;

#endif
