/* SPDX-License-Identifier: Apache-2.0 */
#include "integration/caretaker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

void hf_fixture_failed(const char *what, const char *detail)
{
    printf("FAIL fixture: %s: %s\n", what, detail);
    fflush(stdout);
    exit(1);
}

int hf_caretaker_start(void (*care)(const void *ctx, int fd), const void *ctx)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        hf_fixture_failed("socketpair", strerror(errno));
    pid_t pid = fork();
    if (pid == 0) {
        if (fork() != 0) /* twice: its parent is not the test */
            _exit(0);
        for (int fd = 3; fd < 256; fd++)
            if (fd != pair[1])
                close(fd);
        int null = open("/dev/null", O_RDWR);
        dup2(null, 0);
        dup2(null, 1);
        dup2(null, 2);
        setsid();
        care(ctx, pair[1]);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    close(pair[1]);
    return pair[0];
}

void hf_caretaker_wait(int fd)
{
    char byte;
    while (read(fd, &byte, 1) > 0)
        continue;
}

void hf_caretaker_remove(const char *dir)
{
    pid_t pid = fork();
    if (pid == 0) {
        execlp("rm", "rm", "-rf", dir, (char *)NULL);
        _exit(127);
    }
    waitpid(pid, NULL, 0);
}
