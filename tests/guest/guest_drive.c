/* SPDX-License-Identifier: Apache-2.0
 *
 * guest_drive - services, dead-men and clock of a libvirt guest from the shell, over its agent, for the guest tests.
 *
 *   guest_drive URI DOMAIN VERB ARG…
 *
 *   rest UNIT…                 opens the set, says "to-start …" and "idle …", then obeys lines on standard input: stop,
 *                              verify, start, each with a time limit in ms if wanted. "ok" or "error …" is the answer.
 *   start UNIT…                hf_units_start
 *   arm-start NAME MS UNIT…    arm-thaw NAME MS MOUNT…
 *   disarm NAME                says "armed" or "fired": what it was
 *   list [RUN]
 *   measure NAME MS            find-db        clock
 *
 * An error is one line "error CLASS: message | hint | left"; status 1. $HOLDFAST_DEADLINE_MS: of each call, default 60000.
 */
#include "guest/agent.h"
#include "guest/clock.h"
#include "guest/deadman.h"
#include "guest/services.h"

#include <stdio.h>
#include <string.h>

struct drive {
    struct hf_guest *g;
    int64_t limit_ms;
};

static int64_t until(int64_t limit_ms)
{
    return hf_clock_mono_ms(hf_clock_system()) + limit_ms;
}

static int complain(const struct hf_err *err)
{
    printf("error %s: %s | %s | %s\n", hf_err_class_name(err->cls), err->message, err->hint,
           err->left);
    return -1;
}

static void say_list(const char *what, const struct hf_strv *v)
{
    printf("%s", what);
    for (size_t i = 0; i < v->n; i++)
        printf("%s%s", *what || i ? " " : "", v->items[i]);
    printf("\n");
}

static int fill(struct hf_strv *v, char **args, struct hf_err *err)
{
    for (; *args; args++)
        if (hf_strv_add(v, *args) < 0)
            return hf_fail_nomem(err);
    return 0;
}

static int obey(struct drive *d, struct hf_services *s, const char *line, struct hf_err *err)
{
    char word[16] = "";
    long long limit_ms = d->limit_ms;
    if (sscanf(line, "%15s %lld", word, &limit_ms) >= 1) {
        if (strcmp(word, "stop") == 0)
            return hf_services_stop(s, until(limit_ms), err);
        if (strcmp(word, "verify") == 0)
            return hf_services_verify(s, until(limit_ms), err);
        if (strcmp(word, "start") == 0)
            return hf_services_start(s, until(limit_ms), err);
    }
    return hf_fail(err, HF_E_CONFIG, "no such command");
}

static int do_rest(struct drive *d, char **args, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv units = HF_STRV_INIT;
    if (fill(&units, args, err) < 0)
        return -1;
    struct hf_services_opts opts = {.guest = d->g, .units = &units};
    HF_AUTO(hf_services) struct hf_services *s = hf_services_open(&opts, until(d->limit_ms), err);
    if (!s)
        return -1;
    say_list("to-start", hf_services_to_start(s));
    say_list("idle", hf_services_idle(s));
    char line[64];
    while (fflush(stdout), fgets(line, sizeof line, stdin)) {
        struct hf_err one = HF_ERR_INIT;
        if (obey(d, s, line, &one) < 0)
            complain(&one);
        else
            printf("ok\n");
    }
    return 0;
}

static int do_start(struct drive *d, char **args, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv units = HF_STRV_INIT;
    if (fill(&units, args, err) < 0)
        return -1;
    return hf_units_start(d->g, &units, NULL, until(d->limit_ms), err);
}

static int do_arm(struct drive *d, char **args, bool is_thaw, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv what = HF_STRV_INIT;
    if (fill(&what, args + 2, err) < 0)
        return -1;
    int64_t after_ms = strtoll(args[1], NULL, 10);
    return is_thaw ? hf_deadman_arm_thaw(d->g, args[0], &what, after_ms, until(d->limit_ms), err)
                   : hf_deadman_arm_start(d->g, args[0], &what, after_ms, until(d->limit_ms), err);
}

static int do_arm_start(struct drive *d, char **args, struct hf_err *err)
{
    return do_arm(d, args, false, err);
}

