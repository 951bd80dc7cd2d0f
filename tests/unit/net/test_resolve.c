/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/hf_test.h"
#include "net/resolve.h"

#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

/* The resolver of this test: knows one name, and takes its time for another. */
int __real_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                       struct addrinfo **out);
int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                       struct addrinfo **out);
int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                       struct addrinfo **out)
{
    if (hints->ai_flags & AI_NUMERICHOST)
        return __real_getaddrinfo(host, port, hints, out);
    if (strcmp(host, "slow.example") == 0)
        sleep(1);
    if (strcmp(host, "unknown.example") == 0)
        return EAI_NONAME;
    return __real_getaddrinfo("192.0.2.7", port, hints, out);
}

static int resolve(const char *host, int64_t within_ms, struct addrinfo **out, struct hf_err *err)
{
    const struct hf_clock *clock = hf_clock_system();
    return hf_net_resolve(host, 8443, clock, hf_clock_mono_ms(clock) + within_ms, out, err);
}

static void an_address_or_a_name_gives_addresses(void **state)
{
    static const char *const hosts[] = {"192.0.2.7", "nas.example"};
    struct hf_err err = HF_ERR_INIT;
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct addrinfo *list = NULL;
        assert_hf_ok(resolve(hosts[i], 10000, &list, &err), &err);
        assert_int_equal(list->ai_family, AF_INET);
        struct sockaddr_in *in = (struct sockaddr_in *)(void *)list->ai_addr;
        assert_int_equal(ntohl(in->sin_addr.s_addr), 0xc0000207);
        assert_int_equal(ntohs(in->sin_port), 8443);
        freeaddrinfo(list);
    }
}

static void a_name_nobody_knows_is_named(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct addrinfo *list = NULL;
    (void)state;
    assert_int_equal(resolve("unknown.example", 10000, &list, &err), -1);
    assert_hf_err(&err, HF_E_UNREACHABLE, "'unknown.example': ");
    assert_null(list);
}

/* Its answer is freed by the thread that waits for it. */
static void a_resolver_that_does_not_answer_is_left_behind(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct addrinfo *list = NULL;
    const struct hf_clock *clock = hf_clock_system();
    (void)state;
    int64_t begin_ms = hf_clock_mono_ms(clock);
    assert_int_equal(resolve("slow.example", 50, &list, &err), -1);
    assert_hf_err(&err, HF_E_TIMEOUT, "no answer in time to who 'slow.example' is");
    assert_true(hf_clock_mono_ms(clock) - begin_ms < 900);
    sleep(2);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(an_address_or_a_name_gives_addresses),
        HF_TEST(a_name_nobody_knows_is_named),
        HF_TEST(a_resolver_that_does_not_answer_is_left_behind),
    };
    return HF_RUN_TESTS("net.resolve", tests);
}
