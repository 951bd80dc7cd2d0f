/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/hf_test.h"
#include "hypervisor/hv.h"

static const char *fakes(void)
{
    static char dir[4096];
    const char *build = getenv("HOLDFAST_BUILD_DIR");
    snprintf(dir, sizeof dir, "%s/tests/plugin/fake", build ? build : ".");
    return dir;
}

static void refuse(const char *name, enum hf_err_class cls, const char *piece)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_plugin_handle)
    struct hf_plugin_handle *h = hf_plugin_load(fakes(), name, NULL, &err);
    assert_null(h);
    assert_hf_err(&err, cls, piece);
}

static void loads_a_plugin_of_this_version(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_plugin_handle)
    struct hf_plugin_handle *h = hf_plugin_load(fakes(), "actor", NULL, &err);
    assert_hf_got(h, &err);
    const struct hf_plugin *p = hf_plugin_table(h);
    assert_string_equal(p->name, "actor");
    assert_int_equal(p->n_keys, 5);
    assert_non_null(p->capture_begin);
    assert_null(p->vm_list); /* the actor has none */
}

static void names_both_versions_of_another_major(void **state)
{
    (void)state;
    refuse("major", HF_E_PLUGIN, "speaks ABI 2.7, this program 1.5");
    refuse("major", HF_E_PLUGIN, "Install the plugin");
}

static void refuses_what_is_no_plugin(void **state)
{
    (void)state;
    refuse("magic", HF_E_PLUGIN, "not a holdfast plugin (magic 7f454c46)");
    refuse("noentry", HF_E_PLUGIN, "exports no holdfast_plugin_entry");
    refuse("refuses", HF_E_PLUGIN, "refuses this program");
    refuse("alias", HF_E_PLUGIN, "calls itself 'other'");
    refuse("tiny", HF_E_PLUGIN, "only");
    refuse("keyless", HF_E_PLUGIN, "nonsensical key table");
}

static void slots_beyond_a_smaller_table_are_absent(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_plugin_handle)
    struct hf_plugin_handle *h = hf_plugin_load(fakes(), "stub", NULL, &err);
    assert_hf_got(h, &err);
    assert_non_null(hf_plugin_table(h)->close);
    assert_null(hf_plugin_table(h)->probe); /* three bytes of it would be there */
    assert_null(hf_plugin_table(h)->guest_mounts);
}

static void a_plugin_built_for_abi_1_0_still_runs(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_hv_opts opts = {.plugin_dir = fakes(), .plugin = "old"};
    HF_AUTO(hf_hv) struct hf_hv *hv = hf_hv_open(&opts, &err);
    assert_hf_got(hv, &err);
    struct hf_hv_call call = {.deadline_ms = HF_NO_DEADLINE};
    HF_AUTO(hf_vm_list) struct hf_vm_list vms = {0};
    HF_AUTO(hf_disk_list) struct hf_disk_list disks = {0};
    assert_hf_ok(hf_hv_vm_list(hv, &call, &vms, &err), &err);
    assert_int_equal(vms.n, 1);
    assert_string_equal(vms.items[0].name, "seven");
    assert_hf_ok(hf_hv_vm_disks(hv, &call, "7", &disks, &err), &err);
    assert_string_equal(disks.items[0].source, "/images/seven");
    assert_int_equal(hf_hv_vm_busy(hv, &call, "7", &err), -1);
    assert_hf_err(&err, HF_E_UNSUPPORTED, "plugin 'old' has no vm_busy");
}

static void says_which_plugins_there_are(void **state)
{
    (void)state;
    refuse("nothere", HF_E_NOT_FOUND, "no plugin 'nothere'");
    refuse("nothere", HF_E_NOT_FOUND, "actor, alias, keyless");
    struct hf_err err = HF_ERR_INIT;
    assert_null(hf_plugin_load("/nonexistent", "libvirt", NULL, &err));
    assert_hf_err(&err, HF_E_NOT_FOUND, "'/nonexistent' cannot be read");
}

static void a_name_is_no_path(void **state)
{
    (void)state;
    refuse("../fake/actor", HF_E_CONFIG, "is no plugin name");
    refuse("", HF_E_CONFIG, "is no plugin name");
}

static void a_library_that_does_not_load_is_named(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    hf_test_file(state, "holdfast-broken.so", "not an ELF file", 0644);
    assert_null(hf_plugin_load(hf_test_dir(state), "broken", NULL, &err));
    assert_hf_err(&err, HF_E_PLUGIN, "plugin 'broken' does not load");
}

static void lists_only_files_that_are_named_as_plugins(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    hf_test_file(state, "holdfast-b.so", "", 0644);
    hf_test_file(state, "holdfast-a.so", "", 0644);
    hf_test_file(state, "holdfast-.so", "", 0644);
    hf_test_file(state, "holdfast-UPPER.so", "", 0644);
    hf_test_file(state, "libc.so", "", 0644);
    HF_AUTO(hf_strv) struct hf_strv names = HF_STRV_INIT;
    assert_hf_ok(hf_plugin_names(hf_test_dir(state), &names, &err), &err);
    assert_int_equal(names.n, 2);
    assert_string_equal(names.items[0], "a");
    assert_string_equal(names.items[1], "b");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(loads_a_plugin_of_this_version),
        HF_TEST(names_both_versions_of_another_major),
        HF_TEST(refuses_what_is_no_plugin),
        HF_TEST(slots_beyond_a_smaller_table_are_absent),
        HF_TEST(a_plugin_built_for_abi_1_0_still_runs),
        HF_TEST(says_which_plugins_there_are),
        HF_TEST(a_name_is_no_path),
        HF_TEST(a_library_that_does_not_load_is_named),
        HF_TEST(lists_only_files_that_are_named_as_plugins),
    };
    return HF_RUN_TESTS("hypervisor.load", tests);
}
