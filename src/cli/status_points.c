/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/status_points.h"

#include "base/units.h"
#include "cli/drill_text.h"
#include "cli/point_text.h"
#include "cli/report_text.h"
#include "run/drillable.h"
#include "run/point_doc.h"

#include <stdio.h>
#include <string.h>

struct taking {
    struct hf_catalog *catalog;
    struct json_object *last; /* a list of one */
};

static int take(void *ctx, const struct hf_catalog_point *p, struct hf_err *err)
{
    struct taking *t = ctx;
    return hf_point_doc_row(t->last, t->catalog, p, err);
}

static int add_drills(struct hf_catalog *catalog, const struct hf_config_vm *vm, int64_t now_us,
                      struct json_object *row, struct hf_err *err)
{
    char since[HF_TIME_MAX];
    struct hf_drill_age age;
    if (hf_point_doc_last_drill(row, catalog, NULL, vm->label, err) < 0 ||
        hf_drill_age(catalog, vm, now_us, &age, err) < 0)
        return -1;
    hf_time_rfc3339(age.since_us, since);
    if ((vm->drill_every ? hf_json_add_int(row, "drill_every_ms", vm->drill_every)
                         : hf_json_add_string(row, "drill_every_ms", NULL)) < 0 ||
        hf_json_add_string(row, "drill_since", age.since_us ? since : NULL) < 0 ||
        hf_json_add_bool(row, "drill_overdue", age.is_overdue) < 0)
        return hf_fail_nomem(err);
    return 0;
}

int hf_status_points_add(struct hf_catalog *catalog, const struct hf_config_vm *vm, int64_t now_us,
                         struct json_object *row, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *last = json_object_new_array();
    struct taking t = {.catalog = catalog, .last = last};
    int64_t n = 0;
    if (!last)
        return hf_fail_nomem(err);
    if (hf_catalog_points_count(catalog, vm->label, &n, err) < 0 ||
        hf_catalog_points_newest(catalog, vm->label, 0, 1, take, &t, err) < 0 ||
        add_drills(catalog, vm, now_us, row, err) < 0)
        return -1;
    if (hf_json_add_int(row, "points", n) < 0 ||
        (n ? hf_json_add(row, "last_point", json_object_get(json_object_array_get_idx(last, 0)))
           : hf_json_add_string(row, "last_point", NULL)) < 0)
        return hf_fail_nomem(err);
    return 0;
}

int hf_status_stores_add(const struct hf_config *config, struct json_object *doc,
                         struct hf_err *err)
{
    HF_AUTOJSON struct json_object *list = json_object_new_array();
    for (size_t i = 0; list && i < hf_config_store_count(config); i++) {
        const struct hf_config_store *s = hf_config_store_at(config, i);
        bool is_assumed = s->off_host == HF_OFF_HOST_ASSUME;
        struct json_object *row = hf_json_append_object(list);
        if (!row || hf_json_add_string(row, "name", s->label) < 0 ||
            hf_json_add_string(row, "off_host", is_assumed ? "assume" : "verify") < 0 ||
            hf_json_add_int(row, "recipients", (int64_t)s->recipients.n) < 0)
            return hf_fail_nomem(err);
    }
    return list && hf_json_add(doc, "stores", HF_STEAL(list)) == 0 ? 0 : hf_fail_nomem(err);
}

static void print_drill(struct json_object *row)
{
    struct json_object *drill = NULL;
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    json_object_object_get_ex(row, "last_drill", &drill);
    if (!drill) {
        printf("%s: never drilled: `holdfast verify POINT --drill`\n", hf_cli_text(row, "vm"));
        return;
    }
    hf_cli_drill_text(drill, &text);
    printf("%s: last drill, of %s: %s\n", hf_cli_text(row, "vm"), hf_cli_text(drill, "point"),
           hf_buf_str(&text));
}

static void print_overdue(struct json_object *row)
{
    char every[HF_UNITS_MAX];
    if (!hf_cli_number(row, "drill_overdue"))
        return;
    hf_format_duration(hf_cli_number(row, "drill_every_ms"), every);
    printf("%s: drill overdue: none has passed since %s (drill-every = %s)\n",
           hf_cli_text(row, "vm"), hf_cli_text(row, "drill_since"), every);
}

static void print_last(struct json_object *row, bool has_stores)
{
    struct json_object *last = NULL;
    HF_AUTO(hf_buf) struct hf_buf copies = HF_BUF_INIT;
    json_object_object_get_ex(row, "last_point", &last);
    if (!last && has_stores)
        printf("%s: no recovery point\n", hf_cli_text(row, "vm"));
    if (!last)
        return;
    hf_cli_copies_text(last, &copies);
    printf("%s: last of %s recovery points %s, %s: on %s\n", hf_cli_text(row, "vm"),
           hf_cli_text(row, "points"), hf_cli_text(last, "taken_at"),
           hf_cli_number(last, "protected") ? "protected" : "NOT PROTECTED", hf_buf_str(&copies));
    print_drill(row);
    print_overdue(row);
}

static void print_store(struct json_object *s)
{
    if (strcmp(hf_cli_text(s, "off_host"), "assume") == 0)
        printf("store %s: off-host = assume: that it is off the host is taken for granted\n",
               hf_cli_text(s, "name"));
}

void hf_status_points_print(struct json_object *doc)
{
    struct json_object *vms = NULL, *stores = NULL;
    json_object_object_get_ex(doc, "vms", &vms);
    json_object_object_get_ex(doc, "stores", &stores);
    for (size_t i = 0; i < json_object_array_length(vms); i++)
        print_last(json_object_array_get_idx(vms, i), json_object_array_length(stores) > 0);
    hf_cli_print_each(doc, "stores", print_store);
}
