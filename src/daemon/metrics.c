/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/metrics.h"

#include "base/list.h"
#include "base/path.h"
#include "base/utf8.h"
#include "catalog/alarm.h"
#include "catalog/duty.h"
#include "policy/select.h"

#include <math.h>
#include <string.h>

/* What is written of a duty; its labels are escaped already. */
struct row {
    char *labels; /* policy="…",vm="…" */
    char *policy, *vm;
    bool is_drill, is_running, is_protected;
    int64_t began_us, success_us, duration_ms, bytes;
    const char *outcome; /* one of outcomes, or NULL */
    char grade;          /* or 0 */
};
struct rows {
    const struct hf_config *config;
    const struct hf_config_vm **vms; /* by name */
    size_t n_vms;
    struct row *items;
    size_t n, cap;
};

static void rows_free(struct rows *r)
{
    for (size_t i = 0; i < r->n; i++) {
        free(r->items[i].labels);
        free(r->items[i].policy);
        free(r->items[i].vm);
    }
    free(r->items);
    free(r->vms);
}
HF_DEFINE_AUTO_VALUE(rows, rows_free)

static const char *const outcomes[] = {"done", "degraded", "failed", "busy"};

/* ---- labels ------------------------------------------------------------------------------ */

/* Names are those of the configuration, which may hold any byte but control characters. What is no UTF-8 stays apart: two series with the
 * same labels would cost the whole document. */
static void add_escaped(struct hf_buf *out, const char *text)
{
    for (const char *s = text; *s;) {
        size_t n = hf_utf8_character(s);
        if (*s == '\\' || *s == '"')
            hf_buf_printf(out, "\\%c", *s);
        else if (*s == '\n')
            hf_buf_str_add(out, "\\n");
        else if (n)
            hf_buf_add(out, s, n);
        else
            hf_buf_printf(out, "\\\\x%02x", (unsigned char)*s);
        s += n ? n : 1;
    }
}

static void add_label(struct hf_buf *out, const char *name, const char *value)
{
    hf_buf_printf(out, "%s=\"", name);
    add_escaped(out, value);
    hf_buf_str_add(out, "\"");
}

static char *labels_of(const char *policy, const char *vm)
{
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    add_label(&b, "policy", policy);
    hf_buf_str_add(&b, ",");
    add_label(&b, "vm", vm);
    return hf_buf_steal(&b);
}

/* ---- duties ------------------------------------------------------------------------------ */

static int compare_vms(const void *a, const void *b)
{
    const struct hf_config_vm *const *x = a, *const *y = b;
    return strcmp((*x)->label, (*y)->label);
}

static int index_vms(struct rows *r, struct hf_err *err)
{
    size_t n = hf_config_vm_count(r->config);
    r->vms = calloc(n + 1, sizeof *r->vms);
    if (!r->vms)
        return hf_fail_nomem(err);
    for (; r->n_vms < n; r->n_vms++)
        r->vms[r->n_vms] = hf_config_vm_at(r->config, r->n_vms);
    qsort(r->vms, n, sizeof *r->vms, compare_vms);
    return 0;
}

static const struct hf_config_vm *vm_of(const struct rows *r, const char *name)
{
    const struct hf_config_vm key = {.label = (char *)(uintptr_t)name}, *wanted = &key;
    const struct hf_config_vm **found =
        bsearch(&wanted, r->vms, r->n_vms, sizeof *r->vms, compare_vms);
    return found ? *found : NULL;
}

static const struct hf_config_policy *policy_of(const struct rows *r, const char *name)
{
    for (size_t i = 0; i < hf_config_policy_count(r->config); i++)
        if (strcmp(hf_config_policy_at(r->config, i)->label, name) == 0)
            return hf_config_policy_at(r->config, i);
    return NULL;
}

static bool is_configured(const struct rows *r, const struct hf_duty *d)
{
    const struct hf_config_policy *p = policy_of(r, d->policy);
    const struct hf_config_vm *vm = vm_of(r, d->vm);
    if (!p || !vm || (strcmp(d->kind, HF_DUTY_DRILL) == 0 && !p->drill))
        return false;
    return hf_select_has(&p->vms, vm, hf_config_hypervisor_of(r->config, vm));
}

static struct row *room(struct rows *r)
{
    struct row *items = hf_list_room(r->items, r->n, &r->cap, sizeof *items, 64);
    if (!items)
        return NULL;
    r->items = items;
    return &r->items[r->n];
}

static const char *known_outcome(const char *outcome)
{
    for (size_t i = 0; outcome && i < HF_ARRAY_SIZE(outcomes); i++)
        if (strcmp(outcome, outcomes[i]) == 0)
            return outcomes[i];
    return NULL;
}

