/* SPDX-License-Identifier: Apache-2.0
 *
 * Asking systemd in the guest, and finding the database's units.
 */
#include "guest/units.h"

#include "base/unit_name.h"
#include "guest/services.h"

#include <stdlib.h>
#include <string.h>

#define PROPERTIES                                                                                 \
    "Id,Names,LoadState,ActiveState,SubState,Type,Result,UnitFileState,InvocationID,MainPID,"      \
    "ExecMainStatus,TasksCurrent,ControlGroup,Transient,CanStart,CanStop,TriggeredBy,RequiredBy,"  \
    "BoundBy,ConsistsOf,PropagatesStopTo"

/* No systemctl, or one that finds another init system: the channels and shells say so in these words only. */
static bool lacks_systemd(const struct hf_err *err)
{
    return strstr(err->message, "No such file or directory") ||
           strstr(err->message, "status 127") ||
           strstr(err->message, "not been booted with systemd");
}

static int ask(struct hf_guest *g, const char *const *argv, int64_t deadline_ms,
               struct hf_unit_list *out, struct hf_err *err)
{
    HF_AUTO(hf_hv_exec_result) struct hf_hv_exec_result r = {0};
    struct hf_guest_cmd cmd = {.argv = argv, .deadline_ms = deadline_ms};
    if (hf_guest_run(g, &cmd, &r, err) < 0)
        return -1;
    if (r.truncated)
        return hf_fail(err, HF_E_CORRUPT, "systemctl in the guest said more than %zu bytes",
                       HF_GUEST_OUTPUT_MAX);
    return hf_units_parse(hf_buf_str(&r.out), r.out.len, out, err);
}

static int check_name(const char *name, struct hf_err *err)
{
    if (!hf_unit_name_is_valid(name) || hf_unit_name_is_template(name))
        return hf_fail(err, HF_E_CONFIG, "'%s' is not the name of a systemd unit", name);
    return 0;
}

/* systemctl answers in the order of the question; what is not asked for by name does not belong here. */
static int check_answer(const struct hf_unit_list *l, const struct hf_strv *names,
                        struct hf_err *err)
{
    for (size_t i = 0; i < names->n; i++)
        if (i >= l->n || !hf_strv_has(&l->items[i].names, names->items[i]))
            return hf_fail(err, HF_E_CORRUPT,
                           "systemctl in the guest was asked for '%s' and told something else",
                           names->items[i]);
    if (l->n > names->n)
        return hf_fail(err, HF_E_CORRUPT, "systemctl in the guest told of units nobody asked for");
    return 0;
}

int hf_units_show(struct hf_guest *g, const struct hf_strv *names, int64_t deadline_ms,
                  struct hf_unit_list *out, struct hf_err *err)
{
    const char *argv[HF_UNITS_MAX + 6] = {"systemctl", "show", "-p", PROPERTIES, "--"};
    if (!names->n) /* systemctl would show itself */
        return 0;
    if (names->n > HF_UNITS_MAX)
        return hf_fail(err, HF_E_UNSUPPORTED, "more than %d units", HF_UNITS_MAX);
    for (size_t i = 0; i < names->n; i++) {
        if (check_name(names->items[i], err) < 0)
            return -1;
        argv[5 + i] = names->items[i];
    }
    if (ask(g, argv, deadline_ms, out, err) < 0)
        return lacks_systemd(err) ? hf_fail(err, HF_E_UNSUPPORTED, "the guest has no systemd") : -1;
    if (check_answer(out, names, err) == 0)
        return 0;
    hf_unit_list_free(out);
    return -1;
}

int hf_units_stop_one(struct hf_guest *g, const char *name, int64_t deadline_ms,
                      struct hf_unit_list *out, struct hf_err *err)
{
    static const char script[] =
        "systemctl stop -- \"$1\" || exit; exec systemctl show -p \"$2\" -- \"$1\"";
    const char *argv[] = {"/bin/sh", "-c", script, "sh", name, PROPERTIES, NULL};
    char *item[] = {(char *)name, NULL};
    struct hf_strv names = {.items = item, .n = 1};
    if (check_name(name, err) < 0 || ask(g, argv, deadline_ms, out, err) < 0)
        return -1;
    if (check_answer(out, &names, err) == 0)
        return 0;
    hf_unit_list_free(out);
    return -1;
}

/* ---- the database ------------------------------------------------------------------------ */

static bool is_wanted(const struct hf_unit *u)
{
    return u->load == HF_UNIT_LOADED && hf_unit_has_type(u, ".service") &&
           (hf_unit_runs(u) || strncmp(u->enabled, "enabled", 7) == 0);
}

static int add_wanted(const struct hf_unit_list *l, bool runs, struct hf_strv *out,
                      struct hf_err *err)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct hf_unit *u = &l->items[i];
        if (is_wanted(u) && hf_unit_runs(u) == runs && !hf_strv_has(out, u->id) &&
            hf_strv_add(out, u->id) < 0)
            return hf_fail_nomem(err);
    }
    return 0;
}

int hf_units_find_db(struct hf_guest *g, struct hf_strv *out, int64_t deadline_ms,
                     struct hf_err *err)
{
    /* Patterns match loaded units only: what runs, and what is enabled. Oracle calls its instances mysqld@ in RPM and
     * mysql@ in Debian packages. */
    static const char *const argv[] = {"systemctl",
                                       "show",
                                       "-p",
                                       PROPERTIES,
                                       "--",
                                       "mariadb.service",
                                       "mysql.service",
                                       "mysqld.service",
                                       "mariadb@*.service",
                                       "mysqld@*.service",
                                       "mysql@*.service",
                                       NULL};
    HF_AUTO(hf_unit_list) struct hf_unit_list found = HF_UNIT_LIST_INIT;
    size_t before = out->n;
    if (ask(g, argv, deadline_ms, &found, err) < 0 || add_wanted(&found, true, out, err) < 0 ||
        add_wanted(&found, false, out, err) < 0)
        return -1;
    if (out->n > before)
        return 0;
    hf_fail(err, HF_E_NOT_FOUND, "no unit of a MySQL or MariaDB server runs or is enabled");
    return hf_hint(err, "Name it with db-service.");
}
