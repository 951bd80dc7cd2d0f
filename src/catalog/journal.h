/* SPDX-License-Identifier: Apache-2.0
 *
 * catalog/journal.h - what a run is about to do to the outside world, written before it does it.
 *
 * One file per run, STATE/journal/RUN.jsonl, mode 0600: a JSON object per line, appended and
 * fdatasync'ed before the call returns. It appears under its name with the first line inside. With
 * each intent the space for the marks that will undo it is allocated too (where the file system
 * can), so that a disk that fills up later stops a run before an effect, never after it. A last
 * line without its newline was cut by a crash and is ignored, and the next append writes over it:
 * its effect had not begun. Any other bad line is CORRUPT, naming file and line.
 *
 *   {"seq":1,"at":"…Z","kind":"run","data":{…}}                      who, which VM, which config
 *   {"seq":2,"at":"…Z","kind":"snapshot","data":{…inverse…}}          an effect that may now exist
 *   {"seq":3,"at":"…Z","kind":"undone","of":2}                        … and no longer does
 *   {"seq":4,"at":"…Z","kind":"end","outcome":"done|failed|undone"}   nothing is open any more
 *
 * The file outlives its run until it has an end; hf_journal_finish removes it after the catalog
 * knows the outcome. One writer at a time (the VM's lock sees to that): the coordinator, and after
 * its death the guardian or `recover`. Whoever finds a file without an end, and gets the VM's lock,
 * undoes its open entries in reverse (run/recover.h). Readers: the guardian, `recover`, the next
 * run on that VM.
 */
#ifndef HF_CATALOG_JOURNAL_H
#define HF_CATALOG_JOURNAL_H

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/strv.h"
#include "net/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hf_journal;

/* Creates the file (CONFLICT: exists) with its first entry, kind "run"; data is borrowed, NULL: {}.
 */
struct hf_journal *hf_journal_create(const char *state_dir, const char *run_id,
                                     struct json_object *data, const struct hf_clock *clock,
                                     struct hf_err *err) HF_CHECKED;
/* Opens an existing one to append (guardian, recover); changes nothing. Bounded: 4 MiB, else
 * CORRUPT. NOT_FOUND: it is gone. */
struct hf_journal *hf_journal_open(const char *state_dir, const char *run_id,
                                   const struct hf_clock *clock, struct hf_err *err) HF_CHECKED;
void hf_journal_close(struct hf_journal *j); /* the file stays */
HF_DEFINE_AUTO(hf_journal, hf_journal_close)

const char *hf_journal_run_id(const struct hf_journal *j);

/* Durable when it returns 0; only then may the effect begin. out_seq may be NULL; data is borrowed,
 * NULL: {}. `kind` is any word but run, undone, end. NOSPACE: there would be no room to undo it.
 * After a failure a crash may still leave the entry behind, so an inverse has to look before it
 * acts. */
int hf_journal_intent(struct hf_journal *j, const char *kind, struct json_object *data,
                      uint64_t *out_seq, struct hf_err *err) HF_CHECKED;
/* Of an entry that is undone already: does nothing. */
int hf_journal_undone(struct hf_journal *j, uint64_t seq, struct hf_err *err) HF_CHECKED;
/* "done": effects that are still there are wanted. "failed", "undone": refused (CONFLICT) while an
 * entry is open, since nobody would look at it again. */
int hf_journal_end(struct hf_journal *j, const char *outcome, struct hf_err *err) HF_CHECKED;
/* Removes the file of an ended journal. */
int hf_journal_finish(struct hf_journal *j, struct hf_err *err) HF_CHECKED;

/* As read at open (and appended since), valid until close. The "run" entry is not in this list. */
struct hf_journal_entry {
    uint64_t seq;
    const char *kind;
    struct json_object *data; /* borrowed */
    bool is_undone;
};
struct json_object *hf_journal_run_data(const struct hf_journal *j);
size_t hf_journal_count(const struct hf_journal *j);
const struct hf_journal_entry *hf_journal_at(const struct hf_journal *j,
                                             size_t i); /* NULL: no such */
bool hf_journal_is_ended(const struct hf_journal *j);
const char *hf_journal_outcome(const struct hf_journal *j); /* NULL: no end */

/* Ids of all journals in the state directory, oldest first (to the second). No directory: empty.
 * Foreign names are ignored. */
int hf_journal_list(const char *state_dir, struct hf_strv *out, struct hf_err *err) HF_CHECKED;

#endif
