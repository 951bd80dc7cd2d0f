/* SPDX-License-Identifier: Apache-2.0 */
#include "base/units.h"
#include "machine.h"
#include "plugin.h"
#include "rights.h"

#include <ctype.h>
#include <string.h>

#define KNOWN_FLAGS                                                                                \
    (HF_MACHINE_KEEP_UUID | HF_MACHINE_KEEP_MAC | HF_MACHINE_NO_NETWORK | HF_MACHINE_ISOLATED |    \
     HF_MACHINE_TRANSIENT | HF_MACHINE_REPLACE | HF_MACHINE_ARGUMENTS)
#define NAME_MAX_BYTES 64
#define LABEL_MAX_BYTES 63
#define ARCHIVE_MAX_BYTES 255 /* that the server takes */
#define OWN_COUNT 99999900u   /* 999999999 is the last there is */
#define NUMBERS_TRIED 20u
#define CONFIG_MAX_BYTES ((size_t)1 << 20)

static void planning_free(struct pve_planning *p)
{
    pve_backup_config_free(&p->config);
    json_object_put(p->storages);
    hf_buf_free(&p->post);
    hf_buf_free(&p->put);
    hf_strv_free(&p->dropped);
    hf_strv_free(&p->rights);
}
HF_DEFINE_AUTO_VALUE(pve_planning, planning_free)

/* ---- the request --------------------------------------------------------------------------------- */

static bool is_dns_name(const char *name)
{
    for (const char *at = name;; at++) {
        size_t len = strcspn(at, ".");
        if (!len || len > LABEL_MAX_BYTES || at[0] == '-' || at[len - 1] == '-')
            return false;
        for (size_t i = 0; i < len; i++)
            if (!isalnum((unsigned char)at[i]) && at[i] != '-')
                return false;
        at += len;
        if (!*at)
            return (size_t)(at - name) <= NAME_MAX_BYTES;
    }
}

static int check_source(const struct hf_machine_request *req, struct hf_err *err)
{
    if (req->pushed && !req->definition && !req->n_disks)
        return 0;
    hf_fail(err, HF_E_UNSUPPORTED,
            "Proxmox VE makes no VM from a definition and disks of elsewhere");
    return hf_hint(
        err,
        "It restores what it backed up itself (backup-storage). Of another hypervisor's point: "
        "`restore image`, then `qm importdisk` on a node.");
}

static int check_flags(uint32_t flags, struct hf_err *err)
{
    if (flags & ~KNOWN_FLAGS)
        return hf_fail(err, HF_E_UNSUPPORTED, "unknown flags 0x%x of a machine",
                       flags & ~KNOWN_FLAGS);
    if (flags & HF_MACHINE_TRANSIENT)
        return hf_fail(err, HF_E_UNSUPPORTED, "a VM of Proxmox VE is not gone when it stops");
    if (!(flags & HF_MACHINE_REPLACE))
        return 0;
    hf_fail(err, HF_E_UNSUPPORTED,
            "Proxmox VE restores in place by deleting the VM's disks first: there would be no way "
            "back");
    return hf_hint(
        err, "Restore under another --name, look at it, and then remove the former VM yourself.");
}

/* STORAGE:backup/…, and what may stand in a form. */
static int take_archive(struct pve_planning *p)
{
    const char *ref = p->req->pushed, *colon = strchr(ref, ':');
    bool is_fit = colon && strncmp(colon, ":backup/", 8) == 0 && strlen(ref) <= ARCHIVE_MAX_BYTES;
    for (const char *c = ref; *c; c++)
        is_fit = is_fit && (unsigned char)*c > ' ' && *c != 0x7f;
    if (!is_fit)
        return hf_fail(p->err, HF_E_CORRUPT, "'%.100s' is no backup of Proxmox VE", ref);
    snprintf(p->backup_storage, sizeof p->backup_storage, "%.*s", (int)(colon - ref), ref);
    return pve_storage_check_key("the backup's storage", p->backup_storage, p->err);
}

