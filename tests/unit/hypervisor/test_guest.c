/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/hypervisor/actor.h"

#include <string.h>

/* What is done in a guest. */

static struct hf_hv_call in_ms(int64_t ms)
{
    return (struct hf_hv_call){.deadline_ms = hf_clock_mono_ms(hf_clock_system()) + ms};
}

static void assert_traced(const char *piece)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *lines = hf_path_read(trace_path, 4096, NULL, &err);
    assert_hf_got(lines, &err);
    assert_contains(lines, piece);
}

static void a_program_gets_its_input(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_hv) struct hf_hv *hv = open_role(state, "good", "0");
    HF_AUTO(hf_hv_exec_result) struct hf_hv_exec_result with = {0}, empty = {0}, without = {0};
    struct hf_hv_call call = in_ms(5000);
    const char *const argv[] = {"cat", NULL};
    assert_hf_ok(hf_hv_guest_exec(hv, &call, "1", argv, "a\0b", 3, &with, &err), &err);
    assert_int_equal(with.out.len, 3);
    assert_memory_equal(with.out.data, "a\0b", 3);
    assert_hf_ok(hf_hv_guest_exec(hv, &call, "1", argv, "", 0, &empty, &err), &err);
    assert_hf_ok(hf_hv_guest_exec(hv, &call, "1", argv, NULL, 0, &without, &err), &err);
    assert_int_equal(without.out.len, 0);
}

static void a_file_is_read_whole_or_not_at_all(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_hv) struct hf_hv *hv = open_role(state, "good", "0");
    HF_AUTO(hf_buf) struct hf_buf data = HF_BUF_INIT;
    struct hf_hv_call call = in_ms(5000);
    assert_hf_ok(hf_hv_guest_file_read(hv, &call, "1", "/etc/hosts", 10, &data, &err), &err);
    assert_string_equal(hf_buf_str(&data), "/etc/hosts");
    assert_hf_ok(hf_hv_guest_file_read(hv, &call, "1", "/short", 10, &data, &err), &err);
    assert_string_equal(hf_buf_str(&data), "/short");
    assert_int_equal(hf_hv_guest_file_read(hv, &call, "1", "/etc/hosts", 9, &data, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "'/etc/hosts' in the guest is longer than 9 bytes");
    assert_string_equal(hf_buf_str(&data), "/short");
}

static void a_file_without_end_ends(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_hv) struct hf_hv *hv = open_role(state, "chatty", "0");
    HF_AUTO(hf_buf) struct hf_buf data = HF_BUF_INIT;
    struct hf_hv_call call = in_ms(5000);
    assert_int_equal(hf_hv_guest_file_read(hv, &call, "1", "/dev/zero", 100000, &data, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "longer than 100000 bytes");
    assert_int_equal(data.len, 0);
    assert_traced("stopped");
}

static void what_is_written_is_a_copy(void **state)
{
    struct hf_err err = HF_ERR_INIT, late = HF_ERR_INIT;
    HF_AUTO(hf_hv) struct hf_hv *hv = open_role(state, "hangs_in_write", "200");
    struct hf_hv_call call = in_ms(20);
    char data[] = "precious", path[] = "/p";
    assert_int_equal(hf_hv_guest_file_write(hv, &call, "1", path, data, strlen(data), &err), -1);
    assert_hf_err(&err, HF_E_TIMEOUT, "guest_file_write did not return in time");
    assert_string_equal(err.left, "/p in the guest may be incomplete");
    memset(data, 'x', strlen(data));
    memset(path, 'x', strlen(path));
    call = in_ms(5000);
    assert_hf_ok(hf_hv_wait_home(hv, call.deadline_ms, &late, &err), &err);
    assert_traced("/p=precious");
    assert_hf_ok(hf_hv_guest_file_write(hv, &call, "1", "/empty", NULL, 0, &err), &err);
    assert_traced("/empty=\n");
}

static void a_freeze_tells_how_many(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_hv) struct hf_hv *hv = open_role(state, "good", "0");
    struct hf_hv_call call = in_ms(5000);
    enum hf_freeze_state frozen = HF_FREEZE_UNKNOWN;
    uint32_t n = 0;
    assert_hf_ok(hf_hv_guest_freeze(hv, &call, "1", &n, &err), &err);
    assert_int_equal(n, 2);
    assert_hf_ok(hf_hv_guest_freeze_state(hv, &call, "1", &frozen, &err), &err);
    assert_int_equal(frozen, HF_FREEZE_FROZEN);
    assert_hf_ok(hf_hv_guest_thaw(hv, &call, "1", &err), &err);
    assert_traced("freeze\nthaw\n");
}

