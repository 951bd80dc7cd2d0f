/* SPDX-License-Identifier: Apache-2.0 */
#include "aftermath.h"
#include "base/point.h"
#include "snapshots.h"
#include "vzdump.h"

#include <string.h>

#define LOOKS 2
#define LATE_PAUSE_MS 300 /* a POST whose answer was lost may begin its task a moment later */

struct undo {
    char vm_id[PVE_ID_MAX], node[PVE_NODE_MAX], storage[PVE_STORAGE_MAX];
    const char *name;
    struct pve_task before; /* the newest one of ours when it was planned */
    bool has_before;        /* known, even if there was none */
    struct pve_task task;   /* "" in upid: none was found */
    struct pve_dump_log log;
};

static int read_token(const char *token, struct undo *u, struct hf_err *err)
{
    char upid[sizeof u->before.upid];
    _Static_assert(PVE_ID_MAX == 16 && PVE_NODE_MAX == 64 && PVE_STORAGE_MAX == 101, "below");
    if (sscanf(token, PVE_DUMP_TOKEN "%15s %63s %100s %255s", u->vm_id, u->node, u->storage,
               upid) != 4 ||
        u->vm_id[strspn(u->vm_id, "0123456789")] || !pve_is_node(u->node) ||
        pve_storage_check_key("undo", u->storage, err) != 0)
        return hf_fail(err, HF_E_CORRUPT, "an undo token that is none: '%.100s'", token);
    u->has_before = true;
    if (strcmp(upid, "-") == 0)
        return 0;
    HF_AUTOJSON struct json_object *text = json_object_new_string(upid);
    return text ? pve_task_take(text, &u->before, err) : hf_fail_nomem(err);
}

/* ---- the task ----------------------------------------------------------------------------------- */

struct first_line {
    const char *name;
    bool is_known, is_ours, was_seen;
};

/* The server tells the whole command first, with the notes that carry the run. */
static int read_first(void *ctx, const char *line)
{
    struct first_line *f = ctx;
    if (f->was_seen)
        return 0;
    f->was_seen = true;
    const char *notes = strstr(line, "notes-template");
    f->is_known = notes != NULL;
    f->is_ours = notes && strstr(notes, f->name);
    return 0;
}

/* Of this run: the next one of ours after those that were there. Its command says so itself where it is told. */
static int find_task(struct hf_instance *in, const struct hf_call *call, struct undo *u,
                     struct hf_err *err)
{
    for (int looks = 0; looks < LOOKS && !u->task.upid[0]; looks++) {
        struct first_line first = {.name = u->name};
        struct pve_task t;
        if (looks)
            pve_pause(in, call, LATE_PAUSE_MS);
        if (pve_task_newest_on(in, call, u->node, u->vm_id, "vzdump", PVE_TASK_OURS,
                               u->has_before ? &u->before : NULL, &t, err) != 0)
            return -1;
        if (!t.upid[0])
            continue;
        if (pve_task_log_all(in, call, &t, read_first, &first, err) != 0)
            return -1;
        if (first.is_known ? first.is_ours : u->has_before)
            u->task = t;
    }
    return 0;
}

static int end_task(struct hf_instance *in, const struct hf_call *call, struct undo *u,
                    struct hf_err *err)
{
    struct hf_err ended = HF_ERR_INIT;
    if (!u->task.upid[0])
        return 0;
    if (pve_task_look(in, call, &u->task, err) != 0)
        return -1;
    /* An answer that is lost is no matter: whether it has stopped is looked at. */
    if (!u->task.is_stopped && pve_task_stop(in, call, &u->task, &ended) != 0)
        pve_log(in, HF_LOG_WARN, "stopping the backup: %s", ended.message);
    hf_err_clear(&ended);
    if (!u->task.is_stopped && pve_task_wait(in, call, &u->task, PVE_POLL_MS, &ended) != 0 &&
        !u->task.is_stopped) {
        hf_err_copy(err, &ended);
        return hf_left(err, "task %s runs on: it makes a backup", u->task.upid);
    }
    return pve_task_log_all(in, call, &u->task, pve_dump_line, &u->log, err);
}

/* ---- its archive -------------------------------------------------------------------------------- */

struct collecting {
    const char *name, *named_by_log;
    struct hf_strv found;
};

static void collecting_drop(struct collecting *c)
{
    hf_strv_free(&c->found);
}
HF_DEFINE_AUTO_VALUE(collecting, collecting_drop)

/* One that carries another run, or the notes of somebody else, is not ours, whatever a log says. */
static int collect(void *ctx, const struct pve_archive *a)
{
    struct collecting *c = ctx;
    bool is_run = a->is_ours && strcmp(a->run, c->name) == 0;
    bool is_named = strcmp(a->volid, c->named_by_log) == 0 && !a->is_ours;
    return is_run || is_named ? hf_strv_add(&c->found, a->volid) : 0;
}

static int drop_archives(struct hf_instance *in, const struct hf_call *call, const struct undo *u,
                         struct hf_err *err)
{
    char volid[PVE_VOLID_MAX];
    pve_dump_volid(&u->log, u->storage, volid);
    HF_AUTO(collecting) struct collecting c = {.name = u->name, .named_by_log = volid};
    if (pve_archives_each(in, call, u->node, u->storage, u->vm_id, collect, &c, err) != 0)
        return *volid ? hf_left(err, "perhaps backup %s", volid) : -1;
    for (size_t i = 0; i < c.found.n; i++) {
        if (HF_POINT_ERR("proxmox.before_archive_delete", err) != 0 ||
            pve_archive_delete(in, call, u->node, u->vm_id, c.found.items[i], err) != 0)
            return hf_left(err, "backup %s", c.found.items[i]);
    }
    return 0;
}

/* The guest may be frozen still, if its VM is still there. */
static int thaw(struct hf_instance *in, const struct hf_call *call, const struct undo *u,
                struct hf_err *err)
{
    struct hf_err gone = HF_ERR_INIT;
    if (!u->task.upid[0] || !u->log.has_frozen || u->log.is_by_others)
        return 0;
    if (pve_locate(in, call, u->vm_id, &gone) != 0) {
        if (gone.cls == HF_E_NOT_FOUND)
            return 0;
        hf_err_copy(err, &gone);
        return -1;
    }
    return pve_after_dead_task(in, call, u->vm_id, &u->task, err);
}

int pve_dump_discard(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                     const char *name, const char *token, struct hf_err *err)
{
    struct undo u = {.name = name};
    if (token) {
        if (read_token(token, &u, err) != 0)
            return -1;
    } else { /* the VM has been located */
        snprintf(u.vm_id, sizeof u.vm_id, "%s", vm_id);
        snprintf(u.node, sizeof u.node, "%s", in->node);
        snprintf(u.storage, sizeof u.storage, "%s", in->backup_storage);
    }
    if (find_task(in, call, &u, err) != 0 || end_task(in, call, &u, err) != 0)
        return hf_wrap(err, "undo of backup '%s'", name);
    struct hf_err second = HF_ERR_INIT;
    int rc = thaw(in, call, &u, err); /* the guest first */
    if (drop_archives(in, call, &u, rc == 0 ? err : &second) != 0) {
        if (rc != 0)
            hf_also(err, &second);
        rc = -1;
    }
    return rc == 0 ? 0 : hf_wrap(err, "undo of backup '%s'", name);
}
