/* SPDX-License-Identifier: Apache-2.0 */
#include "image/ids.h"

#include "image/bytes.h"

#include <string.h>

#define BLOCK 128
#define ROUNDS 12
#define WORDS 16
#define WORTH_IT 3u /* all lanes cost less than three messages by libsodium */

/* A word of each of the messages. The compiler makes of it what the processor has. */
typedef uint64_t lanes __attribute__((vector_size(8 * HF_IMAGE_IDS)));

#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__clang__) &&                            \
    !defined(__SANITIZE_ADDRESS__)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FOR_EACH_PROCESSOR
#endif
#define INLINE static inline __attribute__((always_inline))

static const uint64_t iv[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

static const unsigned char sigma[ROUNDS][WORDS] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
};

struct state {
    lanes h[8];
    uint64_t bytes;
};

/* No vector is passed by value: how is not the same with each processor. */
#define ROTATED(x, by) ((x) >> (by) | (x) << (64 - (by)))

INLINE void mix(lanes v[WORDS], int a, int b, int c, int d, const lanes *x, const lanes *y)
{
    v[a] = v[a] + v[b] + *x;
    v[d] = ROTATED(v[d] ^ v[a], 32);
    v[c] = v[c] + v[d];
    v[b] = ROTATED(v[b] ^ v[c], 24);
    v[a] = v[a] + v[b] + *y;
    v[d] = ROTATED(v[d] ^ v[a], 16);
    v[c] = v[c] + v[d];
    v[b] = ROTATED(v[b] ^ v[c], 63);
}

INLINE void compress(struct state *s, const lanes m[WORDS], bool is_last)
{
    lanes v[WORDS];
    for (int i = 0; i < 8; i++) {
        v[i] = s->h[i];
        v[i + 8] = (lanes){0} + iv[i];
    }
    v[12] ^= s->bytes;
    if (is_last)
        v[14] = ~v[14];
#pragma GCC unroll 12
    for (int r = 0; r < ROUNDS; r++) {
        const unsigned char *o = sigma[r];
        mix(v, 0, 4, 8, 12, &m[o[0]], &m[o[1]]);
        mix(v, 1, 5, 9, 13, &m[o[2]], &m[o[3]]);
        mix(v, 2, 6, 10, 14, &m[o[4]], &m[o[5]]);
        mix(v, 3, 7, 11, 15, &m[o[6]], &m[o[7]]);
        mix(v, 0, 5, 10, 15, &m[o[8]], &m[o[9]]);
        mix(v, 1, 6, 11, 12, &m[o[10]], &m[o[11]]);
        mix(v, 2, 7, 8, 13, &m[o[12]], &m[o[13]]);
        mix(v, 3, 4, 9, 14, &m[o[14]], &m[o[15]]);
    }
    for (int i = 0; i < 8; i++)
        s->h[i] ^= v[i] ^ v[i + 8];
}

/* A block of each: word i of lane l comes from data[l]. */
INLINE void load(lanes m[WORDS], const unsigned char *const data[HF_IMAGE_IDS], size_t at)
{
    for (int i = 0; i < WORDS; i++)
        for (int l = 0; l < HF_IMAGE_IDS; l++)
            m[i][l] = hf_get_u64(data[l] + at + 8 * (size_t)i);
}

/* What is left of each, filled up with zeros. */
static void load_end(lanes m[WORDS], const unsigned char *const data[HF_IMAGE_IDS], size_t at,
                     size_t len)
{
    for (int l = 0; l < HF_IMAGE_IDS; l++) {
        unsigned char block[BLOCK] = {0};
        memcpy(block, data[l] + at, len);
        for (int i = 0; i < WORDS; i++)
            m[i][l] = hf_get_u64(block + 8 * i);
    }
}

/* Keyed: the key, filled up with zeros, is the first block. */
static void load_key(lanes m[WORDS], const unsigned char key[HF_IMAGE_KEY])
{
    memset(m, 0, WORDS * sizeof *m);
    for (int i = 0; i < HF_IMAGE_KEY / 8; i++)
        m[i] = (lanes){0} + hf_get_u64(key + 8 * i);
}

FOR_EACH_PROCESSOR static void hash(const unsigned char key[HF_IMAGE_KEY],
                                    const unsigned char *const data[HF_IMAGE_IDS], size_t len,
                                    lanes out[HF_IMAGE_ID / 8])
{
    lanes m[WORDS];
    struct state s = {.bytes = BLOCK};
    for (int i = 0; i < 8; i++)
        s.h[i] = (lanes){0} + iv[i];
    /* parameters: one digest of 32 bytes, with a key of 32 bytes, no tree */
    s.h[0] ^= (uint64_t)0x01010000 | HF_IMAGE_KEY << 8 | HF_IMAGE_ID;
    load_key(m, key);
    compress(&s, m, false);
    size_t at = 0;
    for (; len - at > BLOCK; at += BLOCK) {
        s.bytes += BLOCK;
        load(m, data, at);
        compress(&s, m, false);
    }
    s.bytes += len - at;
    load_end(m, data, at, len - at);
    compress(&s, m, true);
    memcpy(out, s.h, HF_IMAGE_ID / 8 * sizeof *out);
}

/* On narrower vectors than AVX2's libsodium is the faster. */
static bool is_worth_it(size_t n)
{
#ifdef __x86_64__
    return n >= WORTH_IT && __builtin_cpu_supports("avx2");
#else
    (void)n;
    return false;
#endif
}

void hf_image_ids(const unsigned char key[HF_IMAGE_KEY], const void *const data[HF_IMAGE_IDS],
                  size_t n, size_t len, unsigned char out[HF_IMAGE_IDS][HF_IMAGE_ID])
{
    const unsigned char *of[HF_IMAGE_IDS];
    lanes words[HF_IMAGE_ID / 8];
    bool is_alone = !is_worth_it(n);
    for (size_t l = 0; is_alone && l < n; l++)
        hf_image_id(key, data[l], len, out[l]);
    if (is_alone)
        return;
    for (size_t l = 0; l < HF_IMAGE_IDS; l++) /* lanes without a message repeat the first */
        of[l] = data[l < n ? l : 0];
    hash(key, of, len, words);
    for (size_t l = 0; l < n; l++)
        for (int i = 0; i < HF_IMAGE_ID / 8; i++)
            hf_put_u64(out[l] + 8 * i, words[i][l]);
}
