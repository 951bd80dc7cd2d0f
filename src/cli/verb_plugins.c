/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/verb_plugins.c - `plugins`: which hypervisors this installation can speak with, and the keys
 * each of them has.
 */
#include "base/buf.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/text.h"
#include "hypervisor/hv.h"

#include <stdlib.h>
#include <string.h>

static const struct hf_cli_opt opts[] = {
    {"describe", 0, HF_OPT_FLAG, NULL,
     "What each plugin is, what it can do, and the keys of its [hypervisor NAME] section."},
};

extern const struct hf_verb hf_verb_plugins;

static const struct capability {
    uint64_t bit;
    const char *name;
} capabilities[] = {
    {HF_CAN_SNAPSHOT, "snapshot"},
    {HF_CAN_MULTI_DISK, "multi-disk"},
    {HF_CAN_ROLLBACK, "rollback"},
    {HF_CAN_EXPORT_NBD, "export-nbd"},
    {HF_CAN_EXPORT_STREAM, "export-stream"},
    {HF_CAN_EXPORT_PUSHED, "export-pushed"},
    {HF_CAN_INCREMENTAL, "incremental"},
    {HF_CAN_QUIESCE, "quiesce"},
    {HF_CAN_GUEST_EXEC, "guest-exec"},
    {HF_CAN_GUEST_FILES, "guest-files"},
    {HF_CAN_GUEST_FREEZE, "guest-freeze"},
    {HF_CAN_GUEST_FSMAP, "guest-fsmap"},
    {HF_CAN_MACHINE, "machine"},
    {HF_CAN_MACHINE_PUSHED, "machine-pushed"},
};

static const char *type_name(enum hf_key_type type)
{
    static const char *const names[] = {[HF_KEY_STRING] = "text",
                                        [HF_KEY_PATH] = "path",
                                        [HF_KEY_SECRET_FILE] = "private file",
                                        [HF_KEY_BOOL] = "yes or no",
                                        [HF_KEY_INT] = "number"};
    return (size_t)type < HF_ARRAY_SIZE(names) ? names[type] : "text";
}

/* The config's directory when there is a config; this verb also serves whoever has none yet. */
static int plugin_dir(const struct hf_cli *cli, char **out, struct hf_err *err)
{
    bool has_config = access(cli->config_path, F_OK) == 0;
    HF_AUTO(hf_config)
    struct hf_config *config = has_config ? hf_config_load(cli->config_path, err) : NULL;
    if (has_config && !config)
        return -1;
    const char *from_env = secure_getenv("HOLDFAST_PLUGIN_DIR");
    const char *dir = config                  ? hf_config_get_defaults(config)->plugin_dir
                      : from_env && *from_env ? from_env
                                              : HF_PLUGIN_DIR;
    *out = strdup(dir);
    return *out ? 0 : hf_fail_nomem(err);
}

/* ---- as JSON: everything, whatever the options --------------------------------------------- */

static struct json_object *json_capabilities(const struct hf_plugin *p)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; list && i < HF_ARRAY_SIZE(capabilities); i++)
        if (p->capabilities & capabilities[i].bit &&
            json_object_array_add(list, json_object_new_string(capabilities[i].name)) != 0)
            return (json_object_put(list), NULL);
    return list;
}

static int json_key(struct json_object *list, const struct hf_plugin_key *k)
{
    struct json_object *o = hf_json_append_object(list);
    if (!o || hf_json_add_string(o, "name", k->name) != 0 ||
        hf_json_add_string(o, "type", type_name(k->type)) != 0 ||
        hf_json_add_bool(o, "required", k->required != 0) != 0 ||
        hf_json_add_bool(o, "secret", k->secret != 0) != 0 ||
        hf_json_add_string(o, "default", k->fallback) != 0)
        return -1;
    return hf_json_add_string(o, "help", k->help);
}

static int json_plugin(struct json_object *o, const struct hf_plugin *p)
{
    char abi[32];
    struct json_object *keys = json_object_new_array();
    snprintf(abi, sizeof abi, "%u.%u", (unsigned)p->abi_major, (unsigned)p->abi_minor);
    if (hf_json_add_string(o, "version", p->version) != 0 ||
        hf_json_add_string(o, "abi", abi) != 0 ||
        hf_json_add_string(o, "description", p->description) != 0 ||
        hf_json_add(o, "capabilities", json_capabilities(p)) != 0)
        return (json_object_put(keys), -1);
    if (hf_json_add(o, "keys", keys) != 0)
        return -1;
    for (uint32_t i = 0; i < p->n_keys; i++)
        if (json_key(keys, &p->keys[i]) != 0)
            return -1;
    return 0;
}

/* A plugin that does not load is part of the answer, not the end of it. */
static int json_entry(struct json_object *list, const char *name, const struct hf_plugin *p,
                      const struct hf_err *why)
{
    struct json_object *o = hf_json_append_object(list);
    if (!o || hf_json_add_string(o, "name", name) != 0)
        return -1;
    return p ? json_plugin(o, p) : hf_json_add_string(o, "error", why->message);
}

/* ---- as text -------------------------------------------------------------------------------- */

