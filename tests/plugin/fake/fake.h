/* SPDX-License-Identifier: Apache-2.0
 *
 * fake.h - a table head for the fakes that are about nothing else.
 */
#ifndef HF_TESTS_FAKE_H
#define HF_TESTS_FAKE_H

#include "api/holdfast/plugin.h"

#include <stddef.h>

HF_PLUGIN_EXPORT const struct hf_plugin *holdfast_plugin_entry(const struct hf_host *host);

static int fake_open(const struct hf_host *host, const struct hf_kv *kv, size_t n,
                     struct hf_instance **out, struct hf_err *err)
{
    (void)host, (void)kv, (void)n, (void)err;
    static char instance;
    *out = (struct hf_instance *)&instance;
    return 0;
}

static void fake_close(struct hf_instance *in)
{
    (void)in;
}

#define FAKE_TABLE(fake_name)                                                                      \
    .magic = HF_PLUGIN_MAGIC, .abi_major = HF_ABI_MAJOR, .abi_minor = HF_ABI_MINOR,                \
    .struct_size = sizeof(struct hf_plugin), .name = fake_name, .version = "1",                    \
    .description = "for tests", .open = fake_open, .close = fake_close

#endif
