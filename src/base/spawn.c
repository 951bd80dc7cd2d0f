/* SPDX-License-Identifier: Apache-2.0 */
#include "base/spawn.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

extern char **environ;

int hf_spawn_above_stdio(int fd)
{
    HF_AUTOFD int low = fd;
    if (low < 0 || low > STDERR_FILENO)
        return HF_STEAL_FD(low);
    return fcntl(low, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
}

int hf_spawn_reap(pid_t pid, int *out_status)
{
    while (waitpid(pid, out_status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return 0;
}

/* ---- environment ------------------------------------------------------------------------ */

static bool is_same_name(const char *a, const char *b)
{
    size_t len = strcspn(a, "=");
    return strncmp(a, b, len) == 0 && b[len] == '=';
}

static size_t count(const char *const *items)
{
    size_t n = 0;
    while (items && items[n])
        n++;
    return n;
}

static bool is_replaced(const char *own, const char *const *with)
{
    for (size_t i = 0; with && with[i]; i++)
        if (is_same_name(with[i], own))
            return true;
    return is_same_name("LC_ALL=", own);
}

/* posix_spawn's prototype is older than const; nothing writes to the strings. */
char **hf_spawn_environment(const char *const *with)
{
    const char *const *own = (const char *const *)environ;
    char **env = calloc(count(own) + count(with) + 2, sizeof *env);
    size_t at = 0;
    if (!env)
        return NULL;
    for (size_t i = 0; own[i]; i++)
        if (!is_replaced(own[i], with))
            env[at++] = environ[i];
    for (size_t i = 0; with && with[i]; i++)
        env[at++] = (char *)(uintptr_t)with[i];
    env[at] = (char *)(uintptr_t) "LC_ALL=C";
    return env;
}

/* ---- start ------------------------------------------------------------------------------ */

/* Returns an errno. A group of its own, so that a deadline reaches what the program started; no
 * blocked signal, and SIGPIPE as a program expects it, whatever this process chose for itself. */
static int set_attributes(posix_spawnattr_t *attr)
{
    sigset_t none, defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    int rc = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                                POSIX_SPAWN_SETSIGDEF);
    rc = rc ? rc : posix_spawnattr_setpgroup(attr, 0);
    rc = rc ? rc : posix_spawnattr_setsigmask(attr, &none);
    return rc ? rc : posix_spawnattr_setsigdefault(attr, &defaults);
}

static int set_actions(posix_spawn_file_actions_t *actions, const struct hf_spawn *how)
{
    int rc = posix_spawn_file_actions_adddup2(actions, how->in, STDIN_FILENO);
    rc = rc ? rc : posix_spawn_file_actions_adddup2(actions, how->out, STDOUT_FILENO);
    rc = rc ? rc : posix_spawn_file_actions_adddup2(actions, how->err, STDERR_FILENO);
    return rc ? rc : posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
}

/* Returns an errno, also that of the exec: posix_spawn waits until the program runs. It is safe in
 * a process with threads, which fork and code between fork and exec hardly are. */
static int start(const struct hf_spawn *how, char **env, pid_t *out_pid)
{
    posix_spawnattr_t attr;
    posix_spawn_file_actions_t actions;
    int rc = posix_spawnattr_init(&attr);
    if (rc != 0)
        return rc;
    rc = posix_spawn_file_actions_init(&actions);
    if (rc == 0) {
        rc = set_attributes(&attr);
        rc = rc ? rc : set_actions(&actions, how);
        rc = rc ? rc
                : posix_spawnp(out_pid, how->argv[0], &actions, &attr,
                               (char *const *)(uintptr_t)how->argv, env);
        posix_spawn_file_actions_destroy(&actions);
    }
    posix_spawnattr_destroy(&attr);
    return rc;
}

int hf_spawn(const struct hf_spawn *how, pid_t *out_pid, int *out_pidfd, struct hf_err *err)
{
    int status;
    pid_t pid = 0;
    HF_AUTOFREE char **env = hf_spawn_environment(how->with_env);
    if (!env)
        return hf_fail_nomem(err);
    int rc = start(how, env, &pid);
    if (rc != 0)
        return hf_fail_sys(err, rc, "cannot start '%s'", how->argv[0]);
    int fd = pidfd_open(pid, 0);
    if (fd < 0) {
        hf_fail_sys(err, errno, "cannot watch '%s'", how->argv[0]);
        kill(-pid, SIGKILL);
        hf_spawn_reap(pid, &status);
        return -1;
    }
    *out_pid = pid;
    *out_pidfd = fd;
    return 0;
}
