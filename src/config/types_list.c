/* SPDX-License-Identifier: Apache-2.0
 *
 * Types of options.def that hold several values, separated by commas.
 */
#include "base/buf.h"
#include "base/unit_name.h"
#include "config/schema.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define APP_NAME_MAX 64
#define APPS_MAX 16
#define SCHEMA_MAX 192 /* 64 characters of up to three bytes */

void hf_config_list_clear(void *field)
{
    hf_strv_free(field);
}

static int list_parse(const char *text, struct hf_strv *parts, struct hf_err *err)
{
    if (hf_strv_split(parts, text, ',') < 0)
        return hf_fail_nomem(err);
    if (parts->n > HF_CONFIG_LIST_MAX)
        return hf_fail(err, HF_E_CONFIG, "%zu values, more than %d", parts->n, HF_CONFIG_LIST_MAX);
    return parts->n ? 0 : hf_fail(err, HF_E_CONFIG, "no value");
}

/* As systemctl does: a name without a type means a service. */
char *hf_config_unit_in_full(const char *s)
{
    static const char *const types[] = {".service", ".socket", ".timer", ".target", ".path"};
    const char *dot = strrchr(s, '.');
    for (size_t i = 0; dot && i < HF_ARRAY_SIZE(types); i++)
        if (strcmp(dot, types[i]) == 0)
            return strdup(s);
    return hf_asprintf("%s.service", s);
}

static int units_parse(const char *text, void *field, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv parts = HF_STRV_INIT;
    struct hf_strv *out = field;
    if (list_parse(text, &parts, err) < 0)
        return -1;
    for (size_t i = 0; i < parts.n; i++) {
        if (!hf_unit_name_is_valid(parts.items[i]))
            return hf_fail(err, HF_E_CONFIG, "'%s' is not the name of a systemd unit",
                           parts.items[i]);
        HF_AUTOFREE char *full = hf_config_unit_in_full(parts.items[i]);
        if (!full)
            return hf_fail_nomem(err);
        if (hf_strv_has(out, full))
            return hf_fail(err, HF_E_CONFIG, "'%s' stands there twice", parts.items[i]);
        if (hf_strv_add(out, full) < 0)
            return hf_fail_nomem(err);
    }
    return 0;
}

static int paths_parse(const char *text, void *field, struct hf_err *err)
{
    struct hf_strv *out = field;
    if (list_parse(text, out, err) < 0)
        return -1;
    for (size_t i = 0; i < out->n; i++)
        if (out->items[i][0] != '/')
            return hf_fail(err, HF_E_CONFIG, "'%s' is not an absolute path", out->items[i]);
    return 0;
}

/* Nothing else: what is in it is for the guest's tar to read. */
static int patterns_parse(const char *text, void *field, struct hf_err *err)
{
    return list_parse(text, field, err);
}

const struct hf_type hf_type_UNITS = {
    .name = "units",
    .expects = "names of systemd units, separated by commas, such as apache2, cron",
    .parse = units_parse,
    .clear = hf_config_list_clear};
const struct hf_type hf_type_PATHS = {.name = "paths",
                                      .expects = "paths that begin with '/', separated by commas",
                                      .parse = paths_parse,
                                      .clear = hf_config_list_clear};
const struct hf_type hf_type_PATTERNS = {
    .name = "patterns",
    .expects = "names and paths with * and ?, separated by commas, such as *.log, cache/",
    .parse = patterns_parse,
    .clear = hf_config_list_clear};

/* ---- names ------------------------------------------------------------------------------- */

bool hf_app_name_is_valid(const char *name)
{
    static const char *const allowed = "abcdefghijklmnopqrstuvwxyz0123456789_-";
    size_t len = strlen(name);
    return len > 0 && len <= APP_NAME_MAX && name[0] != '-' && name[0] != '_' &&
           strspn(name, allowed) == len;
}

/* What MySQL allows without quotes, '-', and whatever is not ASCII. No '.', which separates a table. */
static bool schema_is_valid(const char *name)
{
    if (strlen(name) > SCHEMA_MAX)
        return false;
    for (const unsigned char *s = (const unsigned char *)name; *s; s++)
        if (*s < 0x80 && !isalnum(*s) && !strchr("$_-", *s))
            return false;
    return true;
}

int hf_config_names_parse(const char *text, bool (*is_valid)(const char *name), const char *what,
                          struct hf_strv *out, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv parts = HF_STRV_INIT;
    if (list_parse(text, &parts, err) < 0)
        return -1;
    for (size_t i = 0; i < parts.n; i++) {
        if (is_valid && !is_valid(parts.items[i]))
            return hf_fail(err, HF_E_CONFIG, "'%s' is not %s", parts.items[i], what);
        if (hf_strv_has(out, parts.items[i]))
            return hf_fail(err, HF_E_CONFIG, "'%s' stands there twice", parts.items[i]);
        if (hf_strv_add(out, parts.items[i]) < 0)
            return hf_fail_nomem(err);
    }
    return 0;
}

static int apps_parse(const char *text, void *field, struct hf_err *err)
{
    struct hf_strv *out = field;
    if (hf_config_names_parse(text, hf_app_name_is_valid, "the name of an app", out, err) < 0)
        return -1;
    return out->n <= APPS_MAX
               ? 0
               : hf_fail(err, HF_E_CONFIG, "%zu apps, more than %d", out->n, APPS_MAX);
}

static int schemas_parse(const char *text, void *field, struct hf_err *err)
{
    return hf_config_names_parse(text, schema_is_valid, "the name of a schema", field, err);
}

/* Whether there is such a section is seen when all are read. */
static int stores_parse(const char *text, void *field, struct hf_err *err)
{
    return hf_config_names_parse(text, NULL, "the name of a store", field, err);
}

static int dump_parse(const char *text, void *field, struct hf_err *err)
{
    struct hf_dumped *out = field;
    if (strcmp(text, "all") == 0 || strcmp(text, "none") == 0) {
        out->kind = text[0] == 'a' ? HF_DUMPED_ALL : HF_DUMPED_NONE;
        return 0;
    }
    out->kind = HF_DUMPED_SCHEMAS;
    if (schemas_parse(text, &out->schemas, err) < 0)
        return -1;
    if (hf_strv_has(&out->schemas, "all") || hf_strv_has(&out->schemas, "none"))
        return hf_fail(err, HF_E_CONFIG, "'all' and 'none' stand alone");
    return 0;
}

static void dump_clear(void *field)
{
    struct hf_dumped *dump = field;
    hf_strv_free(&dump->schemas);
}

const struct hf_type hf_type_APPS = {
    .name = "names",
    .expects = "names of apps, separated by commas: a to z, 0 to 9, _ and -",
    .parse = apps_parse,
    .clear = hf_config_list_clear};
const struct hf_type hf_type_SCHEMAS = {
    .name = "schemas",
    .expects = "names of schemas, separated by commas, such as shop, crm",
    .parse = schemas_parse,
    .clear = hf_config_list_clear};
const struct hf_type hf_type_DUMP = {.name = "word or schemas",
                                     .expects = "all, none, or names of schemas such as shop, crm",
                                     .parse = dump_parse,
                                     .clear = dump_clear};
const struct hf_type hf_type_STORES = {.name = "names",
                                       .expects =
                                           "names of [store NAME] sections, separated by commas",
                                       .parse = stores_parse,
                                       .clear = hf_config_list_clear};
