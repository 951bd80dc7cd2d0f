/* SPDX-License-Identifier: Apache-2.0 */
#include "base/proc.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define DEFAULT_OUTPUT_MAX ((size_t)1 << 20)

/* One caught stream: the end we read and the end the child writes to. */
struct stream {
    int fd, child_fd;
    struct hf_buf *to;
};

/* A child that was started. Dropping it without a finish kills and reaps it. */
struct child {
    pid_t pid; /* 0: none, or reaped */
    int pidfd;
    struct stream out, err;
};

static int reap(struct child *c, int *out_status)
{
    pid_t pid = c->pid;
    c->pid = 0;
    return hf_spawn_reap(pid, out_status);
}

static void child_drop(struct child *c)
{
    int fds[] = {c->pidfd, c->out.fd, c->out.child_fd, c->err.fd, c->err.child_fd};
    for (size_t i = 0; i < HF_ARRAY_SIZE(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    if (c->pid > 0) {
        int status;
        kill(-c->pid, SIGKILL); /* the whole group: what it started dies with it */
        reap(c, &status);
    }
}
HF_DEFINE_AUTO_VALUE(child, child_drop)

static int stream_open(struct stream *s)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    s->fd = ends[0];
    s->child_fd = hf_spawn_above_stdio(ends[1]);
    if (s->child_fd < 0)
        return -1;
    return fcntl(s->fd, F_SETFL, O_NONBLOCK);
}

/* The child's stdin. A file in memory, not a pipe: nobody has to feed it while output is read, and
 * a child that does not read its input sends us no SIGPIPE. */
static int open_input(const struct hf_proc_request *req)
{
    if (!req->input)
        return hf_spawn_above_stdio(open("/dev/null", O_RDONLY | O_CLOEXEC));
    HF_AUTOFD int fd = hf_spawn_above_stdio(memfd_create("holdfast-stdin", MFD_CLOEXEC));
    size_t done = 0;
    while (fd >= 0 && done < req->input_len) {
        ssize_t n = write(fd, req->input + done, req->input_len - done);
        if (n < 0 && errno != EINTR)
            return -1;
        done += n > 0 ? (size_t)n : 0;
    }
    if (fd >= 0 && lseek(fd, 0, SEEK_SET) < 0)
        return -1;
    return HF_STEAL_FD(fd);
}

static int start(struct child *c, const struct hf_proc_request *req, struct hf_err *err)
{
    const char *name = req->argv[0];
    HF_AUTOFD int input = open_input(req);
    if (input < 0 || stream_open(&c->out) < 0 || stream_open(&c->err) < 0)
        return hf_fail_sys(err, errno, "cannot start '%s'", name);
    const struct hf_spawn how = {
        .argv = req->argv, .in = input, .out = c->out.child_fd, .err = c->err.child_fd};
    if (hf_spawn(&how, &c->pid, &c->pidfd, err) < 0)
        return -1;
    /* Our copies of the child's ends: while they are open, no stream ever ends. */
    close(HF_STEAL_FD(c->out.child_fd));
    close(HF_STEAL_FD(c->err.child_fd));
    return 0;
}

/* Takes what is there without waiting; closes the stream at its end. */
static void drain(struct stream *s, size_t max, bool *truncated)
{
    char chunk[16384];
    while (s->fd >= 0) {
        ssize_t n = read(s->fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            close(HF_STEAL_FD(s->fd));
            return;
        }
        size_t room = max - s->to->len, take = (size_t)n < room ? (size_t)n : room;
        hf_buf_add(s->to, chunk, take);
        *truncated = *truncated || take < (size_t)n;
    }
}

/* Reads until the child has ended. Its end counts, not that of its output: a program that leaves a
 * daemon behind leaves the streams open too. */
static int watch(struct child *c, const struct hf_proc_request *req, int64_t deadline_ms,
                 bool *truncated, struct hf_err *err)
{
    const struct hf_clock *clock = hf_clock_system();
    size_t max = req->max_output_bytes ? req->max_output_bytes : DEFAULT_OUTPUT_MAX;
    bool ended = false;
    while (!ended) {
        int left_ms = hf_clock_left_ms(clock, deadline_ms);
        if (hf_cancel_check(req->cancel, err) < 0)
            return -1;
        if (left_ms == 0)
            return hf_fail(err, HF_E_TIMEOUT, "'%s' did not end within %lld ms and was killed",
                           req->argv[0], (long long)req->timeout_ms);
        struct pollfd fds[] = {{.fd = c->pidfd, .events = POLLIN},
                               {.fd = c->out.fd, .events = POLLIN},
                               {.fd = c->err.fd, .events = POLLIN},
                               {.fd = hf_cancel_fd(req->cancel), .events = POLLIN}};
        if (poll(fds, HF_ARRAY_SIZE(fds), left_ms) < 0)
            continue; /* EINTR: the deadline is looked at again */
        ended = fds[0].revents != 0;
        drain(&c->out, max, truncated);
        drain(&c->err, max, truncated);
    }
    return 0;
}

static int finish(struct child *c, const char *name, struct hf_proc_result *out, struct hf_err *err)
{
    int status;
    if (reap(c, &status) < 0)
        return hf_fail_sys(err, errno, "the end of '%s' is unknown", name);
    out->exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    if (!hf_buf_ok(&out->out) || !hf_buf_ok(&out->err))
        return hf_fail_nomem(err);
    return 0;
}

int hf_proc_run(const struct hf_proc_request *req, struct hf_proc_result *out, struct hf_err *err)
{
    hf_proc_result_free(out);
    if (req->timeout_ms <= 0)
        return hf_fail(err, HF_E_TIMEOUT, "no time left to start '%s'", req->argv[0]);
    int64_t now_ms = hf_clock_mono_ms(hf_clock_system()), deadline_ms;
    if (__builtin_add_overflow(now_ms, req->timeout_ms, &deadline_ms))
        deadline_ms = HF_NO_DEADLINE;

    HF_AUTO(child)
    struct child c = {.pidfd = -1, .out = {-1, -1, &out->out}, .err = {-1, -1, &out->err}};
    if (start(&c, req, err) < 0)
        return -1;
    if (watch(&c, req, deadline_ms, &out->truncated, err) < 0)
        return -1;
    return finish(&c, req->argv[0], out, err);
}

void hf_proc_result_free(struct hf_proc_result *r)
{
    hf_buf_free(&r->out);
    hf_buf_free(&r->err);
    *r = (struct hf_proc_result){0};
}

int hf_proc_check(const struct hf_proc_request *req, struct hf_proc_result *out, struct hf_err *err)
{
    if (hf_proc_run(req, out, err) < 0)
        return -1;
    if (out->exit_code == 0)
        return 0;
    const char *said = hf_buf_str(&out->err);
    said += strspn(said, "\r\n");
    int len = (int)strcspn(said, "\r\n");
    return hf_fail(err, HF_E_PLUGIN, "'%s' ended with status %d%s%.*s", req->argv[0],
                   out->exit_code, len ? ": " : "", len, said);
}
