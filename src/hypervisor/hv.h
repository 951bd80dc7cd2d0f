/* SPDX-License-Identifier: Apache-2.0
 *
 * hypervisor/hv.h - host side of the plugin contract: load, open, and calls that cannot hang us.
 *
 * Each hf_hv has a worker thread; a call is handed to it and waited for until its deadline. When
 * the deadline passes first, the caller gets TIMEOUT (25 ms after it, so that a plugin that keeps
 * the deadline can say why) and the hf_hv is `stuck`: every further call is BUSY until the late one
 * has come home (hf_hv_wait_home). Whatever a late call may have done is unknown: the caller looks
 * (capture_discard). What a call reads or writes lives in the call, not on the caller's stack, so a
 * late return touches nobody's memory. Cancelling (hf_hv_opts.cancel) reaches the plugin in all
 * calls but capture_discard, rollback_settle, rollback_undo, machine_settle, machine_destroy and guest_*: what was taken must be
 * given back after a Ctrl-C, too. A
 * late call is told that it is cancelled, always. Strings in results are copied out; results are
 * freed by the caller with the *_free here. Threads: one caller at a time per hf_hv. Open a second
 * one for what must work while the first is stuck.
 */
#ifndef HF_HYPERVISOR_HV_H
#define HF_HYPERVISOR_HV_H

#include "api/holdfast/plugin.h"
#include "base/buf.h"
#include "base/cancel.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/strv.h"

#include <stdbool.h>

/* ---- plugins as files ------------------------------------------------------------------- */

struct hf_plugin_handle; /* a loaded shared object */

/* Loads DIR/holdfast-NAME.so. NOT_FOUND (hint: the directory and what is there), PLUGIN (other ABI:
 * both numbers). */
struct hf_plugin_handle *hf_plugin_load(const char *dir, const char *name, struct hf_log *log,
                                        struct hf_err *err) HF_CHECKED;
void hf_plugin_unload(struct hf_plugin_handle *h);
HF_DEFINE_AUTO(hf_plugin_handle, hf_plugin_unload)
/* The plugin's table as copied: absent slots are NULL. */
const struct hf_plugin *hf_plugin_table(const struct hf_plugin_handle *h);
/* Names of all holdfast-*.so in dir, sorted. */
int hf_plugin_names(const char *dir, struct hf_strv *out, struct hf_err *err) HF_CHECKED;
/* Checks kv against the plugin's key table: unknown (with the nearest), missing, wrong type, secret
 * file not private: CONFIG. */
int hf_plugin_check_config(const struct hf_plugin *p, const struct hf_kv *kv, size_t n,
                           struct hf_err *err) HF_CHECKED;

/* ---- an endpoint ------------------------------------------------------------------------ */

struct hf_hv;

struct hf_hv_opts {
    const char *plugin_dir;
    const char *plugin; /* name */
    const struct hf_kv *kv;
    size_t n_kv;
    const struct hf_clock *clock;                               /* NULL: system */
    struct hf_cancel *cancel;                                   /* may be NULL */
    struct hf_log *log;                                         /* may be NULL */
    void (*progress)(void *ctx, uint64_t done, uint64_t total); /* worker's thread; may be NULL */
    void *progress_ctx;
    int64_t open_timeout_ms; /* 0: 15 s */
};

struct hf_hv *hf_hv_open(const struct hf_hv_opts *opts, struct hf_err *err) HF_CHECKED;
/* Waits up to two seconds for a stuck call, then abandons thread and instance. Takes NULL. */
void hf_hv_close(struct hf_hv *hv);
HF_DEFINE_AUTO(hf_hv, hf_hv_close)

const struct hf_plugin *hf_hv_plugin(const struct hf_hv *hv);
bool hf_hv_is_stuck(struct hf_hv *hv);
/* 0: the late call is home (its own outcome in late; class NONE: it had succeeded); TIMEOUT: still
 * away. */
int hf_hv_wait_home(struct hf_hv *hv, int64_t deadline_ms, struct hf_err *late, struct hf_err *err)
    HF_CHECKED;

/* ---- calls: deadlines absolute, monotonic ms -------------------------------------------- */

struct hf_hv_call {
    int64_t deadline_ms;
    const char *run_id; /* or NULL */
};

