/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"
#include "snapshots.h"
#include "vm.h"

#include <string.h>

#define DEPTH_MAX 64

/* One entry of the tree. Non-zero ends the walk. */
struct entry {
    const struct vmw_node *node;
    const char *name, *parent;
    struct vmw_ref ref;
    bool is_current, is_base; /* is_base: it is the current one, or above that */
    int depth;                /* 1: a root */
};
typedef int (*entry_cb)(void *ctx, const struct entry *e);

struct walk {
    struct vmw_ref current;
    entry_cb each;
    void *ctx;
    struct hf_err *err;
};

/* No deeper than the walk itself goes. */
static bool leads_to(const struct vmw_node *n, const struct vmw_ref *current, int depth)
{
    struct vmw_ref ref;
    if (depth > DEPTH_MAX)
        return false;
    if (vmw_ref_read(vmw_child(n, "snapshot"), &ref) && vmw_ref_same(&ref, current))
        return true;
    for (n = vmw_child(n, "childSnapshotList"); n; n = vmw_next(n))
        if (leads_to(n, current, depth + 1))
            return true;
    return false;
}

static int walk_list(const struct walk *w, const struct vmw_node *n, const char *parent, int depth)
{
    if (n && depth > DEPTH_MAX)
        return hf_fail(w->err, HF_E_CORRUPT, "the tree of snapshots is too deep");
    for (; n; n = vmw_next(n)) {
        struct entry e = {
            .node = n, .name = vmw_child_text(n, "name"), .parent = parent, .depth = depth};
        if (!vmw_ref_read(vmw_child(n, "snapshot"), &e.ref) || !e.name)
            return hf_fail(w->err, HF_E_CORRUPT, "a snapshot without a name or an id");
        e.is_current = vmw_ref_same(&e.ref, &w->current);
        e.is_base = leads_to(n, &w->current, depth);
        if (w->each(w->ctx, &e) != 0 ||
            walk_list(w, vmw_child(n, "childSnapshotList"), e.name, depth + 1) != 0)
            return -1;
    }
    return 0;
}

/* Parents before their children. Absent: there is none. */
static int each_snap(struct hf_instance *in, const struct hf_call *call, entry_cb each, void *ctx,
                     struct hf_err *err)
{
    static const char *const paths[] = {"snapshot", NULL};
    HF_AUTO(vmw_props) struct vmw_props p = {0};
    if (vmw_props_get(in, call, &in->vm, paths, &p, err) != 0)
        return -1;
    struct walk w = {.each = each, .ctx = ctx, .err = err};
    const struct vmw_node *info = vmw_prop(p.object, "snapshot");
    (void)vmw_ref_read(vmw_child(info, "currentSnapshot"), &w.current);
    return walk_list(&w, vmw_child(info, "rootSnapshotList"), NULL, 1);
}

/* ---- what stands in one ------------------------------------------------------------------------------------------ */

static void read_description(const char *text, struct vmw_snap *out)
{
    size_t len = strcspn(text, "\r\n"), max = sizeof out->description - 1;
    const char *second = text + len + strspn(text + len, "\r\n");
    /* It is written back: cut behind a whole character. */
    snprintf(out->description, sizeof out->description, "%.*s",
             (int)(len > max ? hf_utf8_fit(text, max) : len), text);
    out->is_ours = strncmp(text, VMW_MARK, strlen(VMW_MARK)) == 0;
    out->is_undone = out->is_ours && len > 7 && strncmp(text + len - 7, " undone", 7) == 0;
    if (strncmp(second, VMW_SETTLED, strlen(VMW_SETTLED)) == 0)
        snprintf(out->settled, sizeof out->settled, "%.*s",
                 (int)strcspn(second + strlen(VMW_SETTLED), "\r\n"), second + strlen(VMW_SETTLED));
}

/* One without memory says that the VM is off in it. */
static void read_snap(const struct entry *e, struct vmw_snap *out)
{
    const char *description = vmw_child_text(e->node, "description");
    *out = (struct vmw_snap){.exists = true,
                             .has_memory = vmw_is(vmw_child(e->node, "state"), "poweredOn"),
                             .is_current = e->is_current,
                             .is_base = e->is_base,
                             .is_quiesced = vmw_true(vmw_child(e->node, "quiesced")),
                             .ref = e->ref,
                             .taken_at_s = vmw_time(vmw_child(e->node, "createTime"))};
    read_description(description ? description : "", out);
}

struct finder {
    const char *name;
    struct vmw_snap *out;
};

static int find_one(void *ctx, const struct entry *e)
{
    struct finder *f = ctx;
    struct vmw_snap s;
    if (strcmp(e->name, f->name) != 0)
        return 0;
    read_snap(e, &s);
    if (!f->out->exists || (s.is_ours && !f->out->is_ours))
        *f->out = s;
    return 0;
}

int vmw_snap_find(struct hf_instance *in, const struct hf_call *call, const char *name,
                  struct vmw_snap *out, struct hf_err *err)
{
    struct finder f = {name, out};
    *out = (struct vmw_snap){0};
    return each_snap(in, call, find_one, &f, err);
}

static int take_depth(void *ctx, const struct entry *e)
{
    if (e->is_current)
        *(int *)ctx = e->depth;
    return 0;
}

int vmw_snap_depth(struct hf_instance *in, const struct hf_call *call, int *out, struct hf_err *err)
{
    *out = 0;
    return each_snap(in, call, take_depth, out, err);
}

/* ---- the list ---------------------------------------------------------------------------------------------------- */

struct lister {
    hf_snapshot_cb emit;
    void *ctx;
};

static int list_one(void *ctx, const struct entry *e)
{
    struct lister *l = ctx;
    struct vmw_snap snap;
    read_snap(e, &snap);
    struct hf_snapshot s = {.struct_size = sizeof s,
                            .name = e->name,
                            .parent = e->parent,
                            .description = snap.description,
                            .created_at_s = snap.taken_at_s,
                            .is_memory = snap.has_memory,
                            .is_ours = snap.is_ours,
                            .is_current = e->is_current};
    return l->emit(l->ctx, &s) != 0 ? -1 : 0;
}

int vmware_snapshot_list(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                         hf_snapshot_cb emit, void *ctx, struct hf_err *err)
{
    struct lister l = {emit, ctx};
    if (vmw_enter(in, call, err) != 0 || vmw_locate(in, call, vm_id, err) != 0)
        return -1;
    return each_snap(in, call, list_one, &l, err);
}
