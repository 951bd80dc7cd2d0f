/* SPDX-License-Identifier: Apache-2.0
 *
 * hypervisor/worker.h - one instance of a plugin, its thread, and the calls handed to it.
 *
 * Who owns what
 *   hv_core   the plugin, its instance and the host table; shared by hf_hv and the thread.
 *   hv_call   arguments and results of one call; shared by the waiting caller and the thread.
 *             The caller that gives up drops its share; what came back late is freed by the thread.
 *   hv_cap    one capture handle of the plugin; shared by hf_hv_capture and a call under way. When
 *             nobody has it any more the thread frees it: a plugin has one caller at a time.
 * Nothing here points to the stack of whoever called: a late return writes into its own hv_call.
 * After hf_hv_close nothing of hf_hv_opts is touched any more (hv_core.edge guards that).
 */
#ifndef HF_HYPERVISOR_WORKER_H
#define HF_HYPERVISOR_WORKER_H

#include "hypervisor/hv.h"

#include <pthread.h>

#define HV_ARGS 7

struct hv_core;
struct hv_call;

/* Runs in the thread; fills c's results. */
typedef int (*hv_run_fn)(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                         struct hf_err *err);

struct hv_cap {
    unsigned refs; /* under core->lock: hf_hv_capture, a call under way */
    struct hf_capture *handle;
    struct hv_cap *next_orphan;
};

/* A piece of a disk on its way from the thread, which waits until the caller has it: nothing is copied and nothing piles up. */
struct hv_extent {
    uint64_t offset, len;
    const void *data; /* the plugin's; NULL: zeros */
    bool is_there;    /* under core->lock, as all here */
    bool is_unwanted; /* the caller takes no more */
    uint64_t behind;  /* where the one before ended; the thread's */
};

struct hv_call {
    struct hv_core *core;
    unsigned refs;         /* under core->lock: caller, thread */
    bool is_done, is_late; /* under core->lock; late: the caller has given up */
    bool is_undo;          /* goes on when the user cancels: what was taken must be given back */
    bool is_broken;        /* an argument could not be copied */
    const char *op;        /* the slot's name, for messages */
    hv_run_fn run;
    struct hf_call call;
    char *run_id;

    char *args[HV_ARGS];
    struct hf_strv argv;
    struct hf_buf input;
    bool has_input;
    size_t max_bytes;
    enum hf_capture_kind kind;
    enum hf_checkpoint_use checkpoint;
    bool is_frozen;     /* of a capture's request */
    struct hv_cap *cap; /* a share, dropped in the thread after run */

    struct hv_extent extent;
    hf_hv_extent_cb take; /* who waits in hv_call_go; NULL: no stream */
    void *take_ctx;
    struct hf_err taken; /* why is_unwanted */

    int rc;
    struct hf_err err;
    struct hf_vm_copy vm;
    struct hf_vm_list vms;
    struct hf_disk_list disks;
    struct hf_snapshot_list snapshots;
    struct hf_probe_copy probe;
    struct hf_hv_capture_plan plan;
    struct hf_hv_rollback_plan rollback;
    uint32_t machine_flags;
    uint64_t memory_max_bytes;
    struct hf_hv_machine_plan machine;
    struct hf_machine_list machines;
    struct hf_strv texts;
    struct hv_cap *new_cap;
    struct hf_export_copy export;
    struct hf_export_state export_state;
    struct hf_pushed_copy pushed;
    struct hf_pushed_list pushed_all;
    struct hf_hv_exec_result exec;
    struct hf_buf data;
    struct hf_mount_list mounts;
    uint32_t frozen;
    enum hf_freeze_state freeze_state;
    char *text;
};

struct hv_core {
    pthread_mutex_t lock; /* the fields up to `edge` */
    pthread_cond_t changed;
    unsigned refs; /* hf_hv, thread */
    struct hv_call *current;
    struct hv_cap *orphans; /* nobody's any more: the thread frees them before the next call */
    bool is_closing, is_gone;
    struct hf_err late_err; /* of the last call that came home late; class NONE: it had succeeded */

    pthread_mutex_t edge; /* held while anything of the owner's is used */
    bool is_abandoned;
    struct hf_log *log;
    struct hf_cancel *cancel;
    const struct hf_clock *clock;
    void (*progress)(void *ctx, uint64_t done, uint64_t total);
    void *progress_ctx;

    pthread_t thread;
    struct hf_plugin_handle *plugin;
    const struct hf_plugin *table;
    struct hf_instance *instance; /* the thread's */
    struct hf_host host;
};

