/* SPDX-License-Identifier: Apache-2.0
 *
 * domain_xml.h - what we need to know of a domain, from its XML.
 *
 * Of a running domain libvirt gives the chain of layers as QEMU has it open; that is the truth that
 * every decision about files is made from. Of a domain that is off the chain may be incomplete.
 */
#ifndef HF_LIBVIRT_DOMAIN_XML_H
#define HF_LIBVIRT_DOMAIN_XML_H

#include "base/cleanup.h"
#include "base/err.h"

#include <libvirt/libvirt.h>
#include <stdbool.h>

struct lv_layer {
    char *type;   /* file, block, network … */
    char *path;   /* NULL: not a file or device of this host */
    char *format; /* or NULL */
    int index;    /* libvirt's name of it: TARGET[index]; -1: unknown (not running) */
};

struct lv_disk {
    char *target;
    char *device;   /* disk, cdrom, floppy, lun */
    char *snapshot; /* the attribute, or NULL */
    char *bus;      /* virtio, scsi, sata …, or NULL */
    char *serial, *address;
    bool is_readonly, is_shared, is_transient, is_encrypted, is_sliced;
    struct lv_layer *layers; /* [0] is the active one; none: an empty drive */
    size_t n_layers;
    char *mirror_job;  /* active-commit, copy; NULL: no mirror */
    char *mirror_path; /* where it mirrors to */
    bool is_mirror_ready;
};

/* What disks with a "drive:" address hang on. */
struct lv_controller {
    char *type; /* scsi, sata, ide … */
    long index;
    char *address; /* "pci:…", or NULL */
};

struct lv_vm {
    char *name, *uuid;
    bool is_uefi, has_agent;
    struct lv_controller *controllers;
    size_t n_controllers;
    struct lv_disk *disks;
    size_t n_disks;
};

struct lv_vm *lv_vm_parse(const char *xml, struct hf_err *err) HF_CHECKED;
/* flags: 0 (live, when it runs) or VIR_DOMAIN_XML_INACTIVE. */
struct lv_vm *lv_vm_load(virDomainPtr dom, unsigned flags, struct hf_err *err) HF_CHECKED;
void lv_vm_free(struct lv_vm *vm);
HF_DEFINE_AUTO(lv_vm, lv_vm_free)

const struct lv_disk *lv_vm_disk(const struct lv_vm *vm, const char *target);
/* Position of the file in the disk's chain, or -1. */
int lv_disk_layer(const struct lv_disk *d, const char *path);
/* Below those that are there; takes its strings, also when it fails (-1: no memory). */
int lv_disk_add_layer(struct lv_disk *d, struct lv_layer *layer) HF_CHECKED;
/* Leaves the first n. */
void lv_disk_cut_layers(struct lv_disk *d, size_t n);
/* In how many places of all chains, mirrors included, the file stands. */
size_t lv_vm_count(const struct lv_vm *vm, const char *path);

#endif
