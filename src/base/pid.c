/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pid.h"

#include "base/cleanup.h"
#include "base/path.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define STAT_MAX_BYTES 4096

bool hf_pid_is(int64_t pid, int64_t start)
{
    char path[64], state = 0;
    int64_t began = 0;
    struct hf_err none = HF_ERR_INIT;
    snprintf(path, sizeof path, "/proc/%" PRId64 "/stat", pid);
    HF_AUTOFREE char *stat = pid > 0 ? hf_path_read(path, STAT_MAX_BYTES, NULL, &none) : NULL;
    /* The name may hold blanks and brackets itself. Behind it the first field is the state, the 20th the start. */
    const char *rest = stat ? strrchr(stat, ')') : NULL;
    if (!rest || sscanf(rest + 1,
                        " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d"
                        " %*d %" SCNd64,
                        &state, &began) != 2)
        return false;
    return state != 'Z' && state != 'X' && began == start;
}
