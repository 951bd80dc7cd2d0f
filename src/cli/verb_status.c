/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/verb_status.c - `status`: what this host knows of its VMs, and whether somebody has to act.
 */
#include "base/buf.h"
#include "base/units.h"
#include "catalog/catalog.h"
#include "catalog/journal.h"
#include "cli/cli.h"
#include "cli/engine.h"
#include "cli/output.h"
#include "cli/report_text.h"
#include "cli/status_forgotten.h"
#include "cli/status_points.h"
#include "cli/status_policies.h"
#include "cli/status_usage.h"
#include "run/maintenance.h"
#include "run/report.h"
#include "run/run.h"

#include <stdio.h>
#include <string.h>

/* How late prune may be before a monitoring system is told. */
#define OVERDUE_MS (2 * 60 * 60 * 1000)

/* The monitoring plugins' convention. */
enum { MONITOR_OK = 0, MONITOR_WARNING = 1, MONITOR_CRITICAL = 2, MONITOR_UNKNOWN = 3 };

static const struct hf_cli_opt opts[] = {
    {"check", 0, HF_OPT_FLAG, NULL,
     "One line and the exit status of a monitoring plugin: 0 OK, 1 WARNING, 2 CRITICAL, 3 "
     "UNKNOWN."},
};

extern const struct hf_verb hf_verb_status;

static int keep_last_run(void *ctx, const struct hf_catalog_run *r, struct hf_err *err)
{
    struct json_object *row = ctx;
    char at[HF_TIME_MAX];
    hf_time_rfc3339(r->started_us, at);
    if (hf_json_add_string(row, "last_run", r->id) < 0 ||
        hf_json_add_string(row, "verb", r->verb) < 0 ||
        hf_json_add_string(row, "outcome", r->outcome ? r->outcome : "unfinished") < 0 ||
        hf_json_add_string(row, "started_at", at) < 0)
        return hf_fail_nomem(err);
    return 0;
}

struct count {
    int64_t snapshots, oldest_us;
    struct json_object *row;
};

/* Newest first: the last one seen is the oldest, the first one the newest. */
static int count_snapshot(void *ctx, const struct hf_catalog_snapshot *s, struct hf_err *err)
{
    struct count *c = ctx;
    c->oldest_us = s->taken_us;
    if (c->snapshots++ > 0)
        return 0;
    if (hf_json_add_string(c->row, "newest", s->name) < 0 ||
        hf_json_add_string(c->row, "grade", s->grade) < 0 ||
        hf_json_add(c->row, "stall_ms", hf_report_ms(s->stall_ms)) < 0)
        return hf_fail_nomem(err);
    return 0;
}

static int add_vm(struct json_object *rows, struct hf_catalog *catalog,
                  struct hf_status_usage *usage, const struct hf_config_vm *vm, struct hf_err *err)
{
    const char *label = vm->label;
    char oldest[HF_TIME_MAX];
    struct json_object *row = hf_json_append_object(rows);
    struct count c = {.row = row};
    static const char *const unknown[] = {"last_run", "verb",  "outcome", "started_at",
                                          "newest",   "grade", "stall_ms"};
    if (!row || hf_json_add_string(row, "vm", label) < 0)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < HF_ARRAY_SIZE(unknown); i++) /* a member is never missing */
        if (hf_json_add_string(row, unknown[i], NULL) < 0)
            return hf_fail_nomem(err);
    /* A drill says nothing of the VM's last backup; it has a member of its own. */
    if (hf_catalog_last_run_but(catalog, label, HF_VERB_DRILL, keep_last_run, row, err) < 0 ||
        hf_catalog_snapshots(catalog, label, false, count_snapshot, &c, err) < 0)
        return -1;
    hf_time_rfc3339(c.oldest_us, oldest);
    if (hf_json_add_int(row, "snapshots", c.snapshots) < 0 ||
        hf_json_add_string(row, "oldest_at", c.snapshots ? oldest : NULL) < 0)
        return hf_fail_nomem(err);
    if (hf_status_points_add(catalog, vm, usage->now.wall_us, row, err) < 0)
        return -1;
    return hf_status_usage_add(usage, catalog, vm, row, err);
}

