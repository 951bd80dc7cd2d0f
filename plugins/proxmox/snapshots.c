/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshots.h"

#include "aftermath.h"
#include "base/point.h"
#include "base/utf8.h"
#include "rights.h"
#include "vzdump.h"

#include <string.h>

#define SLOW_POLL_MS 2000
#define LOCK_PAUSE_MS 500
#define LATE_PAUSE_MS 300 /* a POST whose answer was lost may begin its task a moment later */

typedef int (*snap_cb)(void *ctx, struct json_object *o, const char *current_parent);

static int each_snap(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                     snap_cb each, void *ctx, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *data = NULL;
    const char *parent = NULL;
    if (pve_vm_get(in, call, vm_id, "/snapshot", &data, err) != 0)
        return -1;
    if (!json_object_is_type(data, json_type_array))
        return hf_fail(err, HF_E_CORRUPT, "the snapshots are no list");
    size_t n = json_object_array_length(data);
    for (size_t i = 0; i < n; i++) { /* 'current' stands anywhere in the list */
        struct json_object *o = json_object_array_get_idx(data, i);
        const char *name = pve_text(o, "name");
        if (name && strcmp(name, "current") == 0)
            parent = pve_text(o, "parent");
    }
    for (size_t i = 0; i < n; i++) {
        struct json_object *o = json_object_array_get_idx(data, i);
        const char *name = pve_text(o, "name");
        if (name && strcmp(name, "current") != 0 && each(ctx, o, parent) != 0)
            return -1;
    }
    return 0;
}

static bool is_ours(struct json_object *o)
{
    const char *description = pve_text(o, "description");
    return description && strncmp(description, PVE_MARK, strlen(PVE_MARK)) == 0;
}

static bool is_undone(struct json_object *o)
{
    const char *text = pve_text(o, "description");
    size_t len = text ? strcspn(text, "\n") : 0;
    return is_ours(o) && len > 7 && strncmp(text + len - 7, " undone", 7) == 0;
}

struct lister {
    hf_snapshot_cb emit;
    void *ctx;
};

static int list_one(void *ctx, struct json_object *o, const char *current)
{
    struct lister *l = ctx;
    const char *text = pve_text(o, "description");
    char words[512]; /* the first line: below it stands what is ours to know */
    snprintf(words, sizeof words, "%.*s", text ? (int)strcspn(text, "\n") : 0, text ? text : "");
    struct hf_snapshot s = {.struct_size = sizeof s,
                            .name = pve_text(o, "name"),
                            .parent = pve_text(o, "parent"),
                            .description = words,
                            .created_at_s = pve_int(o, "snaptime", 0),
                            .is_memory = pve_bool(o, "vmstate"),
                            .is_ours = is_ours(o) && !pve_text(o, "snapstate")};
    s.is_current = current && strcmp(current, s.name) == 0;
    return l->emit(l->ctx, &s);
}

int proxmox_snapshot_list(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                          hf_snapshot_cb emit, void *ctx, struct hf_err *err)
{
    struct lister l = {emit, ctx};
    if (pve_enter(in, call, err) != 0)
        return -1;
    return each_snap(in, call, vm_id, list_one, &l, err);
}

struct finder {
    const char *name;
    struct pve_snap *out;
};

static void read_description(const char *text, struct pve_snap *out)
{
    size_t len = text ? strcspn(text, "\n") : 0, max = sizeof out->description - 1;
    if (len > max) /* it is written back: cut behind a whole character */
        len = hf_utf8_fit(text, max);
    snprintf(out->description, sizeof out->description, "%.*s", (int)len, text ? text : "");
    if (text && text[len] && strncmp(text + len + 1, PVE_SETTLED, strlen(PVE_SETTLED)) == 0)
        snprintf(out->settled, sizeof out->settled, "%.*s",
                 (int)strcspn(text + len + 1 + strlen(PVE_SETTLED), "\n"),
                 text + len + 1 + strlen(PVE_SETTLED));
}

static int find_one(void *ctx, struct json_object *o, const char *current)
{
    struct finder *f = ctx;
    if (strcmp(pve_text(o, "name"), f->name) != 0)
        return 0;
    *f->out = (struct pve_snap){.exists = true,
                                .is_ours = is_ours(o),
                                .is_unfinished = pve_text(o, "snapstate") != NULL,
                                .has_memory = pve_bool(o, "vmstate"),
                                .is_current = current && strcmp(current, f->name) == 0,
                                .is_undone = is_undone(o),
                                .taken_at_s = pve_int(o, "snaptime", 0)};
    read_description(pve_text(o, "description"), f->out);
    return 0;
}

