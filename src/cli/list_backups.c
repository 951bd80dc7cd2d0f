/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/list_backups.h"

#include "base/units.h"
#include "cli/output.h"
#include "cli/report_text.h"
#include "run/point_kept.h"
#include "run/pushed_list.h"

#include <stdio.h>
#include <string.h>

#define WORDS_MAX 128

static int add_row(void *ctx, const struct hf_pushed_row *row, struct hf_err *err)
{
    const struct hf_pushed_copy *p = row->is;
    struct json_object *o = hf_json_append_object(ctx);
    return !o || hf_json_add_string(o, "vm", row->vm) < 0 ||
                   hf_json_add_string(o, "hypervisor", row->hypervisor) < 0 ||
                   hf_json_add_string(o, "ref", p->ref) < 0 ||
                   hf_json_add_string(o, "form", p->form) < 0 ||
                   hf_json_add_string(o, "place", p->place) < 0 ||
                   hf_json_add_time(o, "taken_at", p->taken_at_s * 1000000) < 0 ||
                   (p->stored_bytes ? hf_json_add_int(o, "stored_bytes", (int64_t)p->stored_bytes)
                                    : hf_json_add_string(o, "stored_bytes", NULL)) < 0 ||
                   hf_json_add_bool(o, "protected", p->is_protected) < 0 ||
                   hf_json_add_string(o, "check", hf_pushed_check_name(p->check)) < 0 ||
                   hf_json_add_string(o, "state", hf_pushed_state_name(row->state)) < 0 ||
                   hf_json_add_string(o, "point", row->point[0] ? row->point : NULL) < 0 ||
                   hf_json_add_string(o, "why", row->why[0] ? row->why : NULL) < 0 ||
                   hf_json_add_string(o, "notes", p->notes) < 0
               ? hf_fail_nomem(err)
               : 0;
}

static int add_asked(struct json_object *list, const struct hf_config_vm *vm, struct hf_err *err)
{
    struct json_object *o = hf_json_append_object(list);
    return !o || hf_json_add_string(o, "vm", vm->label) < 0 ||
                   hf_json_add_string(o, "hypervisor", vm->hypervisor) < 0
               ? hf_fail_nomem(err)
               : 0;
}

static int add_error(struct json_object *list, const char *vm, const struct hf_err *why,
                     struct hf_err *err)
{
    struct json_object *o = hf_json_append_object(list);
    return !o || hf_json_add_string(o, "vm", vm) < 0 ||
                   hf_json_add_string(o, "error", why->message) < 0
               ? hf_fail_nomem(err)
               : 0;
}

int hf_cli_list_backups(const struct hf_env *env, struct hf_catalog *catalog, const char *vm,
                        struct json_object *doc, bool *out_is_bad, struct hf_err *err)
{
    HF_AUTO(hf_pushed_lister)
    struct hf_pushed_lister l = {
        .env = env, .catalog = catalog, .keepers = {.env = env}, .stores = {.env = env}};
    struct json_object *rows = hf_json_add_array(doc, "backups"),
                       *asked = hf_json_add_array(doc, "asked"),
                       *errors = hf_json_add_array(doc, "errors");
    if (!rows || !asked || !errors)
        return hf_fail_nomem(err);
    struct hf_err unknown = HF_ERR_INIT;
    if (vm && !hf_config_find_vm(env->config, vm, &unknown)) {
        *out_is_bad = true;
        return add_error(errors, vm, &unknown, err);
    }
    for (size_t i = 0; i < hf_config_vm_count(env->config); i++) {
        const struct hf_config_vm *one = hf_config_vm_at(env->config, i);
        struct hf_err why = HF_ERR_INIT;
        if (vm && strcmp(one->label, vm) != 0)
            continue;
        int rc = hf_pushed_list_vm(&l, one, add_row, rows, &why);
        if (rc > 0 && add_asked(asked, one, err) < 0)
            return -1;
        if (rc >= 0)
            continue;
        if (hf_cancel_check(env->cancel, err) < 0 || add_error(errors, one->label, &why, err) < 0)
            return -1;
        *out_is_bad = true;
    }
    return 0;
}

/* ---- as text -------------------------------------------------------------------------------- */

static const char *words_of(struct json_object *row, char out[WORDS_MAX])
{
    const char *state = hf_cli_text(row, "state"), *check = hf_cli_text(row, "check"),
               *why = hf_cli_text(row, "why");
    if (strcmp(check, "bad") == 0)
        return "DAMAGED, as its place found";
    if (strcmp(state, "orphan") == 0) {
        snprintf(out, WORDS_MAX, "NO POINT on any store%s%s", why ? ": " : "", why ? why : "");
        return out;
    }
    if (strcmp(state, "uncertain") == 0)
        return why;
    return strcmp(state, "foreign") == 0 ? "not made by holdfast" : hf_cli_text(row, "point");
}

/* Each section once: nobody should take the list for all that there is. */
static void print_asked(struct json_object *list)
{
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        const char *name = hf_cli_text(json_object_array_get_idx(list, i), "hypervisor");
        bool is_said = false;
        for (size_t j = 0; j < i && !is_said; j++)
            is_said =
                strcmp(hf_cli_text(json_object_array_get_idx(list, j), "hypervisor"), name) == 0;
        if (!is_said)
            printf("Looked for where [hypervisor %s] writes backups to now; those that lie "
                   "elsewhere are not listed.\n",
                   name);
    }
}

static void print_error(struct json_object *row)
{
    printf("%s: FAILED: %s\n", hf_cli_text(row, "vm"), hf_cli_text(row, "error"));
}

int hf_cli_print_backups(struct json_object *doc, struct hf_err *err)
{
    struct json_object *rows = hf_json_list(doc, "backups");
    char size[HF_UNITS_MAX], words[WORDS_MAX];
    HF_AUTO(hf_table) struct hf_table *t = hf_table_new(5);
    if (!t || hf_table_row(t, "VM", "BACKUP", "TAKEN", "STORED", "POINT") < 0)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < json_object_array_length(rows); i++) {
        struct json_object *row = json_object_array_get_idx(rows, i);
        if (hf_table_row(t, hf_cli_text(row, "vm"), hf_cli_text(row, "ref"),
                         hf_cli_text(row, "taken_at"), hf_cli_size(row, "stored_bytes", size),
                         words_of(row, words)) < 0)
            return hf_fail_nomem(err);
    }
    if (hf_table_print(t, err) < 0)
        return -1;
    print_asked(hf_json_list(doc, "asked"));
    hf_cli_print_each(doc, "errors", print_error);
    return hf_cli_flush(err);
}
