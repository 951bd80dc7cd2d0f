/* SPDX-License-Identifier: Apache-2.0 */
#include "run/covered.h"

#include "db/places.h"

#define ASK_MS 30000

static int add_places(struct hf_db_conn *db, struct hf_wanted_list *wanted, struct hf_err *err)
{
    HF_AUTO(hf_db_places) struct hf_db_places places = {0};
    if (!db)
        return 0;
    if (hf_db_places(db, &places, err) < 0)
        return hf_wrap(err, "where the database's files are");
    for (size_t i = 0; i < places.n; i++)
        if (hf_wanted_add(wanted, places.items[i].what, places.items[i].path) < 0)
            return hf_fail_nomem(err);
    return 0;
}

static int add_files(const struct hf_config_vm *vm, struct hf_wanted_list *wanted,
                     struct hf_err *err)
{
    for (size_t i = 0; i < vm->files.n; i++)
        if (hf_wanted_add(wanted, "files", vm->files.items[i]) < 0)
            return hf_fail_nomem(err);
    return 0;
}

/* Through the hypervisor that captures, or that of the agent: whichever is at hand. Without an agent there are none. */
static void list_mounts(const struct hf_covered_ask *ask, struct hf_mount_list *out)
{
    struct hf_err none = HF_ERR_INIT;
    struct hf_hv_call call = hf_env_call(ask->env, NULL, ASK_MS);
    if (hf_hv_guest_mounts(ask->way->hv ? ask->way->hv : ask->hv, &call, ask->vm_id, out, &none) <
        0)
        hf_log(ask->env->log, HF_LOG_DETAIL, "coverage", "no agent tells the disks of mounts: %s",
               none.message);
}

int hf_covered_ask(const struct hf_covered_ask *ask, struct hf_coverage *out, struct hf_err *err)
{
    HF_AUTO(hf_wanted_list) struct hf_wanted_list wanted = {0};
    HF_AUTO(hf_mount_list) struct hf_mount_list mounts = {0};
    HF_AUTO(hf_disk_list) struct hf_disk_list disks = {0};
    if (add_places(ask->db, &wanted, err) < 0 || add_files(ask->way->vm, &wanted, err) < 0)
        return -1;
    if (!wanted.n)
        return 0;
    struct hf_hv_call call = hf_env_call(ask->env, NULL, ASK_MS);
    if (hf_hv_vm_disks(ask->hv, &call, ask->vm_id, &disks, err) < 0)
        return -1;
    list_mounts(ask, &mounts);
    return hf_coverage_check(ask->way->guest, &wanted, &mounts, &disks, call.deadline_ms, out, err);
}
