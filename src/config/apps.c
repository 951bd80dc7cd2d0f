/* SPDX-License-Identifier: Apache-2.0 */
#include "config/apps.h"

#include "base/buf.h"
#include "base/path.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PROFILE_SUFFIX ".conf"
#define PROFILES_MAX 1000

/* ---- what there is ----------------------------------------------------------------------- */

static const struct hf_config_app *find_app(const struct hf_config *c, const char *name)
{
    const struct hf_section_list *apps = &c->sections[HF_SECTION_ID_app];
    for (size_t i = 0; i < apps->n; i++)
        if (strcmp(hf_section_head(apps->items[i])->label, name) == 0)
            return apps->items[i];
    return NULL;
}

/* "cmdb.conf" to "cmdb"; what could not be named is no profile. */
static int add_profile(const char *entry, struct hf_strv *out, struct hf_err *err)
{
    size_t len = strlen(entry), tail = strlen(PROFILE_SUFFIX);
    if (len <= tail || strcmp(entry + len - tail, PROFILE_SUFFIX) != 0)
        return 0;
    char *name = strndup(entry, len - tail);
    if (name && !hf_app_name_is_valid(name)) {
        free(name);
        return 0;
    }
    return hf_strv_take(out, name) < 0 ? hf_fail_nomem(err) : 0;
}

/* No such directory is as good as an empty one. */
static int list_profiles(const char *dir, struct hf_strv *out, struct hf_err *err)
{
    DIR *d = opendir(dir);
    int rc = 0;
    if (!d)
        return errno == ENOENT
                   ? 0
                   : hf_fail(err, HF_E_CONFIG, "app-dir '%s': %s", dir, strerrordesc_np(errno));
    for (const struct dirent *e; rc == 0 && out->n < PROFILES_MAX && (e = readdir(d));)
        rc = add_profile(e->d_name, out, err);
    closedir(d);
    return rc;
}

static int unknown_app(const struct hf_config *c, const struct hf_config_vm *vm, const char *name,
                       struct hf_strv *known, struct hf_err *err)
{
    const struct hf_section_list *apps = &c->sections[HF_SECTION_ID_app];
    HF_AUTO(hf_buf) struct hf_buf all = HF_BUF_INIT;
    for (size_t i = 0; i < apps->n; i++)
        if (hf_strv_add(known, hf_section_head(apps->items[i])->label) < 0)
            return hf_fail_nomem(err);
    for (size_t i = 0; i < known->n; i++)
        hf_buf_printf(&all, "%s%s", i ? ", " : "", known->items[i]);
    hf_fail(err, HF_E_CONFIG,
            "%s:%u: apps: there is no section [app %s], and no such profile in %s", vm->file,
            vm->apps_line, name, hf_config_get_defaults(c)->app_dir);
    const char *near = hf_nearest(name, (const char *const *)known->items, known->n);
    if (near)
        return hf_hint(err, "Did you mean '%s'?", near);
    return known->n ? hf_hint(err, "There are: %s.", hf_buf_str(&all))
                    : hf_hint(err, "Add a section [app %s], see holdfast.conf(5).", name);
}

/* ---- profiles ---------------------------------------------------------------------------- */

/* Nothing but [app NAME]: a profile says nothing of VMs or hypervisors. */
static int check_profile(const struct hf_config *profile, const char *name, struct hf_err *err)
{
    const struct hf_section_list *apps = &profile->sections[HF_SECTION_ID_app];
    size_t n = 0;
    for (size_t id = 0; id < HF_SECTION_COUNT; id++)
        n += profile->sections[id].n;
    if (n == 1 && apps->n == 1 && find_app(profile, name))
        return 0;
    hf_fail(err, HF_E_CONFIG, "%s: not a profile: it must have one section, [app %s]",
            profile->file, name);
    return hf_hint(err, "Other sections belong into the configuration file.");
}

/* The section becomes one of c, and the name of its file stays where the section points to. */
static int adopt(struct hf_config *c, struct hf_config *profile, struct hf_err *err)
{
    struct hf_section_list *to = &c->sections[HF_SECTION_ID_app];
    void **items = reallocarray(to->items, to->n + 1, sizeof *items);
    if (!items)
        return hf_fail_nomem(err);
    to->items = items;
    if (hf_strv_take(&c->app_files, HF_STEAL(profile->file)) < 0)
        return hf_fail_nomem(err);
    to->items[to->n++] = profile->sections[HF_SECTION_ID_app].items[0];
    profile->sections[HF_SECTION_ID_app].n = 0;
    return 0;
}

static int load_profile(struct hf_config *c, const char *dir, const char *name, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    HF_AUTO(hf_config) struct hf_config *profile = calloc(1, sizeof *profile);
    HF_AUTOFREE char *file = hf_asprintf("%s" PROFILE_SUFFIX, name);
    if (!profile || !file || !(profile->file = hf_path_join(dir, file)))
        return hf_fail_nomem(err);
    if (hf_config_read_file(profile->file, &text, err) != 0 ||
        hf_config_parse_text(profile, hf_buf_str(&text), text.len, err) != 0 ||
        check_profile(profile, name, err) != 0)
        return -1;
    return adopt(c, profile, err);
}

