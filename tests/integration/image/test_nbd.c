/* SPDX-License-Identifier: Apache-2.0
 *
 * The NBD reader against nbdkit (whose plugins and filters are the disks and their troubles) and qemu-nbd (dirty bitmaps).
 */
#include "base/buf.h"
#include "harness/hf_test.h"
#include "image/nbd.h"
#include "integration/need.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB ((uint64_t)1 << 20)

static char nbdkit[256], qemu_nbd[256], qemu_img[256], qemu_io[256];

struct server {
    pid_t pid;
    char uri[512];
};

static void server_end(struct server *s)
{
    bool is_gone = s->pid <= 0;
    /* In order first: it has scripts of its own to remove. */
    for (int i = 0; !is_gone && i < 500; i++) {
        kill(s->pid, SIGTERM);
        is_gone = waitpid(s->pid, NULL, WNOHANG) != 0;
        usleep(is_gone ? 0 : 10000);
    }
    if (!is_gone) {
        kill(s->pid, SIGKILL);
        waitpid(s->pid, NULL, 0);
    }
    s->pid = 0;
}
HF_DEFINE_AUTO_VALUE(server, server_end)

/* Ends with this process, however that ends. argv[1] is the option with the socket's path. */
static struct server serve(void **state, const char *const *argv, const char *export_name)
{
    const char *socket = hf_test_path(state, "s");
    struct server s = {0};
    unlink(socket);
    snprintf(s.uri, sizeof s.uri, "nbd+unix:///%s?socket=%s", export_name, socket);
    s.pid = fork();
    if (s.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execv(argv[0], (char *const *)argv);
        _exit(127);
    }
    for (int i = 0; i < 1000 && access(socket, F_OK) != 0; i++)
        usleep(10000);
    assert_int_equal(access(socket, F_OK), 0);
    return s;
}
#define NBDKIT(state, ...)                                                                         \
    serve(state,                                                                                   \
          (const char *const[]){nbdkit, "-f", "--threads=16", "-U", hf_test_path(state, "s"),      \
                                __VA_ARGS__, NULL},                                                \
          "")

static struct hf_nbd *open_with(const struct server *s, struct hf_nbd_opts o)
{
    struct hf_err err = HF_ERR_INIT;
    o.uri = s->uri;
    o.allocation_ctx = "base:allocation";
    struct hf_nbd *n = hf_nbd_open(&o, &err);
    assert_hf_got(n, &err);
    return n;
}
#define OPEN(server, ...) open_with(server, (struct hf_nbd_opts){__VA_ARGS__})

/* What came: pieces in order, and a look into the data. */
struct seen {
    uint64_t at, data_bytes, hole_bytes, wrong;
    bool (*is_right)(uint64_t offset, const unsigned char *data, uint64_t len);
    struct hf_cancel *cancel_after_first;
    const struct server *kill_after_first;
    bool fails;
};

static int see(void *ctx, uint64_t offset, const void *data, uint64_t len, struct hf_err *err)
{
    struct seen *s = ctx;
    s->wrong += offset < s->at || (data && s->is_right && !s->is_right(offset, data, len));
    s->at = offset + len;
    *(data ? &s->data_bytes : &s->hole_bytes) += len;
    if (s->cancel_after_first)
        hf_cancel_set(s->cancel_after_first);
    if (s->kill_after_first)
        kill(s->kill_after_first->pid, SIGKILL);
    return s->fails ? hf_fail(err, HF_E_NOSPACE, "no more of it") : 0;
}

static int read_all(struct hf_nbd *n, struct seen *s, struct hf_err *err)
{
    struct hf_nbd_range all = {0, hf_nbd_size(n)};
    return hf_nbd_read(n, &all, 1, see, s, err);
}

/* nbdkit's pattern: each eight bytes are their own offset, big-endian. */
static bool is_pattern(uint64_t offset, const unsigned char *data, uint64_t len)
{
    for (uint64_t i = 0; i < len; i++) {
        uint64_t word = (offset + i) & ~(uint64_t)7;
        if (data[i] != (unsigned char)(word >> (56 - 8 * ((offset + i) & 7))))
            return false;
    }
    return true;
}

