/* SPDX-License-Identifier: Apache-2.0
 *
 * Probes that need no guest: programs of this host, HTTP; the grace, the time limit, the cancelling.
 */
#include "base/buf.h"
#include "harness/hf_test.h"
#include "run/probe.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

static struct hf_config *config_of(const char *keys)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *text =
        hf_asprintf("[hypervisor lab]\nplugin = libvirt\n[vm web01]\nhypervisor = lab\n%s", keys);
    struct hf_config *c = hf_config_parse(text, strlen(text), "test.conf", &err);
    assert_hf_got(c, &err);
    return c;
}

struct tried {
    bool all_passed;
    size_t failed;
    int64_t took_ms;
    struct hf_probe_result first, second;
};

static struct tried try_all(const char *keys, int64_t grace_ms, struct hf_cancel *cancel)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_config) struct hf_config *c = config_of(keys);
    struct hf_env env = {.config = c, .clock = hf_clock_system(), .cancel = cancel};
    HF_AUTO(hf_probing) struct hf_probing p = {0};
    assert_hf_ok(hf_probing_init(&p, &env, hf_config_vm_at(c, 0), "vm-7", "run", &err), &err);
    int64_t begin_ms = hf_clock_mono_ms(env.clock);
    struct tried t = {.all_passed = hf_probing_run(&p, grace_ms)};
    t.took_ms = hf_clock_mono_ms(env.clock) - begin_ms;
    t.failed = hf_probing_failed(&p);
    t.first = p.results[0];
    t.second = p.results[1];
    return t;
}

static void a_program_passes_with_status_0_and_is_quoted_otherwise(void **state)
{
    (void)state;
    struct tried t =
        try_all("probe = command /bin/sh -c 'exit 0'\n"
                "probe = command /bin/sh -c 'printf \"no\\033[31m rows\" >&2; exit 3'\n",
                0, NULL);
    assert_false(t.all_passed);
    assert_int_equal(t.failed, 1);
    assert_true(t.first.ok);
    assert_false(t.second.ok);
    assert_contains(t.second.message, "status 3: no?[31m rows");
}

static void one_that_takes_too_long_has_failed(void **state)
{
    (void)state;
    struct tried t = try_all("probe-timeout = 200ms\nprobe = command /bin/sleep 60\n", 0, NULL);
    assert_false(t.all_passed);
    assert_contains(t.first.message, "did not end");
    assert_true(t.took_ms < 20000);
}

static void what_fails_is_tried_again_until_the_grace_is_over(void **state)
{
    HF_AUTOFREE char *marks = hf_asprintf("%s/marks", hf_test_dir(state));
    HF_AUTOFREE char *keys = hf_asprintf("probe = command /bin/sh -c 'echo x >> %s.1'\n"
                                         "probe = command /bin/sh -c 'echo x >> %s; test "
                                         "$(wc -l < %s) -ge 2'\n",
                                         marks, marks, marks);
    struct tried t = try_all(keys, 60000, NULL);
    assert_true(t.all_passed);
    assert_int_equal(t.failed, 0);
    t = try_all("probe = command /bin/false\n", 300, NULL);
    assert_false(t.all_passed);
    assert_true(t.took_ms >= 300);
}

static void one_that_passed_is_not_asked_again(void **state)
{
    HF_AUTOFREE char *mark = hf_asprintf("%s/mark", hf_test_dir(state));
    HF_AUTOFREE char *keys = hf_asprintf("probe = command /bin/mkdir %s\n"
                                         "probe = command /bin/false\n",
                                         mark);
    struct tried t = try_all(keys, 1500, NULL);
    assert_true(t.first.ok);
    assert_int_equal(t.failed, 1);
}

static void a_cancelled_run_waits_for_no_grace(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_cancel) struct hf_cancel *c = hf_cancel_new(&err);
    assert_hf_got(c, &err);
    hf_cancel_set(c);
    struct tried t = try_all("probe = command /bin/true\n", 600000, c);
    assert_false(t.all_passed);
    assert_string_equal(t.first.message, "not tried");
    assert_true(t.took_ms < 20000);
}

/* ---- HTTP ------------------------------------------------------------------------------- */

struct server {
    int fd;
    unsigned port;
    const char *answer;
    pthread_t thread;
};

static void *serve(void *arg)
{
    struct server *s = arg;
    int fd;
    while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
        char request[1024];
        ssize_t n = read(fd, request, sizeof request);
        n = n > 0 && s->answer ? write(fd, s->answer, strlen(s->answer)) : 0;
        if (!s->answer) /* silent until the other side leaves */
            while (read(fd, request, sizeof request) > 0)
                ;
        close(fd);
    }
    return NULL;
}

static void start(struct server *s, const char *answer)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    *s = (struct server){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .answer = answer};
    assert_return_code(bind(s->fd, (struct sockaddr *)&at, len), errno);
    assert_return_code(listen(s->fd, 5), errno);
    assert_return_code(getsockname(s->fd, (struct sockaddr *)&at, &len), errno);
    s->port = ntohs(at.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stop(struct server *s)
{
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
}

static struct tried ask(const char *answer, const char *behind)
{
    struct server s;
    start(&s, answer);
    HF_AUTOFREE char *keys = hf_asprintf(
        "probe-timeout = 3s\nprobe = http http://127.0.0.1:%u/health%s\n", s.port, behind);
    struct tried t = try_all(keys, 0, NULL);
    stop(&s);
    return t;
}

static void http_passes_by_its_status(void **state)
{
    (void)state;
    assert_true(ask("HTTP/1.0 204 Fine\r\n\r\n", "").all_passed);
    assert_true(ask("HTTP/1.0 410 Gone\r\n\r\n", " 410").all_passed);
    struct tried t = ask("HTTP/1.0 500 Broken\r\n\r\nsecret", "");
    assert_false(t.all_passed);
    assert_string_equal(t.first.message, "status 500");
    t = ask("HTTP/1.0 200 OK\r\n\r\n", " 410");
    assert_string_equal(t.first.message, "status 200 instead of 410");
}

static void http_follows_no_redirect(void **state)
{
    (void)state;
    static const char away[] = "HTTP/1.0 302 Found\r\nLocation: http://127.0.0.2:1/\r\n\r\n";
    struct tried t = ask(away, "");
    assert_string_equal(t.first.message, "status 302");
    assert_true(ask(away, " 302").all_passed);
}

static void http_gives_up_on_a_server_that_says_nothing(void **state)
{
    (void)state;
    struct tried t = ask(NULL, "");
    assert_false(t.all_passed);
    assert_true(t.took_ms >= 2900 && t.took_ms < 30000);
    t = try_all("probe = http http://127.0.0.1:1/\n", 0, NULL);
    assert_false(t.all_passed);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_program_passes_with_status_0_and_is_quoted_otherwise),
        HF_TEST(one_that_takes_too_long_has_failed),
        HF_TEST(what_fails_is_tried_again_until_the_grace_is_over),
        HF_TEST(one_that_passed_is_not_asked_again),
        HF_TEST(a_cancelled_run_waits_for_no_grace),
        HF_TEST(http_passes_by_its_status),
        HF_TEST(http_follows_no_redirect),
        HF_TEST(http_gives_up_on_a_server_that_says_nothing),
    };
    return HF_RUN_TESTS("run.probe", tests);
}
