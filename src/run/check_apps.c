/* SPDX-License-Identifier: Apache-2.0
 *
 * What the applications of a VM name, and whether it is there: units and paths in the guest, schemas in the database.
 *
 * Each kind is asked for all apps at once: a call of systemctl, one of stat, one query. What the guest prints is compared
 * with what was asked for, and nothing else of it is used.
 */
#include "base/buf.h"
#include "guest/units.h"
#include "run/checking.h"

#include <stdlib.h>
#include <string.h>

void check_looked_free(struct check_looked *l)
{
    hf_strv_free(&l->missing);
}

/* ---- all apps together ------------------------------------------------------------------- */

typedef const struct hf_strv *(*list_of)(const struct hf_config_app *app);

static const struct hf_strv *cron_of(const struct hf_config_app *app)
{
    return &app->cron;
}
static const struct hf_strv *services_of(const struct hf_config_app *app)
{
    return &app->services;
}
static const struct hf_strv *files_of(const struct hf_config_app *app)
{
    return &app->files;
}
static const struct hf_strv *config_of(const struct hf_config_app *app)
{
    return &app->config;
}
static const struct hf_strv *schemas_of(const struct hf_config_app *app)
{
    return &app->schemas;
}

static int gather(const struct checking *c, list_of list, struct hf_strv *out, struct hf_err *err)
{
    for (size_t i = 0; i < c->vm->apps.n; i++) {
        const struct hf_config_app *app =
            hf_config_find_app(c->env->config, c->vm->apps.items[i], err);
        if (!app)
            return -1;
        const struct hf_strv *from = list(app);
        for (size_t k = 0; k < from->n; k++)
            if (!hf_strv_has(out, from->items[k]) && hf_strv_add(out, from->items[k]) < 0)
                return hf_fail_nomem(err);
    }
    return 0;
}

/* ---- looking ----------------------------------------------------------------------------- */

/* Those that exist and cannot be used (masked, broken) are told with the services. */
static int look_for_units(struct checking *c, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv names = HF_STRV_INIT;
    HF_AUTO(hf_unit_list) struct hf_unit_list units = HF_UNIT_LIST_INIT;
    if (gather(c, cron_of, &names, err) < 0 || gather(c, services_of, &names, err) < 0 ||
        hf_units_show(c->way.guest, &names, check_deadline_ms(c), &units, err) < 0)
        return -1;
    for (size_t i = 0; i < units.n; i++)
        if (units.items[i].load == HF_UNIT_NOT_FOUND &&
            hf_strv_add(&c->units.missing, names.items[i]) < 0)
            return hf_fail_nomem(err);
    c->units.done = true;
    return 0;
}

/* A line for each that is there, and status 1 when that is not all of them. LC_ALL: what it says is read. */
static int stat_paths(struct checking *c, const struct hf_strv *paths, struct hf_strv *out_there,
                      struct hf_err *err)
{
    static const char *const head[] = {"env", "LC_ALL=C", "stat", "-c", "%n", "--"};
    HF_AUTO(hf_hv_exec_result) struct hf_hv_exec_result r = {0};
    size_t n = HF_ARRAY_SIZE(head);
    HF_AUTOFREE const char **argv = calloc(n + paths->n + 1, sizeof *argv);
    if (!argv)
        return hf_fail_nomem(err);
    memcpy(argv, head, sizeof head);
    for (size_t i = 0; i < paths->n; i++)
        argv[n + i] = paths->items[i];
    struct hf_guest_cmd cmd = {.argv = argv, .deadline_ms = check_deadline_ms(c)};
    if (hf_guest_exec(c->way.guest, &cmd, &r, err) < 0)
        return -1;
    if (r.truncated)
        return hf_fail(err, HF_E_CORRUPT, "'stat' in the guest: more than %zu bytes",
                       HF_GUEST_OUTPUT_MAX);
    if (r.exit_code > 1 || strstr(hf_buf_str(&r.err), "Permission denied"))
        return hf_fail(err, HF_E_PLUGIN, "'stat' in the guest cannot look at all paths: status %d",
                       r.exit_code);
    return hf_strv_split(out_there, hf_buf_str(&r.out), '\n') < 0 ? hf_fail_nomem(err) : 0;
}

/* Those of wanted that are not there. */
static int note_missing(const struct hf_strv *wanted, const struct hf_strv *there,
                        struct check_looked *out, struct hf_err *err)
{
    for (size_t i = 0; i < wanted->n; i++)
        if (!hf_strv_has(there, wanted->items[i]) &&
            hf_strv_add(&out->missing, wanted->items[i]) < 0)
            return hf_fail_nomem(err);
    out->done = true;
    return 0;
}

static int look_for_paths(struct checking *c, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv paths = HF_STRV_INIT;
    HF_AUTO(hf_strv) struct hf_strv there = HF_STRV_INIT;
    if (gather(c, files_of, &paths, err) < 0 || gather(c, config_of, &paths, err) < 0 ||
        (paths.n && stat_paths(c, &paths, &there, err) < 0))
        return -1;
    return note_missing(&paths, &there, &c->paths, err);
}

int check_apps_guest(struct checking *c, struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    /* The services are asked for in the same way next, and tell why it failed. */
    if (look_for_units(c, &what) < 0 && what.cls != HF_E_UNSUPPORTED)
        return 0;
    what = (struct hf_err)HF_ERR_INIT;
    return look_for_paths(c, &what) < 0 ? check_tell_err(c, "apps", &what, err) : 0;
}

static int note_schema(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    if (n == 1 && values[0] && hf_strv_add(ctx, values[0]) < 0)
        return hf_fail_nomem(err);
    return 0;
}

