/* SPDX-License-Identifier: Apache-2.0
 *
 * files/command.h - the command line of the guest's own GNU tar that writes an archive to its standard output.
 *
 * Names are relative to /, owners are numbers; xattrs, ACLs, SELinux labels, hard links and holes are in it; other file
 * systems below a path are not. What it says is read by files/said.h.
 */
#ifndef HF_FILES_COMMAND_H
#define HF_FILES_COMMAND_H

#include "base/strv.h"

/* paths: absolute; excludes as the key `exclude` has them. CONFIG: a path with ".." in it. */
int hf_files_command(const struct hf_strv *paths, const struct hf_strv *excludes,
                     struct hf_strv *out, struct hf_err *err) HF_CHECKED;

#endif
