/* SPDX-License-Identifier: Apache-2.0
 *
 * point/manifest.h - what a point is: how it was taken, what it consists of, what it needs of the store. Written last: without
 * it the point does not exist.
 *
 *     {"mac":"64 HEX","manifest":{…}}\n
 *
 * The MAC (keyed BLAKE2b, docs/format.md "Keys") is of the bytes of the inner object as they stand, so nobody needs a canonical form;
 * it is looked at before the JSON is. The key is every writing host's: the MAC says that one of them wrote it, not which.
 *
 * Which packs a point needs stands in it (packs of disks and of trees), so pruning reads manifests and no trees. Packs are never
 * changed, nor are manifests: where what a pack held has been moved to stands beside it (point/moved.h).
 *
 * Reading distrusts also what has the right MAC: sizes, counts, names. Errors: CORRUPT; UNSUPPORTED: a newer format. Threads: any.
 */
#ifndef HF_POINT_MANIFEST_H
#define HF_POINT_MANIFEST_H

#include "base/strv.h"
#include "db/position.h"
#include "image/keys.h"
#include "io/sha256.h"
#include "point/layout.h"

#define HF_MANIFEST_FORMAT 1
#define HF_MANIFEST_FORMAT_PUSHED 2 /* of those, and only those, that have a pushed artifact */
#define HF_MANIFEST_MAX ((size_t)128 << 20) /* bytes of the whole */
#define HF_MANIFEST_ARTIFACTS_MAX 1024u
#define HF_MANIFEST_OBJECTS_MAX 400000u /* of all artifacts */
#define HF_MANIFEST_PACKS_MAX ((size_t)1 << 20)
#define HF_MANIFEST_EVENTS_MAX 64u
#define HF_MANIFEST_CHECKPOINT_MAX 64u
#define HF_MANIFEST_REF_MAX 511u
#define HF_MANIFEST_PUSHED "backup" /* the artifact's name */

/* One object of a dump, of files, of a VM definition. */
struct hf_point_object {
    char *name;                 /* within the point: "dump/shop.orders.00000.sql.zst.age" */
    uint64_t bytes;             /* of what was put in: not encrypted, perhaps compressed */
    uint64_t stored_bytes;      /* of the object, as it lies on the store */
    char sha256[HF_SHA256_HEX]; /* of the same */
};

/* Is a backup off the host? As it was found when the point was taken. */
enum hf_point_off_host {
    HF_POINT_NOT_OFF_HOST,
    HF_POINT_OFF_HOST_ASSUMED,
    HF_POINT_OFF_HOST_PROVEN
};
#define HF_POINT_OFF_HOST_KINDS 3
/* "no", "assumed", "proven" */
const char *hf_point_off_host_name(enum hf_point_off_host o);

/* All disks in one backup that the hypervisor wrote and keeps (api: hf_pushed). The run that it is marked with: hf_point_mark. */
struct hf_point_pushed {
    char *ref, *form, *place;
    char *off_host_why; /* or NULL */
    enum hf_point_off_host off_host;
    struct hf_strv disks; /* their targets; at least one */
    int64_t taken_us;     /* as the hypervisor tells it, a whole second; 0: not said */
};

struct hf_point_artifact {
    enum hf_point_kind kind;
    char *name;            /* the disk's target ("vda"), the archive's name, "dump", "definition" */
    uint64_t bytes;        /* of the disk, or of the content: before compression */
    uint64_t stored_bytes; /* what this point added to the store for it */
    /* image */
    unsigned char root[HF_IMAGE_ID];
    bool is_incremental;
    char parent[HF_ID_MAX]; /* the point that it was taken against, or "" */
    char *incremental_why;  /* it was read whole; NULL: it was not, or nobody said why */
    uint64_t read_bytes;    /* of the disk, from the hypervisor; holes count */
    struct hf_point_pushed pushed;
    /* files: when they were read; 0: not said */
    int64_t read_from_us, read_to_us;
    /* dump: what it shows, where the server keeps a binlog; that of the point unless it took a lock of its own */
    bool has_position;
    struct hf_db_position position;
    struct hf_point_object *objects; /* of what has some (hf_point_kind_has_objects); by name */
    size_t n_objects;
};

