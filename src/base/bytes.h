/* SPDX-License-Identifier: Apache-2.0
 *
 * base/bytes.h - numbers in files and streams, the lowest byte first, at any address.
 */
#ifndef HF_BASE_BYTES_H
#define HF_BASE_BYTES_H

#include <stdint.h>

static inline uint32_t hf_le32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t hf_le64(const unsigned char *p)
{
    return hf_le32(p) | (uint64_t)hf_le32(p + 4) << 32;
}

static inline void hf_put_le16(unsigned char *p, unsigned v)
{
    p[0] = (unsigned char)v;
    p[1] = (unsigned char)(v >> 8);
}

static inline void hf_put_le32(unsigned char *p, uint32_t v)
{
    hf_put_le16(p, v & 0xffff);
    hf_put_le16(p + 2, v >> 16);
}

static inline void hf_put_le64(unsigned char *p, uint64_t v)
{
    hf_put_le32(p, (uint32_t)v);
    hf_put_le32(p + 4, (uint32_t)(v >> 32));
}

#endif
