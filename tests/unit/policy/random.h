/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers from a seed, for property tests: HOLDFAST_TEST_SEED, else a fixed one; printed with a failure.
 */
#ifndef HF_TEST_POLICY_RANDOM_H
#define HF_TEST_POLICY_RANDOM_H

#include <stdint.h>
#include <stdlib.h>

static inline uint64_t random_seed(void)
{
    const char *text = getenv("HOLDFAST_TEST_SEED");
    return text ? strtoull(text, NULL, 10) : 20261125;
}

/* splitmix64: below `limit` */
static inline uint64_t random_below(uint64_t *state, uint64_t limit)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (z ^ z >> 31) % limit;
}

#endif
