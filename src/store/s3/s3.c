/* SPDX-License-Identifier: Apache-2.0 */
#include "store/s3/s3.h"

struct hf_store *hf_store_s3_open(const struct hf_store_opts *opts, struct hf_err *err)
{
    hf_fail(err, HF_E_UNSUPPORTED, "'%s': not written yet", opts->url);
    return NULL;
}
