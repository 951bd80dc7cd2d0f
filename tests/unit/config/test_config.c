/* SPDX-License-Identifier: Apache-2.0
 *
 * The file: which ones are read, and which are refused before they are.
 */
#include "config/config.h"
#include "harness/hf_test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void assert_not_loaded(const char *path, const char *message, const char *hint)
{
    struct hf_err err = HF_ERR_INIT;
    assert_null(hf_config_load(path, &err));
    assert_hf_err(&err, HF_E_CONFIG, message);
    assert_contains(err.hint, hint);
}

static void needs_root(void)
{
    if (geteuid() != 0)
        skip();
}

static void loads_a_file_and_names_it_in_errors(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const char *good = hf_test_file(state, "good.conf", "[defaults]\nstate = /srv\n", 0644);
    const char *bad = hf_test_file(state, "bad.conf", "[defaults]\nstat = /srv\n", 0600);
    HF_AUTO(hf_config) struct hf_config *c = hf_config_load(good, &err);
    assert_hf_got(c, &err);
    assert_string_equal(hf_config_get_defaults(c)->state, "/srv");
    assert_not_loaded(bad, "bad.conf:2: unknown key 'stat'", "state");
}

static void a_missing_file_says_how_to_make_one(void **state)
{
    assert_not_loaded(hf_test_path(state, "none.conf"), "does not exist", "holdfast sample-config");
    assert_not_loaded(hf_test_path(state, "none.conf"), "none.conf", "HOLDFAST_CONFIG");
}

static void refuses_what_is_no_regular_file(void **state)
{
    const char *fifo = hf_test_path(state, "fifo");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_not_loaded(fifo, "is not a regular file", "");
    assert_not_loaded(hf_test_dir(state), "is not a regular file", "");
    assert_not_loaded("/dev/zero", "is not a regular file", "");
}

static void refuses_a_file_that_others_can_write(void **state)
{
    needs_root();
    const char *path = hf_test_file(state, "open.conf", "", 0664);
    assert_not_loaded(path, "can be written by others than root", "chmod go-w");
    assert_int_equal(chmod(path, 0602), 0);
    assert_not_loaded(path, "can be written by others than root", "chmod go-w");
}

static void refuses_a_file_that_belongs_to_somebody_else(void **state)
{
    needs_root();
    const char *path = hf_test_file(state, "foreign.conf", "", 0644);
    assert_int_equal(chown(path, 65534, 0), 0);
    assert_not_loaded(path, "does not belong to root", "chown root");
}

static void refuses_a_huge_file(void **state)
{
    const char *path = hf_test_file(state, "huge.conf", "", 0600);
    assert_int_equal(truncate(path, (1 << 20) + 1), 0);
    assert_not_loaded(path, "larger than 1 MiB", "");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(loads_a_file_and_names_it_in_errors),
        HF_TEST(a_missing_file_says_how_to_make_one),
        HF_TEST(refuses_what_is_no_regular_file),
        HF_TEST(refuses_a_file_that_others_can_write),
        HF_TEST(refuses_a_file_that_belongs_to_somebody_else),
        HF_TEST(refuses_a_huge_file),
    };
    return HF_RUN_TESTS("config.config", tests);
}
