/* SPDX-License-Identifier: Apache-2.0
 *
 * restore/ovf_intern.h - pieces of an envelope, shared by ovf*.c.
 */
#ifndef HF_RESTORE_OVF_INTERN_H
#define HF_RESTORE_OVF_INTERN_H

#include "restore/ovf.h"

/* ovf.c: fit for an attribute and for an element alike. */
void ovf_add_escaped(struct hf_buf *out, const char *text);
/* A line of its own; name is ours. */
void ovf_add_element(struct hf_buf *out, const char *name, const char *text);
void ovf_add_number(struct hf_buf *out, const char *name, int64_t n);

/* ovf_hardware.c. The machine's disk that a file is of; NULL: none. */
const struct hf_doc_disk *ovf_disk_of(const struct hf_ovf *o, const struct hf_ovf_file *f);
/* What a card's network is called in the envelope: each one has one. */
const char *ovf_network_of(const struct hf_doc_nic *n);
/* Each file has its disk. */
void ovf_add_hardware(struct hf_buf *out, const struct hf_ovf *o);

#endif