static int ask_schemas(struct hf_db_conn *db, const struct hf_strv *wanted, struct hf_strv *there,
                       struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf sql = HF_BUF_INIT;
    hf_buf_str_add(&sql,
                   "SELECT schema_name FROM information_schema.schemata WHERE schema_name IN (");
    for (size_t i = 0; i < wanted->n; i++) {
        HF_AUTOFREE char *quoted = hf_db_quote(db, wanted->items[i]);
        if (!quoted)
            return hf_fail_nomem(err);
        hf_buf_printf(&sql, "%s%s", i ? ", " : "", quoted);
    }
    hf_buf_str_add(&sql, ")");
    if (!hf_buf_ok(&sql))
        return hf_fail_nomem(err);
    return hf_db_query(db, hf_buf_str(&sql), note_schema, there, err);
}

int check_apps_schemas(struct checking *c, struct hf_db_conn *db, struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv wanted = HF_STRV_INIT;
    HF_AUTO(hf_strv) struct hf_strv there = HF_STRV_INIT;
    if (gather(c, schemas_of, &wanted, err) < 0)
        return -1;
    if ((wanted.n && ask_schemas(db, &wanted, &there, &what) < 0) ||
        note_missing(&wanted, &there, &c->schemas, &what) < 0)
        return check_tell_err(c, "apps", &what, err);
    return 0;
}

/* ---- telling ----------------------------------------------------------------------------- */

struct tally {
    const struct hf_config_app *app;
    size_t missing;
    struct hf_buf found, unseen; /* "3 services, 5 paths"; what nobody could look for */
};

static void tally_free(struct tally *t)
{
    hf_buf_free(&t->found);
    hf_buf_free(&t->unseen);
}
HF_DEFINE_AUTO_VALUE(tally, tally_free)

static int tell_missing(struct checking *c, const struct tally *t, const char *kind,
                        const char *keys, const char *name, enum hf_finding_level level,
                        struct hf_err *err)
{
    HF_AUTOFREE char *text = hf_asprintf("app %s: no %s '%s'", t->app->label, kind, name);
    HF_AUTOFREE char *hint =
        hf_asprintf("Correct %s of [app %s] in the configuration file; a profile of app-dir is "
                    "copied there first.",
                    keys, t->app->label);
    if (!text || !hint)
        return hf_fail_nomem(err);
    return check_tell(c, "apps", level, text, hint, err);
}

/* One kind of things that an app names, by one or two keys of it. */
struct kind {
    const char *name, *keys;
    list_of lists[2];
};

static int tell_kind(struct checking *c, struct tally *t, const struct kind *k,
                     const struct check_looked *looked, enum hf_finding_level level,
                     struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv names = HF_STRV_INIT;
    for (size_t l = 0; l < HF_ARRAY_SIZE(k->lists) && k->lists[l]; l++) {
        const struct hf_strv *from = k->lists[l](t->app);
        for (size_t i = 0; i < from->n; i++)
            if (!hf_strv_has(&names, from->items[i]) && hf_strv_add(&names, from->items[i]) < 0)
                return hf_fail_nomem(err);
    }
    if (!names.n)
        return 0;
    struct hf_buf *sum = looked->done ? &t->found : &t->unseen;
    hf_buf_printf(sum, "%s%zu %s%s", sum->len ? ", " : "", names.n, k->name,
                  names.n == 1 ? "" : "s");
    for (size_t i = 0; i < names.n && looked->done; i++) {
        if (!hf_strv_has(&looked->missing, names.items[i]))
            continue;
        t->missing++;
        if (tell_missing(c, t, k->name, k->keys, names.items[i], level, err) < 0)
            return -1;
    }
    return 0;
}

static int tell_sum(struct checking *c, const struct tally *t, struct hf_err *err)
{
    if (!hf_buf_ok(&t->found) || !hf_buf_ok(&t->unseen))
        return hf_fail_nomem(err);
    if (t->unseen.len &&
        check_tellf(c, "apps", HF_FINDING_WARN, err, "app %s: nobody could look for its %s",
                    t->app->label, hf_buf_str(&t->unseen)) < 0)
        return -1;
    if (t->missing || (t->unseen.len && !t->found.len))
        return 0;
    return t->found.len ? check_tellf(c, "apps", HF_FINDING_OK, err, "app %s: %s: all found",
                                      t->app->label, hf_buf_str(&t->found))
                        : check_tellf(c, "apps", HF_FINDING_OK, err,
                                      "app %s: names nothing to look for", t->app->label);
}

static int tell_app(struct checking *c, const struct hf_config_app *app, struct hf_err *err)
{
    static const struct kind units = {"unit", "services or cron", {cron_of, services_of}},
                             schemas = {"schema", "schemas", {schemas_of, NULL}},
                             paths = {"path", "files or config", {files_of, config_of}};
    HF_AUTO(tally) struct tally t = {.app = app, .found = HF_BUF_INIT, .unseen = HF_BUF_INIT};
    /* As an archive takes it. */
    enum hf_finding_level absent =
        c->vm->unreadable == HF_UNREADABLE_WARN ? HF_FINDING_WARN : HF_FINDING_FAIL;
    if (tell_kind(c, &t, &units, &c->units, HF_FINDING_FAIL, err) < 0 ||
        tell_kind(c, &t, &schemas, &c->schemas, HF_FINDING_FAIL, err) < 0 ||
        tell_kind(c, &t, &paths, &c->paths, absent, err) < 0)
        return -1;
    return tell_sum(c, &t, err);
}

int check_apps(struct checking *c, struct hf_err *err)
{
    for (size_t i = 0; i < c->vm->apps.n; i++) {
        const struct hf_config_app *app =
            hf_config_find_app(c->env->config, c->vm->apps.items[i], err);
        if (!app || tell_app(c, app, err) < 0)
            return -1;
    }
    return 0;
}