static void add_capabilities(struct hf_buf *b, const struct hf_plugin *p)
{
    const char *comma = "";
    for (size_t i = 0; i < HF_ARRAY_SIZE(capabilities); i++)
        if (p->capabilities & capabilities[i].bit) {
            hf_buf_printf(b, "%s%s", comma, capabilities[i].name);
            comma = ", ";
        }
}

static void describe(struct hf_buf *b, const struct hf_plugin *p)
{
    HF_AUTO(hf_buf) struct hf_buf line = HF_BUF_INIT;
    hf_buf_printf(b, "%s%s %s, ABI %u.%u\n", b->len ? "\n" : "", p->name, p->version,
                  (unsigned)p->abi_major, (unsigned)p->abi_minor);
    hf_text_wrap(b, "  ", 0, p->description);
    hf_buf_str_add(&line, "Can: ");
    add_capabilities(&line, p);
    hf_text_wrap(b, "  ", 0, hf_buf_str(&line));
    for (uint32_t i = 0; i < p->n_keys; i++) {
        const struct hf_plugin_key *k = &p->keys[i];
        hf_buf_printf(b, "  %s = (%s%s%s%s)\n", k->name, type_name(k->type),
                      k->required ? ", required" : "", k->fallback ? ", default " : "",
                      k->fallback ? k->fallback : "");
        hf_text_wrap(b, "      ", 0, k->help);
    }
}

static int add_row(struct hf_table *t, const char *name, const struct hf_plugin *p,
                   const struct hf_err *why)
{
    char abi[32];
    HF_AUTO(hf_buf) struct hf_buf can = HF_BUF_INIT;
    if (!p)
        return hf_table_row(t, name, NULL, NULL, why->message);
    snprintf(abi, sizeof abi, "%u.%u", (unsigned)p->abi_major, (unsigned)p->abi_minor);
    add_capabilities(&can, p);
    return hf_table_row(t, name, p->version, abi, hf_buf_str(&can));
}

struct output {
    struct json_object *list; /* one of the three is set */
    struct hf_buf *text;
    struct hf_table *table;
};

static int put_plugin(const struct output *out, const char *name, const struct hf_plugin *p,
                      const struct hf_err *why)
{
    if (out->list)
        return json_entry(out->list, name, p, why);
    if (out->table)
        return add_row(out->table, name, p, why);
    if (p)
        describe(out->text, p);
    else
        hf_buf_printf(out->text, "%s%s: %s\n", out->text->len ? "\n" : "", name, why->message);
    return 0;
}

static int put_all(struct hf_cli *cli, const char *dir, const struct output *out,
                   struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv names = HF_STRV_INIT;
    if (hf_plugin_names(dir, &names, err) != 0)
        return -1;
    for (size_t i = 0; i < names.n; i++) {
        struct hf_err why = HF_ERR_INIT;
        HF_AUTO(hf_plugin_handle)
        struct hf_plugin_handle *h = hf_plugin_load(dir, names.items[i], cli->log, &why);
        if (put_plugin(out, names.items[i], h ? hf_plugin_table(h) : NULL, &why) != 0)
            return hf_fail_nomem(err);
    }
    return 0;
}

static int print_json(struct hf_cli *cli, const char *dir, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *doc = json_object_new_object();
    struct output out = {.list = json_object_new_array()};
    if (!doc || hf_json_add_string(doc, "directory", dir) != 0)
        return (json_object_put(out.list), hf_fail_nomem(err));
    if (hf_json_add(doc, "plugins", out.list) != 0)
        return hf_fail_nomem(err);
    return put_all(cli, dir, &out, err) == 0 ? hf_cli_print_json(doc, err) : -1;
}

static int print_descriptions(struct hf_cli *cli, const char *dir, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    struct output out = {.text = &text};
    return put_all(cli, dir, &out, err) == 0 ? hf_cli_print(&text, err) : -1;
}

static int print_table(struct hf_cli *cli, const char *dir, struct hf_err *err)
{
    HF_AUTO(hf_table) struct hf_table *t = hf_table_new(4);
    struct output out = {.table = t};
    if (!t || hf_table_row(t, "PLUGIN", "VERSION", "ABI", "CAN") != 0)
        return hf_fail_nomem(err);
    return put_all(cli, dir, &out, err) == 0 ? hf_table_print(t, err) : -1;
}

static int run_plugins(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    HF_AUTOFREE char *dir = NULL;
    if (plugin_dir(cli, &dir, err) != 0)
        return -1;
    if (cli->json)
        return print_json(cli, dir, err);
    if (hf_cli_get(&hf_verb_plugins, args, "describe")->is_set)
        return print_descriptions(cli, dir, err);
    return print_table(cli, dir, err);
}

const struct hf_verb hf_verb_plugins = {
    .name = "plugins",
    .args = "",
    .min_args = 0,
    .max_args = 0,
    .summary = "list the hypervisor plugins, what they can do and their keys",
    .help =
        "A plugin is a file holdfast-NAME.so in the plugin directory ($HOLDFAST_PLUGIN_DIR, else "
        "plugin-dir in [defaults], else the one of the installation); `plugin = NAME` in a "
        "[hypervisor] section chooses it. One that does not load is listed with the reason. "
        "No configuration is needed, and no hypervisor is asked.",
    .opts = opts,
    .n_opts = HF_ARRAY_SIZE(opts),
    .run = run_plugins,
};
