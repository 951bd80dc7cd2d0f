/* SPDX-License-Identifier: Apache-2.0 */
#include "storage.h"

#include "base/utf8.h"
#include "rights.h"
#include "snapshots.h"

#include <string.h>

#define DELETE_POLL_MS 1000
#define PROTECTED_MAX 5 /* where the storage does not say, and we may not allocate at will */

int pve_storage_check_key(const char *key, const char *id, struct hf_err *err)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    static const char inside[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t len = id ? strlen(id) : 0;
    if (!id || (len > 1 && len < PVE_STORAGE_MAX && strchr(letters, *id) &&
                strspn(id, inside) == len && !strchr("._-", id[len - 1])))
        return 0;
    return hf_fail(err, HF_E_CONFIG, "%s: '%.100s' is no name of a storage", key, id);
}

/* ---- is it off the node? ------------------------------------------------------------------------ */

static void judge(struct json_object *row, struct pve_storage *s)
{
    const char *server = pve_text(row, "server");
    snprintf(s->server, sizeof s->server, "%s", server ? server : "");
    bool is_server =
        strcmp(s->type, "pbs") == 0 || strcmp(s->type, "nfs") == 0 || strcmp(s->type, "cifs") == 0;
    bool is_folder = strcmp(s->type, "dir") == 0 || strcmp(s->type, "btrfs") == 0;
    if (is_server && server && strncmp(server, "127.", 4) != 0 && strcmp(server, "::1") != 0 &&
        strcmp(server, "localhost") != 0) {
        s->off = PVE_OFF_YES;
        snprintf(s->why, sizeof s->why, "it is on %.150s, if that is another machine", server);
    } else if (is_folder && !pve_bool(row, "shared") && !pve_text(row, "is_mountpoint")) {
        s->off = PVE_OFF_NO;
        snprintf(s->why, sizeof s->why, "it is a folder of the node (type %s)", s->type);
    } else if (is_folder) {
        s->off = PVE_OFF_UNKNOWN;
        snprintf(s->why, sizeof s->why, "it is a folder, and what is mounted there is not told");
    } else if (strcmp(s->type, "cephfs") == 0) {
        s->off = PVE_OFF_UNKNOWN;
        snprintf(s->why, sizeof s->why, "its Ceph cluster may be that of the nodes");
    } else {
        s->off = PVE_OFF_NO;
        snprintf(s->why, sizeof s->why, "it is a storage of the node (type %s)", s->type);
    }
}

static struct json_object *row_of(struct json_object *list, const char *id)
{
    size_t n = pve_rows(list);
    for (size_t i = 0; i < n; i++) {
        struct json_object *o = json_object_array_get_idx(list, i);
        const char *name = pve_text(o, "storage");
        if (name && strcmp(name, id) == 0)
            return o;
    }
    return NULL;
}

static int fail_hidden(const struct hf_instance *in, const char *id, struct hf_err *err)
{
    hf_fail(err, HF_E_NOT_FOUND, "node %s has no storage '%s' for backups", in->node, id);
    return hf_hint(err,
                   "It must be enabled there, with the content 'backup'; without "
                   "Datastore.AllocateSpace on /storage/%s it looks as if it did not exist.",
                   id);
}

static int read_state(struct hf_instance *in, const struct hf_call *call, struct pve_storage *s,
                      struct hf_err *err)
{
    HF_AUTOJSON struct json_object *data = NULL;
    HF_AUTOFREE char *path =
        hf_asprintf("/nodes/%s/storage?content=backup&enabled=1&storage=%s", in->node, s->id);
    if (!path)
        return hf_fail_nomem(err);
    if (pve_get(in, call, path, &data, err) != 0)
        return -1;
    struct json_object *row = row_of(data, s->id);
    if (!row)
        return fail_hidden(in, s->id, err);
    s->holds_backups = true;
    s->is_active = pve_bool(row, "active");
    s->avail_bytes = pve_int(row, "avail", 0);
    s->total_bytes = pve_int(row, "total", 0);
    return 0;
}

