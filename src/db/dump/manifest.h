/* SPDX-License-Identifier: Apache-2.0
 *
 * db/dump/manifest.h - holdfast.json and metadata: what should be in the directory, for a loader to compare.
 */
#ifndef HF_DB_DUMP_MANIFEST_H
#define HF_DB_DUMP_MANIFEST_H

#include "db/dump/state.h"

int hf_dump_manifest_write(struct hf_dump *d, const struct hf_db_position *position,
                           struct hf_err *err) HF_CHECKED;
/* myloader's: names, rows, position. */
int hf_dump_metadata_write(struct hf_dump *d, const struct hf_db_position *position,
                           struct hf_err *err) HF_CHECKED;

#endif
