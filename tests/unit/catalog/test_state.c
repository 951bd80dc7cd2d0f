/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog/catalog.h"
#include "catalog/state_intern.h"
#include "catalog/vmlock.h"
#include "harness/hf_test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void a_directory_that_others_can_write_to_is_refused(void **state)
{
    static const mode_t open_modes[] = {0770, 0702, 0777, 01777};
    for (size_t i = 0; i < HF_ARRAY_SIZE(open_modes); i++) {
        struct hf_err err = HF_ERR_INIT;
        assert_int_equal(chmod(hf_test_dir(state), open_modes[i]), 0);
        assert_int_equal(hf_state_dir(hf_test_dir(state), &err), -1);
        assert_hf_err(&err, HF_E_CONFIG, "can be written to by others");
        assert_non_null(strstr(err.hint, "chmod 0700"));
    }
    assert_int_equal(chmod(hf_test_dir(state), 0700), 0);
}

static void catalog_and_lock_keep_out_of_it(void **state)
{
    struct hf_err err = HF_ERR_INIT, second = HF_ERR_INIT;
    assert_int_equal(chmod(hf_test_dir(state), 0777), 0);
    assert_null(hf_catalog_open(hf_test_dir(state), NULL, &err));
    assert_hf_err(&err, HF_E_CONFIG, "can be written to by others");
    assert_null(hf_vmlock_take(hf_test_dir(state), "vm", "20261123T030000Z-7f3a9c21", &second));
    assert_hf_err(&second, HF_E_CONFIG, "can be written to by others");
    assert_int_equal(chmod(hf_test_dir(state), 0700), 0);
}

static void one_that_others_can_only_read_will_do(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    assert_int_equal(chmod(hf_test_dir(state), 0755), 0);
    assert_hf_ok(hf_state_dir(hf_test_dir(state), &err), &err);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_directory_that_others_can_write_to_is_refused),
        HF_TEST(catalog_and_lock_keep_out_of_it),
        HF_TEST(one_that_others_can_only_read_will_do),
    };
    return HF_RUN_TESTS("catalog.state", tests);
}
