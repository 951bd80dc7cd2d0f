/* SPDX-License-Identifier: Apache-2.0
 *
 * restore/definition.h - the machine's definition of a point, as its hypervisor's plugin wrote it down.
 *
 * Proof    compared with the manifest's digest before a byte of it is used: who boots from it believes it.
 * Errors   NOT_FOUND: the point has none. CORRUPT: changed, missing from the store, or larger than any. Those of run/point_open.h.
 */
#ifndef HF_RESTORE_DEFINITION_H
#define HF_RESTORE_DEFINITION_H

#include "base/buf.h"
#include "run/point_open.h"

/* out is empty before; text, with a NUL behind it. */
int hf_restore_definition(struct hf_open_point *p, struct hf_buf *out, struct hf_err *err)
    HF_CHECKED;

#endif
