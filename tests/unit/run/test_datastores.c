/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/hf_test.h"
#include "run/datastores.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct hf_strv found_of(struct hf_disk_copy *disks, size_t n)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_strv out = HF_STRV_INIT;
    const struct hf_disk_list list = {.items = disks, .n = n};
    assert_hf_ok(hf_datastores_add(&out, &list, &err), &err);
    return out;
}

static char gone[] = "/nowhere/vda.qcow2", pool[] = "local-lvm", dir[] = "/nowhere",
            cdrom[] = "it is a cdrom";

static void what_is_not_of_this_host_is_called_as_the_hypervisor_calls_it(void **state)
{
    (void)state;
    struct hf_disk_copy disks[] = {{.source = gone, .store = dir},
                                   {.source = pool, .store = pool},
                                   {.store = pool},
                                   {.source = gone},
                                   {.store = cdrom, .skipped = cdrom}};
    HF_AUTO(hf_strv) struct hf_strv out = found_of(disks, HF_ARRAY_SIZE(disks));
    assert_int_equal(out.n, 2);
    assert_string_equal(out.items[0], "/nowhere");
    assert_string_equal(out.items[1], "local-lvm");
}

/* The filesystem that a path lies on, looked for upwards. */
static bool is_mount_of(const char *mount, const char *path)
{
    struct stat here, there;
    assert_int_equal(stat(path, &here), 0);
    assert_int_equal(stat(mount, &there), 0);
    return here.st_dev == there.st_dev;
}

static void
files_of_one_filesystem_have_one_name_in_whatever_directory_and_by_whatever_link(void **state)
{
    const char *first = hf_test_file(state, "first.img", "x", 0600);
    HF_AUTOFREE char *below = hf_asprintf("%s/below", hf_test_dir(state));
    HF_AUTOFREE char *second = hf_asprintf("%s/below/second.img", hf_test_dir(state));
    assert_int_equal(mkdir(below, 0700), 0);
    assert_int_equal(symlink(first, second), 0);
    HF_AUTOFREE char *source = strdup(first);
    struct hf_disk_copy disks[] = {{.source = source, .store = dir},
                                   {.source = second, .store = pool}};
    HF_AUTO(hf_strv) struct hf_strv out = found_of(disks, HF_ARRAY_SIZE(disks));
    assert_int_equal(out.n, 1);
    assert_true(is_mount_of(out.items[0], first));
}

static void a_device_is_not_the_filesystem_of_its_node(void **state)
{
    (void)state;
    char null[] = "/dev/null", group[] = "/dev/vg0";
    struct hf_disk_copy disks[] = {{.source = null, .store = group}};
    HF_AUTO(hf_strv) struct hf_strv out = found_of(disks, 1);
    assert_int_equal(out.n, 1);
    assert_string_equal(out.items[0], group);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(what_is_not_of_this_host_is_called_as_the_hypervisor_calls_it),
        HF_TEST(files_of_one_filesystem_have_one_name_in_whatever_directory_and_by_whatever_link),
        HF_TEST(a_device_is_not_the_filesystem_of_its_node),
    };
    return HF_RUN_TESTS("run.datastores", tests);
}
