/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/serve.h"

#include "base/path.h"
#include "base/point.h"
#include "base/spawn.h"
#include "base/strv.h"
#include "restore/serve_intern.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define PLUGIN "holdfast-nbdkit-plugin.so"
#define WORDS_BYTES 65536
#define END_MS 2500 /* the server ends itself before */
#define KILL_MS 2000

/* ---- start ------------------------------------------------------------------------------ */

struct command {
    const struct hf_point_wish *wish;
    const char *disk;
    char *plugin, *config; /* paths */
    char *scratch;         /* "TMPDIR=…", or NULL: read only */
};

static void free_command(struct command *c)
{
    free(c->plugin);
    free(c->config);
    free(c->scratch);
}

static int find_files(const struct hf_env *env, struct command *c, struct hf_err *err)
{
    c->plugin = hf_path_join(hf_config_get_defaults(env->config)->plugin_dir, PLUGIN);
    c->config = realpath(env->config_path, NULL);
    if (!c->plugin)
        return hf_fail_nomem(err);
    if (!c->config)
        return hf_fail_sys(err, errno, "configuration '%s'", env->config_path);
    if (access(c->plugin, R_OK) == 0)
        return 0;
    hf_fail_sys(err, errno, "plugin '%s' for nbdkit", c->plugin);
    err->cls = HF_E_CONFIG;
    return hf_hint(err, "plugin-dir of [defaults] says where plugins are.");
}

static int add_parameter(struct hf_strv *argv, const char *key, const char *value)
{
    HF_AUTOFREE char *text = value ? hf_asprintf("%s=%s", key, value) : NULL;
    return !value ? 0 : text ? hf_strv_add(argv, text) : -1;
}

static int make_argv(const struct hf_serving *s, const struct command *c, struct hf_strv *argv)
{
    static const char *const fixed[] = {"nbdkit", "--foreground", "--exit-with-parent",
                                        "--newstyle", "--unix"};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < HF_ARRAY_SIZE(fixed); i++)
        rc = hf_strv_add(argv, fixed[i]);
    return rc | hf_strv_add(argv, s->socket) |
           hf_strv_add(argv, c->scratch ? "--filter=cow" : "--readonly") |
           hf_strv_add(argv, c->plugin) | add_parameter(argv, "config", c->config) |
           add_parameter(argv, "point", c->wish->text) | add_parameter(argv, "disk", c->disk) |
           add_parameter(argv, "store", c->wish->store) | add_parameter(argv, "leash", "stdin");
}