static int gather(struct hf_cli *cli, struct json_object *doc, struct hf_err *err)
{
    struct hf_env env = hf_cli_env(cli);
    struct json_object *vms = json_object_new_array();
    HF_AUTO(hf_strv) struct hf_strv open_runs = HF_STRV_INIT, undecided = HF_STRV_INIT;
    if (hf_json_add(doc, "vms", vms) < 0)
        return hf_fail_nomem(err);
    HF_AUTO(hf_catalog)
    struct hf_catalog *catalog = hf_catalog_open(hf_env_state(&env), env.clock, err);
    if (!catalog || hf_journal_list(hf_env_state(&env), &open_runs, err) < 0)
        return -1;
    HF_AUTO(hf_status_usage)
    struct hf_status_usage usage = {.env = &env, .now = hf_expiry_now(env.clock)};
    for (size_t i = 0; i < hf_config_vm_count(cli->config); i++) {
        const struct hf_config_vm *vm = hf_config_vm_at(cli->config, i);
        if (add_vm(vms, catalog, &usage, vm, err) < 0 ||
            hf_maintenance_undecided(catalog, vm->label, &undecided, err) < 0)
            return -1;
    }
    if (hf_json_add(doc, "open_runs", hf_json_strings(&open_runs)) < 0 ||
        hf_json_add(doc, "undecided", hf_json_strings(&undecided)) < 0)
        return hf_fail_nomem(err);
    if (hf_status_stores_add(cli->config, doc, err) < 0)
        return -1;
    return hf_status_policies_add(cli->config, catalog, usage.now.wall_us, doc, err);
}

static int add_line(struct hf_table *t, struct json_object *row)
{
    char overlays[HF_UNITS_MAX], room[HF_UNITS_MAX];
    return hf_table_row(t, hf_cli_text(row, "vm"), hf_cli_text(row, "verb"),
                        hf_cli_text(row, "started_at"), hf_cli_text(row, "outcome"),
                        hf_cli_text(row, "snapshots"), hf_cli_text(row, "oldest_at"),
                        hf_cli_size(row, "overlay_bytes", overlays), hf_cli_text(row, "chain"),
                        hf_cli_size(row, "store_free_bytes", room), hf_cli_text(row, "grade"));
}

/* What somebody has to do about it, a line each. */
static void print_trouble(struct json_object *row)
{
    struct json_object *limits = NULL, *overdue = NULL;
    const char *vm = hf_cli_text(row, "vm"), *why = hf_cli_text(row, "hypervisor_error");
    json_object_object_get_ex(row, "limits", &limits);
    json_object_object_get_ex(row, "overdue", &overdue);
    if (why)
        printf("%s: the hypervisor could not be asked: %s\n", vm, why);
    for (size_t i = 0; i < json_object_array_length(limits); i++) {
        struct json_object *at = json_object_array_get_idx(limits, i);
        printf("%s: %s (%s)\n", vm, hf_cli_text(at, "message"), hf_cli_text(at, "limit"));
    }
    for (size_t i = 0; i < json_object_array_length(overdue); i++)
        printf("%s: %s has expired: `holdfast prune` deletes it\n", vm,
               json_object_get_string(json_object_array_get_idx(overdue, i)));
}

static int print_status(struct json_object *doc, struct hf_err *err)
{
    struct json_object *vms = NULL, *open_runs = NULL;
    HF_AUTO(hf_table) struct hf_table *t = hf_table_new(10);
    json_object_object_get_ex(doc, "vms", &vms);
    json_object_object_get_ex(doc, "open_runs", &open_runs);
    if (!t || hf_table_row(t, "VM", "LAST RUN", "STARTED", "OUTCOME", "SNAPSHOTS", "OLDEST",
                           "OVERLAYS", "CHAIN", "FREE", "GRADE") < 0)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < json_object_array_length(vms); i++)
        if (add_line(t, json_object_array_get_idx(vms, i)) < 0)
            return hf_fail_nomem(err);
    if (hf_table_print(t, err) < 0)
        return -1;
    for (size_t i = 0; i < json_object_array_length(vms); i++)
        print_trouble(json_object_array_get_idx(vms, i));
    hf_status_points_print(doc);
    hf_cli_print_lines(stdout, doc, "", "undecided");
    for (size_t i = 0; i < json_object_array_length(open_runs); i++)
        printf("run %s is under way, or died: `holdfast recover` undoes dead runs\n",
               json_object_get_string(json_object_array_get_idx(open_runs, i)));
    return hf_status_policies_print(doc, err);
}

/* Something is over its limit, or nobody prunes: cron has its time. */
static bool is_neglected(struct json_object *row)
{
    struct json_object *limits = NULL, *overdue_ms = NULL;
    json_object_object_get_ex(row, "limits", &limits);
    json_object_object_get_ex(row, "overdue_ms", &overdue_ms);
    return json_object_array_length(limits) > 0 || json_object_get_int64(overdue_ms) > OVERDUE_MS;
}

