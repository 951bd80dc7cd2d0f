/* SPDX-License-Identifier: Apache-2.0
 *
 * http_drive - requests of net/http from the shell, for its tests; all over one struct hf_http.
 *
 *   http_drive [ca=FILE] [pin=PIN] [stall=MS] [timeout=MS] [max=BYTES] [into=BYTES] [body=BYTES] [method=M]
 *              [cancel=MS] [pause=MS] [secret=TEXT] [take=BYTES [piece=MS] [refuse=BYTES]] URL…
 *
 * take: in pieces, at most so many bytes, each taken for `piece`, and none behind the bytes `refuse`. For each URL, with a pause in between, a line "STATUS BODY-BYTES BYTES-INTO" or "error CLASS [retryable]: message | hint".
 */
#include "base/clock.h"
#include "net/http.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct drive {
    char **args;
    struct hf_cancel *cancel;
};

static const char *text(const struct drive *d, const char *name)
{
    size_t len = strlen(name);
    for (char **a = d->args; *a; a++)
        if (strncmp(*a, name, len) == 0 && (*a)[len] == '=')
            return *a + len + 1;
    return NULL;
}

static long long number(const struct drive *d, const char *name)
{
    const char *t = text(d, name);
    return t ? strtoll(t, NULL, 10) : 0;
}

static void *cancel_later(void *arg)
{
    const struct drive *d = arg;
    hf_clock_sleep_ms(hf_clock_system(), number(d, "cancel"));
    hf_cancel_set(d->cancel);
    return NULL;
}

static void say(int rc, const struct hf_http_answer *a, const struct hf_err *err)
{
    if (rc == 0)
        printf("%ld %zu %zu\n", a->status, a->body.len, a->into_have);
    else
        printf("error %s%s: %s | %s\n", hf_err_class_name(err->cls),
               err->retryable ? " retryable" : "", err->message, err->hint);
    fflush(stdout);
}

/* Pieces of a body. */
struct taken {
    const struct drive *d;
    uint64_t bytes, sum;
};

static int take(void *ctx, const void *data, size_t len, struct hf_err *err)
{
    struct taken *t = ctx;
    const unsigned char *p = data;
    if (text(t->d, "refuse") && t->bytes + len > (uint64_t)number(t->d, "refuse"))
        return hf_fail(err, HF_E_NOSPACE, "no more");
    for (size_t i = 0; i < len; i++)
        t->sum = t->sum * 31 + p[i];
    t->bytes += len;
    hf_clock_sleep_ms(hf_clock_system(), number(t->d, "piece"));
    return 0;
}

static void download(const struct drive *d, struct hf_http *h, const struct hf_http_request *r)
{
    struct hf_err err = HF_ERR_INIT;
    struct taken t = {.d = d};
    HF_AUTO(hf_http_answer) struct hf_http_answer a = {0};
    const struct hf_http_sink sink = {take, &t, (uint64_t)number(d, "take"), hf_clock_system()};
    int rc = hf_http_download(h, r, &sink, &a, &err);
    printf("%llu %llx ", (unsigned long long)t.bytes, (unsigned long long)t.sum);
    say(rc, &a, &err);
}

static int run(const struct drive *d, struct hf_http *h)
{
    static const char *const headers[] = {"Content-Type: text/plain", NULL};
    size_t body_len = (size_t)number(d, "body"), into_len = (size_t)number(d, "into");
    const char *secret = text(d, "secret");
    HF_AUTOFREE char *body = calloc(1, body_len + 1);
    HF_AUTOFREE char *into = calloc(1, into_len + 1);
    HF_AUTO(hf_secret) struct hf_secret *s = secret ? hf_secret_new(secret, strlen(secret)) : NULL;
    HF_AUTO(hf_http_answer) struct hf_http_answer a = {0};
    struct hf_http_request r = {.method = text(d, "method") ? text(d, "method")
                                          : body_len        ? "PUT"
                                                            : "GET",
                                .headers = headers,
                                .body = body_len ? body : NULL,
                                .body_len = body_len,
                                .sigv4 = s ? "aws:amz:eu-test-1:s3" : NULL,
                                .user = "key",
                                .secret = s,
                                .into = into_len ? into : NULL,
                                .into_len = into_len,
                                .answer_max = (size_t)number(d, "max"),
                                .timeout_ms = number(d, "timeout") ? number(d, "timeout") : 20000};
    for (char **url = d->args; *url; url++) {
        struct hf_err err = HF_ERR_INIT;
        if (strncmp(*url, "http", 4) != 0)
            continue;
        r.url = *url;
        if (text(d, "take"))
            download(d, h, &r);
        else
            say(hf_http_run(h, &r, &a, &err), &a, &err);
        hf_clock_sleep_ms(hf_clock_system(), number(d, "pause"));
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct hf_err err = HF_ERR_INIT;
    pthread_t thread;
    (void)argc;
    HF_AUTO(hf_cancel) struct hf_cancel *cancel = hf_cancel_new(&err);
    struct drive d = {argv + 1, cancel};
    struct hf_http_opts opts = {.ca_file = text(&d, "ca"),
                                .pin = text(&d, "pin"),
                                .stall_ms = number(&d, "stall"),
                                .cancel = cancel};
    HF_AUTO(hf_http) struct hf_http *h = cancel ? hf_http_new(&opts, &err) : NULL;
    if (!h) {
        say(-1, NULL, &err);
        return 1;
    }
    bool cancels = text(&d, "cancel") && pthread_create(&thread, NULL, cancel_later, &d) == 0;
    int rc = run(&d, h);
    if (cancels)
        pthread_join(thread, NULL);
    return rc;
}
