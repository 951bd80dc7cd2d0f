/* SPDX-License-Identifier: Apache-2.0 */
#include "store/s3/s3_intern.h"

#include <openssl/evp.h>

static int digest(const void *data, size_t len, const EVP_MD *kind, unsigned char *out,
                  struct hf_err *err)
{
    return EVP_Digest(data, len, out, NULL, kind, NULL) == 1
               ? 0
               : hf_fail(err, HF_E_INTERNAL, "a digest of libcrypto does not work");
}

int hf_s3_sha256(const void *data, size_t len, unsigned char out[HF_S3_SHA256_BYTES],
                 struct hf_err *err)
{
    return digest(data, len, EVP_sha256(), out, err);
}

int hf_s3_md5(const void *data, size_t len, unsigned char out[HF_S3_MD5_BYTES], struct hf_err *err)
{
    return digest(data, len, EVP_md5(), out, err);
}
