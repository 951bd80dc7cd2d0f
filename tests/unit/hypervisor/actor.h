/* SPDX-License-Identifier: Apache-2.0
 *
 * unit/hypervisor/actor.h - a hypervisor whose plugin plays any part (tests/plugin/fake/actor.c), and writes down what it was asked.
 */
#ifndef HF_TEST_HYPERVISOR_ACTOR_H
#define HF_TEST_HYPERVISOR_ACTOR_H

#include "base/path.h"
#include "harness/hf_test.h"
#include "hypervisor/hv.h"

static const char *trace_path;
static struct hf_cancel *cancel; /* of those that are opened from now on; NULL: none */

static struct hf_hv *open_role(void **state, const char *role, const char *wait_ms)
{
    static char dir[4096];
    struct hf_err err = HF_ERR_INIT;
    const char *build = getenv("HOLDFAST_BUILD_DIR");
    snprintf(dir, sizeof dir, "%s/tests/plugin/fake", build ? build : ".");
    trace_path = hf_test_path(state, "trace");
    const struct hf_kv kv[] = {{"role", role}, {"trace", trace_path}, {"wait", wait_ms}};
    struct hf_hv_opts opts = {
        .plugin_dir = dir, .plugin = "actor", .kv = kv, .n_kv = 3, .cancel = cancel};
    struct hf_hv *hv = hf_hv_open(&opts, &err);
    assert_hf_got(hv, &err);
    return hv;
}

#endif
