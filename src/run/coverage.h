/* SPDX-License-Identifier: Apache-2.0
 *
 * run/coverage.h - does all that a restore will need lie on disks that the capture contains?
 *
 * Promise    COVERED is said only of a path whose links were followed in the guest, whose mount is known, and all of
 *            whose disks are captured; and so are those of what is mounted below it. What could not be found out is
 *            UNKNOWN, and counts as not covered. Without an agent that tells which disk a mount lies on, a local device
 *            is inferred to be covered when every disk of the VM is captured; the text says so.
 * Limits     links inside of the directories (a schema linked elsewhere) are not looked for. Memory file systems below a
 *            path do not count: a restart empties them anyway. A directory that the channel's user may not enter makes
 *            the paths in it UNKNOWN, and so does a readlink without -e and -m (busybox) all paths.
 * Effects    none. In the guest two or three programs run (readlink, at most cat) and one file is read.
 * Input      paths, and all that the guest tells, are hostile: bounded, never run, printable in texts.
 * Ownership  everything is copied; lists are freed by the caller.
 */
#ifndef HF_RUN_COVERAGE_H
#define HF_RUN_COVERAGE_H

#include "base/cleanup.h"
#include "base/err.h"
#include "guest/guest.h"
#include "hypervisor/hv.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* For what it is worth knowing, but no restore needs it: never a problem. */
#define HF_WANTED_TMP "tmp"

struct hf_wanted {
    char *what; /* "datadir", "binlog", "redo", HF_WANTED_TMP, "files", … */
    char *path;
};
struct hf_wanted_list {
    struct hf_wanted *items;
    size_t n, cap;
};
int hf_wanted_add(struct hf_wanted_list *l, const char *what, const char *path)
    HF_CHECKED; /* -1: no memory */
void hf_wanted_list_free(struct hf_wanted_list *l);
HF_DEFINE_AUTO_VALUE(hf_wanted_list, hf_wanted_list_free)

enum hf_coverage_state { HF_COVERAGE_UNKNOWN, HF_COVERAGE_COVERED, HF_COVERAGE_NOT_COVERED };

struct hf_coverage_finding {
    char *what, *path;
    enum hf_coverage_state state;
    bool is_missing; /* nothing is there; state is that of the place where it would be */
    char *text;      /* "binlog /srv/binlog: on vdd, which is not captured: snapshot='no'" */
};
struct hf_coverage {
    struct hf_coverage_finding *items; /* one per wanted path, in that order */
    size_t n;
};
void hf_coverage_free(struct hf_coverage *c);
HF_DEFINE_AUTO_VALUE(hf_coverage, hf_coverage_free)

/* guest NULL: no way in, all UNKNOWN. mounts empty: no agent. -1: the question could not be asked (TIMEOUT, UNREACHABLE),
 * or the answer was none (CORRUPT). A guest that refuses to answer makes all UNKNOWN. */
int hf_coverage_check(struct hf_guest *guest, const struct hf_wanted_list *wanted,
                      const struct hf_mount_list *mounts, const struct hf_disk_list *disks,
                      int64_t deadline_ms, struct hf_coverage *out, struct hf_err *err) HF_CHECKED;

/* Not known to be covered, and a restore needs it. */
bool hf_coverage_is_problem(const struct hf_coverage_finding *f);

/* 0: no problem. Else UNSUPPORTED: all of them that fit, the number of the others, and what to do. */
int hf_coverage_refuse(const struct hf_coverage *c, struct hf_err *err) HF_CHECKED;

#endif
