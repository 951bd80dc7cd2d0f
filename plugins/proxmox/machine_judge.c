/* SPDX-License-Identifier: Apache-2.0
 *
 * What of a backup's configuration the new VM gets: key by key, in its own order.
 */
#include "base/utf8.h"
#include "machine.h"

#include <stdarg.h>
#include <string.h>

#define MIB ((uint64_t)1 << 20)
#define MEMORY_DEFAULT_MIB 512

int pve_machine_tell(struct pve_planning *p, enum hf_machine_finding_kind kind, const char *about,
                     const char *fmt, ...)
{
    HF_AUTO(hf_buf) struct hf_buf raw = HF_BUF_INIT, text = HF_BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    hf_buf_vprintf(&raw, fmt, ap);
    va_end(ap);
    hf_utf8_add_line(&text, hf_buf_str(&raw));
    if (!hf_buf_ok(&raw) || !hf_buf_ok(&text))
        return hf_fail_nomem(p->err);
    const struct hf_machine_finding f = {
        .struct_size = sizeof f, .kind = kind, .about = about, .text = hf_buf_str(&text)};
    p->is_refused = p->is_refused || kind == HF_MACHINE_REFUSED;
    return p->emit(p->ctx, &f) != 0 ? -1 : 0;
}

static bool is_isolated(const struct pve_planning *p)
{
    return p->req->flags & HF_MACHINE_ISOLATED;
}

bool pve_machine_wants_links_down(const struct pve_planning *p)
{
    return p->req->flags & (HF_MACHINE_ISOLATED | HF_MACHINE_NO_NETWORK);
}

static int need(struct pve_planning *p, const char *right)
{
    return hf_strv_has(&p->rights, right) || hf_strv_add(&p->rights, right) == 0
               ? 0
               : hf_fail_nomem(p->err);
}

/* Taken away once it is restored. */
static int drop(struct pve_planning *p, const char *key, const char *right)
{
    return hf_strv_add(&p->dropped, key) == 0 ? need(p, right) : hf_fail_nomem(p->err);
}

/* ---- interfaces ---------------------------------------------------------------------------------- */

bool pve_is_net(const char *key)
{
    return strncmp(key, "net", 3) == 0 && key[3] && !key[3 + strspn(key + 3, "0123456789")];
}

static bool is_token(const char *at, const char *name)
{
    size_t len = strlen(name);
    return strncmp(at, name, len) == 0 && at[len] == '=';
}

bool pve_net_is_down(const char *value)
{
    for (const char *at = value; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (is_token(at, "link_down"))
            return at[strlen("link_down=")] == '1';
    }
    return false;
}

/* "virtio=MAC,bridge=vmbr0,…" anew. The first part is the model, with the address behind '='. */
void pve_net_print(const char *value, bool keeps_mac, bool is_down, struct hf_buf *out)
{
    HF_AUTOFREE char *copy = strdup(value);
    char *rest = copy;
    if (!copy) {
        out->failed = true;
        return;
    }
    for (bool is_first = true; rest; is_first = false) {
        char *part = strsep(&rest, ",");
        if (is_first && !keeps_mac && !is_token(part, "model"))
            part[strcspn(part, "=")] = '\0';
        if ((!keeps_mac && is_token(part, "macaddr")) || (is_down && is_token(part, "link_down")))
            continue;
        hf_buf_printf(out, "%s%s", out->len ? "," : "", part);
    }
    if (is_down)
        hf_buf_str_add(out, ",link_down=1");
}

static int judge_net(struct pve_planning *p, const char *key, const char *value)
{
    HF_AUTO(hf_buf) struct hf_buf anew = HF_BUF_INIT;
    char about[64];
    bool keeps = p->req->flags & HF_MACHINE_KEEP_MAC, is_down = pve_machine_wants_links_down(p);
    snprintf(about, sizeof about, "interface %s", key);
    if (!keeps && pve_machine_tell(p, HF_MACHINE_CHANGED, about, "it gets a new MAC address") != 0)
        return -1;
    if (keeps && p->has_old && !is_down &&
        pve_machine_tell(p, HF_MACHINE_WARNING, about,
                         "it has the MAC address of VM %s: that one must not run beside it",
                         p->req->vm_id) != 0)
        return -1;
    if (is_down && pve_machine_tell(p, HF_MACHINE_CUT_OFF, about, "its link is down") != 0)
        return -1;
    if (!keeps && !is_down) /* unique=1 does it */
        return 0;
    pve_net_print(value, keeps, is_down, &anew);
    if (!hf_buf_ok(&anew))
        return hf_fail_nomem(p->err);
    pve_param(&p->post, key, anew.data);
    return need(p, "VM.Config.Network");
}

/* ---- what is of the node ------------------------------------------------------------------------- */

