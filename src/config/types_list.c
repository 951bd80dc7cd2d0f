/* SPDX-License-Identifier: Apache-2.0
 *
 * Types of options.def that hold several values, separated by commas.
 */
#include "base/buf.h"
#include "base/unit_name.h"
#include "config/schema.h"

#include <stdlib.h>
#include <string.h>

#define LIST_MAX 64

static void list_clear(void *field)
{
    hf_strv_free(field);
}

static int list_parse(const char *text, struct hf_strv *parts, struct hf_err *err)
{
    if (hf_strv_split(parts, text, ',') < 0)
        return hf_fail_nomem(err);
    if (parts->n > LIST_MAX)
        return hf_fail(err, HF_E_CONFIG, "%zu values, more than %d", parts->n, LIST_MAX);
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
    .clear = list_clear};
const struct hf_type hf_type_PATHS = {.name = "paths",
                                      .expects = "paths that begin with '/', separated by commas",
                                      .parse = paths_parse,
                                      .clear = list_clear};
const struct hf_type hf_type_PATTERNS = {
    .name = "patterns",
    .expects = "names and paths with * and ?, separated by commas, such as *.log, cache/",
    .parse = patterns_parse,
    .clear = list_clear};
