/* SPDX-License-Identifier: Apache-2.0
 *
 * All verbs, in the order of the help. Each is defined in the verb_*.c of its name, or its first word.
 */
#include "cli/cli.h"

extern const struct hf_verb hf_verb_check;
extern const struct hf_verb hf_verb_snapshot_create;
extern const struct hf_verb hf_verb_snapshot_list;
extern const struct hf_verb hf_verb_snapshot_delete;
extern const struct hf_verb hf_verb_snapshot_rollback;
extern const struct hf_verb hf_verb_backup;
extern const struct hf_verb hf_verb_store_init;
extern const struct hf_verb hf_verb_store_list;
extern const struct hf_verb hf_verb_list;
extern const struct hf_verb hf_verb_verify;
extern const struct hf_verb hf_verb_serve;
extern const struct hf_verb hf_verb_catalog_rebuild;
extern const struct hf_verb hf_verb_dump;
extern const struct hf_verb hf_verb_load;
extern const struct hf_verb hf_verb_maintain;
extern const struct hf_verb hf_verb_prune;
extern const struct hf_verb hf_verb_archive;
extern const struct hf_verb hf_verb_restore_dump;
extern const struct hf_verb hf_verb_restore_files;
extern const struct hf_verb hf_verb_restore_image;
extern const struct hf_verb hf_verb_restore_vm;
extern const struct hf_verb hf_verb_restore_app;
extern const struct hf_verb hf_verb_show;
extern const struct hf_verb hf_verb_status;
extern const struct hf_verb hf_verb_policies;
extern const struct hf_verb hf_verb_plugins;
extern const struct hf_verb hf_verb_recover;
extern const struct hf_verb hf_verb_release;
extern const struct hf_verb hf_verb_guardian;
extern const struct hf_verb hf_verb_sample_config;
extern const struct hf_verb hf_verb_completion;
extern const struct hf_verb hf_verb_help;

const struct hf_verb *const hf_verbs[] = {
    &hf_verb_check,
    &hf_verb_snapshot_create,
    &hf_verb_snapshot_list,
    &hf_verb_snapshot_delete,
    &hf_verb_snapshot_rollback,
    &hf_verb_backup,
    &hf_verb_store_init,
    &hf_verb_store_list,
    &hf_verb_list,
    &hf_verb_verify,
    &hf_verb_serve,
    &hf_verb_catalog_rebuild,
    &hf_verb_dump,
    &hf_verb_load,
    &hf_verb_maintain,
    &hf_verb_prune,
    &hf_verb_archive,
    &hf_verb_restore_dump,
    &hf_verb_restore_files,
    &hf_verb_restore_image,
    &hf_verb_restore_vm,
    &hf_verb_restore_app,
    &hf_verb_show,
    &hf_verb_status,
    &hf_verb_policies,
    &hf_verb_plugins,
    &hf_verb_recover,
    &hf_verb_release,
    &hf_verb_guardian,
    &hf_verb_sample_config,
    &hf_verb_completion,
    &hf_verb_help,
    NULL,
};
