/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/hf_test.h"
#include "image/keys.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* Whatever computes it: docs/format.md says keyed BLAKE2b with 32 bytes. */
static void an_id_is_blake2b_whoever_computes_it(void **state)
{
    static const size_t lens[] = {0, 1, 127, 128, 129, 4096, 262143, 262144, 4 << 20};
    unsigned char key[HF_IMAGE_KEY], ours[HF_IMAGE_ID], theirs[HF_IMAGE_ID];
    HF_AUTOFREE unsigned char *data = malloc(4 << 20);
    (void)state;
    assert_true(sodium_init() >= 0);
    for (size_t i = 0; i < (4 << 20); i++)
        data[i] = (unsigned char)(i * 7 + i / 251);
    memcpy(key, data + 99, sizeof key);
    for (size_t i = 0; i < HF_ARRAY_SIZE(lens); i++) {
        hf_image_id(key, data, lens[i], ours);
        crypto_generichash(theirs, sizeof theirs, data, lens[i], key, sizeof key);
        assert_memory_equal(ours, theirs, sizeof ours);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {HF_TEST(an_id_is_blake2b_whoever_computes_it)};
    return HF_RUN_TESTS("image.keys", tests);
}
