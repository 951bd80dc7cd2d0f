/* SPDX-License-Identifier: Apache-2.0
 *
 * later.so, preloaded: the host's time of day is as many seconds later (or earlier) as the file $LATER says, read each time it is
 * asked. So a program may begin on another day, and its host may sleep for hours in the middle. Files get the real time: a store in a directory
 * has a clock of its own.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long seconds(void)
{
    const char *path = getenv("LATER");
    char text[32];
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    return strtol(text, NULL, 10);
}

__attribute__((visibility("default"))) int clock_gettime(clockid_t id, struct timespec *ts)
{
    int rc = (int)syscall(SYS_clock_gettime, id, ts);
    if (rc == 0 && id == CLOCK_REALTIME)
        ts->tv_sec += seconds();
    return rc;
}
