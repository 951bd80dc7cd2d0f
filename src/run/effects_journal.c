/* SPDX-License-Identifier: Apache-2.0
 *
 * The journal entries of all effects: what their inverses (effects.c) will read.
 */
#include "net/json.h"
#include "run/effects.h"

#include <string.h>

static int add_intent(struct hf_journal *j, const char *kind, struct json_object *data, int bad,
                      uint64_t *seq, struct hf_err *err)
{
    if (!data || bad)
        return hf_fail_nomem(err);
    return hf_journal_intent(j, kind, data, seq, err);
}

int hf_effect_db_lock(struct hf_journal *j, int64_t dead_at_us, uint64_t *seq, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *data = json_object_new_object();
    int bad = data ? hf_json_add_int(data, "dead_at_us", dead_at_us) : -1;
    return add_intent(j, HF_EFFECT_DB_LOCK, data, bad, seq, err);
}

int hf_effect_db_variable(struct hf_journal *j, const char *name, const char *old_value,
                          const char *new_value, uint64_t *seq, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *data = json_object_new_object();
    int bad = data ? hf_json_add_string(data, "name", name) |
                         hf_json_add_string(data, "old", old_value) |
                         hf_json_add_string(data, "new", new_value)
                   : -1;
    return add_intent(j, HF_EFFECT_DB_VARIABLE, data, bad, seq, err);
}

int hf_effect_rest(struct hf_journal *j, const struct hf_strv *units, const struct hf_strv *deadmen,
                   uint64_t *seq, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *data = json_object_new_object();
    int bad = data ? hf_json_add(data, "units", hf_json_strings(units)) |
                         hf_json_add(data, "deadmen", hf_json_strings(deadmen))
                   : -1;
    return add_intent(j, HF_EFFECT_REST, data, bad, seq, err);
}

int hf_effect_bridge(struct hf_journal *j, uint64_t *seq, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *data = json_object_new_object();
    return add_intent(j, HF_EFFECT_BRIDGE, data, 0, seq, err);
}

int hf_effect_freeze(struct hf_journal *j, const char *vm_id, const char *deadman, uint64_t *seq,
                     struct hf_err *err)
{
    HF_AUTOJSON struct json_object *data = json_object_new_object();
    int bad = data ? hf_json_add_string(data, "vm_id", vm_id) |
                         hf_json_add_string(data, "deadman", deadman)
                   : -1;
    return add_intent(j, HF_EFFECT_FREEZE, data, bad, seq, err);
}

static int add_snapshot_intent(struct hf_journal *j, const char *kind, const char *vm_id,
                               const char *name, const char *token, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *data = json_object_new_object();
    int bad =
        data ? hf_json_add_string(data, "vm_id", vm_id) | hf_json_add_string(data, "name", name)
             : -1;
    if (!bad && token)
        bad = hf_json_add_string(data, "token", token);
    return add_intent(j, kind, data, bad, NULL, err);
}

int hf_effect_snapshot(struct hf_journal *j, const char *vm_id, const char *name, const char *token,
                       struct hf_err *err)
{
    return add_snapshot_intent(j, HF_EFFECT_SNAPSHOT, vm_id, name, token, err);
}

int hf_effect_export(struct hf_journal *j, const char *vm_id, const char *name, const char *token,
                     struct hf_err *err)
{
    return add_snapshot_intent(j, HF_EFFECT_EXPORT, vm_id, name, token, err);
}

int hf_effect_export_decided(struct hf_journal *j, const char *vm_id, const char *name,
                             const char *token, const char *ref, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *data = json_object_new_object();
    int bad =
        data ? hf_json_add_string(data, "vm_id", vm_id) | hf_json_add_string(data, "name", name) |
                   hf_json_add_string(data, "token", token) | hf_json_add_string(data, "ref", ref)
             : -1;
    return add_intent(j, HF_EFFECT_EXPORT_DECIDED, data, bad, NULL, err);
}

int hf_effect_snapshot_delete(struct hf_journal *j, const char *vm_id, const char *name,
                              struct hf_err *err)
{
    return add_snapshot_intent(j, HF_EFFECT_SNAPSHOT_DELETE, vm_id, name, NULL, err);
}

int hf_effect_maintenance(struct hf_journal *j, const char *phase, const char *snapshot,
                          const char *log, uint64_t *seq, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *data = json_object_new_object();
    int bad = data ? hf_json_add_string(data, "phase", phase) |
                         hf_json_add_string(data, "snapshot", snapshot) |
                         hf_json_add_string(data, "log", log)
                   : -1;
    return add_intent(j, HF_EFFECT_MAINTENANCE, data, bad, seq, err);
}

int hf_effect_rollback(struct hf_journal *j, const char *vm_id, const char *name, const char *token,
                       struct hf_err *err)
{
    return add_snapshot_intent(j, HF_EFFECT_ROLLBACK, vm_id, name, token, err);
}

int hf_effect_rollback_decided(struct hf_journal *j, const char *vm_id, const char *name,
                               const char *token, bool keep, const struct hf_strv *younger,
                               struct hf_err *err)
{
    HF_AUTOJSON struct json_object *data = json_object_new_object();
    int bad =
        data ? hf_json_add_string(data, "vm_id", vm_id) | hf_json_add_string(data, "name", name) |
                   hf_json_add_string(data, "token", token) | hf_json_add_bool(data, "keep", keep) |
                   hf_json_add(data, "younger", hf_json_strings(younger))
             : -1;
    return add_intent(j, HF_EFFECT_ROLLBACK_DECIDED, data, bad, NULL, err);
}

static bool has_kind(const struct hf_journal *j, const char *kind)
{
    for (size_t i = 0; i < hf_journal_count(j); i++)
        if (strcmp(hf_journal_at(j, i)->kind, kind) == 0)
            return true;
    return false;
}

bool hf_undo_rolls_forward(const struct hf_journal *j)
{
    return has_kind(j, HF_EFFECT_SNAPSHOT_DELETE) || has_kind(j, HF_EFFECT_ROLLBACK_DECIDED) ||
           has_kind(j, HF_EFFECT_MACHINE_DECIDED);
}

bool hf_undo_is_void(const struct hf_journal *j, const char *kind)
{
    if (strcmp(kind, HF_EFFECT_EXPORT) == 0)
        return has_kind(j, HF_EFFECT_EXPORT_DECIDED);
    return (strcmp(kind, HF_EFFECT_ROLLBACK) == 0 || strcmp(kind, HF_EFFECT_MACHINE) == 0) &&
           hf_undo_rolls_forward(j);
}
