/* SPDX-License-Identifier: Apache-2.0 */
#include "run/backup_intern.h"

#define ASK_GUEST_MS 15000

int backup_know_secured(struct backup *b, struct hf_err *err)
{
    return hf_secured_add_vm(&b->secured, b->run->vm, b->run->hypervisor, err) < 0
               ? -1
               : hf_secured_add_disks(&b->secured, &b->all_disks, err);
}

static int judge(const struct backup *b, struct backup_store *s, struct hf_err *err)
{
    return hf_secured_judge(&b->secured, b->run->env, s->config, &s->off_host, err);
}

static bool is_assumed(const struct backup_store *s)
{
    return s->config->off_host == HF_OFF_HOST_ASSUME;
}

static int require_off_host(const struct backup *b, struct backup_store *s, struct hf_err *err)
{
    if (judge(b, s, err) < 0)
        return hf_wrap(err, "is it off the host?");
    if (s->off_host.is == HF_OFFHOST_PROVEN)
        return 0;
    hf_fail(err, HF_E_CONFIG, "it is not off the host: %s", s->off_host.why);
    return hf_hint(err,
                   "A backup on the system that is being secured is none. `off-host = assume` "
                   "in [store %s] takes it for granted, and is reported with each point.",
                   s->config->label);
}

int backup_check_off_host(struct backup *b, struct backup_store *s, struct hf_err *err)
{
    struct hf_err ignored = HF_ERR_INIT;
    if (!is_assumed(s))
        return require_off_host(b, s, err);
    if (judge(b, s, &ignored) == 0 && s->off_host.is == HF_OFFHOST_PROVEN)
        return 0;
    HF_AUTOFREE char *text =
        hf_asprintf("store %s is only assumed to be off the host%s%s", s->config->label,
                    s->off_host.why[0] ? ": " : "", s->off_host.why);
    return text ? creation_warn(b->creation, text, err) : hf_fail_nomem(err);
}

/* ---- the guest --------------------------------------------------------------------------- */

static int ask_addresses(struct backup *b, struct hf_err *err)
{
    struct hf_hv_call call = hf_env_call(b->run->env, b->run->id, ASK_GUEST_MS);
    return hf_secured_ask_guest(b->creation->way.guest, call.deadline_ms, &b->secured.guest, err);
}

int backup_look_at_guest(struct backup *b, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    if (!b->creation->has_guest || ask_addresses(b, &why) < 0)
        return creation_warn(b->creation,
                             "the guest does not tell its addresses: whether a store is the guest "
                             "itself was judged by its configuration alone",
                             err);
    for (size_t i = 0; i < b->n_stores; i++) {
        struct backup_store *s = &b->stores[i];
        if (backup_store_is_in(s) && !is_assumed(s) && require_off_host(b, s, &why) < 0)
            backup_drop(b, s, &why);
    }
    return backup_has_stores(b, err);
}