struct hf_vm_copy { /* struct hf_vm with strings of its own */
    char *id, *name, *cannot;
    enum hf_vm_state state;
    uint64_t can;
    uint32_t n_disks;
    bool has_agent, is_uefi;
};
struct hf_disk_copy {
    char *target, *source, *format, *serial, *address, *skipped, *refused, *store;
    enum hf_disk_kind kind;
    uint32_t flags, chain_depth;
    uint64_t capacity_bytes, allocated_bytes;
    uint64_t store_total_bytes, store_free_bytes;
};
struct hf_snapshot_copy {
    char *name, *parent, *description;
    bool is_ours, is_current, is_memory;
    int64_t created_at_s;
    uint64_t overlay_bytes;
};
struct hf_vm_list {
    struct hf_vm_copy *items;
    size_t n;
};
struct hf_disk_list {
    struct hf_disk_copy *items;
    size_t n;
};
struct hf_snapshot_list {
    struct hf_snapshot_copy *items;
    size_t n;
};
struct hf_mount_copy {
    char *mountpoint, *fstype, *device; /* device: may be NULL */
    char *target; /* hf_disk_copy.target it lies on; NULL: on no disk of this VM */
};
struct hf_mount_list { /* one item per mount and target */
    struct hf_mount_copy *items;
    size_t n;
};
struct hf_probe_copy {
    char *product, *endpoint, *host;
};

void hf_vm_copy_free(struct hf_vm_copy *vm);
void hf_vm_list_free(struct hf_vm_list *l);
void hf_disk_list_free(struct hf_disk_list *l);
void hf_snapshot_list_sort(struct hf_snapshot_list *l); /* oldest first */
void hf_snapshot_list_free(struct hf_snapshot_list *l);
void hf_mount_list_free(struct hf_mount_list *l);
void hf_probe_copy_free(struct hf_probe_copy *p);
HF_DEFINE_AUTO_VALUE(hf_vm_copy, hf_vm_copy_free)
HF_DEFINE_AUTO_VALUE(hf_vm_list, hf_vm_list_free)
HF_DEFINE_AUTO_VALUE(hf_disk_list, hf_disk_list_free)
HF_DEFINE_AUTO_VALUE(hf_snapshot_list, hf_snapshot_list_free)
HF_DEFINE_AUTO_VALUE(hf_mount_list, hf_mount_list_free)
HF_DEFINE_AUTO_VALUE(hf_probe_copy, hf_probe_copy_free)

int hf_hv_probe(struct hf_hv *hv, const struct hf_hv_call *call, struct hf_probe_copy *out,
                struct hf_err *err) HF_CHECKED;
int hf_hv_vm_list(struct hf_hv *hv, const struct hf_hv_call *call, struct hf_vm_list *out,
                  struct hf_err *err) HF_CHECKED;
int hf_hv_vm_find(struct hf_hv *hv, const struct hf_hv_call *call, const char *what,
                  struct hf_vm_copy *out, struct hf_err *err) HF_CHECKED;
int hf_hv_vm_disks(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                   struct hf_disk_list *out, struct hf_err *err) HF_CHECKED;
int hf_hv_vm_busy(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                  struct hf_err *err) HF_CHECKED;
int hf_hv_vm_definition(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                        char **out, struct hf_err *err) HF_CHECKED;
int hf_hv_snapshot_list(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                        struct hf_snapshot_list *out, struct hf_err *err) HF_CHECKED;
int hf_hv_snapshot_delete(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                          const char *name, struct hf_err *err) HF_CHECKED;

struct hf_hv_capture; /* borrows its hf_hv */
struct hf_hv_capture_plan {
    uint32_t n_disks;
    char *undo_token;
    struct hf_strv warnings;
    bool leaves_checkpoint, is_incremental; /* of an EXPORT */
};
void hf_hv_capture_plan_free(struct hf_hv_capture_plan *p);
HF_DEFINE_AUTO_VALUE(hf_hv_capture_plan, hf_hv_capture_plan_free)

int hf_hv_capture_plan(struct hf_hv *hv, const struct hf_hv_call *call,
                       const struct hf_capture_request *req, struct hf_hv_capture **out,
                       struct hf_hv_capture_plan *plan, struct hf_err *err) HF_CHECKED;
int hf_hv_capture_prepare(struct hf_hv_capture *cap, const struct hf_hv_call *call,
                          struct hf_err *err) HF_CHECKED;
/* TIMEOUT: the call is still away; whether the instant passed is unknown. */
int hf_hv_capture_begin(struct hf_hv_capture *cap, const struct hf_hv_call *call,
                        struct hf_err *err) HF_CHECKED;
int hf_hv_capture_settle(struct hf_hv_capture *cap, const struct hf_hv_call *call,
                         struct hf_err *err) HF_CHECKED;
/* Forgets the handle; while its begin is stuck, the handle stays with the call. Takes NULL. */
void hf_hv_capture_free(struct hf_hv_capture *cap);
HF_DEFINE_AUTO(hf_hv_capture, hf_hv_capture_free)
int hf_hv_capture_discard(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                          const char *name, const char *undo_token, struct hf_err *err) HF_CHECKED;

/* An export, between begin and free. The disks are read by the caller meanwhile, without this thread, but for those of
 * form STREAM. */