static void a_freeze_that_fails_leaves_the_count_alone(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    uint32_t n = 7;
    struct hf_hv_call call = in_ms(5000);
    struct hf_hv *hv = open_role(state, "busy", "0");
    assert_int_equal(hf_hv_guest_freeze(hv, &call, "1", &n, &err), -1);
    assert_hf_err(&err, HF_E_BUSY, "frozen already");
    hf_hv_close(hv);
    hv = open_role(state, "freezes_nothing", "0");
    assert_int_equal(hf_hv_guest_freeze(hv, &call, "1", &n, &err), -1);
    assert_hf_err(&err, HF_E_PLUGIN, "froze nothing");
    hf_hv_close(hv);
    hv = open_role(state, "hangs_in_freeze", "300");
    call = in_ms(30);
    assert_int_equal(hf_hv_guest_freeze(hv, &call, "1", &n, &err), -1);
    assert_hf_err(&err, HF_E_TIMEOUT, "guest_freeze did not return in time");
    assert_string_equal(err.left, "file systems in the guest may be frozen");
    call = in_ms(-1);
    assert_int_equal(hf_hv_guest_freeze(hv, &call, "1", &n, &err), -1);
    assert_string_equal(err.left, ""); /* it was never begun */
    hf_hv_close(hv);
    assert_int_equal(n, 7);
}

static void thawing_goes_on_after_a_ctrl_c(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    cancel = hf_cancel_new(&err);
    struct hf_hv *hv = open_role(state, "good", "50");
    struct hf_hv_call call = in_ms(5000);
    hf_cancel_set(cancel);
    int rc = hf_hv_guest_thaw(hv, &call, "1", &err);
    hf_hv_close(hv);
    hf_cancel_free(cancel);
    cancel = NULL;
    assert_hf_ok(rc, &err);
}

static void an_unknown_state_is_nonsense(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_hv) struct hf_hv *hv = open_role(state, "stateless", "0");
    struct hf_hv_call call = in_ms(5000);
    enum hf_freeze_state frozen;
    assert_int_equal(hf_hv_guest_freeze_state(hv, &call, "1", &frozen, &err), -1);
    assert_hf_err(&err, HF_E_PLUGIN, "an unknown state of file systems");
}

static void mounts_are_copied(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_hv_call call = in_ms(5000);
    HF_AUTO(hf_mount_list) struct hf_mount_list l = {0}, older = {0};
    struct hf_hv *hv = open_role(state, "good", "0");
    assert_hf_ok(hf_hv_guest_mounts(hv, &call, "1", &l, &err), &err);
    hf_hv_close(hv);
    assert_int_equal(l.n, 3);
    assert_string_equal(l.items[2].mountpoint, "/var/lib/mysql");
    assert_string_equal(l.items[2].target, "vdb");
    hv = open_role(state, "small_structs", "0");
    assert_hf_ok(hf_hv_guest_mounts(hv, &call, "1", &older, &err), &err);
    hf_hv_close(hv);
    assert_string_equal(older.items[0].device, "/dev/vdb");
    assert_null(older.items[0].target);
}

static void refuse_mounts(void **state, const char *role, const char *piece)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_hv_call call = in_ms(20000);
    HF_AUTO(hf_mount_list) struct hf_mount_list l = {0};
    HF_AUTO(hf_hv) struct hf_hv *hv = open_role(state, role, "0");
    assert_int_equal(hf_hv_guest_mounts(hv, &call, "1", &l, &err), -1);
    assert_hf_err(&err, HF_E_PLUGIN, piece);
    assert_int_equal(l.n, 0);
}

static void lists_of_mounts_are_bounded_and_checked(void **state)
{
    refuse_mounts(state, "endless", "a list without end");
    refuse_mounts(state, "sizeless", "a struct of impossible size");
    refuse_mounts(state, "nameless", "a mount without place");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_program_gets_its_input),
        HF_TEST(a_file_is_read_whole_or_not_at_all),
        HF_TEST(a_file_without_end_ends),
        HF_TEST(what_is_written_is_a_copy),
        HF_TEST(a_freeze_tells_how_many),
        HF_TEST(a_freeze_that_fails_leaves_the_count_alone),
        HF_TEST(thawing_goes_on_after_a_ctrl_c),
        HF_TEST(an_unknown_state_is_nonsense),
        HF_TEST(mounts_are_copied),
        HF_TEST(lists_of_mounts_are_bounded_and_checked),
    };
    return HF_RUN_TESTS("hypervisor.guest", tests);
}
