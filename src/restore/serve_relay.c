/* SPDX-License-Identifier: Apache-2.0
 *
 * What the server says on its leash: ready, failed, lines of its log (restore/serve_disk.h).
 */
#include "base/thread.h"
#include "net/json.h"
#include "restore/serve_disk.h"
#include "restore/serve_intern.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define OPEN_MS (INT64_C(15) * 60 * 1000) /* each store has its own patience, far below */
#define QUOTED 300

static enum hf_log_level level_of(const char *name)
{
    static const char *const names[] = {"error", "warn", "info", "detail"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(names); i++)
        if (strcmp(names[i], name) == 0)
            return (enum hf_log_level)i;
    return HF_LOG_DEBUG;
}

/* The first one stays. */
static void note(struct hf_serving *s, enum hf_err_class cls, const char *message)
{
    pthread_mutex_lock(&s->lock);
    if (!s->first.cls)
        hf_fail(&s->first, cls, "%s", message);
    pthread_mutex_unlock(&s->lock);
}

static int take_failed(struct json_object *o, struct hf_err *err)
{
    int64_t cls = 0;
    const char *message = NULL, *hint = "";
    if (hf_json_get_int(o, "class", &cls, err) < 0 ||
        hf_json_get_string(o, "message", &message, err) < 0 ||
        hf_json_get_string(o, "hint", &hint, err) < 0)
        return -1;
    bool is_known = cls > HF_E_NONE && cls < HF_E_CLASSES;
    hf_fail(err, is_known ? (enum hf_err_class)cls : HF_E_INTERNAL, "%s", message);
    return *hint ? hf_hint(err, "%s", hint) : -1;
}

static void take_line(struct hf_serving *s, struct json_object *o)
{
    struct hf_err none = HF_ERR_INIT, unread = HF_ERR_INIT;
    const char *level = NULL, *source = NULL, *message = NULL;
    struct json_object *what = NULL;
    if (json_object_object_get_ex(o, "unread", &what)) {
        (void)take_failed(what, &unread);
        note(s, unread.cls, unread.message);
        return;
    }
    if (hf_json_get_string(o, "level", &level, &none) < 0 ||
        hf_json_get_string(o, "source", &source, &none) < 0 ||
        hf_json_get_string(o, "message", &message, &none) < 0)
        return;
    hf_log(s->env->log, level_of(level), source, "%s", message);
}

/* One message, as an object; NULL: the end, or nothing that can be understood (*out_is_end says which). */
static struct json_object *receive(struct hf_serving *s, bool *out_is_end)
{
    char text[HF_SERVE_MESSAGE_MAX];
    struct hf_err none = HF_ERR_INIT;
    ssize_t n;
    do
        n = recv(s->leash, text, sizeof text, 0);
    while (n < 0 && errno == EINTR);
    *out_is_end = n <= 0;
    return n > 0 ? hf_json_parse(text, (size_t)n, &none) : NULL;
}

/* ---- ready ------------------------------------------------------------------------------ */

static int copy_text(struct json_object *o, const char *key, char **out, struct hf_err *err)
{
    const char *text = NULL;
    if (hf_json_get_string(o, key, &text, err) < 0)
        return -1;
    *out = strdup(text);
    return *out ? 0 : hf_fail_nomem(err);
}

static int take_ready(struct hf_serving *s, struct json_object *o, struct hf_err *err)
{
    int64_t bytes = 0;
    if (copy_text(o, "point", &s->point, err) < 0 || copy_text(o, "vm", &s->vm, err) < 0 ||
        copy_text(o, "disk", &s->disk, err) < 0 || copy_text(o, "store", &s->store, err) < 0 ||
        hf_json_get_int(o, "bytes", &bytes, err) < 0)
        return -1;
    s->bytes = (uint64_t)bytes;
    return 0;
}

static int fail_ended(struct hf_serving *s, struct hf_err *err)
{
    char words[QUOTED] = "";
    ssize_t n = pread(s->words, words, sizeof words - 1, 0);
    words[n > 0 ? n : 0] = '\0';
    words[strcspn(words, "\n")] = '\0';
    return hf_fail(err, HF_E_PLUGIN, "nbdkit ended%s%s", *words ? ": " : " without a word", words);
}

/* 1: that was it. */
static int take_first(struct hf_serving *s, struct hf_err *err)
{
    bool is_end = false;
    struct json_object *ready = NULL, *failed = NULL;
    HF_AUTOJSON struct json_object *o = receive(s, &is_end);
    if (is_end)
        return fail_ended(s, err);
    if (json_object_object_get_ex(o, "failed", &failed))
        return take_failed(failed, err);
    if (json_object_object_get_ex(o, "ready", &ready))
        return take_ready(s, ready, err) < 0 ? -1 : 1;
    take_line(s, o);
    return 0;
}

int hf_serve_await(struct hf_serving *s, struct hf_err *err)
{
    int64_t deadline_ms = hf_clock_mono_ms(s->env->clock) + OPEN_MS;
    int rc = 0;
    while (rc == 0) {
        struct pollfd fds[] = {{.fd = s->leash, .events = POLLIN},
                               {.fd = hf_cancel_fd(s->env->cancel), .events = POLLIN}};
        int left_ms = hf_clock_left_ms(s->env->clock, deadline_ms);
        if (left_ms == 0)
            return hf_fail(err, HF_E_TIMEOUT, "the disk was not opened in time");
        int n = poll(fds, HF_ARRAY_SIZE(fds), left_ms);
        if (hf_cancel_check(s->env->cancel, err) < 0)
            return -1;
        if (n > 0 && fds[0].revents)
            rc = take_first(s, err);
    }
    return rc > 0 ? 0 : -1;
}

/* ---- afterwards ------------------------------------------------------------------------- */

static void *relay(void *arg)
{
    struct hf_serving *s = arg;
    for (bool is_end = false; !is_end;) {
        HF_AUTOJSON struct json_object *o = receive(s, &is_end);
        if (o)
            take_line(s, o);
    }
    note(s, HF_E_PLUGIN, "nbdkit has ended");
    return NULL;
}

int hf_serve_relay_start(struct hf_serving *s, struct hf_err *err)
{
    int e = hf_thread_start(&s->relay, relay, s);
    s->is_relayed = e == 0;
    return e ? hf_fail_sys(err, e, "a thread to listen to nbdkit") : 0;
}
