/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parser cannot see in one line: missing keys, defaults, and keys that contradict another.
 */
#include "base/units.h"
#include "config/apps.h"
#include "config/parse.h"

#include <stdlib.h>
#include <string.h>

int hf_option_wrap(const struct hf_config_head *head, const struct hf_option *o, unsigned line,
                   struct hf_err *err)
{
    hf_hint(err, "Expected: %s.", o->type->expects);
    return hf_wrap(err, "%s:%u: %s", head->file, line, o->key);
}

static int missing(const struct hf_config_head *head, const struct hf_option *o, struct hf_err *err)
{
    hf_fail(err, HF_E_CONFIG, "%s:%u: [%s %s] has no key '%s'", head->file, head->line,
            head->section_name, head->label ? head->label : "", o->key);
    return hf_hint(err, "Add it below the heading, for example: %s = %s", o->key, o->example);
}

static int fill_section(const struct hf_section *s, void *item, struct hf_err *err)
{
    for (size_t i = 0; i < s->n_options; i++) {
        const struct hf_option *o = &s->options[i];
        if (*hf_option_line(item, o) != 0)
            continue;
        if (o->is_required)
            return missing(hf_section_head(item), o, err);
        if (hf_option_default_is_text(o) &&
            o->type->parse(o->fallback, hf_option_field(item, o), err) != 0)
            return hf_wrap(err, "default of %s", o->key);
    }
    return 0;
}

/* For tests that run with what lies in the build directory. */
static int override_dir(const char *variable, char **field, struct hf_err *err)
{
    const char *dir = secure_getenv(variable);
    if (!dir || !*dir)
        return 0;
    char *copy = strdup(dir);
    if (!copy)
        return hf_fail_nomem(err);
    free(*field);
    *field = copy;
    return 0;
}

/* ---- [vm NAME] -------------------------------------------------------------------------- */

static int fill_vm(struct hf_config_vm *vm, struct hf_err *err)
{
    if (!vm->name && !(vm->name = strdup(vm->label)))
        return hf_fail_nomem(err);
    if (vm->quiesce_line == 0)
        vm->quiesce = vm->db.kind == HF_DB_NONE ? HF_QUIESCE_NONE : HF_QUIESCE_LOCK;
    if (vm->require_line == 0)
        vm->require = hf_quiesce_grade(vm->quiesce, vm->freeze);
    return 0;
}

static int check_hypervisor(const struct hf_config *c, const struct hf_config_vm *vm,
                            const char *key, unsigned line, const char *label, struct hf_err *err)
{
    struct hf_err none = HF_ERR_INIT;
    if (hf_config_find_hypervisor(c, label, &none))
        return 0;
    hf_fail(err, HF_E_CONFIG, "%s:%u: %s: there is no section [hypervisor %s]", vm->file, line, key,
            label);
    return hf_hint(err, "%s", none.hint);
}

static int check_vm_hypervisor(const struct hf_config *c, const struct hf_config_vm *vm,
                               struct hf_err *err)
{
    if (vm->drill_hypervisor &&
        check_hypervisor(c, vm, "drill-hypervisor", vm->drill_hypervisor_line, vm->drill_hypervisor,
                         err) != 0)
        return -1;
    return check_hypervisor(c, vm, "hypervisor", vm->hypervisor_line, vm->hypervisor, err);
}

/* A key that needs another one, or contradicts it: what is wrong, and what to do. */
static int contradiction(const struct hf_config_vm *vm, unsigned line, const char *what,
                         const char *hint, struct hf_err *err)
{
    hf_fail(err, HF_E_CONFIG, "%s:%u: [vm %s]: %s", vm->file, line ? line : vm->line, vm->label,
            what);
    return hf_hint(err, "%s", hint);
}

/* These contradictions would quietly give snapshots without a database at rest. */
static int check_vm_db(const struct hf_config_vm *vm, struct hf_err *err)
{
    bool has_lock = vm->quiesce == HF_QUIESCE_LOCK || vm->quiesce == HF_QUIESCE_LIGHT;
    if (has_lock && vm->db.kind == HF_DB_NONE) {
        hf_fail(err, HF_E_CONFIG, "%s:%u: quiesce = %s, but [vm %s] has no database to lock",
                vm->file, vm->quiesce_line, hf_quiesce_name(vm->quiesce), vm->label);
        return hf_hint(err, "Add 'db = tcp://HOST:PORT', or set 'quiesce = none'.");
    }
    if (vm->db_defaults_file && vm->db_line == 0) {
        hf_fail(err, HF_E_CONFIG, "%s:%u: db-defaults-file is set, but [vm %s] has no key 'db'",
                vm->file, vm->db_defaults_file_line, vm->label);
        return hf_hint(err, "Add 'db = tcp://HOST:PORT', or say 'db = none'.");
    }
    return 0;
}

