/* SPDX-License-Identifier: Apache-2.0 */
#include "hold/timeline.h"

#include <string.h>

void hf_timeline_mark_at(struct hf_timeline *t, const char *event, int64_t mono_us)
{
    if (t->n == HF_TIMELINE_MAX)
        return;
    t->items[t->n].at_us = mono_us;
    t->items[t->n].event = event;
    t->n++;
}

int64_t hf_timeline_at(const struct hf_timeline *t, const char *event)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->items[i].event, event) == 0)
            return t->items[i].at_us;
    return -1;
}

double hf_timeline_span_ms(const struct hf_timeline *t, const char *from, const char *to)
{
    int64_t a = hf_timeline_at(t, from), b = hf_timeline_at(t, to);
    return a < 0 || b < 0 ? 0.0 : (double)(b - a) / 1000.0;
}