static int check_request(struct pve_planning *p)
{
    const struct hf_machine_request *req = p->req;
    if (check_flags(req->flags, p->err) != 0 || check_source(req, p->err) != 0 ||
        take_archive(p) != 0)
        return -1;
    if (!req->name || !is_dns_name(req->name)) {
        hf_fail(p->err, HF_E_CONFIG, "'%.64s' is no name for a VM of Proxmox VE",
                req->name ? req->name : "");
        return hf_hint(p->err, "Letters, digits, '-' and '.' as in a host's name.");
    }
    snprintf(p->m.run, sizeof p->m.run, "%s", req->run ? req->run : "");
    snprintf(p->m.purpose, sizeof p->m.purpose, "%s", req->purpose ? req->purpose : "");
    p->m.has_links_down = pve_machine_wants_links_down(p);
    return *p->m.run && *p->m.purpose && req->vm_id && *req->vm_id &&
                   !req->vm_id[strspn(req->vm_id, "0123456789")]
               ? 0
               : hf_fail(p->err, HF_E_CONFIG,
                         "a machine without run, purpose or the number of its VM");
}

/* ---- the node ------------------------------------------------------------------------------------ */

static bool is_better(const struct pve_planning *p, const char *node, const char *old)
{
    if (!*p->m.node)
        return true;
    if (strcmp(p->m.node, old) == 0)
        return false;
    return strcmp(node, old) == 0 || strcmp(node, p->m.node) < 0;
}

/* Where the VM is or, when that is away or the VM gone, the first in their order. */
static int choose_node(struct pve_planning *p)
{
    struct hf_err gone = HF_ERR_INIT;
    HF_AUTOJSON struct json_object *nodes = NULL;
    p->has_old = pve_locate(p->in, p->call, p->req->vm_id, &gone) == 0;
    if (!p->has_old && gone.cls != HF_E_NOT_FOUND) {
        hf_err_copy(p->err, &gone);
        return -1;
    }
    HF_AUTOFREE char *old = strdup(p->has_old ? p->in->node : "");
    if (!old)
        return hf_fail_nomem(p->err);
    if (pve_get(p->in, p->call, "/nodes", &nodes, p->err) != 0)
        return -1;
    size_t n = pve_rows(nodes);
    for (size_t i = 0; i < n; i++) {
        struct json_object *o = json_object_array_get_idx(nodes, i);
        const char *name = pve_text(o, "node"), *status = pve_text(o, "status");
        if (pve_is_node(name) && status && strcmp(status, "online") == 0 && is_better(p, name, old))
            snprintf(p->m.node, sizeof p->m.node, "%s", name);
    }
    if (!*p->m.node)
        return hf_fail(p->err, HF_E_UNREACHABLE, "no node of the cluster is online");
    snprintf(p->in->node, sizeof p->in->node, "%s", p->m.node);
    return 0;
}

/* ---- the backup ---------------------------------------------------------------------------------- */

static int check_backup_rights(struct pve_planning *p)
{
    HF_AUTO(pve_rights) struct pve_rights vm = {0}, storage = {0};
    if (pve_rights_load(p->in, p->call, p->req->vm_id, &vm, p->err) != 0 ||
        pve_rights_check_backup(&vm, p->req->vm_id, p->err) != 0 ||
        pve_rights_load_storage(p->in, p->call, p->backup_storage, &storage, p->err) != 0)
        return -1;
    return pve_rights_check_storage(&storage, p->backup_storage, p->err);
}

static int find_archive(struct pve_planning *p)
{
    bool is_there = false;
    struct json_object *storage = pve_machine_storage(p, p->backup_storage);
    if (!storage || !pve_bool(storage, "active"))
        return hf_fail(p->err, HF_E_UNREACHABLE,
                       "storage '%s', where the backup is, is not active on node %s",
                       p->backup_storage, p->m.node);
    if (pve_archive_find(p->in, p->call, p->m.node, p->req->vm_id, p->req->pushed, &p->archive,
                         &is_there, p->err) != 0)
        return -1;
    if (!is_there)
        return hf_fail(p->err, HF_E_NOT_FOUND, "the backup %s is not there", p->req->pushed);
    if (strcmp(p->archive.verified, "failed") != 0)
        return 0;
    return pve_machine_tell(p, HF_MACHINE_WARNING, "backup",
                            "the backup server has found it damaged");
}

