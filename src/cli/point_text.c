/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/point_text.h"

#include "base/units.h"
#include "cli/drill_text.h"
#include "cli/report_text.h"

#include <stdio.h>
#include <string.h>

static void print_store(struct json_object *s)
{
    char size[HF_UNITS_MAX];
    const char *why = hf_cli_text(s, "error"), *off_host = hf_cli_text(s, "off_host");
    hf_format_size((uint64_t)hf_cli_number(s, "bytes"), size);
    if (why)
        printf("%-10s %s: FAILED: %s\n", "store", hf_cli_text(s, "name"), why);
    else
        printf("%-10s %s: %s in %s objects, read back; off the host: %s\n", "store",
               hf_cli_text(s, "name"), size, hf_cli_text(s, "objects"), off_host ? off_host : "-");
}

/* Where it lies, and what has become of it. */
static void print_backup(struct json_object *a)
{
    struct json_object *now = NULL;
    const char *off_host = hf_cli_text(a, "off_host"), *why = hf_cli_text(a, "off_host_why");
    printf(", %s %s; off the host: %s%s%s%s", hf_cli_text(a, "form"), hf_cli_text(a, "ref"),
           off_host, why ? " (" : "", why ? why : "", why ? ")" : "");
    if (!json_object_object_get_ex(a, "now", &now) || !now)
        return;
    const char *damage = hf_cli_text(now, "damage"), *error = hf_cli_text(now, "error"),
               *check = hf_cli_text(now, "check");
    if (error)
        printf("; not looked at: %s", error);
    else if (damage)
        printf("; DAMAGED: %s", damage);
    else
        printf("; there, %s%s",
               check && strcmp(check, "good") == 0 ? "verified by its place" : "not verified yet",
               hf_cli_number(now, "protected") ? "" : ", not protected from retention");
}

static void print_artifact(struct json_object *a)
{
    char bytes[HF_UNITS_MAX], stored[HF_UNITS_MAX];
    hf_format_size((uint64_t)hf_cli_number(a, "bytes"), bytes);
    hf_format_size((uint64_t)hf_cli_number(a, "stored_bytes"), stored);
    printf("%-10s %s: %s, stored %s", hf_cli_text(a, "kind"), hf_cli_text(a, "name"), bytes,
           stored);
    if (hf_cli_number(a, "incremental"))
        printf(", incremental");
    else if (hf_cli_text(a, "incremental_why"))
        printf(", compared: %s", hf_cli_text(a, "incremental_why"));
    if (hf_cli_text(a, "ref"))
        print_backup(a);
    putchar('\n');
}

/* What has to be known of a copy beside that it is there; NULL: nothing. */
static const char *caveat(struct json_object *copy)
{
    const char *off_host = hf_cli_text(copy, "off_host");
    if (hf_cli_number(copy, "damaged"))
        return "DAMAGED";
    if (!hf_cli_number(copy, "protected"))
        return "not proven to be protected";
    return off_host && strcmp(off_host, "assumed") == 0 ? "assumed off the host" : NULL;
}

static void print_copy(struct json_object *copy)
{
    const char *but = caveat(copy), *verified = hf_cli_text(copy, "verified_at");
    printf("%-10s %s: %s%s%s\n", "copy", hf_cli_text(copy, "store"), but ? but : "protected",
           verified ? ", verified " : ", never verified since", verified ? verified : "");
}

static void print_drill(struct json_object *drill)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    hf_cli_drill_text(drill, &text);
    printf("%-10s %s\n", "drill", hf_buf_str(&text));
}

void hf_cli_print_point(struct json_object *doc)
{
    printf("%-10s %s/%s\n", "point", hf_cli_text(doc, "vm"), hf_cli_text(doc, "point"));
    hf_cli_print_each(doc, "artifacts", print_artifact);
    hf_cli_print_each(doc, "stores", print_store);
    hf_cli_print_each(doc, "copies", print_copy);
    hf_cli_print_each(doc, "drills", print_drill);
}

void hf_cli_copies_text(struct json_object *row, struct hf_buf *out)
{
    struct json_object *list = NULL;
    json_object_object_get_ex(row, "copies", &list);
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *copy = json_object_array_get_idx(list, i);
        const char *but = caveat(copy);
        hf_buf_printf(out, "%s%s", i ? ", " : "", hf_cli_text(copy, "store"));
        if (but)
            hf_buf_printf(out, " (%s)", but);
    }
}
