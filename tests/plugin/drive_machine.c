/* SPDX-License-Identifier: Apache-2.0
 *
 * The verbs about machines from stored definitions. $HOLDFAST_RUN_ID: the run, default "run"; $MACHINE_DIR: hf_machine_request.dir;
 * $MACHINE_MEMORY: most MiB.
 */
#include "base/buf.h"
#include "base/path.h"
#include "drive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DISKS_MAX 16
#define TEXT_MAX ((size_t)16 << 20)

static struct hf_hv_call call_of_run(const struct drive *d)
{
    struct hf_hv_call call = call_of(d);
    if (!call.run_id)
        call.run_id = "run";
    return call;
}

static uint32_t flags_of(const char *words)
{
    static const struct {
        const char *word;
        uint32_t flag;
    } table[] = {{"keep-uuid", HF_MACHINE_KEEP_UUID},   {"keep-mac", HF_MACHINE_KEEP_MAC},
                 {"no-network", HF_MACHINE_NO_NETWORK}, {"isolated", HF_MACHINE_ISOLATED},
                 {"transient", HF_MACHINE_TRANSIENT},   {"replace", HF_MACHINE_REPLACE},
                 {"arguments", HF_MACHINE_ARGUMENTS}};
    uint32_t flags = 0;
    for (size_t i = 0; i < HF_ARRAY_SIZE(table); i++)
        if (strstr(words, table[i].word))
            flags |= table[i].flag;
    return flags;
}

/* TARGET=FORMAT:PATH, or TARGET=nbd:PATH (raw). */
static int take_disk(char *text, struct hf_machine_disk *out, struct hf_err *err)
{
    char *equals = strchr(text, '='), *colon = equals ? strchr(equals, ':') : NULL;
    if (!colon)
        return hf_fail(err, HF_E_CONFIG, "'%s' is not TARGET=FORMAT:PATH", text);
    *equals = *colon = '\0';
    bool is_nbd = strcmp(equals + 1, "nbd") == 0;
    *out = (struct hf_machine_disk){.struct_size = sizeof *out,
                                    .source = is_nbd ? HF_MACHINE_NBD : HF_MACHINE_FILE,
                                    .target = text,
                                    .path = colon + 1,
                                    .format = is_nbd ? "raw" : equals + 1,
                                    .export_name = is_nbd ? text : NULL};
    return 0;
}

static void tell(const struct hf_machine_finding_list *l)
{
    static const char *const kinds[] = {"", "changed", "left-out", "cut-off", "warning", "refused"};
    for (size_t i = 0; i < l->n; i++)
        printf("%s %s: %s\n", kinds[l->items[i].kind], l->items[i].about, l->items[i].text);
}

static int write_beside(const char *plan, const char *end, const char *text, struct hf_err *err)
{
    HF_AUTOFREE char *path = hf_asprintf("%s.%s", plan, end);
    return path ? hf_path_write(path, text, strlen(text), 0600, err) : hf_fail_nomem(err);
}

static int keep_plan(const struct hf_hv_machine_plan *plan, const char *file, struct hf_err *err)
{
    printf("planned %s uefi=%d memory=%llu\n", plan->vm_id, plan->is_uefi,
           (unsigned long long)plan->memory_bytes);
    return write_beside(file, "token", plan->undo_token, err) != 0
               ? -1
               : write_beside(file, "xml", plan->definition, err);
}

/* machine-plan DEFINITION-FILE NAME FLAGS PLAN [TARGET=FORMAT:PATH…] */
int do_machine_plan(struct drive *d, char **args, struct hf_err *err)
{
    HF_AUTOFREE char *xml = hf_path_read(args[0], TEXT_MAX, NULL, err);
    HF_AUTO(hf_hv_machine_plan) struct hf_hv_machine_plan plan = {0};
    struct hf_machine_disk disks[DISKS_MAX];
    struct hf_hv_call call = call_of_run(d);
    const char *most = getenv("MACHINE_MEMORY");
    struct hf_machine_request req = {.struct_size = sizeof req,
                                     .flags = flags_of(args[2]),
                                     .definition = xml,
                                     .name = args[1],
                                     .purpose = strstr(args[2], "isolated") ? "drill" : "restore",
                                     .dir = getenv("MACHINE_DIR"),
                                     .disks = disks,
                                     .memory_max_bytes = most ? strtoull(most, NULL, 10) << 20 : 0};
    for (char **arg = args + 4; xml && *arg && req.n_disks < DISKS_MAX; arg++)
        if (take_disk(*arg, &disks[req.n_disks++], err) != 0)
            return -1;
    int rc = xml ? hf_hv_machine_plan(d->hv, &call, &req, &plan, err) : -1;
    tell(&plan.findings);
    if (rc != 0)
        return -1;
    return keep_plan(&plan, args[3], err);
}

