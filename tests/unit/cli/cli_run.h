/* SPDX-License-Identifier: Apache-2.0
 *
 * cli_run.h - one command line in a child process, with what it printed.
 */
#ifndef CLI_RUN_H
#define CLI_RUN_H

#include "base/buf.h"
#include "base/path.h"
#include "cli/cli.h"
#include "harness/hf_test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct cli_run {
    int status; /* exit status, or -signal */
    char *out, *err;
};

static inline void cli_run_free(struct cli_run *r)
{
    free(r->out);
    free(r->err);
}
HF_DEFINE_AUTO_VALUE(cli_run, cli_run_free)

static inline char *cli_read(const char *path)
{
    struct hf_err err = HF_ERR_INIT;
    char *text = hf_path_read(path, 1 << 20, NULL, &err);
    assert_hf_got(text, &err);
    return text;
}

/* stdout goes to `out_path` (NULL: is caught). The words of `line` are separated by single blanks.
 */
static inline struct cli_run cli_run_to(void **state, const struct hf_verb *const *verbs,
                                        const char *line, const char *out_path)
{
    const char *out = hf_test_file(state, "stdout", "", 0600);
    const char *err = hf_test_file(state, "stderr", "", 0600);
    struct cli_run r = {0};
    pid_t child = fork();
    if (child == 0) {
        char *argv[32] = {0};
        int argc = 0;
        HF_AUTOFREE char *text = strdup(line);
        for (char *save = NULL, *w = strtok_r(text, " ", &save); w && argc < 31;
             w = strtok_r(NULL, " ", &save))
            argv[argc++] = w;
        if (!freopen(out_path ? out_path : out, "w", stdout) || !freopen(err, "w", stderr))
            _exit(99);
        int status = hf_cli_run(verbs, argc, argv);
        exit(status); /* not _exit: a sanitizer looks for leaks at exit */
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &r.status, 0), child);
    r.status = WIFEXITED(r.status) ? WEXITSTATUS(r.status) : -WTERMSIG(r.status);
    r.out = cli_read(out);
    r.err = cli_read(err);
    return r;
}

static inline struct cli_run cli_run(void **state, const struct hf_verb *const *verbs,
                                     const char *line)
{
    return cli_run_to(state, verbs, line, NULL);
}

#endif
