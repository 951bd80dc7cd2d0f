/* SPDX-License-Identifier: Apache-2.0
 *
 * config/apps.h - the applications of a VM: where their sections come from, and what they add to it; private to config/.
 *
 * load    for each app that a VM names and the file has no section of: APP-DIR/NAME.conf, which holds that one section and
 *         nothing else. Its sections belong to the configuration as if they stood in the file. The name is bounded
 *         (hf_app_name_is_valid): it never leaves the directory. The same is asked of the file as of the configuration itself.
 * merge   the VM's lists become its own values, then those of its apps in the order named, each once. Schedulers of
 *         all apps come before their services, since they are stopped in this order. A list that was empty has the line of
 *         `apps` from now on. Values are copied.
 *
 * CONFIG, with file and line: an app that nobody knows (the hint names the nearest), a section that cannot be named, a file
 * that others can write or that holds something else, lists that get too long together.
 */
#ifndef HF_CONFIG_APPS_H
#define HF_CONFIG_APPS_H

#include "config/parse.h"

/* After [defaults] is filled in, before the other sections are. */
int hf_config_load_apps(struct hf_config *c, struct hf_err *err) HF_CHECKED;
int hf_config_merge_apps(const struct hf_config *c, struct hf_config_vm *vm, struct hf_err *err)
    HF_CHECKED;

#endif