/* machine-pushed REF VM-ID NAME FLAGS PLAN [STORAGE]: from a backup that the hypervisor keeps */
int do_machine_pushed(struct drive *d, char **args, struct hf_err *err)
{
    HF_AUTO(hf_hv_machine_plan) struct hf_hv_machine_plan plan = {0};
    struct hf_hv_call call = call_of_run(d);
    const char *most = getenv("MACHINE_MEMORY");
    const struct hf_machine_request req = {
        .struct_size = sizeof req,
        .flags = flags_of(args[3]),
        .name = args[2],
        .purpose = strstr(args[3], "isolated") ? "drill" : "restore",
        .memory_max_bytes = most ? strtoull(most, NULL, 10) << 20 : 0,
        .pushed = args[0],
        .vm_id = args[1],
        .store = args[5]};
    int rc = hf_hv_machine_plan(d->hv, &call, &req, &plan, err);
    tell(&plan.findings);
    return rc == 0 ? keep_plan(&plan, args[4], err) : -1;
}

static char *read_beside(const char *plan, const char *end, struct hf_err *err)
{
    HF_AUTOFREE char *path = hf_asprintf("%s.%s", plan, end);
    return path ? hf_path_read(path, TEXT_MAX, NULL, err) : NULL;
}

int do_machine_create(struct drive *d, char **args, struct hf_err *err)
{
    HF_AUTOFREE char *xml = read_beside(args[0], "xml", err);
    HF_AUTOFREE char *token = xml ? read_beside(args[0], "token", err) : NULL;
    struct hf_hv_call call = call_of_run(d);
    return token ? hf_hv_machine_create(d->hv, &call, xml, token, err) : -1;
}

/* machine-start PLAN [paused] */
int do_machine_start(struct drive *d, char **args, struct hf_err *err)
{
    HF_AUTOFREE char *token = read_beside(args[0], "token", err);
    struct hf_hv_call call = call_of_run(d);
    return token ? hf_hv_machine_start(d->hv, &call, token, args[1] != NULL, err) : -1;
}

int do_machine_settle(struct drive *d, char **args, struct hf_err *err)
{
    HF_AUTOFREE char *token = read_beside(args[0], "token", err);
    struct hf_hv_call call = call_of_run(d);
    return token ? hf_hv_machine_settle(d->hv, &call, token, err) : -1;
}

int do_machine_destroy(struct drive *d, char **args, struct hf_err *err)
{
    HF_AUTOFREE char *token = read_beside(args[0], "token", err);
    struct hf_hv_call call = call_of_run(d);
    return token ? hf_hv_machine_destroy(d->hv, &call, token, err) : -1;
}

/* machine-list [DIR]: with DIR, each one's token is written to DIR/NAME.token. */
int do_machine_list(struct drive *d, char **args, struct hf_err *err)
{
    HF_AUTO(hf_machine_list) struct hf_machine_list l = {0};
    struct hf_hv_call call = call_of_run(d);
    if (hf_hv_machine_list(d->hv, &call, &l, err) != 0)
        return -1;
    for (size_t i = 0; i < l.n; i++) {
        const struct hf_machine_copy *m = &l.items[i];
        HF_AUTOFREE char *plan = args[0] ? hf_path_join(args[0], m->name) : NULL;
        printf("%s run=%s purpose=%s state=%d transient=%d\n", m->name, m->run, m->purpose,
               (int)m->state, m->is_transient);
        if (plan && write_beside(plan, "token", m->undo_token, err) != 0)
            return -1;
    }
    return 0;
}