static int check_vm_dump(const struct hf_config_vm *vm, struct hf_err *err)
{
    if (vm->db.kind != HF_DB_NONE || vm->dump_line == 0 || vm->dump.kind == HF_DUMPED_NONE)
        return 0;
    return contradiction(vm, vm->dump_line, "there are schemas to dump, and there is no 'db'",
                         "Add 'db = tcp://HOST:PORT', or set 'dump = none'.", err);
}

static int check_vm_guest(const struct hf_config_vm *vm, struct hf_err *err)
{
    if (vm->guest == HF_GUEST_NONE && vm->quiesce == HF_QUIESCE_STOP)
        return contradiction(vm, vm->quiesce_line,
                             "quiesce = stop needs a way into the guest, and guest = none",
                             "Set 'guest = agent' or 'guest = ssh'.", err);
    if (vm->guest == HF_GUEST_NONE && vm->services.n)
        return contradiction(vm, vm->services_line,
                             "services need a way into the guest, and guest = none",
                             "Set 'guest = agent' or 'guest = ssh'.", err);
    if (vm->guest == HF_GUEST_NONE && vm->freeze == HF_FREEZE_YES)
        return contradiction(vm, vm->freeze_line,
                             "freeze = yes needs a way into the guest, and guest = none",
                             "Set 'guest = agent' or 'guest = ssh'.", err);
    if (!vm->ssh.host && (vm->guest == HF_GUEST_SSH || vm->db.kind == HF_DB_SSH))
        return contradiction(vm, vm->guest == HF_GUEST_SSH ? vm->guest_line : vm->db_line,
                             "ssh is used, but there is no key 'ssh'", "Add 'ssh = root@HOST'.",
                             err);
    for (size_t i = 0; i < vm->services.n; i++)
        if (hf_strv_has(&vm->db_service, vm->services.items[i]))
            return contradiction(
                vm, vm->services_line, "a unit of db-service stands in services as well",
                "The database rests last and is started first: leave it to db-service.", err);
    return 0;
}

/* Each needs the way that leads to what it looks at. */
static int check_vm_probes(const struct hf_config_vm *vm, struct hf_err *err)
{
    for (size_t i = 0; i < vm->probe.n; i++) {
        enum hf_probe_kind kind = vm->probe.items[i].kind;
        if (kind == HF_PROBE_SQL && vm->db.kind == HF_DB_NONE)
            return contradiction(vm, vm->probe_line,
                                 "a probe asks the database, and there is no 'db'",
                                 "Add 'db = tcp://HOST:PORT', or another kind of probe.", err);
        if ((kind == HF_PROBE_UNIT || kind == HF_PROBE_GUEST) && vm->guest == HF_GUEST_NONE)
            return contradiction(vm, vm->probe_line,
                                 "a probe looks into the guest, and guest = none",
                                 "Set 'guest = agent' or 'guest = ssh'.", err);
    }
    return 0;
}

static int check_vm_times(const struct hf_config_vm *vm, struct hf_err *err)
{
    char budget[HF_UNITS_MAX];
    char timeout[HF_UNITS_MAX];
    if (vm->quiesce_timeout >= vm->stall_budget)
        return 0;
    unsigned line = vm->quiesce_timeout_line ? vm->quiesce_timeout_line : vm->stall_budget_line;
    hf_format_duration(vm->stall_budget, budget);
    hf_format_duration(vm->quiesce_timeout, timeout);
    hf_fail(err, HF_E_CONFIG, "%s:%u: quiesce-timeout (%s) is shorter than stall-budget (%s)",
            vm->file, line, timeout, budget);
    return hf_hint(err, "All attempts together need at least the time of one.");
}

/* ---- [policy NAME] ---------------------------------------------------------------------- */

static bool is_name(const char *pattern)
{
    return !strpbrk(pattern, "*?") && strncmp(pattern, HF_SELECT_TAG, strlen(HF_SELECT_TAG)) != 0 &&
           strncmp(pattern, HF_SELECT_HYPERVISOR, strlen(HF_SELECT_HYPERVISOR)) != 0;
}