int pve_snap_find(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                  const char *name, struct pve_snap *out, struct hf_err *err)
{
    struct finder f = {name, out};
    *out = (struct pve_snap){0};
    return each_snap(in, call, vm_id, find_one, &f, err);
}

/* Waits for a task that works on the VM, good or bad. *out_was: there was one. */
static int wait_for_running(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                            bool *out_was, struct hf_err *err)
{
    static const char *const types[] = {"qmsnapshot", "qmdelsnapshot", "qmrollback"};
    *out_was = false;
    for (size_t i = 0; i < HF_ARRAY_SIZE(types); i++) {
        struct pve_task t;
        struct hf_err ended = HF_ERR_INIT;
        if (pve_task_newest(in, call, vm_id, types[i], PVE_TASK_RUNNING, NULL, &t, err) != 0)
            return -1;
        if (!t.upid[0])
            continue;
        *out_was = true;
        if (pve_task_wait(in, call, &t, PVE_POLL_MS, &ended) != 0 && !t.is_stopped) {
            hf_err_copy(err, &ended);
            return -1;
        }
    }
    return 0;
}

int pve_snap_wait_idle(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                       struct hf_err *err)
{
    bool was;
    return wait_for_running(in, call, vm_id, &was, err);
}

static int fail_stuck(struct hf_instance *in, const char *vm_id, const char *name,
                      struct hf_err *err)
{
    hf_fail(err, HF_E_BUSY,
            "snapshot '%s' is half made or half deleted, and nothing works on it any more", name);
    hf_left(err, "snapshot '%s' of VM %s on %s, with the lock of the task that died", name, vm_id,
            in->node);
    return hf_hint(err,
                   "As root on %s, when nothing works on the VM: `qm unlock %s && qm delsnapshot "
                   "%s %s --force`.",
                   in->node, vm_id, vm_id, name);
}

/* A disk's part of it cannot be deleted, or is gone: the task fails, and leaves its lock and an entry that only force=1
 * removes. That is never sent: it also forgets parts that are there still and failed for another reason, which then take room
 * that nobody knows of and, on ZFS, bar every rollback. Who looked at the storage may. */
static int fail_part(struct hf_instance *in, const char *vm_id, const char *name,
                     const struct hf_err *why, struct hf_err *err)
{
    hf_err_copy(err, why);
    err->hint[0] = '\0'; /* of the task's log: its line is in the message */
    hf_left(err, "snapshot '%s' of VM %s on %s, half deleted", name, vm_id, in->node);
    return hf_hint(err,
                   "When the storage holds nothing of it any more (`qm listsnapshot %s`, then lvs, "
                   "zfs list -t snapshot, …), as root on %s: `qm unlock %s; qm delsnapshot %s %s "
                   "--force`.",
                   vm_id, in->node, vm_id, vm_id, name);
}

static int delete_once(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                       const char *name, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf below = HF_BUF_INIT;
    HF_AUTOJSON struct json_object *data = NULL;
    struct pve_req req = {.method = "DELETE"};
    struct pve_task t;
    hf_buf_str_add(&below, "/snapshot/");
    hf_url_encode(&below, name, false);
    if (!hf_buf_ok(&below))
        return hf_fail_nomem(err);
    if (HF_POINT_ERR("proxmox.before_delete", err) != 0 ||
        pve_vm_request(in, call, vm_id, below.data, &req, &data, err) != 0 ||
        HF_POINT_ERR("proxmox.after_delete", err) != 0)
        return -1;
    return pve_task_take(data, &t, err) == 0 ? pve_task_wait(in, call, &t, SLOW_POLL_MS, err) : -1;
}

/* The task itself failed, and not for a lock. */
static bool is_part(const struct hf_err *err)
{
    return strstr(err->message, PVE_TASK_ENDED) && err->cls != HF_E_BUSY;
}

/* Another task was quicker, or the answer was lost: look again. */
static bool may_come_right(const struct hf_instance *in, const struct hf_err *err)
{
    return in->is_unclear || err->cls == HF_E_BUSY || err->cls == HF_E_NOT_FOUND;
}

/* With why the one before did not come right: the deadline alone explains nothing. */
static int give_up(struct hf_err *err, const struct hf_err *before)
{
    return before->cls ? hf_also(err, before) : -1;
}

