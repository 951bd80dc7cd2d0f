/* SPDX-License-Identifier: Apache-2.0 */
#include "base/point.h"

#ifdef HF_POINTS

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/strv.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* What the environment asks for, read once: it stays the same for the life of the process. */
static struct {
    pthread_once_t once;
    struct hf_strv actions; /* "name=action" */
    const char *log_path;
    const char *once_dir;
} points = {.once = PTHREAD_ONCE_INIT};

/* A mistyped switch that did nothing would make a test pass that tests nothing. */
static void give_up(const char *what, const char *subject)
{
    fprintf(stderr, "kill points: %s: %s\n", what, subject);
    abort();
}

/* Milliseconds of "stall:MS", or -1. */
static int64_t stall_ms(const char *action)
{
    static const char prefix[] = "stall:";
    if (strncmp(action, prefix, sizeof prefix - 1) != 0)
        return -1;
    const char *digits = action + sizeof prefix - 1;
    char *end;
    int64_t ms = strtoll(digits, &end, 10);
    return *digits >= '0' && *digits <= '9' && *end == '\0' ? ms : -1;
}

static bool is_action(const char *action)
{
    return strcmp(action, "kill") == 0 || strcmp(action, "exit") == 0 ||
           strcmp(action, "error") == 0 || stall_ms(action) >= 0;
}

static void read_environment(void)
{
    const char *spec = getenv("HOLDFAST_POINT");
    points.log_path = getenv("HOLDFAST_POINT_LOG");
    points.once_dir = getenv("HOLDFAST_POINT_ONCE");
    if (spec && hf_strv_split(&points.actions, spec, ',') < 0)
        give_up("out of memory", spec);
    for (size_t i = 0; i < points.actions.n; i++) {
        const char *equals = strchr(points.actions.items[i], '=');
        if (!equals || !is_action(equals + 1))
            give_up("not NAME=kill|exit|error|stall:MS", points.actions.items[i]);
    }
}

/* The action for this point, or NULL. */
static const char *action_of(const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < points.actions.n; i++) {
        const char *item = points.actions.items[i];
        if (strncmp(item, name, len) == 0 && item[len] == '=')
            return item + len + 1;
    }
    return NULL;
}

/* One write per line, so that lines of several processes do not mix. */
static void log_visit(const char *name)
{
    HF_AUTOFD int fd = open(points.log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    HF_AUTOFREE char *line = hf_asprintf("%s\n", name);
    if (fd < 0 || !line || write(fd, line, strlen(line)) != (ssize_t)strlen(line))
        give_up("cannot record a visit", points.log_path);
}

/* With HOLDFAST_POINT_ONCE the first process that comes by acts, and leaves a file for the others.
 */
static bool is_first(const char *name)
{
    if (!points.once_dir)
        return true;
    HF_AUTOFREE char *path = hf_asprintf("%s/%s", points.once_dir, name);
    HF_AUTOFD int fd = path ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644) : -1;
    if (fd < 0 && errno != EEXIST)
        give_up("cannot leave a file", points.once_dir);
    return fd >= 0;
}

int hf_point_visit(const char *name, struct hf_err *err)
{
    pthread_once(&points.once, read_environment);
    if (points.log_path)
        log_visit(name);
    const char *action = action_of(name);
    if (!action || !is_first(name))
        return 0;
    if (strcmp(action, "kill") == 0)
        raise(SIGKILL);
    if (strcmp(action, "exit") == 0)
        _exit(HF_POINT_EXIT);
    if (strcmp(action, "error") == 0)
        return err ? hf_fail(err, HF_E_INTERNAL, "error injected at point %s", name) : 0;
    hf_clock_sleep_ms(hf_clock_system(), stall_ms(action));
    return 0;
}

#endif