static void reads_every_byte_in_order(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(server) struct server s = NBDKIT(state, "pattern", "size=10485824");
    static const struct hf_nbd_opts ways[] = {
        {0}, {.requests = 1}, {.requests = 64, .request_bytes = 4096}, {.request_bytes = 3 << 20}};
    for (size_t i = 0; i < HF_ARRAY_SIZE(ways); i++) {
        HF_AUTO(hf_nbd) struct hf_nbd *n = open_with(&s, ways[i]);
        for (int twice = 0; twice < 2; twice++) {
            struct seen seen = {.is_right = is_pattern};
            assert_int_equal(hf_nbd_size(n), 10485824);
            assert_hf_ok(read_all(n, &seen, &err), &err);
            assert_int_equal(seen.at, 10485824);
            assert_int_equal(seen.data_bytes, 10485824);
            assert_int_equal(seen.wrong, 0);
        }
    }
}

static bool is_mark(uint64_t offset, const unsigned char *data, uint64_t len)
{
    uint64_t at = 3072 * MIB;
    return offset > at || at >= offset + len || data[at - offset] == 3;
}

static void holes_are_told_and_not_read(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(server) struct server s = NBDKIT(state, "data", "size=1T", "1 2 @3221225472 3");
    HF_AUTO(hf_nbd) struct hf_nbd *n = OPEN(&s, 0);
    struct seen seen = {.is_right = is_mark};
    assert_hf_ok(read_all(n, &seen, &err), &err);
    assert_int_equal(seen.at, MIB << 20);
    assert_int_equal(seen.data_bytes + seen.hole_bytes, MIB << 20);
    assert_in_range(seen.data_bytes, 2, MIB);
    assert_int_equal(seen.wrong, 0);
}

static void reads_everything_of_a_server_that_knows_no_holes(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(server) struct server s = NBDKIT(state, "--no-sr", "memory", "size=1M");
    HF_AUTO(hf_nbd) struct hf_nbd *n = OPEN(&s, 0);
    struct seen seen = {0};
    assert_hf_ok(read_all(n, &seen, &err), &err);
    assert_int_equal(seen.data_bytes, MIB);
}

static void ranges_are_one_stream(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(server) struct server s = NBDKIT(state, "pattern", "size=16M");
    HF_AUTO(hf_nbd) struct hf_nbd *n = OPEN(&s, .requests = 4);
    static const struct hf_nbd_range some[] = {
        {5, 6}, {MIB, 2 * MIB + 1}, {2 * MIB + 1, 2 * MIB + 2}, {15 * MIB, 16 * MIB}};
    struct seen seen = {.is_right = is_pattern};
    assert_hf_ok(hf_nbd_read(n, some, 4, see, &seen, &err), &err);
    assert_int_equal(seen.data_bytes, 2 * MIB + 3);
    assert_int_equal(seen.at, 16 * MIB);
    assert_int_equal(seen.wrong, 0);
    assert_hf_ok(hf_nbd_read(n, some, 0, see, &seen, &err), &err);
    static const struct hf_nbd_range turned[] = {{5, 6}, {4, 5}}, beyond = {0, 16 * MIB + 1};
    assert_int_equal(hf_nbd_read(n, turned, 2, see, &seen, &err), -1);
    assert_hf_err(&err, HF_E_INTERNAL, "no order in the ranges");
    assert_int_equal(hf_nbd_read(n, &beyond, 1, see, &seen, &err), -1);
}

static int64_t read_ms(const struct server *s, unsigned requests)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_nbd) struct hf_nbd *n = OPEN(s, .requests = requests);
    struct seen seen = {0};
    int64_t from = hf_clock_mono_ms(hf_clock_system());
    assert_hf_ok(read_all(n, &seen, &err), &err);
    return hf_clock_mono_ms(hf_clock_system()) - from;
}

static void many_requests_are_in_flight(void **state)
{
    HF_AUTO(server)
    struct server s = NBDKIT(state, "--filter=delay", "pattern", "size=4M", "rdelay=100ms");
    int64_t many = read_ms(&s, 16), one = read_ms(&s, 1);
    assert_true(one > 4 * many);
}

#define READ "dd if=/dev/zero count=$3 bs=1M iflag=count_bytes 2>/dev/null"

static void an_error_names_its_offset(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(server)
    struct server s =
        NBDKIT(state, "eval", "get_size=echo 4M", "thread_model=echo parallel",
               "pread=[ $4 -lt 1048576 ] || { echo EIO bad sector >&2; exit 1; }; " READ);
    HF_AUTO(hf_nbd) struct hf_nbd *n = OPEN(&s, 0);
    struct seen seen = {0};
    assert_int_equal(read_all(n, &seen, &err), -1);
    assert_hf_err(&err, HF_E_PLUGIN, "read at offset 1048576: Input/output error");
    assert_int_equal(seen.at, MIB);
    assert_int_equal(read_all(n, &seen, &err), -1);
    assert_hf_err(&err, HF_E_UNREACHABLE, "given up after an error");
}

