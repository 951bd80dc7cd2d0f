/* SPDX-License-Identifier: Apache-2.0 */
#include "base/strv.h"

#include <ctype.h>
#include <string.h>

int hf_strv_take(struct hf_strv *v, char *owned)
{
    HF_AUTOFREE char *item = owned;
    if (!item)
        return -1;
    if (v->n + 2 > v->cap) {
        size_t cap = v->cap ? v->cap * 2 : 8;
        char **items = reallocarray(v->items, cap, sizeof *items);
        if (!items)
            return -1;
        v->items = items;
        v->cap = cap;
    }
    v->items[v->n++] = HF_STEAL(item);
    v->items[v->n] = NULL;
    return 0;
}

int hf_strv_add(struct hf_strv *v, const char *s)
{
    return hf_strv_take(v, strdup(s));
}

int hf_strv_add_all(struct hf_strv *v, const struct hf_strv *from)
{
    for (size_t i = 0; i < from->n; i++)
        if (hf_strv_add(v, from->items[i]) < 0)
            return -1;
    return 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

int hf_strv_split(struct hf_strv *v, const char *s, char sep)
{
    while (true) {
        const char *end = strchrnul(s, sep);
        const char *first = s, *last = end;
        while (first < last && is_blank(*first))
            first++;
        while (first < last && is_blank(last[-1]))
            last--;
        if (first < last && hf_strv_take(v, strndup(first, (size_t)(last - first))) < 0)
            return -1;
        if (*end == '\0')
            return 0;
        s = end + 1;
    }
}

bool hf_strv_has(const struct hf_strv *v, const char *s)
{
    for (size_t i = 0; i < v->n; i++)
        if (strcmp(v->items[i], s) == 0)
            return true;
    return false;
}

void hf_strv_free(struct hf_strv *v)
{
    for (size_t i = 0; i < v->n; i++)
        free(v->items[i]);
    free(v->items);
    *v = (struct hf_strv)HF_STRV_INIT;
}

#define WORD_MAX 64

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

static bool same(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Edit distance where two swapped neighbours count once (the commonest slip of the fingers). */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t rows[3][WORD_MAX + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b_len; j++)
        above[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t change = above[j - 1] + (same(a[i - 1], b[j - 1]) ? 0 : 1);
            row[j] = min3(change, above[j] + 1, row[j - 1] + 1);
            bool swapped = i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]);
            if (swapped && before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
        size_t *oldest = before;
        before = above;
        above = row;
        row = oldest;
    }
    return above[b_len];
}

const char *hf_nearest(const char *word, const char *const *candidates, size_t n)
{
    size_t len = strlen(word), best = WORD_MAX;
    const char *nearest = NULL;
    if (len > WORD_MAX)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        size_t other = strlen(candidates[i]);
        if (other > WORD_MAX)
            continue;
        size_t d = distance(word, len, candidates[i], other);
        size_t letters = len > other ? len : other;
        if (d * 3 <= letters && d < best) {
            best = d;
            nearest = candidates[i];
        }
    }
    return nearest;
}
