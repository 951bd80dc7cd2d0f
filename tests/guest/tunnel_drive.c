/* SPDX-License-Identifier: Apache-2.0
 *
 * tunnel_drive - the tunnel through a libvirt guest's agent from the shell, and sessions through it, for the guest tests.
 *
 *   tunnel_drive open URI DOMAIN SOCKET RUN LIFETIME_MS [PORT]
 *                              says "ready", keeps the tunnel until standard input ends, says how long closing took and
 *                              what went wrong last
 *   tunnel_drive end URI DOMAIN RUN      hf_tunnel_agent_end
 *   tunnel_drive db SOCKET CNF           says "ready MS", then obeys lines:
 *                              value SQL, exec SQL ("ok MS VALUE"), bench N ("ok" and p50, p95, most in µs, of SELECT 1)
 *
 * An error is one line "error CLASS: message | hint | left"; status 1.
 */
#include "db/conn.h"
#include "guest/agent.h"
#include "guest/tunnel.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define LIMIT_MS 30000
#define BENCH_MAX 10000

static int64_t now_us(void)
{
    return hf_clock_mono_us(hf_clock_system());
}

static int64_t until(int64_t limit_ms)
{
    return now_us() / 1000 + limit_ms;
}

static int complain(const struct hf_err *err)
{
    printf("error %s: %s | %s | %s\n", hf_err_class_name(err->cls), err->message, err->hint,
           err->left);
    return -1;
}

/* ---- the tunnel ------------------------------------------------------------------------- */

static struct hf_hv *open_hv(char *uri, const char *domain, struct hf_vm_copy *vm,
                             struct hf_err *err)
{
    const char *dir = getenv("HOLDFAST_PLUGIN_DIR");
    struct hf_kv kv[] = {{"uri", uri}};
    struct hf_hv_opts opts = {
        .plugin_dir = dir ? dir : HF_PLUGIN_DIR, .plugin = "libvirt", .kv = kv, .n_kv = 1};
    HF_AUTO(hf_hv) struct hf_hv *hv = hf_hv_open(&opts, err);
    struct hf_hv_call call = {.deadline_ms = until(LIMIT_MS)};
    if (!hv || hf_hv_vm_find(hv, &call, domain, vm, err) < 0)
        return NULL;
    return HF_STEAL(hv);
}

static double cpu_s(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void keep(struct hf_tunnel *t)
{
    char line[16];
    struct hf_err last = HF_ERR_INIT;
    printf("ready\n");
    while (fflush(stdout), fgets(line, sizeof line, stdin))
        printf("cpu %.3f\n", cpu_s());
    bool is_trouble = hf_tunnel_trouble(t, &last);
    int64_t begin_us = now_us();
    hf_tunnel_close(t);
    printf("closed %" PRId64 "\n", (now_us() - begin_us) / 1000);
    if (is_trouble)
        complain(&last);
}

static int do_open(int argc, char **argv, struct hf_err *err)
{
    HF_AUTO(hf_vm_copy) struct hf_vm_copy vm = {0};
    struct hf_db_endpoint to = {.host = "127.0.0.1",
                                .port = argc > 5 ? (unsigned)atoi(argv[5]) : 3306};
    HF_AUTO(hf_hv) struct hf_hv *hv = open_hv(argv[0], argv[1], &vm, err);
    if (!hv)
        return -1;
    struct hf_tunnel *t = hf_tunnel_agent(hv, vm.id, argv[3], &to, argv[2], hf_clock_system(), NULL,
                                          strtoll(argv[4], NULL, 10), until(LIMIT_MS), err);
    if (!t)
        return -1;
    keep(t);
    return 0;
}

static int do_end(int argc, char **argv, struct hf_err *err)
{
    HF_AUTO(hf_vm_copy) struct hf_vm_copy vm = {0};
    HF_AUTO(hf_hv) struct hf_hv *hv = open_hv(argv[0], argv[1], &vm, err);
    HF_AUTO(hf_guest) struct hf_guest *g = hv ? hf_guest_agent(hv, vm.id, argv[2], err) : NULL;
    (void)argc;
    return g ? hf_tunnel_agent_end(g, argv[2], until(LIMIT_MS), err) : -1;
}

/* ---- sessions --------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static int bench(struct hf_db_conn *c, int n, struct hf_err *err)
{
    static int64_t took[BENCH_MAX];
    for (int i = 0; i < n; i++) {
        HF_AUTOFREE char *value = NULL;
        int64_t begin_us = now_us();
        if (hf_db_value(c, "SELECT 1", &value, err) < 0)
            return -1;
        took[i] = now_us() - begin_us;
    }
    qsort(took, (size_t)n, sizeof took[0], by_size);
    printf("ok %" PRId64 " %" PRId64 " %" PRId64 "\n", took[n / 2], took[n * 95 / 100],
           took[n - 1]);
    return 0;
}

static int obey(struct hf_db_conn *c, char *line, struct hf_err *err)
{
    HF_AUTOFREE char *value = NULL;
    int64_t begin_us = now_us();
    if (strncmp(line, "bench ", 6) == 0) {
        int n = atoi(line + 6);
        return bench(c, n < 1 || n > BENCH_MAX ? 1 : n, err);
    }
    if (strncmp(line, "value ", 6) == 0 ? hf_db_value(c, line + 6, &value, err) < 0
                                        : hf_db_exec(c, line + 5, err) < 0)
        return -1;
    printf("ok %" PRId64 " %s\n", (now_us() - begin_us) / 1000, value ? value : "-");
    return 0;
}

static int do_db(int argc, char **argv, struct hf_err *err)
{
    struct hf_db_target t = {.socket = argv[0], .defaults_file = argv[1]};
    HF_AUTOFREE char *line = NULL;
    size_t size = 0;
    int64_t begin_us = now_us();
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_db_open(&t, err);
    (void)argc;
    if (!c)
        return -1;
    printf("ready %" PRId64 "\n", (now_us() - begin_us) / 1000);
    for (ssize_t n; fflush(stdout), (n = getline(&line, &size, stdin)) > 0;) {
        struct hf_err one = HF_ERR_INIT;
        line[n - 1] = '\0';
        if (obey(c, line, &one) < 0)
            complain(&one);
    }
    return 0;
}

static const struct verb {
    const char *name;
    int min_args;
    int (*run)(int argc, char **argv, struct hf_err *err);
} verbs[] = {{"open", 5, do_open}, {"end", 3, do_end}, {"db", 2, do_db}};

int main(int argc, char **argv)
{
    struct hf_err err = HF_ERR_INIT;
    for (size_t i = 0; i < HF_ARRAY_SIZE(verbs) && argc > 1; i++) {
        if (strcmp(verbs[i].name, argv[1]) != 0 || argc - 2 < verbs[i].min_args)
            continue;
        if (verbs[i].run(argc - 2, argv + 2, &err) == 0)
            return 0;
        complain(&err);
        return 1;
    }
    fprintf(stderr, "usage: tunnel_drive open|end|db ARG...\n");
    return 2;
}
