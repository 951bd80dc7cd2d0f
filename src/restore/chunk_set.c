/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/chunk_set.h"

#include <string.h>

static size_t bytes_of(uint64_t n)
{
    return (size_t)(n / 8 + 1);
}

int hf_chunk_set_init(struct hf_chunk_set *s, uint64_t n, struct hf_err *err)
{
    *s = (struct hf_chunk_set){.n = n, .bits = calloc(1, bytes_of(n))};
    return s->bits ? 0 : hf_fail_nomem(err);
}

void hf_chunk_set_free(struct hf_chunk_set *s)
{
    free(s->bits);
    *s = (struct hf_chunk_set){0};
}

void hf_chunk_set_add(struct hf_chunk_set *s, uint64_t from, uint64_t to)
{
    if (to > s->n)
        to = s->n;
    while (from < to) {
        if (from % 8 == 0 && to - from >= 8) {
            size_t whole = (size_t)((to - from) / 8);
            memset(s->bits + from / 8, 0xff, whole);
            from += (uint64_t)whole * 8;
        } else {
            s->bits[from / 8] |= (unsigned char)(1u << from % 8);
            from++;
        }
    }
}

bool hf_chunk_set_has(const struct hf_chunk_set *s, uint64_t chunk)
{
    return chunk < s->n && s->bits[chunk / 8] >> chunk % 8 & 1;
}

void hf_chunk_set_copy(struct hf_chunk_set *to, const struct hf_chunk_set *from)
{
    memcpy(to->bits, from->bits, bytes_of(from->n));
}

/* The first chunk from here on that is there, or not. */
static uint64_t find(const struct hf_chunk_set *s, uint64_t from, bool is_there)
{
    unsigned char nothing = is_there ? 0 : 0xff;
    while (from < s->n && hf_chunk_set_has(s, from) != is_there)
        from += from % 8 == 0 && s->bits[from / 8] == nothing ? 8 : 1;
    return from < s->n ? from : s->n;
}

bool hf_chunk_set_run(const struct hf_chunk_set *s, uint64_t from, uint64_t *out_from,
                      uint64_t *out_to)
{
    *out_from = find(s, from, true);
    *out_to = find(s, *out_from, false);
    return *out_from < s->n;
}
