/* SPDX-License-Identifier: Apache-2.0
 *
 * store_drive - one operation on a store from the shell, for the tests of stores.
 *
 *   store_drive URL VERB ARG…
 *
 *   put NAME FILE [unknown] [replace] [resume] [confirm] [abandon=N] [die=N]
 *                            says "BYTES SHA256 confirmed|unconfirmed"; confirm: reads back what is not confirmed; abandon, die:
 *                            after N bytes
 *   pull NAME FILE           all of it, in order, as restores read
 *   get NAME AT LEN FILE     head NAME → "BYTES CHANGED"        remove NAME
 *   list PREFIX [shallow] [after=NAME] → "NAME BYTES CHANGED" each
 *   now                      space                         sweep BEFORE → how many
 *
 * Options come from the environment: HOLDFAST_S3_REGION, _ACCESS_KEY, _SECRET_FILE, _CA, _PIN, _PART_BYTES, _RETRY_MS, _STALL_MS,
 * _KEY_FILE, _KNOWN_HOSTS, _USER, of whatever store; HOLDFAST_CANCEL_MS: cancels after so long. An error is one line "error CLASS: message | hint | left"; status 1.
 */
#include "store/store.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define WINDOW ((size_t)16 << 20)

static long long number(const char *name)
{
    const char *text = getenv(name);
    return text ? strtoll(text, NULL, 10) : 0;
}

static int complain(const struct hf_err *err)
{
    printf("error %s: %s | %s | %s\n", hf_err_class_name(err->cls), err->message, err->hint,
           err->left);
    return 1;
}

static const char *flag(char **args, const char *name)
{
    size_t len = strlen(name);
    for (; *args; args++)
        if (strncmp(*args, name, len) == 0)
            return *args + len;
    return NULL;
}

/* ---- verbs ------------------------------------------------------------------------------ */

/* 1: given up in the middle. */
static int pump(struct hf_io_sink *sink, int fd, char **flags, struct hf_err *err)
{
    static char block[64 << 10];
    const char *abandon = flag(flags, "abandon="), *die = flag(flags, "die=");
    long long done = 0;
    for (ssize_t n; (n = read(fd, block, sizeof block)) != 0; done += n) {
        if (n < 0)
            return hf_fail_sys(err, errno, "cannot read the file");
        if (die && done >= strtoll(die, NULL, 10))
            _exit(9);
        if (abandon && done >= strtoll(abandon, NULL, 10))
            return 1;
        if (hf_io_write(sink, block, (size_t)n, err) < 0)
            return -1;
    }
    return hf_io_finish(sink, err);
}

static int do_put(struct hf_store *s, char **args, struct hf_err *err)
{
    struct hf_store_receipt receipt;
    HF_AUTOFD int fd = open(args[1], O_RDONLY | O_CLOEXEC);
    off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    if (size < 0 || lseek(fd, 0, SEEK_SET) < 0)
        return hf_fail_sys(err, errno, "cannot open '%s'", args[1]);
    struct hf_store_put how = {.bytes =
                                   flag(args + 2, "unknown") ? HF_STORE_UNKNOWN : (uint64_t)size,
                               .replace = flag(args + 2, "replace"),
                               .resume = flag(args + 2, "resume")};
    HF_AUTO(hf_io_sink) struct hf_io_sink *sink = hf_store_put(s, args[0], &how, &receipt, err);
    int rc = sink ? pump(sink, fd, args + 2, err) : -1;
    if (rc == 0 && !receipt.confirmed && flag(args + 2, "confirm"))
        rc = hf_store_confirm(s, args[0], &receipt, err);
    if (rc == 0)
        printf("%llu %s %s\n", (unsigned long long)receipt.digest.bytes, receipt.digest.sha256,
               receipt.confirmed ? "confirmed" : "unconfirmed");
    return rc < 0 ? -1 : 0;
}

static int do_get(struct hf_store *s, char **args, struct hf_err *err)
{
    size_t len = strtoull(args[2], NULL, 10);
    HF_AUTOFREE char *buf = malloc(len + 1);
    HF_AUTOFILE FILE *f = NULL;
    if (!buf)
        return hf_fail_nomem(err);
    if (hf_store_get(s, args[0], strtoull(args[1], NULL, 10), buf, len, err) < 0)
        return -1;
    f = fopen(args[3], "w");
    return f && fwrite(buf, 1, len, f) == len ? 0
                                              : hf_fail_sys(err, errno, "cannot write the file");
}

static int do_pull(struct hf_store *s, char **args, struct hf_err *err)
{
    static char block[1 << 20];
    HF_AUTO(hf_io_source) struct hf_io_source *from = hf_store_source(s, args[0], WINDOW, err);
    HF_AUTOFILE FILE *f = from ? fopen(args[1], "w") : NULL;
    if (!from)
        return -1;
    for (uint64_t at = 0; f && at < from->size;) {
        size_t n = from->size - at < sizeof block ? (size_t)(from->size - at) : sizeof block;
        if (hf_io_read_at(from, at, block, n, err) < 0)
            return -1;
        if (fwrite(block, 1, n, f) != n)
            return hf_fail_sys(err, errno, "cannot write the file");
        at += n;
    }
    return f ? 0 : hf_fail_sys(err, errno, "cannot write the file");
}

