/* SPDX-License-Identifier: Apache-2.0 */
#include "base/list.h"
#include "harness/hf_test.h"

#include <stdlib.h>

static void there_is_room_for_one_more_each_time(void **state)
{
    (void)state;
    int *items = NULL;
    size_t cap = 0;
    for (size_t n = 0; n < 1000; n++) {
        int *more = hf_list_room(items, n, &cap, sizeof *items, 3);
        assert_non_null(more);
        assert_true(cap > n);
        items = more;
        items[n] = (int)n;
    }
    assert_int_equal(cap, 3 * 512);
    for (size_t n = 0; n < 1000; n++)
        assert_int_equal(items[n], n);
    free(items);
}

static void without_memory_all_is_as_it_was(void **state)
{
    (void)state;
    size_t cap = 1;
    char *items = malloc(1);
    assert_non_null(items);
    items[0] = 'x';
    assert_null(hf_list_room(items, 1, &cap, SIZE_MAX / 2, 1));
    assert_int_equal(cap, 1);
    assert_int_equal(items[0], 'x');
    assert_ptr_equal(hf_list_room(items, 0, &cap, 1, 1), items);
    free(items);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(there_is_room_for_one_more_each_time),
        HF_TEST(without_memory_all_is_as_it_was),
    };
    return HF_RUN_TESTS("base.list", tests);
}
