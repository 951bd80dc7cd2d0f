/* SPDX-License-Identifier: Apache-2.0
 *
 * run/backup_intern.h - the parts of one `backup`. For src/run only.
 *
 * backup.c          the run as a whole, and the catalog
 * backup_stores.c   the stores: opened, dropped when they fail
 * backup_offhost.c  are they off the host?
 * backup_watch.c    the export under way, asked how it does
 * backup_disks.c    the disks, from the export to the stores
 * backup_point.c    the manifest of each store
 * backup_checkpoint.c   what the hypervisor keeps for the next backup
 * backup_report.c   the document
 */
#ifndef HF_RUN_BACKUP_INTERN_H
#define HF_RUN_BACKUP_INTERN_H

#include "image/writer.h"
#include "point/points.h"
#include "run/backup.h"
#include "run/creation.h"
#include "run/store_site.h"
#include "store/offhost.h"

#define HF_BACKUP_STORES_MAX 8

struct backup_watch;

struct backup_store {
    const struct hf_config_store *config;
    struct hf_store_site at;
    struct hf_image *image;
    struct hf_offhost_verdict off_host;
    struct hf_image_writer *writer;   /* of the disk that is being read */
    struct hf_image_written *written; /* one per disk */
    struct hf_manifest manifest;
    uint64_t objects, bytes; /* sent for this point */
    bool has_point;
    struct hf_err failed; /* class NONE: it is still in the run */
};

struct backup_disk {
    const char *target; /* borrowed */
    struct hf_export_copy export;
};

struct backup {
    struct hf_run *run;
    const struct hf_backup *req;
    struct creation *creation;
    struct backup_store stores[HF_BACKUP_STORES_MAX];
    size_t n_stores;
    struct hf_strv guest_addresses; /* as it told them */
    struct hf_disk_list all_disks;
    struct backup_disk *disks; /* those that are captured */
    size_t n_disks;
    char *definition; /* NULL: the hypervisor gives none */
    uint64_t done_bytes, all_bytes;
    struct backup_watch *watch;
};

/* backup_stores.c */
int backup_open_stores(struct backup *b, struct hf_err *err);
void backup_close_store(struct backup_store *s);
static inline bool backup_store_is_in(const struct backup_store *s)
{
    return s->failed.cls == HF_E_NONE;
}
/* The store is out of the run. why is emptied. */
void backup_drop(struct backup *b, struct backup_store *s, struct hf_err *why);
/* -1, and why the last one failed, when no store is left; CANCELLED when that is why one failed. */
int backup_has_stores(const struct backup *b, struct hf_err *err);

/* backup_offhost.c */
/* CONFIG: it is not, and that is not accepted. Assumed: a warning. */
int backup_check_off_host(struct backup *b, struct backup_store *s, struct hf_err *err);
/* Once the guest answers, and before anything is held: is none of them the guest itself? backup is the struct. */
int backup_look_at_guest(void *backup, struct hf_err *err);

/* backup_watch.c. From start to stop the run's hv belongs to the watch's thread. */
int backup_watch_start(struct backup *b, struct hf_err *err);
/* Has the export been given up? Any thread. */
int backup_watch_check(struct backup *b, struct hf_err *err);
/* Takes one that never started. */
void backup_watch_stop(struct backup *b);

/* backup_disks.c */
/* Which disks there are, before the hold. */
int backup_list_disks(struct backup *b, struct hf_err *err);
/* After it: all of them to all stores, then the end of the export. */
int backup_read_disks(struct backup *b, struct hf_err *err);

/* backup_point.c */
int backup_take_definition(struct backup *b, struct hf_err *err);
int backup_commit_points(struct backup *b, struct hf_err *err);

/* backup_checkpoint.c */
/* Its name; NULL: none is left. Once the capture is planned. */
const char *backup_checkpoint(const struct backup *b);
/* Once the point counts: the VM's older checkpoints of ours go. What goes wrong is a warning, added to doc, the report. */
void backup_drop_checkpoints(struct backup *b, struct json_object *doc);

/* backup_report.c. To be put. */
bool backup_is_protected(const struct backup_store *s);
struct json_object *backup_report(const struct backup *b, struct hf_err *err);

#endif
