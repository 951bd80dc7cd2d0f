/* SPDX-License-Identifier: Apache-2.0
 *
 * files/plan.h - what of an archive's directory is to be restored, and its entries one by one, wherever they go.
 *
 * Before     hf_plan_check reads the whole listing: a name that leads out of the target, an entry below a symlink of the
 *            archive, or a path that is not in it ends it. The caller sees each entry that is to come.
 * While      hf_plan_run compares each entry of the tar with its line of the listing, each file with its digest before it is ended, at
 *            the end (unless stops_early) the tar with files.json: CORRUPT, and what the sink has got is not to be trusted.
 * Paths      with them, and where the listing tells the entries' places and the tar can be read from its middle, only what is wanted of it is
 *            read, and its own digest is not compared. Else all of it, from its beginning.
 * Memory     the listing as it is packed, up to HF_LISTING_KEPT_MAX: it is read three times and fetched once.
 * Refused    unless asked for: device nodes (with_devices), symlinks that lead out of the target (with_links), setuid and
 *            setgid bits of files and their capabilities (with_setuid; the file comes without). Always: a hard link to what
 *            was not restored itself. The rest is restored, and these are named.
 * Input      the directory may have been tampered with.
 */
#ifndef HF_FILES_PLAN_H
#define HF_FILES_PLAN_H

#include "base/cancel.h"
#include "files/folder.h"
#include "files/names.h"
#include "files/tar.h"
#include "io/folder.h"

#include <stdbool.h>
#include <stdint.h>

#define HF_UNPACK_NAMED 100

struct hf_unpack {
    const char *dir, *target;
    struct hf_io_files *files;   /* instead of a directory, borrowed; NULL: dir */
    const struct hf_strv *paths; /* with or without '/' in front; NULL or empty: all */
    bool overwrite, with_devices, with_links, with_setuid;
    /* Once all that `paths` name have passed, the rest of the tar is not read; its own digest is not compared then. */
    bool stops_early;
    const struct hf_cancel *cancel; /* may be NULL */
};

struct hf_unpacked {
    uint64_t entries, bytes, n_refused, n_warnings;
    struct hf_strv refused, warnings; /* the first HF_UNPACK_NAMED */
};
/* One more warning about `name`; counted, and kept while there is room. */
int hf_unpacked_warn(struct hf_unpacked *u, const char *name, const char *what, struct hf_err *err)
    HF_CHECKED;
void hf_unpacked_free(struct hf_unpacked *u);
HF_DEFINE_AUTO_VALUE(hf_unpacked, hf_unpacked_free)

struct hf_plan {
    const struct hf_unpack *req;
    struct hf_unpacked *out;
    struct hf_io_files *files, *own; /* own: what is closed with it, or NULL */
    struct hf_archive_about about;
    struct hf_names symlinks, targets; /* of the listing; what hard links lead to */
    struct hf_listing_kept listing;
    bool *is_found;             /* one per path */
    bool is_unplaced;           /* an entry's place in the tar is not told */
    uint64_t n_listed, last_at; /* of the listing, while it is checked */
    uint64_t bytes;             /* content of what is to be restored, after check */
    uint64_t wanted, passed;    /* entries that are below the paths; refused ones, too */
};
#define HF_PLAN_INIT                                                                               \
    {                                                                                              \
        0                                                                                          \
    }

/* Borrows req and out. CONFLICT: INCOMPLETE is there. */
int hf_plan_open(struct hf_plan *p, const struct hf_unpack *req, struct hf_unpacked *out,
                 struct hf_err *err) HF_CHECKED;
void hf_plan_close(struct hf_plan *p);
HF_DEFINE_AUTO_VALUE(hf_plan, hf_plan_close)

/* Once, before run. see: each entry that is to be restored, in the tar's order; -1 ends it. */
int hf_plan_check(struct hf_plan *p, int (*see)(void *, const struct hf_entry *, struct hf_err *),
                  void *ctx, struct hf_err *err) HF_CHECKED;

/* Where entries go. begin: raw is libarchive's, without what is refused, and the sink's to change; then the data of a file, in
 * order, holes left out; then end. */
struct hf_plan_sink {
    int (*begin)(void *ctx, const struct hf_entry *e, struct archive_entry *raw,
                 struct hf_err *err);
    hf_tar_take *take;
    int (*end)(void *ctx, const struct hf_entry *e, struct hf_err *err);
    void *ctx;
};
int hf_plan_run(struct hf_plan *p, const struct hf_plan_sink *sink, struct hf_err *err) HF_CHECKED;

#endif
