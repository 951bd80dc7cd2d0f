/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/args.h"
#include "cli/help.h"
#include "cli/output.h"

#include <stdint.h>

/* "snapshot create" from its words */
static void join(struct hf_buf *out, const struct hf_cli_args *args)
{
    for (size_t i = 0; i < args->n; i++)
        hf_buf_printf(out, "%s%s", i ? " " : "", args->items[i]);
}

/* {"version","verbs":[…]}; only the verbs asked for */
static int print_json(const struct hf_verb *only, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *doc = json_object_new_object();
    HF_AUTOJSON struct json_object *list = json_object_new_array();
    for (size_t i = 0; list && hf_verbs[i]; i++) {
        if (hf_verbs[i]->hidden || (only && only != hf_verbs[i]))
            continue;
        HF_AUTOJSON struct json_object *verb = hf_help_verb_json(hf_verbs[i]);
        if (!verb || json_object_array_add(list, verb) != 0)
            return hf_fail_nomem(err);
        verb = NULL; /* the list's now */
    }
    if (!doc || !list || hf_json_add_string(doc, "version", HF_VERSION) != 0 ||
        hf_json_add(doc, "verbs", HF_STEAL(list)) != 0)
        return hf_fail_nomem(err);
    return hf_cli_print_json(doc, err);
}

static int help_run(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf name = HF_BUF_INIT;
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    join(&name, args);
    const struct hf_verb *verb = args->n ? hf_cli_find_verb(hf_verbs, hf_buf_str(&name)) : NULL;
    bool is_group = args->n == 1 && hf_cli_is_group(hf_verbs, args->items[0]);

    if (args->n > 0 && !verb && !is_group)
        return hf_cli_unknown_verb(hf_verbs, hf_buf_str(&name), err);
    if (cli->json)
        return print_json(verb, err);
    if (verb)
        hf_help_verb(&text, verb);
    else
        hf_help_all(&text, hf_verbs, is_group ? args->items[0] : NULL);
    return hf_cli_print(&text, err);
}

const struct hf_verb hf_verb_help = {
    .name = "help",
    .args = "[VERB]",
    .max_args = 2,
    .summary = "show all verbs, or one of them with its options",
    .run = help_run,
};
