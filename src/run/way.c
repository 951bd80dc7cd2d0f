/* SPDX-License-Identifier: Apache-2.0 */
#include "run/way.h"

#include "base/buf.h"
#include "guest/agent.h"
#include "guest/ssh.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOCKETS_MAX 8 /* of one run in one process */
#define CONNECT_MS 15000
/* A tunnel through the agent ends by itself in the guest after this much silence beyond a hold, which is silent while the
 * filesystems are frozen: a little more than the hold, and the lock is gone within hold-limit + 2 s when we are. */
#define LIFETIME_SLACK_MS 1000

static struct hf_hv *open_hv(const struct hf_env *env, const struct hf_config_vm *vm,
                             struct hf_err *err)
{
    const struct hf_config_hypervisor *h =
        hf_config_find_hypervisor(env->config, vm->hypervisor, err);
    return h ? hf_env_open_hv(env, h, err) : NULL;
}

static int open_agent(struct hf_way *way, const struct hf_env *env, struct hf_err *err)
{
    if (!way->hv)
        way->hv = open_hv(env, way->vm, err);
    return way->hv ? 0 : -1;
}

struct hf_ssh_target hf_way_ssh_target(const struct hf_config_vm *vm)
{
    return (struct hf_ssh_target){
        .user = vm->ssh.user,
        .host = vm->ssh.host,
        .port = vm->ssh.port,
        .key_file = vm->ssh_key,
        .known_hosts = vm->ssh_known_hosts,
        .connect_timeout_ms = CONNECT_MS,
    };
}

static int open_guest(struct hf_way *way, const struct hf_env *env, const char *vm_id,
                      const char *run_id, struct hf_err *err)
{
    struct hf_ssh_target ssh = hf_way_ssh_target(way->vm);
    if (way->guest || way->vm->guest == HF_GUEST_NONE)
        return 0;
    if (way->vm->guest == HF_GUEST_SSH)
        way->guest = hf_guest_ssh(&ssh, env->clock, env->log,
                                  hf_clock_mono_ms(env->clock) + CONNECT_MS, err);
    else if (open_agent(way, env, err) == 0)
        way->guest = hf_guest_agent(way->hv, vm_id, run_id, err);
    return way->guest ? 0 : -1;
}

/* Sockets of processes that were killed. The pid stands behind the last dot. */
static void sweep(const char *dir)
{
    DIR *d = opendir(dir);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        const char *dot = strrchr(e->d_name, '.');
        long pid = dot ? strtol(dot + 1, NULL, 10) : 0;
        if (pid > 0 && kill((pid_t)pid, 0) < 0 && errno == ESRCH)
            unlinkat(dirfd(d), e->d_name, 0);
    }
    if (d)
        closedir(d);
}

/* Its process may not have been waited for yet: the run's name decides. */
void hf_way_sweep(const struct hf_env *env, const char *run_id)
{
    HF_AUTOFREE char *path = hf_asprintf("%s/sockets", hf_env_state(env));
    DIR *d = path ? opendir(path) : NULL;
    size_t len = strlen(run_id);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        const char *dot = strrchr(e->d_name, '.');
        if (strncmp(e->d_name, run_id, len) == 0 && e->d_name[len] == '-' && dot &&
            strtol(dot + 1, NULL, 10) != getpid())
            unlinkat(dirfd(d), e->d_name, 0);
    }
    if (d)
        closedir(d);
}

/* Of the first name that is free: a run may have several ways at once. */
static char *free_name(const char *dir, const char *run_id, struct hf_err *err)
{
    for (unsigned n = 0; n < SOCKETS_MAX; n++) {
        HF_AUTOFREE char *path = hf_asprintf("%s/%s-%u.%d", dir, run_id, n, (int)getpid());
        if (!path) {
            hf_fail_nomem(err);
            return NULL;
        }
        if (access(path, F_OK) < 0)
            return HF_STEAL(path);
    }
    hf_fail(err, HF_E_INTERNAL, "more than %d ways to one database", SOCKETS_MAX);
    return NULL;
}