void hf_point_artifact_free(struct hf_point_artifact *a); /* by value: empties it */

struct hf_point_event {
    double at_ms; /* after the run's start */
    char *event;
};

struct hf_manifest {
    /* which */
    char store[HF_IMAGE_STORE_ID + 1];
    struct hf_point_name point;
    char *hypervisor, *vm_id;
    char *holdfast;         /* version of the writer */
    int64_t taken_us;       /* wall, the capture; a whole millisecond */
    uint64_t fencing_token; /* of the lease under which it was taken, 0: none */
    /* how */
    char grade, required; /* 'A'..'E'; required 0: nothing */
    char *proof;
    char *grade_why; /* or NULL */
    char *server;    /* of the database, or NULL */
    /* what the hypervisor knows changes since this point by, as long as it is there; NULL: nothing was left */
    char *checkpoint;
    double stall_ms, held_ms;
    bool has_position, has_bracket;
    struct hf_db_position position, min, max;
    struct hf_point_event *events;
    size_t n_events;
    /* what */
    struct hf_point_artifact *artifacts;
    size_t n_artifacts;
    unsigned char (*packs)[HF_IMAGE_PACK_ID]; /* sorted, each once */
    size_t n_packs;
};

void hf_manifest_free(struct hf_manifest *m); /* by value: empties it */
HF_DEFINE_AUTO_VALUE(hf_manifest, hf_manifest_free)

/* The first of this kind; NULL: there is none. */
const struct hf_point_artifact *hf_manifest_find(const struct hf_manifest *m,
                                                 enum hf_point_kind kind);

/* ---- made ------------------------------------------------------------------------------- */

/* Each copies. The artifact stays where it is until the next one is added. */
int hf_manifest_add_event(struct hf_manifest *m, double at_ms, const char *event,
                          struct hf_err *err) HF_CHECKED;
struct hf_point_artifact *hf_manifest_add_artifact(struct hf_manifest *m, enum hf_point_kind kind,
                                                   const char *name, struct hf_err *err) HF_CHECKED;
int hf_manifest_add_object(struct hf_point_artifact *a, const struct hf_point_object *object,
                           struct hf_err *err) HF_CHECKED;
int hf_manifest_add_packs(struct hf_manifest *m, const unsigned char (*packs)[HF_IMAGE_PACK_ID],
                          size_t n, struct hf_err *err) HF_CHECKED;

/* Sorts packs and objects, then the whole, with its MAC. INTERNAL: it would not be read back: something is missing or beyond the limits. */
int hf_manifest_write(struct hf_manifest *m, const struct hf_image_keys *keys, bool is_encrypted,
                      struct hf_buf *out, struct hf_err *err) HF_CHECKED;

/* ---- read ------------------------------------------------------------------------------- */

/* out is empty before, and to be freed in any case. */
int hf_manifest_read(const char *text, size_t len, const struct hf_image_keys *keys,
                     bool is_encrypted, struct hf_manifest *out, struct hf_err *err) HF_CHECKED;
/* The inner object alone, whose MAC was found right. */
int hf_manifest_parse(const char *text, size_t len, bool is_encrypted, struct hf_manifest *out,
                      struct hf_err *err) HF_CHECKED;

bool hf_manifest_has_pack(const struct hf_manifest *m, const unsigned char id[HF_IMAGE_PACK_ID]);
/* Objects and bytes of the point's own folder but the manifest: without what lies in packs. */
void hf_manifest_own(const struct hf_manifest *m, uint64_t *out_objects, uint64_t *out_bytes);
/* What a backup of the hypervisor that belongs to the point is marked with: "hf-POINT". */
#define HF_POINT_MARK_MAX (HF_ID_MAX + 3)
void hf_point_mark(const char *point_id, char out[HF_POINT_MARK_MAX]);
/* Not of a pushed one. 64 hex digits: the root of an image; of others SHA-256 of one line "SHA256  NAME" per object, in the order of the names
 * (as sha256sum writes it). */
int hf_manifest_digest(const struct hf_point_artifact *a, char out[HF_SHA256_HEX],
                       struct hf_err *err) HF_CHECKED;

#endif