static int load_app(struct hf_config *c, const struct hf_config_vm *vm, const char *name,
                    struct hf_err *err)
{
    const char *dir = hf_config_get_defaults(c)->app_dir;
    HF_AUTO(hf_strv) struct hf_strv profiles = HF_STRV_INIT;
    if (list_profiles(dir, &profiles, err) != 0)
        return -1;
    return hf_strv_has(&profiles, name) ? load_profile(c, dir, name, err)
                                        : unknown_app(c, vm, name, &profiles, err);
}

static int check_names(const struct hf_config *c, struct hf_err *err)
{
    const struct hf_section_list *apps = &c->sections[HF_SECTION_ID_app];
    for (size_t i = 0; i < apps->n; i++) {
        const struct hf_config_head *h = hf_section_head(apps->items[i]);
        if (hf_app_name_is_valid(h->label))
            continue;
        hf_fail(err, HF_E_CONFIG, "%s:%u: '%s' cannot be the name of an app", h->file, h->line,
                h->label);
        return hf_hint(err, "Expected: %s.", hf_type_APPS.expects);
    }
    return 0;
}

int hf_config_load_apps(struct hf_config *c, struct hf_err *err)
{
    const struct hf_section_list *vms = &c->sections[HF_SECTION_ID_vm];
    if (check_names(c, err) != 0)
        return -1;
    for (size_t i = 0; i < vms->n; i++) {
        const struct hf_config_vm *vm = vms->items[i];
        for (size_t k = 0; k < vm->apps.n; k++)
            if (!find_app(c, vm->apps.items[k]) && load_app(c, vm, vm->apps.items[k], err) != 0)
                return -1;
    }
    return 0;
}

/* ---- merging ----------------------------------------------------------------------------- */

static int too_many(const struct hf_config_vm *vm, const char *key, struct hf_err *err)
{
    hf_fail(err, HF_E_CONFIG, "%s:%u: [vm %s]: more than %d values of %s, with those of its apps",
            vm->file, vm->apps_line, vm->label, HF_CONFIG_LIST_MAX, key);
    return hf_hint(err, "Name fewer apps, or a folder instead of what is in it.");
}

static int add_each(const struct hf_config_vm *vm, const char *key, const struct hf_strv *from,
                    struct hf_strv *to, unsigned *line, struct hf_err *err)
{
    for (size_t i = 0; i < from->n; i++) {
        if (hf_strv_has(to, from->items[i]))
            continue;
        if (to->n == HF_CONFIG_LIST_MAX)
            return too_many(vm, key, err);
        if (hf_strv_add(to, from->items[i]) < 0)
            return hf_fail_nomem(err);
        if (*line == 0)
            *line = vm->apps_line;
    }
    return 0;
}

static bool has_probe(const struct hf_vm_probes *all, const char *text)
{
    for (size_t i = 0; i < all->n; i++)
        if (strcmp(all->items[i].text, text) == 0)
            return true;
    return false;
}

static int add_probes(struct hf_config_vm *vm, const struct hf_config_app *app, struct hf_err *err)
{
    for (size_t i = 0; i < app->probe.n; i++) {
        const char *text = app->probe.items[i].text;
        if (has_probe(&vm->probe, text))
            continue;
        if (hf_type_PROBES.parse(text, &vm->probe, err) != 0)
            return hf_wrap(err, "%s:%u: probes of app %s", vm->file, vm->apps_line, app->label);
        if (vm->probe_line == 0)
            vm->probe_line = vm->apps_line;
    }
    return 0;
}

/* Everything but what rests and what is dumped, whose order and default are a matter of all apps. */
static int merge_one(struct hf_config_vm *vm, const struct hf_config_app *app, struct hf_err *err)
{
    if (add_each(vm, "files", &app->files, &vm->files, &vm->files_line, err) != 0 ||
        add_each(vm, "files", &app->config, &vm->files, &vm->files_line, err) != 0 ||
        add_each(vm, "exclude", &app->exclude, &vm->exclude, &vm->exclude_line, err) != 0)
        return -1;
    return add_probes(vm, app, err);
}

static int merge_schemas(struct hf_config_vm *vm, const struct hf_config_app *app,
                         struct hf_err *err)
{
    if (app->schemas.n)
        vm->dump.kind = HF_DUMPED_SCHEMAS;
    return add_each(vm, "dump", &app->schemas, &vm->dump.schemas, &vm->dump_line, err);
}

int hf_config_merge_apps(const struct hf_config *c, struct hf_config_vm *vm, struct hf_err *err)
{
    const bool has_dump = vm->dump_line != 0;
    const struct hf_config_app *app = NULL;
    for (size_t i = 0; i < vm->apps.n; i++) {
        app = find_app(c, vm->apps.items[i]);
        if (add_each(vm, "services", &app->cron, &vm->services, &vm->services_line, err) != 0)
            return -1;
    }
    for (size_t i = 0; i < vm->apps.n; i++) {
        app = find_app(c, vm->apps.items[i]);
        if (add_each(vm, "services", &app->services, &vm->services, &vm->services_line, err) != 0 ||
            merge_one(vm, app, err) != 0 || (!has_dump && merge_schemas(vm, app, err) != 0))
            return -1;
    }
    return 0;
}
