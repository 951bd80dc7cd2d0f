/* SPDX-License-Identifier: Apache-2.0 */
#include "run/backup_intern.h"

#include <string.h>

#define OFF_HOST_MS 10000
#define ASK_GUEST_MS 15000

/* Of qemu+ssh://root@[::1]:22/system, to be freed; NULL: it has none, so it is this one. */
static char *host_of(const char *uri)
{
    const char *p = strstr(uri, "://");
    if (!p)
        return NULL;
    p += 3;
    size_t len = strcspn(p, "/?#");
    const char *at = memrchr(p, '@', len);
    if (at) {
        len -= (size_t)(at + 1 - p);
        p = at + 1;
    }
    if (len && *p == '[') {
        p++;
        len = strcspn(p, "]");
    } else {
        len = strcspn(p, ":/?#") < len ? strcspn(p, ":/?#") : len;
    }
    return len ? strndup(p, len) : NULL;
}

static int add_hypervisor(const struct backup *b, struct hf_strv *out, struct hf_err *err)
{
    const struct hf_config_hypervisor *h = b->run->hypervisor;
    for (size_t i = 0; i < h->n_kv; i++) {
        HF_AUTOFREE char *host = strcmp(h->kv[i].key, "uri") == 0 ? host_of(h->kv[i].value) : NULL;
        if (host && hf_strv_add(out, host) < 0)
            return hf_fail_nomem(err);
    }
    return 0;
}

static int add_guest(const struct backup *b, struct hf_strv *out, struct hf_err *err)
{
    const struct hf_config_vm *vm = b->run->vm;
    if ((vm->db.kind == HF_DB_TCP && hf_strv_add(out, vm->db.host) < 0) ||
        (vm->ssh.host && hf_strv_add(out, vm->ssh.host) < 0))
        return hf_fail_nomem(err);
    for (size_t i = 0; i < b->guest_addresses.n; i++)
        if (hf_strv_add(out, b->guest_addresses.items[i]) < 0)
            return hf_fail_nomem(err);
    return 0;
}

static int judge(const struct backup *b, struct backup_store *s, struct hf_err *err)
{
    HF_AUTO(hf_strv)
    struct hf_strv guest = HF_STRV_INIT, hypervisor = HF_STRV_INIT, disks = HF_STRV_INIT;
    if (add_guest(b, &guest, err) < 0 || add_hypervisor(b, &hypervisor, err) < 0)
        return -1;
    for (size_t i = 0; i < b->all_disks.n; i++)
        if (b->all_disks.items[i].source && hf_strv_add(&disks, b->all_disks.items[i].source) < 0)
            return hf_fail_nomem(err);
    const struct hf_offhost_question q = {
        .url = s->config->url,
        .guest = &guest,
        .hypervisor = &hypervisor,
        .disks = &disks,
        .clock = b->run->env->clock,
        .timeout_ms = OFF_HOST_MS,
    };
    return hf_offhost_check(&q, &s->off_host, err);
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
    static const char *const argv[] = {"hostname", "-I", NULL};
    HF_AUTO(hf_hv_exec_result) struct hf_hv_exec_result said = {0};
    struct hf_hv_call call = hf_env_call(b->run->env, b->run->id, ASK_GUEST_MS);
    struct hf_guest_cmd cmd = {.argv = argv, .deadline_ms = call.deadline_ms};
    if (hf_guest_run(b->creation->way.guest, &cmd, &said, err) < 0)
        return -1;
    for (char *line = said.out.data; line && (line = strpbrk(line, "\n\t\r")); line++)
        *line = ' ';
    return hf_strv_split(&b->guest_addresses, hf_buf_str(&said.out), ' ') < 0 ? hf_fail_nomem(err)
                                                                              : 0;
}

int backup_look_at_guest(void *backup, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    struct backup *b = backup;
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
