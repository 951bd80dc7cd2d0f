/* SPDX-License-Identifier: Apache-2.0
 *
 * catalog/journal_intern.h - what the lines of a journal mean, apart from any file.
 *
 * One set of rules for lines that are read and lines that were just written: a journal that this
 * program wrote is one that it can read. Shared by journal.c, the tests and the fuzz target.
 */
#ifndef HF_CATALOG_JOURNAL_INTERN_H
#define HF_CATALOG_JOURNAL_INTERN_H

#include "catalog/journal.h"

#define HF_JOURNAL_SUBDIR "journal" /* of the state directory */
#define HF_JOURNAL_SUFFIX ".jsonl"  /* behind the run's id */

struct hf_journal_record; /* an entry and the JSON line it points into */

struct hf_journal_log {
    struct json_object *run; /* first line; NULL: nothing applied yet */
    struct json_object *end; /* last line of an ended journal, or NULL */
    struct hf_journal_record **records;
    size_t n, cap;
    uint64_t last_seq;
    size_t lines;
};

#define HF_JOURNAL_LOG_INIT                                                                        \
    {                                                                                              \
        0                                                                                          \
    }

void hf_journal_log_free(struct hf_journal_log *log);
HF_DEFINE_AUTO_VALUE(hf_journal_log, hf_journal_log_free)

/* Applies one line (without its newline). On failure the log is as it was; CORRUPT names the line.
 */
int hf_journal_log_line(struct hf_journal_log *log, const char *text, size_t len,
                        struct hf_err *err) HF_CHECKED;

/* Applies all complete lines of a whole journal to an empty log. *out_end: how many bytes they
 * are, and so where the next line goes; what lies behind was torn by a crash. */
int hf_journal_parse(const char *text, size_t len, struct hf_journal_log *log, size_t *out_end,
                     struct hf_err *err) HF_CHECKED;

struct hf_journal_entry *hf_journal_log_at(const struct hf_journal_log *log, size_t i);
/* NULL: no entry has this number. */
struct hf_journal_entry *hf_journal_log_find(const struct hf_journal_log *log, uint64_t seq);
/* The kinds that the format keeps for itself: "run", "undone", "end". */
bool hf_journal_kind_is_reserved(const char *kind);
/* "done", "failed" or "undone". */
bool hf_journal_outcome_is_known(const char *outcome);
/* Newest entry that is not undone, or NULL. */
const struct hf_journal_entry *hf_journal_log_open_entry(const struct hf_journal_log *log);

#endif
