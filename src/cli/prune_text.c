/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/prune_text.h"

#include "base/units.h"
#include "cli/output.h"
#include "cli/report_text.h"

#include <stdio.h>
#include <string.h>

static void print_point(struct json_object *row, const char *word)
{
    const char *at = hf_cli_text(row, "taken_at");
    printf("%-12s %s/%s on %s%s%.10s: %s\n", word, hf_cli_text(row, "vm"),
           hf_cli_text(row, "point"), hf_cli_text(row, "store"), at ? ", taken " : "", at ? at : "",
           hf_cli_text(row, "why"));
}

static void print_deleted(struct json_object *row)
{
    const char *action = hf_cli_text(row, "action");
    if (strcmp(action, "kept") != 0)
        print_point(row, strcmp(action, "failed") == 0 ? "FAILED" : "deleted");
}

static void print_decision(struct json_object *row)
{
    const bool goes = strcmp(hf_cli_text(row, "action"), "deleted") == 0;
    print_point(row, goes ? "would delete" : "keep");
}

/* ", 12 packs (180.0 MiB) WHAT"; nothing where there are none. */
static void print_sum(struct json_object *packs, const char *key, const char *what)
{
    char size[HF_UNITS_MAX];
    struct json_object *sum = NULL;
    if (!json_object_object_get_ex(packs, key, &sum) || !hf_cli_number(sum, "packs"))
        return;
    hf_format_size((uint64_t)hf_cli_number(sum, "bytes"), size);
    printf(", %s packs (%s) %s", hf_cli_text(sum, "packs"), size, what);
}

/* What lies in packs beside what is needed; and what became of those that it is half of. */
static void print_wasted(struct json_object *packs)
{
    static const struct {
        const char *word, *text;
    } whys[] = {
        {"off", "not repacked: repack = no"},
        {"no-identity", "not repacked: that takes the key in identity-file"},
        {"later", "left for the next time"},
        {"damaged", "that cannot be read, or opened"},
    };
    const char *why = hf_cli_text(packs, "left_why"), *text = "left";
    char size[HF_UNITS_MAX];
    for (size_t i = 0; why && i < HF_ARRAY_SIZE(whys); i++)
        if (strcmp(why, whys[i].word) == 0)
            text = whys[i].text;
    if (why && strcmp(why, "unreadable") == 0)
        printf(", what is wasted is not known");
    print_sum(packs, "wasted", "partly not needed");
    print_sum(packs, "repacked", "of them repacked");
    if (hf_cli_number(packs, "moved_bytes")) {
        hf_format_size((uint64_t)hf_cli_number(packs, "moved_bytes"), size);
        printf(" (%s copied)", size);
    }
    print_sum(packs, "left", text);
}

static void print_store(struct json_object *row, bool is_dry)
{
    struct json_object *packs = NULL;
    const char *error = hf_cli_text(row, "error"), *damage = hf_cli_text(row, "damage");
    json_object_object_get_ex(row, "packs", &packs);
    printf("store %s: %s of %s points %s", hf_cli_text(row, "name"), hf_cli_text(row, "deleted"),
           hf_cli_text(row, "points"), is_dry ? "would be deleted" : "deleted");
    if (hf_cli_number(row, "abandoned"))
        printf(", %s folders of backups that ended without a point", hf_cli_text(row, "abandoned"));
    print_sum(packs, "removed", "removed");
    print_sum(packs, "condemned", "condemned");
    print_sum(packs, "waiting", "waiting for their time");
    print_sum(packs, "young", "not needed, and too young to be condemned");
    if (packs)
        print_wasted(packs);
    if (packs && hf_cli_number(packs, "reprieved"))
        printf(", %s packs reprieved", hf_cli_text(packs, "reprieved"));
    printf("\n");
    if (damage)
        printf("store %s: %s manifests cannot be read, so no pack is removed: %s\n",
               hf_cli_text(row, "name"), hf_cli_text(row, "unreadable"), damage);
    if (error)
        printf("store %s: FAILED: %s\n", hf_cli_text(row, "name"), error);
}

static void print_store_done(struct json_object *row)
{
    print_store(row, false);
}

static void print_store_planned(struct json_object *row)
{
    print_store(row, true);
}

static void print_backup(struct json_object *row, bool is_dry)
{
    const char *action = hf_cli_text(row, "action"), *why = hf_cli_text(row, "why");
    const char *word = strcmp(action, "deleted") != 0 ? action
                       : is_dry                       ? "would delete"
                                                      : "deleted";
    printf("%-12s backup %s of %s%s%s\n", strcmp(action, "failed") == 0 ? "FAILED" : word,
           hf_cli_text(row, "ref"), hf_cli_text(row, "vm"), why ? ": " : "", why ? why : "");
}

static void print_backup_done(struct json_object *row)
{
    print_backup(row, false);
}

static void print_backup_planned(struct json_object *row)
{
    print_backup(row, true);
}

int hf_cli_print_prune(struct json_object *doc, struct hf_err *err)
{
    const bool is_dry = hf_cli_number(doc, "dry_run");
    hf_cli_print_each(doc, "points", is_dry ? print_decision : print_deleted);
    hf_cli_print_each(doc, "backups", is_dry ? print_backup_planned : print_backup_done);
    hf_cli_print_each(doc, "stores", is_dry ? print_store_planned : print_store_done);
    return hf_cli_flush(err);
}
