/* SPDX-License-Identifier: Apache-2.0
 *
 * store/s3/s3.h - s3+https://HOST[:PORT]/BUCKET[/PREFIX]: a bucket as a store.
 */
#ifndef HF_STORE_S3_S3_H
#define HF_STORE_S3_S3_H

#include "store/store.h"

struct hf_store *hf_store_s3_open(const struct hf_store_opts *opts, struct hf_err *err) HF_CHECKED;

#endif
