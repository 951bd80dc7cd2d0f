/* SPDX-License-Identifier: Apache-2.0
 *
 * run/backup_intern.h - the parts of one `backup`. For src/run only.
 *
 * backup.c          the run as a whole, and the catalog
 * backup_stores.c   the stores: opened, dropped when they fail
 * backup_offhost.c  are they off the host?
 * backup_watch.c    the export under way, asked how it does
 * backup_parent.c   the point that it is incremental to
 * backup_disks.c    the disks, from the export to the stores
 * backup_changes.c  a disk of which only what changed is read
 * backup_stream.c   … or one that the hypervisor delivers itself
 * backup_pushed.c   … or a backup of them that the hypervisor writes and keeps
 * backup_put.c      files of the point, each to all stores at the same time
 * backup_dump.c     the dump among them
 * backup_files.c    the archive among them
 * backup_point.c    the manifest of each store
 * backup_checkpoint.c   what the hypervisor keeps for the next backup
 * backup_report.c   the document
 */
#ifndef HF_RUN_BACKUP_INTERN_H
#define HF_RUN_BACKUP_INTERN_H

#include "image/nbd.h"
#include "image/writer.h"
#include "io/place.h"
#include "point/points.h"
#include "run/archiving.h"
#include "run/at_rest.h"
#include "run/backup.h"
#include "run/creation.h"
#include "run/dumping.h"
#include "run/off_host.h"
#include "run/store_site.h"
#include "store/offhost.h"

#include <pthread.h>

#define HF_BACKUP_STORES_MAX 8
#define HF_BACKUP_DEFINITION "definition"

struct backup_watch;

struct backup_store {
    const struct hf_config_store *config;
    struct hf_store_site at;
    struct hf_image *image;
    struct hf_offhost_verdict off_host;
    struct hf_manifest parent;        /* of the point of backup.parent */
    struct hf_image_writer *writer;   /* of the disk that is being read */
    struct hf_image_written *written; /* one per disk */
    struct hf_manifest manifest;
    struct hf_point_artifact
        parts[HF_POINT_KINDS];   /* but images: their objects; in the run's lock */
    struct hf_clock_mark looked; /* when it was last asked which packs are condemned */
    uint64_t objects, bytes;     /* sent for this point */
    bool has_point;
    struct hf_err failed; /* class NONE: it is still in the run */
};

struct backup_disk {
    const char *target; /* borrowed */
    struct hf_export_copy export;
    bool is_incremental;
    char *incremental_why; /* it is not; once it was read */
    uint64_t read_bytes;
};

/* What it is incremental to: the newest checkpoint of the hypervisor whose point every store has. */
struct backup_parent {
    char *checkpoint; /* NULL: to nothing */
    struct hf_point_name point;
    char *why;    /* there is none */
    bool is_lost; /* … and there should be one */
};

/* What a point is made of. But for images it is files: what is written into its place is objects of the point. */
struct backup_part {
    struct backup *backup;
    enum hf_point_kind kind;
    bool is_wanted;
    uint64_t bytes; /* of its content, before compression; once it is read */
    struct hf_io_place place;
};

struct backup {
    struct hf_run *run;
    const struct hf_backup *req;
    struct hf_point_name point;
    struct backup_part parts[HF_POINT_KINDS];
    struct hf_run_dump dump_req;
    struct dumping dump;
    struct hf_run_archive files_req;
    struct archiving files;
    struct hf_at_rest rest; /* with rest-until = files */
    pthread_mutex_t lock;   /* what a store's loss changes, while parts are written */
    struct creation *creation;
    struct backup_store stores[HF_BACKUP_STORES_MAX];
    size_t n_stores;
    struct hf_secured
        secured; /* what a store must not be; the guest's own addresses, once it told them */
    struct hf_disk_list all_disks;
    struct backup_parent parent;
    struct backup_disk *disks; /* those that are captured */
    size_t n_disks;
    char *definition; /* NULL: the hypervisor gives none */
    struct hf_pushed_copy
        pushed; /* in place of what the stores have written; ref NULL: there is none (yet) */
    enum hf_point_off_host pushed_off_host;
    char pushed_why[HF_OFFHOST_WHY_MAX]; /* of that; or "" */
    uint64_t done_bytes, all_bytes;
    struct backup_watch *watch;
};

/* backup.c. That of the first store that has the point; once the points are committed. */
const struct hf_manifest *backup_manifest(const struct backup *b);

/* backup_stores.c */
int backup_open_stores(struct backup *b, struct hf_err *err);
void backup_close_store(struct backup_store *s);
static inline bool backup_store_is_in(const struct backup_store *s)
{
    return s->failed.cls == HF_E_NONE;
}
/* The store is out of the run: what is under way to it ends, for the others are not to wait for that. why is emptied. */
void backup_drop(struct backup *b, struct backup_store *s, struct hf_err *why);
/* -1, and why the last one failed, when no store is left; CANCELLED when that is why one failed. */
int backup_has_stores(const struct backup *b, struct hf_err *err);
/* Uploads and hidden files that runs which died left unfinished, two days ago or more. An error is logged: the point is there. */
void backup_sweep_stores(struct backup *b);

