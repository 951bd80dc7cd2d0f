/* SPDX-License-Identifier: Apache-2.0
 *
 * The lines "Property=value" of `systemctl show`; an empty line stands between two units.
 */
#include "base/unit_name.h"
#include "guest/units.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static void unit_free(struct hf_unit *u)
{
    free(u->id);
    hf_strv_free(&u->names);
    hf_strv_free(&u->wakers);
    hf_strv_free(&u->dependents);
}

void hf_unit_list_free(struct hf_unit_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        unit_free(&l->items[i]);
    free(l->items);
    *l = (struct hf_unit_list){0};
}

const struct hf_unit *hf_unit_list_find(const struct hf_unit_list *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (hf_strv_has(&l->items[i].names, name))
            return &l->items[i];
    return NULL;
}

bool hf_unit_runs(const struct hf_unit *u)
{
    return u->state == HF_UNIT_ACTIVE || u->state == HF_UNIT_ACTIVATING;
}

bool hf_unit_is_idle(const struct hf_unit *u)
{
    return u->state == HF_UNIT_INACTIVE || u->state == HF_UNIT_FAILED;
}

/* systemd gives the control group up when it is empty; one that it keeps and does not count may hold anything. */
bool hf_unit_is_empty(const struct hf_unit *u)
{
    return !u->main_pid && (!u->has_group || u->tasks == 0);
}

bool hf_unit_has_type(const struct hf_unit *u, const char *suffix)
{
    size_t len = strlen(u->id), n = strlen(suffix);
    return len > n && strcmp(u->id + len - n, suffix) == 0;
}

/* ---- values ------------------------------------------------------------------------------ */

/* The setters of `fields`: -1 is CORRUPT, or out of memory. */
static int nonsense(struct hf_err *err)
{
    return hf_fail(err, HF_E_CORRUPT, "not what systemd says");
}

static int set_id(struct hf_unit *u, const char *value, struct hf_err *err)
{
    if (!hf_unit_name_is_valid(value))
        return nonsense(err);
    u->id = strdup(value);
    return u->id ? 0 : hf_fail_nomem(err);
}

static int add_names(struct hf_strv *to, const char *value, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv names = HF_STRV_INIT;
    if (hf_strv_split(&names, value, ' ') < 0)
        return hf_fail_nomem(err);
    if (to->n + names.n > HF_UNITS_MAX)
        return hf_fail(err, HF_E_CORRUPT, "more than %d names", HF_UNITS_MAX);
    for (size_t i = 0; i < names.n; i++) {
        if (!hf_unit_name_is_valid(names.items[i]))
            return nonsense(err);
        if (hf_strv_add(to, names.items[i]) < 0)
            return hf_fail_nomem(err);
    }
    return 0;
}

static int set_names(struct hf_unit *u, const char *value, struct hf_err *err)
{
    return add_names(&u->names, value, err);
}

static int set_wakers(struct hf_unit *u, const char *value, struct hf_err *err)
{
    return add_names(&u->wakers, value, err);
}

static int set_dependents(struct hf_unit *u, const char *value, struct hf_err *err)
{
    return add_names(&u->dependents, value, err);
}

