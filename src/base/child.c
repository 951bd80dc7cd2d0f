/* SPDX-License-Identifier: Apache-2.0 */
#include "base/child.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define SAID_MAX 300

struct hf_child {
    char *name;
    pid_t pid; /* 0: none, or reaped */
    int pidfd;
    int said; /* a file in memory: it never waits for us to read */
    int status;
};

static void reap(struct hf_child *c)
{
    hf_spawn_reap(c->pid, &c->status);
    c->pid = 0;
}

void hf_child_free(struct hf_child *c)
{
    if (!c)
        return;
    if (c->pid) {
        kill(-c->pid, SIGKILL);
        reap(c);
    }
    if (c->pidfd >= 0)
        close(c->pidfd);
    if (c->said >= 0)
        close(c->said);
    free(c->name);
    free(c);
}

/* ---- start ------------------------------------------------------------------------------ */

/* Between fork and exec of a process that may have threads: system calls only. */
static void become(const char *const *argv, char **env, int null, int said, int failed,
                   pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    signal(SIGPIPE, SIG_DFL);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent && setpgid(0, 0) == 0 &&
        sigprocmask(SIG_SETMASK, &none, NULL) == 0 && dup2(null, STDIN_FILENO) >= 0 &&
        dup2(said, STDOUT_FILENO) >= 0 && dup2(said, STDERR_FILENO) >= 0 &&
        close_range(STDERR_FILENO + 1, UINT_MAX, CLOSE_RANGE_CLOEXEC) == 0)
        execvpe(argv[0], (char *const *)argv, env);
    int e = errno;
    if (write(failed, &e, sizeof e) < 0)
        _exit(126);
    _exit(127);
}

/* Returns an errno, also that of the exec: its end of the pipe closes when the program runs. */
static int launch(struct hf_child *c, const char *const *argv, char **env, int null)
{
    int ends[2], e = 0;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return errno;
    HF_AUTOFD int from = ends[0];
    HF_AUTOFD int failed = hf_spawn_above_stdio(ends[1]);
    pid_t self = getpid(), pid = failed < 0 ? -1 : fork();
    if (pid < 0)
        return errno;
    if (pid == 0)
        become(argv, env, null, c->said, failed, self);
    c->pid = pid;
    setpgid(pid, pid); /* here too: whoever kills the group may be faster than the child */
    close(HF_STEAL_FD(failed));
    ssize_t n;
    while ((n = read(from, &e, sizeof e)) < 0 && errno == EINTR)
        ;
    if (n == sizeof e)
        return e;
    c->pidfd = pidfd_open(pid, 0);
    return c->pidfd < 0 ? errno : 0;
}

struct hf_child *hf_child_start(const char *const *argv, struct hf_err *err)
{
    HF_AUTO(hf_child) struct hf_child *c = calloc(1, sizeof *c);
    HF_AUTOFREE char **env = hf_spawn_environment(NULL);
    if (!c || !env) {
        hf_fail_nomem(err);
        return NULL;
    }
    c->pidfd = -1;
    c->name = strdup(argv[0]);
    c->said = hf_spawn_above_stdio(memfd_create("holdfast-said", MFD_CLOEXEC));
    HF_AUTOFD int null = hf_spawn_above_stdio(open("/dev/null", O_RDONLY | O_CLOEXEC));
    int e = c->name ? 0 : ENOMEM;
    if (!e)
        e = c->said < 0 || null < 0 ? errno : launch(c, argv, env, null);
    if (!e)
        return HF_STEAL(c);
    hf_fail_sys(err, e, "cannot start '%s'", argv[0]);
    return NULL;
}

/* ---- its end ---------------------------------------------------------------------------- */

bool hf_child_wait(struct hf_child *c, int64_t within_ms)
{
    const struct hf_clock *clock = hf_clock_system();
    struct pollfd p = {.fd = c->pidfd, .events = POLLIN};
    int64_t deadline_ms = hf_clock_mono_ms(clock) + within_ms;
    int n;
    if (!c->pid)
        return true;
    do /* a signal is not its end */
        n = poll(&p, 1, hf_clock_left_ms(clock, deadline_ms));
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return false;
    reap(c);
    return true;
}

int hf_child_fail(struct hf_child *c, struct hf_err *err)
{
    char text[SAID_MAX + 1];
    ssize_t n = pread(c->said, text, SAID_MAX, 0);
    text[n > 0 ? n : 0] = '\0';
    const char *said = text + strspn(text, "\r\n");
    int len = (int)strcspn(said, "\r\n");
    int code = WIFSIGNALED(c->status) ? 128 + WTERMSIG(c->status) : WEXITSTATUS(c->status);
    return hf_fail(err, HF_E_PLUGIN, "'%s' ended with status %d%s%.*s", c->name, code,
                   len ? ": " : "", len, said);
}

int hf_child_finish(struct hf_child *c, int64_t within_ms, struct hf_err *err)
{
    if (!hf_child_wait(c, within_ms)) {
        kill(-c->pid, SIGKILL);
        reap(c);
        return hf_fail(err, HF_E_TIMEOUT, "'%s' did not end within %lld ms and was killed", c->name,
                       (long long)within_ms);
    }
    return c->status == 0 ? 0 : hf_child_fail(c, err);
}