struct hf_hv {
    struct hv_core *core;
};

struct hf_hv_capture {
    struct hf_hv *hv;
    struct hv_cap *shared;
};

/* load.c: frees the handle and leaves the library mapped. */
void hf_plugin_forget(struct hf_plugin_handle *h);

/* core.c: the thread. */
int hv_core_new(const struct hf_hv_opts *opts, struct hv_core **out, struct hf_err *err) HF_CHECKED;
/* Ends the thread, or leaves it alone with the core when it does not come home in two seconds. */
void hv_core_end(struct hv_core *core);

/* call.c: NULL: no memory, or the slot is absent (UNSUPPORTED). */
struct hv_call *hv_call_new(struct hv_core *core, const char *op, bool has_slot, hv_run_fn run,
                            const struct hf_hv_call *call, struct hf_err *err) HF_CHECKED;
/* Calls run_SLOT in the thread. */
#define HV_CALL_NEW(hv, slot, call, err)                                                           \
    hv_call_new((hv)->core, #slot, (hv)->core->table->slot != NULL, run_##slot, call, err)
/* Copies; NULL stays NULL. A copy that failed shows in hv_call_go. */
void hv_call_arg(struct hv_call *c, size_t i, const char *value);
/* Hands the call over and waits. 0: done, the results are the caller's to take. */
int hv_call_go(struct hv_call *c, struct hf_err *err) HF_CHECKED;
/* stream.c: gives the piece that is there to whoever waits; under core->lock, which is let go meanwhile. */
void hv_call_take_extent(struct hv_call *c);
/* Drops the caller's share. Takes NULL. */
void hv_call_put(struct hv_call *c);
HF_DEFINE_AUTO(hv_call, hv_call_put)
/* The thread's end of a call: outcome, waking the caller, dropping the thread's share. */
void hv_call_finish(struct hv_call *c, int rc);

/* Drops a share; the last one leaves the handle to the thread. */
void hv_cap_put(struct hv_core *core, struct hv_cap *cap);

/* capture.c: hands over a call about cap, with a share of it. c NULL: -1. */
int hv_call_go_with(struct hf_hv_capture *cap, struct hv_call *c, struct hf_err *err) HF_CHECKED;

/* copy.c: a plugin's struct, of whatever size it says it has, into one of ours. PLUGIN: nonsense.
 */
int hv_copy_vm(const struct hf_vm *theirs, struct hf_vm_copy *out, struct hf_err *err) HF_CHECKED;
int hv_copy_disk(const struct hf_disk *theirs, struct hf_disk_copy *out, struct hf_err *err)
    HF_CHECKED;
int hv_copy_snapshot(const struct hf_snapshot *theirs, struct hf_snapshot_copy *out,
                     struct hf_err *err) HF_CHECKED;
int hv_copy_mount(const struct hf_guest_mount *theirs, struct hf_mount_copy *out,
                  struct hf_err *err) HF_CHECKED;
int hv_copy_export(const struct hf_export *theirs, struct hf_export_copy *out, struct hf_err *err)
    HF_CHECKED;
int hv_copy_pushed(const struct hf_pushed *theirs, struct hf_pushed_copy *out, struct hf_err *err)
    HF_CHECKED;
int hv_copy_finding(const struct hf_machine_finding *theirs, struct hf_machine_finding_copy *out,
                    struct hf_err *err) HF_CHECKED;
int hv_copy_machine(const struct hf_machine *theirs, struct hf_machine_copy *out,
                    struct hf_err *err) HF_CHECKED;
/* One more line of a list of texts that the plugin tells. */
int hv_copy_line(struct hf_strv *lines, const char *line, struct hf_err *err) HF_CHECKED;
/* NULL stays NULL; longer than max is nonsense. */
int hv_copy_text(const char *text, size_t max, char **out, struct hf_err *err) HF_CHECKED;

/* What a list callback writes to: the call, and the error that the slot shall leave alone. */
struct hv_sink {
    struct hv_call *c;
    struct hf_err *err;
};
/* Room for one more zeroed item behind n; NULL with err set (PLUGIN: a list without end). */
void *hv_one_more(void *items, size_t n, size_t size, struct hf_err *err) HF_CHECKED;

#define HV_TEXT_MAX ((size_t)64 << 10)
#define HV_DEFINITION_MAX ((size_t)16 << 20)
#define HV_LIST_MAX 100000

#endif