/* The VM's last drill failed: nobody knows whether it can be had back. */
static bool has_failed_drill(struct json_object *row)
{
    struct json_object *drill = NULL;
    json_object_object_get_ex(row, "last_drill", &drill);
    return drill && !hf_cli_number(drill, "passed");
}

/* VMs for which a run of some policy has succeeded, as holdfastd wrote down. NULL: no memory. */
static struct json_object *served(struct json_object *doc)
{
    struct json_object *policies = NULL, *out = json_object_new_object();
    json_object_object_get_ex(doc, "policies", &policies);
    for (size_t i = 0; out && i < json_object_array_length(policies); i++) {
        struct json_object *row = json_object_array_get_idx(policies, i);
        if (hf_cli_text(row, "success_at") && strcmp(hf_cli_text(row, "kind"), "run") == 0 &&
            json_object_object_add(out, hf_cli_text(row, "vm"), NULL) < 0)
            json_object_put(HF_STEAL(out));
    }
    return out;
}

/* Nothing is known that it could be brought back from: nobody ever backed it up, or the catalog was lost. */
static bool is_bare(struct json_object *row, struct json_object *of_policies)
{
    const char *outcome = hf_cli_text(row, "outcome");
    return hf_cli_number(row, "snapshots") == 0 && hf_cli_number(row, "points") == 0 &&
           !(outcome && strcmp(outcome, "done") == 0) &&
           !json_object_object_get_ex(of_policies, hf_cli_text(row, "vm"), NULL);
}

/* What the policies have to say, in front of the rest; nothing without policies. */
static void add_policies(struct hf_buf *line, const struct hf_status_sum *sum, bool lacks_daemon)
{
    hf_status_policies_worst(sum, line);
    if (line->len)
        hf_buf_str_add(line, "; ");
    if (lacks_daemon)
        hf_buf_str_add(line, HF_STATUS_NO_DAEMON "; ");
    if (sum->duties || sum->alarms)
        hf_buf_printf(line,
                      "of policies %u overdue, %u failed, %u interrupted, %u degraded, %u busy, "
                      "%u not followed, %u alarms, ",
                      sum->overdue, sum->failed, sum->interrupted, sum->degraded, sum->busy,
                      sum->unfollowed, sum->alarms);
}

static void add_performance(struct hf_buf *line, const struct hf_status_sum *sum, size_t vms,
                            unsigned bare)
{
    hf_buf_printf(line,
                  " | vms=%zu duties=%u overdue=%u failed=%u interrupted=%u degraded=%u busy=%u "
                  "unfollowed=%u alarms=%u bare=%u",
                  vms, sum->duties, sum->overdue, sum->failed, sum->interrupted, sum->degraded,
                  sum->busy, sum->unfollowed, sum->alarms, bare);
}

/* The line, unless the document is wanted, and the status. */
static int monitor(struct json_object *doc, bool is_silent)
{
    struct json_object *vms = NULL, *open_runs = NULL, *undecided = NULL;
    struct hf_status_sum sum;
    HF_AUTO(hf_buf) struct hf_buf policies = HF_BUF_INIT, performance = HF_BUF_INIT;
    unsigned failed = 0, degraded = 0, full = 0, unasked = 0, undrilled = 0, late = 0, bare = 0;
    HF_AUTOJSON struct json_object *of_policies = served(doc);
    json_object_object_get_ex(doc, "vms", &vms);
    json_object_object_get_ex(doc, "open_runs", &open_runs);
    json_object_object_get_ex(doc, "undecided", &undecided);
    size_t n = json_object_array_length(vms), open = json_object_array_length(open_runs);
    bool waits = json_object_array_length(undecided) > 0;
    for (size_t i = 0; i < n; i++) {
        struct json_object *row = json_object_array_get_idx(vms, i);
        const char *outcome = hf_cli_text(row, "outcome");
        failed += outcome && (strcmp(outcome, "failed") == 0 || strcmp(outcome, "undone") == 0);
        degraded += outcome && strcmp(outcome, "degraded") == 0;
        full += is_neglected(row);
        undrilled += has_failed_drill(row);
        bare += is_bare(row, of_policies);
        late += hf_cli_number(row, "drill_overdue") != 0;
        unasked += hf_cli_text(row, "hypervisor_error") != NULL;
    }
    const size_t forgotten = hf_status_forgotten_count(doc);
    hf_status_policies_sum(doc, &sum);
    const bool lacks_daemon = hf_status_policies_lack_daemon(doc);
    add_policies(&policies, &sum, lacks_daemon);
    add_performance(&performance, &sum, n, bare);
    bool is_critical = failed || undrilled || sum.level == HF_OWED_CRITICAL;
    bool is_warning = degraded || open || waits || full || unasked || late || bare || forgotten ||
                      lacks_daemon || sum.level;
    int status = is_critical ? MONITOR_CRITICAL : is_warning ? MONITOR_WARNING : MONITOR_OK;
    static const char *const words[] = {"OK", "WARNING", "CRITICAL"};
    if (!is_silent)
        printf("HOLDFAST %s - %s%zu VM%s, last run failed on %u, below its grade on %u, "
               "drill failed on %u, overdue on %u, over a limit or overdue %u, not reached %u, "
               "nothing to go back to on %u, in no policy any more %zu, %zu run%s open%s%s\n",
               words[status], hf_buf_str(&policies), n, n == 1 ? "" : "s", failed, degraded,
               undrilled, late, full, unasked, bare, forgotten, open, open == 1 ? "" : "s",
               waits ? ", a maintenance awaits a decision" : "", hf_buf_str(&performance));
    return status;
}

