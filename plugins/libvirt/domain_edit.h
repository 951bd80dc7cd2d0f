/* SPDX-License-Identifier: Apache-2.0
 *
 * domain_edit.h - the active layers of a domain's disks, changed in its XML. Everything else stays as it is.
 */
#ifndef HF_LIBVIRT_DOMAIN_EDIT_H
#define HF_LIBVIRT_DOMAIN_EDIT_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stddef.h>

struct lv_edit {
    const char *target, *from, *to; /* both qcow2 files */
};

/* A new <domain>, in which each disk's source is `to` and its <backingStore> is gone: libvirt then reads the chain from
 * the files. A disk that has `to` already is fine. CONFLICT: it is not there, or has another source. */
char *lv_edit_domain(const char *xml, const struct lv_edit *edits, size_t n, struct hf_err *err)
    HF_CHECKED;
/* The same for the disks of a <domainsnapshot> (attribute name). */
char *lv_edit_snapshot(const char *xml, const struct lv_edit *edits, size_t n, struct hf_err *err)
    HF_CHECKED;

#endif
