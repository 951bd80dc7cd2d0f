/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/hypervisor/actor.h"

#include <string.h>

/* Machines from stored definitions. */

static struct hf_hv_call in_ms(int64_t ms)
{
    return (struct hf_hv_call){.deadline_ms = hf_clock_mono_ms(hf_clock_system()) + ms,
                               .run_id = "run-1"};
}

static int plan(struct hf_hv *hv, int64_t ms, struct hf_hv_machine_plan *out, struct hf_err *err)
{
    struct hf_hv_call call = in_ms(ms);
    const struct hf_machine_disk disks[] = {
        {sizeof disks[0], HF_MACHINE_FILE, "vda", "/a", "qcow2", NULL},
        {sizeof disks[0], HF_MACHINE_NBD, "vdb", "/b", "raw", "x"}};
    struct hf_machine_request req = {.struct_size = sizeof req,
                                     .definition = "<domain/>",
                                     .name = "new",
                                     .purpose = "drill",
                                     .disks = disks,
                                     .n_disks = 2,
                                     .memory_max_bytes = 7};
    return hf_hv_machine_plan(hv, &call, &req, out, err);
}

static void a_request_arrives_whole_and_the_plan_is_copied(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_hv *hv = open_role(state, "good", "0");
    HF_AUTO(hf_hv_machine_plan) struct hf_hv_machine_plan p = {0};
    assert_hf_ok(plan(hv, 5000, &p, &err), &err);
    hf_hv_close(hv);
    assert_string_equal(p.vm_id, "id-new");
    assert_string_equal(p.definition, "<domain/>");
    assert_string_equal(p.undo_token, "machine");
    assert_int_equal(p.memory_bytes, 7);
    assert_int_equal(p.findings.n, 1);
    assert_string_equal(p.findings.items[0].about, "name");
    assert_string_equal(p.findings.items[0].text, "new run-1 2 vdb=2:/b:x");
}

static void a_refusal_comes_with_its_findings(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_hv) struct hf_hv *hv = open_role(state, "refuses", "0");
    HF_AUTO(hf_hv_machine_plan) struct hf_hv_machine_plan p = {0};
    assert_int_equal(plan(hv, 5000, &p, &err), -1);
    assert_hf_err(&err, HF_E_UNSUPPORTED, "no such machine here");
    assert_int_equal(p.findings.n, 1);
    assert_int_equal(p.findings.items[0].kind, HF_MACHINE_REFUSED);
    assert_null(p.undo_token);
}

static void nonsense_is_no_plan_and_no_list(void **state)
{
    static const char *const roles[] = {"tokenless", "sizeless", "stateless",
                                        "nameless",  "endless",  "refuses_and_plans"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(roles); i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_hv) struct hf_hv *hv = open_role(state, roles[i], "0");
        HF_AUTO(hf_hv_machine_plan) struct hf_hv_machine_plan p = {0};
        HF_AUTO(hf_machine_list) struct hf_machine_list l = {0};
        struct hf_hv_call call = in_ms(5000);
        assert_int_equal(plan(hv, 5000, &p, &err), -1);
        assert_hf_err(&err, HF_E_PLUGIN, "the plugin");
        if (strcmp(roles[i], "refuses_and_plans") == 0)
            continue;
        err = (struct hf_err)HF_ERR_INIT;
        assert_int_equal(hf_hv_machine_list(hv, &call, &l, &err), -1);
        assert_hf_err(&err, HF_E_PLUGIN, "nonsense");
    }
}

static void a_late_plan_touches_nobodys_memory(void **state)
{
    struct hf_err err = HF_ERR_INIT, late = HF_ERR_INIT;
    HF_AUTO(hf_hv) struct hf_hv *hv = open_role(state, "hangs_in_plan", "200");
    HF_AUTO(hf_hv_machine_plan) struct hf_hv_machine_plan p = {0};
    assert_int_equal(plan(hv, 20, &p, &err), -1);
    assert_hf_err(&err, HF_E_TIMEOUT, "machine_plan did not return in time");
    assert_int_equal(p.findings.n, 0);
    assert_hf_ok(hf_hv_wait_home(hv, in_ms(5000).deadline_ms, &late, &err), &err);
}

static void each_step_reaches_the_plugin(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_hv *hv = open_role(state, "good", "0");
    HF_AUTO(hf_machine_list) struct hf_machine_list l = {0};
    struct hf_hv_call call = in_ms(5000);
    assert_hf_ok(hf_hv_machine_create(hv, &call, "<domain/>", "machine", &err), &err);
    assert_hf_ok(hf_hv_machine_start(hv, &call, "machine", true, &err), &err);
    assert_hf_ok(hf_hv_machine_start(hv, &call, "machine", false, &err), &err);
    assert_hf_ok(hf_hv_machine_settle(hv, &call, "machine", &err), &err);
    assert_hf_ok(hf_hv_machine_destroy(hv, &call, "machine", &err), &err);
    assert_hf_ok(hf_hv_machine_list(hv, &call, &l, &err), &err);
    hf_hv_close(hv);
    HF_AUTOFREE char *lines = hf_path_read(trace_path, 4096, NULL, &err);
    assert_string_equal(lines,
                        "open\n<domain/>\nstart, paused\nstart\nsettle machine\nmachine\nclose\n");
    assert_int_equal(l.n, 2);
    assert_string_equal(l.items[1].run, "run-1");
    assert_true(l.items[1].is_transient);
    assert_int_equal(l.items[1].state, HF_VM_PAUSED);
}

/* What was made must be taken away, and what was decided be written down, after a Ctrl-C, too. */
static void only_the_ends_go_on_when_the_user_cancels(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_cancel) struct hf_cancel *own = hf_cancel_new(&err);
    cancel = own;
    HF_AUTO(hf_hv) struct hf_hv *hv = open_role(state, "good", "20");
    struct hf_hv_call call = in_ms(5000);
    hf_cancel_set(own);
    assert_int_equal(hf_hv_machine_create(hv, &call, "<domain/>", "machine", &err), -1);
    assert_hf_err(&err, HF_E_CANCELLED, "cancelled");
    err = (struct hf_err)HF_ERR_INIT;
    assert_hf_ok(hf_hv_machine_settle(hv, &call, "machine", &err), &err);
    assert_hf_ok(hf_hv_machine_destroy(hv, &call, "machine", &err), &err);
    cancel = NULL;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_request_arrives_whole_and_the_plan_is_copied),
        HF_TEST(a_refusal_comes_with_its_findings),
        HF_TEST(nonsense_is_no_plan_and_no_list),
        HF_TEST(a_late_plan_touches_nobodys_memory),
        HF_TEST(each_step_reaches_the_plugin),
        HF_TEST(only_the_ends_go_on_when_the_user_cancels),
    };
    return HF_RUN_TESTS("unit.hypervisor.machine", tests);
}
