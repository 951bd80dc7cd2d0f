/* SPDX-License-Identifier: Apache-2.0
 *
 * From a machine that boots to a session with its database: state, agent, tunnel, log-in, tried again until drill-timeout.
 */
#include "base/thread.h"
#include "db/server.h"
#include "db/stream.h"
#include "drill/drill_intern.h"

#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define LOOK_MS 10000
#define AGAIN_MS 500
#define CONNECT_S 20
#define STATEMENT_S                                                                                \
    (24 * 60 *                                                                                     \
     60) /* CHECK TABLE of a large table says nothing for hours; the watch looks meanwhile */
#define WATCH_MS 1000

/* ---- the watch -------------------------------------------------------------------------- */

static bool are_disks_fine(const struct drill *d)
{
    struct hf_err ignored = HF_ERR_INIT; /* told later */
    for (size_t i = 0; i < d->n_serving; i++)
        if (hf_serve_check(d->serving[i], &ignored) < 0)
            return false;
    return true;
}

static void *watch(void *drill)
{
    struct drill *d = drill;
    struct pollfd fds[] = {{.fd = d->watch.wake_fd, .events = POLLIN},
                           {.fd = hf_cancel_fd(d->env->cancel), .events = POLLIN}};
    for (;;) {
        int n = poll(fds, HF_ARRAY_SIZE(fds), WATCH_MS);
        if (n > 0 && fds[0].revents)
            return NULL;
        if (hf_cancel_is_set(d->env->cancel) || !are_disks_fine(d)) {
            hf_db_cut(d->watch.conn);
            return NULL;
        }
    }
}

static int begin_watch(struct drill *d, struct hf_err *err)
{
    d->watch.conn = d->db;
    d->watch.wake_fd = eventfd(0, EFD_CLOEXEC);
    if (d->watch.wake_fd < 0) {
        d->watch.conn = NULL;
        return hf_fail_sys(err, errno, "an eventfd");
    }
    int rc = hf_thread_start(&d->watch.thread, watch, d);
    if (rc == 0)
        return 0;
    close(d->watch.wake_fd);
    d->watch.conn = NULL;
    return hf_fail_sys(err, rc, "a thread");
}

static void end_watch(struct drill *d)
{
    if (!d->watch.conn)
        return;
    eventfd_write(d->watch.wake_fd, 1);
    pthread_join(d->watch.thread, NULL);
    close(d->watch.wake_fd);
    d->watch.conn = NULL;
}

void drill_close_db(struct drill *d)
{
    end_watch(d);
    hf_db_close(HF_STEAL(d->db));
}

int drill_heed(struct drill *d, const struct hf_err *why, struct hf_err *err)
{
    if (hf_cancel_check(d->env->cancel, err) < 0)
        return -1;
    if (why->cls == HF_E_UNREACHABLE || why->cls == HF_E_TIMEOUT)
        drill_close_db(d);
    return 0;
}

/* ---- one try ---------------------------------------------------------------------------- */

/* A machine that has ended is gone for good: it is transient. */
static int look_at_machine(struct drill *d, bool *is_gone, struct hf_err *err)
{
    HF_AUTO(hf_vm_copy) struct hf_vm_copy vm = {0};
    struct hf_hv_call call = hf_env_call(d->env, d->run.id, LOOK_MS);
    d->is_deaf = hf_hv_vm_find(d->run.hv, &call, d->plan.vm_id, &vm, err) < 0;
    if (d->is_deaf) {
        *is_gone = err->cls == HF_E_NOT_FOUND;
        d->is_deaf = !*is_gone;
        return -1;
    }
    if (vm.state == HF_VM_PAUSED) {
        d->is_deaf = true;
        return hf_fail(
            err, HF_E_NOSPACE,
            "the hypervisor has paused the machine: what it writes finds no room (tmpfs), "
            "or somebody paused it");
    }
    if (vm.state == HF_VM_OFF || vm.state == HF_VM_CRASHED) {
        *is_gone = true;
        return hf_fail(err, HF_E_CORRUPT, "the machine has ended by itself: the guest %s",
                       vm.state == HF_VM_CRASHED ? "crashed" : "stopped or restarted");
    }
    if (!vm.has_agent)
        return hf_fail(err, HF_E_TIMEOUT,
                       "the machine runs, and the agent in its guest does not answer");
    call = hf_env_call(d->env, d->run.id, LOOK_MS);
    if (d->agent_ms == 0 && hf_hv_guest_ping(d->run.hv, &call, d->plan.vm_id, err) < 0)
        return -1;
    if (d->agent_ms == 0) {
        d->agent_ms = hf_clock_mono_ms(d->env->clock);
        drill_quiet(d);
    }
    return 0;
}

