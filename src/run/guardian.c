/* SPDX-License-Identifier: Apache-2.0 */
#include "run/guardian.h"

#include "base/point.h"
#include "catalog/journal.h"
#include "catalog/vmlock.h"
#include "run/effects.h"
#include "run/recover.h"
#include "run/run.h"
#include "run/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define GOODBYE_MS 5000

struct hf_guardian {
    pid_t pid;
    int life_fd;  /* our end of the pipe that it waits on */
    int ready_fd; /* "R", or the text of why it could not get ready */
    const struct hf_clock *clock;
    bool is_ready; /* it has said so: that is read once */
};

/* ---- the coordinator's side ------------------------------------------------------------- */

/* After fork, before exec: async-signal-safe calls only, since the parent has threads. */
static _Noreturn void become_guardian(const struct hf_env *env, const char *run_id,
                                      const int fds[3])
{
    /* execv's prototype is older than const; nothing writes to these. */
    char *const argv[] = {(char *)(uintptr_t)env->self,        (char[]){"-c"},
                          (char *)(uintptr_t)env->config_path, (char[]){"guardian"},
                          (char *)(uintptr_t)run_id,           NULL};
    int high[3];
    for (int i = 0; i < 3; i++) { /* out of the way of 3..5 first */
        high[i] = fcntl(fds[i], F_DUPFD, 16);
        if (high[i] < 0)
            _exit(127);
    }
    for (int i = 0; i < 3; i++)
        if (dup2(high[i], HF_GUARDIAN_FD_LIFE + i) < 0)
            _exit(127);
    /* Whoever reads the coordinator's output shall not wait for us; stderr stays, to say what was undone. */
    int nowhere = open("/dev/null", O_RDWR);
    if (nowhere < 0 || dup2(nowhere, STDIN_FILENO) < 0 || dup2(nowhere, STDOUT_FILENO) < 0)
        _exit(127);
    close_range(HF_GUARDIAN_FD_LOCK + 1, ~0U, 0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    execv(env->self, argv);
    _exit(127);
}

static int make_pipe(int fds[2], struct hf_err *err)
{
    if (pipe2(fds, O_CLOEXEC) < 0)
        return hf_fail_sys(err, errno, "pipe for the guardian");
    return 0;
}

struct hf_guardian *hf_guardian_start(const struct hf_env *env, const char *run_id, int lock_fd,
                                      struct hf_err *err)
{
    int life[2] = {-1, -1}, ready[2] = {-1, -1};
    HF_AUTOFREE struct hf_guardian *g = calloc(1, sizeof *g);
    if (!g) {
        hf_fail_nomem(err);
        return NULL;
    }
    if (make_pipe(life, err) < 0)
        return NULL;
    HF_AUTOFD int life_read = life[0], life_write = life[1];
    if (make_pipe(ready, err) < 0)
        return NULL;
    HF_AUTOFD int ready_read = ready[0], ready_write = ready[1];
    const int fds[3] = {life_read, ready_write, lock_fd};
    g->pid = fork();
    if (g->pid < 0) {
        hf_fail_sys(err, errno, "start of the guardian");
        return NULL;
    }
    if (g->pid == 0)
        become_guardian(env, run_id, fds);
    g->life_fd = HF_STEAL_FD(life_write);
    g->ready_fd = HF_STEAL_FD(ready_read);
    g->clock = env->clock;
    return HF_STEAL(g);
}

int hf_guardian_wait(struct hf_guardian *g, int64_t deadline_ms, struct hf_err *err)
{
    char answer[256] = "";
    struct pollfd p = {.fd = g->ready_fd, .events = POLLIN};
    int n;
    if (g->is_ready)
        return 0;
    do /* a signal asks, and is heeded later; the deadline stays */
        n = poll(&p, 1, hf_clock_left_ms(g->clock, deadline_ms));
    while (n < 0 && errno == EINTR);
    if (n == 0)
        return hf_fail(err, HF_E_TIMEOUT, "the guardian process did not get ready in time");
    ssize_t len = read(g->ready_fd, answer, sizeof answer - 1);
    g->is_ready = len > 0 && answer[0] == 'R';
    if (g->is_ready)
        return 0;
    hf_fail(err, HF_E_INTERNAL, "the guardian process did not start: %s",
            len > 0 ? answer : "it ended at once");
    return hf_hint(err, "Nothing is done without a guardian; it uses the same configuration and "
                        "rights as this command.");
}

void hf_guardian_dismiss(struct hf_guardian *g)
{
    if (!g)
        return;
    int saved = errno;
    int64_t deadline_ms = hf_clock_mono_ms(g->clock) + GOODBYE_MS;
    bool told = write(g->life_fd, "B", 1) == 1;
    close(g->life_fd);
    close(g->ready_fd);
    /* It closes two connections and leaves; if a hypervisor holds it up, it is left to itself. */
    while (told && waitpid(g->pid, NULL, WNOHANG) == 0 && !hf_clock_is_past(g->clock, deadline_ms))
        hf_clock_sleep_ms(g->clock, 2);
    free(g);
    errno = saved;
}

/* ---- the guardian's side ---------------------------------------------------------------- */

static void be_deaf(void)
{
    static const int deaf_to[] = {SIGINT,  SIGTERM, SIGHUP,  SIGPIPE,
                                  SIGQUIT, SIGUSR1, SIGUSR2, SIGTTOU};
    for (size_t i = 0; i < HF_ARRAY_SIZE(deaf_to); i++)
        signal(deaf_to[i], SIG_IGN);
}

struct charge { /* of the journal's "run" entry; borrowed from it */
    const char *verb, *vm, *hypervisor, *vm_id;
    int64_t is_sectionless; /* a machine of the run's own */
};

static int read_charge(struct hf_journal *j, struct charge *of, struct hf_err *err)
{
    struct json_object *data = hf_journal_run_data(j);
    if (hf_json_get_string(data, "verb", &of->verb, err) < 0 ||
        hf_json_get_string(data, "vm", &of->vm, err) < 0 ||
        hf_json_get_string(data, "hypervisor", &of->hypervisor, err) < 0 ||
        hf_json_get_string(data, "vm_id", &of->vm_id, err) < 0)
        return -1;
    return hf_json_opt_int(data, "sectionless", &of->is_sectionless, err);
}

static const struct hf_config_hypervisor *
find_hypervisor(struct hf_undo *u, const struct charge *of, struct hf_err *err)
{
    if (of->is_sectionless)
        return hf_config_find_hypervisor(u->env->config, of->hypervisor, err);
    u->vm = hf_config_find_vm(u->env->config, of->vm, err);
    return u->vm ? hf_config_find_hypervisor(u->env->config, u->vm->hypervisor, err) : NULL;
}

/* Opens what an undo will need, so that it starts without a connect. */
static int get_ready(struct hf_undo *u, const char *run_id, const struct charge *of,
                     struct hf_err *err)
{
    const struct hf_config_hypervisor *h = find_hypervisor(u, of, err);
    if (!h)
        return -1;
    u->hv = hf_env_open_hv(u->env, h, err);
    u->owns_hv = u->hv != NULL;
    if (!u->hv)
        return -1;
    /* These hold nothing in the guest, which may be broken or off. */
    if (of->is_sectionless || strcmp(of->verb, HF_VERB_ROLLBACK) == 0 ||
        strcmp(of->verb, HF_VERB_DELETE) == 0)
        return 0;
    if (hf_way_open(&u->way, u->env, u->vm, u->vm_id, run_id, hf_way_needed(u->vm), err) < 0)
        return -1;
    if (!(hf_way_needed(u->vm) & HF_WAY_DB))
        return 0;
    struct hf_db_target target = hf_way_db_target(&u->way);
    u->db = hf_db_open(&target, err);
    u->owns_db = u->db != NULL;
    return u->db ? 0 : -1;
}

/* false: nobody is there to hear it. A coordinator that died is seen on the other pipe as well. */
static bool tell(const char *text)
{
    bool is_told = write(HF_GUARDIAN_FD_READY, text, strlen(text)) >= 0;
    close(HF_GUARDIAN_FD_READY);
    return is_told;
}

/* The coordinator says it, once, and not at all if its run was over before we had begun. */
static int not_ready(struct hf_err *err)
{
    if (tell(err->message) || err->cls == HF_E_NOT_FOUND)
        hf_err_clear(err);
    return 1;
}

/* true: the run ended in order. */
static bool wait_for_the_end(void)
{
    char byte = 0;
    ssize_t n;
    do
        n = read(HF_GUARDIAN_FD_LIFE, &byte, 1);
    while (n < 0 && errno == EINTR);
    return n == 1 && byte == 'B';
}

int hf_guardian_main(const struct hf_env *env, const char *run_id, struct hf_err *err)
{
    HF_AUTO(hf_undo) struct hf_undo undo = {.env = env};
    be_deaf();
    HF_AUTO(hf_vmlock) struct hf_vmlock *lock = hf_vmlock_adopt(HF_GUARDIAN_FD_LOCK, err);
    HF_AUTO(hf_journal)
    struct hf_journal *j =
        lock ? hf_journal_open(hf_env_state(env), run_id, env->clock, err) : NULL;
    struct charge of = {0};
    if (!j || read_charge(j, &of, err) < 0)
        return not_ready(err);
    HF_AUTOFREE char *id = strdup(of.vm_id); /* the journal is closed before it is of use */
    if (!(undo.vm_id = id))
        hf_fail_nomem(err);
    if (!id || get_ready(&undo, run_id, &of, err) < 0)
        return not_ready(err);
    hf_journal_close(HF_STEAL(j));
    (void)tell("R");
    if (wait_for_the_end())
        return 0;
    hf_log(env->log, HF_LOG_WARN, "guardian",
           "the coordinator of run %s is dead: undoing what it did", run_id);
    HF_POINT("guardian.before_undo");
    const char *outcome = NULL;
    return hf_recover_run(&undo, run_id, &outcome, err) < 0 ? 1 : 0;
}
