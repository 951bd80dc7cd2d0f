/* SPDX-License-Identifier: Apache-2.0
 *
 * run/coverage_intern.h - what coverage.c, coverage_guest.c and coverage_disks.c share.
 */
#ifndef HF_RUN_COVERAGE_INTERN_H
#define HF_RUN_COVERAGE_INTERN_H

#include "base/mountinfo.h"
#include "run/coverage.h"

#define HF_COVERAGE_PATH_MAX 4096

/* A wanted path as the guest sees it. */
struct hf_coverage_place {
    char *real;      /* without links; NULL: unknown */
    const char *why; /* real is NULL: a literal that says why */
    bool is_missing;
};

struct hf_coverage_view {
    struct hf_mountinfo mounts;
    struct hf_coverage_place *places; /* one per wanted path */
    size_t n;
    struct hf_err
        refused; /* class NONE: the guest answered; else all of the above is worth nothing */
};
void hf_coverage_view_free(struct hf_coverage_view *v);
HF_DEFINE_AUTO_VALUE(hf_coverage_view, hf_coverage_view_free)

/* coverage_guest.c: asks the guest where the paths lead, and what is mounted. */
int hf_coverage_look(struct hf_guest *guest, const struct hf_wanted_list *wanted,
                     int64_t deadline_ms, struct hf_coverage_view *out, struct hf_err *err)
    HF_CHECKED;

struct hf_coverage_scene {
    const struct hf_mountinfo *mountinfo; /* of the guest */
    const struct hf_mount_list *mounts;   /* of the hypervisor's agent */
    const struct hf_disk_list *disks;
};

/* coverage_disks.c: whether a mount's disks are captured. Appends to text, as in "on vdb, captured". */
enum hf_coverage_state hf_coverage_of_mount(const struct hf_coverage_scene *s,
                                            const struct hf_mountinfo_entry *m,
                                            struct hf_buf *text);
/* Nothing in it is anything that a restore could miss: memory, the kernel's own, layers over other mounts, a medium. */
bool hf_coverage_is_no_data(const struct hf_mountinfo_entry *m);

#endif
