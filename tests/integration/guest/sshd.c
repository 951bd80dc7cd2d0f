/* SPDX-License-Identifier: Apache-2.0 */
#include "integration/guest/sshd.h"

#include "base/buf.h"
#include "base/path.h"
#include "base/proc.h"
#include "integration/caretaker.h"
#include "integration/db/server.h"
#include "integration/need.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_WITHIN_MS 15000

/* Keys, files and configuration. $1 directory, $2 port, $3 further lines. */
static const char prepare[] =
    "set -e; cd \"$1\"; umask 077; mkdir -p /run/sshd\n"
    "for t in ed25519 rsa ecdsa; do ssh-keygen -q -t $t -N '' -f host_$t; ssh-keygen -q -t $t -N "
    "'' -f user_$t; done\n"
    "ssh-keygen -q -t ed25519 -N '' -f other; ssh-keygen -q -t ed25519 -N secret -f locked\n"
    "ssh-keygen -q -t ed25519 -N '' -f forced\n"
    "cat user_*.pub locked.pub >authorized_keys\n"
    "printf 'command=\"echo only this\" ' >>authorized_keys; cat forced.pub >>authorized_keys\n"
    "for t in ed25519 rsa ecdsa; do printf '[127.0.0.1]:%s ' \"$2\"; cat host_$t.pub; done "
    ">known_hosts\n"
    "cat >sshd_config <<END\n"
    "Port $2\nListenAddress 127.0.0.1\nHostKey $1/host_ed25519\nHostKey $1/host_rsa\nHostKey "
    "$1/host_ecdsa\n"
    "PidFile none\nAuthorizedKeysFile $1/authorized_keys\nStrictModes no\nUsePAM "
    "no\nPermitRootLogin yes\n"
    "PasswordAuthentication no\nKbdInteractiveAuthentication no\nUseDNS no\nMaxStartups "
    "100\n$3\nEND\n";

static void make_files(struct hf_test_sshd *s, const char *config)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_proc_result) struct hf_proc_result r = {0};
    char port[8];
    snprintf(port, sizeof port, "%u", s->port);
    const char *const argv[] = {"sh", "-c", prepare, "sh", s->dir, port, config, NULL};
    struct hf_proc_request req = {.argv = argv, .timeout_ms = 60000};
    if (hf_proc_run(&req, &r, &err))
        hf_fixture_failed("sshd", err.message);
    if (r.exit_code)
        hf_need_missing("sshd", hf_buf_str(&r.err));
}

/* ---- the caretaker: only system calls from here on, it is a fork of the test ---------------- */

/* Parent and name of a process; 0: gone. */
static pid_t parent_of(const char *pid, bool *out_is_sshd)
{
    char path[300], stat[512] = "";
    int ppid = 0;
    snprintf(path, sizeof path, "/proc/%s/stat", pid);
    HF_AUTOFD int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, stat, sizeof stat - 1) <= 0 || !strrchr(stat, ')'))
        return 0;
    *out_is_sshd = strstr(stat, "(sshd") != NULL;
    sscanf(strrchr(stat, ')'), ") %*c %d", &ppid);
    return ppid;
}

/* SIGKILL to what descends from parent, only as far as it is called sshd, or all. */
static void kill_children(pid_t parent, bool all)
{
    DIR *proc = opendir("/proc");
    for (struct dirent *e; proc && (e = readdir(proc));) {
        bool is_sshd = false;
        if (atoi(e->d_name) <= 0 || parent_of(e->d_name, &is_sshd) != parent || (!is_sshd && !all))
            continue;
        kill_children(atoi(e->d_name), all);
        kill(atoi(e->d_name), SIGKILL);
    }
    if (proc)
        closedir(proc);
}

static pid_t spawn(const struct hf_test_sshd *s, const char *program)
{
    char config[128], log[128];
    snprintf(config, sizeof config, "%s/sshd_config", s->dir);
    snprintf(log, sizeof log, "%s/log", s->dir);
    pid_t caretaker = getpid(), pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != caretaker)
        _exit(126);
    execl(program, program, "-D", "-f", config, "-E", log, (char *)NULL);
    _exit(127);
}

struct cared { /* what the caretaker needs */
    const struct hf_test_sshd *s;
    const char *program;
};

static void take_care(const void *ctx, int fd)
{
    const struct cared *c = ctx;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid_t pid = spawn(c->s, c->program);
    if (write(fd, &pid, sizeof pid) == sizeof pid)
        hf_caretaker_wait(fd);
    /* With what the sessions left behind. */
    do
        kill_children(getpid(), true);
    while (waitpid(-1, NULL, 0) > 0);
    hf_caretaker_remove(c->s->dir);
}

/* ---- the test's side ------------------------------------------------------------------------- */

static void wait_for_sshd(const struct hf_test_sshd *s)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_ssh_target t = hf_test_ssh_target(s);
    int64_t deadline_ms = hf_clock_mono_ms(hf_clock_system()) + START_WITHIN_MS;
    while (!hf_clock_is_past(hf_clock_system(), deadline_ms)) {
        HF_AUTO(hf_guest)
        struct hf_guest *g = hf_guest_ssh(&t, hf_clock_system(), NULL, deadline_ms, &err);
        if (g)
            return;
        hf_clock_sleep_ms(hf_clock_system(), 50);
    }
    HF_AUTOFREE char *path = hf_path_join(s->dir, "log");
    struct hf_err ignored = HF_ERR_INIT;
    HF_AUTOFREE char *log = path ? hf_path_read(path, 1 << 20, NULL, &ignored) : NULL;
    printf("%s\n", log ? log : "");
    hf_fixture_failed("no login at sshd", err.message);
}

void hf_test_sshd_start(struct hf_test_sshd *s, const char *config)
{
    char program[128];
    const struct passwd *me = getpwuid(geteuid());
    *s = (struct hf_test_sshd){.port = hf_test_free_port()};
    hf_need_program("sshd", "sshd", program, sizeof program);
    if (geteuid() != 0 || !me)
        hf_need_missing("sshd", "only root can start it");
    snprintf(s->user, sizeof s->user, "%s", me->pw_name);
    snprintf(s->dir, sizeof s->dir, "/tmp/hf-ssh-XXXXXX");
    if (!mkdtemp(s->dir))
        hf_fixture_failed(s->dir, strerror(errno));
    snprintf(s->key, sizeof s->key, "%s/user_ed25519", s->dir);
    snprintf(s->known_hosts, sizeof s->known_hosts, "%s/known_hosts", s->dir);
    make_files(s, config);
    s->caretaker_fd = hf_caretaker_start(take_care, &(struct cared){.s = s, .program = program});
    if (read(s->caretaker_fd, &s->pid, sizeof s->pid) != sizeof s->pid)
        hf_fixture_failed("caretaker", "it is gone");
    wait_for_sshd(s);
}

void hf_test_sshd_stop(struct hf_test_sshd *s)
{
    char byte;
    shutdown(s->caretaker_fd, SHUT_WR);
    while (read(s->caretaker_fd, &byte, 1) > 0)
        continue;
    close(s->caretaker_fd);
}

void hf_test_sshd_cut(struct hf_test_sshd *s)
{
    kill_children(s->pid, false);
}

struct hf_ssh_target hf_test_ssh_target(const struct hf_test_sshd *s)
{
    return (struct hf_ssh_target){.user = s->user,
                                  .host = "127.0.0.1",
                                  .port = s->port,
                                  .key_file = s->key,
                                  .known_hosts = s->known_hosts};
}

int hf_test_count_fds(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}
