/* SPDX-License-Identifier: Apache-2.0 */
#include "base/list.h"
#include "catalog/journal_intern.h"

#include <stdlib.h>
#include <string.h>

struct hf_journal_record {
    struct hf_journal_entry entry;
    struct json_object *line; /* keeps entry.kind and entry.data alive */
};

void hf_journal_log_free(struct hf_journal_log *log)
{
    for (size_t i = 0; i < log->n; i++) {
        json_object_put(log->records[i]->line);
        free(log->records[i]);
    }
    free(log->records);
    json_object_put(log->run);
    json_object_put(log->end);
    *log = (struct hf_journal_log)HF_JOURNAL_LOG_INIT;
}

static bool is_one_of(const char *word, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(word, words[i]))
            return true;
    return false;
}

bool hf_journal_kind_is_reserved(const char *kind)
{
    static const char *const kinds[] = {"run", "undone", "end"};
    return is_one_of(kind, kinds, HF_ARRAY_SIZE(kinds));
}

bool hf_journal_outcome_is_known(const char *outcome)
{
    static const char *const outcomes[] = {"done", "failed", "undone"};
    return is_one_of(outcome, outcomes, HF_ARRAY_SIZE(outcomes));
}

struct hf_journal_entry *hf_journal_log_at(const struct hf_journal_log *log, size_t i)
{
    return i < log->n ? &log->records[i]->entry : NULL;
}

/* Numbers only ever rise, so the entries are sorted by them. */
struct hf_journal_entry *hf_journal_log_find(const struct hf_journal_log *log, uint64_t seq)
{
    size_t low = 0, high = log->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        struct hf_journal_entry *entry = &log->records[mid]->entry;
        if (entry->seq == seq)
            return entry;
        if (entry->seq < seq)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

const struct hf_journal_entry *hf_journal_log_open_entry(const struct hf_journal_log *log)
{
    for (size_t i = log->n; i-- > 0;)
        if (!log->records[i]->entry.is_undone)
            return &log->records[i]->entry;
    return NULL;
}

static int grow(struct hf_journal_log *log, struct hf_err *err)
{
    struct hf_journal_record **records =
        hf_list_room(log->records, log->n, &log->cap, sizeof(*records), 16);
    if (!records)
        return hf_fail_nomem(err);
    log->records = records;
    return 0;
}

static int apply_run(struct hf_journal_log *log, struct json_object *line, struct hf_err *err)
{
    struct json_object *data = NULL;
    if (log->run)
        return hf_fail(err, HF_E_CORRUPT, "a second 'run' entry");
    if (hf_json_get_object(line, "data", &data, err))
        return -1;
    log->run = json_object_get(line);
    return 0;
}

static int apply_intent(struct hf_journal_log *log, struct json_object *line, const char *kind,
                        struct hf_err *err)
{
    struct json_object *data = NULL;
    if (!*kind)
        return hf_fail(err, HF_E_CORRUPT, "an entry of no kind");
    if (hf_json_get_object(line, "data", &data, err) || grow(log, err))
        return -1;
    struct hf_journal_record *record = malloc(sizeof(*record));
    if (!record)
        return hf_fail_nomem(err);
    *record = (struct hf_journal_record){
        .entry = {.seq = log->last_seq + 1, .kind = kind, .data = data},
        .line = json_object_get(line),
    };
    log->records[log->n++] = record;
    return 0;
}

static int apply_undone(struct hf_journal_log *log, struct json_object *line, struct hf_err *err)
{
    int64_t of = 0;
    if (hf_json_get_int(line, "of", &of, err))
        return -1;
    struct hf_journal_entry *entry = of > 0 ? hf_journal_log_find(log, (uint64_t)of) : NULL;
    if (!entry)
        return hf_fail(err, HF_E_CORRUPT, "undoes entry %lld, which does not exist", (long long)of);
    entry->is_undone = true;
    return 0;
}

static int apply_end(struct hf_journal_log *log, struct json_object *line, struct hf_err *err)
{
    const char *outcome = NULL;
    if (hf_json_get_string(line, "outcome", &outcome, err))
        return -1;
    if (!hf_journal_outcome_is_known(outcome))
        return hf_fail(err, HF_E_CORRUPT, "unknown outcome '%s'", outcome);
    log->end = json_object_get(line);
    return 0;
}

static int apply(struct hf_journal_log *log, struct json_object *line, struct hf_err *err)
{
    int64_t seq = 0;
    const char *kind = NULL;
    if (log->end)
        return hf_fail(err, HF_E_CORRUPT, "an entry behind the end");
    if (hf_json_get_int(line, "seq", &seq, err) || hf_json_get_string(line, "kind", &kind, err))
        return -1;
    /* A gap would be a line lost from the middle, and with it perhaps an effect to undo. */
    if (seq < 1 || (uint64_t)seq != log->last_seq + 1)
        return hf_fail(err, HF_E_CORRUPT, "number %lld where %llu was expected", (long long)seq,
                       (unsigned long long)log->last_seq + 1);
    if (!strcmp(kind, "run"))
        return apply_run(log, line, err);
    if (!log->run)
        return hf_fail(err, HF_E_CORRUPT, "'%s' before the 'run' entry", kind);
    if (!strcmp(kind, "undone"))
        return apply_undone(log, line, err);
    if (!strcmp(kind, "end"))
        return apply_end(log, line, err);
    return apply_intent(log, line, kind, err);
}

int hf_journal_log_line(struct hf_journal_log *log, const char *text, size_t len,
                        struct hf_err *err)
{
    HF_AUTOJSON struct json_object *line = hf_json_parse(text, len, err);
    if (!line || apply(log, line, err))
        return hf_wrap(err, "line %zu", log->lines + 1);
    log->last_seq++;
    log->lines++;
    return 0;
}

int hf_journal_parse(const char *text, size_t len, struct hf_journal_log *log, size_t *out_end,
                     struct hf_err *err)
{
    size_t at = 0;
    const char *newline;
    while (at < len && (newline = memchr(text + at, '\n', len - at))) {
        size_t line_len = (size_t)(newline - text) - at;
        if (hf_journal_log_line(log, text + at, line_len, err))
            return -1;
        at += line_len + 1;
    }
    /* A journal appears under its name with its first line inside: without one it was damaged. */
    if (!log->run)
        return hf_fail(err, HF_E_CORRUPT, "it has no 'run' entry");
    *out_end = at;
    return 0;
}