static int do_arm_thaw(struct drive *d, char **args, struct hf_err *err)
{
    return do_arm(d, args, true, err);
}

static int do_disarm(struct drive *d, char **args, struct hf_err *err)
{
    bool fired;
    if (hf_deadman_disarm(d->g, args[0], until(d->limit_ms), &fired, err) < 0)
        return -1;
    printf("%s\n", fired ? "fired" : "armed");
    return 0;
}

static int do_list(struct drive *d, char **args, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv names = HF_STRV_INIT;
    if (hf_deadman_list(d->g, args[0], &names, until(d->limit_ms), err) < 0)
        return -1;
    say_list("", &names);
    return 0;
}

static int do_measure(struct drive *d, char **args, struct hf_err *err)
{
    int64_t late_ms;
    if (hf_deadman_measure(d->g, args[0], strtoll(args[1], NULL, 10), until(d->limit_ms), &late_ms,
                           err) < 0)
        return -1;
    printf("%lld\n", (long long)late_ms);
    return 0;
}

static int do_find_db(struct drive *d, char **args, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv units = HF_STRV_INIT;
    (void)args;
    if (hf_units_find_db(d->g, &units, until(d->limit_ms), err) < 0)
        return -1;
    say_list("", &units);
    return 0;
}

static int do_clock(struct drive *d, char **args, struct hf_err *err)
{
    int64_t ms, within_ms;
    (void)args;
    if (hf_guest_clock_offset(d->g, NULL, until(d->limit_ms), &ms, &within_ms, err) < 0)
        return -1;
    printf("%lld %lld\n", (long long)ms, (long long)within_ms);
    return 0;
}

static const struct verb {
    const char *name;
    int min_args;
    int (*run)(struct drive *d, char **args, struct hf_err *err);
} verbs[] = {
    {"rest", 1, do_rest},         {"start", 1, do_start},     {"arm-start", 3, do_arm_start},
    {"arm-thaw", 3, do_arm_thaw}, {"disarm", 1, do_disarm},   {"list", 0, do_list},
    {"measure", 2, do_measure},   {"find-db", 0, do_find_db}, {"clock", 0, do_clock},
};

static int run_verb(struct drive *d, int argc, char **argv, struct hf_err *err)
{
    for (size_t i = 0; i < HF_ARRAY_SIZE(verbs); i++)
        if (strcmp(verbs[i].name, argv[0]) == 0 && argc - 1 >= verbs[i].min_args)
            return verbs[i].run(d, argv + 1, err);
    return hf_fail(err, HF_E_CONFIG, "no verb '%s', or too few arguments", argv[0]);
}

static int drive(char *uri, char *domain, int argc, char **argv, struct hf_err *err)
{
    const char *dir = getenv("HOLDFAST_PLUGIN_DIR"), *limit = getenv("HOLDFAST_DEADLINE_MS");
    struct hf_kv kv[] = {{"uri", uri}};
    struct hf_hv_opts opts = {
        .plugin_dir = dir ? dir : HF_PLUGIN_DIR, .plugin = "libvirt", .kv = kv, .n_kv = 1};
    HF_AUTO(hf_hv) struct hf_hv *hv = hf_hv_open(&opts, err);
    HF_AUTO(hf_vm_copy) struct hf_vm_copy vm = {0};
    struct hf_hv_call call = {.deadline_ms = until(15000)};
    if (!hv || hf_hv_vm_find(hv, &call, domain, &vm, err) < 0)
        return -1;
    HF_AUTO(hf_guest) struct hf_guest *g = hf_guest_agent(hv, vm.id, NULL, err);
    if (!g)
        return -1;
    struct drive d = {.g = g, .limit_ms = limit ? strtoll(limit, NULL, 10) : 60000};
    return run_verb(&d, argc, argv, err);
}

int main(int argc, char **argv)
{
    struct hf_err err = HF_ERR_INIT;
    if (argc < 4) {
        fprintf(stderr, "usage: guest_drive URI DOMAIN VERB ARG...\n");
        return 2;
    }
    if (drive(argv[1], argv[2], argc - 3, argv + 3, &err) < 0) {
        complain(&err);
        return 1;
    }
    return 0;
}
