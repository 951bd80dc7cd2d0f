/* SPDX-License-Identifier: Apache-2.0 */
/* Speaks the ABI of a future that this program does not know. */
#include "fake.h"

static const struct hf_plugin plugin = {
    FAKE_TABLE("major"),
    .abi_major = HF_ABI_MAJOR + 1,
    .abi_minor = 7,
};

const struct hf_plugin *holdfast_plugin_entry(const struct hf_host *host)
{
    (void)host;
    return &plugin;
}
