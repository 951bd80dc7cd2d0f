/* SPDX-License-Identifier: Apache-2.0 */
/* Exports the right symbol and something else behind it. */
#include "fake.h"

static const struct hf_plugin plugin = {
    FAKE_TABLE("magic"),
    .magic = 0x7f454c46,
};

const struct hf_plugin *holdfast_plugin_entry(const struct hf_host *host)
{
    (void)host;
    return &plugin;
}
