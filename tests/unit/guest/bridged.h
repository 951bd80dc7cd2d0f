/* SPDX-License-Identifier: Apache-2.0
 *
 * The world of test_tunnel_agent.c: bridges that run here. A channel whose guest is this machine, with /run in a directory
 * of the case, two scripts that stand for systemd-run and systemctl, and a database that is a listening socket.
 */
#ifndef HF_TEST_BRIDGED_H
#define HF_TEST_BRIDGED_H

#include "base/proc.h"
#include "guest/tunnel.h"
#include "guest/tunnel_agent.h"
#include "guest/tunnel_bridge.h"
#include "harness/hf_test.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define RUN "hf-20261123T030000Z-7f3a9c21"
#define SOON_MS 30000
#define MUCH ((size_t)200000)

/* A unit is a session of its own; when its first process has ended, so do the others, and its directory goes. */
static const char systemd_run[] =
    "#!/bin/sh\n"
    "while case $1 in --unit=*) u=${1#--unit=};; --*) ;; *) false;; esac; do shift; done\n"
    "mkdir -m 700 \"$HFT_RUN/$u\" || exit\n"
    "setsid sh -c 'd=$1; shift; echo $$ >\"$d/.pid\"; \"$@\"; trap \"\" TERM; kill -TERM 0; rm -rf "
    "\"$d\"' "
    "sh \"$HFT_RUN/$u\" \"$@\" >/dev/null 2>&1 </dev/null &\n";

static const char systemctl[] =
    "#!/bin/bash\n"
    "[ \"$1\" = stop ] || exit 0\n"
    "for d in \"$HFT_RUN\"/${3%.service}; do\n"
    "  [ ! -s \"$d/.pid\" ] || kill -KILL -- \"-$(cat \"$d/.pid\")\"; rm -rf \"$d\"\n"
    "done\n";

/* The guest, and what is wrong with it. */
struct fake {
    char run[200], path[400];
    atomic_int n_calls;
    atomic_int fails;      /* class of every call's failure, nothing is done; 0: works */
    atomic_int lies_every; /* each so many-th call is done, and said to be lost */
    atomic_int has_no_files;
    atomic_int is_endless; /* files have no end */
    atomic_int exit_code;  /* of programs; 0: what they say */
};

static char *in_run(const struct fake *f, const char *s)
{
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    for (const char *at; (at = strstr(s, "/run/")); s = at + 5) {
        hf_buf_add(&b, s, (size_t)(at - s));
        hf_buf_printf(&b, "%s/", f->run);
    }
    hf_buf_str_add(&b, s);
    return hf_buf_steal(&b);
}

static int refuse(struct fake *f, struct hf_err *err)
{
    f->n_calls++;
    if (!f->fails)
        return 0;
    return hf_fail(err, (enum hf_err_class)f->fails, "the agent is in frozen state");
}

static int answer(struct fake *f, struct hf_err *err)
{
    if (f->lies_every && f->n_calls % f->lies_every == 0)
        return hf_fail(err, HF_E_TIMEOUT, "no answer in time");
    return 0;
}

static int fake_exec(void *self, const struct hf_guest_cmd *cmd, struct hf_hv_exec_result *out,
                     struct hf_err *err)
{
    struct fake *f = self;
    HF_AUTO(hf_strv) struct hf_strv argv = HF_STRV_INIT;
    HF_AUTO(hf_proc_result) struct hf_proc_result r = {0};
    if (refuse(f, err) < 0)
        return -1;
    int rc = hf_strv_add(&argv, "env") | hf_strv_add(&argv, f->path) |
             hf_strv_take(&argv, hf_asprintf("HFT_RUN=%s", f->run));
    for (size_t i = 0; cmd->argv[i]; i++)
        rc |= hf_strv_take(&argv, in_run(f, cmd->argv[i]));
    assert_int_equal(rc, 0);
    struct hf_proc_request req = {.argv = (const char *const *)argv.items, .timeout_ms = 20000};
    if (hf_proc_run(&req, &r, err) < 0)
        return -1;
    out->exit_code = f->exit_code ? f->exit_code : r.exit_code;
    hf_buf_add(&out->err, r.err.data, r.err.len);
    return 0;
}