static int keep(void *ctx, const struct hf_duty *d, struct hf_err *err)
{
    struct rows *r = ctx;
    if (!is_configured(r, d))
        return 0;
    struct row *row = room(r);
    if (!row)
        return hf_fail_nomem(err);
    *row = (struct row){.labels = labels_of(d->policy, d->vm),
                        .policy = strdup(d->policy),
                        .vm = strdup(d->vm),
                        .is_drill = strcmp(d->kind, HF_DUTY_DRILL) == 0,
                        .is_running = d->began_us > 0 && d->ended_us == 0,
                        .is_protected = d->is_protected,
                        .began_us = d->began_us,
                        .success_us = d->success_us,
                        .duration_ms = d->duration_ms,
                        .bytes = d->bytes,
                        .outcome = known_outcome(d->outcome),
                        .grade = d->grade && *d->grade >= 'A' && *d->grade <= 'E' ? *d->grade : 0};
    r->n++;
    return row->labels && row->policy && row->vm ? 0 : hf_fail_nomem(err);
}

/* By policy and VM, as the catalog lists them; of a drill where there is no run. */
static int compare(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int policy = strcmp(x->policy, y->policy);
    return policy ? policy : strcmp(x->vm, y->vm);
}

/* NULL: not configured. */
static const struct row *find(const struct rows *r, const char *policy, const char *vm)
{
    const struct row key = {.policy = (char *)(uintptr_t)policy, .vm = (char *)(uintptr_t)vm};
    return r->n ? bsearch(&key, r->items, r->n, sizeof *r->items, compare) : NULL;
}

/* ---- metrics of a duty ------------------------------------------------------------------- */

static void add_help(struct hf_buf *out, const char *name, const char *type, const char *help)
{
    hf_buf_printf(out, "# HELP holdfast_%s %s\n# TYPE holdfast_%s %s\n", name, help, name, type);
}

static const char *kind_of(const struct row *r)
{
    return r->is_drill ? HF_DUTY_DRILL : HF_DUTY_RUN;
}

static double seconds_of_us(int64_t us)
{
    return (double)us / 1e6;
}

static double last_success(const struct row *r)
{
    return seconds_of_us(r->success_us);
}

static double last_attempt(const struct row *r)
{
    return seconds_of_us(r->began_us);
}

static double running(const struct row *r)
{
    return r->is_running;
}

static double duration(const struct row *r)
{
    return r->success_us ? (double)r->duration_ms / 1e3 : -1;
}

static double sent(const struct row *r)
{
    return r->success_us && !r->is_drill ? (double)r->bytes : -1;
}

static double is_protected(const struct row *r)
{
    return r->success_us && !r->is_drill ? r->is_protected : -1;
}

static const struct {
    const char *name, *help;
    double (*value)(const struct row *r); /* negative: there is none */
} of_duties[] = {
    {"last_success_timestamp_seconds",
     "When the last run or drill that succeeded ended; 0: none ever did.", last_success},
    {"last_attempt_timestamp_seconds", "When the last run or drill began; 0: none ever did.",
     last_attempt},
    {"running", "1 while a run or drill goes on, or was interrupted.", running},
    {"last_success_duration_seconds", "How long the last run or drill that succeeded took.",
     duration},
    {"last_success_sent_bytes", "What the last run that succeeded sent to stores.", sent},
    {"last_success_protected",
     "1 where the point of the last run that succeeded is on a store off the host.", is_protected},
};

static void add_of_duties(struct hf_buf *out, const struct rows *r)
{
    for (size_t m = 0; m < HF_ARRAY_SIZE(of_duties); m++) {
        add_help(out, of_duties[m].name, "gauge", of_duties[m].help);
        for (size_t i = 0; i < r->n; i++) {
            double value = of_duties[m].value(&r->items[i]);
            if (value >= 0)
                hf_buf_printf(out, "holdfast_%s{%s,kind=\"%s\"} %.15g\n", of_duties[m].name,
                              r->items[i].labels, kind_of(&r->items[i]), value);
        }
    }
}

static void add_outcomes(struct hf_buf *out, const struct rows *r)
{
    add_help(out, "last_attempt_outcome", "gauge",
             "1 for how the last run or drill that has ended did.");
    for (size_t i = 0; i < r->n; i++)
        for (size_t o = 0; r->items[i].outcome && o < HF_ARRAY_SIZE(outcomes); o++)
            hf_buf_printf(out, "holdfast_last_attempt_outcome{%s,kind=\"%s\",outcome=\"%s\"} %d\n",
                          r->items[i].labels, kind_of(&r->items[i]), outcomes[o],
                          r->items[i].outcome == outcomes[o]);
}

static void add_grades(struct hf_buf *out, const struct rows *r)
{
    add_help(out, "last_success_grade", "gauge",
             "Grade of the last run that succeeded, 1 for A, which is the best, to 5 for E.");
    for (size_t i = 0; i < r->n; i++)
        if (r->items[i].grade && !r->items[i].is_drill)
            hf_buf_printf(out, "holdfast_last_success_grade{%s,grade=\"%c\"} %d\n",
                          r->items[i].labels, r->items[i].grade, r->items[i].grade - 'A' + 1);
}

static void add_due(struct hf_buf *out, const struct rows *r, const struct hf_metrics_due *due,
                    size_t n)
{
    add_help(out, "next_due_timestamp_seconds", "gauge", "When the next run or drill is due.");
    for (size_t i = 0; i < n; i++) {
        const struct row *row = find(r, due[i].policy, due[i].vm);
        if (row)
            hf_buf_printf(out, "holdfast_next_due_timestamp_seconds{%s,kind=\"%s\"} %lld\n",
                          row->labels, due[i].kind, (long long)due[i].due_s);
    }
}

