/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/verb_list.c - `list`: recovery points as the catalog knows them.
 */
#include "base/buf.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/engine.h"
#include "cli/list_backups.h"
#include "cli/point_text.h"
#include "cli/report_text.h"
#include "run/point_doc.h"

static const struct hf_cli_opt opts[] = {
    {"since", 0, HF_OPT_DURATION, "TIME", "Only those of the last TIME, such as 12h or 7d."},
    {"newest", 'n', HF_OPT_INT, "N", "Only the newest N of them."},
    {"backups", 'b', HF_OPT_FLAG, NULL,
     "The backups that hypervisors keep where they write them to now, too: those of points, those "
     "without one, and those of others."},
};

extern const struct hf_verb hf_verb_list;

struct listing {
    struct hf_catalog *catalog;
    struct json_object *rows;
};

static int add_row(void *ctx, const struct hf_catalog_point *p, struct hf_err *err)
{
    struct listing *l = ctx;
    return hf_point_doc_row(l->rows, l->catalog, p, err);
}

static const char *drill_word(struct json_object *row)
{
    struct json_object *last = NULL;
    json_object_object_get_ex(row, "last_drill", &last);
    return !last ? NULL : hf_cli_number(last, "passed") ? "passed" : "FAILED";
}

static int print_row(struct hf_table *t, struct json_object *row)
{
    char size[HF_UNITS_MAX];
    HF_AUTO(hf_buf) struct hf_buf copies = HF_BUF_INIT;
    hf_cli_copies_text(row, &copies);
    return hf_table_row(t, hf_cli_text(row, "vm"), hf_cli_text(row, "point"),
                        hf_cli_text(row, "taken_at"), hf_cli_text(row, "grade"),
                        hf_cli_text(row, "stall_ms"), hf_cli_size(row, "bytes", size),
                        drill_word(row), hf_buf_str(&copies));
}

static int print_list(struct json_object *rows, struct hf_err *err)
{
    HF_AUTO(hf_table) struct hf_table *t = hf_table_new(8);
    if (!t ||
        hf_table_row(t, "VM", "POINT", "TAKEN", "GRADE", "STALL MS", "SIZE", "DRILL", "STORES") < 0)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < json_object_array_length(rows); i++)
        if (print_row(t, json_object_array_get_idx(rows, i)) < 0)
            return hf_fail_nomem(err);
    return hf_table_print(t, err);
}

static int how_many(const struct hf_cli_args *args, size_t *out, struct hf_err *err)
{
    const struct hf_cli_value *newest = hf_cli_get(&hf_verb_list, args, "newest");
    *out = newest->is_set ? (size_t)newest->number : SIZE_MAX;
    if (!newest->is_set || newest->number >= 1)
        return 0;
    hf_fail(err, HF_E_CONFIG, "--newest %s is out of range", newest->text);
    return hf_hint(err, "Accepted: 1 and more.");
}

static int run_list(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    struct hf_env env = hf_cli_env(cli);
    const struct hf_cli_value *since = hf_cli_get(&hf_verb_list, args, "since");
    HF_AUTOJSON struct json_object *doc = json_object_new_object();
    struct listing l = {.rows = json_object_new_array()};
    if (!doc || hf_json_add(doc, "points", l.rows) < 0)
        return hf_fail_nomem(err);
    size_t n = 0;
    if (how_many(args, &n, err) < 0)
        return -1;
    HF_AUTO(hf_catalog)
    struct hf_catalog *catalog = hf_catalog_open(hf_env_state(&env), env.clock, err);
    int64_t from_us =
        since->is_set ? hf_clock_wall_us(cli->clock) - since->number * INT64_C(1000) : 0;
    l.catalog = catalog;
    if (!catalog ||
        hf_catalog_points_newest(catalog, args->items[0], from_us, n, add_row, &l, err) < 0)
        return -1;
    bool is_bad = false, with_backups = hf_cli_get(&hf_verb_list, args, "backups")->is_set;
    if (with_backups && hf_cli_list_backups(&env, catalog, args->items[0], doc, &is_bad, err) < 0)
        return -1;
    if ((cli->json ? hf_cli_print_json(doc, err) : print_list(l.rows, err)) < 0 ||
        (with_backups && !cli->json && hf_cli_print_backups(doc, err) < 0))
        return -1;
    return is_bad ? 1 : 0;
}

const struct hf_verb hf_verb_list = {
    .name = "list",
    .args = "[VM]",
    .min_args = 0,
    .max_args = 1,
    .summary = "list recovery points, newest first, and where their copies are",
    .help =
        "Reads the catalog of this host; no store is asked. SIZE is what the point consists of "
        "before compression (its disks as the guest sees them). DRILL is what came of its last "
        "drill "
        "(verify --drill). A store is named alone "
        "where the point is protected: everything was read back from a place proven to be "
        "off the host. Else it says why: damaged as verify found, only assumed to be off the "
        "host, or found by catalog rebuild, so that nobody here has proven it.\n\n"
        "Points that another host took, or that a lost catalog knew, are there after "
        "holdfast catalog rebuild. Snapshots on the hypervisor are listed by snapshot "
        "list.\n\n"
        "With --backups the hypervisors are asked for the backups of their VMs that they wrote "
        "themselves (Proxmox VE: vzdump), "
        "and the stores whose they are. One that holdfast made and that belongs to no point of "
        "any store of the "
        "configuration is said to have none: it was left by a run that died, or its point is "
        "on a store of another host; younger than a day, its run may be under way on another "
        "host. Only the place that the hypervisor's section names now is looked at (Proxmox VE: "
        "backup-storage): a backup of a point that lies elsewhere is found by show, verify and "
        "prune, not listed. The status is 1 when a hypervisor could not be asked.\n\n"
        "  holdfast list web01 --since 7d\n"
        "  holdfast list web01 --newest 10",
    .opts = opts,
    .n_opts = HF_ARRAY_SIZE(opts),
    .needs_config = true,
    .run = run_list,
};
