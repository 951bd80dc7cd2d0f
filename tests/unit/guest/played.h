/* SPDX-License-Identifier: Apache-2.0
 *
 * unit/guest/played.h - a channel whose guest is this machine, with /run in a directory of the case, and two scripts that
 * stand for systemd-run and systemctl. What is wrong with it can be chosen.
 */
#ifndef HF_TEST_PLAYED_H
#define HF_TEST_PLAYED_H

#include "base/proc.h"
#include "guest/guest.h"
#include "harness/hf_test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RUN "hf-20261123T030000Z-7f3a9c21"
#define SOON_MS 30000

/* A unit is a session of its own; when its first process has ended, so do the others, and its directory goes. */
static const char systemd_run[] =
    "#!/bin/bash\n"
    "while case $1 in --unit=*) u=${1#--unit=};; --*) ;; *) false;; esac; do shift; done\n"
    "for a; do set -- \"$@\" \"${a//\\$\\$/\\$}\"; shift; done\n" /* as systemd does */
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

static struct hf_guest *guest_of(struct fake *f)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_guest *g = hf_guest_new(&fake_ops, f, &err);
    assert_hf_got(g, &err);
    return g;
}

static void play(struct fake *f, void **state)
{
    assert_true(mkdir(hf_test_path(state, "run"), 0700) == 0 || errno == EEXIST);
    snprintf(f->run, sizeof f->run, "%s", hf_test_path(state, "run"));
    assert_true(mkdir(hf_test_path(state, "run/systemd"), 0700) == 0 || errno == EEXIST);
    assert_true(mkdir(hf_test_path(state, "run/systemd/system"), 0700) == 0 || errno == EEXIST);
    hf_test_file(state, "systemd-run", systemd_run, 0700);
    hf_test_file(state, "systemctl", systemctl, 0700);
    snprintf(f->path, sizeof f->path, "PATH=%s:/usr/bin:/bin", hf_test_dir(state));
}

#endif
