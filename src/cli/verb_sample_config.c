/* SPDX-License-Identifier: Apache-2.0
 *
 * Required keys are live, so that the sample parses as it stands; the rest shows its example behind
 * a ';'.
 */
#include "cli/output.h"
#include "cli/text.h"
#include "config/schema.h"

#include <string.h>

#define COMMENT "; "
/* An example that works: without it the first thing that check says is that a key is missing. */
#define PLUGIN_KEYS                                                                                \
    "\n; Keys of the plugin libvirt. The hypervisor of this host:\nuri = qemu:///system\n"

static void sample_option(struct hf_buf *out, const struct hf_option *o)
{
    hf_buf_str_add(out, "\n");
    hf_text_wrap(out, COMMENT, 0, o->help);
    if (o->range)
        hf_buf_printf(out, "; Accepted: %s.\n", o->range);
    if (o->fallback && strcmp(o->fallback, o->example) != 0) {
        hf_buf_str_add(out, "; Default: ");
        hf_option_default_add(out, o);
        hf_buf_str_add(out, ".\n");
    }
    hf_buf_printf(out, "%s%s = %s\n", o->is_required ? "" : ";", o->key, o->example);
}

static void sample(struct hf_buf *out)
{
    hf_text_wrap(
        out, COMMENT, 0,
        "holdfast configuration, see holdfast.conf(5). A line that begins with ';' or '#' is a "
        "comment, and so is the rest of a line behind ' ;'. Keys that are left out have "
        "their default; the values behind a ';' here are examples.");
    for (size_t id = 0; id < HF_SECTION_COUNT; id++) {
        const struct hf_section *s = &hf_sections[id];
        hf_buf_str_add(out, "\n\n");
        hf_text_wrap(out, COMMENT, 0, s->help);
        hf_buf_printf(out, "%s[%s%s%s]\n", s->flags & HF_SECTION_ASIDE ? ";" : "", s->name,
                      s->sample ? " " : "", s->sample ? s->sample : "");
        for (size_t i = 0; i < s->n_options; i++)
            sample_option(out, &s->options[i]);
        if (s->flags & HF_SECTION_OPEN)
            hf_buf_str_add(out, PLUGIN_KEYS);
    }
}

static int sample_config_run(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    HF_AUTOJSON struct json_object *doc = json_object_new_object();
    (void)args;
    sample(&text);
    if (!cli->json)
        return hf_cli_print(&text, err);
    if (!doc || !hf_buf_ok(&text) || hf_json_add_string(doc, "config", hf_buf_str(&text)) != 0)
        return hf_fail_nomem(err);
    return hf_cli_print_json(doc, err);
}

const struct hf_verb hf_verb_sample_config = {
    .name = "sample-config",
    .args = "",
    .summary = "print a configuration file with every key explained",
    .help = "Store it as /etc/holdfast/holdfast.conf and change what has to be changed:\n\n"
            "  mkdir -p /etc/holdfast\n"
            "  holdfast sample-config > /etc/holdfast/holdfast.conf\n\n"
            "Only root may be able to write to that file; passwords do not belong in it.",
    .run = sample_config_run,
};
