/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast/plugin.h - the contract between holdfast and a hypervisor plugin.
 *
 * A plugin is a shared object `holdfast-NAME.so` with one exported symbol,
 * holdfast_plugin_entry. It imports nothing from the program: log, clock,
 * progress and "cancelled?" come in through `struct hf_host`, so that a test can
 * drive it alone.
 *
 * Versions   both structs begin with magic, abi_major, abi_minor, struct_size.
 *            Another major is refused. Fields are appended, never moved; the host
 *            copies min(own, plugin's) bytes and treats the rest as absent.
 * Memory     neither side frees what the other allocated. Strings in a result belong
 *            to the plugin until the next call on that instance (or handle) or its close;
 *            lists are delivered by callback, their items valid during the callback only.
 *            A callback that returns non-zero stops the list; the call then returns -1
 *            and leaves *err as the callback's owner set it.
 * Threads    one caller at a time per instance; instances are independent.
 * Deadlines  hf_call.deadline_ms is absolute on hf_host.now_ms (monotonic). A deadline
 *            already past: HF_E_TIMEOUT and nothing happened. Plugins keep deadlines where
 *            the hypervisor's API lets them; the host runs each call in a thread of its own and
 *            stops waiting by itself, so a call that hangs costs a run, never a guest.
 * Flags      unknown bits are refused with HF_E_UNSUPPORTED.
 * Retry      names come from the caller (run id). After an unclear end the host calls
 *            capture_discard, which looks by name; nothing is ever created twice.
 * Manners    no exit/abort, no stdout/stderr, no signal handlers, no setlocale/setenv/chdir/umask,
 *            no writable statics but once-initialisers, no thread left after close.
 */
#ifndef HOLDFAST_PLUGIN_H
#define HOLDFAST_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"

#define HF_PLUGIN_MAGIC UINT32_C(0x48664c44)
#define HF_HOST_MAGIC UINT32_C(0x48664854)
#define HF_ABI_MAJOR 1
#define HF_ABI_MINOR 5 /* 1: the four steps of a rollback; where overlays lie. 2: exports that are watched and ended; checkpoints.
                        * 3: machines made from a stored definition. 4: which checkpoints there are; why a disk is to be compared.
                        * 5: backups that the hypervisor writes and keeps, and machines made from them */
#define HF_PLUGIN_ENTRY "holdfast_plugin_entry"
#define HF_NO_DEADLINE INT64_MAX

struct hf_instance; /* one connection to one hypervisor endpoint; the plugin's */
struct hf_capture;  /* one capture under way; the plugin's */

/* ---- what the host offers --------------------------------------------------------------- */

enum hf_log_level { HF_LOG_ERROR, HF_LOG_WARN, HF_LOG_INFO, HF_LOG_DETAIL, HF_LOG_DEBUG };

struct hf_host {
    uint32_t magic, abi_major, abi_minor, struct_size;
    void *ctx; /* handed back in each call below */
    /* One line, no newline, no secrets. Any thread. */
    void (*log)(void *ctx, enum hf_log_level level, const char *message);
    /* done of total units (bytes, disks) of the running call; total 0: unknown. */
    void (*progress)(void *ctx, uint64_t done, uint64_t total);
    /* Non-zero: give up at the next safe place with HF_E_CANCELLED. Any thread. */
    int (*cancelled)(void *ctx);
    int64_t (*now_ms)(void *ctx); /* CLOCK_MONOTONIC in milliseconds */
};

/* ---- configuration ---------------------------------------------------------------------- */

enum hf_key_type { HF_KEY_STRING, HF_KEY_PATH, HF_KEY_SECRET_FILE, HF_KEY_BOOL, HF_KEY_INT };

/* One key of [hypervisor NAME]. The host validates, documents (`plugins --describe`) and passes values. */
struct hf_plugin_key {
    const char *name;
    enum hf_key_type type;
    uint8_t required, secret, reserved[2];
    const char *fallback; /* default as text, or NULL */
    const char *help;     /* one sentence */
};

struct hf_kv {
    const char *key, *value;
};

/* ---- virtual machines ------------------------------------------------------------------- */

/* What a plugin can ever do (hf_plugin.capabilities) and what one VM can do now (hf_vm.can). */
#define HF_CAN_SNAPSHOT (UINT64_C(1) << 0)      /* capture kind SNAPSHOT without memory */
#define HF_CAN_MULTI_DISK (UINT64_C(1) << 1)    /* several disks in one instant */
#define HF_CAN_ROLLBACK (UINT64_C(1) << 2)      /* the four steps of a rollback */
#define HF_CAN_EXPORT_NBD (UINT64_C(1) << 3)    /* capture kind EXPORT, read as NBD */
#define HF_CAN_EXPORT_STREAM (UINT64_C(1) << 4) /* … delivered as ascending extents */
#define HF_CAN_EXPORT_PUSHED (UINT64_C(1) << 5) /* … written by the hypervisor itself */
#define HF_CAN_INCREMENTAL (UINT64_C(1) << 6)
#define HF_CAN_QUIESCE (UINT64_C(1) << 7)       /* capture_begin can freeze and thaw in one call */
#define HF_CAN_GUEST_EXEC (UINT64_C(1) << 8)
#define HF_CAN_GUEST_FILES (UINT64_C(1) << 9)
#define HF_CAN_GUEST_FREEZE (UINT64_C(1) << 10)
#define HF_CAN_GUEST_FSMAP (UINT64_C(1) << 11)
#define HF_CAN_ROLLBACK_UNDO (UINT64_C(1) << 12) /* … the state that is left stays until settle */
#define HF_CAN_MACHINE (UINT64_C(1) << 13) /* a machine from what vm_definition told once, here or elsewhere */
#define HF_CAN_MACHINE_PUSHED (UINT64_C(1) << 14) /* … from a backup that the hypervisor keeps */

enum hf_vm_state { HF_VM_OTHER, HF_VM_RUNNING, HF_VM_PAUSED, HF_VM_OFF, HF_VM_CRASHED };

struct hf_vm {
    uint32_t struct_size;
    enum hf_vm_state state;
    uint64_t can;       /* HF_CAN_*: what this VM can do now */
    const char *id;     /* stable for the life of the VM: UUID, vmid, moref */
    const char *name;   /* what people call it */
    const char *cannot; /* why a bit of the plugin's capabilities is missing in `can`, or NULL */
    uint32_t n_disks;
    uint8_t has_agent; /* a guest channel is configured and connected */
    uint8_t is_uefi;
    uint8_t reserved[2];
};

enum hf_disk_kind { HF_DISK_DISK, HF_DISK_CDROM, HF_DISK_FLOPPY, HF_DISK_LUN };

#define HF_DISK_READONLY (UINT32_C(1) << 0)
#define HF_DISK_SHARED (UINT32_C(1) << 1)
#define HF_DISK_TRANSIENT (UINT32_C(1) << 2)
#define HF_DISK_INTERNAL_SNAPSHOTS (UINT32_C(1) << 3) /* a layer of its chain holds internal snapshots */

struct hf_disk {
    uint32_t struct_size;
    enum hf_disk_kind kind;
    uint32_t flags;          /* HF_DISK_* */
    uint32_t chain_depth;    /* layers, 1: a single image; 0: unknown */
    uint64_t capacity_bytes; /* as the guest sees it; 0: unknown */
    uint64_t allocated_bytes;
    const char *target;  /* the hypervisor's name: vda, scsi0, 2000 */
    const char *source;  /* path or URI of the active layer, or NULL (empty drive) */
    const char *format;  /* qcow2, raw, vmdk, or NULL */
    const char *serial;  /* what the guest can see of it, or NULL */
    const char *address; /* bus address as guest-get-fsinfo tells it, or NULL */
    const char *skipped; /* not part of a capture, and why; NULL: captured */
    const char *refused; /* no capture of this VM while this disk is so, and why; NULL: fine */
    /* since 1.1: where the overlay of the next snapshot comes to lie (a directory, a datastore), or
     * NULL; its size and what is free there, total 0: unknown */
    const char *store;
    uint64_t store_total_bytes, store_free_bytes;
};

struct hf_snapshot {
    uint32_t struct_size;
    uint8_t is_ours;    /* made by holdfast: name and description carry its mark */
    uint8_t is_current; /* the active layers hang directly below it */
    uint8_t is_memory;  /* holds RAM, or is internal to the image: never touched by holdfast */
    uint8_t reserved;
    int64_t created_at_s;   /* seconds since the epoch, 0: unknown */
    uint64_t overlay_bytes; /* allocated since the snapshot, 0: unknown */
    const char *name;
    const char *parent;      /* or NULL */
    const char *description; /* or NULL */
};

/* ---- calls ------------------------------------------------------------------------------ */

struct hf_call {
    uint32_t struct_size;
    uint32_t flags;          /* per operation; 0 unless said */
    int64_t deadline_ms;     /* absolute on hf_host.now_ms, HF_NO_DEADLINE: none */
    const char *request_id;  /* run id, for logs and task descriptions; may be NULL */
};

typedef int (*hf_vm_cb)(void *ctx, const struct hf_vm *vm);
typedef int (*hf_disk_cb)(void *ctx, const struct hf_disk *disk);
typedef int (*hf_snapshot_cb)(void *ctx, const struct hf_snapshot *snap);
typedef int (*hf_text_cb)(void *ctx, const char *line);
typedef int (*hf_data_cb)(void *ctx, int stream /* 1 stdout, 2 stderr */, const void *data, size_t len);

struct hf_probe {
    uint32_t struct_size;
    uint32_t reserved;
    const char *product;  /* "libvirt 9.0.0, QEMU 7.2.22" */
    const char *endpoint; /* what was reached, no secrets */
    const char *host;     /* name of the hypervisor host */
};

enum hf_capture_kind { HF_CAPTURE_SNAPSHOT = 1, HF_CAPTURE_EXPORT = 2 };

/* Whether an export leaves a checkpoint called hf_capture_request.name, for the next one to be incremental to. */
enum hf_checkpoint_use {
    HF_CHECKPOINT_AUTO,   /* unless it would take something from the VM's owner, which the plugin knows */
    HF_CHECKPOINT_ALWAYS, /* wherever it is possible */
    HF_CHECKPOINT_NEVER
};

struct hf_capture_request {
    uint32_t struct_size;
    enum hf_capture_kind kind;
    const char *vm_id;
    const char *name;        /* of the snapshot (job): [A-Za-z0-9._-], at most 64 bytes, from the run id */
    const char *label;       /* the operator's words for the description, or NULL */
    const char *parent;      /* EXPORT: the checkpoint to be incremental to, or NULL */
    const char *scratch_dir; /* EXPORT: where copy-before-write may live, or NULL */
    /* since 1.2 */
    enum hf_checkpoint_use checkpoint; /* EXPORT */
    /* since 1.5: the host itself freezes the guest before begin: a freeze of the hypervisor's that fails or is skipped
     * for that is as it should be */
    uint8_t is_frozen;
    uint8_t reserved[3];
};

/* What capture_begin will change. Complete before anything was changed. */
struct hf_capture_plan {
    uint32_t struct_size;
    uint32_t n_disks;       /* that will be captured */
    const char *undo_token; /* opaque to the host, which journals it and hands it to capture_discard */
    /* since 1.2 */
    uint8_t leaves_checkpoint; /* EXPORT: capture_discard takes it away again, also years later */
    uint8_t is_incremental;    /* EXPORT: to the parent that was asked for; else everything is to be compared */
    uint8_t reserved[6];
};

enum hf_export_form { HF_EXPORT_NBD = 1, HF_EXPORT_STREAM = 2, HF_EXPORT_PUSHED = 3 };

struct hf_export {
    uint32_t struct_size;
    enum hf_export_form form;
    const char *uri;             /* NBD: nbd+unix:///vda?socket=…; PUSHED: the hypervisor's name of the result */
    const char *allocation_ctx;  /* NBD metadata context of holes, or NULL */
    const char *dirty_ctx;       /* NBD metadata context of changes since the parent, or NULL */
    uint64_t size_bytes;
    /* since 1.4: of a disk without changes although a parent was asked for: why, to go behind a colon; or NULL. A context
     * is told only when no change since the parent can be missing from it, but for what lies beyond the parent's size. */
    const char *compare_why;
    uint8_t has_lost_changes; /* … and that was not to be expected: the operator is warned */
    uint8_t reserved[7];
};

/* Since 1.2: how an export under way is doing. */
struct hf_export_state {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t scratch_used_bytes; /* what the hypervisor keeps of the instant, beside the disks */
    uint64_t scratch_room_bytes; /* how much that may become before the export is given up; 0: unknown */
};

/* ---- since 1.5: a backup that the hypervisor wrote itself, and keeps ------------------------ */

/* Is a place off the hypervisor's hosts? What only its administrator can know is UNKNOWN. */
enum hf_pushed_place { HF_PLACE_UNKNOWN, HF_PLACE_HERE, HF_PLACE_ELSEWHERE };
/* What the place itself found when it last read all of the backup. */
enum hf_pushed_check { HF_PUSHED_UNCHECKED, HF_PUSHED_GOOD, HF_PUSHED_BAD };

struct hf_pushed {
    uint32_t struct_size;
    enum hf_pushed_check check;
    enum hf_pushed_place where;
    uint8_t is_ours;      /* it carries the mark of `run` */
    uint8_t is_protected; /* the hypervisor's own retention lets it be */
    uint8_t reserved[2];
    int64_t taken_at_s;    /* seconds since the epoch, 0: unknown */
    uint64_t stored_bytes;    /* as the place tells it, below 2^53; 0: unknown. It lasts, but for the form pbs */
    /* These three: UTF-8, at most 511 bytes, no control characters. */
    const char *ref;          /* the hypervisor's name of it, unique with the VM's id */
    const char *form;         /* what it is: vma, pbs */
    const char *place;        /* the storage, as the hypervisor calls it */
    const char *server;       /* host name or address of the place, or NULL: it has none, or that is not known */
    const char *where_why;    /* of where, to go behind a colon */
    const char *run;          /* whose it is: the hf_capture_request.name of its capture; or NULL */
    const char *notes;        /* what is written on it, one line, or NULL */
};
typedef int (*hf_pushed_cb)(void *ctx, const struct hf_pushed *pushed);

/* STREAM: all of the disk, ascending, without a gap. data NULL: a hole of len zero bytes. */
typedef int (*hf_extent_cb)(void *ctx, uint64_t offset, const void *data, uint64_t len);

struct hf_guest_exec {
    uint32_t struct_size;
    uint32_t max_output_bytes;  /* per stream; more is dropped and truncated set */
    const char *const *argv;    /* NULL-terminated; run without a shell */
    const void *input;          /* stdin, or NULL */
    size_t input_len;
    hf_data_cb output;          /* called after the end with what was caught; may be NULL */
    void *output_ctx;
};

struct hf_guest_exec_result {
    uint32_t struct_size;
    int32_t exit_code;   /* -1: ended by a signal */
    int32_t term_signal; /* 0: none */
    uint8_t truncated, reserved[3];
};

struct hf_guest_mount {
    uint32_t struct_size;
    uint32_t reserved;
    const char *mountpoint;
    const char *fstype;
    const char *device;  /* the guest's name */
    const char *target;  /* hf_disk.target it lies on, or NULL: on no disk of this VM */
};
typedef int (*hf_mount_cb)(void *ctx, const struct hf_guest_mount *mount);

struct hf_rollback_request {
    uint32_t struct_size;
    uint32_t reserved;
    const char *vm_id;
    const char *name; /* of the snapshot */
    const char *run;  /* [A-Za-z0-9._-], at most 64 bytes: part of every name that the rollback makes up */
};

#define HF_ROLLBACK_FINAL (UINT32_C(1) << 0) /* the hypervisor drops the state that is left: no undo, no keeping */

/* What rollback_switch will change. Complete before anything was changed. */
struct hf_rollback_plan {
    uint32_t struct_size;
    uint32_t flags;           /* HF_ROLLBACK_* */
    uint32_t n_disks;
    uint8_t was_active;       /* it runs, or is paused: and will again */
    uint8_t was_running;      /* it runs */
    uint8_t reserved[2];
    int64_t taken_at_s;       /* when the snapshot was made, 0: unknown */
    uint64_t discarded_bytes; /* allocated since, in what will be given up; 0: unknown */
    const char *undo_token;   /* opaque to the host, which journals it; all that the other steps need */
};

/* hf_call.flags of rollback_settle. */
#define HF_ROLLBACK_KEEP (UINT32_C(1) << 0) /* what holds the state that was left stays, and is told */

/* ---- since 1.3: a machine made from a stored definition ------------------------------------ */

/* Where one of its disks lies. */
enum hf_machine_source {
    HF_MACHINE_FILE = 1, /* path: an image file, or a block device */
    HF_MACHINE_NBD = 2   /* path: the unix socket of an NBD server, which lives as long as the machine */
};

struct hf_machine_disk {
    uint32_t struct_size;
    enum hf_machine_source source;
    const char *target;      /* of the definition: vda */
    const char *path;        /* absolute */
    const char *format;      /* of what stands there: qcow2, raw */
    const char *export_name; /* NBD; NULL: the server's default export */
};

/* hf_machine_request.flags */
#define HF_MACHINE_KEEP_UUID (UINT32_C(1) << 0) /* else a new one */
#define HF_MACHINE_KEEP_MAC (UINT32_C(1) << 1)  /* else new ones */
#define HF_MACHINE_NO_NETWORK (UINT32_C(1) << 2) /* each interface is there and its link is down */
/* No way in or out: no interface, network or device of the host, no display, no shared folder, no TPM; it ends when the
 * guest stops, restarts or crashes. What it writes is never flushed: it is thrown away. */
#define HF_MACHINE_ISOLATED (UINT32_C(1) << 3)
#define HF_MACHINE_TRANSIENT (UINT32_C(1) << 4) /* gone when it stops; create makes it paused */
/* In the place of the machine that has this name, which is off and has the definition's UUID; implies both KEEPs. */
#define HF_MACHINE_REPLACE (UINT32_C(1) << 5)
/* What the definition hands to the hypervisor's programs past the hypervisor's own checks (QEMU's arguments) is taken
 * over. Without it that is left out: it can name any file and port of the host. */
#define HF_MACHINE_ARGUMENTS (UINT32_C(1) << 6)

struct hf_machine_request {
    uint32_t struct_size;
    uint32_t flags;         /* HF_MACHINE_* */
    const char *definition; /* as vm_definition told it: foreign text */
    const char *name;       /* [A-Za-z0-9._+-], not beginning with - or ., at most 64 bytes */
    const char *run;        /* [A-Za-z0-9._-], at most 64 bytes: goes into the mark, and into names that are made up */
    const char *purpose;    /* one word for the mark: restore, drill */
    const char *dir;        /* for what it keeps beside its disks (UEFI variables); absolute. NULL: the hypervisor's own */
    const struct hf_machine_disk *disks;
    uint32_t n_disks;
    uint32_t reserved;
    uint64_t memory_max_bytes; /* less than the definition's: so much instead. 0: as there */
    /* since 1.5 */
    const char *pushed; /* hf_pushed.ref: made from this backup; definition is NULL, and there are no disks. NULL: as above */
    const char *vm_id;  /* … and of which VM it is */
    const char *store;  /* … where its disks come to lie, as the hypervisor calls it; NULL: where those of the VM lay */
};

enum hf_machine_finding_kind {
    HF_MACHINE_CHANGED = 1, /* it has another value than in the definition */
    HF_MACHINE_LEFT_OUT,    /* the machine does not have it */
    HF_MACHINE_CUT_OFF,  /* a network that is not here, or is not wanted: the interface is there, its link is down */
    HF_MACHINE_WARNING,     /* as in the definition, and somebody should know */
    HF_MACHINE_REFUSED      /* no machine can be made, and why; the plan fails, when all was told */
};

struct hf_machine_finding {
    uint32_t struct_size;
    enum hf_machine_finding_kind kind;
    const char *about; /* "name", "disk vda", "interface 52:54:00:12:34:56" */
    const char *text;  /* one line */
};
typedef int (*hf_machine_finding_cb)(void *ctx, const struct hf_machine_finding *finding);

/* What machine_create will make. Complete before anything was made. */
struct hf_machine_plan {
    uint32_t struct_size;
    uint8_t is_uefi, reserved[3];
    uint64_t memory_bytes;
    const char *vm_id;      /* that it will have */
    const char *definition; /* for machine_create; opaque to the host */
    const char *undo_token; /* opaque to the host, which journals it; all that the later steps need */
};

/* A machine that carries the mark of a run and is not settled. */
struct hf_machine {
    uint32_t struct_size;
    enum hf_vm_state state;
    uint8_t is_transient, reserved[7];
    const char *vm_id, *name;
    const char *run, *purpose;
    const char *undo_token;
};
typedef int (*hf_machine_cb)(void *ctx, const struct hf_machine *machine);

/* hf_call.flags of machine_start. */
#define HF_MACHINE_PAUSED (UINT32_C(1) << 0) /* of one that is off: it has its disks open, and waits */

enum hf_freeze_state { HF_FREEZE_UNKNOWN, HF_FREEZE_THAWED, HF_FREEZE_FROZEN };

struct hf_plugin {
    uint32_t magic, abi_major, abi_minor, struct_size;
    const char *name;        /* [a-z0-9]+ as in `plugin = NAME` */
    const char *version;
    const char *description; /* one line */
    uint64_t capabilities;   /* HF_CAN_*: what it can ever do */
    const struct hf_plugin_key *keys;
    uint32_t n_keys;
    uint32_t reserved;

    /* Connects and checks credentials. `host` outlives the instance. */
    int (*open)(const struct hf_host *host, const struct hf_kv *kv, size_t n, struct hf_instance **out,
                struct hf_err *err);
    void (*close)(struct hf_instance *in); /* takes NULL; captures of it were freed before */
    int (*probe)(struct hf_instance *in, const struct hf_call *call, struct hf_probe *out, struct hf_err *err);

    int (*vm_list)(struct hf_instance *in, const struct hf_call *call, hf_vm_cb emit, void *ctx, struct hf_err *err);
    /* By name, UUID, vmid or path. Nobody: NOT_FOUND; more than one: CONFLICT, naming them in the hint. */
    int (*vm_find)(struct hf_instance *in, const struct hf_call *call, const char *what, struct hf_vm *out,
                   struct hf_err *err);
    int (*vm_disks)(struct hf_instance *in, const struct hf_call *call, const char *vm_id, hf_disk_cb emit, void *ctx,
                    struct hf_err *err);
    /* Any running domain, block or backup job of anybody: BUSY, naming it, in under a second. */
    int (*vm_busy)(struct hf_instance *in, const struct hf_call *call, const char *vm_id, struct hf_err *err);
    /* The definition as the hypervisor would take it back (XML, conf), in one string; where it has no such text, JSON of the
     * format "holdfast-machine" (docs/architecture.md), which a restore can make an OVF of. */
    int (*vm_definition)(struct hf_instance *in, const struct hf_call *call, const char *vm_id, const char **out,
                         struct hf_err *err);

    /* A capture has five steps; the host journals the plan's undo token between plan and prepare:
     *   plan     maps, checks, decides; changes nothing. Warnings go to `warn`.
     *   prepare  everything slow that may happen before the hold: files, sessions, checks of staleness.
     *   begin    inside the hold: returns as soon as THE INSTANT HAS PASSED.
     *   settle   outside the hold: waits for the rest; after it the capture is durable.
     *   free     forgets the handle (and ends an export job); never undoes a snapshot. */
    int (*capture_plan)(struct hf_instance *in, const struct hf_call *call, const struct hf_capture_request *req,
                        hf_text_cb warn, void *ctx, struct hf_capture **out, struct hf_capture_plan *plan,
                        struct hf_err *err);
    int (*capture_prepare)(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                           struct hf_err *err);
    int (*capture_begin)(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                         struct hf_err *err);
    int (*capture_settle)(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                          struct hf_err *err);
    void (*capture_free)(struct hf_instance *in, struct hf_capture *cap); /* takes NULL */
    /* Undoes whatever a capture of this name did, at whatever step it died, from any instance and
     * process: snapshot merged away, prepared files removed, job aborted, VM resumed if the job
     * paused it. Nothing there: success, nothing changed. undo_token may be NULL (lost): looks by name. */
    int (*capture_discard)(struct hf_instance *in, const struct hf_call *call, const char *vm_id, const char *name,
                           const char *undo_token, struct hf_err *err);

    int (*snapshot_list)(struct hf_instance *in, const struct hf_call *call, const char *vm_id, hf_snapshot_cb emit,
                         void *ctx, struct hf_err *err);
    /* Merges the snapshot away; the VM keeps running and keeps its present content. Only holdfast's
     * own. Interrupted anywhere, calling it again finishes it. Progress through the host. */
    int (*snapshot_delete)(struct hf_instance *in, const struct hf_call *call, const char *vm_id, const char *name,
                           struct hf_err *err);
    /* ABI 1.0's rollback in one call. Of no use to a host that promises a way back: never called, leave it NULL. */
    int (*snapshot_rollback)(struct hf_instance *in, const struct hf_call *call, const char *vm_id, const char *name,
                             struct hf_err *err);

    /* Only between begin and free of an EXPORT capture. */
    int (*export_disk)(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap, const char *target,
                       struct hf_export *out, struct hf_err *err);
    /* Of a disk of form STREAM; again, where it failed or has to be read twice. What it is read from (a lease, a snapshot) is the
     * plugin's to keep alive and to watch: export_watch is not asked meanwhile. It returns when emit had the last byte, and what came
     * was proven whole. export_end then gives back what the instant was kept by: it may take long, and be called again. */
    int (*export_stream)(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                         const char *target, hf_extent_cb emit, void *ctx, struct hf_err *err);

    int (*guest_ping)(struct hf_instance *in, const struct hf_call *call, const char *vm_id, struct hf_err *err);
    int (*guest_exec)(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                      const struct hf_guest_exec *req, struct hf_guest_exec_result *out, struct hf_err *err);
    int (*guest_file_read)(struct hf_instance *in, const struct hf_call *call, const char *vm_id, const char *path,
                           uint64_t max_bytes, hf_data_cb emit, void *ctx, struct hf_err *err);
    int (*guest_file_write)(struct hf_instance *in, const struct hf_call *call, const char *vm_id, const char *path,
                            const void *data, size_t len, struct hf_err *err);
    int (*guest_freeze)(struct hf_instance *in, const struct hf_call *call, const char *vm_id, uint32_t *out_frozen,
                        struct hf_err *err);
    int (*guest_thaw)(struct hf_instance *in, const struct hf_call *call, const char *vm_id, struct hf_err *err);
    int (*guest_freeze_state)(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                              enum hf_freeze_state *out, struct hf_err *err);
    int (*guest_mounts)(struct hf_instance *in, const struct hf_call *call, const char *vm_id, hf_mount_cb emit,
                        void *ctx, struct hf_err *err);

    /* Since ABI 1.1. A rollback has four steps; the host journals the plan's undo token between plan and switch, and
     * each later step needs nothing but it, in any instance and process:
     *   plan    checks, decides; changes nothing. Snapshots that are gone with it (all of them holdfast's, else
     *           CONFLICT) go to `younger`, warnings to `warn`.
     *   switch  returns when the VM has the snapshot's disks, and runs if it ran. Failing or dying anywhere inside it:
     *           undo. The state that was left exists on, unless the plan said HF_ROLLBACK_FINAL.
     *   settle  the decision for the new state: the old one is removed, or (HF_ROLLBACK_KEEP) what holds it is told to
     *           `kept`, and the younger snapshots are forgotten. Interrupted anywhere, calling it again finishes it.
     *           The snapshot is a way back still, and can be deleted. FINAL was decided before the switch, so it finishes
     *           what that began; EXPIRED: not any more, the VM runs in a state that is somebody's, and nothing is left.
     *   undo    the decision for the old state: the VM has its former disks, and runs if it ran before; nothing of the
     *           rollback is left. Nothing there: success, nothing changed. Only before settle.
     * libvirt: overlays. Proxmox VE: a snapshot of the present state before POST …/rollback; where the storage rolls back
     * to its newest snapshot only: FINAL. vSphere: the same before RevertToSnapshot_Task. */
    int (*rollback_plan)(struct hf_instance *in, const struct hf_call *call, const struct hf_rollback_request *req,
                         hf_text_cb younger, hf_text_cb warn, void *ctx, struct hf_rollback_plan *out,
                         struct hf_err *err);
    int (*rollback_switch)(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                           const char *undo_token, struct hf_err *err);
    int (*rollback_settle)(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                           const char *undo_token, hf_text_cb kept, void *ctx, struct hf_err *err);
    int (*rollback_undo)(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                         const char *undo_token, struct hf_err *err);

    /* Since ABI 1.2. Only between begin and free of an EXPORT capture.
     *   watch  to be asked four times a second while disks are read. NOSPACE: the scratch space is nearly full, and the
     *          plugin has given the export up, before the VM had to wait for it; CONFLICT: what is read is not the
     *          instant any more. Either way nothing read so far counts, and capture_discard is next.
     *          With something in `left` it could not be ended yet: asked again, it tries again.
     *          UNREACHABLE, TIMEOUT, BUSY: not known now; the disks may be read on, and it is asked again.
     *   end    after the last byte was read: CONFLICT as for watch, else what was read is the instant; the job has
     *          ended, its scratch space is given back, the checkpoint stays. Interrupted: capture_discard. */
    int (*export_watch)(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                        struct hf_export_state *out, struct hf_err *err);
    int (*export_end)(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap, struct hf_err *err);
    /* Deletes the checkpoints of this VM that holdfast made, but the one called keep (NULL: all of them); each that is gone
     * is told to `dropped`. Those of others stay, and keep what they know. Whatever state the VM is in. One that cannot be
     * deleted is named in `left`, and the others go all the same. Interrupted anywhere, calling it again finishes it. */
    int (*checkpoint_drop)(struct hf_instance *in, const struct hf_call *call, const char *vm_id, const char *keep,
                           hf_text_cb dropped, void *ctx, struct hf_err *err);

    /* Since ABI 1.3. A machine from a stored definition has these steps; the host journals the plan's undo token between
     * plan and create, and each later step needs nothing but it, in any instance and process:
     *   plan     changes nothing; the disks need not exist yet. The definition is foreign: what it names of the host is
     *            there and harmless, or changed, left out, cut off or refused, each with a finding. A disk that the request
     *            does not have is left out. CONFLICT: the name or UUID is taken (but for REPLACE), or a disk is another
     *            machine's. UNSUPPORTED: this host cannot run it. CORRUPT: it is no definition.
     *   create   defines it (off), or makes the transient one (paused, its disks open). By the same run again: success.
     *            The mark says "holdfast", run and purpose. Failing or dying anywhere inside it: destroy.
     *   start    it runs, or with HF_MACHINE_PAUSED is paused. So already: success. The operations on guests work.
     *   settle   it is the operator's from now on: destroy refuses it, list does not tell it. Twice: success.
     *   destroy  forced off and undefined, with what was made for it (UEFI variables), never its disks; one that replaced
     *            another is that one again, and off, with its UEFI variables of before. Nothing there: success. Another's
     *            under its id is not touched: success, and a warning in the log. Settled, or defined anew with disks that the
     *            one before did not have: CONFLICT, nothing changed.
     *   list     all that no run has settled, with their tokens: what dead runs left. */
    int (*machine_plan)(struct hf_instance *in, const struct hf_call *call, const struct hf_machine_request *req,
                        hf_machine_finding_cb emit, void *ctx, struct hf_machine_plan *out, struct hf_err *err);
    int (*machine_create)(struct hf_instance *in, const struct hf_call *call, const char *definition,
                          const char *undo_token, struct hf_err *err);
    int (*machine_start)(struct hf_instance *in, const struct hf_call *call, const char *undo_token,
                         struct hf_err *err);
    int (*machine_settle)(struct hf_instance *in, const struct hf_call *call, const char *undo_token,
                          struct hf_err *err);
    int (*machine_destroy)(struct hf_instance *in, const struct hf_call *call, const char *undo_token,
                           struct hf_err *err);
    int (*machine_list)(struct hf_instance *in, const struct hf_call *call, hf_machine_cb emit, void *ctx,
                        struct hf_err *err);

    /* Since ABI 1.4. Names of this VM's checkpoints that holdfast made, the newest first. Whatever state the VM is in. */
    int (*checkpoint_list)(struct hf_instance *in, const struct hf_call *call, const char *vm_id, hf_text_cb emit,
                           void *ctx, struct hf_err *err);

    /* Since ABI 1.5. A pushed export is one backup of all disks, and has these steps behind settle:
     *   export_disk    form PUSHED and its size, of each disk.
     *   export_end     waits for the copy. TIMEOUT, UNREACHABLE: it goes on, and export_end may be called again. 0: the
     *                  backup is whole, and stays whatever becomes of this process. CANCELLED: capture_discard takes it away.
     *   export_pushed  then: what lies there now.
     * A machine from it (machine_plan with `pushed`) is made by machine_create, which copies all of it: TIMEOUT and
     * UNREACHABLE mean that it goes on, and that machine_create may be called again. */
    int (*export_pushed)(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap, struct hf_pushed *out,
                         struct hf_err *err);
    /* All backups of the VM in the place that is configured, also of others; the VM itself may be gone. */
    int (*pushed_list)(struct hf_instance *in, const struct hf_call *call, const char *vm_id, hf_pushed_cb emit, void *ctx,
                       struct hf_err *err);
    /* Deletes the backup `ref`, whose mark must be that of `run` (CONFLICT: it is another's now). Gone already: success.
     * Interrupted anywhere, calling it again finishes it. Its point is no more: it goes on when the user cancels. */
    int (*pushed_delete)(struct hf_instance *in, const struct hf_call *call, const char *vm_id, const char *ref,
                         const char *run, struct hf_err *err);
    /* The backup `ref`, wherever it lies: also when another place is configured now. NOT_FOUND: it is nowhere; a place that
     * cannot be looked at is UNREACHABLE or AUTH. */
    int (*pushed_find)(struct hf_instance *in, const struct hf_call *call, const char *vm_id, const char *ref,
                       struct hf_pushed *out, struct hf_err *err);
};

typedef const struct hf_plugin *(*hf_plugin_entry_fn)(const struct hf_host *host);

/* Put this on the entry function; everything else of the plugin stays hidden. */
#define HF_PLUGIN_EXPORT __attribute__((visibility("default")))

#endif
