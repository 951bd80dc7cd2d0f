/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/verb_store.c - `store init`.
 */
#include "cli/cli.h"
#include "cli/engine.h"
#include "run/store_site.h"

#include <stdio.h>

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