static int fake_read(void *self, const char *path, size_t max_bytes, int64_t deadline_ms,
                     struct hf_buf *out, struct hf_err *err)
{
    struct fake *f = self;
    static const char block[65536];
    char chunk[65536];
    (void)deadline_ms;
    if (f->has_no_files)
        return hf_fail(err, HF_E_UNSUPPORTED, "guest-file-open has been disabled");
    if (refuse(f, err) < 0)
        return -1;
    HF_AUTOFREE char *real = in_run(f, path);
    HF_AUTOFD int fd = open(real, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return hf_fail_sys(err, errno, "'%s'", real);
    hf_buf_clear(out);
    for (ssize_t n; (n = read(fd, chunk, sizeof chunk)) > 0;)
        hf_buf_add(out, chunk, (size_t)n);
    if (f->is_endless)
        hf_buf_add(out, block, sizeof block);
    if (out->len > max_bytes)
        return hf_fail(err, HF_E_CORRUPT, "longer than %zu bytes", max_bytes);
    return answer(f, err);
}

static int fake_write(void *self, const char *path, const void *data, size_t len,
                      int64_t deadline_ms, struct hf_err *err)
{
    struct fake *f = self;
    (void)deadline_ms;
    if (refuse(f, err) < 0)
        return -1;
    HF_AUTOFREE char *real = in_run(f, path);
    HF_AUTOFD int fd = open(real, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return hf_fail_sys(err, errno, "'%s'", real);
    for (size_t at = 0; at < len;) { /* not in one step, as in a guest */
        ssize_t n = write(fd, (const char *)data + at, len - at < 1000 ? len - at : 1000);
        assert_true(n > 0);
        at += (size_t)n;
    }
    return answer(f, err);
}

static void fake_close(void *self)
{
    (void)self;
}

static const struct hf_guest_ops fake_ops = {
    .name = "fake", .exec = fake_exec, .read = fake_read, .write = fake_write, .close = fake_close};

/* ---- a case ----------------------------------------------------------------------------- */

/* Static in each case: the tunnel's thread outlives one that failed. */
struct scene {
    struct fake guest;
    int listener;
    struct hf_db_endpoint to;
    const char *socket;
    struct hf_tunnel *tunnel;
    struct hf_clock clock;
    _Atomic int64_t later_us; /* the tunnel's clock runs ahead by so much */
};

static int64_t mono_us(void *ctx)
{
    return hf_clock_mono_us(hf_clock_system()) + ((struct scene *)ctx)->later_us;
}

static int64_t now_ms(void)
{
    return hf_clock_mono_ms(hf_clock_system());
}

static int listen_here(unsigned *out_port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &size), 0);
    *out_port = ntohs(a.sin_port);
    return fd;
}

static struct hf_guest *guest_of(struct scene *s)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_guest *g = hf_guest_new(&fake_ops, &s->guest, &err);
    assert_hf_got(g, &err);
    return g;
}

static void prepare(struct scene *s, void **state)
{
    *s = (struct scene){.to = {.host = "127.0.0.1"}, .clock = {.mono_us = mono_us}};
    s->clock.ctx = s;
    assert_int_equal(mkdir(hf_test_path(state, "run"), 0700), 0);
    snprintf(s->guest.run, sizeof s->guest.run, "%s", hf_test_path(state, "run"));
    assert_int_equal(mkdir(hf_test_path(state, "run/systemd"), 0700), 0);
    assert_int_equal(mkdir(hf_test_path(state, "run/systemd/system"), 0700), 0);
    hf_test_file(state, "systemd-run", systemd_run, 0700);
    hf_test_file(state, "systemctl", systemctl, 0700);
    snprintf(s->guest.path, sizeof s->guest.path, "PATH=%s:/usr/bin:/bin", hf_test_dir(state));
    s->listener = listen_here(&s->to.port);
    s->socket = hf_test_path(state, "s");
}

