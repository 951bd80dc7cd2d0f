/* SPDX-License-Identifier: Apache-2.0
 *
 * run/prune_intern.h - the parts of one `prune`. For src/run only.
 *
 * prune_points.c       the stores in turn, and their points judged
 * prune_listed.c       is the store's listing whole?
 * prune_checkpoint.c   what the hypervisor keeps for points that are no more
 * prune_doc.c          the document
 */
#ifndef HF_RUN_PRUNE_INTERN_H
#define HF_RUN_PRUNE_INTERN_H

#include "catalog/catalog.h"
#include "point/prune.h"
#include "policy/retention.h"
#include "run/prune_points.h"

struct pruning {
    const struct hf_env *env;
    const struct hf_prune_req *req;
    char run_id[HF_ID_MAX];
    int64_t started_us; /* wall */
    struct hf_catalog *catalog;
    struct hf_zone *zone;
    struct json_object *points, *stores; /* of the document */
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

#endif