/* backup_put.c. Their places are set, for files from any thread. */
void backup_open_parts(struct backup *b);
void backup_parts_free(struct backup_store *s);
/* Into the manifest. */
int backup_add_parts(const struct backup *b, struct backup_store *s, struct hf_err *err);

/* backup_dump.c */
/* Before the hold: the sessions, open and checked. With a lock that holds commits back they begin under it. */
int backup_open_dump(struct backup *b, struct hf_err *err);
/* After it: all of it to the stores. env: whose cancel ends it. */
int backup_read_dump(struct backup *b, const struct hf_env *env, struct hf_err *err);

/* backup_files.c */
int backup_check_files(struct backup *b, struct hf_err *err); /* before the hold */
int backup_read_files(struct backup *b, const struct hf_env *env, struct hf_err *err);

/* backup_offhost.c */
/* What the configuration and the hypervisor tell of it, before any store is judged. */
int backup_know_secured(struct backup *b, struct hf_err *err);
/* CONFIG: it is not, and that is not accepted. Assumed: a warning. */
int backup_check_off_host(struct backup *b, struct backup_store *s, struct hf_err *err);
/* Once the guest answers, and before anything is held: is none of them the guest itself? */
int backup_look_at_guest(struct backup *b, struct hf_err *err);

/* backup_watch.c. Started before the hold, it looks from the capture on: what the guest overwrites can fill the scratch space and
 * pause it at once, and then letting go waits for a database that does not run. From then to stop the run's hv is the
 * watch's; whoever else needs it takes turns. */
int backup_watch_start(struct backup *b, struct hf_err *err);
void backup_watch_take_turn(struct backup *b);
void backup_watch_end_turn(struct backup *b);
/* Has the export been given up? Any thread. */
int backup_watch_check(struct backup *b, struct hf_err *err);
/* For what reads the export: set too when that has been given up. Of the watch, while it runs. */
struct hf_cancel *backup_watch_cancel(const struct backup *b);
/* Takes one that never started. */
void backup_watch_stop(struct backup *b);

/* backup_disks.c */
/* Which disks there are, before the hold. */
int backup_list_disks(struct backup *b, struct hf_err *err);
/* Right after it: the capture is settled, and how each disk is read. */
int backup_open_exports(struct backup *b, struct hf_err *err);
/* All of them to all stores, then the end of the export. */
int backup_read_disks(struct backup *b, struct hf_err *err);
/* So long ago that a pack which was condemned since then may be gone before a manifest could save it. */
bool backup_looked_long_ago(const struct backup *b, const struct backup_store *s);
/* Looks again. *out_n: disks of which something lies in packs that are condemned, or gone. */
int backup_look_again(const struct backup *b, struct backup_store *s, size_t *out_n,
                      struct hf_err *err);

/* For one range of the disk that is being read, data NULL: zeros. To the stores that have a writer; counted. */
int backup_put_range(struct backup *b, uint64_t at, const void *data, uint64_t len,
                     struct hf_err *err);

/* backup_stream.c. All of it, to the writers that are open. */
int backup_read_stream(struct backup *b, struct backup_disk *d, struct hf_err *err);
/* Is one of the disks of that form? Once the exports are open. */
bool backup_is_streamed(const struct backup *b);

/* backup_pushed.c */
/* Does the hypervisor write the disks itself? */
bool backup_is_pushed(const struct backup *b);
/* UNSUPPORTED: neither that, nor can they be read. */
int backup_check_way(const struct backup *b, struct hf_err *err);
/* export_end of what goes on in the hypervisor whether it is waited for or not: asked until it has ended. */
int backup_wait_for_end(struct backup *b, struct hf_err *err);
/* In place of backup_read_disks: until it is whole, and where it lies. */
int backup_end_push(struct backup *b, struct hf_err *err);
/* Right before the first manifest: the undo leaves the backup alone from here on. */
int backup_decide_push(struct backup *b, struct hf_err *err);
int backup_add_pushed(const struct backup *b, struct backup_store *s, struct hf_err *err);

/* backup_parent.c */
/* Once the stores are open, before the capture is planned. What goes wrong in choosing is a reason to compare, and no error. */
int backup_choose_parent(struct backup *b, struct hf_err *err);
void backup_parent_free(struct backup *b);

/* backup_changes.c */
/* To the writers that are open, with what changed since the parent alone read from n. *out_done false: it cannot be done, and all of
 * the disk is to be read: why, is in the disk, and a warning where it is news. Nothing was told to the writers then. */
int backup_read_changes(struct backup *b, struct backup_disk *d, struct hf_nbd *n, bool *out_done,
                        struct hf_err *err);

/* backup_point.c */
int backup_take_definition(struct backup *b, struct hf_err *err);
/* Puts it, and then the manifests. */
int backup_commit_points(struct backup *b, struct hf_err *err);

/* backup_checkpoint.c */
/* Its name; NULL: none is left. Once the capture is planned. */
const char *backup_checkpoint(const struct backup *b);
/* Once the point counts: the VM's older checkpoints of ours go. What goes wrong is a warning, added to doc, the report. */
void backup_drop_checkpoints(struct backup *b, struct json_object *doc);

/* backup_report.c. To be put. */
bool backup_is_protected(const struct backup *b, const struct backup_store *s);
struct json_object *backup_report(const struct backup *b, struct hf_err *err);

#endif