static int try_db(struct drill *d, struct hf_err *err)
{
    if (hf_way_open(&d->way, d->env, &d->vm, d->plan.vm_id, d->run.id, HF_WAY_DB, err) < 0)
        return -1;
    struct hf_db_target target = hf_way_db_target(&d->way);
    target.connect_timeout_s = CONNECT_S;
    target.io_timeout_s = STATEMENT_S;
    target.compress = true;
    d->db = hf_db_open(&target, err);
    if (d->db)
        return 0;
    struct hf_err trouble = HF_ERR_INIT;
    if (hf_tunnel_trouble(d->way.tunnel, &trouble))
        hf_err_copy(err, &trouble);
    hf_way_close_db(&d->way);
    return -1;
}

static int try_once(struct drill *d, bool *is_over, struct hf_err *err)
{
    if (look_at_machine(d, is_over, err) < 0)
        return -1;
    if (try_db(d, err) == 0)
        return 0;
    d->is_deaf = err->cls == HF_E_CONFIG;                        /* something on this host */
    *is_over = err->cls == HF_E_AUTH || err->cls == HF_E_CONFIG; /* no time mends that */
    return -1;
}

/* ---- until it answers ------------------------------------------------------------------- */

/* Nothing is to cut a long read short, and what is counted is of one moment. */
static int set_session(struct drill *d, struct hf_err *err)
{
    const char *limit =
        hf_db_server(d->db)->flavour == HF_DB_MARIADB
            ? "SET SESSION max_statement_time = 0, wait_timeout = 86400, net_write_timeout = 3600"
            : "SET SESSION max_execution_time = 0, wait_timeout = 86400, net_write_timeout = 3600";
    if (hf_db_exec(d->db, limit, err) < 0 ||
        hf_db_exec(d->db, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", err) < 0)
        return -1;
    return hf_db_exec(d->db, "START TRANSACTION WITH CONSISTENT SNAPSHOT", err);
}

static int begin_session(struct drill *d, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    d->recovered_ms = hf_clock_mono_ms(d->env->clock);
    d->is_up = true;
    if (begin_watch(d, err) < 0)
        return -1;
    if (set_session(d, &why) == 0) {
        hf_drill_note(&d->checks, "database", HF_DRILL_OK,
                      "%s answers %" PRId64 " ms after the machine's start",
                      hf_db_server(d->db)->text, d->recovered_ms - d->started_ms);
        return 0;
    }
    hf_drill_note(&d->checks, "database", HF_DRILL_FAILED, "%s", why.message);
    return drill_heed(d, &why, err);
}

static void note_silence(struct drill *d, bool is_over, const struct hf_err *why)
{
    int64_t waited_ms = hf_clock_mono_ms(d->env->clock) - d->started_ms;
    hf_drill_note(&d->checks, "database", HF_DRILL_FAILED, "%s after %" PRId64 " s: %s%s%s",
                  is_over ? "it cannot be asked" : "no answer", waited_ms / 1000, why->message,
                  d->agent_ms ? "; the guest's agent answered" : "",
                  why->hint[0] && is_over ? " (see the log)" : "");
    hf_log_err(d->env->log, HF_LOG_ERROR, "drill", why);
}

int drill_await_db(struct drill *d, struct hf_err *err)
{
    int64_t until_ms = d->started_ms + d->vm.drill_timeout;
    bool is_over = false;
    for (;;) {
        struct hf_err why = HF_ERR_INIT;
        if (try_once(d, &is_over, &why) == 0)
            return begin_session(d, err);
        hf_log(d->env->log, HF_LOG_DETAIL, "drill", "not yet: %s", why.message);
        if (hf_cancel_check(d->env->cancel, err) < 0)
            return -1;
        int rc = drill_note_disks(d, err);
        if (rc != 0)
            return rc < 0 ? -1 : 0;
        bool is_late = is_over || hf_clock_is_past(d->env->clock, until_ms);
        if (is_late && d->is_deaf) {
            hf_err_copy(err, &why);
            return hf_wrap(err, "machine %s", d->name);
        }
        if (is_late) {
            note_silence(d, is_over, &why);
            return 0;
        }
        hf_cancel_sleep(d->env->cancel, d->env->clock, AGAIN_MS);
    }
}
