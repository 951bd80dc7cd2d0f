/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a journal: what is accepted is consistent, and every prefix of it that ends at a
 * line is accepted too; what is refused is CORRUPT and names the line.
 */
#include "catalog/journal_intern.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at_all(const struct hf_journal_log *log)
{
    uint64_t last = 1;
    size_t open = 0;
    assert(log->run && log->lines == log->last_seq);
    for (size_t i = 0; i < log->n; i++) {
        const struct hf_journal_entry *e = hf_journal_log_at(log, i);
        assert(e->seq > last && e->seq <= log->last_seq);
        assert(*e->kind && !hf_journal_kind_is_reserved(e->kind));
        assert(json_object_is_type(e->data, json_type_object));
        assert(hf_journal_log_find(log, e->seq) == e);
        last = e->seq;
        open += !e->is_undone;
    }
    assert((open > 0) == (hf_journal_log_open_entry(log) != NULL));
    assert(!hf_journal_log_at(log, log->n) && !hf_journal_log_find(log, log->last_seq + 1));
}

/* Torn a little earlier, inside its last line, it says the same without that line. */
static void tear(const char *text, size_t end, const struct hf_journal_log *whole)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_journal_log) struct hf_journal_log log = HF_JOURNAL_LOG_INIT;
    size_t torn_end = 0;
    if (whole->lines < 2)
        return;
    assert(!hf_journal_parse(text, end - 1, &log, &torn_end, &err));
    assert(log.lines == whole->lines - 1 && torn_end < end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_journal_log) struct hf_journal_log log = HF_JOURNAL_LOG_INIT;
    const char *text = (const char *)data;
    size_t end = 0;
    if (hf_journal_parse(text, size, &log, &end, &err)) {
        assert(err.cls == HF_E_CORRUPT);
        assert(!strncmp(err.message, "line ", 5) || !log.lines);
        return 0;
    }
    assert(end > 0 && end <= size && text[end - 1] == '\n');
    look_at_all(&log);
    tear(text, end, &log);
    return 0;
}