/* STATE/sockets, private; the socket is named after run and process, since coordinator and guardian have theirs. */
static char *socket_path(const struct hf_env *env, const char *run_id, struct hf_err *err)
{
    HF_AUTOFREE char *dir = hf_asprintf("%s/sockets", hf_env_state(env));
    if (!dir) {
        hf_fail_nomem(err);
        return NULL;
    }
    if (mkdir(dir, 0700) < 0 && errno != EEXIST) {
        hf_fail_sys(err, errno, "'%s'", dir);
        return NULL;
    }
    sweep(dir);
    return free_name(dir, run_id, err);
}

static int open_tunnel(struct hf_way *way, const struct hf_env *env, const char *vm_id,
                       const char *run_id, struct hf_err *err)
{
    const struct hf_db_address *db = &way->vm->db;
    struct hf_db_endpoint to = {.host = db->host, .port = db->port, .socket = db->socket};
    struct hf_ssh_target ssh = hf_way_ssh_target(way->vm);
    int64_t deadline_ms = hf_clock_mono_ms(env->clock) + CONNECT_MS;
    if (way->tunnel || (db->kind != HF_DB_SSH && db->kind != HF_DB_AGENT))
        return 0;
    way->socket = socket_path(env, run_id, err);
    if (!way->socket)
        return -1;
    if (db->kind == HF_DB_SSH)
        way->tunnel = hf_tunnel_ssh(&ssh, &to, way->socket, env->clock, env->log, deadline_ms, err);
    else if ((way->tunnel_hv = open_hv(env, way->vm, err)))
        way->tunnel =
            hf_tunnel_agent(way->tunnel_hv, vm_id, run_id, &to, way->socket, env->clock, env->log,
                            way->vm->hold_limit + LIFETIME_SLACK_MS, deadline_ms, err);

    return way->tunnel ? 0 : hf_wrap(err, "the way to the database of vm %s", way->vm->label);
}

int hf_way_open(struct hf_way *way, const struct hf_env *env, const struct hf_config_vm *vm,
                const char *vm_id, const char *run_id, int what, struct hf_err *err)
{
    way->vm = vm;
    if ((what & HF_WAY_AGENT) && open_agent(way, env, err) < 0)
        return -1;
    if ((what & HF_WAY_GUEST) && open_guest(way, env, vm_id, run_id, err) < 0)
        return hf_wrap(err, "the way into the guest of vm %s", vm->label);
    return what & HF_WAY_DB ? open_tunnel(way, env, vm_id, run_id, err) : 0;
}

void hf_way_close_db(struct hf_way *way)
{
    hf_tunnel_close(HF_STEAL(way->tunnel));
    hf_hv_close(HF_STEAL(way->tunnel_hv));
    free(HF_STEAL(way->socket));
}

void hf_way_close(struct hf_way *way)
{
    hf_way_close_db(way);
    hf_guest_close(way->guest);
    hf_hv_close(way->hv);
    *way = (struct hf_way){0};
}

bool hf_way_freezes(const struct hf_config_vm *vm)
{
    return vm->freeze == HF_FREEZE_YES;
}

int hf_way_check_freeze(const struct hf_hv *hv, const struct hf_config_vm *vm, struct hf_err *err)
{
    const struct hf_plugin *p = hf_hv_plugin(hv);
    if (!hf_way_freezes(vm) || p->capabilities & HF_CAN_GUEST_FREEZE)
        return 0;
    hf_fail(err, HF_E_UNSUPPORTED, "freeze = yes, and plugin '%s' cannot freeze a guest", p->name);
    return hf_hint(err, "Set 'freeze = no': quiesce = lock and quiesce = stop need no freeze.");
}

int hf_way_needed(const struct hf_config_vm *vm)
{
    int what = 0;
    if (vm->services.n || vm->quiesce == HF_QUIESCE_STOP || hf_way_freezes(vm))
        what |= HF_WAY_GUEST;
    if (hf_way_freezes(vm))
        what |= HF_WAY_AGENT;
    if (vm->quiesce == HF_QUIESCE_LOCK || vm->quiesce == HF_QUIESCE_LIGHT)
        what |= HF_WAY_DB;
    return what;
}

struct hf_db_target hf_way_db_target(const struct hf_way *way)
{
    const struct hf_db_address *db = &way->vm->db;
    struct hf_db_target t = {.defaults_file = way->vm->db_defaults_file};
    if (way->tunnel) {
        t.socket = way->socket;
    } else {
        t.host = db->host;
        t.port = db->port;
    }
    return t;
}
