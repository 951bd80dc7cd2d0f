/* SPDX-License-Identifier: Apache-2.0
 *
 * noise_drive serve ADDRESS | raise STATE KIND POLICY VM TEXT TARGET | clear … | messages STATE | deliver STATE CONFIG SCALE
 *
 * serve says its port, then takes a size in bytes a line: a document of that size. deliver runs until its input ends, a line of which
 * is what troubles the daemon, an empty one that nothing does any more; by its clock SCALE seconds pass in one.
 */
#include "catalog/alarm.h"
#include "daemon/deliver.h"
#include "daemon/http.h"

#include <poll.h>
#include <string.h>
#include <time.h>

static int fail(const struct hf_err *err)
{
    fprintf(stderr, "%s\n", err->message);
    return 1;
}

/* ---- serve ------------------------------------------------------------------------------- */

static int put(struct hf_metrics_http *h, size_t bytes, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf doc = HF_BUF_INIT;
    while (doc.len < bytes)
        hf_buf_str_add(&doc, doc.len % 64 == 63 ? "\n" : "x");
    return hf_metrics_http_put(h, &doc, err);
}

static int serve(const char *address)
{
    struct hf_err err = HF_ERR_INIT;
    char line[32], host[64];
    struct hf_listen listen = {.host = host};
    struct hf_log_opts opts = {.level = HF_LOG_DETAIL};
    HF_AUTO(hf_log) struct hf_log *log = hf_log_new(&opts);
    snprintf(host, sizeof host, "%s", address);
    HF_AUTO(hf_metrics_http) struct hf_metrics_http *h = hf_metrics_http_open(&listen, log, &err);
    if (!h)
        return fail(&err);
    printf("%u\n", hf_metrics_http_port(h));
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        if (put(h, strtoul(line, NULL, 10), &err) < 0)
            return fail(&err);
        printf("put\n");
        fflush(stdout);
    }
    return 0;
}

/* ---- the catalog ------------------------------------------------------------------------- */

static int change(bool is_on, char **argv)
{
    struct hf_err err = HF_ERR_INIT;
    const struct hf_alarm a = {.kind = argv[1],
                               .policy = argv[2],
                               .vm = argv[3],
                               .since_us = INT64_C(1795402800000000),
                               .text = argv[4]};
    const char *target = argv[5];
    HF_AUTO(hf_catalog)
    struct hf_catalog *c = hf_catalog_open(argv[0], hf_clock_system(), &err);
    if (!c)
        return fail(&err);
    int rc =
        is_on ? hf_alarm_raise(c, &a, &target, 1, &err) : hf_alarm_clear(c, &a, &target, 1, &err);
    return rc < 0 ? fail(&err) : 0;
}

static int print_message(void *ctx, const struct hf_message *m, struct hf_err *err)
{
    (void)ctx;
    (void)err;
    printf("%s %s %s %u\n", m->target, m->alarm.kind, m->alarm.vm, m->tries);
    return 0;
}

static int messages(const char *state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_catalog) struct hf_catalog *c = hf_catalog_open(state, hf_clock_system(), &err);
    return c && hf_messages(c, SIZE_MAX, print_message, NULL, &err) == 0 ? 0 : fail(&err);
}

/* ---- deliver ----------------------------------------------------------------------------- */

static int64_t scale = 1, began_us;

static int64_t real_us(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t mono_us(void *ctx)
{
    (void)ctx;
    return began_us + (real_us(CLOCK_MONOTONIC) - began_us) * scale;
}

static int64_t wall_us(void *ctx)
{
    static int64_t offset_us;
    if (!offset_us)
        offset_us = real_us(CLOCK_REALTIME) - real_us(CLOCK_MONOTONIC);
    return mono_us(ctx) + offset_us;
}

static void sleep_us(void *ctx, int64_t us)
{
    (void)ctx;
    usleep((useconds_t)(us / scale));
}

/* By the scaled clock it is time long before the thread would look: it is woken for that. */
static void wait_for_end(struct hf_alarms_deliver *d)
{
    struct pollfd in = {.fd = 0, .events = POLLIN};
    for (;;) {
        int n = poll(&in, 1, scale > 1 ? 50 : -1);
        char line[256];
        ssize_t len = n > 0 ? read(0, line, sizeof line - 1) : 0;
        if (n > 0 && len <= 0)
            return;
        line[len > 0 ? len - 1 : 0] = '\0';
        if (len > 0)
            hf_alarms_deliver_trouble(d, *line ? line : NULL);
        else
            hf_alarms_deliver_kick(d);
    }
}

static int deliver(char **argv)
{
    static const struct hf_clock clock = {mono_us, wall_us, sleep_us, NULL};
    struct hf_err err = HF_ERR_INIT;
    struct hf_log_opts opts = {.level = HF_LOG_DETAIL};
    HF_AUTO(hf_log) struct hf_log *log = hf_log_new(&opts);
    began_us = real_us(CLOCK_MONOTONIC);
    scale = strtol(argv[2], NULL, 10);
    const struct hf_alarms_deliver_opts o = {
        .state_dir = argv[0], .clock = &clock, .log = log, .host = "h\xc3\xb6st"};
    HF_AUTO(hf_config) struct hf_config *config = hf_config_load(argv[1], &err);
    struct hf_alarms_deliver *d = config ? hf_alarms_deliver_open(&o, &err) : NULL;
    if (!d || hf_alarms_deliver_configure(d, config, &err) < 0)
        return fail(&err);
    wait_for_end(d);
    int64_t at = real_us(CLOCK_MONOTONIC);
    hf_alarms_deliver_close(d);
    printf("closed %lld\n", (long long)(real_us(CLOCK_MONOTONIC) - at) / 1000);
    return 0;
}

int main(int argc, char **argv)
{
    const char *verb = argc > 2 ? argv[1] : "";
    if (strcmp(verb, "serve") == 0)
        return serve(argv[2]);
    if (strcmp(verb, "messages") == 0)
        return messages(argv[2]);
    if (strcmp(verb, "deliver") == 0 && argc == 5)
        return deliver(argv + 2);
    if (argc == 8)
        return change(strcmp(verb, "raise") == 0, argv + 2);
    return 2;
}
