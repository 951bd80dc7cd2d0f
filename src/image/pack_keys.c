/* SPDX-License-Identifier: Apache-2.0 */
#include "base/secret.h"
#include "image/image_intern.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define PLACES 2048 /* ids are random: one that meets another takes its place */

struct hf_image_pack_keys {
    pthread_mutex_t lock;
    struct {
        unsigned char id[HF_IMAGE_PACK_ID];
        struct hf_age_key key;
    } places[PLACES];
};

struct hf_image_pack_keys *hf_image_pack_keys_new(struct hf_err *err)
{
    struct hf_image_pack_keys *k = calloc(1, sizeof *k);
    if (!k) {
        hf_fail_nomem(err);
        return NULL;
    }
    pthread_mutex_init(&k->lock, NULL);
    return k;
}

void hf_image_pack_keys_free(struct hf_image_pack_keys *k)
{
    if (!k)
        return;
    pthread_mutex_destroy(&k->lock);
    hf_wipe(k, sizeof *k);
    free(k);
}

static size_t place_of(const unsigned char *id)
{
    return (size_t)(id[0] | id[1] << 8) % PLACES;
}

bool hf_image_pack_keys_get(struct hf_image_pack_keys *k, const unsigned char id[HF_IMAGE_PACK_ID],
                            struct hf_age_key *out)
{
    size_t i = place_of(id);
    pthread_mutex_lock(&k->lock);
    bool is_there =
        k->places[i].key.payload_at && memcmp(k->places[i].id, id, HF_IMAGE_PACK_ID) == 0;
    *out = is_there ? k->places[i].key : (struct hf_age_key){0};
    pthread_mutex_unlock(&k->lock);
    return is_there;
}

void hf_image_pack_keys_put(struct hf_image_pack_keys *k, const unsigned char id[HF_IMAGE_PACK_ID],
                            const struct hf_age_key *key)
{
    size_t i = place_of(id);
    pthread_mutex_lock(&k->lock);
    memcpy(k->places[i].id, id, HF_IMAGE_PACK_ID);
    k->places[i].key = *key;
    pthread_mutex_unlock(&k->lock);
}
