/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/daemon.h"
#include "daemon/loop.h"
#include "daemon/options.h"
#include "daemon/outward.h"

#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* Started with one of them closed, the catalog would get its number, and the next message would be written into it. */
static void open_standard_descriptors(void)
{
    int fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO)
        fd = dup(fd);
    if (fd > STDERR_FILENO)
        close(fd);
}

/* Whether stderr is the journal: systemd names it by device and inode. */
static bool is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long dev, ino;
    struct stat st;
    return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
           fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

/* Three for each run that goes on: what a process is given may be too few. A run gets what we were given (*out): more of them would
 * be a trap for what it starts itself. */
static int make_room(struct rlimit *out, struct hf_err *err)
{
    if (getrlimit(RLIMIT_NOFILE, out) < 0)
        return hf_fail_sys(err, errno, "limit of descriptors");
    const struct rlimit more = {out->rlim_max, out->rlim_max};
    (void)setrlimit(RLIMIT_NOFILE, &more);
    return 0;
}

/* `holdfast` beside our own executable. */
static int find_program(char out[PATH_MAX], struct hf_err *err)
{
    static const char name[] = "holdfast";
    ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - sizeof name);
    if (n < 0)
        return hf_fail_sys(err, errno, "finding the own executable in /proc");
    out[n] = '\0';
    memcpy(strrchr(out, '/') + 1, name, sizeof name);
    if (access(out, X_OK) < 0)
        return hf_fail_sys(err, errno, "the program of the runs, '%s'", out);
    return 0;
}

/* Runs get it as well, wherever they begin. To be freed. */
static char *absolute(const char *path)
{
    HF_AUTOFREE char *here = *path == '/' ? strdup("") : getcwd(NULL, 0);
    return here ? hf_asprintf("%s%s%s", here, *path == '/' ? "" : "/", path) : NULL;
}

static int check(const char *config_path, struct hf_err *err)
{
    HF_AUTO(hf_config) struct hf_config *config = hf_daemon_load_config(config_path, err);
    if (!config)
        return -1;
    printf("%s: %zu policies, %zu VMs\n", config_path, hf_config_policy_count(config),
           hf_config_vm_count(config));
    return 0;
}

static int run(const struct hf_daemon_call *call, const char *config_path, struct hf_err *err)
{
    char program[PATH_MAX];
    struct rlimit files;
    const struct hf_log_opts log_opts = {.level = call->is_set[HF_DAEMON_VERBOSE] ? HF_LOG_DETAIL
                                                                                  : HF_LOG_INFO,
                                         .journal = is_journal(),
                                         .debug = getenv("HOLDFAST_DEBUG")};
    HF_AUTO(hf_log) struct hf_log *log = hf_log_new(&log_opts);
    if (!log)
        return hf_fail_nomem(err);
    if (find_program(program, err) < 0 || make_room(&files, err) < 0 ||
        hf_loop_block_signals(err) < 0)
        return -1;
    HF_AUTO(hf_outward) struct hf_outward *outward = hf_outward_new(hf_clock_system(), log, err);
    if (!outward)
        return -1;
    const struct hf_daemon_hooks hooks = hf_outward_hooks(outward);
    const struct hf_daemon_opts opts = {.config_path = config_path,
                                        .program = program,
                                        .files = &files,
                                        .clock = hf_clock_system(),
                                        .log = log,
                                        .hooks = &hooks};
    HF_AUTO(hf_daemon) struct hf_daemon *d = hf_daemon_open(&opts, err);
    return d ? hf_loop_run(d, &opts, err) : -1;
}

static int print_help(struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    hf_daemon_options_help(&text);
    if (!hf_buf_ok(&text))
        return hf_fail_nomem(err);
    return fputs(hf_buf_str(&text), stdout) < 0 ? hf_fail_sys(err, errno, "standard output") : 0;
}

static int dispatch(const struct hf_daemon_call *call, struct hf_err *err)
{
    if (call->is_set[HF_DAEMON_HELP])
        return print_help(err);
    if (call->is_set[HF_DAEMON_VERSION])
        return printf("holdfastd %s\n", HF_VERSION) < 0 ? hf_fail_sys(err, errno, "standard output")
                                                        : 0;
    HF_AUTOFREE char *path = absolute(call->config);
    if (!path)
        return hf_fail_nomem(err);
    return call->is_set[HF_DAEMON_CHECK] ? check(path, err) : run(call, path, err);
}

int main(int argc, char **argv)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_daemon_call call;
    const struct rlimit none = {0, 0}; /* a core file could hold what belongs nowhere */
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)mallopt(M_ARENA_MAX, 1);
    open_standard_descriptors();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL); /* ignored, it would take the status of each run with it */
    if (hf_daemon_options_parse(argc, argv, &call, &err) == 0 && dispatch(&call, &err) == 0 &&
        fflush(stdout) == 0)
        return 0;
    if (err.cls == HF_E_NONE)
        hf_fail_sys(&err, errno, "standard output");
    fprintf(stderr, "holdfastd: %s\n", err.message);
    if (*err.hint)
        fprintf(stderr, "hint: %s\n", err.hint);
    return hf_err_exit_status(&err);
}
