/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog/alarm.h"
#include "catalog/catalog_intern.h"

#define WHICH " WHERE kind = ? AND policy = ? AND vm = ?"
#define MESSAGE "id, target, is_recovery, kind, policy, vm, since_us, text, at_us, tries, next_us"

/* ---- on and off -------------------------------------------------------------------------- */

static int add_message(struct hf_catalog *c, const struct hf_alarm *a, bool is_recovery,
                       const char *target, struct hf_err *err)
{
    int64_t now = hf_clock_wall_us(c->clock);
    HF_AUTOSTMT sqlite3_stmt *s = hf_sql_prepare(
        c, err, "INSERT INTO messages (" MESSAGE ") VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0)",
        "sisttiti", target, (int64_t)is_recovery, a->kind, a->policy, a->vm, a->since_us, a->text,
        now);
    return hf_sql_run(c, s, "record the message", err);
}

static int add_messages(struct hf_catalog *c, const struct hf_alarm *a, bool is_recovery,
                        const char *const *targets, size_t n, struct hf_err *err)
{
    for (size_t i = 0; i < n; i++)
        if (add_message(c, a, is_recovery, targets[i], err) < 0)
            return -1;
    return 0;
}

static int insert_alarm(struct hf_catalog *c, const struct hf_alarm *a, struct hf_err *err)
{
    HF_AUTOSTMT sqlite3_stmt *s =
        hf_sql_prepare(c, err,
                       "INSERT OR IGNORE INTO alarms (kind, policy, vm, since_us, text)"
                       " VALUES (?, ?, ?, ?, ?)",
                       "sttit", a->kind, a->policy, a->vm, a->since_us, a->text);
    if (hf_sql_run(c, s, "record the alarm", err) < 0)
        return -1;
    return sqlite3_changes(c->db) > 0;
}

static int update_text(struct hf_catalog *c, const struct hf_alarm *a, struct hf_err *err)
{
    HF_AUTOSTMT sqlite3_stmt *s = hf_sql_prepare(c, err, "UPDATE alarms SET text = ?" WHICH, "tstt",
                                                 a->text, a->kind, a->policy, a->vm);
    return hf_sql_run(c, s, "record the alarm", err);
}

/* 1: it is new, 0: it was on. */
static int store_on(struct hf_catalog *c, const struct hf_alarm *a, const char *const *targets,
                    size_t n, struct hf_err *err)
{
    int is_new = insert_alarm(c, a, err);
    if (is_new < 0)
        return -1;
    int rc = is_new ? add_messages(c, a, false, targets, n, err) : update_text(c, a, err);
    return rc < 0 ? -1 : is_new;
}

int hf_alarm_raise(struct hf_catalog *c, const struct hf_alarm *a, const char *const *targets,
                   size_t n_targets, struct hf_err *err)
{
    if (hf_sql_begin(c, err))
        return -1;
    int is_new = store_on(c, a, targets, n_targets, err);
    return hf_sql_end(c, is_new < 0 ? -1 : 0, err) < 0 ? -1 : is_new;
}

/* 1: it was on, since *out_us; 0: it was not. */
static int since(struct hf_catalog *c, const struct hf_alarm *a, int64_t *out_us,
                 struct hf_err *err)
{
    HF_AUTOSTMT sqlite3_stmt *s = hf_sql_prepare(c, err, "SELECT since_us FROM alarms" WHICH, "stt",
                                                 a->kind, a->policy, a->vm);
    int rc = s ? hf_sql_step(c, s, "look for the alarm", err) : -1;
    if (rc > 0)
        *out_us = sqlite3_column_int64(s, 0);
    return rc;
}

static int store_off(struct hf_catalog *c, const struct hf_alarm *a, const char *const *targets,
                     size_t n, struct hf_err *err)
{
    struct hf_alarm was = *a;
    int rc = since(c, a, &was.since_us, err);
    if (rc <= 0)
        return rc;
    HF_AUTOSTMT sqlite3_stmt *s =
        hf_sql_prepare(c, err, "DELETE FROM alarms" WHICH, "stt", a->kind, a->policy, a->vm);
    if (hf_sql_run(c, s, "clear the alarm", err) < 0 ||
        add_messages(c, &was, true, targets, n, err) < 0)
        return -1;
    return 1;
}

int hf_alarm_clear(struct hf_catalog *c, const struct hf_alarm *a, const char *const *targets,
                   size_t n_targets, struct hf_err *err)
{
    if (hf_sql_begin(c, err))
        return -1;
    int was_on = store_off(c, a, targets, n_targets, err);
    return hf_sql_end(c, was_on < 0 ? -1 : 0, err) < 0 ? -1 : was_on;
}

/* ---- messages ---------------------------------------------------------------------------- */

static int emit_message(sqlite3_stmt *s, hf_message_cb emit, void *ctx, struct hf_err *err)
{
    const struct hf_message m = {.id = sqlite3_column_int64(s, 0),
                                 .target = hf_sql_text(s, 1),
                                 .is_recovery = sqlite3_column_int64(s, 2) != 0,
                                 .alarm = {.kind = hf_sql_text(s, 3),
                                           .policy = hf_sql_text(s, 4),
                                           .vm = hf_sql_text(s, 5),
                                           .since_us = sqlite3_column_int64(s, 6),
                                           .text = hf_sql_text(s, 7)},
                                 .at_us = sqlite3_column_int64(s, 8),
                                 .tries = (uint32_t)sqlite3_column_int64(s, 9),
                                 .next_us = sqlite3_column_int64(s, 10)};
    return emit(ctx, &m, err) ? -1 : 0;
}

int hf_messages(struct hf_catalog *c, size_t limit, hf_message_cb emit, void *ctx,
                struct hf_err *err)
{
    int64_t rows = limit > INT64_MAX ? INT64_MAX : (int64_t)limit;
    HF_AUTOSTMT sqlite3_stmt *s =
        hf_sql_prepare(c, err, "SELECT " MESSAGE " FROM messages ORDER BY id LIMIT ?", "i", rows);
    int rc = s ? 1 : -1;
    while (rc > 0 && (rc = hf_sql_step(c, s, "list the messages", err)) > 0)
        if (emit_message(s, emit, ctx, err))
            return -1;
    return rc;
}

static int drop(struct hf_catalog *c, const struct hf_message_key *key, struct hf_err *err)
{
    HF_AUTOSTMT sqlite3_stmt *s = hf_sql_prepare(
        c, err, "DELETE FROM messages WHERE id = ? AND at_us = ?", "ii", key->id, key->at_us);
    return hf_sql_run(c, s, "drop the message", err);
}

int hf_messages_drop(struct hf_catalog *c, const struct hf_message_key *keys, size_t n,
                     struct hf_err *err)
{
    if (hf_sql_begin(c, err))
        return -1;
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = drop(c, &keys[i], err);
    return hf_sql_end(c, rc, err);
}

static int put_off(struct hf_catalog *c, const struct hf_message_later *later, struct hf_err *err)
{
    HF_AUTOSTMT sqlite3_stmt *s =
        hf_sql_prepare(c, err, "UPDATE messages SET tries = ?, next_us = ? WHERE id = ?", "iii",
                       (int64_t)later->tries, later->next_us, later->id);
    return hf_sql_run(c, s, "put the message off", err);
}

int hf_messages_later(struct hf_catalog *c, const struct hf_message_later *later, size_t n,
                      struct hf_err *err)
{
    if (hf_sql_begin(c, err))
        return -1;
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = put_off(c, &later[i], err);
    return hf_sql_end(c, rc, err);
}