static bool is_numbered(const char *key, const char *kind)
{
    size_t len = strlen(kind);
    return strncmp(key, kind, len) == 0 && key[len] && !key[len + strspn(key + len, "0123456789")];
}

static int refuse(struct pve_planning *p, const char *key, const char *why)
{
    return pve_machine_tell(p, HF_MACHINE_REFUSED, key, "%s", why);
}

/* Real devices are root's, also to restore; mapped ones need a right. */
static int judge_passed(struct pve_planning *p, const char *key, const char *value)
{
    bool is_mapped = strstr(value, "mapping="), is_spice = strstr(value, "spice");
    if (!is_mapped && !is_spice && (p->in->major >= 8 || is_isolated(p)))
        return refuse(
            p, key, "a device of the node is passed through: only root may restore or remove that");
    if (is_isolated(p))
        return pve_machine_tell(p, HF_MACHINE_LEFT_OUT, key, "nothing leads in or out") != 0
                   ? -1
                   : drop(p, key, "VM.Config.HWType");
    if (is_spice)
        return 0;
    return pve_machine_tell(p, HF_MACHINE_WARNING, key,
                            "a device of the node is passed through: one VM at a time can have it");
}

static int judge_folder(struct pve_planning *p, const char *key, const char *value)
{
    (void)value;
    if (!is_isolated(p))
        return pve_machine_tell(p, HF_MACHINE_WARNING, key,
                                "a folder of the node is shared with the guest");
    return pve_machine_tell(p, HF_MACHINE_LEFT_OUT, key, "nothing leads in or out") != 0
               ? -1
               : drop(p, key, "VM.Config.Disk");
}

static int judge_port(struct pve_planning *p, const char *key, const char *value)
{
    if (strcmp(value, "socket") == 0)
        return 0;
    if (is_isolated(p))
        return refuse(p, key, "a device of the node, which only root may remove");
    return pve_machine_tell(p, HF_MACHINE_WARNING, key, "a device of the node");
}

static int judge_roots(struct pve_planning *p, const char *key, const char *value)
{
    bool is_args = strcmp(key, "args") == 0;
    (void)value;
    if (is_args && !(p->req->flags & HF_MACHINE_ARGUMENTS))
        return refuse(
            p, key,
            "arguments that go to QEMU as they stand can name any file and port of the node, "
            "and only root may take them out");
    if (is_isolated(p))
        return refuse(p, key,
                      is_args ? "arguments for QEMU lead past all that is promised"
                              : "it reaches into the node, and only root may take it out");
    return pve_machine_tell(p, HF_MACHINE_WARNING, key,
                            is_args
                                ? "arguments that go to QEMU as they stand"
                                : "it reaches into the node (a script that runs there, or memory)");
}

/* ---- what is set otherwise ------------------------------------------------------------------------- */

static int judge_switch(struct pve_planning *p, const char *key, const char *value)
{
    if (strcmp(value, "1") != 0)
        return 0;
    if (strcmp(key, "template") == 0)
        return refuse(p, key, "a template's backup becomes a template, which does not start");
    return pve_machine_tell(p, HF_MACHINE_CHANGED, key,
                            strcmp(key, "onboot") == 0
                                ? "it does not start with the node: set it again if wanted"
                                : "it can be deleted: set it again if wanted");
}

static int judge_name(struct pve_planning *p, const char *key, const char *value)
{
    return strcmp(value, p->req->name) == 0
               ? 0
               : pve_machine_tell(p, HF_MACHINE_CHANGED, key, "'%s' in place of '%s'", p->req->name,
                                  value);
}

static int judge_smbios(struct pve_planning *p, const char *key, const char *value)
{
    if (!strstr(value, "uuid="))
        return 0;
    if (!(p->req->flags & HF_MACHINE_KEEP_UUID))
        return pve_machine_tell(p, HF_MACHINE_CHANGED, "uuid", "a new one");
    if (p->has_old)
        return hf_fail(p->err, HF_E_CONFLICT, "VM %s has that UUID", p->req->vm_id);
    pve_param(&p->post, key, value);
    return need(p, "VM.Config.HWType");
}

/* "4096", or "current=4096". */
static uint64_t mib_of(const char *value)
{
    const char *at = strncmp(value, "current=", 8) == 0 ? value + 8 : value;
    return strtoull(at, NULL, 10);
}

static int judge_memory(struct pve_planning *p, const char *key, const char *value)
{
    uint64_t most = p->req->memory_max_bytes / MIB;
    char text[32];
    if (!most || mib_of(value) <= most)
        return 0;
    snprintf(text, sizeof text, "%llu", (unsigned long long)most);
    if (pve_machine_tell(p, HF_MACHINE_CHANGED, key, "%s MiB in place of %llu", text,
                         (unsigned long long)mib_of(value)) != 0)
        return -1;
    pve_param(&p->post, key, text);
    return need(p, "VM.Config.Memory");
}

