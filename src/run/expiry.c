/* SPDX-License-Identifier: Apache-2.0 */
#include "run/expiry.h"

#include "base/path.h"
#include "net/json.h"

#include <stdio.h>
#include <string.h>

/* Clocks that are disciplined wander against each other: less than this is no jump. */
#define JUMP_MS 5000

struct hf_expiry_now hf_expiry_now(const struct hf_clock *clock)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_expiry_now now = {.wall_us = hf_clock_wall_us(clock),
                                .up_ms = hf_clock_mono_ms(clock)};
    HF_AUTOFREE char *id = hf_path_read("/proc/sys/kernel/random/boot_id", 256, NULL, &err);
    if (id)
        snprintf(now.boot_id, sizeof now.boot_id, "%.*s", (int)strcspn(id, "\n"), id);
    return now;
}

/* ---- what is known ----------------------------------------------------------------------- */

void hf_known_clear(struct hf_known *k)
{
    free(k->name);
    free(k->hypervisor);
    *k = (struct hf_known){0};
}

void hf_known_list_free(struct hf_known_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        hf_known_clear(&l->items[i]);
    free(l->items);
    *l = (struct hf_known_list){0};
}

static void read_clock(const char *report, struct hf_expiry_now *out)
{
    struct hf_err err = HF_ERR_INIT;
    struct json_object *clock = NULL;
    const char *boot = NULL;
    HF_AUTOJSON struct json_object *doc =
        report ? hf_json_parse(report, strlen(report), &err) : NULL;
    if (!doc || hf_json_get_object(doc, "clock", &clock, &err) < 0 ||
        hf_json_get_int(clock, "up_ms", &out->up_ms, &err) < 0 ||
        hf_json_get_string(clock, "boot", &boot, &err) < 0)
        return;
    snprintf(out->boot_id, sizeof out->boot_id, "%s", boot);
}

int hf_known_read(const struct hf_catalog_snapshot *s, struct hf_known *out, struct hf_err *err)
{
    *out = (struct hf_known){.name = strdup(s->name),
                             .hypervisor = strdup(s->hypervisor),
                             .taken_us = s->taken_us,
                             .expires_us = s->expires_us,
                             .taken.wall_us = s->taken_us};
    if (!out->name || !out->hypervisor) {
        hf_known_clear(out);
        return hf_fail_nomem(err);
    }
    read_clock(s->report, &out->taken);
    return 0;
}

struct loading {
    const char *vm_id;
    struct hf_known_list *out;
};

static int add(void *ctx, const struct hf_catalog_snapshot *s, struct hf_err *err)
{
    struct loading *l = ctx;
    if (l->vm_id && strcmp(s->vm_id, l->vm_id) != 0)
        return 0;
    struct hf_known *more = reallocarray(l->out->items, l->out->n + 1, sizeof *l->out->items);
    if (!more)
        return hf_fail_nomem(err);
    l->out->items = more;
    if (hf_known_read(s, &more[l->out->n], err) < 0)
        return -1;
    l->out->n++;
    return 0;
}

int hf_known_load(struct hf_catalog *c, const char *vm, const char *vm_id,
                  struct hf_known_list *out, struct hf_err *err)
{
    struct loading l = {.vm_id = vm_id, .out = out};
    return hf_catalog_snapshots(c, vm, false, add, &l, err);
}

const struct hf_known *hf_known_find(const struct hf_known_list *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->items[i].name, name) == 0)
            return &l->items[i];
    return NULL;
}

/* ---- the judgement ----------------------------------------------------------------------- */

/* Due by the wall clock. Does the other clock, which nobody sets, agree? */
static enum hf_expiry ask_uptime(const struct hf_known *k, const struct hf_expiry_now *now)
{
    if (!now->boot_id[0] || strcmp(k->taken.boot_id, now->boot_id) != 0)
        return HF_EXPIRY_DUE; /* booted since: there is no other clock */
    int64_t keep_ms = (k->expires_us - k->taken_us) / 1000;
    int64_t passed_ms = now->up_ms - k->taken.up_ms;
    if (passed_ms >= keep_ms)
        return HF_EXPIRY_DUE;
    return keep_ms - passed_ms > JUMP_MS ? HF_EXPIRY_CLOCK : HF_EXPIRY_NOT_DUE;
}

enum hf_expiry hf_expiry_judge(const struct hf_known *k, const struct hf_expiry_now *now)
{
    if (k->taken_us <= 0 || k->taken_us > now->wall_us)
        return HF_EXPIRY_CLOCK;
    if (k->expires_us == 0)
        return HF_EXPIRY_NEVER;
    if (k->expires_us <= k->taken_us)
        return HF_EXPIRY_CLOCK;
    return now->wall_us < k->expires_us ? HF_EXPIRY_NOT_DUE : ask_uptime(k, now);
}
