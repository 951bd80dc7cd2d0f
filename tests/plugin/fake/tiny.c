/* SPDX-License-Identifier: Apache-2.0 */
/* Ends before open: nothing of it can be used. */
#include "fake.h"

static const struct hf_plugin plugin = {
    FAKE_TABLE("tiny"),
    .struct_size = offsetof(struct hf_plugin, open),
};

const struct hf_plugin *holdfast_plugin_entry(const struct hf_host *host)
{
    (void)host;
    return &plugin;
}
