/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/signals.h"

#include <stdatomic.h>
#include <string.h>

static const int numbers[HF_SIGNALS_COUNT] = {SIGINT, SIGTERM, SIGHUP};

/* A signal handler gets nothing but a number: the one place where the program keeps state in
 * statics. */
static _Atomic(struct hf_cancel *) target;
static atomic_uint times_answered;

static void on_signal(int number)
{
    static const char again[] =
        "holdfast: already stopping; what was changed is being undone first\n";
    int saved = errno;
    struct hf_cancel *c = atomic_load(&target);
    bool is_again = hf_cancel_is_set(c);
    if (c)
        hf_cancel_signal(c, number);
    if (is_again && atomic_fetch_add(&times_answered, 1) == 0) {
        ssize_t n = write(STDERR_FILENO, again, strlen(again));
        (void)n; /* nobody left to tell */
    }
    errno = saved;
}

void hf_signals_install(struct hf_signals *s, struct hf_cancel *c)
{
    /* RESTART: the database's client library must not see its reads interrupted; whoever waits
     * polls. */
    struct sigaction act = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&act.sa_mask);
    atomic_store(&target, c);
    atomic_store(&times_answered, 0);
    for (size_t i = 0; i < HF_SIGNALS_COUNT; i++) {
        sigaction(numbers[i], NULL, &s->before[i]);
        if (s->before[i].sa_handler != SIG_IGN)
            sigaction(numbers[i], &act, NULL);
    }
    /* Whoever started us may have it ignored, and an ignored child's status is lost. */
    signal(SIGCHLD, SIG_DFL);
    s->is_installed = true;
}

void hf_signals_restore(struct hf_signals *s)
{
    if (!s->is_installed)
        return;
    for (size_t i = 0; i < HF_SIGNALS_COUNT; i++)
        sigaction(numbers[i], &s->before[i], NULL);
    atomic_store(&target, NULL);
    s->is_installed = false;
}
