/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "cli/report_text.h"
#include "cli/status_forgotten.h"
#include "cli/status_policies.h"

#include <stdio.h>
#include <string.h>

static bool is_level(struct json_object *row, enum hf_owed_level level)
{
    return strcmp(hf_cli_text(row, "level"), hf_owed_level_name(level)) == 0;
}

/* "nightly web01", with "drill" behind it where it is one; of an alarm what it is about. */
static void add_name(struct hf_buf *out, struct json_object *row)
{
    const char *policy = hf_cli_text(row, "policy"), *vm = hf_cli_text(row, "vm");
    hf_buf_printf(out, "%s%s%s",
                  policy ? policy
                  : vm   ? ""
                         : "holdfastd",
                  policy && vm ? " " : "", vm ? vm : "");
    const char *kind = hf_cli_text(row, "kind");
    if (strcmp(kind, "drill") == 0)
        hf_buf_str_add(out, " drill");
}

/* ---- for people ------------------------------------------------------------------------- */

static int add_line(struct hf_table *t, struct json_object *row)
{
    const char *protected = hf_cli_text(row, "protected"), *state = hf_cli_text(row, "state");
    bool is_running = hf_cli_number(row, "running");
    return hf_table_row(t, hf_cli_text(row, "policy"), hf_cli_text(row, "vm"),
                        hf_cli_text(row, "kind"), is_running ? "running" : state,
                        hf_cli_text(row, "success_at"), hf_cli_text(row, "grade"),
                        hf_cli_text(row, "stall_ms"),
                        !protected                       ? NULL
                        : strcmp(protected, "true") == 0 ? "yes"
                                                         : "NO",
                        hf_cli_text(row, "next_start_at"));
}

static int print_table(struct json_object *rows, struct hf_err *err)
{
    HF_AUTO(hf_table) struct hf_table *t = hf_table_new(9);
    if (!t || hf_table_row(t, "POLICY", "VM", "KIND", "STATE", "LAST SUCCESS", "GRADE", "STALL MS",
                           "PROTECTED", "NEXT") < 0)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < json_object_array_length(rows); i++)
        if (add_line(t, json_object_array_get_idx(rows, i)) < 0)
            return hf_fail_nomem(err);
    putchar('\n');
    return hf_table_print(t, err);
}

static void print_row(struct json_object *row)
{
    HF_AUTO(hf_buf) struct hf_buf name = HF_BUF_INIT;
    add_name(&name, row);
    if (hf_cli_text(row, "message"))
        printf("%s: %s: %s\n", is_level(row, HF_OWED_CRITICAL) ? "CRITICAL" : "WARNING",
               hf_buf_str(&name), hf_cli_text(row, "message"));
}

static void print_alarm(struct json_object *row)
{
    HF_AUTO(hf_buf) struct hf_buf name = HF_BUF_INIT;
    add_name(&name, row);
    printf("alarm: %s: %s since %s: %s%s\n", hf_buf_str(&name), hf_cli_text(row, "kind"),
           hf_cli_text(row, "since"), hf_cli_text(row, "message"),
           hf_cli_number(row, "configured") ? "" : " (no longer configured)");
}

int hf_status_policies_print(struct json_object *doc, struct hf_err *err)
{
    struct json_object *rows = hf_json_list(doc, "policies");
    if (json_object_array_length(rows) && print_table(rows, err) < 0)
        return -1;
    hf_cli_print_each(doc, "policies", print_row);
    hf_status_forgotten_print(doc);
    hf_cli_print_each(doc, "alarms", print_alarm);
    if (hf_status_policies_lack_daemon(doc))
        puts("WARNING: " HF_STATUS_NO_DAEMON ": nothing begins by itself");
    return 0;
}

/* ---- for monitoring --------------------------------------------------------------------- */

static void rank(struct hf_status_sum *sum, struct json_object *row)
{
    for (enum hf_owed_level level = HF_OWED_CRITICAL; level > sum->level; level--) {
        if (!is_level(row, level))
            continue;
        sum->level = level;
        sum->worst = row;
    }
}

static void count(struct hf_status_sum *sum, struct json_object *row)
{
    const struct {
        const char *state;
        unsigned *n;
    } counts[] = {{"overdue", &sum->overdue},
                  {"failed", &sum->failed},
                  {"degraded", &sum->degraded},
                  {"busy", &sum->busy},
                  {"unfollowed", &sum->unfollowed},
                  {"interrupted", &sum->interrupted},
                  {"ahead", &sum->ahead}};
    for (size_t i = 0; i < HF_ARRAY_SIZE(counts); i++)
        *counts[i].n += strcmp(hf_cli_text(row, "state"), counts[i].state) == 0;
    sum->duties++;
}

void hf_status_policies_sum(struct json_object *doc, struct hf_status_sum *out)
{
    struct json_object *rows = hf_json_list(doc, "policies"), *alarms = hf_json_list(doc, "alarms");
    *out = (struct hf_status_sum){.alarms = (unsigned)json_object_array_length(alarms)};
    for (size_t i = 0; i < json_object_array_length(rows); i++) {
        count(out, json_object_array_get_idx(rows, i));
        rank(out, json_object_array_get_idx(rows, i));
    }
    for (size_t i = 0; i < json_object_array_length(alarms); i++)
        rank(out, json_object_array_get_idx(alarms, i));
}

void hf_status_policies_worst(const struct hf_status_sum *sum, struct hf_buf *out)
{
    if (!sum->worst)
        return;
    HF_AUTO(hf_buf) struct hf_buf name = HF_BUF_INIT;
    add_name(&name, sum->worst);
    /* A plugin's line ends at its end, and its text at the first bar. */
    HF_AUTOFREE char *text =
        hf_asprintf("%s: %s", hf_buf_str(&name), hf_cli_text(sum->worst, "message"));
    for (char *p = text; p && *p; p++)
        *p = *p == '|' || *p == '\n' ? ' ' : *p;
    if (text)
        hf_buf_str_add(out, text);
}
