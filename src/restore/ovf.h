/* SPDX-License-Identifier: Apache-2.0
 *
 * restore/ovf.h - an OVF 1.1 envelope for restored disks, as the vSphere client, ovftool and others import it; and its manifest.
 *
 * Words     of the machine (names, networks, notes) are foreign: they are escaped, and what XML cannot hold becomes a blank or '?'.
 * Addresses of network cards are left out unless wanted: two machines with one MAC address on a network are worse than a new one.
 */
#ifndef HF_RESTORE_OVF_H
#define HF_RESTORE_OVF_H

#include "base/buf.h"
#include "net/machine_doc.h"
#include "restore/disk_record.h"

struct hf_ovf_file {
    const char *target; /* which of the machine's disks it is */
    const char *name;   /* beside the envelope; letters, digits, '.', '-', '_' */
    uint64_t bytes, disk_bytes;
    char sha256[65]; /* hex; for the manifest only */
};

struct hf_ovf {
    const struct hf_machine_doc *machine;
    const char *name; /* of the machine that it becomes */
    enum hf_disk_format format;
    bool keep_mac;
    const struct hf_ovf_file *files;
    size_t n_files;
};

/* CORRUPT: a file is of a disk that the machine does not have. */
int hf_ovf_write(const struct hf_ovf *o, struct hf_buf *out, struct hf_err *err) HF_CHECKED;
/* Of the envelope, and of each file after it: "SHA256(NAME)= HEX". */
int hf_ovf_manifest(const struct hf_ovf *o, const char *ovf_name, const char *ovf_sha256,
                    struct hf_buf *out, struct hf_err *err) HF_CHECKED;
/* The name as that of a file that needs no escaping anywhere: other bytes become '_'. To be freed; NULL: no memory. */
char *hf_ovf_file_name(const char *name);

/* Is such a card, or controller, known? Else it becomes the usual one. */
bool hf_ovf_knows_controller(const char *kind);
bool hf_ovf_knows_nic(const char *kind);

#endif
