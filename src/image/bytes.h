/* SPDX-License-Identifier: Apache-2.0
 *
 * image/bytes.h - little-endian numbers at any address.
 */
#ifndef HF_IMAGE_BYTES_H
#define HF_IMAGE_BYTES_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline void hf_put_u32(unsigned char *p, uint32_t v)
{
    v = htole32(v);
    memcpy(p, &v, sizeof v);
}

static inline void hf_put_u64(unsigned char *p, uint64_t v)
{
    v = htole64(v);
    memcpy(p, &v, sizeof v);
}

static inline uint32_t hf_get_u32(const unsigned char *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return le32toh(v);
}

static inline uint64_t hf_get_u64(const unsigned char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return le64toh(v);
}

#endif