static void an_answer_that_does_not_come_costs_the_timeout(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(server)
    struct server s = NBDKIT(state, "--filter=delay", "pattern", "size=4M", "rdelay=30");
    HF_AUTO(hf_nbd) struct hf_nbd *n = OPEN(&s, .timeout_ms = 1000);
    struct seen seen = {0};
    int64_t from = hf_clock_mono_ms(hf_clock_system());
    assert_int_equal(read_all(n, &seen, &err), -1);
    assert_hf_err(&err, HF_E_TIMEOUT, "read at offset 0: no answer");
    assert_in_range(hf_clock_mono_ms(hf_clock_system()) - from, 900, 15000);
}

static void cancelling_ends_it(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_cancel) struct hf_cancel *cancel = hf_cancel_new(&err);
    HF_AUTO(server)
    struct server s = NBDKIT(state, "--filter=delay", "pattern", "size=64M", "rdelay=200ms");
    HF_AUTO(hf_nbd) struct hf_nbd *n = OPEN(&s, .cancel = cancel);
    struct seen seen = {.cancel_after_first = cancel};
    assert_int_equal(read_all(n, &seen, &err), -1);
    assert_hf_err(&err, HF_E_CANCELLED, "");
    assert_in_range(seen.at, 1, 8 * MIB);
}

static void a_server_that_dies_is_an_error_at_an_offset(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(server) struct server s = NBDKIT(state, "pattern", "size=64M");
    HF_AUTO(hf_nbd) struct hf_nbd *n = OPEN(&s, .request_bytes = 4096);
    struct seen seen = {.kill_after_first = &s};
    assert_int_equal(read_all(n, &seen, &err), -1);
    assert_hf_err(&err, HF_E_UNREACHABLE, "read at offset");
}

static void the_callers_error_comes_through(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(server) struct server s = NBDKIT(state, "pattern", "size=16M");
    HF_AUTO(hf_nbd) struct hf_nbd *n = OPEN(&s, 0);
    struct seen seen = {.fails = true};
    assert_int_equal(read_all(n, &seen, &err), -1);
    assert_hf_err(&err, HF_E_NOSPACE, "no more of it");
}

static void refuse(const char *uri, enum hf_err_class cls, const char *piece)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_nbd_opts o = {.uri = uri, .timeout_ms = 2000};
    assert_null(hf_nbd_open(&o, &err));
    assert_hf_err(&err, cls, piece);
}

static void only_sockets_of_this_host_are_opened(void **state)
{
    refuse("nbd://127.0.0.1:1/x", HF_E_CONFIG, "nbd://127.0.0.1:1/x");
    refuse("nbds+unix:///x?socket=/nowhere", HF_E_CONFIG, "nbds+unix");
    refuse("nbd+ssh://host/x", HF_E_CONFIG, "nbd+ssh");
    refuse("nonsense", HF_E_CONFIG, "nonsense");
    refuse("nbd+unix:///x?socket=/nowhere/s", HF_E_UNREACHABLE, "/nowhere/s");
    (void)state;
}

static void a_disk_of_no_bytes_is_read(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(server) struct server s = NBDKIT(state, "null", "size=0");
    HF_AUTO(hf_nbd) struct hf_nbd *n = OPEN(&s, 0);
    struct seen seen = {0};
    assert_int_equal(hf_nbd_size(n), 0);
    assert_hf_ok(hf_nbd_read(n, NULL, 0, see, &seen, &err), &err);
}

/* ---- changes: a bitmap of QEMU's ----------------------------------------------------------- */

static void is_range(const struct hf_nbd_ranges *r, size_t i, uint64_t from, uint64_t to)
{
    assert_true(i < r->n);
    assert_int_equal(r->items[i].from, from);
    assert_int_equal(r->items[i].to, to);
}

