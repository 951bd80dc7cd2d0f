/* SPDX-License-Identifier: Apache-2.0
 *
 * files/unpack.h - an archive's directory, or single paths of it, into a folder of this host.
 *
 * Before     what files/plan.h says; and a file that exists already (without overwrite) ends it. Nothing was written then.
 * While      as files/plan.h. Never: writing through a symlink. A file that does not come to its end, or is not what the listing says, is taken
 *            away again: what lies there in the end is whole.
 * Owners     numbers, as root; else the files are the caller's.
 * Process    its working directory is another one meanwhile.
 */
#ifndef HF_FILES_UNPACK_H
#define HF_FILES_UNPACK_H

#include "files/plan.h"

int hf_files_unpack(const struct hf_unpack *req, struct hf_unpacked *out, struct hf_err *err)
    HF_CHECKED;

#endif