static int read_config_and_gather(struct hf_cli *cli, struct json_object *doc, struct hf_err *err)
{
    HF_AUTO(hf_config) struct hf_config *config = hf_config_load(cli->config_path, err);
    if (!config)
        return -1;
    cli->config = config;
    int rc = gather(cli, doc, err);
    cli->config = NULL;
    return rc;
}

/* A monitoring system takes 2 for CRITICAL, and shows what is on standard output. */
static int unknown(struct hf_cli *cli, struct hf_err *err)
{
    if (cli->json)
        hf_cli_print_error(err, true);
    else
        printf("HOLDFAST UNKNOWN - %s\n", err->message);
    hf_err_clear(err);
    return MONITOR_UNKNOWN;
}

static int run_status(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    bool is_check = hf_cli_get(&hf_verb_status, args, "check")->is_set;
    HF_AUTOJSON struct json_object *doc = json_object_new_object();
    if (!doc)
        return hf_fail_nomem(err);
    if (read_config_and_gather(cli, doc, err) < 0)
        return is_check ? unknown(cli, err) : -1;
    if (cli->json && hf_cli_print_json(doc, err) < 0)
        return -1;
    if (is_check)
        return monitor(doc, cli->json);
    return cli->json ? 0 : print_status(doc, err);
}

const struct hf_verb hf_verb_status = {
    .name = "status",
    .args = "",
    .min_args = 0,
    .max_args = 0,
    .summary = "show the last run, snapshots, last point and open runs of every VM",
    .help =
        "Reads the catalog and the journals of this host, and asks the hypervisors, 10 s at "
        "the most each, for room and limits: what the overlays take, layers of the "
        "longest chain, free space where overlays lie, which limit of the VM's section is "
        "exceeded. "
        "Below it stand the last recovery point of each VM and where it is protected, as the "
        "catalog "
        "knows; no store is asked. A store that is only assumed to be off the host (off-host = "
        "assume) "
        "is named for as long as it is. "
        "What has expired and was not pruned is named. A hypervisor that is away is named, and "
        "the rest is shown.\n\n"
        "Then, for each policy and VM, how its last run and drill went, the last success, and what "
        "is due next. That comes from the configuration, the catalog and the clock alone, so it is "
        "true also when holdfastd is dead: overdue is what should have begun more than an hour "
        "(or twice the policy's retry) ago and has not. A run of the policy by hand or by cron "
        "(backup --policy) counts as one of holdfastd's.\n\n"
        "--check makes one line of it for a monitoring system: CRITICAL when the last run of a "
        "VM failed or was undone, a policy's run or drill is overdue, failed, or ended unknown, or "
        "no holdfastd has ever followed the policies; "
        "WARNING when it missed its grade, a policy's run found the VM busy for long, an alarm of "
        "holdfastd is on, a run is open, a failed maintenance awaits a "
        "decision, a limit is "
        "exceeded, a snapshot has been expired for more than two hours, a hypervisor could "
        "not be asked, no snapshot, recovery point or good run of a VM is known, or a VM that "
        "holdfastd followed is neither selected nor left out (!NAME) by any policy now; "
        "UNKNOWN when the configuration or the catalog cannot be read. What failed, and "
        "why, is shown by holdfast show with the run's id, as --json has it. A successful run "
        "of the VM ends the alarm.",
    .opts = opts,
    .n_opts = HF_ARRAY_SIZE(opts),
    .run = run_status,
};