static void changes_are_told_in_whole_units(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const char *image = hf_test_path(state, "d.qcow2"), *socket = hf_test_path(state, "s");
    char option[512];
    assert_runs(qemu_img, "create", "-q", "-f", "qcow2", image, "67141632"); /* 64 MiB and 32 KiB */
    assert_runs(qemu_img, "bitmap", "--add", "-f", "qcow2", image, "b0");
    assert_runs(qemu_io, "-c", "write 1M 64k", "-c", "write 5M 4k", "-c", "write 9M 8M", "-c",
                "write 64M 4k", image);
    snprintf(option, sizeof option, "--socket=%s", socket);
    HF_AUTO(server)
    struct server s = serve(state,
                            (const char *const[]){qemu_nbd, option, "-r", "-t", "-e", "4", "-B",
                                                  "b0", "-x", "d", image, NULL},
                            "d");
    HF_AUTO(hf_nbd) struct hf_nbd *n =
        OPEN(&s, .allocation_ctx = "base:allocation", .dirty_ctx = "qemu:dirty-bitmap:b0");
    HF_AUTO(hf_nbd_ranges) struct hf_nbd_ranges holes = {0};
    assert_true(hf_nbd_knows_changes(n));
    HF_AUTO(hf_nbd_ranges) struct hf_nbd_ranges r = {0}, fine = {0}, cut = {0};
    assert_hf_ok(hf_nbd_changes(n, hf_nbd_size(n), 4 * MIB, &r, &err), &err);
    assert_int_equal(r.n, 2);
    is_range(&r, 0, 0, 20 * MIB); /* 0-4, 4-8, 8-20: neighbours are joined */
    is_range(&r, 1, 64 * MIB, 67141632);
    assert_hf_ok(hf_nbd_changes(n, hf_nbd_size(n), 65536, &fine, &err), &err);
    assert_int_equal(fine.n, 4);
    is_range(&fine, 1, 5 * MIB, 5 * MIB + 65536);
    assert_hf_ok(hf_nbd_changes(n, 10 * MIB, 4 * MIB, &cut, &err), &err);
    assert_int_equal(cut.n, 1);
    is_range(&cut, 0, 0, 10 * MIB);
    /* Data: 1M+64k, 5M+64k, 9M+8M, 64M+64k (a cluster); holes: whole units between. */
    assert_hf_ok(hf_nbd_holes(n, hf_nbd_size(n), 4 * MIB, &holes, &err), &err);
    assert_int_equal(holes.n, 1);
    is_range(&holes, 0, 20 * MIB, 64 * MIB);
    hf_nbd_ranges_free(&holes);
    assert_hf_ok(hf_nbd_holes(n, 63 * MIB, MIB, &holes, &err), &err);
    assert_int_equal(holes.n, 4);
    is_range(&holes, 0, 0, MIB);
    is_range(&holes, 3, 17 * MIB, 63 * MIB);
    struct seen seen = {0};
    assert_hf_ok(hf_nbd_read(n, fine.items, fine.n, see, &seen, &err), &err);
    assert_int_equal(seen.data_bytes + seen.hole_bytes, 8 * MIB + 65536 + 65536 + 32768);
    struct hf_nbd_opts other = {.uri = s.uri, .dirty_ctx = "qemu:dirty-bitmap:none"};
    assert_null(hf_nbd_open(&other, &err));
    assert_hf_err(&err, HF_E_NOT_FOUND, "does not know the context 'qemu:dirty-bitmap:none'");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(reads_every_byte_in_order),
        HF_TEST(holes_are_told_and_not_read),
        HF_TEST(reads_everything_of_a_server_that_knows_no_holes),
        HF_TEST(ranges_are_one_stream),
        HF_TEST(many_requests_are_in_flight),
        HF_TEST(an_error_names_its_offset),
        HF_TEST(an_answer_that_does_not_come_costs_the_timeout),
        HF_TEST(cancelling_ends_it),
        HF_TEST(a_server_that_dies_is_an_error_at_an_offset),
        HF_TEST(the_callers_error_comes_through),
        HF_TEST(only_sockets_of_this_host_are_opened),
        HF_TEST(a_disk_of_no_bytes_is_read),
        HF_TEST(changes_are_told_in_whole_units),
    };
    hf_need_program("nbdkit", "nbdkit", nbdkit, sizeof nbdkit);
    hf_need_program("nbdkit", "qemu-nbd", qemu_nbd, sizeof qemu_nbd);
    hf_need_program("nbdkit", "qemu-img", qemu_img, sizeof qemu_img);
    hf_need_program("nbdkit", "qemu-io", qemu_io, sizeof qemu_io);
    return HF_RUN_TESTS("image.nbd", tests);
}
