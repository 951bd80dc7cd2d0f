/* SPDX-License-Identifier: Apache-2.0 */
#include "run/command_keeper.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define LAST_CHUNKS 64 /* a pipe holds no more */

struct stream {
    int from, to; /* -1: it ended; nobody reads it any more */
};

struct keeping {
    struct stream streams[2];
    int log;
    size_t log_left;
};

/* false: nobody takes it any more. */
static bool write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) { /* a descriptor that somebody made not to wait */
            struct pollfd p = {.fd = fd, .events = POLLOUT};
            poll(&p, 1, 1000);
            continue;
        }
        if (n <= 0)
            return false;
        data += n;
        len -= (size_t)n;
    }
    return true;
}

static void keep(struct keeping *k, const char *data, size_t len)
{
    static const char cut[] = "\n[the log ends here: it has reached its bound]\n";
    if (k->log_left == 0)
        return;
    size_t take = len < k->log_left ? len : k->log_left;
    bool ok = write_all(k->log, data, take);
    k->log_left -= take;
    if (!ok)
        k->log_left = 0;
    else if (k->log_left == 0)
        (void)write_all(k->log, cut, sizeof cut - 1);
}

static void pass_on(struct keeping *k, struct stream *s)
{
    char chunk[16384];
    ssize_t n = read(s->from, chunk, sizeof chunk);
    if (n == 0)
        s->from = -1;
    if (n <= 0)
        return; /* nothing is there now */
    keep(k, chunk, (size_t)n);
    if (s->to >= 0 && !write_all(s->to, chunk, (size_t)n))
        s->to = -1;
}

/* Out of the way first, then to 3 and above: everything else that we inherited is closed, or a connection of the
 * run would stay open with us. */
static void close_others(struct hf_keeper *k)
{
    int *fds[] = {&k->out, &k->err, &k->command, &k->log, &k->lock};
    for (size_t i = 0; i < HF_ARRAY_SIZE(fds); i++)
        *fds[i] = *fds[i] < 0 ? -1 : fcntl(*fds[i], F_DUPFD, 100);
    for (size_t i = 0; i < HF_ARRAY_SIZE(fds); i++)
        *fds[i] = *fds[i] < 0 ? -1 : dup2(*fds[i], (int)(STDERR_FILENO + 1 + i));
    close_range(STDERR_FILENO + 1 + HF_ARRAY_SIZE(fds), ~0U, 0);
}

_Noreturn void hf_keeper_main(const struct hf_keeper *from)
{
    static const int deaf_to[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGTTOU};
    struct hf_keeper k = *from;
    for (size_t i = 0; i < HF_ARRAY_SIZE(deaf_to); i++)
        signal(deaf_to[i], SIG_IGN);
    close_others(&k);
    fcntl(k.out, F_SETFL, O_NONBLOCK);
    fcntl(k.err, F_SETFL, O_NONBLOCK);
    struct keeping all = {.streams = {{k.out, k.to_out}, {k.err, STDERR_FILENO}},
                          .log = k.log,
                          .log_left = k.max_log_bytes};
    bool has_ended = false;
    while (!has_ended) {
        struct pollfd fds[] = {{.fd = k.command, .events = POLLIN},
                               {.fd = all.streams[0].from, .events = POLLIN},
                               {.fd = all.streams[1].from, .events = POLLIN}};
        if (poll(fds, HF_ARRAY_SIZE(fds), -1) < 0)
            continue;
        has_ended = fds[0].revents != 0;
        /* Then what is in the pipes, and no more: the command may have left somebody behind who goes on talking. */
        for (int n = 0; n < (has_ended ? LAST_CHUNKS : 1); n++)
            for (size_t i = 0; i < 2; i++)
                if (all.streams[i].from >= 0)
                    pass_on(&all, &all.streams[i]);
    }
    fsync(k.log);
    _exit(0);
}
