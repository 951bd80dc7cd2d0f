/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include "cli/args.h"
#include "cli/help.h"
#include "cli/output.h"
#include "cli/signals.h"
#include "db/conn.h"
#include "net/ssh.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_CONFIG "/etc/holdfast/holdfast.conf"

static const char *config_path(const struct hf_cli_call *call)
{
    const char *from_env = secure_getenv("HOLDFAST_CONFIG");
    if (call->global[HF_GLOBAL_CONFIG].is_set)
        return call->global[HF_GLOBAL_CONFIG].text;
    return from_env && *from_env ? from_env : DEFAULT_CONFIG;
}

static enum hf_log_level log_level(const struct hf_cli_call *call)
{
    int64_t verbose = call->global[HF_GLOBAL_VERBOSE].number;
    if (verbose > 0)
        return verbose > 1 ? HF_LOG_DEBUG : HF_LOG_DETAIL;
    return call->global[HF_GLOBAL_QUIET].is_set ? HF_LOG_WARN : HF_LOG_INFO;
}

static struct hf_log *open_log(const struct hf_cli_call *call, struct hf_err *err)
{
    struct hf_log_opts opts = {.level = log_level(call),
                               .json = call->global[HF_GLOBAL_LOG_JSON].is_set,
                               .debug = getenv("HOLDFAST_DEBUG")};
    struct hf_log *log = hf_log_new(&opts);
    if (!log)
        hf_fail_nomem(err);
    return log;
}

static int find_self(char out[PATH_MAX], struct hf_err *err)
{
    ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);
    if (n < 0)
        return hf_fail_sys(err, errno, "finding the own executable in /proc");
    out[n] = '\0';
    return 0;
}

/* Libraries that want to be set up while there is one thread. */
static int run_with_libraries(const struct hf_verb *verb, struct hf_cli *cli,
                              const struct hf_cli_args *args, struct hf_err *err)
{
    if (hf_db_library_init(err) < 0)
        return -1;
    int result = hf_ssh_library_init(err) < 0 ? -1 : verb->run(cli, args, err);
    hf_ssh_library_end();
    hf_db_library_end();
    return result;
}

static bool needs_config(const struct hf_verb *verb, const struct hf_cli_args *args)
{
    return verb->needs_config || (verb->config_if && verb->config_if(args));
}

static int run_verb(const struct hf_cli_call *call, const char *program, struct hf_err *err)
{
    HF_AUTO(hf_cancel) struct hf_cancel *cancel = hf_cancel_new(err);
    HF_AUTO(hf_log) struct hf_log *log = cancel ? open_log(call, err) : NULL;
    HF_AUTO(hf_config) struct hf_config *config = NULL;
    HF_AUTO(hf_signals) struct hf_signals signals = {.is_installed = false};
    char self[PATH_MAX];
    const char *path = config_path(call);
    struct hf_cli_args args = {.n = call->n, .items = call->items, .values = call->values};

    if (!log || find_self(self, err) != 0)
        return -1;
    if (needs_config(call->verb, &args) && !(config = hf_config_load(path, err)))
        return -1;
    hf_signals_install(&signals, cancel);

    struct hf_cli cli = {.config_path = path,
                         .json = call->global[HF_GLOBAL_JSON].is_set,
                         .quiet = call->global[HF_GLOBAL_QUIET].is_set,
                         .config = config,
                         .log = log,
                         .cancel = cancel,
                         .clock = hf_clock_system(),
                         .program = program,
                         .self = self};
    if (!config)
        return call->verb->run(&cli, &args, err);
    return run_with_libraries(call->verb, &cli, &args, err);
}

static int print_help(const struct hf_verb *const *verbs, const struct hf_cli_call *call,
                      struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    if (call->verb)
        hf_help_verb(&text, call->verb);
    else
        hf_help_all(&text, verbs, call->group);
    return hf_cli_print(&text, err);
}

static int print_version(struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    hf_buf_printf(&text, "holdfast %s\n", HF_VERSION);
    return hf_cli_print(&text, err);
}

static int dispatch(const struct hf_verb *const *verbs, const struct hf_cli_call *call,
                    const char *program, struct hf_err *err)
{
    if (call->global[HF_GLOBAL_HELP].is_set)
        return print_help(verbs, call, err);
    if (call->global[HF_GLOBAL_VERSION].is_set)
        return print_version(err);
    if (hf_cli_check_words(verbs, call, err) != 0)
        return -1;
    return run_verb(call, program, err);
}

/* Started with one of them closed, a catalog or journal would get its number, and the next message
 * would be written into that file. */
static void open_standard_descriptors(void)
{
    int fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO)
        fd = dup(fd);
    if (fd > STDERR_FILENO)
        close(fd);
}

int hf_cli_run(const struct hf_verb *const *verbs, int argc, char **argv)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_cli_call) struct hf_cli_call call = {0};
    int status = -1;

    open_standard_descriptors();
    signal(SIGPIPE, SIG_IGN); /* a reader that left makes the write fail; it must not kill a run */
    if (hf_cli_parse(verbs, argc, argv, &call, &err) == 0)
        status = dispatch(verbs, &call, argc > 0 ? argv[0] : "holdfast", &err);
    if (status < 0 && err.cls == HF_E_NONE)
        hf_fail(&err, HF_E_INTERNAL, "failed without saying why");
    if (err.cls == HF_E_NONE)
        return status;
    hf_cli_print_error(&err, call.global[HF_GLOBAL_JSON].is_set);
    return hf_err_exit_status(&err);
}

int hf_cli_main(int argc, char **argv)
{
    return hf_cli_run(hf_verbs, argc, argv);
}