static int read_config(struct pve_planning *p)
{
    HF_AUTO(hf_buf) struct hf_buf params = HF_BUF_INIT;
    HF_AUTOJSON struct json_object *data = NULL;
    HF_AUTOFREE char *path = hf_asprintf("/nodes/%s/vzdump/extractconfig", p->m.node);
    pve_param(&params, "volume", p->req->pushed);
    if (!path || !hf_buf_ok(&params))
        return hf_fail_nomem(p->err);
    struct pve_req req = {
        .method = "GET", .path = path, .params = &params, .max_body = CONFIG_MAX_BYTES};
    if (pve_request(p->in, p->call, &req, &data, p->err) != 0)
        return hf_wrap(p->err, "the head of %s", p->req->pushed);
    if (!json_object_is_type(data, json_type_string) ||
        strlen(json_object_get_string(data)) != (size_t)json_object_get_string_len(data))
        return hf_fail(p->err, HF_E_CORRUPT, "the head of %s is no configuration", p->req->pushed);
    if (pve_backup_config_parse(json_object_get_string(data), &p->config, p->err) != 0)
        return hf_wrap(p->err, "the head of %s", p->req->pushed);
    return json_object_object_length(p->config.disks)
               ? 0
               : hf_fail(p->err, HF_E_UNSUPPORTED, "the backup %s holds no disk", p->req->pushed);
}

/* ---- name and number ------------------------------------------------------------------------------ */

static int check_name(void *ctx, struct json_object *row, struct hf_err *err)
{
    const struct pve_planning *p = ctx;
    const char *name = pve_text(row, "name");
    if (pve_is_container(row) || !name || strcmp(name, p->req->name) != 0)
        return 0;
    return hf_fail(err, HF_E_CONFLICT, "VM %s is called '%s' already", pve_text(row, "vmid"), name);
}

/* NULL: a free one; else whether that one is. */
static int ask_number(struct pve_planning *p, const char *wanted, char out[PVE_ID_MAX],
                      bool *is_free)
{
    struct hf_err taken = HF_ERR_INIT;
    HF_AUTOJSON struct json_object *data = NULL;
    HF_AUTOFREE char *path =
        hf_asprintf("/cluster/nextid%s%s", wanted ? "?vmid=" : "", wanted ? wanted : "");
    if (!path)
        return hf_fail_nomem(p->err);
    if (pve_get(p->in, p->call, path, &data, &taken) != 0) {
        if (wanted && taken.cls == HF_E_CONFLICT)
            return 0;
        hf_err_copy(p->err, &taken);
        return -1;
    }
    const char *id = data ? json_object_get_string(data) : ""; /* a number, or one as text */
    if (!*id || strlen(id) > 9 || id[strspn(id, "0123456789")])
        return hf_fail(p->err, HF_E_CORRUPT, "'%.20s' is no number of a VM", id);
    snprintf(out, PVE_ID_MAX, "%s", id);
    *is_free = true;
    return 0;
}

/* FNV-1a: spread, no secret. */
static uint32_t spread(const char *text)
{
    uint32_t h = 2166136261u;
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 16777619u;
    return h;
}

static int choose_number(struct pve_planning *p)
{
    bool is_own = p->req->flags & HF_MACHINE_ISOLATED;
    uint32_t first = is_own ? PVE_OWN_FIRST + spread(p->m.run) % OWN_COUNT : 0;
    for (uint32_t i = 0; i < NUMBERS_TRIED; i++) {
        char wanted[PVE_ID_MAX];
        bool is_free = false, has_volumes = false;
        snprintf(wanted, sizeof wanted, "%u", first + i);
        if (ask_number(p, first ? wanted : NULL, p->m.vm_id, &is_free) != 0)
            return -1;
        if (is_free && pve_machine_has_volumes(p, p->m.vm_id, &has_volumes) != 0)
            return -1;
        if (is_free && !has_volumes)
            return 0;
        first = first ? first : (uint32_t)strtoul(p->m.vm_id, NULL, 10);
        if (has_volumes)
            pve_log(p->in, HF_LOG_WARN,
                    "VM number %s is free, and has volumes on a storage: not taken", p->m.vm_id);
    }
    return hf_fail(p->err, HF_E_CONFLICT, "no number for a VM is free of volumes");
}

