/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pid.h"

#include "base/cleanup.h"
#include "base/path.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define STAT_MAX_BYTES 4096

#define OURS "holdfast"

/* The fields behind the name, which may hold blanks and brackets itself; NULL: not ours. */
static const char *behind_name(const char *stat)
{
    const char *open = strchr(stat, '('), *close = strrchr(stat, ')');
    bool is_ours = open && close && strncmp(open + 1, OURS, strlen(OURS)) == 0;
    return is_ours ? close + 1 : NULL;
}

int64_t hf_pid_start(int64_t pid)
{
    char path[64], state = 0;
    int64_t start = 0;
    struct hf_err none = HF_ERR_INIT;
    snprintf(path, sizeof path, "/proc/%" PRId64 "/stat", pid);
    HF_AUTOFREE char *stat = pid > 0 ? hf_path_read(path, STAT_MAX_BYTES, NULL, &none) : NULL;
    const char *rest = stat ? behind_name(stat) : NULL;
    /* Of the fields behind the name the first is the state, the 20th the start. */
    if (!rest || sscanf(rest,
                        " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d"
                        " %*d %" SCNd64,
                        &state, &start) != 2)
        return 0;
    return state == 'Z' || state == 'X' ? 0 : start;
}

bool hf_pid_is(int64_t pid, int64_t start)
{
    return start > 0 && hf_pid_start(pid) == start;
}
