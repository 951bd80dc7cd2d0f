/* SPDX-License-Identifier: Apache-2.0 */
#include "run/off_host.h"

#include <string.h>

#define NAMES_MS 10000

void hf_secured_free(struct hf_secured *s)
{
    hf_strv_free(&s->guest);
    hf_strv_free(&s->hypervisor);
    hf_strv_free(&s->disks);
}

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

/* Proxmox VE's may name several servers of one cluster, each with its https://. */
static int add_hosts(struct hf_strv *to, const char *uri)
{
    HF_AUTO(hf_strv) struct hf_strv parts = HF_STRV_INIT;
    bool are_many = strncmp(uri, "https://", 8) == 0;
    if ((are_many ? hf_strv_split(&parts, uri, ',') : hf_strv_add(&parts, uri)) < 0)
        return -1;
    for (size_t i = 0; i < parts.n; i++) {
        HF_AUTOFREE char *host = host_of(parts.items[i]);
        if (host && hf_strv_add(to, host) < 0)
            return -1;
    }
    return 0;
}

int hf_secured_add_vm(struct hf_secured *s, const struct hf_config_vm *vm,
                      const struct hf_config_hypervisor *h, struct hf_err *err)
{
    if ((vm->db.kind == HF_DB_TCP && hf_strv_add(&s->guest, vm->db.host) < 0) ||
        (vm->ssh.host && hf_strv_add(&s->guest, vm->ssh.host) < 0))
        return hf_fail_nomem(err);
    for (size_t i = 0; i < h->n_kv; i++)
        if (strcmp(h->kv[i].key, "uri") == 0 && add_hosts(&s->hypervisor, h->kv[i].value) < 0)
            return hf_fail_nomem(err);
    return 0;
}

int hf_secured_add_disks(struct hf_secured *s, const struct hf_disk_list *disks, struct hf_err *err)
{
    for (size_t i = 0; i < disks->n; i++)
        if (disks->items[i].source && hf_strv_add(&s->disks, disks->items[i].source) < 0)
            return hf_fail_nomem(err);
    return 0;
}

int hf_secured_ask_guest(struct hf_guest *g, int64_t deadline_ms, struct hf_strv *out,
                         struct hf_err *err)
{
    static const char *const argv[] = {"hostname", "-I", NULL};
    HF_AUTO(hf_hv_exec_result) struct hf_hv_exec_result said = {0};
    struct hf_guest_cmd cmd = {.argv = argv, .deadline_ms = deadline_ms};
    if (hf_guest_run(g, &cmd, &said, err) < 0)
        return -1;
    for (char *line = said.out.data; line && (line = strpbrk(line, "\n\t\r")); line++)
        *line = ' ';
    return hf_strv_split(out, hf_buf_str(&said.out), ' ') < 0 ? hf_fail_nomem(err) : 0;
}

static int judge(const struct hf_secured *s, const struct hf_env *env, const char *url,
                 struct hf_offhost_verdict *out, struct hf_err *err)
{
    const struct hf_offhost_question q = {
        .url = url,
        .guest = &s->guest,
        .hypervisor = &s->hypervisor,
        .disks = &s->disks,
        .clock = env->clock,
        .timeout_ms = NAMES_MS,
    };
    return hf_offhost_check(&q, out, err);
}

int hf_secured_judge(const struct hf_secured *s, const struct hf_env *env,
                     const struct hf_config_store *store, struct hf_offhost_verdict *out,
                     struct hf_err *err)
{
    return judge(s, env, store->url, out, err);
}

int hf_secured_judge_server(const struct hf_secured *s, const struct hf_env *env,
                            const char *server, struct hf_offhost_verdict *out, struct hf_err *err)
{
    const bool is_v6 = strchr(server, ':') && *server != '[';
    HF_AUTOFREE char *url = hf_asprintf(is_v6 ? "nfs://[%s]/" : "nfs://%s/", server);
    return url ? judge(s, env, url, out, err) : hf_fail_nomem(err);
}

const char *hf_off_host_word(const struct hf_config_store *store,
                             const struct hf_offhost_verdict *v)
{
    if (v->is == HF_OFFHOST_PROVEN)
        return "proven";
    return store->off_host == HF_OFF_HOST_ASSUME ? "assumed" : "refused";
}

const char *hf_off_host_weaker(const char *store, enum hf_point_off_host disks)
{
    return disks == HF_POINT_OFF_HOST_ASSUMED ? hf_point_off_host_name(disks) : store;
}