/* A pattern may match nothing today; a name that is misspelt would never be backed up. */
static int check_policy_names(const struct hf_config *c, const struct hf_config_policy *p,
                              const struct hf_strv *names, struct hf_err *err)
{
    for (size_t i = 0; i < names->n; i++) {
        struct hf_err none = HF_ERR_INIT;
        if (!is_name(names->items[i]) || hf_config_find_vm(c, names->items[i], &none))
            continue;
        hf_fail(err, HF_E_CONFIG, "%s:%u: vms: there is no section [vm %s]", p->file, p->vms_line,
                names->items[i]);
        return hf_hint(err, "%s", none.hint);
    }
    return 0;
}

/* A snapshot is no recovery point: it lies on no store, is kept by its age, and is not drilled. */
static int check_policy_kind(const struct hf_config_policy *p, struct hf_err *err)
{
    const struct {
        const char *key;
        unsigned line;
    } keys[] = {{"stores", p->stores_line}, {"keep", p->keep_line}, {"drill", p->drill_line}};
    for (size_t i = 0; i < HF_ARRAY_SIZE(keys); i++) {
        if (!keys[i].line || p->produce != HF_PRODUCE_SNAPSHOT)
            continue;
        hf_fail(err, HF_E_CONFIG, "%s:%u: %s has no meaning for produce = snapshot", p->file,
                keys[i].line, keys[i].key);
        return hf_hint(err, "Snapshots are kept as long as snapshot-keep says.");
    }
    return 0;
}

static int check_policy(const struct hf_config *c, const struct hf_config_policy *p,
                        struct hf_err *err)
{
    if (check_policy_names(c, p, &p->vms.include, err) < 0 ||
        check_policy_names(c, p, &p->vms.exclude, err) < 0 || check_policy_kind(p, err) < 0)
        return -1;
    return hf_config_check_store_names(c, &p->stores, p->file, p->stores_line, err);
}

/* ---- all -------------------------------------------------------------------------------- */

static int fill_defaults(struct hf_config *c, struct hf_err *err)
{
    struct hf_section_list *list = &c->sections[HF_SECTION_ID_defaults];
    if (list->n == 0 && !hf_config_add_section(c, HF_SECTION_ID_defaults, NULL, 0))
        return hf_fail_nomem(err);
    struct hf_config_defaults *d = list->items[0];
    if (fill_section(&hf_sections[HF_SECTION_ID_defaults], d, err) != 0 ||
        override_dir("HOLDFAST_PLUGIN_DIR", &d->plugin_dir, err) != 0)
        return -1;
    return override_dir("HOLDFAST_APP_DIR", &d->app_dir, err);
}

/* Where apps are looked for is said by [defaults], and their sections are filled in like all others. */
static int fill_all(struct hf_config *c, struct hf_err *err)
{
    if (fill_defaults(c, err) != 0 || hf_config_load_apps(c, err) != 0)
        return -1;
    for (size_t id = 0; id < HF_SECTION_COUNT; id++)
        for (size_t i = 0; i < c->sections[id].n && id != HF_SECTION_ID_defaults; i++)
            if (fill_section(&hf_sections[id], c->sections[id].items[i], err) != 0)
                return -1;
    return 0;
}

int hf_config_check(struct hf_config *c, struct hf_err *err)
{
    if (fill_all(c, err) != 0)
        return -1;
    const struct hf_section_list *vms = &c->sections[HF_SECTION_ID_vm];
    for (size_t i = 0; i < vms->n; i++) {
        struct hf_config_vm *vm = vms->items[i];
        if (hf_config_merge_apps(c, vm, err) != 0 || fill_vm(vm, err) != 0 ||
            check_vm_hypervisor(c, vm, err) != 0 || check_vm_db(vm, err) != 0 ||
            check_vm_dump(vm, err) != 0 || check_vm_guest(vm, err) != 0 ||
            check_vm_probes(vm, err) != 0 || check_vm_times(vm, err) != 0)
            return -1;
    }
    const struct hf_section_list *policies = &c->sections[HF_SECTION_ID_policy];
    for (size_t i = 0; i < policies->n; i++)
        if (check_policy(c, policies->items[i], err) != 0)
            return -1;
    return hf_config_check_stores(c, err) != 0 ? -1 : hf_config_check_notify(c, err);
}