static int do_head(struct hf_store *s, char **args, struct hf_err *err)
{
    struct hf_store_object o;
    if (hf_store_head(s, args[0], &o, err) < 0)
        return -1;
    printf("%llu %lld\n", (unsigned long long)o.bytes, (long long)o.changed_s);
    return 0;
}

static int print_object(void *ctx, const struct hf_store_object *o, struct hf_err *err)
{
    (void)ctx, (void)err;
    printf("%s %llu %lld\n", o->name, (unsigned long long)o->bytes, (long long)o->changed_s);
    return 0;
}

static int do_list(struct hf_store *s, char **args, struct hf_err *err)
{
    struct hf_store_list what = {args[0], flag(args + 1, "after="), flag(args + 1, "shallow")};
    return hf_store_list(s, &what, print_object, NULL, err);
}

static int do_remove(struct hf_store *s, char **args, struct hf_err *err)
{
    return hf_store_remove(s, args[0], err);
}

static int do_now(struct hf_store *s, char **args, struct hf_err *err)
{
    int64_t now = 0;
    (void)args;
    if (hf_store_now(s, &now, err) < 0)
        return -1;
    printf("%lld\n", (long long)now);
    return 0;
}

static int do_space(struct hf_store *s, char **args, struct hf_err *err)
{
    uint64_t n = 0;
    (void)args;
    if (hf_store_space(s, &n, err) < 0)
        return -1;
    printf("%llu\n", (unsigned long long)n);
    return 0;
}

static int do_sweep(struct hf_store *s, char **args, struct hf_err *err)
{
    uint64_t n = 0;
    if (hf_store_sweep(s, strtoll(args[0], NULL, 10), &n, err) < 0)
        return -1;
    printf("%llu\n", (unsigned long long)n);
    return 0;
}

static const struct {
    const char *name;
    int n_args;
    int (*run)(struct hf_store *s, char **args, struct hf_err *err);
} verbs[] = {
    {"put", 2, do_put},   {"get", 4, do_get},     {"pull", 2, do_pull},
    {"head", 1, do_head}, {"list", 1, do_list},   {"remove", 1, do_remove},
    {"now", 0, do_now},   {"space", 0, do_space}, {"sweep", 1, do_sweep},
};

/* ---- cancelling ------------------------------------------------------------------------- */

static void *cancel_later(void *cancel)
{
    hf_clock_sleep_ms(hf_clock_system(), number("HOLDFAST_CANCEL_MS"));
    hf_cancel_set(cancel);
    return NULL;
}

static int run(char **argv, int n_args, struct hf_err *err)
{
    pthread_t thread;
    HF_AUTO(hf_cancel) struct hf_cancel *cancel = hf_cancel_new(err);
    struct hf_store_opts opts = {.url = argv[1],
                                 .clock = hf_clock_system(),
                                 .cancel = cancel,
                                 .region = getenv("HOLDFAST_S3_REGION"),
                                 .access_key = getenv("HOLDFAST_S3_ACCESS_KEY"),
                                 .key_file = getenv("HOLDFAST_S3_KEY_FILE"),
                                 .known_hosts = getenv("HOLDFAST_S3_KNOWN_HOSTS"),
                                 .user = getenv("HOLDFAST_S3_USER"),
                                 .secret_file = getenv("HOLDFAST_S3_SECRET_FILE"),
                                 .pin = getenv("HOLDFAST_S3_PIN"),
                                 .ca_file = getenv("HOLDFAST_S3_CA"),
                                 .part_bytes = (uint64_t)number("HOLDFAST_S3_PART_BYTES"),
                                 .retry_ms = number("HOLDFAST_S3_RETRY_MS"),
                                 .stall_ms = number("HOLDFAST_S3_STALL_MS")};
    bool cancels = cancel && getenv("HOLDFAST_CANCEL_MS") &&
                   pthread_create(&thread, NULL, cancel_later, cancel) == 0;
    HF_AUTO(hf_store) struct hf_store *s = cancel ? hf_store_open(&opts, err) : NULL;
    int rc = s ? hf_fail(err, HF_E_CONFIG, "no such verb") : -1;
    for (size_t i = 0; s && i < HF_ARRAY_SIZE(verbs); i++)
        if (strcmp(argv[2], verbs[i].name) == 0 && n_args >= verbs[i].n_args)
            rc = verbs[i].run(s, argv + 3, err);
    if (cancels)
        pthread_join(thread, NULL);
    return rc;
}

int main(int argc, char **argv)
{
    struct hf_err err = HF_ERR_INIT;
    if (argc < 3)
        return 2;
    return run(argv, argc - 3, &err) < 0 ? complain(&err) : 0;
}