/* *out_was: it was there. Ends when it is not there any more. */
int pve_snap_drop(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                  const char *name, bool *out_was, struct hf_err *err)
{
    struct hf_err last = HF_ERR_INIT, part = HF_ERR_INIT;
    for (int stuck = 0;;) {
        struct pve_snap s;
        struct hf_err now = HF_ERR_INIT;
        bool was_running;
        if (wait_for_running(in, call, vm_id, &was_running, err) != 0 ||
            pve_snap_find(in, call, vm_id, name, &s, err) != 0)
            return give_up(err, &last);
        if (!s.exists)
            return 0;
        if (!s.is_ours)
            return hf_fail(err, HF_E_CONFLICT, "snapshot '%s' was not made by holdfast", name);
        *out_was = true;
        if (part.cls && !was_running)
            return fail_part(in, vm_id, name, &part, err);
        if (pve_check_stop(in, call, err) != 0)
            return give_up(err, &last);
        if (delete_once(in, call, vm_id, name, &now) == 0)
            continue;
        /* The lock of a task is seen for some seconds after its end; one that stays is that of a dead one. */
        if (now.cls == HF_E_BUSY && s.is_unfinished && !was_running && ++stuck > 3)
            return fail_stuck(in, vm_id, name, err);
        if (is_part(&now)) { /* or another was quicker: then it is not listed any more */
            part = now;
            continue;
        }
        if (!may_come_right(in, &now)) {
            hf_err_copy(err, &now);
            return give_up(err, &last);
        }
        last = now;
        pve_pause(in, call, LOCK_PAUSE_MS);
    }
}

int proxmox_snapshot_delete(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                            const char *name, struct hf_err *err)
{
    bool was = false;
    if (pve_enter(in, call, err) != 0 || pve_locate(in, call, vm_id, err) != 0)
        return -1;
    if (pve_snap_drop(in, call, vm_id, name, &was, err) != 0)
        return hf_wrap(err, "delete snapshot '%s'", name);
    return was ? 0 : hf_fail(err, HF_E_NOT_FOUND, "VM %s has no snapshot '%s'", vm_id, name);
}

/* Gone, or hidden from us: then something may be left that nobody else knows of. */
static int judge_missing(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                         const char *name, struct hf_err *err)
{
    HF_AUTO(pve_rights) struct pve_rights rights = {0};
    if (!vm_id[0] || vm_id[strspn(vm_id, "0123456789")])
        return 0; /* never was one */
    if (pve_rights_load(in, call, vm_id, &rights, err) != 0)
        return -1;
    if (pve_rights_has(&rights, "VM.Audit"))
        return 0;
    hf_fail(err, HF_E_AUTH, "VM %s is gone, or the right VM.Audit on it", vm_id);
    return hf_left(err, "perhaps snapshot '%s' of VM %s", name, vm_id);
}

/* The guest's state is the worse of two troubles, and named first. */
static int join(struct hf_err *err, struct hf_err *worse)
{
    if (err->cls)
        (void)!hf_also(worse, err);
    hf_err_copy(err, worse);
    return -1;
}

int proxmox_capture_discard(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                            const char *name, const char *undo_token, struct hf_err *err)
{
    bool was = false;
    struct hf_err why = HF_ERR_INIT, frozen = HF_ERR_INIT, ignored = HF_ERR_INIT;
    if (pve_enter(in, call, err) != 0)
        return -1;
    if (undo_token && strncmp(undo_token, PVE_DUMP_TOKEN, strlen(PVE_DUMP_TOKEN)) == 0)
        return pve_dump_discard(in, call, vm_id, name, undo_token, err);
    int rc = pve_locate(in, call, vm_id, &why);
    if (rc != 0 && why.cls == HF_E_NOT_FOUND)
        return judge_missing(in, call, vm_id, name, err);
    bool located = rc == 0;
    if (rc == 0 &&
        pve_snap_wait_idle(in, call, vm_id, &ignored) == 0) /* a deletion takes its time */
        (void)!pve_after_lost_task(in, call, vm_id, &ignored);
    for (int looks = 0; rc == 0 && looks < 2 && !was; looks++) {
        if (looks)
            pve_pause(in, call, LATE_PAUSE_MS);
        rc = pve_snap_drop(in, call, vm_id, name, &was, &why);
    }
    if (located && pve_after_lost_task(in, call, vm_id, &frozen) != 0)
        rc = join(&why, &frozen);
    if (rc == 0 && !undo_token && in->backup_storage)
        rc = pve_dump_discard(in, call, vm_id, name, NULL, &why);
    if (rc == 0)
        return 0;
    hf_err_copy(err, &why);
    if (!err->left[0] && was)
        hf_left(err, "snapshot '%s' of VM %s", name, vm_id);
    return hf_wrap(err, "undo of '%s'", name);
}
