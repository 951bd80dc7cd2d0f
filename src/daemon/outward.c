/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/outward.h"

#include "base/list.h"
#include "base/path.h"
#include "daemon/alarms.h"
#include "daemon/deliver.h"
#include "daemon/http.h"
#include "daemon/metrics.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX ((size_t)256 << 20)
#define REST_MIN_MS 1000
#define REST_FACTOR 20 /* of what making the document took */
#define AGAIN_MIN_MS 1000
#define AGAIN_MAX_MS 60000

/* What went wrong, and is tried again: at once, and ever more seldom. */
struct again {
    int64_t delay_ms; /* 0: it did not go wrong */
    int64_t at_ms;    /* of the monotonic clock */
};

struct hf_outward {
    const struct hf_clock *clock;
    struct hf_log *log;
    const struct hf_config *config; /* borrowed */
    struct hf_daemon_alarms *alarms;
    struct hf_alarms_deliver *deliver; /* NULL before the first configuration */
    char *state;                       /* of its options */
    struct hf_metrics_http *http;      /* NULL: nobody listens */
    struct hf_listen listen;           /* of http; its host is owned */
    struct again listen_again;
    bool is_stale;         /* the metrics */
    bool is_marked;        /* as told while there was trouble */
    int64_t not_before_ms; /* made again; of the monotonic clock */
    struct again make_again;
    char said[HF_ERR_MESSAGE_MAX]; /* what is wrong with them, as the log has it */
};

struct hf_outward *hf_outward_new(const struct hf_clock *clock, struct hf_log *log,
                                  struct hf_err *err)
{
    HF_AUTO(hf_outward) struct hf_outward *o = calloc(1, sizeof *o);
    if (o) {
        o->clock = clock;
        o->log = log;
        o->alarms = hf_daemon_alarms_new();
    }
    if (!o || !o->alarms) {
        hf_fail_nomem(err);
        return NULL;
    }
    return HF_STEAL(o);
}

void hf_outward_free(struct hf_outward *o)
{
    if (!o)
        return;
    hf_alarms_deliver_close(o->deliver);
    hf_metrics_http_close(o->http);
    hf_daemon_alarms_free(o->alarms);
    free(o->listen.host);
    free(o->state);
    free(o);
}

/* ---- what goes wrong --------------------------------------------------------------------- */

static void say(struct hf_outward *o, const struct hf_err *why)
{
    if (strcmp(o->said, why->message) == 0)
        return;
    hf_log_err(o->log, HF_LOG_WARN, "metrics", why);
    snprintf(o->said, sizeof o->said, "%s", why->message);
}

static void try_again(struct hf_outward *o, struct again *a)
{
    a->delay_ms = a->delay_ms ? 2 * a->delay_ms : AGAIN_MIN_MS;
    if (a->delay_ms > AGAIN_MAX_MS)
        a->delay_ms = AGAIN_MAX_MS;
    a->at_ms = hf_clock_mono_ms(o->clock) + a->delay_ms;
}

/* That there is a turn then. */
static void wake_at(const struct hf_outward *o, int64_t at_ms, int64_t now_s, int64_t *io_wake_s)
{
    const int64_t left_ms = at_ms - hf_clock_mono_ms(o->clock);
    const int64_t at_s = now_s + (left_ms > 0 ? left_ms / 1000 : 0) + 1;
    if (at_s < *io_wake_s)
        *io_wake_s = at_s;
}

/* ---- configured -------------------------------------------------------------------------- */

/* The state directory stays the same for as long as the daemon runs; the configuration that names it does not. */
static struct hf_alarms_deliver *open_deliver(struct hf_outward *o, struct hf_err *err)
{
    if (!o->state)
        o->state = strdup(hf_config_get_defaults(o->config)->state);
    const struct hf_alarms_deliver_opts opts = {
        .state_dir = o->state, .clock = o->clock, .log = o->log};
    if (!o->state)
        hf_fail_nomem(err);
    return o->state ? hf_alarms_deliver_open(&opts, err) : NULL;
}

static void configure_messages(struct hf_outward *o)
{
    struct hf_err err = HF_ERR_INIT;
    if (!o->deliver)
        o->deliver = open_deliver(o, &err);
    if (!o->deliver || hf_alarms_deliver_configure(o->deliver, o->config, &err) < 0)
        hf_log_err(o->log, HF_LOG_ERROR, "notify", &err);
}

