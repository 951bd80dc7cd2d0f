/* SPDX-License-Identifier: Apache-2.0 */
#include "files/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int hf_names_add(struct hf_names *s, const char *name, struct hf_err *err)
{
    return hf_strv_add(&s->v, name) < 0 ? hf_fail_nomem(err) : 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int hf_names_ready(struct hf_names *s, struct hf_err *err)
{
    size_t kept = 0;
    if (!(s->is_marked = calloc(s->v.n + 1, sizeof *s->is_marked)))
        return hf_fail_nomem(err);
    if (s->v.n == 0)
        return 0;
    qsort(s->v.items, s->v.n, sizeof *s->v.items, compare);
    for (size_t i = 0; i < s->v.n; i++) {
        if (kept > 0 && strcmp(s->v.items[kept - 1], s->v.items[i]) == 0)
            free(s->v.items[i]);
        else
            s->v.items[kept++] = s->v.items[i];
    }
    s->v.n = kept;
    s->v.items[kept] = NULL;
    return 0;
}

bool *hf_names_find(const struct hf_names *s, const char *name)
{
    char **found = s->v.n ? bsearch(&name, s->v.items, s->v.n, sizeof *s->v.items, compare) : NULL;
    return found ? &s->is_marked[found - s->v.items] : NULL;
}

bool hf_names_find_above(const struct hf_names *s, const char *name, char *out, size_t size)
{
    for (const char *slash = strchr(name, '/'); s->v.n && slash; slash = strchr(slash + 1, '/')) {
        snprintf(out, size, "%.*s", (int)(slash - name), name);
        if (hf_names_find(s, out))
            return true;
    }
    return false;
}

void hf_names_free(struct hf_names *s)
{
    hf_strv_free(&s->v);
    free(s->is_marked);
    s->is_marked = NULL;
}