uint64_t pve_machine_memory(const struct pve_planning *p)
{
    const char *text = pve_text(p->config.keys, "memory");
    uint64_t bytes = (text ? mib_of(text) : MEMORY_DEFAULT_MIB) * MIB,
             most = p->req->memory_max_bytes;
    return most && most < bytes ? most : bytes;
}

static const struct {
    const char *key;
    bool is_numbered;
    int (*judge)(struct pve_planning *p, const char *key, const char *value);
} known[] = {{"name", false, judge_name},        {"net", true, judge_net},
             {"hostpci", true, judge_passed},    {"usb", true, judge_passed},
             {"virtiofs", true, judge_folder},   {"serial", true, judge_port},
             {"parallel", true, judge_port},     {"args", false, judge_roots},
             {"hookscript", false, judge_roots}, {"ivshmem", false, judge_roots},
             {"onboot", false, judge_switch},    {"protection", false, judge_switch},
             {"template", false, judge_switch},  {"smbios1", false, judge_smbios},
             {"memory", false, judge_memory},    {"balloon", false, judge_memory}};

/* ---- drives -------------------------------------------------------------------------------------- */

static int eject(struct pve_planning *p, const char *target, const char *why)
{
    char about[32];
    snprintf(about, sizeof about, "CD %s", target);
    if (pve_machine_tell(p, HF_MACHINE_LEFT_OUT, about, "%s: the drive is empty", why) != 0)
        return -1;
    pve_param(&p->put, target, "none,media=cdrom");
    return need(p, "VM.Config.CDROM");
}

/* cloud-init's is made by the server from the settings, for this VM. */
static int judge_cd(struct pve_planning *p, const struct pve_disk *d)
{
    char storage[PVE_STORAGE_MAX];
    if (!d->disk.source || strstr(d->source, "cloudinit"))
        return 0;
    snprintf(storage, sizeof storage, "%.*s", (int)strcspn(d->source, ":"), d->source);
    if (is_isolated(p))
        return eject(p, d->target, "nothing leads in or out");
    if (!strchr(d->source, ':'))
        return eject(p, d->target, "a drive of the node");
    if (!pve_machine_storage(p, storage))
        return eject(p, d->target, "its storage is not here");
    return 0;
}

static int judge_drive(void *ctx, const struct pve_disk *d)
{
    struct pve_planning *p = ctx;
    char about[32];
    snprintf(about, sizeof about, "disk %s", d->target);
    if (d->disk.kind == HF_DISK_CDROM)
        return judge_cd(p, d);
    if (pve_text(p->config.disks, d->target))
        return 0;
    return pve_machine_tell(p, HF_MACHINE_LEFT_OUT, about, "the backup holds nothing of it");
}

static int judge_keys(struct pve_planning *p)
{
    json_object_object_foreach(p->config.keys, key, member)
    {
        const char *value = json_object_get_string(member);
        for (size_t i = 0; i < HF_ARRAY_SIZE(known); i++) {
            bool is_it = known[i].is_numbered ? is_numbered(key, known[i].key)
                                              : strcmp(key, known[i].key) == 0;
            if (is_it && known[i].judge(p, key, value) != 0)
                return -1;
        }
    }
    return 0;
}

/* Every one, whatever the backup says. */
static int set_always(struct pve_planning *p)
{
    bool was_cut = false;
    HF_AUTOFREE char *notes = pve_mark_add(&p->m, hf_buf_str(&p->config.notes), &was_cut);
    if (!notes)
        return hf_fail_nomem(p->err);
    pve_param(&p->post, "name", p->req->name);
    pve_param(&p->post, "description", notes);
    pve_param(&p->post, "onboot", "0");
    pve_param(&p->post, "protection", "0");
    if (is_isolated(p)) /* the guest's restart is its end */
        pve_param(&p->post, "reboot", "0");
    if (was_cut && pve_machine_tell(p, HF_MACHINE_CHANGED, "notes", "their end is cut off") != 0)
        return -1;
    return need(p, "VM.Config.Options");
}

int pve_machine_judge(struct pve_planning *p)
{
    const struct pve_vm as_vm = {.config = p->config.keys};
    if (set_always(p) != 0 || judge_keys(p) != 0 || pve_disks_each(&as_vm, judge_drive, p) != 0)
        return -1;
    HF_AUTO(hf_buf) struct hf_buf all = HF_BUF_INIT;
    for (size_t i = 0; i < p->dropped.n; i++)
        hf_buf_printf(&all, "%s%s", i ? "," : "", p->dropped.items[i]);
    if (p->dropped.n)
        pve_param(&p->put, "delete", hf_buf_str(&all));
    return all.failed || !hf_buf_ok(&p->post) || p->put.failed ? hf_fail_nomem(p->err) : 0;
}
