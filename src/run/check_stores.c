/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "run/checking.h"
#include "run/drillable.h"
#include "run/off_host.h"
#include "run/store_site.h"

#include <string.h>

static bool is_for(const struct checking *c, const struct hf_config_store *store)
{
    return c->vm->stores.n == 0 || hf_strv_has(&c->vm->stores, store->label);
}

static int tell(struct checking *c, enum hf_finding_level level, char *text, const char *hint,
                struct hf_err *err)
{
    HF_AUTOFREE char *message = text;
    return message ? check_tell(c, "store", level, message, hint, err) : hf_fail_nomem(err);
}

/* ---- is it off the host? ----------------------------------------------------------------- */

/* What cannot be asked is left out: another finding says why. */
static int know_secured(struct checking *c, struct hf_secured *out, struct hf_err *err)
{
    struct hf_err unasked = HF_ERR_INIT;
    HF_AUTO(hf_disk_list) struct hf_disk_list disks = {0};
    const struct hf_config_hypervisor *h =
        hf_config_find_hypervisor(c->env->config, c->vm->hypervisor, err);
    struct hf_hv_call call = hf_env_call(c->env, NULL, CHECK_QUERY_MS);
    if (!h || hf_secured_add_vm(out, c->vm, h, err) < 0)
        return -1;
    if (c->found.id && hf_hv_vm_disks(c->hv, &call, c->found.id, &disks, &unasked) == 0 &&
        hf_secured_add_disks(out, &disks, err) < 0)
        return -1;
    if (c->has_guest &&
        hf_secured_ask_guest(c->way.guest, check_deadline_ms(c), &out->guest, &unasked) < 0)
        return check_tell(
            c, "store", HF_FINDING_WARN,
            "the guest does not tell its addresses: whether a store is the guest itself "
            "is judged by its configuration alone",
            NULL, err);
    return 0;
}

static int check_off_host(struct checking *c, const struct hf_config_store *store,
                          const struct hf_secured *secured, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    struct hf_offhost_verdict v = {0};
    bool is_assumed = store->off_host == HF_OFF_HOST_ASSUME;
    if (hf_secured_judge(secured, c->env, store, &v, &why) < 0)
        snprintf(v.why, sizeof v.why, "%s", why.message);
    else if (v.is == HF_OFFHOST_PROVEN)
        return tell(c, HF_FINDING_OK, hf_asprintf("%s: off the host: %s", store->label, v.why),
                    NULL, err);
    if (is_assumed)
        return tell(c, HF_FINDING_WARN,
                    hf_asprintf("%s: only assumed to be off the host: %s", store->label, v.why),
                    NULL, err);
    return tell(c, HF_FINDING_FAIL,
                hf_asprintf("%s: not proven to be off the host: %s", store->label, v.why),
                "A backup to it would be refused; `off-host = assume` in its section takes it for "
                "granted, and is reported with each point.",
                err);
}

/* ---- can it be opened, and by whom read? ------------------------------------------------- */

static bool opens_it(const struct hf_site *s)
{
    for (size_t i = 0; i < hf_age_identities_n(s->identities); i++) {
        char own[HF_AGE_TEXT_MAX];
        struct hf_err err = HF_ERR_INIT;
        struct hf_age_recipients one = {0};
        hf_age_identities_recipient(s->identities, i, own);
        for (size_t r = 0; hf_age_recipients_add(&one, own, &err) == 0 && r < s->to_data.n; r++) {
            if (memcmp(s->to_data.key[r], one.key[0], HF_AGE_KEY) == 0)
                return true;
            one.n = 0;
        }
    }
    return false;
}

static int check_keys(struct checking *c, const struct hf_site *s, struct hf_err *err)
{
    if (!s->is_encrypted)
        return tell(
            c, HF_FINDING_OK,
            hf_asprintf("%s: ready, not encrypted: who can read the store reads the backups",
                        s->name),
            NULL, err);
    if (tell(c, HF_FINDING_OK,
             hf_asprintf("%s: ready, encrypted to %zu key%s", s->name, s->to_data.n,
                         s->to_data.n == 1 ? "" : "s"),
             NULL, err) < 0)
        return -1;
    if (s->has_new_recipients &&
        tell(c, HF_FINDING_WARN,
             hf_asprintf("%s: its recipients are not those it was made for", s->name),
             "Keys that came later open what is stored from now on, but not the copy of the "
             "metadata "
             "identity: keep a copy of that elsewhere.",
             err) < 0)
        return -1;
    if (!s->identities || opens_it(s))
        return 0;
    return tell(c, HF_FINDING_WARN,
                hf_asprintf("%s: no key in identity-file is one of its recipients", s->name),
                "Nothing could be restored with it.", err);
}

/* Whoever expects drills here learns today that none can be made, not when one is overdue. */
static int check_drills(struct checking *c, const struct hf_config_store *store, struct hf_err *err)
{
    if (!c->vm->drill_every || !hf_drillable_lacks_key(store))
        return 0;
    HF_AUTOFREE char *text = hf_asprintf("no drill from store %s (drill-every is set): its points "
                                         "are encrypted, and it has no identity-file here",
                                         store->label);
    if (!text)
        return hf_fail_nomem(err);
    return check_tell(c, "drill", HF_FINDING_FAIL, text,
                      "Set identity-file in its section, or drill-every on the host that has the key "
                      "alone.",
                      err);
}

static int check_store(struct checking *c, const struct hf_config_store *store,
                       const struct hf_secured *secured, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    HF_AUTO(hf_store_site) struct hf_store_site at = {0};
    if (hf_store_site_try(c->env, store, CHECK_QUERY_MS, &at, &why) < 0) {
        hf_store_site_name(store, &why);
        if (check_tell_err(c, "store", &why, err) < 0)
            return -1;
    } else if (check_keys(c, at.site, err) < 0) {
        return -1;
    }
    if (check_drills(c, store, err) < 0)
        return -1;
    return check_off_host(c, store, secured, err);
}

static int check_drillable(struct checking *c, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    if (!c->vm->drill_every || hf_drillable(c->vm, &why) == 0)
        return 0;
    return check_tell(c, "drill", HF_FINDING_FAIL, why.message, why.hint, err);
}

int check_stores(struct checking *c, struct hf_err *err)
{
    const struct hf_config *config = c->env->config;
    HF_AUTO(hf_secured) struct hf_secured secured = {0};
    if (hf_config_store_count(config) == 0)
        return 0;
    if (know_secured(c, &secured, err) < 0 || check_drillable(c, err) < 0)
        return -1;
    for (size_t i = 0; i < hf_config_store_count(config); i++) {
        const struct hf_config_store *store = hf_config_store_at(config, i);
        if (is_for(c, store) && check_store(c, store, &secured, err) < 0)
            return -1;
    }
    return 0;
}
