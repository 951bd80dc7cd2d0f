/* SPDX-License-Identifier: Apache-2.0
 *
 * What a letter says. One about several messages has what one about one has, with their sum as its text, and each of them behind it.
 */
#include "base/utf8.h"
#include "daemon/deliver_intern.h"

#include <string.h>

/* ---- the sum --------------------------------------------------------------------------------- */

#define KINDS_MAX 16

struct sum {
    struct sum_kind {
        const char *kind;
        bool is_recovery;
        size_t n;
    } kinds[KINDS_MAX];
    size_t n;
};

static void count(struct sum *s, const struct hf_message *m)
{
    size_t i = 0;
    while (i < s->n && (strcmp(s->kinds[i].kind, m->alarm.kind) != 0 ||
                        s->kinds[i].is_recovery != m->is_recovery))
        i++;
    if (i == KINDS_MAX)
        return; /* there are fewer kinds of alarms */
    if (i == s->n)
        s->kinds[s->n++] = (struct sum_kind){m->alarm.kind, m->is_recovery, 0};
    s->kinds[i].n++;
}

/* "failed of 37, missed of 2, degraded is over of 4" */
static void add_sum(struct hf_buf *out, const struct hf_message *const *m, size_t n)
{
    struct sum s = {.n = 0};
    for (size_t i = 0; i < n; i++)
        count(&s, m[i]);
    for (size_t i = 0; i < s.n; i++)
        hf_buf_printf(out, "%s%s%s of %zu", i ? ", " : "", s.kinds[i].kind,
                      s.kinds[i].is_recovery ? " is over" : "", s.kinds[i].n);
}

/* ---- for programs -------------------------------------------------------------------------- */

static int add_line(struct json_object *doc, const char *key, const char *text)
{
    HF_AUTO(hf_buf) struct hf_buf line = HF_BUF_INIT;
    hf_utf8_add_line(&line, text);
    return hf_buf_ok(&line) ? hf_json_add_string(doc, key, hf_buf_str(&line)) : -1;
}

static int add_members(struct json_object *doc, const struct hf_message *m)
{
    char since[HF_TIME_MAX];
    hf_time_rfc3339(m->alarm.since_us, since);
    return add_line(doc, "kind", m->alarm.kind) < 0 ||
                   add_line(doc, "policy", m->alarm.policy) < 0 ||
                   add_line(doc, "vm", m->alarm.vm) < 0 ||
                   hf_json_add_string(doc, "since", since) < 0 ||
                   add_line(doc, "text", m->alarm.text) < 0 ||
                   hf_json_add_bool(doc, "recovery", m->is_recovery) < 0 ||
                   hf_json_add_int(doc, "id", m->id) < 0
               ? -1
               : 0;
}

static int add_messages(struct json_object *doc, const struct hf_message *const *m, size_t n)
{
    struct json_object *list = json_object_new_array();
    if (hf_json_add(doc, "messages", list) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        struct json_object *one = hf_json_append_object(list);
        if (!one || add_members(one, m[i]) < 0)
            return -1;
    }
    return 0;
}

struct json_object *deliver_document(const struct hf_message *const *m, size_t n, const char *host)
{
    HF_AUTOJSON struct json_object *doc = json_object_new_object();
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    struct hf_message all = *m[0];
    if (n > 1) {
        add_sum(&text, m, n);
        all.alarm = (struct hf_alarm){.kind = "several",
                                      .policy = "",
                                      .vm = "",
                                      .since_us = m[0]->alarm.since_us,
                                      .text = hf_buf_str(&text)};
        for (size_t i = 0; i < n; i++)
            all.is_recovery = all.is_recovery && m[i]->is_recovery;
    }
    if (!doc || !hf_buf_ok(&text) || add_members(doc, &all) < 0 ||
        add_line(doc, "host", host) < 0 || (n > 1 && add_messages(doc, m, n) < 0))
        return NULL;
    return HF_STEAL(doc);
}

/* ---- for people ------------------------------------------------------------------------------ */

static void add_about(struct hf_buf *out, const struct hf_alarm *a)
{
    if (*a->policy || *a->vm)
        hf_buf_printf(out, "%s%s%s", a->policy, *a->policy && *a->vm ? "/" : "", a->vm);
    else
        hf_buf_str_add(out, "holdfastd");
}

static void add_kind(struct hf_buf *out, const struct hf_message *m)
{
    hf_buf_printf(out, "%s%s: ", m->alarm.kind, m->is_recovery ? " is over" : "");
    add_about(out, &m->alarm);
}

void deliver_subject(const struct hf_message *const *m, size_t n, const char *host,
                     struct hf_buf *out)
{
    hf_buf_printf(out, "[holdfast %s] ", host);
    if (n == 1)
        add_kind(out, m[0]);
    else
        add_sum(out, m, n);
}

static void add_field(struct hf_buf *out, const char *name, const char *value)
{
    if (!*value)
        return;
    hf_buf_printf(out, "%-7s ", name);
    hf_utf8_add_line(out, value);
    hf_buf_str_add(out, "\n");
}

static void add_one(struct hf_buf *out, const struct hf_message *m, const char *host)
{
    char since[HF_TIME_MAX];
    hf_time_rfc3339(m->alarm.since_us, since);
    hf_utf8_add_line(out, m->alarm.text);
    hf_buf_str_add(out, "\n\n");
    add_field(out, "alarm", m->alarm.kind);
    add_field(out, "state", m->is_recovery ? "over" : "on");
    add_field(out, "since", since);
    add_field(out, "policy", m->alarm.policy);
    add_field(out, "vm", m->alarm.vm);
    add_field(out, "host", host);
}

static void add_in_list(struct hf_buf *out, const struct hf_message *m)
{
    char since[HF_TIME_MAX];
    HF_AUTO(hf_buf) struct hf_buf line = HF_BUF_INIT;
    hf_time_rfc3339(m->alarm.since_us, since);
    add_kind(&line, m);
    hf_buf_printf(&line, ", since %.19sZ: %s", since, m->alarm.text);
    hf_utf8_add_line(out, hf_buf_str(&line));
    hf_buf_str_add(out, "\n");
    out->failed = out->failed || !hf_buf_ok(&line);
}

void deliver_body(const struct hf_message *const *m, size_t n, const char *host, struct hf_buf *out)
{
    if (n == 1)
        add_one(out, m[0], host);
    for (size_t i = 0; n > 1 && i < n; i++)
        add_in_list(out, m[i]);
    hf_buf_str_add(out, "\nholdfast status tells more.\n");
}