/* Datastore.Allocate goes past the limit that a storage has when nothing is said. */
static int read_limit(struct hf_instance *in, const struct hf_call *call, struct json_object *row,
                      struct pve_storage *s, struct hf_err *err)
{
    HF_AUTO(pve_rights) struct pve_rights rights = {0};
    s->protected_max = pve_int(row, "max-protected-backups", INT64_MIN);
    if (s->protected_max != INT64_MIN)
        return 0;
    if (pve_rights_load_storage(in, call, s->id, &rights, err) != 0)
        return -1;
    s->protected_max = pve_rights_has(&rights, "Datastore.Allocate") ? -1 : PROTECTED_MAX;
    return 0;
}

int pve_storage_describe(struct hf_instance *in, const struct hf_call *call, const char *id,
                         struct pve_storage *out, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *all = NULL;
    *out = (struct pve_storage){0};
    snprintf(out->id, sizeof out->id, "%s", id);
    if (pve_get(in, call, "/storage", &all, err) != 0)
        return -1;
    struct json_object *row = row_of(all, id);
    const char *type = row ? pve_text(row, "type") : NULL;
    if (!type)
        return fail_hidden(in, id, err);
    snprintf(out->type, sizeof out->type, "%s", type);
    judge(row, out);
    return read_limit(in, call, row, out, err);
}

int pve_storage_load(struct hf_instance *in, const struct hf_call *call, const char *id,
                     struct pve_storage *out, struct hf_err *err)
{
    return pve_storage_describe(in, call, id, out, err) != 0 ? -1 : read_state(in, call, out, err);
}

/* ---- where it can be looked at --------------------------------------------------------------------- */

static int fail_nowhere(const char *id, struct hf_err *err)
{
    hf_fail(err, HF_E_UNREACHABLE, "no node that answers has a storage '%s'", id);
    return hf_hint(
        err,
        "It must be configured and its node up; without Datastore.Audit on /storage/%s it "
        "looks as if it did not exist.",
        id);
}

int pve_storage_nodes(struct hf_instance *in, const struct hf_call *call, const char *id,
                      struct hf_strv *out, bool *out_hidden, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *all = NULL;
    *out_hidden = false;
    if (pve_get(in, call, "/cluster/resources?type=storage", &all, err) != 0)
        return -1;
    size_t n = pve_rows(all);
    for (size_t i = 0; i < n; i++) {
        struct json_object *o = json_object_array_get_idx(all, i);
        const char *name = pve_text(o, "storage"), *node = pve_text(o, "node");
        const char *status = pve_text(o, "status");
        if (!name || strcmp(name, id) != 0 || !pve_is_node(node))
            continue;
        if (!status || strcmp(status, "available") != 0) {
            *out_hidden = true;
            continue;
        }
        if (hf_strv_add(out, node) != 0)
            return hf_fail_nomem(err);
        if (pve_bool(o, "shared")) {
            *out_hidden = false;
            return 0;
        }
    }
    return out->n ? 0 : fail_nowhere(id, err);
}

/* ---- what lies on it ---------------------------------------------------------------------------- */

/* Cut at a whole character. */
static void copy_line(const char *text, char *out, size_t size)
{
    HF_AUTO(hf_buf) struct hf_buf line = HF_BUF_INIT;
    hf_utf8_add_line(&line, text);
    snprintf(out, size, "%.*s", (int)hf_utf8_fit(hf_buf_str(&line), size - 1), hf_buf_str(&line));
}

static void read_archive(struct json_object *o, struct pve_archive *a)
{
    struct json_object *verification = NULL;
    const char *volid = pve_text(o, "volid"), *notes = pve_text(o, "notes");
    json_object_object_get_ex(o, "verification", &verification);
    const char *state = verification ? pve_text(verification, "state") : NULL;
    *a = (struct pve_archive){.is_protected = pve_bool(o, "protected"),
                              .size_bytes = pve_int(o, "size", 0),
                              .taken_at_s = pve_int(o, "ctime", 0)};
    if (volid && strlen(volid) < sizeof a->volid)
        snprintf(a->volid, sizeof a->volid, "%s", volid);
    if (state)
        snprintf(a->verified, sizeof a->verified, "%s", state);
    if (notes)
        copy_line(notes, a->notes, sizeof a->notes);
    if (!notes || strncmp(notes, PVE_MARK, strlen(PVE_MARK)) != 0)
        return;
    notes += strlen(PVE_MARK);
    a->is_ours = true;
    snprintf(a->run, sizeof a->run, "%.*s", (int)strcspn(notes, " \n"), notes);
}