/* Cannot grow: what is written beyond its size is lost, and holds nobody up. */
static int open_words(struct hf_serving *s, struct hf_err *err)
{
    s->words = hf_spawn_above_stdio(memfd_create("nbdkit", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (s->words < 0 || ftruncate(s->words, WORDS_BYTES) < 0 ||
        fcntl(s->words, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) < 0)
        return hf_fail_sys(err, errno, "a file for what nbdkit says");
    return 0;
}

static int start(struct hf_serving *s, const struct command *c, struct hf_err *err)
{
    int ends[2];
    HF_AUTO(hf_strv) struct hf_strv argv = HF_STRV_INIT;
    const char *const with_env[] = {c->scratch, NULL};
    if (make_argv(s, c, &argv) != 0)
        return hf_fail_nomem(err);
    if (open_words(s, err) < 0)
        return -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return hf_fail_sys(err, errno, "a socket to nbdkit");
    s->leash = ends[0];
    HF_AUTOFD int other = hf_spawn_above_stdio(ends[1]);
    if (other < 0)
        return hf_fail_sys(err, errno, "a socket to nbdkit");
    const struct hf_spawn how = {.argv = (const char *const *)argv.items,
                                 .with_env = with_env,
                                 .in = other,
                                 .out = s->words,
                                 .err = s->words};
    if (HF_POINT_ERR("serve.before_start", err) < 0)
        return -1;
    if (hf_spawn(&how, &s->pid, &s->pidfd, err) == 0)
        return 0;
    if (err->cls == HF_E_NOT_FOUND)
        hf_hint(err, "Debian: apt install nbdkit.");
    err->cls = HF_E_PLUGIN;
    return -1;
}

static struct hf_serving *serving_new(const struct hf_env *env, struct hf_err *err)
{
    struct hf_serving *s = calloc(1, sizeof *s);
    if (!s) {
        hf_fail_nomem(err);
        return NULL;
    }
    s->env = env;
    s->lock_fd = s->pidfd = s->leash = s->words = -1;
    s->first.struct_size = sizeof s->first;
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

struct hf_serving *hf_serve_begin(const struct hf_env *env, const struct hf_point_wish *wish,
                                  const char *disk, const struct hf_serve_opts *opts,
                                  struct hf_err *err)
{
    HF_AUTO(hf_serving) struct hf_serving *s = serving_new(env, err);
    __attribute__((cleanup(free_command))) struct command c = {.wish = wish, .disk = disk};
    if (!s || find_files(env, &c, err) < 0 ||
        (opts->is_writable && !(c.scratch = hf_serve_scratch(err))) ||
        hf_serve_socket_claim(s, opts->socket, err) < 0 || start(s, &c, err) < 0 ||
        HF_POINT_ERR("serve.after_start", err) < 0 || hf_serve_await(s, err) < 0 ||
        hf_serve_socket_try(s, err) < 0 || HF_POINT_ERR("serve.before_ready", err) < 0 ||
        hf_serve_relay_start(s, err) < 0)
        return NULL;
    hf_serve_socket_let_go(s);
    return HF_STEAL(s);
}

/* ---- while it serves -------------------------------------------------------------------- */

struct hf_serving *hf_serve_begin_open(const struct hf_env *env, const struct hf_open_point *p,
                                       const char *disk, const char *socket, struct hf_err *err)
{
    const struct hf_point_name *point = &p->manifest.point;
    HF_AUTOFREE char *name = hf_asprintf("%s/%s", point->vm, point->id);
    const struct hf_point_wish wish = {.text = name, .store = p->config->label};
    const struct hf_serve_opts how = {.socket = socket, .is_writable = true};
    if (!name) {
        hf_fail_nomem(err);
        return NULL;
    }
    struct hf_serving *s = hf_serve_begin(env, &wish, disk, &how, err);
    if (!s)
        hf_wrap(err, "disk %s", disk);
    return s;
}

const char *hf_serve_uri(const struct hf_serving *s)
{
    return s->uri;
}

void hf_serve_facts(const struct hf_serving *s, struct hf_serve_facts *out)
{
    *out = (struct hf_serve_facts){.uri = s->uri,
                                   .socket = s->socket,
                                   .point = s->point,
                                   .vm = s->vm,
                                   .disk = s->disk,
                                   .store = s->store,
                                   .bytes = s->bytes};
}

int hf_serve_check(struct hf_serving *s, struct hf_err *err)
{
    pthread_mutex_lock(&s->lock);
    bool is_bad = s->first.cls != HF_E_NONE;
    if (is_bad)
        hf_err_copy(err, &s->first);
    pthread_mutex_unlock(&s->lock);
    return is_bad ? -1 : 0;
}

int hf_serve_fd(const struct hf_serving *s)
{
    return s->pidfd;
}

/* ---- end -------------------------------------------------------------------------------- */

static bool ends_within(const struct hf_serving *s, int64_t ms)
{
    int64_t deadline_ms = hf_clock_mono_ms(s->env->clock) + ms;
    struct pollfd p = {.fd = s->pidfd, .events = POLLIN};
    int n;
    do
        n = poll(&p, 1, hf_clock_left_ms(s->env->clock, deadline_ms));
    while (n < 0 && errno == EINTR);
    return n > 0;
}

void hf_serve_end(struct hf_serving *s)
{
    int status;
    if (s->pid <= 0)
        return;
    HF_POINT("serve.before_end");
    hf_serve_socket_remove(s); /* nobody new */
    shutdown(s->leash, SHUT_WR);
    if (!ends_within(s, END_MS)) {
        kill(-s->pid, SIGKILL);
        (void)ends_within(s, KILL_MS);
    }
    hf_spawn_reap(s->pid, &status);
    s->pid = 0;
    hf_serve_socket_remove(s); /* it may have come only now */
    s->is_claimed = false;
    if (s->is_relayed)
        pthread_join(s->relay, NULL);
    s->is_relayed = false;
}

void hf_serving_free(struct hf_serving *s)
{
    if (!s)
        return;
    hf_serve_end(s);
    hf_serve_socket_let_go(s);
    int fds[] = {s->pidfd, s->leash, s->words};
    for (size_t i = 0; i < HF_ARRAY_SIZE(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    char *texts[] = {s->socket, s->uri, s->lock_path, s->point, s->vm, s->disk, s->store};
    for (size_t i = 0; i < HF_ARRAY_SIZE(texts); i++)
        free(texts[i]);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
