/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/report_text.h"

#include "cli/output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *hf_cli_text(struct json_object *doc, const char *key)
{
    struct json_object *v = NULL;
    return json_object_object_get_ex(doc, key, &v) && v ? json_object_get_string(v) : NULL;
}

const char *hf_cli_size(struct json_object *doc, const char *key, char out[HF_UNITS_MAX])
{
    if (!hf_cli_text(doc, key))
        return NULL;
    hf_format_size((uint64_t)hf_cli_number(doc, key), out);
    return out;
}

int64_t hf_cli_number(struct json_object *doc, const char *key)
{
    struct json_object *v = NULL;
    return json_object_object_get_ex(doc, key, &v) ? json_object_get_int64(v) : 0;
}

static void line(const char *name, const char *value)
{
    if (value)
        printf("%-10s %s\n", name, value);
}

static const char *grade_words(const char *grade)
{
    static const char *const words[] = {"database stopped", "commits blocked and proven",
                                        "backup lock only", "filesystems frozen only",
                                        "crash-consistent"};
    return grade && grade[0] >= 'A' && grade[0] <= 'E' ? words[grade[0] - 'A'] : "";
}

static void print_grade(struct json_object *doc)
{
    const char *grade = hf_cli_text(doc, "grade"), *proof = hf_cli_text(doc, "proof"),
               *why = hf_cli_text(doc, "grade_why");
    const char *required = hf_cli_text(doc, "required");
    if (!grade)
        return;
    if (proof && strcmp(proof, "none") == 0)
        proof = NULL;
    printf("%-10s %s (%s%s%s)%s%s\n", "grade", grade, grade_words(grade),
           proof ? ", proof by " : "", proof ? proof : "", why ? ": " : "", why ? why : "");
    if (required && strcmp(grade, required) > 0)
        printf("%-10s %s: this is NOT a success\n", "required", required);
}

static void print_stall(struct json_object *doc)
{
    if (!hf_cli_text(doc, "stall_ms"))
        return;
    struct json_object *held = NULL;
    printf("%-10s %s ms at the most for writers", "stall", hf_cli_text(doc, "stall_ms"));
    if (json_object_object_get_ex(doc, "held_ms", &held) && json_object_get_double(held) > 0)
        printf(", held for %s ms", hf_cli_text(doc, "held_ms"));
    putchar('\n');

    struct json_object *attempts = NULL;
    if (json_object_object_get_ex(doc, "attempts", &attempts) && json_object_get_int(attempts) > 1)
        printf("%-10s %s; the longest failed one made writers wait for up to %s ms\n", "attempts",
               hf_cli_text(doc, "attempts"), hf_cli_text(doc, "worst_attempt_ms"));
}

void hf_cli_print_stopped(struct json_object *doc)
{
    struct json_object *list = NULL, *rest = NULL;
    if (!json_object_object_get_ex(doc, "stopped", &list) ||
        !json_object_is_type(list, json_type_array) || json_object_array_length(list) == 0)
        return;
    printf("%-10s ", "stopped");
    for (size_t i = json_object_array_length(list); i-- > 0;)
        printf("%s%s", json_object_get_string(json_object_array_get_idx(list, i)), i ? ", " : "");
    if (json_object_object_get_ex(doc, "rest_ms", &rest) && json_object_get_double(rest) > 0)
        printf("; services at rest for %s ms", hf_cli_text(doc, "rest_ms"));
    putchar('\n');
}

void hf_cli_print_fetched(struct json_object *doc)
{
    char bytes[HF_UNITS_MAX];
    const char *store = hf_cli_text(doc, "store");
    if (!store)
        return;
    hf_format_size((uint64_t)hf_cli_number(doc, "fetched_bytes"), bytes);
    printf("fetched    %s of point %s from store %s\n", bytes, hf_cli_text(doc, "point"), store);
}

void hf_cli_print_position(struct json_object *doc, const char *name, const char *key)
{
    struct json_object *p = NULL;
    if (!json_object_object_get_ex(doc, key, &p) || !p)
        return;
    const char *gtid = hf_cli_text(p, "gtid");
    bool has_gtid = gtid && gtid[0];
    printf("%-10s %s:%s%s%s\n", name, hf_cli_text(p, "file"), hf_cli_text(p, "offset"),
           has_gtid ? ", GTID " : "", has_gtid ? gtid : "");
}

static void print_timeline(struct json_object *doc)
{
    struct json_object *list = NULL;
    double before = 0;
    if (!json_object_object_get_ex(doc, "timeline", &list) || json_object_array_length(list) == 0)
        return;
    printf("timeline   ms since the start of the run, and since the event before\n");
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *e = json_object_array_get_idx(list, i), *at = NULL;
        json_object_object_get_ex(e, "at_ms", &at);
        double now = json_object_get_double(at);
        printf("           %10.3f  %+9.3f  %s\n", now, i ? now - before : 0.0,
               hf_cli_text(e, "event"));
        before = now;
    }
}

void hf_cli_print_each(struct json_object *doc, const char *key,
                       void (*print)(struct json_object *item))
{
    struct json_object *list = NULL;
    if (!json_object_object_get_ex(doc, key, &list) || !json_object_is_type(list, json_type_array))
        return;
    for (size_t i = 0; i < json_object_array_length(list); i++)
        print(json_object_array_get_idx(list, i));
}

void hf_cli_print_lines(FILE *to, struct json_object *doc, const char *before, const char *key)
{
    struct json_object *list = NULL;
    if (!json_object_object_get_ex(doc, key, &list) || !json_object_is_type(list, json_type_array))
        return;
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        const char *text = json_object_get_string(json_object_array_get_idx(list, i));
        if (text)
            fprintf(to, "%s%s\n", before, text);
    }
}

void hf_cli_print_list(struct json_object *doc, const char *name, const char *key)
{
    char before[32];
    snprintf(before, sizeof before, "%-10s ", name);
    hf_cli_print_lines(stdout, doc, before, key);
}

int hf_cli_print_report(struct json_object *doc, struct hf_err *err)
{
    static const char *const plain[][2] = {
        {"vm", "vm"},         {"snapshot", "snapshot"},  {"label", "label"},
        {"run", "run"},       {"did", "verb"},           {"started", "started_at"},
        {"server", "server"}, {"disks", "disks"},        {"quiesce", "quiesce"},
        {"method", "method"}, {"expires", "expires_at"}, {"policy", "policy"}};
    struct json_object *failure = NULL;
    for (size_t i = 0; i < HF_ARRAY_SIZE(plain); i++)
        line(plain[i][0], hf_cli_text(doc, plain[i][1]));
    print_grade(doc);
    print_stall(doc);
    hf_cli_print_stopped(doc);
    hf_cli_print_position(doc, "position", "position");
    hf_cli_print_position(doc, "not before", "position_min");
    hf_cli_print_position(doc, "not after", "position_max");
    print_timeline(doc);
    hf_cli_print_list(doc, "warning", "warnings");
    if (json_object_object_get_ex(doc, "error", &failure)) {
        line("error", hf_cli_text(failure, "message"));
        line("hint", hf_cli_text(failure, "hint"));
        hf_cli_print_list(failure, "left", "left");
    }
    return hf_cli_flush(err);
}