struct hf_export_copy {
    enum hf_export_form form;
    char *uri, *allocation_ctx,
        *dirty_ctx; /* each may be NULL, but for the URI of a form that has one */
    uint64_t size_bytes;
    char *compare_why; /* no dirty_ctx although a parent was asked for; or NULL: it does not say */
    bool has_lost_changes;
};
void hf_export_copy_free(struct hf_export_copy *e);
HF_DEFINE_AUTO_VALUE(hf_export_copy, hf_export_copy_free)

int hf_hv_export_disk(struct hf_hv_capture *cap, const struct hf_hv_call *call, const char *target,
                      struct hf_export_copy *out, struct hf_err *err) HF_CHECKED;
/* All of a disk of form STREAM, in ascending pieces without a gap, data NULL: zeros. take runs in the caller, and the plugin waits for it;
 * its -1 ends the stream with its error. PLUGIN: pieces out of order. Nothing else can be asked of the hypervisor meanwhile. */
typedef int (*hf_hv_extent_cb)(void *ctx, uint64_t offset, const void *data, uint64_t len,
                               struct hf_err *err);
int hf_hv_export_stream(struct hf_hv_capture *cap, const struct hf_hv_call *call,
                        const char *target, hf_hv_extent_cb take, void *ctx, struct hf_err *err)
    HF_CHECKED;
/* Four times a second while disks are read. NOSPACE, CONFLICT: nothing that was read counts, discard is
 * next. UNREACHABLE, TIMEOUT, BUSY: ask again. */
int hf_hv_export_watch(struct hf_hv_capture *cap, const struct hf_hv_call *call,
                       struct hf_export_state *out, struct hf_err *err) HF_CHECKED;
/* After the last byte. 0: what was read is the instant, and the job has ended. */
int hf_hv_export_end(struct hf_hv_capture *cap, const struct hf_hv_call *call, struct hf_err *err)
    HF_CHECKED;

/* A backup that the hypervisor wrote itself. Texts but ref, form and place may be NULL; each is UTF-8 of one line, at most 511 bytes. */
struct hf_pushed_copy {
    char *ref, *form, *place, *server, *where_why, *run, *notes;
    enum hf_pushed_check check;
    enum hf_pushed_place where;
    bool is_ours, is_protected;
    int64_t taken_at_s;
    uint64_t stored_bytes;
};
struct hf_pushed_list {
    struct hf_pushed_copy *items;
    size_t n;
};
void hf_pushed_copy_free(struct hf_pushed_copy *p);
void hf_pushed_list_free(struct hf_pushed_list *l);
HF_DEFINE_AUTO_VALUE(hf_pushed_copy, hf_pushed_copy_free)
HF_DEFINE_AUTO_VALUE(hf_pushed_list, hf_pushed_list_free)

/* After export_end of a PUSHED export: what lies there now. */
int hf_hv_export_pushed(struct hf_hv_capture *cap, const struct hf_hv_call *call,
                        struct hf_pushed_copy *out, struct hf_err *err) HF_CHECKED;
/* Those of others, too. */
int hf_hv_pushed_list(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                      struct hf_pushed_list *out, struct hf_err *err) HF_CHECKED;
/* Wherever it lies. NOT_FOUND: nowhere. */
int hf_hv_pushed_find(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                      const char *ref, struct hf_pushed_copy *out, struct hf_err *err) HF_CHECKED;
/* CONFLICT: it is not this run's. Gone already: success. Goes on when the user cancels. */
int hf_hv_pushed_delete(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                        const char *ref, const char *run, struct hf_err *err) HF_CHECKED;

/* Ours, but the one called keep (NULL: all). Goes on when the user cancels. dropped: those that are gone, when all are. */
int hf_hv_checkpoint_drop(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                          const char *keep, struct hf_strv *dropped, struct hf_err *err) HF_CHECKED;
/* Ours, the newest first. */
int hf_hv_checkpoint_list(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                          struct hf_strv *out, struct hf_err *err) HF_CHECKED;

struct hf_hv_rollback_plan {
    char *undo_token;
    uint32_t n_disks;
    bool is_final, was_active, was_running;
    int64_t taken_at_s;
    uint64_t discarded_bytes;
    struct hf_strv younger, warnings;
};
void hf_hv_rollback_plan_free(struct hf_hv_rollback_plan *p);
HF_DEFINE_AUTO_VALUE(hf_hv_rollback_plan, hf_hv_rollback_plan_free)

int hf_hv_rollback_plan(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                        const char *name, struct hf_hv_rollback_plan *out, struct hf_err *err)
    HF_CHECKED;
int hf_hv_rollback_switch(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                          const char *undo_token, struct hf_err *err) HF_CHECKED;
/* Goes on when the user cancels, as undo does. kept: with `keep` what holds the state that was left. */
int hf_hv_rollback_settle(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                          const char *undo_token, bool keep, struct hf_strv *kept,
                          struct hf_err *err) HF_CHECKED;
