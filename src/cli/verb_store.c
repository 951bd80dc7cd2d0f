/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/verb_store.c - `store init`, `store list`.
 */
#include "base/buf.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/engine.h"
#include "cli/output.h"
#include "cli/report_text.h"
#include "run/store_list.h"
#include "run/store_site.h"

#include <stdio.h>
#include <string.h>

static int print_made(const struct hf_cli *cli, const struct hf_site *s, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *doc = json_object_new_object();
    if (!doc || hf_json_add_string(doc, "store", s->name) < 0 ||
        hf_json_add_string(doc, "id", s->id) < 0 ||
        hf_json_add_string(doc, "url", s->store->url) < 0 ||
        hf_json_add_bool(doc, "encrypted", s->is_encrypted) < 0 ||
        hf_json_add_int(doc, "chunk_bytes", s->chunk_bytes) < 0 ||
        hf_json_add_string(doc, "metadata_recipient", s->metadata_recipient) < 0)
        return hf_fail_nomem(err);
    if (cli->json)
        return hf_cli_print_json(doc, err);
    printf("store %s is ready: %s, %s\nmetadata identity %s, in %s\n", s->name, s->store->url,
           s->is_encrypted ? "encrypted to its recipients" : "NOT encrypted", s->metadata_recipient,
           s->dir);
    return 0;
}

static int run_init(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    struct hf_env env = hf_cli_env(cli);
    HF_AUTO(hf_store_site) struct hf_store_site made = {0};
    const struct hf_config_store *config = hf_config_find_store(cli->config, args->items[0], err);
    if (!config || hf_store_site_make(&env, config, &made, err) < 0)
        return -1;
    return print_made(cli, made.site, err);
}

extern const struct hf_verb hf_verb_store_init;

const struct hf_verb hf_verb_store_init = {
    .name = "store init",
    .args = "NAME",
    .min_args = 1,
    .max_args = 1,
    .summary = "make an empty store ready for recovery points",
    .help =
        "Writes holdfast.json, which says how the store is laid out and to whom it is encrypted, "
        "and makes the store's "
        "metadata identity: kept private in the state directory, with a copy in holdfast.json that "
        "only the store's "
        "recipients can open (on a store without recipients everybody who can read the store).\n\n"
        "A store that has points already is refused. Another host that backs up to the same store "
        "needs no init: it "
        "needs the metadata identity, or once the identity-file of a recipient.\n\n"
        "  holdfast store init vault",
    .needs_config = true,
    .run = run_init,
};

/* ---- list ------------------------------------------------------------------------------- */

static const char *state_word(struct json_object *row)
{
    if (!hf_cli_number(row, "reachable"))
        return "NOT REACHED";
    return hf_cli_number(row, "ready") ? "ready" : "NOT READY";
}

static int add_line(struct hf_table *t, struct json_object *row)
{
    char bytes[HF_UNITS_MAX], room[HF_UNITS_MAX], keys[32] = "plain";
    int64_t n = hf_cli_number(row, "recipients");
    if (n)
        snprintf(keys, sizeof keys, "to %d key%s", (int)n, n == 1 ? "" : "s");
    return hf_table_row(t, hf_cli_text(row, "name"), state_word(row), hf_cli_text(row, "off_host"),
                        keys, hf_cli_text(row, "points"), hf_cli_size(row, "bytes", bytes),
                        hf_cli_size(row, "free_bytes", room), hf_cli_text(row, "id"),
                        hf_cli_text(row, "url"));
}

/* What somebody has to do about it. */
static void print_trouble(struct json_object *row)
{
    const char *name = hf_cli_text(row, "name"), *is = hf_cli_text(row, "off_host"),
               *hint = hf_cli_text(row, "hint");
    if (hf_cli_text(row, "error"))
        printf("%s: %s%s%s\n", name, hf_cli_text(row, "error"), hint ? ". " : "", hint ? hint : "");
    if (!is || strcmp(is, "proven") != 0)
        printf("%s: %s the host: %s\n", name,
               is && strcmp(is, "assumed") == 0 ? "only assumed to be off" : "not proven to be off",
               hf_cli_text(row, "off_host_why"));
}

static int print_list(struct json_object *doc, struct hf_err *err)
{
    struct json_object *rows = NULL;
    HF_AUTO(hf_table) struct hf_table *t = hf_table_new(9);
    json_object_object_get_ex(doc, "stores", &rows);
    if (!t || hf_table_row(t, "STORE", "STATE", "OFF HOST", "ENCRYPTED", "POINTS", "BYTES", "FREE",
                           "ID", "URL") < 0)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < json_object_array_length(rows); i++)
        if (add_line(t, json_object_array_get_idx(rows, i)) < 0)
            return hf_fail_nomem(err);
    if (hf_table_print(t, err) < 0)
        return -1;
    hf_cli_print_each(doc, "stores", print_trouble);
    return hf_cli_flush(err);
}

static int run_list(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    struct hf_env env = hf_cli_env(cli);
    HF_AUTOJSON struct json_object *doc = NULL;
    (void)args;
    if (hf_run_store_list(&env, &doc, err) < 0)
        return -1;
    return cli->json ? hf_cli_print_json(doc, err) : print_list(doc, err);
}

const struct hf_verb hf_verb_store_list = {
    .name = "store list",
    .args = "",
    .min_args = 0,
    .max_args = 0,
    .summary = "list the configured stores: reachable, ready, off the host, encrypted",
    .help =
        "Opens each store of the configuration, 10 s at the most each. OFF HOST is what the "
        "addresses "
        "and names in the configuration show of all VMs: proven, assumed (off-host = assume), or "
        "refused; holdfast check VM asks also the guest and looks where its disks lie. POINTS and "
        "BYTES are what the catalog of this host knows to be there (holdfast catalog rebuild "
        "brings it up to date). Nothing on the stores is changed.",
    .needs_config = true,
    .run = run_list,
};
