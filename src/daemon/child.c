/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/child.h"

#include "base/pid.h"
#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#define RELEASE_FD 3 /* in the child */

/* ---- which process ---------------------------------------------------------------------- */

/* First the descriptor, then the look: what the descriptor means cannot change any more. */
int hf_pid_open(pid_t pid, int64_t start)
{
    HF_AUTOFD int fd = pid > 0 ? pidfd_open(pid, 0) : -1;
    if (fd < 0 || !hf_pid_is(pid, start))
        return -1;
    return HF_STEAL_FD(fd);
}

/* ---- the child -------------------------------------------------------------------------- */

struct ends {
    int in, out, err, release; /* of the child */
};

static void ends_close(struct ends *e)
{
    const int fds[] = {e->in, e->out, e->err, e->release};
    for (size_t i = 0; i < HF_ARRAY_SIZE(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
}
HF_DEFINE_AUTO_VALUE(ends, ends_close)

static void say(const char *text)
{
    ssize_t n = write(STDERR_FILENO, text, strlen(text));
    (void)n; /* the status says it as well */
}

/* Between fork and exec of a process that may have threads: system calls only. */
static _Noreturn void become(const char *const *argv, char **env, const struct rlimit *files,
                             const struct ends *e)
{
    char byte = 0;
    ssize_t n;
    sigset_t none;
    sigemptyset(&none);
    setsid();
    signal(SIGPIPE, SIG_DFL);
    /* All of them are above 3 (hf_spawn_above_stdio), but for one that may be 3 itself. */
    int release = fcntl(e->release, F_DUPFD, 16);
    if (release < 0 || dup2(e->in, STDIN_FILENO) < 0 || dup2(e->out, STDOUT_FILENO) < 0 ||
        dup2(e->err, STDERR_FILENO) < 0 || dup2(release, RELEASE_FD) < 0)
        _exit(127);
    /* Among the rest is our copy of the other end: with it open, no end of the pipe would come. */
    close_range(RELEASE_FD + 1, ~0U, 0);
    if (files)
        (void)setrlimit(RLIMIT_NOFILE, files);
    while ((n = read(RELEASE_FD, &byte, 1)) < 0 && errno == EINTR)
        ;
    if (n != 1)
        _exit(0);
    close(RELEASE_FD);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(argv[0], (char *const *)(uintptr_t)argv, env);
    const char *reason = strerrordesc_np(errno);
    say(argv[0]);
    say(": ");
    say(reason ? reason : "cannot be started");
    say("\n");
    _exit(127);
}

/* ---- our side --------------------------------------------------------------------------- */

static int make_pipe(int *ours, int *theirs, bool we_write, struct hf_err *err)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return hf_fail_sys(err, errno, "pipe for a run");
    *ours = hf_spawn_above_stdio(fds[we_write ? 1 : 0]);
    *theirs = hf_spawn_above_stdio(fds[we_write ? 0 : 1]);
    if (*ours < 0 || *theirs < 0)
        return hf_fail_sys(err, errno, "pipe for a run");
    if (!we_write && fcntl(*ours, F_SETFL, O_NONBLOCK) < 0)
        return hf_fail_sys(err, errno, "pipe for a run");
    return 0;
}

/* What systemd told the daemon is not meant for its runs: one would end the other's watchdog. */
static char **make_environment(void)
{
    static const char *const ours[] = {
        "NOTIFY_SOCKET=", "WATCHDOG_USEC=",  "WATCHDOG_PID=",  "LISTEN_FDS=",
        "LISTEN_PID=",    "LISTEN_FDNAMES=", "JOURNAL_STREAM="};
    char **env = hf_spawn_environment(NULL);
    size_t to = 0;
    for (size_t from = 0; env && env[from]; from++) {
        bool is_ours = false;
        for (size_t i = 0; i < HF_ARRAY_SIZE(ours); i++)
            is_ours = is_ours || strncmp(env[from], ours[i], strlen(ours[i])) == 0;
        if (!is_ours)
            env[to++] = env[from];
    }
    if (env)
        env[to] = NULL;
    return env;
}

static int open_ends(struct hf_run_child *c, struct ends *e, struct hf_err *err)
{
    e->in = hf_spawn_above_stdio(open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (e->in < 0)
        return hf_fail_sys(err, errno, "/dev/null");
    return make_pipe(&c->out, &e->out, false, err) < 0 ||
                   make_pipe(&c->err, &e->err, false, err) < 0 ||
                   make_pipe(&c->release, &e->release, true, err) < 0
               ? -1
               : 0;
}

int hf_run_child_start(struct hf_run_child *c, const char *const *argv, const struct rlimit *files,
                       struct hf_err *err)
{
    HF_AUTO(ends) struct ends e = {-1, -1, -1, -1};
    HF_AUTOFREE char **env = make_environment();
    if (!env)
        return hf_fail_nomem(err);
    if (open_ends(c, &e, err) < 0)
        return -1;
    c->pid = fork();
    if (c->pid < 0) {
        c->pid = 0;
        return hf_fail_sys(err, errno, "cannot start '%s'", argv[0]);
    }
    if (c->pid == 0)
        become(argv, env, files, &e);
    c->pidfd = pidfd_open(c->pid, 0);
    c->pid_start = hf_pid_start(c->pid);
    if (c->pidfd < 0)
        return hf_fail_sys(err, errno, "cannot watch '%s'", argv[0]);
    return 0;
}

int hf_run_child_release(struct hf_run_child *c, struct hf_err *err)
{
    ssize_t n;
    while ((n = write(c->release, "G", 1)) < 0 && errno == EINTR)
        ;
    if (n != 1)
        return hf_fail_sys(err, errno, "process %ld, which was to begin a run", (long)c->pid);
    close(HF_STEAL_FD(c->release));
    return 0;
}

int hf_run_child_reap(struct hf_run_child *c, int *out_status, struct hf_err *err)
{
    pid_t pid = c->pid;
    c->pid = 0;
    return hf_spawn_reap(pid, out_status) < 0
               ? hf_fail_sys(err, errno, "the end of process %ld is unknown", (long)pid)
               : 0;
}

void hf_run_child_close(struct hf_run_child *c)
{
    int status;
    bool is_held = c->pid > 0 && c->release >= 0;
    const int fds[] = {c->release, c->pidfd, c->out, c->err};
    for (size_t i = 0; i < HF_ARRAY_SIZE(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    if (is_held)
        hf_spawn_reap(c->pid, &status);
    *c = (struct hf_run_child)HF_RUN_CHILD_INIT;
}