static struct hf_tunnel *try_open(struct scene *s, int64_t lifetime_ms, struct hf_err *err)
{
    return hf_tunnel_guest(guest_of(s), RUN, &s->to, s->socket, &s->clock, NULL, lifetime_ms,
                           now_ms() + SOON_MS, err);
}

static void begin(struct scene *s, void **state, int64_t lifetime_ms)
{
    struct hf_err err = HF_ERR_INIT;
    prepare(s, state);
    s->tunnel = try_open(s, lifetime_ms, &err);
    assert_hf_got(s->tunnel, &err);
}

static int n_bridges(const struct scene *s)
{
    int n = 0;
    DIR *d = opendir(s->guest.run);
    for (struct dirent *e; (e = readdir(d));)
        n += strncmp(e->d_name, "holdfast-bridge-", 16) == 0;
    closedir(d);
    return n;
}

static void wait_for_bridges(const struct scene *s, int n)
{
    for (int i = 0; n_bridges(s) != n && i < SOON_MS / 10; i++)
        usleep(10000);
    assert_int_equal(n_bridges(s), n);
}

static void end(struct scene *s)
{
    hf_tunnel_close(s->tunnel);
    wait_for_bridges(s, 0);
    close(s->listener);
}

static int client_of(const struct scene *s)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(a.sun_path, sizeof a.sun_path, "%s", s->socket);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static void wait_for(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    assert_int_equal(poll(&p, 1, SOON_MS), 1);
}

static int server_of(const struct scene *s)
{
    wait_for(s->listener, POLLIN);
    int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void assert_says(int from, int to, const char *text)
{
    char buf[64] = "";
    size_t len = strlen(text);
    assert_int_equal(write(from, text, len), len);
    for (size_t n = 0; n < len;) {
        wait_for(to, POLLIN);
        ssize_t got = recv(to, buf + n, sizeof buf - n, 0);
        assert_true(got > 0);
        n += (size_t)got;
    }
    assert_memory_equal(buf, text, len);
}

static void assert_ended(int fd)
{
    char byte;
    wait_for(fd, POLLIN);
    assert_true(recv(fd, &byte, 1, 0) <= 0);
}

/* One side of an exchange of MUCH bytes each way. */
struct side {
    int fd;
    const unsigned char *out, *in;
    size_t sent, got;
};

static void exchange(struct side *s)
{
    static unsigned char buf[65536];
    if (s->sent < MUCH) {
        ssize_t n = send(s->fd, s->out + s->sent, MUCH - s->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        s->sent += n > 0 ? (size_t)n : 0;
    }
    ssize_t n = recv(s->fd, buf, sizeof buf, MSG_DONTWAIT);
    assert_true(n != 0);
    if (n < 0)
        return;
    assert_true(s->got + (size_t)n <= MUCH);
    assert_memory_equal(buf, s->in + s->got, n);
    s->got += (size_t)n;
}

static void assert_much_goes_both_ways(int client, int server)
{
    static unsigned char up[MUCH], down[MUCH];
    struct side a = {.fd = client, .out = up, .in = down}, b = {server, down, up, 0, 0};
    unsigned x = 12345;
    for (size_t i = 0; i < MUCH; i++) {
        x = x * 1103515245 + 12345;
        up[i] = (unsigned char)(i < 512 ? i : x >> 16);
        down[i] = (unsigned char)(x >> 24);
    }
    int64_t deadline_ms = now_ms() + 2 * SOON_MS;
    while (a.got < MUCH || b.got < MUCH) {
        exchange(&a);
        exchange(&b);
        usleep(1000);
        assert_true(now_ms() < deadline_ms);
    }
}

#endif
