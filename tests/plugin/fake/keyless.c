/* SPDX-License-Identifier: Apache-2.0 */
/* Promises keys and has none. */
#include "fake.h"

static const struct hf_plugin plugin = {
    FAKE_TABLE("keyless"),
    .n_keys = 3,
};

const struct hf_plugin *holdfast_plugin_entry(const struct hf_host *host)
{
    (void)host;
    return &plugin;
}
