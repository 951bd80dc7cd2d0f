/* SPDX-License-Identifier: Apache-2.0 */
#include "run/command.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/strv.h"
#include "run/command_keeper.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

struct started {
    pid_t pid, keeper;
    int pidfd;
};

/* ---- is there such a program? ----------------------------------------------------------- */

static bool is_program(const char *path)
{
    return access(path, X_OK) == 0;
}

static bool is_in_path(const char *name)
{
    const char *path = getenv("PATH");
    HF_AUTO(hf_strv) struct hf_strv folders = HF_STRV_INIT;
    if (hf_strv_split(&folders, path ? path : "/usr/bin:/bin", ':') < 0)
        return true; /* then the start will say it */
    for (size_t i = 0; i < folders.n; i++) {
        HF_AUTOFREE char *full = hf_asprintf("%s/%s", folders.items[i], name);
        if (full && is_program(full))
            return true;
    }
    return false;
}

int hf_command_check(const char *name, struct hf_err *err)
{
    if (strchr(name, '/') ? is_program(name) : is_in_path(name))
        return 0;
    return hf_fail(err, HF_E_CONFIG, "there is no program '%s'", name);
}

/* ---- start ------------------------------------------------------------------------------ */

/* After fork, before exec: async-signal-safe calls only, since the parent has threads. */
static _Noreturn void become_command(const char *const *argv, int go, int out, int err)
{
    char byte;
    sigset_t none;
    /* Not before somebody is there who reads the output: we may be dead by then. */
    if (read(go, &byte, 1) != 1 || dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0)
        _exit(127);
    close_range(STDERR_FILENO + 1, ~0U, 0);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGHUP, SIG_IGN);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

static int make_pipe(int fds[2], struct hf_err *err)
{
    return pipe2(fds, O_CLOEXEC) < 0 ? hf_fail_sys(err, errno, "a pipe for the command") : 0;
}

static int start_keeper(struct started *s, const struct hf_command *cmd, int log, int out,
                        int err_fd, struct hf_err *err)
{
    struct hf_keeper k = {.out = out,
                          .err = err_fd,
                          .command = s->pidfd,
                          .log = log,
                          .lock = cmd->lock_fd,
                          .to_out = cmd->out_to_stderr ? STDERR_FILENO : STDOUT_FILENO,
                          .max_log_bytes = cmd->max_log_bytes};
    s->keeper = fork();
    if (s->keeper < 0)
        return hf_fail_sys(err, errno, "start of the process that keeps the log");
    if (s->keeper == 0)
        hf_keeper_main(&k);
    return 0;
}

/* The command waits for the byte; without it, it never begins. */
static int start(struct started *s, const struct hf_command *cmd, int log, struct hf_err *err)
{
    int go[2], out[2], errs[2];
    if (make_pipe(go, err) < 0)
        return -1;
    HF_AUTOFD int go_read = go[0], go_write = go[1];
    if (make_pipe(out, err) < 0)
        return -1;
    HF_AUTOFD int out_read = out[0], out_write = out[1];
    if (make_pipe(errs, err) < 0)
        return -1;
    HF_AUTOFD int err_read = errs[0], err_write = errs[1];
    s->pid = fork();
    if (s->pid < 0)
        return hf_fail_sys(err, errno, "start of '%s'", cmd->argv[0]);
    if (s->pid == 0) {
        close(go_write); /* or it would wait for itself */
        become_command(cmd->argv, go_read, out_write, err_write);
    }
    s->pidfd = pidfd_open(s->pid, 0);
    if (s->pidfd < 0)
        return hf_fail_sys(err, errno, "cannot watch '%s'", cmd->argv[0]);
    close(HF_STEAL_FD(out_write)); /* while they are open, no stream ever ends */
    close(HF_STEAL_FD(err_write));
    if (start_keeper(s, cmd, log, out_read, err_read, err) < 0)
        return -1;
    if (write(go_write, "G", 1) != 1)
        return hf_fail_sys(err, errno, "start of '%s'", cmd->argv[0]);
    return 0;
}

/* ---- until it has ended ----------------------------------------------------------------- */

/* Somebody asks us to stop; the command is asked, and decides. */
static void hand_on(const struct started *s, int number, struct hf_command_result *out)
{
    if (number == SIGHUP) {
        out->has_lost_tty = true;
        return;
    }
    out->interrupted = number ? number : SIGINT;
    bool has_it = number == SIGINT && isatty(STDIN_FILENO);
    if (!has_it)
        kill(s->pid, out->interrupted);
}

static void wait_for_end(const struct hf_env *env, const struct started *s,
                         struct hf_command_result *out)
{
    struct pollfd fds[] = {{.fd = s->pidfd, .events = POLLIN},
                           {.fd = hf_cancel_fd(env->cancel), .events = POLLIN}};
    while (!fds[0].revents) {
        if (poll(fds, HF_ARRAY_SIZE(fds), -1) < 0) {
            fds[0].revents = 0;
            continue; /* EINTR: the descriptor says it, too */
        }
        if (fds[1].revents & POLLIN)
            hand_on(s, hf_cancel_clear(env->cancel), out);
    }
}

static int reap(pid_t pid)
{
    int status = 0;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int hf_command_run(const struct hf_env *env, const struct hf_command *cmd,
                   struct hf_command_result *out, struct hf_err *err)
{
    struct started s = {.pidfd = -1};
    *out = (struct hf_command_result){0};
    HF_AUTOFD int log =
        open(cmd->log_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (log < 0)
        return hf_fail_sys(err, errno, "create '%s'", cmd->log_path);
    int rc = start(&s, cmd, log, err);
    HF_AUTOFD int pidfd = s.pidfd;
    if (rc == 0)
        wait_for_end(env, &s, out);
    out->exit_status = reap(s.pid);
    reap(s.keeper); /* what it has still to say comes before what we say */
    if (rc == 0 && hf_cancel_is_set(env->cancel))
        hand_on(&s, hf_cancel_clear(env->cancel), out);
    return rc;
}