/* ---- stalls and alarms ------------------------------------------------------------------- */

struct target {
    struct hf_buf *out;
    const struct rows *rows;
    size_t n;
};

static int add_stalls(void *ctx, const struct hf_stalls *s, struct hf_err *err)
{
    struct target *t = ctx;
    const struct row *row = find(t->rows, s->policy, s->vm);
    uint64_t sum = 0;
    (void)err;
    for (size_t i = 0; row && i < HF_STALL_BUCKETS; i++) {
        double end = hf_stall_bucket_ms(i) / 1e3;
        sum += s->runs[i];
        hf_buf_printf(t->out, "holdfast_stall_seconds_bucket{%s,le=\"", row->labels);
        if (isinf(end))
            hf_buf_str_add(t->out, "+Inf");
        else
            hf_buf_printf(t->out, "%g", end);
        hf_buf_printf(t->out, "\"} %llu\n", (unsigned long long)sum);
    }
    if (row)
        hf_buf_printf(
            t->out, "holdfast_stall_seconds_sum{%s} %.9g\nholdfast_stall_seconds_count{%s} %llu\n",
            row->labels, s->sum_ms / 1e3, row->labels, (unsigned long long)sum);
    return 0;
}

static int add_alarm(void *ctx, const struct hf_alarm *a, struct hf_err *err)
{
    struct target *t = ctx;
    (void)err;
    t->n++;
    hf_buf_str_add(t->out, "holdfast_alarm_since_timestamp_seconds{");
    add_label(t->out, "policy", a->policy);
    hf_buf_str_add(t->out, ",");
    add_label(t->out, "vm", a->vm);
    hf_buf_str_add(t->out, ",");
    add_label(t->out, "kind", a->kind);
    hf_buf_printf(t->out, "} %.15g\n", seconds_of_us(a->since_us));
    return 0;
}

/* ---- the document ------------------------------------------------------------------------ */

static int add_of_catalog(struct hf_catalog *c, struct target *t, struct hf_err *err)
{
    add_help(t->out, "stall_seconds", "histogram",
             "How long runs held writers up in the guest, of all since the daemon knows the VM.");
    if (hf_stalls(c, add_stalls, t, err) < 0)
        return -1;
    add_help(t->out, "alarm_since_timestamp_seconds", "gauge",
             "Since when an alarm is on; there is none where all is well.");
    if (hf_alarms(c, add_alarm, t, err) < 0)
        return -1;
    add_help(t->out, "alarms", "gauge", "How many alarms are on.");
    hf_buf_printf(t->out, "holdfast_alarms %zu\n", t->n);
    return 0;
}

/* In front, where hf_metrics_mark finds it. */
#define TROUBLE_HEAD                                                                               \
    "# HELP holdfast_trouble 1 while holdfastd cannot use its catalog: all else is as it was "     \
    "before.\n"                                                                                    \
    "# TYPE holdfast_trouble gauge\nholdfast_trouble "
#define TROUBLE_LINE (sizeof TROUBLE_HEAD - 1 + sizeof "0\n" - 1)

static void add_build(struct hf_buf *out)
{
    add_help(out, "build_info", "gauge", "1; which version of holdfastd this is.");
    hf_buf_str_add(out, "holdfast_build_info{version=\"" HF_VERSION "\"} 1\n");
}

int hf_metrics_mark(const char *doc, size_t len, struct hf_buf *out, struct hf_err *err)
{
    hf_buf_str_add(out, TROUBLE_HEAD "1\n");
    if (doc && len >= TROUBLE_LINE && memcmp(doc, TROUBLE_HEAD, sizeof TROUBLE_HEAD - 1) == 0)
        hf_buf_add(out, doc + TROUBLE_LINE, len - TROUBLE_LINE);
    else
        add_build(out);
    return hf_buf_ok(out) ? 0 : hf_fail_nomem(err);
}

int hf_metrics_render(struct hf_catalog *c, const struct hf_config *config,
                      const struct hf_metrics_due *due, size_t n_due, struct hf_buf *out,
                      struct hf_err *err)
{
    HF_AUTO(rows) struct rows r = {.config = config};
    struct target t = {.out = out, .rows = &r};
    if (index_vms(&r, err) < 0 || hf_duties(c, keep, &r, err) < 0)
        return -1;
    hf_buf_str_add(out, TROUBLE_HEAD "0\n");
    add_build(out);
    add_of_duties(out, &r);
    add_outcomes(out, &r);
    add_grades(out, &r);
    add_due(out, &r, due, n_due);
    if (add_of_catalog(c, &t, err) < 0)
        return -1;
    return hf_buf_ok(out) ? 0 : hf_fail_nomem(err);
}

int hf_metrics_write(const char *path, const struct hf_buf *doc, struct hf_err *err)
{
    if (hf_path_write(path, hf_buf_str(doc), doc->len, 0644, err) < 0)
        return hf_wrap(err, "metrics-file");
    return 0;
}
