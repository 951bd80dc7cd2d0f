/* SPDX-License-Identifier: Apache-2.0 */
/* Was renamed on disk: its file says another name than its table. */
#include "fake.h"

static const struct hf_plugin plugin = {
    FAKE_TABLE("other"),
};

const struct hf_plugin *holdfast_plugin_entry(const struct hf_host *host)
{
    (void)host;
    return &plugin;
}