int pve_archives_each(struct hf_instance *in, const struct hf_call *call, const char *node,
                      const char *storage, const char *vm_id, pve_archive_cb each, void *ctx,
                      struct hf_err *err)
{
    HF_AUTOJSON struct json_object *data = NULL;
    HF_AUTOFREE char *path =
        hf_asprintf("/nodes/%s/storage/%s/content?content=backup&vmid=%s", node, storage, vm_id);
    if (!path)
        return hf_fail_nomem(err);
    if (pve_get(in, call, path, &data, err) != 0)
        return -1;
    if (!json_object_is_type(data, json_type_array))
        return hf_fail(err, HF_E_CORRUPT, "what lies on storage '%s' is no list", storage);
    for (size_t i = 0; i < json_object_array_length(data); i++) {
        struct pve_archive a;
        struct json_object *o = json_object_array_get_idx(data, i);
        if (!json_object_is_type(o, json_type_object))
            continue;
        read_archive(o, &a);
        const char *id = pve_text(o, "vmid");
        if (a.volid[0] && id && strcmp(id, vm_id) == 0 && each(ctx, &a) != 0)
            return -1;
    }
    return 0;
}

struct finder {
    const char *volid;
    struct pve_archive *out;
    bool found;
};

static int find_one(void *ctx, const struct pve_archive *a)
{
    struct finder *f = ctx;
    if (strcmp(a->volid, f->volid) != 0)
        return 0;
    *f->out = *a;
    f->found = true;
    return 0;
}

int pve_archive_find(struct hf_instance *in, const struct hf_call *call, const char *node,
                     const char *vm_id, const char *volid, struct pve_archive *out, bool *out_found,
                     struct hf_err *err)
{
    char storage[PVE_STORAGE_MAX];
    struct finder f = {volid, out, false};
    snprintf(storage, sizeof storage, "%.*s", (int)strcspn(volid, ":"), volid);
    if (pve_archives_each(in, call, node, storage, vm_id, find_one, &f, err) != 0)
        return -1;
    *out_found = f.found;
    return 0;
}

static int unprotect(struct hf_instance *in, const struct hf_call *call, const char *path,
                     struct hf_err *err)
{
    HF_AUTOJSON struct json_object *data = NULL;
    HF_AUTO(hf_buf) struct hf_buf params = HF_BUF_INIT;
    struct pve_req req = {.method = "PUT", .path = path, .params = &params};
    pve_param(&params, "protected", "0");
    return pve_request(in, call, &req, &data, err);
}

int pve_archive_delete(struct hf_instance *in, const struct hf_call *call, const char *node,
                       const char *vm_id, const char *volid, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf path = HF_BUF_INIT;
    HF_AUTOJSON struct json_object *data = NULL;
    struct pve_archive a;
    struct pve_task t;
    bool is_there = false;
    hf_buf_printf(&path, "/nodes/%s/storage/%.*s/content/", node, (int)strcspn(volid, ":"), volid);
    hf_url_encode(&path, volid, false);
    if (!hf_buf_ok(&path))
        return hf_fail_nomem(err);
    struct pve_req req = {.method = "DELETE", .path = path.data};
    if (pve_archive_find(in, call, node, vm_id, volid, &a, &is_there, err) != 0)
        return -1;
    if (!is_there)
        return 0;
    if ((a.is_protected && unprotect(in, call, path.data, err) != 0) ||
        pve_request(in, call, &req, &data, err) != 0)
        return -1;
    if (!data) /* done at once */
        return 0;
    return pve_task_take(data, &t, err) == 0 ? pve_task_wait(in, call, &t, DELETE_POLL_MS, err)
                                             : -1;
}
