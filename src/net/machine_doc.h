/* SPDX-License-Identifier: Apache-2.0
 *
 * net/machine_doc.h - the definition of a machine whose hypervisor has no file of its own for it (vSphere): read from the point,
 * for an OVF to be made of (restore/ovf.h), or a domain of libvirt (plugins/libvirt/machine_foreign.c). Here, because plugins know of
 * the program no more than net.
 *
 *     {"format":"holdfast-machine","version":1,"name":"db1","guest":"debian11_64Guest","hardware":"vmx-19","firmware":"efi",
 *      "secure_boot":true,"cpus":4,"cores_per_socket":2,"memory_mib":8192,"annotation":"…","bios_uuid":"564d…",
 *      "controllers":[{"key":1000,"kind":"pvscsi","bus":0}],
 *      "disks":[{"target":"scsi0:0","key":2000,"controller":1000,"unit":0,"bytes":N,"captured":true}],
 *      "nics":[{"key":4000,"kind":"vmxnet3","network":"VM Network","mac":"00:50:56:…","connected":true}]}
 *
 * kind      of a controller: pvscsi, lsilogic, lsisas, buslogic, ide, ahci, nvme; of a network card: vmxnet3, vmxnet2, e1000, e1000e,
 *           pcnet32; other: something else. Members that are not named here are not looked at; annotation, guest, hardware, mac,
 *           bios_uuid may be null or absent.
 * Trust     the text comes from a store, and its words from whoever may name VMs and networks: what is not of this shape, or past the
 *           bounds below, is CORRUPT. Strings are UTF-8 without NUL, and may hold anything else. UNSUPPORTED: another kind of definition.
 */
#ifndef HF_NET_MACHINE_DOC_H
#define HF_NET_MACHINE_DOC_H

#include "net/json.h"

#define HF_MACHINE_DOC "holdfast-machine" /* "format" */
#define HF_DOC_CONTROLLERS_MAX 64
#define HF_DOC_DISKS_MAX 1024
#define HF_DOC_NICS_MAX 64
#define HF_DOC_TEXT_MAX 1024
#define HF_DOC_ANNOTATION_MAX 16384

struct hf_doc_controller {
    int64_t key, bus;
    const char *kind;
};

struct hf_doc_disk {
    const char *target;
    int64_t controller, unit; /* the controller's key: there is one */
    bool is_captured;
};

struct hf_doc_nic {
    const char *kind, *network, *mac; /* mac: NULL, or twelve digits as 00:11:22:aa:bb:cc */
    bool is_connected;
};

struct hf_machine_doc { /* strings are borrowed from doc */
    struct json_object *doc;
    const char *name, *guest, *hardware, *annotation; /* "" where it has none */
    const char *uuid;                                 /* bios_uuid: NULL, or 36 digits and dashes */
    bool is_uefi, is_secure;
    int64_t cpus, cores_per_socket, memory_mib;
    struct hf_doc_controller controllers[HF_DOC_CONTROLLERS_MAX];
    struct hf_doc_nic nics[HF_DOC_NICS_MAX];
    struct hf_doc_disk *disks;
    size_t n_controllers, n_nics, n_disks;
};
void hf_machine_doc_free(struct hf_machine_doc *m); /* by value: empties it */
HF_DEFINE_AUTO_VALUE(hf_machine_doc, hf_machine_doc_free)

/* out is empty before, and to be freed in any case. */
int hf_machine_doc_parse(const char *text, size_t len, struct hf_machine_doc *out,
                         struct hf_err *err) HF_CHECKED;
/* Does it say of itself that it is one? */
bool hf_machine_doc_is(const char *text, size_t len);

#endif