static bool listens_so(const struct hf_outward *o, const struct hf_listen *wanted)
{
    if (!o->http || !wanted->host)
        return !o->http && !wanted->host;
    return strcmp(o->listen.host, wanted->host) == 0 && o->listen.port == wanted->port;
}

/* Where the port is taken, a predecessor may still be on its way out, or somebody has to stop a stranger. */
static void open_http(struct hf_outward *o)
{
    struct hf_err err = HF_ERR_INIT;
    o->http = hf_metrics_http_open(&o->listen, o->log, &err);
    if (!o->http) {
        say(o, &err);
        try_again(o, &o->listen_again);
        return;
    }
    o->listen_again.delay_ms = 0;
    o->is_stale = true;
}

static void listen_anew(struct hf_outward *o)
{
    struct hf_err err = HF_ERR_INIT;
    const struct hf_listen *wanted = &hf_config_get_defaults(o->config)->metrics_listen;
    if (listens_so(o, wanted))
        return;
    hf_metrics_http_close(HF_STEAL(o->http));
    free(HF_STEAL(o->listen.host));
    o->listen_again.delay_ms = 0;
    if (!wanted->host)
        return;
    o->listen = (struct hf_listen){.host = strdup(wanted->host), .port = wanted->port};
    if (!o->listen.host) {
        hf_fail_nomem(&err);
        say(o, &err);
        return;
    }
    open_http(o);
}

static void configured(void *ctx, const struct hf_config *config)
{
    struct hf_outward *o = ctx;
    o->config = config;
    o->said[0] = '\0';
    hf_daemon_alarms_configured(o->alarms, config);
    configure_messages(o);
    listen_anew(o);
    o->is_stale = true;
}

/* ---- alarms ------------------------------------------------------------------------------ */

/* Those who wait for an alarm are woken where one was written. */
static void pass_on(struct hf_outward *o)
{
    if (!hf_daemon_alarms_take_news(o->alarms))
        return;
    o->is_stale = true;
    if (o->deliver)
        hf_alarms_deliver_kick(o->deliver);
}

static int told(struct hf_outward *o, int rc)
{
    pass_on(o);
    o->is_stale = true;
    return rc;
}

static int attached(void *ctx, struct hf_catalog *c, const struct hf_plan *plan, int64_t now_s,
                    struct hf_err *err)
{
    struct hf_outward *o = ctx;
    return told(o, hf_daemon_alarms_attached(o->alarms, c, plan, now_s, err));
}

static int changed(void *ctx, struct hf_catalog *c, const struct hf_daemon_change *change,
                   struct hf_err *err)
{
    struct hf_outward *o = ctx;
    return told(o, hf_daemon_alarms_changed(o->alarms, c, change, err));
}

static int trouble(void *ctx, struct hf_catalog *c, const char *text, struct hf_err *err)
{
    struct hf_outward *o = ctx;
    return told(o, hf_daemon_alarms_trouble(o->alarms, c, text, err));
}

/* ---- metrics ----------------------------------------------------------------------------- */

struct due_list {
    struct hf_metrics_due *items;
    size_t n, cap;
};

static int add_due(void *ctx, const struct hf_plan_row *row, struct hf_err *err)
{
    struct due_list *list = ctx;
    if (row->start_s == HF_NO_TIME)
        return 0;
    struct hf_metrics_due *items =
        hf_list_room(list->items, list->n, &list->cap, sizeof *items, 64);
    if (!items)
        return hf_fail_nomem(err);
    list->items = items;
    list->items[list->n++] = (struct hf_metrics_due){.policy = row->policy->label,
                                                     .vm = row->vm->label,
                                                     .kind = row->kind,
                                                     .due_s = row->start_s};
    return 0;
}

/* A file that cannot be written keeps the document from nobody who asks. */
static int give(struct hf_outward *o, const struct hf_buf *doc, struct hf_err *err)
{
    struct hf_err second = HF_ERR_INIT;
    const char *file = hf_config_get_defaults(o->config)->metrics_file;
    const int rc = file ? hf_metrics_write(file, doc, err) : 0;
    if (o->http && hf_metrics_http_put(o->http, doc, rc < 0 ? &second : err) < 0)
        return -1;
    return rc;
}

