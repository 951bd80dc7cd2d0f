/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/hf_test.h"
#include "image/ids.h"

#include <sodium.h>
#include <stdlib.h>

#define LONGEST 262144

struct messages {
    unsigned char key[HF_IMAGE_KEY];
    unsigned char *data[HF_IMAGE_IDS];
    const void *at[HF_IMAGE_IDS];
};

/* Repeatable, and another one in each lane. */
static void fill(struct messages *m, size_t len, size_t misaligned)
{
    static const unsigned char seed[randombytes_SEEDBYTES] = "ids";
    assert_true(sodium_init() >= 0);
    randombytes_buf_deterministic(m->key, sizeof m->key, seed);
    for (size_t i = 0; i < HF_IMAGE_IDS; i++) {
        unsigned char own[randombytes_SEEDBYTES] = {(unsigned char)i, 1};
        m->data[i] = malloc(len + misaligned);
        assert_non_null(m->data[i]);
        randombytes_buf_deterministic(m->data[i], len + misaligned, own);
        m->at[i] = m->data[i] + misaligned;
    }
}

static void drop(struct messages *m)
{
    for (size_t i = 0; i < HF_IMAGE_IDS; i++)
        free(m->data[i]);
}

static void assert_ids(const struct messages *m, size_t n, size_t len)
{
    unsigned char ids[HF_IMAGE_IDS][HF_IMAGE_ID], one[HF_IMAGE_ID];
    hf_image_ids(m->key, m->at, n, len, ids);
    for (size_t i = 0; i < n; i++) {
        hf_image_id(m->key, m->at[i], len, one);
        assert_memory_equal(ids[i], one, HF_IMAGE_ID);
    }
}

static void many_at_once_have_the_ids_that_each_has_alone(void **state)
{
    (void)state;
    struct messages m;
    fill(&m, LONGEST, 0);
    for (size_t n = 1; n <= HF_IMAGE_IDS; n++)
        assert_ids(&m, n, LONGEST);
    drop(&m);
}

static void of_any_length(void **state)
{
    (void)state;
    struct messages m;
    fill(&m, 1100, 0);
    for (size_t len = 1; len <= 1100; len++)
        assert_ids(&m, HF_IMAGE_IDS, len);
    drop(&m);
}

static void at_any_address(void **state)
{
    (void)state;
    for (size_t by = 1; by < 8; by++) {
        struct messages m;
        fill(&m, 4096 + 5, by);
        assert_ids(&m, HF_IMAGE_IDS, 4096 + 5);
        drop(&m);
    }
}

static void another_key_gives_other_ids(void **state)
{
    (void)state;
    struct messages m;
    unsigned char a[HF_IMAGE_IDS][HF_IMAGE_ID], b[HF_IMAGE_IDS][HF_IMAGE_ID];
    fill(&m, 1000, 0);
    hf_image_ids(m.key, m.at, HF_IMAGE_IDS, 1000, a);
    m.key[31] ^= 1;
    hf_image_ids(m.key, m.at, HF_IMAGE_IDS, 1000, b);
    for (size_t i = 0; i < HF_IMAGE_IDS; i++)
        assert_memory_not_equal(a[i], b[i], HF_IMAGE_ID);
    drop(&m);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(many_at_once_have_the_ids_that_each_has_alone),
        HF_TEST(of_any_length),
        HF_TEST(at_any_address),
        HF_TEST(another_key_gives_other_ids),
    };
    return HF_RUN_TESTS("image.ids", tests);
}