int hf_hv_rollback_undo(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                        const char *undo_token, struct hf_err *err) HF_CHECKED;

/* A machine from a stored definition: plan, create, start, settle or destroy; list: what dead runs left. */
struct hf_machine_finding_copy {
    enum hf_machine_finding_kind kind;
    char *about, *text;
};
struct hf_machine_finding_list {
    struct hf_machine_finding_copy *items;
    size_t n;
};
struct hf_hv_machine_plan {
    char *vm_id, *definition, *undo_token;
    bool is_uefi;
    uint64_t memory_bytes;
    struct hf_machine_finding_list findings;
};
struct hf_machine_copy {
    char *vm_id, *name, *run, *purpose, *undo_token;
    enum hf_vm_state state;
    bool is_transient;
};
struct hf_machine_list {
    struct hf_machine_copy *items;
    size_t n;
};
void hf_hv_machine_plan_free(struct hf_hv_machine_plan *p);
void hf_machine_list_free(struct hf_machine_list *l);
HF_DEFINE_AUTO_VALUE(hf_hv_machine_plan, hf_hv_machine_plan_free)
HF_DEFINE_AUTO_VALUE(hf_machine_list, hf_machine_list_free)

/* req is copied; its `run` is the call's run_id. Also when it fails out holds the findings that were told by then: those
 * of the kind REFUSED say why, and err is the first of them. */
int hf_hv_machine_plan(struct hf_hv *hv, const struct hf_hv_call *call,
                       const struct hf_machine_request *req, struct hf_hv_machine_plan *out,
                       struct hf_err *err) HF_CHECKED;
int hf_hv_machine_create(struct hf_hv *hv, const struct hf_hv_call *call, const char *definition,
                         const char *undo_token, struct hf_err *err) HF_CHECKED;
int hf_hv_machine_start(struct hf_hv *hv, const struct hf_hv_call *call, const char *undo_token,
                        bool paused, struct hf_err *err) HF_CHECKED;
/* These two go on when the user cancels. */
int hf_hv_machine_settle(struct hf_hv *hv, const struct hf_hv_call *call, const char *undo_token,
                         struct hf_err *err) HF_CHECKED;
int hf_hv_machine_destroy(struct hf_hv *hv, const struct hf_hv_call *call, const char *undo_token,
                          struct hf_err *err) HF_CHECKED;
int hf_hv_machine_list(struct hf_hv *hv, const struct hf_hv_call *call, struct hf_machine_list *out,
                       struct hf_err *err) HF_CHECKED;

int hf_hv_guest_ping(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                     struct hf_err *err) HF_CHECKED;
struct hf_hv_exec_result {
    int exit_code, term_signal;
    bool truncated;
    struct hf_buf out, err;
};
void hf_hv_exec_result_free(struct hf_hv_exec_result *r);
HF_DEFINE_AUTO_VALUE(hf_hv_exec_result, hf_hv_exec_result_free)
/* argv and input (stdin; NULL, 0: none) are copied; output is bounded by 64 KiB per stream. */
int hf_hv_guest_exec(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                     const char *const *argv, const void *input, size_t input_len,
                     struct hf_hv_exec_result *out, struct hf_err *err) HF_CHECKED;
/* The whole file, replacing what out holds. CORRUPT: longer than max_bytes (nothing is returned).
 * A FIFO or device gives what it has now: see the plugin. */
int hf_hv_guest_file_read(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                          const char *path, size_t max_bytes, struct hf_buf *out,
                          struct hf_err *err) HF_CHECKED;
/* data is copied. Mode and owner of a new file are the guest's agent's: expect 0666, and make the
 * file before where that matters. Not atomic: left names the file when it may be incomplete. */
int hf_hv_guest_file_write(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                           const char *path, const void *data, size_t len, struct hf_err *err)
    HF_CHECKED;
/* *out_frozen: how many file systems, never 0. BUSY: frozen already, nothing was changed. After any
 * other failure `left` says whether something may be frozen. TIMEOUT: the call is away and may freeze
 * later; thaw through another hf_hv, and look. Who grades a capture looks before and after it. */
int hf_hv_guest_freeze(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                       uint32_t *out_frozen, struct hf_err *err) HF_CHECKED;
/* Thawed already: success. Tried until the deadline. */
int hf_hv_guest_thaw(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                     struct hf_err *err) HF_CHECKED;
int hf_hv_guest_freeze_state(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                             enum hf_freeze_state *out, struct hf_err *err) HF_CHECKED;
int hf_hv_guest_mounts(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                       struct hf_mount_list *out, struct hf_err *err) HF_CHECKED;

#endif