static int word(char out[HF_UNIT_WORD_MAX], const char *value, struct hf_err *err)
{
    size_t len = strnlen(value, HF_UNIT_WORD_MAX);
    if (len == HF_UNIT_WORD_MAX || strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789-") != len)
        return nonsense(err);
    memcpy(out, value, len + 1);
    return 0;
}

static int set_load(struct hf_unit *u, const char *value, struct hf_err *err)
{
    if (word(u->load_word, value, err) < 0)
        return -1;
    u->load = !strcmp(value, "loaded")      ? HF_UNIT_LOADED
              : !strcmp(value, "not-found") ? HF_UNIT_NOT_FOUND
              : !strcmp(value, "masked")    ? HF_UNIT_MASKED
                                            : HF_UNIT_BROKEN;
    return 0;
}

static int set_state(struct hf_unit *u, const char *value, struct hf_err *err)
{
    static const struct {
        const char *name;
        enum hf_unit_state state;
    } states[] = {
        {"active", HF_UNIT_ACTIVE},
        {"reloading", HF_UNIT_ACTIVE},
        {"refreshing", HF_UNIT_ACTIVE},
        {"inactive", HF_UNIT_INACTIVE},
        {"failed", HF_UNIT_FAILED},
        {"activating", HF_UNIT_ACTIVATING},
        {"deactivating", HF_UNIT_DEACTIVATING},
    };
    u->state = HF_UNIT_OTHER;
    for (size_t i = 0; i < HF_ARRAY_SIZE(states); i++)
        if (strcmp(states[i].name, value) == 0)
            u->state = states[i].state;
    return word(u->state_word, value, err);
}

static int set_sub(struct hf_unit *u, const char *value, struct hf_err *err)
{
    return word(u->sub, value, err);
}

static int set_type(struct hf_unit *u, const char *value, struct hf_err *err)
{
    return word(u->type, value, err);
}

static int set_result(struct hf_unit *u, const char *value, struct hf_err *err)
{
    return word(u->result, value, err);
}

static int set_enabled(struct hf_unit *u, const char *value, struct hf_err *err)
{
    return word(u->enabled, value, err);
}

static int set_invocation(struct hf_unit *u, const char *value, struct hf_err *err)
{
    size_t len = strnlen(value, sizeof u->invocation);
    if ((len != 0 && len != 32) || strspn(value, "0123456789abcdef") != len)
        return nonsense(err);
    memcpy(u->invocation, value, len + 1);
    return 0;
}

static int number(int64_t *out, const char *value, struct hf_err *err)
{
    char *end;
    errno = 0;
    long long n = isdigit((unsigned char)*value) ? strtoll(value, &end, 10) : -1;
    if (n < 0 || *end || errno)
        return nonsense(err);
    *out = n;
    return 0;
}

static int set_main_pid(struct hf_unit *u, const char *value, struct hf_err *err)
{
    return number(&u->main_pid, value, err);
}

static int set_exit_status(struct hf_unit *u, const char *value, struct hf_err *err)
{
    return number(&u->exit_status, value, err);
}

static int set_tasks(struct hf_unit *u, const char *value, struct hf_err *err)
{
    /* Before 243 "not set" was the largest number. */
    if (!*value || !strcmp(value, "[not set]") || !strcmp(value, "18446744073709551615"))
        return 0;
    return number(&u->tasks, value, err);
}

static int set_group(struct hf_unit *u, const char *value, struct hf_err *err)
{
    (void)err;
    u->has_group = *value != '\0';
    return 0;
}

static int yes_or_no(bool *out, const char *value, struct hf_err *err)
{
    *out = strcmp(value, "yes") == 0;
    return *out || strcmp(value, "no") == 0 ? 0 : nonsense(err);
}

static int set_transient(struct hf_unit *u, const char *value, struct hf_err *err)
{
    return yes_or_no(&u->is_transient, value, err);
}

static int set_can_start(struct hf_unit *u, const char *value, struct hf_err *err)
{
    bool can;
    int rc = yes_or_no(&can, value, err);
    u->cannot_start = rc == 0 && !can;
    return rc;
}

static int set_can_stop(struct hf_unit *u, const char *value, struct hf_err *err)
{
    bool can;
    int rc = yes_or_no(&can, value, err);
    u->cannot_stop = rc == 0 && !can;
    return rc;
}

/* ---- lines ------------------------------------------------------------------------------- */

enum { FIELD_ID, FIELD_NAMES, FIELD_LOAD, FIELD_STATE }; /* those that no unit lacks */

static const struct field {
    const char *name;
    int (*set)(struct hf_unit *u, const char *value, struct hf_err *err);
} fields[] = {
    [FIELD_ID] = {"Id", set_id},
    [FIELD_NAMES] = {"Names", set_names},
    [FIELD_LOAD] = {"LoadState", set_load},
    [FIELD_STATE] = {"ActiveState", set_state},
    {"SubState", set_sub},
    {"Type", set_type},
    {"Result", set_result},
    {"UnitFileState", set_enabled},
    {"InvocationID", set_invocation},
    {"MainPID", set_main_pid},
    {"ExecMainStatus", set_exit_status},
    {"TasksCurrent", set_tasks},
    {"ControlGroup", set_group},
    {"Transient", set_transient},
    {"CanStart", set_can_start},
    {"CanStop", set_can_stop},
    {"TriggeredBy", set_wakers},
    {"RequiredBy", set_dependents},
    {"BoundBy", set_dependents},
    {"ConsistsOf", set_dependents},
    {"PropagatesStopTo", set_dependents},
};

static int parse_line(struct hf_unit *u, uint32_t *seen, char *line, struct hf_err *err)
{
    char *value = strchr(line, '=');
    if (!value)
        return nonsense(err);
    *value++ = '\0';
    for (size_t i = 0; i < HF_ARRAY_SIZE(fields); i++) {
        if (strcmp(fields[i].name, line) != 0)
            continue;
        if (*seen & 1U << i)
            return hf_fail(err, HF_E_CORRUPT, "%s stands there twice", fields[i].name);
        *seen |= 1U << i;
        return fields[i].set(u, value, err) < 0 ? hf_wrap(err, "%s", fields[i].name) : 0;
    }
    return 0; /* not asked for: newer systemctl may say more */
}

static int finish_unit(const struct hf_unit *u, uint32_t seen, struct hf_err *err)
{
    for (size_t i = FIELD_ID; i <= FIELD_STATE; i++)
        if (!(seen & 1U << i))
            return hf_fail(err, HF_E_CORRUPT, "a unit without %s", fields[i].name);
    if (!hf_strv_has(&u->names, u->id))
        return hf_fail(err, HF_E_CORRUPT, "a unit whose names are not its own");
    return 0;
}

static struct hf_unit *add_unit(struct hf_unit_list *l, struct hf_err *err)
{
    if (l->n == HF_UNITS_MAX) {
        hf_fail(err, HF_E_CORRUPT, "more than %d units", HF_UNITS_MAX);
        return NULL;
    }
    if (!l->items && !(l->items = calloc(HF_UNITS_MAX, sizeof *l->items))) {
        hf_fail_nomem(err);
        return NULL;
    }
    struct hf_unit *u = &l->items[l->n++];
    u->tasks = -1;
    return u;
}

static int parse_lines(char *text, struct hf_unit_list *out, struct hf_err *err)
{
    struct hf_unit *u = NULL;
    uint32_t seen = 0;
    for (char *line = text, *next; line; line = next) {
        if ((next = strchr(line, '\n')))
            *next++ = '\0';
        if (!*line) {
            if (u && finish_unit(u, seen, err) < 0)
                return -1;
            u = NULL;
            continue;
        }
        if (!u) {
            seen = 0;
            if (!(u = add_unit(out, err)))
                return -1;
        }
        if (parse_line(u, &seen, line, err) < 0)
            return -1;
    }
    return u ? finish_unit(u, seen, err) : 0;
}

int hf_units_parse(const char *text, size_t len, struct hf_unit_list *out, struct hf_err *err)
{
    HF_AUTOFREE char *copy = malloc(len + 1);
    if (!copy)
        return hf_fail_nomem(err);
    if (len)
        memcpy(copy, text, len);
    copy[len] = '\0';
    int rc = strlen(copy) == len ? parse_lines(copy, out, err) : nonsense(err);
    if (rc < 0) {
        hf_unit_list_free(out);
        return hf_wrap(err, "the answer of systemctl in the guest");
    }
    return 0;
}
