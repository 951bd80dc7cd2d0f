/* SPDX-License-Identifier: Apache-2.0 */
#include "io/bech32.h"

#include "base/secret.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

#define DATA_LEN 52 /* ceil(32 * 8 / 5) */
#define SUM_LEN 6

static const char letters[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

static uint32_t sum_step(uint32_t sum, unsigned value)
{
    static const uint32_t generator[] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd,
                                         0x2a1462b3};
    uint32_t top = sum >> 25;
    sum = (sum & 0x1ffffff) << 5 ^ value;
    for (unsigned i = 0; i < 5; i++)
        if (top >> i & 1)
            sum ^= generator[i];
    return sum;
}

static uint32_t sum_begin(const char *prefix)
{
    uint32_t sum = 1;
    for (const char *p = prefix; *p; p++)
        sum = sum_step(sum, (unsigned char)*p >> 5);
    sum = sum_step(sum, 0);
    for (const char *p = prefix; *p; p++)
        sum = sum_step(sum, *p & 31);
    return sum;
}

/* Bits [5 * i, 5 * i + 5) of the key, zeros behind its end. */
static unsigned five_bits(const unsigned char key[HF_BECH32_KEY], unsigned i)
{
    unsigned bit = 5 * i, at = bit / 8;
    unsigned pair = (unsigned)key[at] << 8 | (at + 1 < HF_BECH32_KEY ? (unsigned)key[at + 1] : 0U);
    return pair >> (11 - bit % 8) & 31;
}

void hf_bech32_encode(const char *prefix, bool upper, const unsigned char key[HF_BECH32_KEY],
                      char out[HF_BECH32_MAX])
{
    uint32_t sum = sum_begin(prefix);
    size_t n = strlen(prefix);
    memcpy(out, prefix, n);
    out[n++] = '1';
    for (unsigned i = 0; i < DATA_LEN; i++) {
        unsigned value = five_bits(key, i);
        sum = sum_step(sum, value);
        out[n++] = letters[value];
    }
    for (unsigned i = 0; i < SUM_LEN; i++)
        sum = sum_step(sum, 0);
    sum ^= 1;
    for (unsigned i = 0; i < SUM_LEN; i++)
        out[n++] = letters[sum >> 5 * (5 - i) & 31];
    out[n] = '\0';
    for (size_t i = 0; upper && i < n; i++)
        out[i] = (char)toupper((unsigned char)out[i]);
}

/* -1: no letter of the alphabet in this case. */
static int value_of(char c, bool upper)
{
    if (upper ? islower((unsigned char)c) : isupper((unsigned char)c))
        return -1;
    const char *at = c ? strchr(letters, tolower((unsigned char)c)) : NULL;
    return at ? (int)(at - letters) : -1;
}

static bool has_prefix(const char *prefix, bool upper, const char *text)
{
    for (; *prefix; prefix++, text++)
        if (*text != (upper ? (char)toupper((unsigned char)*prefix) : *prefix))
            return false;
    return *text == '1';
}

int hf_bech32_decode(const char *prefix, bool upper, const char *text, size_t len,
                     unsigned char out[HF_BECH32_KEY])
{
    size_t n = strlen(prefix);
    if (len != n + 1 + DATA_LEN + SUM_LEN || !has_prefix(prefix, upper, text))
        return -1;
    const char *data = text + n + 1;
    uint32_t sum = sum_begin(prefix), bits = 0;
    unsigned have = 0, at = 0;
    for (unsigned i = 0; i < DATA_LEN + SUM_LEN; i++) {
        int value = value_of(data[i], upper);
        if (value < 0)
            return -1;
        sum = sum_step(sum, (unsigned)value);
        if (i >= DATA_LEN)
            continue;
        bits = bits << 5 | (unsigned)value;
        have += 5;
        if (have >= 8) {
            have -= 8;
            out[at++] = (unsigned char)(bits >> have);
        }
    }
    /* The bits that fill up the last letter are zeros, else two texts would be one key. */
    int rc = sum == 1 && (bits & ((1U << have) - 1)) == 0 ? 0 : -1;
    hf_wipe(&bits, sizeof bits);
    return rc;
}
