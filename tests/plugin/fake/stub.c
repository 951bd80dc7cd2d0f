/* SPDX-License-Identifier: Apache-2.0 */
/* Has nothing but open and close; its table ends inside the slot after them. */
#include "fake.h"

static const struct hf_plugin plugin = {
    FAKE_TABLE("stub"),
    .struct_size = offsetof(struct hf_plugin, probe) + 3,
};

const struct hf_plugin *holdfast_plugin_entry(const struct hf_host *host)
{
    (void)host;
    return &plugin;
}
