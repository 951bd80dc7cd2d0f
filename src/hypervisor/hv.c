/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/worker.h"

#include <stdlib.h>
#include <string.h>

#define OPEN_TIMEOUT_MS 15000

static bool is_given(const struct hf_hv_opts *o, const char *key)
{
    for (size_t i = 0; i < o->n_kv; i++)
        if (strcmp(o->kv[i].key, key) == 0)
            return true;
    return false;
}

/* key, value, key, value …: those given, and the table's fallbacks for those that are not. */
static int flatten_kv(const struct hf_plugin *p, const struct hf_hv_opts *o, struct hf_strv *out)
{
    for (size_t i = 0; i < o->n_kv; i++)
        if (hf_strv_add(out, o->kv[i].key) != 0 || hf_strv_add(out, o->kv[i].value) != 0)
            return -1;
    for (uint32_t i = 0; i < p->n_keys; i++) {
        const struct hf_plugin_key *k = &p->keys[i];
        if (!k->fallback || is_given(o, k->name))
            continue;
        if (hf_strv_add(out, k->name) != 0 || hf_strv_add(out, k->fallback) != 0)
            return -1;
    }
    return 0;
}

static int run_open(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                    struct hf_err *err)
{
    (void)call; /* open has no deadline of its own in the ABI: the waiting caller has */
    size_t n = c->argv.n / 2;
    HF_AUTOFREE struct hf_kv *kv = calloc(n + 1, sizeof *kv);
    if (!kv)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < n; i++)
        kv[i] = (struct hf_kv){.key = c->argv.items[2 * i], .value = c->argv.items[2 * i + 1]};
    int rc = core->table->open(&core->host, kv, n, &core->instance, err);
    if (rc == 0 && !core->instance)
        return hf_fail(err, HF_E_PLUGIN, "plugin '%s' opened nothing", core->table->name);
    if (rc != 0)
        core->instance = NULL;
    return rc;
}

static int open_instance(struct hv_core *core, const struct hf_hv_opts *o, struct hf_err *err)
{
    int64_t ms = o->open_timeout_ms ? o->open_timeout_ms : OPEN_TIMEOUT_MS;
    struct hf_hv_call call = {.deadline_ms = hf_clock_mono_ms(core->clock) + ms};
    HF_AUTO(hv_call) struct hv_call *c = hv_call_new(core, "open", true, run_open, &call, err);
    if (!c)
        return -1;
    if (flatten_kv(core->table, o, &c->argv) != 0)
        return hf_fail_nomem(err);
    return hv_call_go(c, err);
}

struct hf_hv *hf_hv_open(const struct hf_hv_opts *opts, struct hf_err *err)
{
    HF_AUTOFREE struct hf_hv *hv = calloc(1, sizeof *hv);
    if (!hv) {
        hf_fail_nomem(err);
        return NULL;
    }
    if (hv_core_new(opts, &hv->core, err) != 0)
        return NULL;
    if (open_instance(hv->core, opts, err) != 0) {
        hv_core_end(hv->core);
        return NULL;
    }
    return HF_STEAL(hv);
}

void hf_hv_close(struct hf_hv *hv)
{
    if (!hv)
        return;
    hv_core_end(hv->core);
    free(hv);
}

const struct hf_plugin *hf_hv_plugin(const struct hf_hv *hv)
{
    return hv->core->table;
}