/* ---- rights on the new number ---------------------------------------------------------------------- */

static int warn_of_agent(void *ctx, const char *line)
{
    return pve_machine_tell(ctx, HF_MACHINE_WARNING, "guest agent", "%s", line);
}

static int check_new_rights(struct pve_planning *p)
{
    static const char *const always[] = {"VM.Allocate", "VM.Audit", "VM.PowerMgmt"};
    HF_AUTO(pve_rights) struct pve_rights r = {0};
    for (size_t i = 0; i < HF_ARRAY_SIZE(always); i++)
        if (hf_strv_add(&p->rights, always[i]) != 0)
            return hf_fail_nomem(p->err);
    if (pve_rights_load(p->in, p->call, p->m.vm_id, &r, p->err) != 0)
        return -1;
    if (pve_rights_check_list(&r, &p->rights, p->m.vm_id, p->err) != 0)
        return hf_hint(p->err, "A new VM's number is not known before: give the role on /vms.");
    return p->req->flags & HF_MACHINE_ISOLATED
               ? pve_rights_warn(p->in, &r, p->m.vm_id, warn_of_agent, p)
               : 0;
}

/* ---- all together ------------------------------------------------------------------------------------ */

static int look(struct pve_planning *p)
{
    if (pve_enter(p->in, p->call, p->err) != 0 || check_request(p) != 0 || choose_node(p) != 0 ||
        check_backup_rights(p) != 0 || pve_machine_load_storages(p) != 0 || find_archive(p) != 0 ||
        read_config(p) != 0)
        return -1;
    return pve_each_vm(p->in, p->call, check_name, p, p->err) != 0 || choose_number(p) != 0 ? -1
                                                                                            : 0;
}

static int decide(struct pve_planning *p)
{
    if (pve_task_newest_on(p->in, p->call, p->m.node, p->m.vm_id, "qmrestore", PVE_TASK_OURS, NULL,
                           &p->m.before, p->err) != 0)
        return -1;
    pve_param(&p->post, "vmid", p->m.vm_id);
    pve_param(&p->post, "archive", p->req->pushed);
    pve_param(&p->post, "unique", "1");
    if (p->req->store)
        pve_param(&p->post, "storage", p->req->store);
    if (pve_machine_judge(p) != 0)
        return -1;
    if (p->is_refused)
        return hf_fail(p->err, HF_E_UNSUPPORTED, "no VM can be made of %s as it is wanted",
                       p->req->pushed);
    return pve_machine_check_room(p) != 0 ? -1 : check_new_rights(p);
}

static int hand_out(struct pve_planning *p, struct hf_machine_plan *out)
{
    const char *bios = pve_text(p->config.keys, "bios");
    HF_AUTOFREE char *token = pve_machine_write(&p->m, p->err);
    if (!token)
        return -1;
    out->is_uefi = bios && strcmp(bios, "ovmf") == 0;
    out->memory_bytes = pve_machine_memory(p);
    out->vm_id = pve_keep(p->in, strdup(p->m.vm_id));
    out->definition =
        pve_keep(p->in, hf_asprintf("%s\n%s", hf_buf_str(&p->post), hf_buf_str(&p->put)));
    out->undo_token = pve_keep(p->in, HF_STEAL(token));
    return out->vm_id && out->definition && out->undo_token ? 0 : hf_fail_nomem(p->err);
}

int proxmox_machine_plan(struct hf_instance *in, const struct hf_call *call,
                         const struct hf_machine_request *req, hf_machine_finding_cb emit,
                         void *ctx, struct hf_machine_plan *out, struct hf_err *err)
{
    HF_AUTO(pve_planning)
    struct pve_planning p = {
        .in = in, .call = call, .req = req, .emit = emit, .ctx = ctx, .err = err};
    return look(&p) != 0 || decide(&p) != 0 ? -1 : hand_out(&p, out);
}
