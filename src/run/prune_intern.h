/* SPDX-License-Identifier: Apache-2.0
 *
 * run/prune_intern.h - the parts of one `prune`. For src/run only.
 *
 * prune_points.c       the stores in turn, and their points judged
 * prune_listed.c       is the store's listing whole?
 * prune_checkpoint.c   what the hypervisor keeps for points that are no more
 * prune_pushed.c       backups that a hypervisor keeps for points that are no more
 * prune_doc.c          the document
 */
#ifndef HF_RUN_PRUNE_INTERN_H
#define HF_RUN_PRUNE_INTERN_H

#include "catalog/catalog.h"
#include "point/prune.h"
#include "policy/retention.h"
#include "run/prune_points.h"
#include "run/pushed_list.h"

struct pruning {
    const struct hf_env *env;
    const struct hf_prune_req *req;
    char run_id[HF_ID_MAX];
    int64_t started_us; /* wall */
    struct hf_catalog *catalog;
    struct hf_zone *zone;
    struct json_object *points, *stores, *backups; /* of the document */
    struct hf_pushed_lister lister;
    /* hf_copy_key of points whose disks lie with a hypervisor: deleted in this run, or (dry) as if. */
    struct hf_strv gone;
    bool is_bad, has_changed;
    /* of the store that is being pruned */
    const struct hf_config_store *config;
    struct hf_site *site;
    int64_t n_points, n_deleted;
    struct hf_err
        failed; /* what did not stop the rest: the first point that could not be deleted */
};

/* prune_doc.c. action: of struct hf_prune_req's document. */
int prune_add_point(struct pruning *p, const struct hf_point_name *n, int64_t taken_us,
                    const char *action, const char *why, struct hf_err *err);
int prune_add_store(struct pruning *p, const struct hf_prune_points *points,
                    const struct hf_pruned *done, const struct hf_err *why, struct hf_err *err);

/* prune_listed.c. Against what the catalog knows. CORRUPT: the store has a point that it does not list. */
int prune_check_listed(struct pruning *p, const struct hf_prune_points *all, struct hf_err *err)
    HF_CHECKED;

/* prune_checkpoint.c. The point that the hypervisor has a checkpoint of, as far as the catalog knows: before anything is deleted, and
 * afterwards, when the checkpoint goes if that point has. What goes wrong there is logged: the next backup tries again. */
struct prune_checkpoint {
    const struct hf_config_vm *vm;
    char point[HF_ID_MAX]; /* "": there is none */
};
int prune_checkpoint_of(struct pruning *p, const struct hf_config_vm *vm,
                        struct prune_checkpoint *out, struct hf_err *err);
int prune_checkpoint_drop(struct pruning *p, const struct prune_checkpoint *c, struct hf_err *err);

/* prune_pushed.c. The backup of a point that is going to be deleted. */
struct prune_pushed {
    struct hf_kept backup;        /* ref NULL: its disks do not lie so */
    bool is_to_go;                /* no other store has the point */
    bool is_foreign;              /* under its name is another's */
    char why[HF_ERR_MESSAGE_MAX]; /* … or which one has, or may have it; foreign: what it says */
};
static inline void prune_pushed_free(struct prune_pushed *k)
{
    hf_kept_free(&k->backup);
}
HF_DEFINE_AUTO_VALUE(prune_pushed, prune_pushed_free)
/* 1: the point may be deleted. 0: not now, which is told. */
int prune_pushed_ask(struct pruning *p, const struct hf_prune_point *point,
                     struct prune_pushed *out, struct hf_err *err);
/* Once it is. What goes wrong is told. */
int prune_pushed_delete(struct pruning *p, const struct hf_prune_point *point,
                        const struct prune_pushed *k, struct hf_err *err);
/* Names those that belong to no point. */
int prune_pushed_orphans(struct pruning *p, const struct hf_config_vm *vm, struct hf_err *err);

#endif