static int make(struct hf_outward *o, struct hf_catalog *c, const struct hf_plan *plan,
                int64_t now_s, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf doc = HF_BUF_INIT;
    struct due_list due = {0};
    int rc = hf_plan_rows(plan, now_s, add_due, &due, err);
    if (rc == 0)
        rc = hf_metrics_render(c, o->config, due.items, due.n, &doc, err);
    free(due.items);
    return rc < 0 ? -1 : give(o, &doc, err);
}

static void make_metrics(struct hf_outward *o, struct hf_catalog *c, const struct hf_plan *plan,
                         int64_t now_s)
{
    struct hf_err err = HF_ERR_INIT;
    const int64_t began_ms = hf_clock_mono_ms(o->clock);
    o->is_stale = make(o, c, plan, now_s, &err) < 0;
    o->is_marked = false;
    if (o->is_stale) {
        say(o, &err);
        try_again(o, &o->make_again);
    } else {
        o->make_again.delay_ms = 0;
        o->said[0] = o->listen_again.delay_ms ? o->said[0] : '\0';
    }
    (void)malloc_trim(0); /* with many VMs the document is large, for a moment */
    const int64_t ended_ms = hf_clock_mono_ms(o->clock);
    const int64_t rest_ms = REST_FACTOR * (ended_ms - began_ms);
    o->not_before_ms = ended_ms + (rest_ms > REST_MIN_MS ? rest_ms : REST_MIN_MS);
    if (o->is_stale && o->make_again.at_ms > o->not_before_ms)
        o->not_before_ms = o->make_again.at_ms;
}

/* Later turns follow each other while something happens; the last one of them is made up for. */
static void refresh(struct hf_outward *o, struct hf_catalog *c, const struct hf_plan *plan,
                    int64_t now_s, int64_t *io_wake_s)
{
    if (o->listen_again.delay_ms && o->listen_again.at_ms <= hf_clock_mono_ms(o->clock))
        open_http(o);
    if (o->listen_again.delay_ms)
        wake_at(o, o->listen_again.at_ms, now_s, io_wake_s);
    const bool is_wanted = o->http || hf_config_get_defaults(o->config)->metrics_file;
    if (!is_wanted || !o->is_stale)
        return;
    if (o->not_before_ms <= hf_clock_mono_ms(o->clock))
        make_metrics(o, c, plan, now_s);
    if (o->is_stale)
        wake_at(o, o->not_before_ms, now_s, io_wake_s);
}

static int turned(void *ctx, struct hf_catalog *c, const struct hf_plan *plan, int64_t now_s,
                  int64_t *io_wake_s, struct hf_err *err)
{
    struct hf_outward *o = ctx;
    const int rc = hf_daemon_alarms_turned(o->alarms, c, plan, now_s, io_wake_s, err);
    pass_on(o);
    if (rc == 0)
        refresh(o, c, plan, now_s, io_wake_s);
    return rc;
}

/* ---- while the catalog is of no use ------------------------------------------------------ */

/* What was told last, marked. A file may be of a predecessor. */
static int mark(struct hf_outward *o, struct hf_err *err)
{
    struct hf_err none = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf former = HF_BUF_INIT, doc = HF_BUF_INIT;
    const char *file = hf_config_get_defaults(o->config)->metrics_file;
    size_t len = 0;
    if (o->http && hf_metrics_http_document(o->http, &former, err) < 0)
        return -1;
    HF_AUTOFREE char *of_file =
        file && !former.len ? hf_path_read(file, FILE_MAX, &len, &none) : NULL;
    const char *text = of_file ? of_file : hf_buf_str(&former);
    if (hf_metrics_mark(text, of_file ? len : former.len, &doc, err) < 0)
        return -1;
    return give(o, &doc, err);
}

static void stuck(void *ctx, const char *text)
{
    struct hf_outward *o = ctx;
    struct hf_err err = HF_ERR_INIT;
    const bool is_wanted = o->http || hf_config_get_defaults(o->config)->metrics_file;
    if (o->deliver)
        hf_alarms_deliver_trouble(o->deliver, text);
    if (!text || !is_wanted || o->is_marked)
        return;
    o->is_marked = mark(o, &err) == 0;
    if (!o->is_marked)
        say(o, &err);
    o->is_stale = true;
}

struct hf_daemon_hooks hf_outward_hooks(struct hf_outward *o)
{
    return (struct hf_daemon_hooks){.ctx = o,
                                    .configured = configured,
                                    .attached = attached,
                                    .changed = changed,
                                    .trouble = trouble,
                                    .stuck = stuck,
                                    .turned = turned};
}
