/* SPDX-License-Identifier: Apache-2.0 */
#include "base/list.h"

#include <stdlib.h>

void *hf_list_room(void *items, size_t n, size_t *io_cap, size_t bytes, size_t first)
{
    if (n < *io_cap)
        return items;
    const size_t cap = *io_cap ? 2 * *io_cap : first;
    void *more = reallocarray(items, cap, bytes);
    if (more)
        *io_cap = cap;
    return more;
}
