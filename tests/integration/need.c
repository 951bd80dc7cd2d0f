/* SPDX-License-Identifier: Apache-2.0 */
#include "integration/need.h"

#include "base/strv.h"
#include "harness/hf_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void hf_need_missing(const char *name, const char *why)
{
    bool fails = hf_test_is_required(name);
    printf("%s %s: %s\n", fails ? "FAIL" : "SKIP", name, why);
    fflush(stdout);
    exit(fails ? 1 : 77);
}

const char *hf_need_program(const char *name, const char *program, char *out, unsigned out_size)
{
    HF_AUTO(hf_strv) struct hf_strv dirs = HF_STRV_INIT;
    char why[128];
    if (hf_strv_split(&dirs, getenv("PATH") ? getenv("PATH") : "", ':') ||
        hf_strv_add(&dirs, "/usr/sbin") || hf_strv_add(&dirs, "/usr/local/sbin"))
        abort();
    for (size_t i = 0; i < dirs.n; i++) {
        snprintf(out, out_size, "%s/%s", dirs.items[i], program);
        if (access(out, X_OK) == 0)
            return out;
    }
    snprintf(why, sizeof why, "%s not found", program);
    hf_need_missing(name, why);
}
