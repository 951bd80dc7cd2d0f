/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/deliver_intern.h"

#include <string.h>

static void way_free(struct way *w)
{
    free(w->name);
    free(w->webhook);
    free(w->token_file);
    free(w->ca_file);
    free(w->pin);
    free(w->mail_from);
    free(w->smtp);
    free(w->smtp_user);
    free(w->smtp_password_file);
    hf_strv_free(&w->mail_to);
}

void ways_free(struct ways *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->n; i++)
        way_free(&w->items[i]);
    free(w->items);
    free(w);
}

static int copy(char **out, const char *text)
{
    *out = text ? strdup(text) : NULL;
    return text && !*out ? -1 : 0;
}

static int way_copy(struct way *w, const struct hf_config_notify *n)
{
    w->hears_daemon = hf_strv_has(&n->on, HF_ALARM_DAEMON);
    w->most = DELIVER_BATCH;
    w->paid_ms = INT64_MIN;
    return copy(&w->name, n->label) || copy(&w->webhook, n->webhook) ||
                   copy(&w->token_file, n->token_file) || copy(&w->ca_file, n->ca_file) ||
                   copy(&w->pin, n->pin) || copy(&w->mail_from, n->mail_from) ||
                   copy(&w->smtp, n->smtp) || copy(&w->smtp_user, n->smtp_user) ||
                   copy(&w->smtp_password_file, n->smtp_password_file) ||
                   hf_strv_add_all(&w->mail_to, &n->mail_to) < 0
               ? -1
               : 0;
}

struct ways *ways_of(const struct hf_config *config, struct hf_err *err)
{
    HF_AUTO(ways) struct ways *w = calloc(1, sizeof *w);
    size_t n = hf_config_notify_count(config);
    if (!w || !(w->items = calloc(n + 1, sizeof *w->items))) {
        hf_fail_nomem(err);
        return NULL;
    }
    w->users = 1;
    while (w->n < n) {
        struct way *one = &w->items[w->n++];
        if (way_copy(one, hf_config_notify_at(config, w->n - 1)) < 0) {
            hf_fail_nomem(err);
            return NULL;
        }
    }
    return HF_STEAL(w);
}

struct way *ways_find(const struct ways *w, const char *name)
{
    for (size_t i = 0; i < w->n; i++)
        if (strcmp(w->items[i].name, name) == 0)
            return &w->items[i];
    return NULL;
}

/* A bucket of DELIVER_BURST letters that fills again by one every DELIVER_EVERY_MS. */
size_t way_room(const struct way *w, int64_t now_ms)
{
    if (w->paid_ms <= now_ms)
        return DELIVER_BURST;
    const int64_t used = (w->paid_ms - now_ms + DELIVER_EVERY_MS - 1) / DELIVER_EVERY_MS;
    return used >= DELIVER_BURST ? 0 : (size_t)(DELIVER_BURST - used);
}

void way_spend(struct way *w, int64_t now_ms)
{
    w->paid_ms = (w->paid_ms > now_ms ? w->paid_ms : now_ms) + DELIVER_EVERY_MS;
}

int64_t way_wait_ms(const struct way *w, int64_t now_ms)
{
    const int64_t failed = w->not_before_ms - now_ms;
    if (way_room(w, now_ms) > 0)
        return failed;
    const int64_t full = w->paid_ms - now_ms - (DELIVER_BURST - 1) * DELIVER_EVERY_MS;
    return failed > full ? failed : full;
}
