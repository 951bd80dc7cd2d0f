/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/serve_disk.h"

#include "net/json.h"
#include "restore/image.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define AREA "serve"

struct hf_serve_disk {
    int leash;
    FILE *log_to;
    struct hf_log *log;
    struct hf_config *config;
    struct hf_cancel *cancel; /* borrowed */
    struct hf_env env;
    struct hf_open_point point;
    const struct hf_point_artifact *disk;
    struct hf_image *image;
    struct hf_image_cache *cache;
};

/* ---- the leash -------------------------------------------------------------------------- */

/* Whole or not at all, and never waited for: who does not listen shall not hold up a reader. */
static void say(int leash, const char *key, struct json_object *what)
{
    HF_AUTOJSON struct json_object *o = json_object_new_object();
    if (leash < 0 || !o) {
        json_object_put(what);
        return;
    }
    if (hf_json_add(o, key, what) < 0)
        return;
    const char *text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
    if (text)
        (void)send(leash, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
}

void hf_serve_say_ready(struct hf_serve_disk *d)
{
    struct json_object *o = json_object_new_object();
    const struct hf_manifest *m = &d->point.manifest;
    if (o && hf_json_add_string(o, "point", m->point.id) == 0 &&
        hf_json_add_string(o, "vm", m->point.vm) == 0 &&
        hf_json_add_string(o, "disk", d->disk->name) == 0 &&
        hf_json_add_string(o, "store", d->point.config->label) == 0 &&
        hf_json_add_int(o, "bytes", (int64_t)d->disk->bytes) == 0)
        say(d->leash, "ready", json_object_get(o));
    json_object_put(o);
}

static void say_err(int leash, const char *key, const struct hf_err *why)
{
    struct json_object *o = json_object_new_object();
    if (o && hf_json_add_int(o, "class", why->cls) == 0 &&
        hf_json_add_string(o, "message", why->message) == 0 &&
        hf_json_add_string(o, "hint", why->hint) == 0)
        say(leash, key, json_object_get(o));
    json_object_put(o);
}

void hf_serve_say_failed(int leash, const struct hf_err *why)
{
    say_err(leash, "failed", why);
}

/* A line of the log is said likewise: what is not heard is lost, never an error. */
static ssize_t say_line(void *leash, const char *line, size_t len)
{
    (void)send(*(int *)leash, line, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    return (ssize_t)len;
}

/* ---- open ------------------------------------------------------------------------------- */

static int open_log(struct hf_serve_disk *d, int leash, struct hf_err *err)
{
    struct hf_log_opts opts = {.level = HF_LOG_DETAIL};
    d->leash = leash;
    if (leash >= 0) {
        d->log_to = fopencookie(&d->leash, "w", (cookie_io_functions_t){.write = say_line});
        if (!d->log_to)
            return hf_fail_sys(err, errno, "the log of the server");
        /* One message per line, so a line is one write. */
        if (setvbuf(d->log_to, NULL, _IOFBF, HF_SERVE_MESSAGE_MAX) != 0)
            return hf_fail_nomem(err);
        opts.json = true;
        opts.out = d->log_to;
    }
    d->log = hf_log_new(&opts);
    return d->log ? 0 : hf_fail_nomem(err);
}

static void list_disks(const struct hf_manifest *m, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf names = HF_BUF_INIT;
    for (size_t i = 0; i < m->n_artifacts; i++)
        if (m->artifacts[i].kind == HF_POINT_IMAGE)
            hf_buf_printf(&names, "%s%s", names.len ? ", " : "", m->artifacts[i].name);
    hf_hint(err, "Its disks: %.400s.", names.len ? hf_buf_str(&names) : "none");
}

static int find_disk(struct hf_serve_disk *d, const char *name, struct hf_err *err)
{
    const struct hf_manifest *m = &d->point.manifest;
    size_t n = 0;
    if (hf_restore_check_images(m, err) < 0)
        return -1;
    for (size_t i = 0; i < m->n_artifacts; i++) {
        const struct hf_point_artifact *a = &m->artifacts[i];
        if (a->kind != HF_POINT_IMAGE || (name && strcmp(a->name, name) != 0))
            continue;
        d->disk = a;
        n++;
    }
    if (n == 1)
        return 0;
    if (n > 1)
        hf_fail(err, HF_E_CONFIG, "%s has %zu disks: which one?", m->point.id, n);
    else if (name)
        hf_fail(err, HF_E_NOT_FOUND, "%s has no disk '%.60s'", m->point.id, name);
    else
        hf_fail(err, HF_E_NOT_FOUND, "%s has no disk", m->point.id);
    list_disks(m, err);
    return -1;
}

static int open_cache(struct hf_serve_disk *d, struct hf_err *err)
{
    const struct hf_image_cache_opts usual = {0};
    d->image = hf_open_point_image(&d->env, &d->point, AREA, err);
    if (!d->image)
        return -1;
    d->cache = hf_image_cache_open(d->image, d->disk->root, &usual, err);
    if (!d->cache)
        return -1;
    const struct hf_image_shape *shape = hf_image_cache_shape(d->cache);
    if (shape->disk_bytes != d->disk->bytes)
        return hf_fail(err, HF_E_CORRUPT, "its tree is of a disk of %llu bytes, not of %llu",
                       (unsigned long long)shape->disk_bytes, (unsigned long long)d->disk->bytes);
    return 0;
}

static int open_disk(struct hf_serve_disk *d, const struct hf_serve_disk_wish *wish,
                     struct hf_err *err)
{
    const struct hf_point_wish point = {
        .text = wish->point, .store = wish->store, .to_read = true, .area = AREA};
    if (hf_point_open(&d->env, &point, &d->point, err) < 0 || find_disk(d, wish->disk, err) < 0)
        return -1;
    if (open_cache(d, err) < 0) {
        hf_wrap(err, "disk '%s'", d->disk->name);
        hf_store_site_name(d->point.config, err);
        return -1;
    }
    return 0;
}

struct hf_serve_disk *hf_serve_disk_open(const struct hf_serve_disk_wish *wish, struct hf_err *err)
{
    HF_AUTO(hf_serve_disk) struct hf_serve_disk *d = calloc(1, sizeof *d);
    if (!d) {
        hf_fail_nomem(err);
        return NULL;
    }
    d->cancel = wish->cancel;
    if (open_log(d, wish->leash, err) < 0 || !(d->config = hf_config_load(wish->config, err)))
        return NULL;
    d->env = (struct hf_env){.config = d->config,
                             .config_path = wish->config,
                             .log = d->log,
                             .cancel = d->cancel,
                             .clock = hf_clock_system()};
    return open_disk(d, wish, err) < 0 ? NULL : HF_STEAL(d);
}

void hf_serve_disk_close(struct hf_serve_disk *d)
{
    if (!d)
        return;
    hf_cancel_set(d->cancel);
    hf_image_cache_close(d->cache);
    hf_image_close(d->image);
    hf_open_point_close(&d->point);
    hf_config_free(d->config);
    hf_log_free(d->log);
    if (d->log_to)
        fclose(d->log_to);
    free(d);
}

struct hf_image_cache *hf_serve_disk_cache(struct hf_serve_disk *d)
{
    return d->cache;
}

void hf_serve_disk_complain(struct hf_serve_disk *d, const struct hf_err *why)
{
    struct hf_err named = *why;
    hf_wrap(&named, "disk '%s'", d->disk->name);
    hf_store_site_name(d->point.config, &named);
    say_err(d->leash, "unread", &named);
    hf_log_err(d->log, HF_LOG_ERROR, AREA, &named);
}
