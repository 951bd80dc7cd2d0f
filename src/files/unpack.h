/* SPDX-License-Identifier: Apache-2.0
 *
 * files/unpack.h - an archive's directory, or single paths of it, into a folder of this host.
 *
 * Before     the whole listing is read: a name that leads out of the target, a file that exists already (without overwrite)
 *            or a path that is not in the archive ends it, and nothing was written.
 * While      each entry of the tar is compared with its line of the listing, each file with its digest, at the end the tar with
 *            files.json: CORRUPT, and what is in the target is not to be trusted.
 * Refused    unless asked for: device nodes (with_devices), symlinks that lead out of the target (with_links), setuid and
 *            setgid bits of files and their capabilities (with_setuid; the file comes without). The rest is restored, and these
 *            are named. Never: writing through a symlink.
 * Owners     numbers, as root; else the files are the caller's.
 * Process    its working directory is another one meanwhile.
 */
#ifndef HF_FILES_UNPACK_H
#define HF_FILES_UNPACK_H

#include "base/cancel.h"
#include "base/strv.h"

#include <stdbool.h>
#include <stdint.h>

#define HF_UNPACK_NAMED 100

struct hf_unpack {
    const char *dir, *target;
    const struct hf_strv *paths; /* with or without '/' in front; NULL or empty: all */
    bool overwrite, with_devices, with_links, with_setuid;
    const struct hf_cancel *cancel; /* may be NULL */
};

struct hf_unpacked {
    uint64_t entries, bytes, n_refused, n_warnings;
    struct hf_strv refused, warnings; /* the first HF_UNPACK_NAMED */
};
void hf_unpacked_free(struct hf_unpacked *u);
HF_DEFINE_AUTO_VALUE(hf_unpacked, hf_unpacked_free)

int hf_files_unpack(const struct hf_unpack *req, struct hf_unpacked *out, struct hf_err *err)
    HF_CHECKED;

#endif
